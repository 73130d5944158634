/* The board: what a pool and its workers have in common, in one file of memory.
 *
 * It has a ring of chunks that wait to be claimed, a desk for each worker, and the store where the chunks lie. Nothing
 * on it is a lock. Every word has one writer at a time, or changes by compare-and-swap; so whoever is killed or
 * stopped, at whatever instruction, leaves words that the others understand:
 *
 *   a slot is FREE     the parent alone may fill it
 *             READY    any worker may claim it
 *             CLAIMED  the worker whose number it carries has it. That one notes the chunk's ticket on its desk, and
 *                      only then sets the slot FREE. When it dies before, the slot tells; when it dies later, the desk
 *                      tells; in between both tell the same.
 *
 * A position is a count of slots that the parent has passed since the pool began; position p uses slot p % slots. A
 * slot that is READY carries its position, so a swap that was meant for an earlier lap fails. A slot that is still
 * CLAIMED when the parent comes round again, because the worker is stopped there, is passed over: nobody waits for it.
 * The head is the first position that may be READY; whoever finds that it is not, helps it on.
 *
 * What a chunk is known by is its ticket, which never comes again, and not its place: a worker that dies between its
 * last report on a chunk and the note that it has put the chunk down tells of a chunk that is no more, and its place
 * may be another one's by then.
 */
#ifndef KITH_SRC_POOL_BOARD_H
#define KITH_SRC_POOL_BOARD_H

#include <kith/entry.h>
#include <kith/pool.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define BOARD_LINE 64 /* a cache line, in bytes */

/* ---- what lies in the store: chunks ---- */

/** Whether a chunk was begun. By compare-and-swap from CHUNK_WAITING, by the worker that claimed it, or by the parent:
 *  release and acquire. */
enum chunk_state { CHUNK_WAITING, CHUNK_BEGUN, CHUNK_CANCELLED };

/** Some tasks of one function, handed to a worker at a time. The parent writes it before it is READY; then it stays as
 *  it is, but for the atomic words. Behind it lie its name, with a NUL byte, when function is NULL, padded to 8 bytes;
 *  then its items, one behind the other. */
struct chunk {
    _Atomic uint32_t state;   /* a chunk_state */
    _Atomic uint32_t give_up; /* 1: items that have not begun are not to be. Parent: relaxed; worker: relaxed */
    uint64_t ticket;          /* what the parent knows it by; reports carry it. Not 0, and never the same twice */
    uint32_t count;           /* items, at most CHUNK_ITEMS_MAX */
    uint32_t attempt;         /* kith_call_attempt of its items */
    kith_entry *function;     /* for workers that are copies of the parent */
    uint32_t name_size;       /* of the function's name, in bytes, NUL included; 0: function says it */
    uint32_t reserved;
};

#define CHUNK_ITEMS_MAX ((uint32_t)1 << 30)

/** Before each item. Its bytes follow, padded to 8. */
struct item {
    uint32_t values; /* 1: they are the pickle of a tuple; 0: bytes of the caller's */
    uint32_t reserved;
    uint64_t size; /* in bytes */
};

/** What so many bytes take, padded. */
static inline size_t chunk_padded(size_t size)
{
    return (size + 7) & ~(size_t)7;
}

/** Where the name of a chunk's function is, the first item, and the one behind an item. */
static inline char *chunk_name(struct chunk *chunk)
{
    return (char *)(chunk + 1);
}

static inline struct item *chunk_items(struct chunk *chunk)
{
    return (struct item *)(void *)(chunk_name(chunk) + chunk_padded(chunk->name_size));
}

static inline struct item *item_next(struct item *item)
{
    return (struct item *)(void *)((char *)(item + 1) + chunk_padded(item->size));
}

/* ---- desks ---- */

/** A worker's. Written by it, but for `at` and `asleep`, which the parent changes, too. All is zero until a worker
 *  comes, and again when it is buried. */
struct desk {
    /* The position that it tries to claim, or has claimed last. */
    _Alignas(BOARD_LINE) _Atomic uint64_t aim;
    /* Of the chunk that it has; 0: none. Set before the slot is FREE, cleared after the last report on it was put. */
    _Atomic uint64_t ticket;
    /* Which item it has begun last: see ring.c. The parent may put an end to it, by board_doom. */
    _Atomic uint64_t at;
    /* When it ended the item before, or woke up, whatever was later; os_clock_now. */
    _Atomic int64_t since;
    /* Items that it has finished. */
    _Atomic uint64_t finished;
    /* 1: it sleeps on this word, or is about to. */
    _Atomic uint32_t asleep;
};

/* ---- the board ---- */

#define BOARD_SLEEPER_WORDS (KITH_POOL_WORKERS_MAX / 64)

struct slot {
    _Atomic uint64_t state; /* see ring.c; 0 is FREE */
    uint64_t chunk;         /* its place in the store. Parent, while the slot is FREE */
};

/** The head of the file. The desks follow, then the slots, then, at a multiple of STORE_BLOCK, the store. */
struct board_shared {
    /* never changes */
    char magic[8];
    uint64_t size;    /* of the whole mapping, in bytes */
    uint64_t store;   /* where the store begins, in bytes */
    uint32_t workers; /* desks */
    uint32_t slots;   /* a power of two, more than there are workers */

    /* The first position that may be READY. By anybody, by compare-and-swap. */
    _Alignas(BOARD_LINE) _Atomic uint64_t head;
    /* The next position to fill. Parent: seq_cst; workers: seq_cst. */
    _Alignas(BOARD_LINE) _Atomic uint64_t tail;
    /* A bit for each worker that sleeps, or is about to. Set by it, taken by who wakes it. */
    _Alignas(BOARD_LINE) _Atomic uint64_t sleepers[BOARD_SLEEPER_WORDS];
    /* Not 0: the keeper waits for the bell, or is about to. It is the count of its sleeps. */
    _Alignas(BOARD_LINE) _Atomic uint64_t keeper_asleep;
    /* 1: a worker that finds nothing to claim ends. */
    _Atomic uint32_t closing;
};

/** A process's view of a board. */
struct board {
    struct board_shared *shared;
    struct desk *desks; /* shared->workers of them */
    struct slot *slots;
    uint64_t tail;          /* the parent's: of shared->tail */
    uint64_t keeper_sleeps; /* the parent's: how often the keeper has gone to sleep */
    size_t size;            /* of the mapping, in bytes */
    int file;
    int bell;  /* an os_flag */
    bool made; /* by board_new: the descriptors are the board's */
};

/** The most memory for chunks, in bytes: address space that is reserved, not memory. Where that much can't be had
 *  (RLIMIT_AS), a pool makes do with BOARD_STORE_LESS. */
#define BOARD_STORE_MAX ((uint64_t)1 << 36)
#define BOARD_STORE_LESS ((uint64_t)1 << 28)

/** Makes a board, and its bell.
 *  @param slots  how many chunks may wait; made a power of two, and more than there are workers
 *  @return 0; -EMFILE, -ENFILE, -ENOMEM, -ENOSPC, -EFBIG with the detail */
int board_new(struct board *board, unsigned workers, unsigned slots);

/** Takes a board that was handed over: both descriptors stay the caller's, and must stay open.
 *  @return 0; -EINVAL, -ENOMEM, -EBADF with the detail */
int board_from_fds(struct board *board, int file, int bell);

void board_close(struct board *board);

/** The chunk at a place: places are offsets in the file. */
static inline struct chunk *board_chunk(const struct board *board, uint64_t place)
{
    return (struct chunk *)(void *)((char *)board->shared + place);
}

/* ---- the parent's side; one thread at a time ---- */

/** Puts a chunk into the ring. To be followed by board_call.
 *  @return false when the ring is full */
bool board_hand_out(struct board *board, uint64_t place);

/** Wakes a worker that sleeps for each of so many chunks that were handed out, while there are such. */
void board_call(struct board *board, size_t chunks);

/** How many chunks wait in the ring. Positions behind the first that were passed over count, too; 0 is 0. */
uint64_t board_waiting(struct board *board);

/** Wakes all workers that sleep. */
void board_wake_all(struct board *board);

/** From now on a worker that finds nothing to claim ends. What is handed out later may find nobody. */
void board_dismiss(struct board *board);

/** What a worker is at. */
struct board_sight {
    uint64_t ticket; /* of its chunk */
    uint32_t item;   /* that it has begun last, from 0; BOARD_NO_ITEM: none of the chunk yet */
    int64_t since;   /* when it began it, or at the latest when it claimed the chunk; os_clock_now */
    uint64_t at;     /* for board_doom */
};

#define BOARD_NO_ITEM INT32_MAX

/** Looks what a worker is at. Of a living one that may be over by now; of a dead one it is so.
 *  @return false when it has no chunk */
bool board_look(const struct board *board, unsigned worker, struct board_sight *sight);

/** Keeps a worker from beginning anything after what was seen: it is going to be killed, and nothing else shall be lost
 *  with it. What it has begun may still be reported.
 *  @return false when it has gone on meanwhile: nothing was done */
bool board_doom(struct board *board, unsigned worker, const struct board_sight *seen);

/** Clears up after a dead worker, so that another may have its number, and wakes one in its place when chunks wait. Its
 *  outbox is to be emptied before; then, of the chunk that it had, items that have no report are lost (the one that was
 *  begun last) or were not begun (all others).
 *  @param sight  receives what it had. A chunk on which all reports have come is not to be looked for: it had only not
 *                been put down yet
 *  @return false when it had no chunk */
bool board_bury(struct board *board, unsigned worker, struct board_sight *sight);

/** The keeper is about to wait for the bell: from now on it is rung for each report. To be followed by another look
 *  into the outboxes. */
void board_keeper_sleeps(struct board *board);

/** It is awake: takes the flag off, and the bell's ring. */
void board_keeper_wakes(struct board *board);

/* ---- a worker's side ---- */

/** A worker sits down at its desk, which is as board_new or board_bury has left it. Before its first claim. */
void board_arrive(struct board *board, unsigned worker);

/** Claims the next chunk, sleeping while there is none. It is on the desk when this returns.
 *  @return it; NULL when there is nothing more: the board is closing, or this worker is doomed */
struct chunk *board_claim(struct board *board, unsigned worker);

/** Notes that an item of the chunk on the desk begins: the next one. @return false when this worker is doomed: it must
 *  not begin */
bool board_begin(struct board *board, unsigned worker, uint32_t item);

/** When it began, at the earliest: this worker's desk.since. */
static inline int64_t board_since(const struct board *board, unsigned worker)
{
    return atomic_load_explicit(&board->desks[worker].since, memory_order_relaxed);
}

/** Notes that it has ended. Its report is to be put before. @param now  os_clock_now */
void board_end(struct board *board, unsigned worker, int64_t now);

/** Says that the chunk on the desk is done with, all reports having been put. */
void board_put_down(struct board *board, unsigned worker);

/** Whether there was something to claim a moment ago. */
bool board_has_more(const struct board *board);

/** Whether board_ring would ring: after a report. If not, the keeper is going to see the report. */
bool board_keeper_is_asleep(const struct board *board);

/** Rings the bell when the keeper sleeps. After each report.
 *  @return false when the bell is not there: the worker has to end, which the keeper notices as well */
bool board_ring(struct board *board);

#endif
