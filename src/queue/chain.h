/* The chain: where a queue's records lie, in one sparse file of memory, so that it takes the memory of what is queued.
 *
 * The file has regions: region k has REGION_BASE << k bytes at a place of its own. A lap is one run of records from a
 * region's start. Putters work in the last lap of the chain, getters in the first; most of the time that is the same
 * one. When a lap can't go on, or would need new memory, putters begin another one: at the start of the same region, if
 * getters have left enough of it, else in a bigger region. So a queue goes round in as little memory as it needs, and
 * that stays in the processor's caches. Positions run on from lap to lap, and no record is ever split.
 *
 * Beginning a lap is one store: the end of the lap before. A lap that is not in the chain belongs to the owner of the
 * putters' side.
 */
#ifndef KITH_SRC_QUEUE_CHAIN_H
#define KITH_SRC_QUEUE_CHAIN_H

#include "memory/object.h"
#include "queue/record.h"
#include "sync/monitor.h"

#define REGIONS 19u
#define REGION_BASE ((uint64_t)256 * 1024)

/* A region has at most two laps in the chain: the one that getters are in, and the next one, in the room that they
 * have left. */
#define LAPS (2 * REGIONS)

/** What lap.end holds while the lap is the last of the chain; no position's units. */
#define LAP_OPEN UINT64_MAX

struct lap {
    _Alignas(
        CACHE_LINE) _Atomic uint64_t end; /* units; where the next lap goes on. Putters: release; getters: acquire */
    uint64_t begin;                       /* units; where the lap began. Putters, before they link the lap */
    uint32_t next;                        /* the lap that goes on at end. Putters, before they store end */
};

/** One for each thread that may have messages, and the last one for those of the dead: see redeliver.c. */
#define SEATS (KITH_QUEUE_GETTERS_MAX + 1)

/** What all processes share of a queue. It begins the file; the regions follow. Fields are grouped by who writes them,
 *  each group on cache lines of its own. */
struct queue_shared {
    struct object_header header;

    /* never changes */
    uint64_t max_items;
    uint64_t max_units;
    uint32_t max_deliveries;
    bool bounded;
    bool redeliver;

    /* the putters' side: guarded by put, unless said otherwise */
    struct monitor put;
    _Atomic uint64_t need;                   /* units; the most that a sleeping putter needs. Read by getters */
    _Atomic uint32_t shut;                   /* 1: nothing will be put any more. Read by getters */
    _Alignas(CACHE_LINE) position head_seen; /* at most the head */
    uint64_t limit;                          /* units; up to here the last lap has room and memory for certain */
    uint32_t last;                           /* the last lap, or one before it: follow the ends */
    _Atomic uint32_t keep; /* regions up to this one are kept when they are nearly empty. Read by getters */
    _Atomic uint64_t puts; /* for statistics: at most 2^30 less than how many messages were put; see count_from */
    _Atomic uint64_t put_waits;
    _Alignas(CACHE_LINE) _Atomic position tail; /* putters: seq_cst; getters: acquire */

    /* the getters' side: guarded by get, unless said otherwise */
    struct monitor get;
    _Alignas(CACHE_LINE) position tail_seen; /* at most the tail */
    _Atomic uint32_t
        first; /* the first lap. Getters: release, when they have drained the lap before; putters: acquire */
    _Atomic int64_t given_at; /* when memory was given back last; a clock's reading. Read by putters */
    _Atomic uint64_t get_waits;
    _Atomic uint64_t items_high, units_high;    /* written by both sides: each raises them */
    _Alignas(CACHE_LINE) _Atomic position head; /* getters: seq_cst; putters: acquire */

    /* finishing: see done.c */
    _Alignas(CACHE_LINE) _Atomic uint64_t done; /* without redelivery: messages done. By anybody */
    struct robust_word joiners;                 /* who waits for all to be done sleeps on it; see done.c, redeliver.c */
    _Atomic uint64_t drained; /* so many messages were all done at some instant. By anybody: it only grows */

    /* redelivery: see redeliver.c. Guarded by get, unless said otherwise */
    _Alignas(CACHE_LINE) _Atomic position next; /* what nobody has got yet begins here; seq_cst */
    uint32_t next_lap;
    _Atomic uint32_t seats_high; /* seats from here on have never been used. Getters sleep on it, too */
    _Atomic uint32_t seats_told; /* so many seats are watched by all who sleep */
    _Atomic uint64_t redelivered, poisoned;
    _Atomic uint32_t
        behind; /* 1: the head may stand at what is done. By who has finished; 0: by who moves the head on */
    /* For each seat, by the thread that has it: the seat (or the kernel), how many messages it has, and how often the
     * one that it got last had been delivered. */
    struct robust_word seats[SEATS];
    _Atomic uint32_t taken[KITH_QUEUE_GETTERS_MAX]; /* counted down by other threads of the process, too */
    _Atomic uint32_t deliveries[KITH_QUEUE_GETTERS_MAX];
    _Atomic uint32_t turns[KITH_QUEUE_GETTERS_MAX]; /* how many it has taken in all */
    _Atomic bool mixed[KITH_QUEUE_GETTERS_MAX];     /* its messages lie in another order than it took them */
    struct {
        position at;
        uint32_t lap;
        bool known;
    } got_last[KITH_QUEUE_GETTERS_MAX]; /* where the one lies that it got last, if that was got for the first time */

    struct lap laps[LAPS];
    /* Units from each region's start that have memory. Written by putters, or who has a region alone; read by all. */
    _Atomic uint64_t backed[REGIONS];

    /* Words of those who lay something over the queue, zeros at first. The queue does not look at them. */
    _Alignas(CACHE_LINE) unsigned char beside[2 * CACHE_LINE];
};

/** A process's view of the chain. */
struct chain {
    struct object object;
    struct queue_shared *shared;
    _Atomic(char *) mapped[REGIONS]; /* each region's memory; NULL until it is needed */
};

/** The chain of a new queue, anonymous or named; or of one that is there. @return as object_new, object_open,
 *  object_from_fd */
int chain_new(struct chain *chain, const kith_queue_options *options);
int chain_open(struct chain *chain, const char *name, kith_open how, const kith_queue_options *options);
int chain_from_fd(struct chain *chain, int fd);
int chain_unlink(const char *name);

/** Gives the regions' mappings back, and, when all is true, the shared fields and the descriptor. */
void chain_close(struct chain *chain, bool all);

static inline uint64_t region_units(uint32_t region)
{
    return (REGION_BASE / UNIT) << region;
}

static inline uint32_t lap_region(uint32_t lap)
{
    return lap / 2;
}

/** Maps a region. @return its memory; NULL with the detail set when there is no room for it in the address space */
char *chain_map(struct chain *chain, uint32_t region);

/** How many units from the region's start have memory. */
static inline uint64_t region_backed(const struct queue_shared *shared, uint32_t region)
{
    return atomic_load_explicit(&shared->backed[region], memory_order_relaxed);
}

/** A region's memory. @return NULL with the detail set, as chain_map */
static inline char *chain_region(struct chain *chain, uint32_t region)
{
    char *memory = atomic_load_explicit(&chain->mapped[region], memory_order_acquire);
    return likely(memory) ? memory : chain_map(chain, region);
}

/** Where the record at this position lies in the lap. @return NULL with the detail set, as chain_map */
static inline char *chain_record(struct chain *chain, uint32_t lap, position at)
{
    char *memory = chain_region(chain, lap_region(lap));
    if (unlikely(!memory))
        return NULL;
    return memory + units_between(chain->shared->laps[lap].begin, position_units(at)) * UNIT;
}

/** The lap in which the record at this position begins, for one who walks from lap to lap. acquire: pairs with the link
 *  in chain.c; then begin and next of the next lap may be read. */
static inline uint32_t chain_lap_at(const struct queue_shared *shared, uint32_t lap, position at)
{
    while (unlikely(atomic_load_explicit(&shared->laps[lap].end, memory_order_acquire) == position_units(at)))
        lap = shared->laps[lap].next;
    return lap;
}

/** For the owner of the putters' side, when the limit says no: makes room for a record at the tail, by looking at the
 *  head again, by beginning another lap, by giving a region memory.
 *  @return 0: the limit says yes now; KITH_EFULL: the bounds say no; -ENOMEM, -ENOSPC, -EFBIG with the detail */
int chain_make_room(struct chain *chain, uint64_t units);

/** For the owner of the getters' side: goes on to the lap where the head lies, and gives regions before it back. */
void chain_follow(struct chain *chain);

/** For the owner of the getters' side, in a region beyond the base, when the head has moved on: gives memory back that
 *  is not needed any more. The slot has the putters' word. */
void chain_release(struct os_thread *self, struct chain *chain, position from, position to);

/** Whether there is memory that chain_release_idle may give back. */
bool chain_has_grown(const struct chain *chain);

/** As chain_release, when nobody has put anything for a while: what was kept for a busy time goes, too. */
void chain_release_idle(struct os_thread *self, struct chain *chain);

/** How much memory the regions have, in bytes, at some instant. */
uint64_t chain_memory(const struct chain *chain);

/** How many messages lie before a position, in 64 bits, when less than 2^30 messages before it "known" was right. Look
 *  at what is known first, and at the position then: it must not be older. */
static inline uint64_t count_from(uint64_t known, position at)
{
    uint64_t start = position_items(POSITION_START);
    return known + ((position_items(at) - start - known) & POSITION_ITEMS_MASK);
}

/** Brings a count up to a position, often enough. For the position's side. */
static inline void count_note(_Atomic uint64_t *count, position at)
{
    uint64_t known = atomic_load_explicit(count, memory_order_relaxed);
    /* release: pairs with the acquire in count_now. */
    atomic_store_explicit(count, count_from(known, at), memory_order_release);
}

/** How many messages lie before a position, now. For anybody. */
static inline uint64_t count_now(const _Atomic uint64_t *count, const _Atomic position *at)
{
    uint64_t known = atomic_load_explicit(count, memory_order_acquire);
    return count_from(known, atomic_load_explicit(at, memory_order_seq_cst));
}

/** Raises a number, if it is less. */
static inline void raise_to(_Atomic uint64_t *number, uint64_t least)
{
    uint64_t now = atomic_load_explicit(number, memory_order_relaxed);
    while (unlikely(now < least) &&
           !atomic_compare_exchange_weak_explicit(number, &now, least, memory_order_seq_cst, memory_order_relaxed))
        continue;
}

/** Keeps the largest depth, for statistics. */
static inline void note_depth(struct queue_shared *shared, position head, position tail)
{
    raise_to(&shared->items_high, items_between(head, tail));
    raise_to(&shared->units_high, units_between(position_units(head), position_units(tail)));
}

#endif
