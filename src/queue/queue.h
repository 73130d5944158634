/* A queue's handle, and what its two sides have in common: the conditions that they wait for, and how they wait.
 *
 * Each side is a monitor: its lock makes one putter, or one getter, at a time; its condition is room, or messages. The
 * one who is inside works on the chain (chain.h) and commits by one store of its position, then notifies the other
 * side.
 *
 * From its commit on, a caller owes the other side a wake-up. That debt is in the thread's slot, while its own side is
 * on the thread's list: so whatever kills it, the kernel releases the side, and wakes a sleeper of the other. */
#ifndef KITH_SRC_QUEUE_QUEUE_H
#define KITH_SRC_QUEUE_QUEUE_H

#include "os/futex.h"
#include "queue/chain.h"

/** How long to wait awake, and how closely to look: a process's experience. */
struct vigil {
    _Atomic int spins, stride;
};

struct ready; /* ready.c */
struct hold;  /* hold.c */

struct kith_queue {
    struct chain chain;
    bool closed;
    struct vigil vigil;
    int64_t patience;  /* with who is in the middle of its call, in nanoseconds; 0: a second */
    uint64_t reserved; /* units; of the thread that owns the putters' side: put.c */
    char *peeked;      /* the record, of the thread that owns the getters' side: get.c */
    position peeked_at;
    kith_queue_poison *poison; /* may be NULL */
    void *poison_context;
    struct ready *_Atomic ready; /* NULL until kith_queue_fd */
    struct hold *_Atomic hold;   /* NULL until kith_queue_take */
};

/** Why a queue can't be used. @return -EINVAL, KITH_ECLOSED with the detail */
int queue_unusable(const kith_queue *queue) __attribute__((cold));

/** What each call on a queue begins with. @return 0, or as queue_unusable */
static inline int queue_usable(const kith_queue *queue)
{
    return likely(queue && !queue->closed) ? 0 : queue_unusable(queue);
}

/** The same, and a deadline and this thread. @return 0; also -ENOTSUP */
static inline int queue_call(const kith_queue *queue, kith_timeout timeout, deadline *until, struct os_thread **self)
{
    int code = queue_usable(queue);
    if (unlikely(code < 0))
        return code;
    code = deadline_from(timeout, until);
    if (unlikely(code < 0))
        return code;
    *self = word_thread();
    return likely(*self) ? 0 : -ENOTSUP;
}

/** The same, for a call that puts or gets: at once, too. */
static inline int queue_call_at_once(const kith_queue *queue, kith_timeout timeout, deadline *until,
                                     struct os_thread **self)
{
    if (likely(timeout != KITH_AT_ONCE))
        return queue_call(queue, timeout, until, self);
    int code = queue_call(queue, KITH_NOWAIT, until, self);
    *until = DEADLINE_AT_ONCE;
    return code;
}

/** The deadline for a first attempt to enter, by who then waits in a way of its own. */
static inline deadline first_attempt(deadline until)
{
    return until == DEADLINE_AT_ONCE ? until : DEADLINE_PASSED;
}

/** What monitor_enter_late begins with. */
static inline deadline patience_end(const kith_queue *queue)
{
    return queue->patience ? os_clock_now() + queue->patience : 0;
}

static inline bool entered(int code)
{
    return code == 0 || code == KITH_EOWNERDEAD; /* a dead owner has left nothing half done */
}

/* ---- conditions: looked at from anywhere; seq_cst as sync/word.h asks for ---- */

static inline bool is_shut(const struct queue_shared *shared)
{
    return atomic_load_explicit(&shared->shut, memory_order_seq_cst);
}

/** The tail, and a position before it, at one instant. */
static inline void queue_look_from(const struct queue_shared *shared, const _Atomic position *front, position *at,
                                   position *tail)
{
    do {
        *at = atomic_load_explicit(front, memory_order_seq_cst);
        *tail = atomic_load_explicit(&shared->tail, memory_order_seq_cst);
    } while (*at != atomic_load_explicit(front, memory_order_seq_cst));
}

/** The head and the tail at one instant. */
static inline void queue_look(const struct queue_shared *shared, position *head, position *tail)
{
    queue_look_from(shared, &shared->head, head, tail);
}

static inline bool has_room(const struct queue_shared *shared, uint64_t units)
{
    position head, tail;
    queue_look(shared, &head, &tail);
    return items_between(head, tail) < shared->max_items &&
           units_between(position_units(head), position_units(tail)) + units <= shared->max_units;
}

/** What sleeping putters wait for. */
static inline bool putters_can_go_on(const struct queue_shared *shared)
{
    return is_shut(shared) || has_room(shared, atomic_load_explicit(&shared->need, memory_order_relaxed));
}

/** Nothing to be got, as far as positions tell. */
static inline bool is_empty(const struct queue_shared *shared)
{
    /* Positions only grow: if the tail is now where the other was, it was there then, too. */
    position at = atomic_load_explicit(shared->redeliver ? &shared->next : &shared->head, memory_order_seq_cst);
    return at == atomic_load_explicit(&shared->tail, memory_order_seq_cst);
}

/** What sleeping getters wait for. */
static inline bool getters_can_go_on(const struct queue_shared *shared);

/** From inside: wakes a putter, if one sleeps that can go on. The slot holds the putters' word. */
static inline void putters_notify(struct queue_shared *shared)
{
    if (unlikely(atomic_load_explicit(&shared->put.asleep, memory_order_seq_cst)) && putters_can_go_on(shared))
        monitor_notify(&shared->put);
}

static inline void count_up(_Atomic uint64_t *count)
{
    atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
}

/* ---- waiting ---- */

/** Waits a little, awake, for the other side to move on from where it was seen: sleeping and being woken takes longer
 *  than many a message. */
void wait_awake(struct vigil *vigil, const _Atomic position *other, position seen);

/** The same, for a message, by who has found none. */
static inline void queue_await_message(struct kith_queue *queue)
{
    struct queue_shared *shared = queue->chain.shared;
    position head = atomic_load_explicit(&shared->head, memory_order_relaxed);
    wait_awake(&queue->vigil, &shared->tail, head);
}

/** The same, for room, by who has found the head there. */
static inline void queue_await_room(struct kith_queue *queue, position head)
{
    wait_awake(&queue->vigil, &queue->chain.shared->head, head);
}

/** For who is about to sleep for a message: when to wake, at the latest, to call queue_release_idle, if there was none;
 *  until, when there is nothing to release. */
deadline queue_nap_end(const struct kith_queue *queue, deadline until);

/** Gives back the memory of a busy time. Outside of the getters' side, which it does not wait for. */
void queue_release_idle(struct kith_queue *queue);

/** Goes to sleep on a side, after monitor_retire and another look at what its sleepers wait for: it can come about only
 *  by the position that was seen moving on, or by shutting. @return as word_sleep */
static inline int queue_sleep(struct queue_shared *shared, struct monitor *side, _Atomic position *position_awaited,
                              position seen, deadline until)
{
    struct os_futex_pair pairs[] = { { &side->word.value, WORD_ASLEEP },
                                     { position_half(position_awaited), (uint32_t)seen },
                                     { &shared->shut, 0 } };
    return word_sleep_any(pairs, sizeof pairs / sizeof *pairs, until);
}

/** Enters the getters' side where they wait for each other's death, too. Who sleeps for the lock alone may be left
 *  asleep with those who wait for a message (sync/word.h), and would miss a death: so it sleeps on all seats, too. */
int redeliver_lock(struct os_thread *self, struct queue_shared *shared, deadline until);

/* ---- the getters' side (get.c) ---- */

/** Enters the getters' side. Waits as monitor_enter. */
static inline int get_lock(struct os_thread *self, struct queue_shared *shared, deadline until)
{
    if (unlikely(shared->redeliver))
        return redeliver_lock(self, shared, until);
    return monitor_enter(self, &shared->get, until);
}

/** Leaves, when somebody waits: wakes who can go on. */
void get_leave_to_waiter(struct queue_shared *shared);

/** Does what those left to us who found us inside, and did not wait: see redeliver.c. Outside of the getters' side. */
void redeliver_catch_up(struct os_thread *self, struct kith_queue *queue);

/** Leaves the getters' side. */
static inline void get_leave(struct os_thread *self, struct kith_queue *queue)
{
    struct queue_shared *shared = queue->chain.shared;
    if (unlikely(!monitor_leave(self, &shared->get)))
        get_leave_to_waiter(shared);
    robust_pending(self, NULL);
    if (unlikely(shared->redeliver))
        redeliver_catch_up(self, queue);
}

/* ---- finishing (done.c) ---- */

static inline bool has_joiners(const struct queue_shared *shared)
{
    return atomic_load_explicit(&shared->joiners.value, memory_order_seq_cst) & ROBUST_WAITERS;
}

/** How many messages were got; with redelivery, how many are done. */
uint64_t count_gets(const struct queue_shared *shared);

/** Wakes all who join: so many messages, from the first on, are done. The slot has held shared->joiners since before
 *  that. */
void joiners_wake(struct queue_shared *shared, uint64_t drained);

/* ---- redelivery (redeliver.c): who has taken a message is written in its record, as the number of a seat. A seat is a
 * robust word that a thread owns while it has unfinished messages. When the thread dies, the kernel marks the seat, and
 * the messages go to others. ---- */

/** What a seat's owner leaves behind when it dies, until its messages have been taken over. */
static inline bool seat_is_orphaned(uint32_t value)
{
    return (value & ROBUST_DIED) && !(value & ROBUST_OWNER);
}

/** Whether there may be messages of dead getters. */
static inline bool has_orphans(const struct queue_shared *shared)
{
    uint32_t high = atomic_load_explicit(&shared->seats_high, memory_order_seq_cst);
    for (uint32_t seat = 0; seat < high; seat++) {
        if (seat_is_orphaned(atomic_load_explicit(&shared->seats[seat].value, memory_order_seq_cst)))
            return true;
    }
    return false;
}

/** Whether dead getters have left messages, as far as their counts tell: one that was killed in the middle of a call
 *  may have left one less. */
static inline bool dead_have_left(const struct queue_shared *shared)
{
    uint32_t high = atomic_load_explicit(&shared->seats_high, memory_order_seq_cst);
    for (uint32_t seat = 0; seat < high; seat++) {
        if (seat_is_orphaned(atomic_load_explicit(&shared->seats[seat].value, memory_order_seq_cst)) &&
            (seat == SEATS - 1 || atomic_load_explicit(&shared->taken[seat], memory_order_relaxed) > 0))
            return true;
    }
    return false;
}

/** The seat that this thread has. @return its number, from 1; 0 when it has none */
int seat_of(const struct os_thread *self, const struct queue_shared *shared);

/** The same, and takes one when it has none. Outside of the getters' side.
 *  @return its number; -EAGAIN, -EBUSY, -ENOMEM with the detail */
int seat_take(struct os_thread *self, struct kith_queue *queue, deadline until);

/** Gives the seat up if nothing is taken on it. Outside of the getters' side. */
void seat_leave(struct os_thread *self, struct kith_queue *queue, uint32_t seat);

/** Gives this thread's seat up, and what is taken on it back, if it has one. Outside of the getters' side. */
void seat_abandon(struct os_thread *self, struct kith_queue *queue);

/** From inside: the record that is to be delivered next.
 *  @param at  receives its position
 *  @return 1; 0 when there is none; -ENOMEM */
int redeliver_find(struct os_thread *self, struct kith_queue *queue, char **record, position *at);

/** From inside: takes that record for the seat. */
void redeliver_take(struct kith_queue *queue, char *record, position at, uint32_t seat);

/** Whether the record's message is done, and stays only because one before it is not. */
bool redeliver_is_done(const char *record);

/** Whether the record has been delivered as often as it may be. */
bool is_poison(const struct kith_queue *queue, const char *record);

/** From inside: takes a poisonous record, leaves the side, hands the message over, and marks it done. */
void redeliver_poison(struct os_thread *self, struct kith_queue *queue, char *record, uint32_t seat);

/** Marks the message done that the seat has had longest. Outside of the getters' side.
 *  @return 0; -EPERM when it has none; -EDEADLK; -ENOMEM, all with the detail */
int redeliver_done(struct os_thread *self, struct kith_queue *queue);

/** Marks a record done that the seat has, by whatever thread of the process whose seat it is, and waits for nobody.
 *  Outside of the getters' side, or by who has peeked. */
void redeliver_finish(struct os_thread *self, struct kith_queue *queue, char *record, uint32_t seat);

/** Sleeps until getters can go on, after monitor_retire.
 *  @param other  a word to watch, too; may be NULL. @return as word_sleep */
int redeliver_sleep(struct queue_shared *shared, const struct os_futex_pair *other, deadline until);

/** Sleeps as one who joins: until the head moves on from where it was seen, joiners has not that value any more, or a
 *  moment has passed. Moves the head on for the dead. The slot holds joiners. @return 0, -EINTR */
int redeliver_join_sleep(struct os_thread *self, struct kith_queue *queue, uint32_t value, position seen,
                         deadline until);

/** Shut, and drained. What somebody still has may come back, until it is done. */
static inline bool is_over(const struct queue_shared *shared)
{
    return is_shut(shared) && (!shared->redeliver || atomic_load_explicit(&shared->head, memory_order_seq_cst) ==
                                                         atomic_load_explicit(&shared->tail, memory_order_seq_cst));
}

/** With redelivery, also when a getter has died, who may have left something to do. */
static inline bool getters_can_go_on(const struct queue_shared *shared)
{
    return !is_empty(shared) || is_over(shared) || (unlikely(shared->redeliver) && has_orphans(shared));
}

/** Nothing to be got at all. */
static inline bool is_empty_of_all(const struct queue_shared *shared)
{
    return is_empty(shared) && !(unlikely(shared->redeliver) && dead_have_left(shared));
}

/* ---- messages that are held in place (hold.c) ---- */

/** What this process holds of the queue; begins it if need be.
 *  @param until  for that. @return 0; -EAGAIN, -EBUSY, -ENOMEM, -ENOTSUP with the detail */
int hold_of(struct kith_queue *queue, deadline until, struct hold **hold);

/** The seat that has what is held. */
uint32_t hold_seat(const struct hold *hold);

/** Adds a record. @return 0; -ENOMEM with the detail */
int hold_add(struct hold *hold, char *record);

/** Gives all up that this process holds. */
void hold_close(struct kith_queue *queue);

/* ---- readiness (ready.c) ---- */

/** A get found nothing: the descriptor, if there is one, is readable only if there is something by now. */
void ready_settle(struct kith_queue *queue);

/** A get has taken a message: the same, if it was the last. */
void ready_got(struct kith_queue *queue);

/** Ends the thread behind the descriptor, and closes it. */
void ready_close(struct kith_queue *queue);

#endif
