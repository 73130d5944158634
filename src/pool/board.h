/* The board: what a pool and its workers have in common, in one file of memory.
 *
 * It has a ring of chunks that wait to be claimed, a desk for each worker, and the store where the chunks lie. Nothing
 * on it is a lock. Every word has one writer at a time, or changes by compare-and-swap; so whoever is killed or stopped,
 * at whatever instruction, leaves words that the others understand:
 *
 *   a slot is FREE     the parent alone may fill it
 *             READY    any worker may claim it
 *             CLAIMED  the worker whose number it carries has it. That one notes the chunk on its desk, and only then
 *                      sets the slot FREE for the next lap. When it dies before, the slot tells; when it dies later, the
 *                      desk tells; in between both tell the same.
 *
 * A position is a count of chunks since the pool began; position p uses slot p % slots. A slot's state carries its
 * position, so a swap that was meant for an earlier lap fails.
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

/** Whether a chunk was begun. By compare-and-swap from CHUNK_WAITING, by the worker that claimed it, or by the parent. */
enum chunk_state { CHUNK_WAITING, CHUNK_BEGUN, CHUNK_CANCELLED };

/** Some tasks of one function, handed to a worker at a time. The parent writes it before it is READY; then it stays as
 *  it is, but for the atomic words. Behind it lie its name, with a NUL byte, when function is NULL, padded to 8 bytes;
 *  then its items, one behind the other. */
struct chunk {
    _Atomic uint32_t state;   /* a chunk_state */
    _Atomic uint32_t give_up; /* 1: items that have not begun are not to be. Parent: relaxed; worker: relaxed */
    uint32_t ticket;          /* what the parent knows it by; reports carry it */
    uint32_t count;           /* items */
    uint32_t attempt;         /* kith_call_attempt of its items */
    uint32_t name_size;       /* of the function's name, in bytes, NUL included; 0: function says it */
    kith_entry *function;     /* for workers that are copies of the parent */
};

/** Before each item. Its bytes follow, padded to 8. */
struct item {
    uint32_t values; /* 1: they are the pickle of a tuple; 0: bytes of the caller's */
    uint32_t reserved;
    uint64_t size; /* in bytes */
};

/** Where the first item of a chunk is, and the one behind an item. */
const struct item *chunk_items(const struct chunk *chunk);
const struct item *item_next(const struct item *item);

/* ---- desks ---- */

#define DESK_NO_ITEM UINT32_MAX

/** A worker's. Written by it, but for `asleep`, which is swapped by both; read by the parent: acquire, after the
 *  worker's release, and for certain when the worker is dead. */
struct desk {
    _Alignas(
        BOARD_LINE) _Atomic uint64_t chunk; /* its place in the store; 0: none. Set before the slot is FREE, cleared
                                                    after the last report on it was put */
    _Atomic uint32_t item;     /* the item that it has begun, from 0; DESK_NO_ITEM: none yet. Set before it is called.
                                  DESK_NO_ITEM is set before chunk is */
    _Atomic uint32_t asleep;   /* 1: it sleeps on this word, or is about to */
    _Atomic int64_t since;     /* when it began the item; os_clock_now. Set before item */
    _Atomic uint64_t finished; /* items that it has finished, ever */
};

/* ---- the board ---- */

#define BOARD_SLEEPER_WORDS (KITH_POOL_WORKERS_MAX / 64)

struct slot {
    _Atomic uint64_t state; /* see board.c */
    uint64_t chunk;         /* its place in the store. Parent, while the slot is FREE */
};

/** The head of the file. The desks follow, then the slots, then, at a multiple of the page size, the store. */
struct board_shared {
    char magic[8];
    uint32_t workers;                           /* desks */
    uint32_t slots;                             /* a power of two */
    uint64_t store;                             /* where the store begins, in bytes */
    _Alignas(BOARD_LINE) _Atomic uint64_t head; /* the first position that may be READY. Anybody, by compare-and-swap */
    _Alignas(BOARD_LINE) _Atomic uint64_t tail; /* the next position to fill. Parent: seq_cst; workers: seq_cst */
    _Alignas(BOARD_LINE) _Atomic uint64_t sleepers[BOARD_SLEEPER_WORDS]; /* a bit for each worker that sleeps, or is
                                                                            about to. Set by it, taken by who wakes it */
    _Alignas(BOARD_LINE) _Atomic uint32_t keeper_asleep; /* 1: the keeper waits for the bell, or is about to */
    _Atomic uint32_t closing;                            /* 1: a worker that finds nothing to claim ends */
};

/** A process's view of a board. */
struct board {
    struct board_shared *shared;
    struct desk *desks; /* shared->workers of them */
    struct slot *slots;
    char *store; /* what a place is counted from: place 0 is no chunk's */
    size_t size; /* of the mapping, in bytes */
    int file;
    int bell; /* an os_flag */
};

/** The most memory for chunks, in bytes: address space that is reserved, not memory. */
#define BOARD_STORE_MAX ((uint64_t)1 << 36)

/** Makes a board, and its bell.
 *  @param slots  how many chunks may wait; made a power of two
 *  @return 0; -EMFILE, -ENFILE, -ENOMEM, -ENOSPC, -EFBIG with the detail */
int board_new(struct board *board, unsigned workers, unsigned slots);

/** Takes a board that was handed over: both descriptors stay the caller's, and must stay open.
 *  @return 0; -EINVAL, -ENOMEM, -EBADF with the detail */
int board_from_fds(struct board *board, int file, int bell);

void board_close(struct board *board);

/** The chunk at a place. @return NULL for 0 */
struct chunk *board_chunk(const struct board *board, uint64_t place);

/* ---- the parent's side; one thread at a time ---- */

/** Puts a chunk into the ring, and wakes a worker when one sleeps.
 *  @return false when the ring is full */
bool board_hand_out(struct board *board, uint64_t place);

/** How many chunks wait in the ring, at some instant of the call. */
uint64_t board_waiting(const struct board *board);

/** Wakes all workers that sleep. */
void board_wake_all(struct board *board);

/** What a dead worker had. Its slots are set FREE, its bit and its desk cleared, so that another may have its number.
 *  The outbox must have been emptied before this is called, or after: the two do not meet.
 *  @param item  receives the item that it had begun last, or DESK_NO_ITEM
 *  @return the place of its chunk, or 0 */
uint64_t board_bury(struct board *board, unsigned worker, uint32_t *item);

/** The worker that holds a claim without having it on its desk yet, at the instant of the call: one that stays so is
 *  stopped. @return its number; -1: nobody */
int board_claimant(const struct board *board);

/** The keeper is about to wait for the bell: from now on it is rung for each report. To be followed by another look
 *  into the outboxes. */
void board_keeper_sleeps(struct board *board);

/** It is awake: takes the flag off, and the bell's ring. */
void board_keeper_wakes(struct board *board);

/* ---- a worker's side ---- */

/** Claims the next chunk, sleeping while there is none. It is on the desk when this returns.
 *  @param until  when to give up; OS_FOREVER
 *  @return its place; 0 when the board is closing, or the time is over */
uint64_t board_claim(struct board *board, unsigned worker, int64_t until);

/** Says that the chunk on the desk is done with, all reports having been put. */
void board_put_down(struct board *board, unsigned worker);

/** Rings the bell when the keeper sleeps. After each report. */
void board_ring(struct board *board);

#endif
