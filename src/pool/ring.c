/* What goes on at the board: chunks are handed out, claimed and put down; workers sleep and are woken.
 *
 * Here is what the words hold, and who relies on what. "Release" and "acquire" name their partners; what is relaxed is
 * ordered by its neighbours, or needs no order. */
#include "pool/board.h"

#include "base/error.h"
#include "os/clock.h"
#include "os/flag.h"
#include "os/futex.h"
#include "os/thread.h"

/* ---- words ---- */

/* A slot's state: the position, the worker when it is CLAIMED, the kind. FREE is 0. */
enum { KIND_BITS = 2, POSITION_SHIFT = 12 };
enum { FREE = 0, READY = 1, CLAIMED = 2, KIND_MASK = 3 };
_Static_assert(KITH_POOL_WORKERS_MAX <= 1 << (POSITION_SHIFT - KIND_BITS), "a state has room for the worker");

static uint64_t ready(uint64_t position)
{
    return position << POSITION_SHIFT | READY;
}

static uint64_t claimed(uint64_t position, unsigned worker)
{
    return position << POSITION_SHIFT | (uint64_t)worker << KIND_BITS | CLAIMED;
}

static struct slot *slot_at(const struct board *board, uint64_t position)
{
    return &board->slots[position & (board->shared->slots - 1)];
}

/* desk.at: a count of claims, so that no value comes again soon; whether the worker is doomed; the item. 0 is that of a
 * worker that has not claimed yet. */
#define AT_CLAIM ((uint64_t)1 << 32)
#define AT_DOOMED ((uint64_t)1 << 31)
#define AT_ITEM (AT_DOOMED - 1)
_Static_assert(BOARD_NO_ITEM == AT_ITEM && CHUNK_ITEMS_MAX < BOARD_NO_ITEM, "an item fits");

/** Goes on to another claim or item, unless the worker is doomed. Who reads the new value with acquire sees the `since`
 *  and the ticket that were set before. Nobody but the worker and board_doom change the word. */
static bool go_to(struct desk *desk, uint64_t from, uint64_t to)
{
    return !(from & AT_DOOMED) &&
           atomic_compare_exchange_strong_explicit(&desk->at, &from, to, memory_order_acq_rel, memory_order_relaxed);
}

/* ---- sleeping and waking ---- */

/* So often a worker that finds nothing gives its CPU away, before it sleeps. */
enum { YIELDS = 8 };

static _Atomic uint64_t *sleepers_of(const struct board *board, unsigned worker)
{
    return &board->shared->sleepers[worker / 64];
}

static uint64_t sleeper_bit(unsigned worker)
{
    return (uint64_t)1 << worker % 64;
}

static void wake(struct desk *desk)
{
    atomic_store_explicit(&desk->asleep, 0, memory_order_seq_cst);
    os_futex_wake(&desk->asleep, 1);
}

/** Takes the bit of the first sleeper, and wakes it. The first, so that while there is little to do the same few work,
 *  whose caches are warm.
 *  @return false when nobody sleeps */
static bool wake_one(struct board *board)
{
    struct board_shared *shared = board->shared;
    for (unsigned first = 0; first < shared->workers; first += 64) {
        /* seq_cst: after the store of the tail or of closing; pairs with the set bit in nap. */
        uint64_t bits = atomic_load_explicit(&shared->sleepers[first / 64], memory_order_seq_cst);
        while (bits) {
            unsigned worker = first + (unsigned)__builtin_ctzll(bits);
            bits = atomic_fetch_and_explicit(&shared->sleepers[first / 64], ~sleeper_bit(worker), memory_order_seq_cst);
            if (bits & sleeper_bit(worker)) {
                wake(&board->desks[worker]);
                return true;
            }
        }
    }
    return false;
}

void board_wake_all(struct board *board)
{
    while (wake_one(board))
        continue;
}

void board_dismiss(struct board *board)
{
    atomic_store_explicit(&board->shared->closing, 1, memory_order_seq_cst);
    board_wake_all(board);
}

static bool is_closing(const struct board *board)
{
    return atomic_load_explicit(&board->shared->closing, memory_order_seq_cst);
}

/* ---- the parent ---- */

bool board_hand_out(struct board *board, uint64_t place)
{
    for (;;) {
        uint64_t position = board->tail;
        struct slot *slot = slot_at(board, position);
        /* acquire: pairs with the release in note_claim: that worker has read what the slot held. */
        uint64_t kind = atomic_load_explicit(&slot->state, memory_order_acquire) & KIND_MASK;
        if (kind == READY)
            return false;
        if (kind == FREE) {
            slot->chunk = place;
            /* release: pairs with the acquire in claim_next, for the place and the chunk itself. */
            atomic_store_explicit(&slot->state, ready(position), memory_order_release);
        }
        /* A slot that is CLAIMED still, because its worker is slow, is passed over. That ends: no worker has two, and
         * there are more slots than workers. */
        board->tail = position + 1;
        /* seq_cst: pairs with the look in nap. Whoever sees this tail sees the slot as it is now, or later. */
        atomic_store_explicit(&board->shared->tail, board->tail, memory_order_seq_cst);
        if (kind == FREE)
            return true;
    }
}

void board_call(struct board *board, size_t chunks)
{
    while (chunks > 0 && wake_one(board))
        chunks--;
}

uint64_t board_waiting(struct board *board)
{
    struct board_shared *shared = board->shared;
    uint64_t head = atomic_load_explicit(&shared->head, memory_order_relaxed);
    while (head < board->tail &&
           atomic_load_explicit(&slot_at(board, head)->state, memory_order_relaxed) != ready(head)) {
        if (atomic_compare_exchange_strong_explicit(&shared->head, &head, head + 1, memory_order_seq_cst,
                                                    memory_order_relaxed))
            head++;
    }
    return board->tail - head;
}

/** The slot that a worker has claimed, and not set FREE yet. @return NULL when there is none */
static struct slot *claim_of(const struct board *board, unsigned worker)
{
    /* The aim was stored before the swap that released it: who sees the claim sees where it was aimed at. A dead one's
     * stores are all to be seen. */
    uint64_t aim = atomic_load_explicit(&board->desks[worker].aim, memory_order_relaxed);
    struct slot *slot = slot_at(board, aim);
    return atomic_load_explicit(&slot->state, memory_order_acquire) == claimed(aim, worker) ? slot : NULL;
}

bool board_look(const struct board *board, unsigned worker, struct board_sight *sight)
{
    struct desk *desk = &board->desks[worker];
    /* acquire: pairs with go_to. What is read after it is of that claim and item, or of a later one; then board_doom
     * finds that the word has changed. */
    uint64_t at = atomic_load_explicit(&desk->at, memory_order_acquire);
    uint64_t ticket = atomic_load_explicit(&desk->ticket, memory_order_acquire);
    uint32_t item = (uint32_t)(at & AT_ITEM);
    if (ticket == 0) {
        struct slot *slot = claim_of(board, worker);
        if (!slot)
            return false;
        ticket = board_chunk(board, slot->chunk)->ticket;
        item = BOARD_NO_ITEM;
    }
    *sight = (struct board_sight){
        .ticket = ticket, .item = item, .since = atomic_load_explicit(&desk->since, memory_order_relaxed), .at = at
    };
    return true;
}

bool board_doom(struct board *board, unsigned worker, const struct board_sight *seen)
{
    return go_to(&board->desks[worker], seen->at, seen->at | AT_DOOMED);
}

bool board_bury(struct board *board, unsigned worker, struct board_sight *sight)
{
    struct desk *desk = &board->desks[worker];
    bool had = board_look(board, worker, sight);
    struct slot *slot = claim_of(board, worker);
    if (slot)
        atomic_store_explicit(&slot->state, FREE, memory_order_relaxed);
    atomic_fetch_and_explicit(sleepers_of(board, worker), ~sleeper_bit(worker), memory_order_seq_cst);
    atomic_store_explicit(&desk->ticket, 0, memory_order_relaxed);
    atomic_store_explicit(&desk->at, 0, memory_order_relaxed);
    atomic_store_explicit(&desk->finished, 0, memory_order_relaxed);
    atomic_store_explicit(&desk->asleep, 0, memory_order_relaxed);
    /* It may have been woken for a chunk that it did not live to claim. */
    if (board_waiting(board) > 0)
        wake_one(board);
    return had;
}

void board_keeper_sleeps(struct board *board)
{
    /* seq_cst: before the look into the outboxes; pairs with the load in board_ring. */
    atomic_store_explicit(&board->shared->keeper_asleep, ++board->keeper_sleeps, memory_order_seq_cst);
}

void board_keeper_wakes(struct board *board)
{
    atomic_store_explicit(&board->shared->keeper_asleep, 0, memory_order_relaxed);
    os_flag_lower(board->bell);
}

/* ---- a worker ---- */

/** Notes on the desk what was claimed, and gives the slot back. @return the chunk; NULL when the worker is doomed: then
 *  the slot stays as it is, and tells */
static struct chunk *note_claim(struct board *board, unsigned worker, struct slot *slot)
{
    struct desk *desk = &board->desks[worker];
    struct chunk *chunk = board_chunk(board, slot->chunk);
    uint64_t at = atomic_load_explicit(&desk->at, memory_order_relaxed);
    if (!go_to(desk, at, (at + AT_CLAIM) | AT_ITEM))
        return NULL;
    atomic_store_explicit(&desk->ticket, chunk->ticket, memory_order_release); /* pairs with board_look */
    /* release: pairs with the acquire in board_hand_out. Nobody else touches the slot while we live. */
    atomic_store_explicit(&slot->state, FREE, memory_order_release);
    return chunk;
}

/** Claims the first chunk that is READY. @return its slot; NULL when none is */
static struct slot *claim_next(struct board *board, unsigned worker)
{
    struct board_shared *shared = board->shared;
    struct desk *desk = &board->desks[worker];
    uint64_t head = atomic_load_explicit(&shared->head, memory_order_acquire);
    /* seq_cst: pairs with the store in board_hand_out. A position before the tail that is not READY is claimed, or was
     * passed over: it will never be. */
    while (head < atomic_load_explicit(&shared->tail, memory_order_seq_cst)) {
        struct slot *slot = slot_at(board, head);
        uint64_t state = ready(head);
        bool won = false;
        if (atomic_load_explicit(&slot->state, memory_order_relaxed) == state) {
            atomic_store_explicit(&desk->aim, head, memory_order_relaxed);
            /* acquire: pairs with the release in board_hand_out. release: the aim, for claim_of. */
            won = atomic_compare_exchange_strong_explicit(&slot->state, &state, claimed(head, worker),
                                                          memory_order_acq_rel, memory_order_relaxed);
        }
        uint64_t next = head + 1;
        if (atomic_compare_exchange_strong_explicit(&shared->head, &head, next, memory_order_seq_cst,
                                                    memory_order_acquire))
            head = next;
        if (won)
            return slot;
    }
    return NULL;
}

/** Whether there may be something to claim. seq_cst: pairs with the store of the tail in board_hand_out. */
static bool may_claim(const struct board *board)
{
    return atomic_load_explicit(&board->shared->head, memory_order_seq_cst) <
           atomic_load_explicit(&board->shared->tail, memory_order_seq_cst);
}

/** Lets others have the CPU, in the hope that one of them hands something out: to sleep, and to be woken, costs both
 *  sides more than most waits take while tasks are many and quick. @return whether there may be something to claim */
static bool wait_awake(const struct board *board)
{
    bool came = false;
    for (int i = 0; i < YIELDS && !came; i++) {
        os_thread_yield();
        came = may_claim(board);
    }
    return came;
}

/** Sleeps until there may be something to claim. Lost wake-ups: the parent fills slots, stores the tail, and looks for
 *  sleepers; we set our bit, and look at the tail. All four are seq_cst, so one of them sees the other. When we are
 *  seen, asleep becomes 0 before we are woken, so that we don't fall asleep in between. Whoever takes the bit of a
 *  worker that dies before it claims is followed by board_bury; of one that is stopped, by the keeper, who looks now
 *  and then whether chunks wait. */
static void nap(struct board *board, unsigned worker)
{
    struct desk *desk = &board->desks[worker];
    atomic_store_explicit(&desk->asleep, 1, memory_order_seq_cst);
    atomic_fetch_or_explicit(sleepers_of(board, worker), sleeper_bit(worker), memory_order_seq_cst);
    if (!may_claim(board) && !is_closing(board))
        os_futex_wait(&desk->asleep, 1, OS_FOREVER); /* why it ended does not matter: we look again in any case */
    atomic_fetch_and_explicit(sleepers_of(board, worker), ~sleeper_bit(worker), memory_order_seq_cst);
}

static void rest(struct board *board, unsigned worker)
{
    if (!wait_awake(board))
        nap(board, worker);
    atomic_store_explicit(&board->desks[worker].since, os_clock_now(), memory_order_relaxed);
}

void board_arrive(struct board *board, unsigned worker)
{
    atomic_store_explicit(&board->desks[worker].since, os_clock_now(), memory_order_relaxed);
}

struct chunk *board_claim(struct board *board, unsigned worker)
{
    for (;;) {
        /* Before we look for chunks: those that were handed out before closing are to be done. */
        bool last = is_closing(board);
        struct slot *slot = claim_next(board, worker);
        if (slot)
            return note_claim(board, worker, slot);
        if (last)
            return NULL;
        rest(board, worker);
    }
}

bool board_begin(struct board *board, unsigned worker, uint32_t item)
{
    struct desk *desk = &board->desks[worker];
    uint64_t at = atomic_load_explicit(&desk->at, memory_order_relaxed);
    return go_to(desk, at, (at & ~AT_ITEM) | item);
}

void board_end(struct board *board, unsigned worker, int64_t now)
{
    struct desk *desk = &board->desks[worker];
    uint64_t finished = atomic_load_explicit(&desk->finished, memory_order_relaxed);
    atomic_store_explicit(&desk->since, now, memory_order_relaxed);
    atomic_store_explicit(&desk->finished, finished + 1, memory_order_relaxed);
}

void board_put_down(struct board *board, unsigned worker)
{
    atomic_store_explicit(&board->desks[worker].ticket, 0, memory_order_release);
}

bool board_has_more(const struct board *board)
{
    return atomic_load_explicit(&board->shared->head, memory_order_relaxed) <
           atomic_load_explicit(&board->shared->tail, memory_order_relaxed);
}

bool board_keeper_is_asleep(const struct board *board)
{
    return atomic_load_explicit(&board->shared->keeper_asleep, memory_order_seq_cst) != 0; /* as in board_ring */
}

/* The ring may be rung in vain, but never too seldom. Only the first who finds the keeper asleep needs to ring: it says
 * so after it has rung, and of that sleep only, so that one who is stopped in between keeps nobody from ringing for
 * this sleep or another one. */
bool board_ring(struct board *board)
{
    /* seq_cst: after the report's commit; pairs with board_keeper_sleeps. */
    uint64_t sleep = atomic_load_explicit(&board->shared->keeper_asleep, memory_order_seq_cst);
    if (sleep == 0)
        return true;
    if (!os_flag_raise(board->bell))
        return false;
    atomic_compare_exchange_strong_explicit(&board->shared->keeper_asleep, &sleep, 0, memory_order_relaxed,
                                            memory_order_relaxed);
    return true;
}
