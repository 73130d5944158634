/* Redelivery: what a getter took and did not finish before it died goes to others.
 *
 * A message that is taken stays where it is, and its record says who has it: the number of a seat. The head stands at
 * the oldest message that is not done, and next at the first that nobody has taken; room is what lies behind the head,
 * so the memory of a message is safe until it is done. All of it is derived from the records between head and next, so
 * a getter that dies between two stores leaves nothing to repair:
 *  - a record is taken by one store, and then next moves on; who finds a taken record at next moves next on first;
 *  - a record is done by one store, and then the head moves on over all that are done; who looks for what a dead one
 *    had moves the head on first.
 *
 * A seat is a robust word. A thread owns it while it has messages that are not done; when it dies, the kernel marks the
 * seat and wakes one of the sleeping getters, who sleep on all seats at once (futex_waitv(2)). The seat is free again
 * when none of its messages is left. Should a getter find no free seat, because the dead have them, it gathers their
 * messages on one that is nobody's, and for ever looks like that of a dead thread while it has any. */
#include "base/log.h"
#include "queue/queue.h"

/* ---- seats ---- */

/* A sleeper watches all seats, how many are in use, and some words more. */
#define WATCHED_MAX (SEATS + 5)
_Static_assert(WATCHED_MAX <= OS_FUTEX_ANY_MAX, "a sleeper can watch all that it must");

static struct robust_word *seat_word(struct queue_shared *shared, uint32_t seat)
{
    return &shared->seats[seat - 1];
}

int seat_of(const struct os_thread *self, const struct queue_shared *shared)
{
    uint32_t high = atomic_load_explicit(&shared->seats_high, memory_order_relaxed);
    for (uint32_t i = 0; i < high; i++) {
        if ((atomic_load_explicit(&shared->seats[i].value, memory_order_relaxed) & ROBUST_OWNER) == self->id)
            return (int)i + 1;
    }
    return 0;
}

static void seats_raise_to(_Atomic uint32_t *number, uint32_t least)
{
    uint32_t now = atomic_load_explicit(number, memory_order_relaxed);
    while (now < least &&
           !atomic_compare_exchange_weak_explicit(number, &now, least, memory_order_seq_cst, memory_order_relaxed))
        continue;
}

/** Has all who look at seats look at this one, too, also those who sleep already, on the seats that they knew. Whoever
 *  dies in the middle has not said that they were told, so the next one tells them. */
static void seats_raise(struct queue_shared *shared, uint32_t seat)
{
    if (likely(seat <= atomic_load_explicit(&shared->seats_told, memory_order_seq_cst)))
        return;
    seats_raise_to(&shared->seats_high, seat);
    os_futex_wake(&shared->seats_high, INT32_MAX);
    seats_raise_to(&shared->seats_told, seat);
}

/** Takes a seat if it is free. ROBUST_WAITERS is always set in one that is taken: the kernel wakes who sleeps on it. */
static bool seat_try(struct os_thread *self, struct queue_shared *shared, uint32_t seat)
{
    struct robust_word *word = seat_word(shared, seat);
    uint32_t value = atomic_load_explicit(&word->value, memory_order_relaxed);
    if (value & (ROBUST_OWNER | ROBUST_DIED))
        return false;
    seats_raise(shared, seat);
    robust_pending(self, word);
    bool taken = atomic_compare_exchange_strong_explicit(&word->value, &value, self->id | ROBUST_WAITERS,
                                                         memory_order_seq_cst, memory_order_relaxed);
    if (taken) {
        robust_link(self, word);
        atomic_store_explicit(&shared->taken[seat - 1], 0, memory_order_relaxed);
        atomic_store_explicit(&shared->mixed[seat - 1], false, memory_order_relaxed);
    }
    robust_pending(self, NULL);
    return taken;
}

/** Frees the seats of the dead, of which there are some. Outside of the getters' side. @return 0; -EBUSY, -ENOMEM */
static int seats_clear(struct os_thread *self, struct kith_queue *queue);

/** @return the number of a seat that was free, and is this thread's now; 0 when there is none */
static int seat_find(struct os_thread *self, struct queue_shared *shared)
{
    for (uint32_t seat = 1; seat <= KITH_QUEUE_GETTERS_MAX; seat++) {
        if (seat_try(self, shared, seat))
            return (int)seat;
    }
    return 0;
}

int seat_take(struct os_thread *self, struct kith_queue *queue, deadline until)
{
    struct queue_shared *shared = queue->chain.shared;
    int seat = seat_of(self, shared);
    if (likely(seat > 0))
        return seat;
    seat = seat_find(self, shared);
    if (unlikely(seat == 0) && has_orphans(shared)) {
        if (until == DEADLINE_AT_ONCE) /* to clear them, it would have to enter */
            return -EAGAIN;
        int code = seats_clear(self, queue);
        if (code < 0)
            return code;
        seat = seat_find(self, shared);
    }
    return seat > 0 ? seat
                    : error_fail(-EAGAIN, "%d threads have unfinished messages: no more can get any before one is done",
                                 KITH_QUEUE_GETTERS_MAX);
}

/** Gives the seat up, leaving a value without an owner in it. */
static void seat_give_up(struct os_thread *self, struct kith_queue *queue, uint32_t seat, uint32_t left)
{
    struct robust_word *word = seat_word(queue->chain.shared, seat);
    robust_pending(self, word);
    robust_unlink(self, word);
    atomic_store_explicit(&word->value, left, memory_order_seq_cst);
    if (left & ROBUST_DIED)
        os_futex_wake(&word->value, 1);
    robust_pending(self, NULL);
}

void seat_leave(struct os_thread *self, struct kith_queue *queue, uint32_t seat)
{
    if (atomic_load_explicit(&queue->chain.shared->taken[seat - 1], memory_order_relaxed) == 0)
        seat_give_up(self, queue, seat, ROBUST_WAITERS);
}

void seat_abandon(struct os_thread *self, struct kith_queue *queue)
{
    int seat = seat_of(self, queue->chain.shared);
    if (seat > 0)
        seat_give_up(self, queue, (uint32_t)seat, ROBUST_WAITERS | ROBUST_DIED);
}

/** Adds the seats to what a sleeper watches, and how many are in use. Also the free ones: who takes one wakes nobody,
 *  and may die with a message.
 *  @param for_orphans  whether there is no use in sleeping while a seat is orphaned
 *  @return how many there are to watch, now; 0 when there is no use in it */
static size_t seats_watch(struct queue_shared *shared, struct os_futex_pair *pairs, size_t count, bool for_orphans)
{
    uint32_t high = atomic_load_explicit(&shared->seats_high, memory_order_seq_cst);
    pairs[count++] = (struct os_futex_pair){ &shared->seats_high, high };
    for (uint32_t i = 0; i < high; i++) {
        uint32_t value = atomic_load_explicit(&shared->seats[i].value, memory_order_seq_cst);
        if (for_orphans && seat_is_orphaned(value))
            return 0;
        pairs[count++] = (struct os_futex_pair){ &shared->seats[i].value, value };
    }
    return count;
}

/** Whether somebody who did not come in has left the head behind. Outside, after leaving, or to see whether to come in:
 *  it is read by an exchange, for that is ordered with the one in redeliver_finish. */
static bool is_behind(struct queue_shared *shared)
{
    return atomic_fetch_or_explicit(&shared->behind, 0, memory_order_seq_cst) != 0;
}

int redeliver_sleep(struct queue_shared *shared, const struct os_futex_pair *other, deadline until)
{
    position tail = atomic_load_explicit(&shared->tail, memory_order_seq_cst);
    uint32_t shut = atomic_load_explicit(&shared->shut, memory_order_seq_cst);
    struct os_futex_pair pairs[WATCHED_MAX] = { { &shared->get.word.value, WORD_ASLEEP },
                                                { position_half(&shared->tail), (uint32_t)tail },
                                                { &shared->shut, shut } };
    size_t count = 3;
    if (other)
        pairs[count++] = *other;
    count = seats_watch(shared, pairs, count, true);
    return count == 0 || is_behind(shared) || getters_can_go_on(shared) ? 0 : word_sleep_any(pairs, count, until);
}

int redeliver_lock(struct os_thread *self, struct queue_shared *shared, deadline until)
{
    for (;;) {
        int code = monitor_enter(self, &shared->get, first_attempt(until));
        if (code != -ETIMEDOUT || deadline_passed(until))
            return code;
        robust_pending(self, &shared->get.word);
        uint32_t value = atomic_load_explicit(&shared->get.word.value, memory_order_relaxed);
        struct os_futex_pair pairs[WATCHED_MAX] = { { &shared->get.word.value, value } };
        if (value & ROBUST_OWNER && value & ROBUST_WAITERS) /* the attempt has set it */
            code = word_sleep_any(pairs, seats_watch(shared, pairs, 1, false), until);
        if (code == -EINTR) {
            robust_pending(self, NULL);
            return code;
        }
        /* Else the slot stays: if we were called and die here, the kernel calls another. */
    }
}

/* ---- records: from inside ---- */

/** acquire: pairs with record_mark by one who was not inside. */
static uint64_t header_of(const char *record)
{
    return atomic_load_explicit((const _Atomic uint64_t *)(const void *)record, memory_order_acquire);
}

static uint32_t taker_of(const char *record)
{
    return (uint32_t)(header_of(record) >> RECORD_TAKER_SHIFT) & 0xff;
}

static unsigned deliveries_of(const char *record)
{
    return (unsigned)(header_of(record) >> RECORD_DELIVERIES_SHIFT) & 0xff;
}

/** One store, for whoever comes next. */
static void record_mark(char *record, uint64_t taker, uint64_t deliveries, uint64_t turn)
{
    uint64_t header = record_size(record) | deliveries << RECORD_DELIVERIES_SHIFT | taker << RECORD_TAKER_SHIFT |
                      (turn & RECORD_TURN_MASK) << RECORD_TURN_SHIFT;
    atomic_store_explicit((_Atomic uint64_t *)(void *)record, header, memory_order_release);
}

/** A walk over the records that were taken, from the head to next. */
struct walk {
    uint32_t lap;
    position at;
    char *record;
};

static struct walk walk_from_head(const struct queue_shared *shared)
{
    return (struct walk){ .lap = atomic_load_explicit(&shared->first, memory_order_relaxed),
                          .at = atomic_load_explicit(&shared->head, memory_order_relaxed) };
}

/** Comes to the record at the walk's position. @return 1; 0 at next; -ENOMEM */
static int walk_look(struct kith_queue *queue, struct walk *walk)
{
    struct queue_shared *shared = queue->chain.shared;
    if (walk->at == atomic_load_explicit(&shared->next, memory_order_relaxed))
        return 0;
    walk->lap = chain_lap_at(shared, walk->lap, walk->at);
    walk->record = chain_record(&queue->chain, walk->lap, walk->at);
    return walk->record ? 1 : -ENOMEM;
}

static void walk_on(struct walk *walk)
{
    walk->at = position_after(walk->at, record_units(record_size(walk->record)));
}

/** Finds the first record from here on that the seat has. @return 1; 0 when there is none; -ENOMEM */
static int walk_to_seat(struct kith_queue *queue, struct walk *walk, uint32_t seat)
{
    int code = walk_look(queue, walk);
    while (code == 1 && taker_of(walk->record) != seat) {
        walk_on(walk);
        code = walk_look(queue, walk);
    }
    return code;
}

/** From inside: owns the word that joiners sleep on, so that the kernel wakes one of them if we die. Joiners come and
 *  go meanwhile. */
static void joiners_own(struct os_thread *self, struct queue_shared *shared)
{
    robust_pending(self, &shared->joiners);
    atomic_fetch_and_explicit(&shared->joiners.value, ROBUST_WAITERS, memory_order_seq_cst); /* a dead one's id */
    atomic_fetch_or_explicit(&shared->joiners.value, self->id, memory_order_seq_cst);
    robust_push(self, &shared->joiners);
}

/** Gives the word up again, and wakes them. */
static void joiners_pay(struct os_thread *self, struct queue_shared *shared)
{
    robust_pending(self, &shared->joiners);
    robust_pop(self, &shared->joiners);
    atomic_fetch_and_explicit(&shared->joiners.value, ~ROBUST_OWNER, memory_order_seq_cst);
    joiners_wake(shared, count_gets(shared));
}

/** From inside: moves the head on over all that is done. */
static void advance(struct os_thread *self, struct kith_queue *queue)
{
    struct queue_shared *shared = queue->chain.shared;
    for (;;) {
        chain_follow(&queue->chain);
        struct walk walk = walk_from_head(shared);
        position head = walk.at;
        uint32_t lap = walk.lap;
        while (walk_look(queue, &walk) == 1 && walk.lap == lap && taker_of(walk.record) == RECORD_DONE)
            walk_on(&walk);
        if (walk.at == head)
            return;
        /* A putter is owed a wake-up from here on, and when this is the last message, so are those who join. The slot
         * has room for one debt. */
        bool last = walk.at == atomic_load_explicit(&shared->tail, memory_order_seq_cst);
        if (last)
            joiners_own(self, shared);
        robust_pending(self, &shared->put.word);
        atomic_exchange_explicit(&shared->head, walk.at, memory_order_seq_cst);
        putters_notify(shared);
        if (last)
            joiners_pay(self, shared);
        robust_pending(self, &shared->put.word);
        if (lap_region(lap) > 0)
            chain_release(self, &queue->chain, head, walk.at);
    }
}

/** From inside: moves the head on if it is behind. */
static void head_catch_up(struct os_thread *self, struct kith_queue *queue)
{
    struct queue_shared *shared = queue->chain.shared;
    if (likely(!atomic_load_explicit(&shared->behind, memory_order_relaxed)))
        return;
    /* First this: what is marked done from here on says so again. */
    atomic_exchange_explicit(&shared->behind, 0, memory_order_seq_cst);
    advance(self, queue);
}

/** Looks for what a dead getter had. A seat of which nothing is left becomes free. @return 1; 0; -ENOMEM */
static int find_orphan(struct os_thread *self, struct kith_queue *queue, char **record, position *at)
{
    struct queue_shared *shared = queue->chain.shared;
    uint32_t high = atomic_load_explicit(&shared->seats_high, memory_order_relaxed);
    for (uint32_t seat = 1; seat <= high; seat++) {
        struct robust_word *word = seat_word(shared, seat);
        uint32_t value = atomic_load_explicit(&word->value, memory_order_seq_cst);
        if (likely(!seat_is_orphaned(value)))
            continue;
        advance(self, queue); /* it may have died when it had marked one done, and the head stands there still */
        struct walk walk = walk_from_head(shared);
        int code = walk_to_seat(queue, &walk, seat);
        if (code < 0)
            return code;
        if (code == 1) {
            *record = walk.record;
            *at = walk.at;
            return 1;
        }
        atomic_store_explicit(&word->value, ROBUST_WAITERS, memory_order_seq_cst);
    }
    return 0;
}

int redeliver_find(struct os_thread *self, struct kith_queue *queue, char **record, position *at)
{
    struct queue_shared *shared = queue->chain.shared;
    position next = atomic_load_explicit(&shared->next, memory_order_relaxed);
    head_catch_up(self, queue);
    for (;;) {
        /* acquire: pairs with put_commit. */
        shared->tail_seen = atomic_load_explicit(&shared->tail, memory_order_acquire);
        if (next == shared->tail_seen)
            return find_orphan(self, queue, record, at);
        shared->next_lap = chain_lap_at(shared, shared->next_lap, next);
        char *found = chain_record(&queue->chain, shared->next_lap, next);
        if (!found)
            return -ENOMEM;
        if (likely(taker_of(found) == 0)) {
            int code = find_orphan(self, queue, record, at);
            if (code != 0)
                return code;
            *record = found;
            *at = next;
            return 1;
        }
        /* Who took it died before it could move next on. */
        next = position_after(next, record_units(record_size(found)));
        atomic_store_explicit(&shared->next, next, memory_order_seq_cst);
    }
}

/** Has the seat have a record. It lies before others of the seat, unless it is the next to be got. */
static void seat_add(struct queue_shared *shared, char *record, uint32_t seat, unsigned deliveries, bool is_next)
{
    uint32_t taken = atomic_fetch_add_explicit(&shared->taken[seat - 1], 1, memory_order_relaxed);
    uint32_t turn = atomic_load_explicit(&shared->turns[seat - 1], memory_order_relaxed);
    atomic_store_explicit(&shared->turns[seat - 1], turn + 1, memory_order_relaxed);
    if (taken > 0 && !is_next)
        atomic_store_explicit(&shared->mixed[seat - 1], true, memory_order_relaxed);
    record_mark(record, seat, deliveries, turn);
}

/** From inside: frees a dead getter's seat if nothing of what it had is left. */
static void orphan_settle(struct kith_queue *queue, uint32_t seat)
{
    struct walk walk = walk_from_head(queue->chain.shared);
    if (walk_to_seat(queue, &walk, seat) == 0)
        atomic_store_explicit(&seat_word(queue->chain.shared, seat)->value, ROBUST_WAITERS, memory_order_seq_cst);
}

void redeliver_take(struct kith_queue *queue, char *record, position at, uint32_t seat)
{
    struct queue_shared *shared = queue->chain.shared;
    uint32_t before = taker_of(record);
    bool is_next = at == atomic_load_explicit(&shared->next, memory_order_relaxed);
    unsigned deliveries = deliveries_of(record) + (deliveries_of(record) < 0xff);
    atomic_store_explicit(&shared->deliveries[seat - 1], deliveries, memory_order_relaxed);
    seat_add(shared, record, seat, deliveries, is_next);
    shared->got_last[seat - 1].known = is_next;
    shared->got_last[seat - 1].at = at;
    shared->got_last[seat - 1].lap = shared->next_lap;
    if (is_next) {
        atomic_store_explicit(&shared->next, position_after(at, record_units(record_size(record))),
                              memory_order_seq_cst);
        return;
    }
    count_up(&shared->redelivered);
    orphan_settle(queue, before);
}

/** From inside: leaves what dead getters had to the last seat, which is nobody's. */
static int orphans_gather(struct os_thread *self, struct kith_queue *queue)
{
    struct queue_shared *shared = queue->chain.shared;
    char *record;
    position at;
    int code = redeliver_find(self, queue, &record, &at); /* next is right now: no taken message lies there */
    if (code < 0)
        return code;
    seats_raise(shared, SEATS);
    atomic_store_explicit(&seat_word(shared, SEATS)->value, ROBUST_WAITERS | ROBUST_DIED, memory_order_seq_cst);
    for (uint32_t seat = 1; seat < SEATS; seat++) {
        struct robust_word *word = seat_word(shared, seat);
        if (!seat_is_orphaned(atomic_load_explicit(&word->value, memory_order_seq_cst)))
            continue;
        struct walk walk = walk_from_head(shared);
        for (code = walk_to_seat(queue, &walk, seat); code == 1; code = walk_to_seat(queue, &walk, seat))
            record_mark(walk.record, SEATS, deliveries_of(walk.record), 0);
        if (code < 0)
            return code;
        advance(self, queue);
        atomic_store_explicit(&word->value, ROBUST_WAITERS, memory_order_seq_cst);
    }
    return 0;
}

static int seats_clear(struct os_thread *self, struct kith_queue *queue)
{
    struct queue_shared *shared = queue->chain.shared;
    deadline patience = 0;
    int code;
    do
        code = monitor_enter_late(self, &shared->get, &patience);
    while (code == -ETIMEDOUT || code == -EINTR);
    if (!entered(code))
        return code;
    code = orphans_gather(self, queue);
    get_leave(self, queue);
    return code;
}

/** Marks a record done that the seat has. @return how many it has left */
static uint32_t mark_done(struct queue_shared *shared, char *record, uint32_t seat)
{
    record_mark(record, RECORD_DONE, deliveries_of(record), 0);
    return atomic_fetch_sub_explicit(&shared->taken[seat - 1], 1, memory_order_relaxed) - 1;
}

/** From inside: marks a record done that the seat has. */
static void finish(struct os_thread *self, struct kith_queue *queue, char *record, uint32_t seat)
{
    struct queue_shared *shared = queue->chain.shared;
    if (mark_done(shared, record, seat) == 0)
        atomic_store_explicit(&shared->mixed[seat - 1], false, memory_order_relaxed);
    advance(self, queue);
}

/* ---- finishing from outside ---- */

/* Who finishes a message without being inside marks it done, says that the head is behind, and enters if nobody else is
 * there just now. If somebody is, that one looks when it has left: it sees what was said, or had left before it was
 * said, and then we could enter. If it dies before it looks, the next one to be inside does. */

void redeliver_catch_up(struct os_thread *self, struct kith_queue *queue)
{
    struct queue_shared *shared = queue->chain.shared;
    while (is_behind(shared)) {
        if (!entered(monitor_enter(self, &shared->get, DEADLINE_AT_ONCE)))
            return;
        head_catch_up(self, queue);
        if (unlikely(!monitor_leave(self, &shared->get)))
            get_leave_to_waiter(shared);
        robust_pending(self, NULL);
    }
}

void redeliver_finish(struct os_thread *self, struct kith_queue *queue, char *record, uint32_t seat)
{
    struct queue_shared *shared = queue->chain.shared;
    mark_done(shared, record, seat);
    atomic_exchange_explicit(&shared->behind, 1, memory_order_seq_cst);
    redeliver_catch_up(self, queue);
}

/* ---- done, and poison ---- */

/** Enters, however long it takes, without waiting for a message: so not in one sleep, for those who do would leave us
 *  asleep among them (sync/word.h). @return 0; -EDEADLK when this thread has peeked */
static int enter_at_last(struct os_thread *self, struct queue_shared *shared)
{
    enum { MOMENT = 1000000 };
    int code;
    do
        code = monitor_enter(self, &shared->get, os_clock_now() + MOMENT);
    while (code == -ETIMEDOUT || code == -EINTR);
    return entered(code) ? 0 : error_fail(code, "this thread has peeked at the queue: release that first");
}

/** How many the seat has taken since it took this record, modulo. */
static uint32_t age_of(const struct queue_shared *shared, const char *record, uint32_t seat)
{
    uint32_t turns = atomic_load_explicit(&shared->turns[seat - 1], memory_order_relaxed);
    return (turns - (uint32_t)(header_of(record) >> RECORD_TURN_SHIFT)) & RECORD_TURN_MASK;
}

/** Finds the record that the seat has had longest. It is the first one, unless what a dead one had came in between.
 *  @return as walk_to_seat */
static int walk_to_longest_had(struct kith_queue *queue, struct walk *walk, uint32_t seat)
{
    struct queue_shared *shared = queue->chain.shared;
    int code = walk_to_seat(queue, walk, seat);
    if (likely(!atomic_load_explicit(&shared->mixed[seat - 1], memory_order_relaxed)) || code != 1)
        return code;
    struct walk found = *walk;
    for (; code == 1; code = walk_to_seat(queue, walk, seat)) {
        if (age_of(shared, walk->record, seat) > age_of(shared, found.record, seat))
            found = *walk;
        walk_on(walk);
    }
    *walk = found;
    return code < 0 ? code : 1;
}

/** Where to look for what the seat has had longest. If it has one message alone, that is what it got last; so who has a
 *  message long does not make those walk who pass it. */
static struct walk walk_for(const struct queue_shared *shared, uint32_t seat)
{
    if (shared->got_last[seat - 1].known && atomic_load_explicit(&shared->taken[seat - 1], memory_order_relaxed) == 1)
        return (struct walk){ .lap = shared->got_last[seat - 1].lap, .at = shared->got_last[seat - 1].at };
    return walk_from_head(shared);
}

int redeliver_done(struct os_thread *self, struct kith_queue *queue)
{
    struct queue_shared *shared = queue->chain.shared;
    int seat = seat_of(self, shared);
    int code = seat > 0 ? enter_at_last(self, shared) : -EPERM;
    if (code == 0) {
        struct walk walk = walk_for(shared, (uint32_t)seat);
        code = walk_to_longest_had(queue, &walk, (uint32_t)seat);
        if (code == 1)
            finish(self, queue, walk.record, (uint32_t)seat);
        get_leave(self, queue);
        if (code == 1)
            seat_leave(self, queue, (uint32_t)seat);
        code = code == 1 ? 0 : code == 0 ? -EPERM : code;
    }
    return code == -EPERM ? error_fail(code, "this thread (%u) has no message of the queue that is not done", self->id)
                          : code;
}

/** Moves the head on for the dead, unless somebody is inside: then the next look does. */
static void advance_for_the_dead(struct os_thread *self, struct kith_queue *queue)
{
    struct queue_shared *shared = queue->chain.shared;
    if (entered(monitor_enter(self, &shared->get, DEADLINE_PASSED))) {
        advance(self, queue);
        get_leave(self, queue);
    }
    robust_pending(self, &shared->joiners);
}

int redeliver_join_sleep(struct os_thread *self, struct kith_queue *queue, uint32_t value, position seen,
                         deadline until)
{
    enum { NAP = 100000000 };
    struct queue_shared *shared = queue->chain.shared;
    if (has_orphans(
            shared)) /* it may have died when it had marked the last one done, and the head stands there still */
        advance_for_the_dead(self, queue);
    /* Not on the seats: a death wakes one of their sleepers, and that must be one who gets. */
    struct os_futex_pair pairs[] = { { &shared->joiners.value, value },
                                     { position_half(&shared->head), (uint32_t)seen } };
    int64_t soon = os_clock_now() + NAP;
    int code = word_sleep_any(pairs, 2, soon < until ? soon : until);
    return code == -ETIMEDOUT ? 0 : code; /* the caller looks at the deadline */
}

int kith_queue_deliveries(const kith_queue *queue)
{
    deadline until;
    struct os_thread *self;
    int code = queue_call(queue, KITH_NOWAIT, &until, &self);
    if (code < 0)
        return code;
    struct queue_shared *shared = queue->chain.shared;
    int seat = seat_of(self, shared);
    if (seat == 0 || atomic_load_explicit(&shared->taken[seat - 1], memory_order_relaxed) == 0)
        return error_fail(-EPERM, "this thread (%u) has no message of the queue that is not done", self->id);
    return (int)atomic_load_explicit(&shared->deliveries[seat - 1], memory_order_relaxed);
}

bool redeliver_is_done(const char *record)
{
    return taker_of(record) == RECORD_DONE;
}

bool is_poison(const struct kith_queue *queue, const char *record)
{
    uint32_t most = queue->chain.shared->max_deliveries;
    return most > 0 && deliveries_of(record) >= most;
}

void redeliver_poison(struct os_thread *self, struct kith_queue *queue, char *record, uint32_t seat)
{
    struct queue_shared *shared = queue->chain.shared;
    unsigned deliveries = deliveries_of(record);
    size_t size = (size_t)record_size(record);
    seat_add(shared, record, seat, deliveries, false); /* this is no delivery: the next handler is told the same */
    get_leave(self, queue);
    /* Nobody touches the record while the seat has it. */
    if (queue->poison)
        queue->poison(queue->poison_context, record_data(record), size, deliveries);
    else
        kith_log(KITH_LOG_WARNING, "a message of %zu bytes was delivered %u times and never done: it is dropped", size,
                 deliveries);
    if (enter_at_last(self, shared) < 0)
        return;
    count_up(&shared->poisoned);
    finish(self, queue, record, seat);
    get_leave(self, queue);
}

int kith_queue_set_poison(kith_queue *queue, kith_queue_poison *function, void *context)
{
    int code = queue_usable(queue);
    if (code < 0)
        return code;
    queue->poison = function;
    queue->poison_context = context;
    return 0;
}

void kith_queue_park(void *context, const void *data, size_t size, unsigned deliveries)
{
    int code = kith_queue_put(context, data, size, KITH_NOWAIT);
    if (code < 0)
        kith_log(KITH_LOG_ERROR,
                 "a message of %zu bytes that was delivered %u times can't be parked, and is dropped: %s", size,
                 deliveries, kith_error_detail());
}
