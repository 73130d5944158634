/* The chain: rings of growing size in one sparse file of memory, so that a queue takes the memory of what is queued.
 *
 * Ring k has RING_BASE << k bytes at a place of its own in the file. Putters work in the last ring of the chain,
 * getters in the first; most of the time that is the same one. When it is full and the queue may hold more, a putter
 * links a bigger ring behind it, and getters go there once they have drained it. What getters leave behind is given
 * back to the system. Positions run on from ring to ring.
 *
 * Linking is one store: the old ring's end. A ring that is not in the chain belongs to the owner of the putters' side.
 */
#ifndef KITH_SRC_QUEUE_CHAIN_H
#define KITH_SRC_QUEUE_CHAIN_H

#include "queue/ring.h"
#include "sync/monitor.h"

#define RINGS 19
#define RING_BASE ((uint64_t)256 * 1024)

/** What ring.end holds while the ring is the last of the chain; no position's units. */
#define RING_OPEN UINT64_MAX

struct ring {
    _Alignas(
        CACHE_LINE) _Atomic uint64_t end; /* units; where the next ring goes on. Putters: release; getters: acquire */
    uint64_t begin;                       /* units; where the ring began. Putters, before they link the ring */
    uint32_t next;                        /* the ring that goes on at end. Putters, before they store end */
    uint64_t backed;                      /* units from the ring's start that have memory. Putters only */
};

/** What all processes share of a queue. It begins the file; the rings follow. Fields are grouped by who writes them,
 *  each group on cache lines of its own. */
struct queue_shared {
    /* never changes */
    uint64_t max_items;
    uint64_t max_units;
    bool bounded;

    /* the putters' side: guarded by put, unless said otherwise */
    struct monitor put;
    _Atomic uint64_t need;                   /* units; the most that a sleeping putter needs. Read by getters */
    _Alignas(CACHE_LINE) position head_seen; /* at most the head */
    uint64_t limit;                          /* units; up to here the last ring has room and memory for certain */
    uint32_t last;                           /* the last ring, or one before it: follow the ends */
    _Atomic uint32_t keep; /* rings up to this one are kept when they are nearly empty. Read by getters */
    int64_t shrunk_at;     /* when a ring was given up for a smaller one last; a clock's reading */
    _Alignas(CACHE_LINE) _Atomic position tail; /* putters: seq_cst; getters: acquire */

    /* the getters' side: guarded by get */
    struct monitor get;
    _Alignas(CACHE_LINE) position tail_seen; /* at most the tail */
    _Atomic uint32_t
        first; /* the first ring. Getters: release, when they have drained the ring before; putters: acquire */
    _Alignas(CACHE_LINE) _Atomic position head; /* getters: seq_cst; putters: acquire */

    struct ring rings[RINGS];
};

/** A process's view of the chain. */
struct chain {
    struct queue_shared *shared;
    int file;
    _Atomic(char *) mapped[RINGS]; /* each ring's memory, mapped twice in a row; NULL until it is needed */
};

/** The chain of a new queue. @return 0 or a negative code with its detail; then there is nothing to undo */
int chain_create(struct chain *chain);

/** Gives the mappings and the descriptor back. */
void chain_close(struct chain *chain);

static inline uint64_t ring_units(uint32_t ring)
{
    return (RING_BASE / UNIT) << ring;
}

/** Maps a ring. @return its memory; NULL with the detail set when there is no room for it in the address space */
char *chain_map(struct chain *chain, uint32_t ring);

static inline char *ring_memory(struct chain *chain, uint32_t ring)
{
    char *memory = atomic_load_explicit(&chain->mapped[ring], memory_order_acquire);
    return likely(memory) ? memory : chain_map(chain, ring);
}

/** Where the record at this position lies in the ring. */
static inline char *ring_record(struct chain *chain, uint32_t ring, char *memory, position at)
{
    uint64_t index = units_between(chain->shared->rings[ring].begin, position_units(at)) & (ring_units(ring) - 1);
    return memory + index * UNIT;
}

/** For the owner of the putters' side, when the limit says no: makes room for a record at the tail, by looking at the
 *  head again, by giving the ring memory, by linking another ring.
 *  @return 0: the limit says yes now; KITH_EFULL: the bounds say no; -ENOMEM, -ENOSPC, -EFBIG with the detail */
int chain_make_room(struct chain *chain, uint64_t units);

/** For the owner of the getters' side: goes on to the ring where the head lies, and gives those before it back. */
void chain_follow(struct chain *chain);

/** For the owner of the getters' side, in a ring beyond the base, when the head has moved on: gives memory back that is
 *  not needed any more. The slot has the putters' word. */
void chain_release(struct os_thread *self, struct chain *chain, position from, position to);

/** As chain_release, when nobody has put anything for a while: what was kept for a busy time goes, too. */
void chain_release_idle(struct os_thread *self, struct chain *chain);

#endif
