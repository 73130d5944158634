#include "connection/lane.h"

#include "os/poll.h"
#include "os/socket.h"
#include "queue/queue.h"
#include "sync/waiters.h"

#include <stdlib.h>

/* A length's first byte is never this: a frame's is 0 to 0x7f, or 0xff. */
#define BELL 0x80

/* Senders wait when this much is queued, in bytes, and are let in again when it is half: one wake-up for many messages,
 * and two messages of 1 MiB can be on their way while a third one is received. */
#define FULL ((uint64_t)2304 * 1024)

/* How long a sender relies on having seen that the other side is there, in nanoseconds: to look is a system call. No
 * process is known to be dead sooner after it was alive. One that closes its end says so. */
#define TRUST 20000

/* How long a sender that waits for room sleeps without a look at the other side, in nanoseconds. */
#define SLICE 100000000

/* After so many, a sender looks for signals: one that came just before it slept did not wake it. */
#define LOOKS 10

_Static_assert(sizeof(struct lane_words) <= sizeof((struct queue_shared *)NULL)->beside, "the words have room");

/* ---- life ---- */

static int lane_open(struct lane **made, kith_queue *queue)
{
    struct lane *lane = malloc(sizeof *lane);
    if (!lane) {
        kith_queue_free(queue);
        return error_fail(-ENOMEM, "no memory for a pipe's end");
    }
    *lane = (struct lane){
        .queue = queue,
        .words = (struct lane_words *)(void *)queue->chain.shared->beside,
        .holders = 1,
    };
    *made = lane;
    return 0;
}

int lane_new(struct lane **made)
{
    kith_queue *queue;
    int code = kith_queue_new(&queue, NULL);
    return code < 0 ? code : lane_open(made, queue);
}

int lane_from_fd(struct lane **made, int fd)
{
    kith_queue *queue;
    int code = kith_queue_from_fd(&queue, fd);
    return code < 0 ? code : lane_open(made, queue);
}

struct lane *lane_hold(struct lane *lane)
{
    lane->holders++;
    return lane;
}

void lane_let_go(struct lane *lane)
{
    if (!lane || --lane->holders > 0)
        return;
    kith_queue_free(lane->queue);
    free(lane);
}

int lane_fd(const struct lane *lane)
{
    return kith_queue_share_fd(lane->queue);
}

static void wake_senders(struct lane_words *words)
{
    atomic_store_explicit(&words->full, 0, memory_order_seq_cst);
    os_futex_wake(&words->full, INT32_MAX);
}

void lane_depart(struct lane *lane)
{
    /* release: who sees it sees the socket closed. */
    atomic_fetch_add_explicit(&lane->words->departures, 1, memory_order_release);
    wake_senders(lane->words);
}

int lane_shut(struct lane *lane)
{
    int code = kith_queue_shut(lane->queue);
    if (code == 0)
        wake_senders(lane->words);
    return code;
}

bool lane_is_shut(const struct lane *lane)
{
    return is_shut(lane->queue->chain.shared);
}

/* What is left of the time. */
static kith_timeout timeout_left(deadline until)
{
    if (until == DEADLINE_AT_ONCE)
        return KITH_AT_ONCE;
    if (until == DEADLINE_PASSED)
        return KITH_NOWAIT;
    if (until == OS_FOREVER)
        return KITH_FOREVER;
    int64_t now = os_clock_now();
    return now < until ? until - now : KITH_NOWAIT;
}

/* For a call that takes what is there, and else nothing. */
static kith_timeout no_timeout(deadline until)
{
    return until == DEADLINE_AT_ONCE ? KITH_AT_ONCE : KITH_NOWAIT;
}

/* ---- sending ---- */

static bool is_cut(const struct lane *lane, struct lane_sight *sight, int socket)
{
    int64_t now = os_clock_now();
    uint32_t departures = atomic_load_explicit(&lane->words->departures, memory_order_acquire); /* lane_depart */
    if (likely(departures == sight->departures && now - sight->looked_at < TRUST))
        return false;
    if (os_socket_is_cut(socket))
        return true;
    sight->departures = departures;
    sight->looked_at = now;
    return false;
}

static uint64_t queued(position head, position tail)
{
    return units_between(position_units(head), position_units(tail)) * UNIT;
}

/* The head only moves on: when there is room as from where it was once seen, there is. (Who has not sent while 128 GiB
 * went through may be mistaken, once.) */
static bool lane_has_room(const struct lane *lane, struct lane_sight *sight)
{
    const struct queue_shared *shared = lane->queue->chain.shared;
    position tail = atomic_load_explicit(&shared->tail, memory_order_relaxed);
    if (likely(queued(sight->head, tail) < FULL))
        return true;
    sight->head = atomic_load_explicit(&shared->head, memory_order_seq_cst);
    return queued(sight->head, tail) < FULL || is_shut(shared);
}

static int await_room(struct lane *lane, struct lane_sight *sight, int socket, deadline until)
{
    _Atomic uint32_t *full = &lane->words->full;
    unsigned slices = 0;
    if (!deadline_passed(until))
        queue_await_room(lane->queue, sight->head);
    while (!lane_has_room(lane, sight)) {
        if (os_socket_is_cut(socket))
            return -EPIPE;
        if (deadline_passed(until))
            return -ETIMEDOUT;
        /* seq_cst: pairs with let_in. Of the two, one sees what the other did; and when a receiver dies on the way, the
         * next one comes, or the slice ends. */
        atomic_store_explicit(full, 1, memory_order_seq_cst);
        if (lane_has_room(lane, sight))
            break;
        int64_t soon = os_clock_now() + SLICE;
        int code = os_futex_wait(full, 1, until < soon ? until : soon);
        bool looks = ++slices % LOOKS == 0;
        if ((looks || code == -EINTR) && waiters_on_interruption(code) < 0)
            return -EINTR;
    }
    return 0;
}

/* On the senders' side, before the message can be seen. A socket that is full has bells enough.
 * @return 0; -EPIPE, -ENOMEM */
static int ring(struct lane_words *words, int socket)
{
    const unsigned char bell = BELL;
    ptrdiff_t sent = os_socket_send(socket, &bell, 1, NULL, 0);
    if (sent < 0 && sent != -EAGAIN)
        return (int)sent;
    atomic_store_explicit(&words->watched, 0, memory_order_relaxed);
    return 0;
}

static int put(struct lane *lane, int socket, const void *data, size_t size, deadline until)
{
    struct lane_words *words = lane->words;
    void *room;
    int code = kith_queue_reserve(lane->queue, size, &room, timeout_left(until));
    if (unlikely(code < 0))
        return code == -ENOSPC || code == -EFBIG ? -ENOMEM : code;
    if (size > 0)
        memcpy(room, data, size);
    if (unlikely(atomic_load_explicit(&words->watched, memory_order_relaxed)))
        code = ring(words, socket);
    if (likely(code == 0))
        return kith_queue_commit(lane->queue, size);
    kith_queue_cancel(lane->queue);
    return code;
}

int lane_send(struct lane *lane, struct lane_sight *sight, int socket, const void *data, size_t size, deadline until)
{
    if (unlikely(is_cut(lane, sight, socket)))
        return -EPIPE;
    if (unlikely(size > KITH_QUEUE_MESSAGE_MAX)) {
        int ended = lane_shut(lane);
        return ended == 0 ? KITH_ECLOSED : ended;
    }
    int code = likely(lane_has_room(lane, sight)) ? 0 : await_room(lane, sight, socket, until);
    return likely(code == 0) ? put(lane, socket, data, size, until) : code;
}

/* ---- receiving ---- */

/* After a message was taken: lets senders in that wait for room. seq_cst: pairs with await_room. */
static inline void let_in(struct lane *lane)
{
    const struct queue_shared *shared = lane->queue->chain.shared;
    position head, tail;
    if (likely(!atomic_load_explicit(&lane->words->full, memory_order_seq_cst)))
        return;
    queue_look(shared, &head, &tail);
    if (queued(head, tail) <= FULL / 2)
        wake_senders(lane->words);
}

int lane_look(const struct lane *lane)
{
    const struct queue_shared *shared = lane->queue->chain.shared;
    bool shut = is_shut(shared); /* before: nothing comes after it */
    if (!is_empty(shared))
        return 1;
    return shut ? KITH_ECLOSED : 0;
}

int lane_get_bytes(struct lane *lane, kith_bytes *message, deadline until)
{
    int code = kith_queue_get_bytes(lane->queue, message, no_timeout(until));
    if (likely(code == 0))
        let_in(lane);
    return code;
}

int lane_get(struct lane *lane, void *buffer, size_t capacity, size_t *size, deadline until)
{
    int code = kith_queue_get(lane->queue, buffer, capacity, size, no_timeout(until));
    if (likely(code == 0))
        let_in(lane);
    return code;
}

int lane_size(struct lane *lane, size_t *size, deadline until)
{
    const void *data;
    int code = kith_queue_peek(lane->queue, &data, size, no_timeout(until));
    return code < 0 ? code : kith_queue_release(lane->queue, 0);
}

/* ---- sleeping ---- */

void lane_clear(int socket)
{
    unsigned char byte;
    while (os_socket_look(socket, &byte, 1) == 1 && byte == BELL)
        os_socket_receive(socket, &byte, 1);
}

/* The bells that lie there have woken others, who perhaps have yet to look, and will sleep again: so senders must ring
 * from now on whoever is about to wait, and before a bell is taken off, for we may be killed in the middle. */
int lane_watch(struct lane *lane, int socket, deadline until)
{
    void *nothing;
    int code = lane_look(lane);
    if (code != 0)
        return code;
    code = kith_queue_reserve(lane->queue, 0, &nothing, timeout_left(until)); /* no sender is inside from here on */
    if (code == KITH_ECLOSED)
        return lane_look(lane);
    if (code < 0)
        return code == -EBUSY ? -ETIMEDOUT : code; /* a sender is stopped: no message of its has come, in time */
    code = lane_look(lane);
    if (code == 0) {
        unsigned char bells[16]; /* as a rule there is one. The lane is not shut, so they are all that can be there */
        atomic_store_explicit(&lane->words->watched, 1, memory_order_relaxed);
        os_socket_receive(socket, bells, sizeof bells);
    }
    kith_queue_cancel(lane->queue);
    return code;
}

/* @return as lane_confirm; -EAGAIN when a bell lies in the socket, and perhaps something behind it */
static int listen(const struct lane *lane, int socket)
{
    unsigned char byte;
    int code = lane_look(lane);
    if (code != 0)
        return code;
    ptrdiff_t there = os_socket_look(socket, &byte, 1);
    /* Who has seen the end sees all that was sent before it. */
    code = lane_look(lane);
    if (code != 0 || there < 0)
        return code;
    return there == 0 ? KITH_EEOF : -EAGAIN;
}

int lane_confirm(const struct lane *lane, int socket)
{
    int code = listen(lane, socket);
    return code == -EAGAIN ? 0 : code;
}

/* lane_await, when the time is over. */
static int look_once(struct lane *lane, int socket, deadline until)
{
    int code = listen(lane, socket);
    if (code == -EAGAIN) {
        code = lane_watch(lane, socket, until);
        if (code == 0)
            code = lane_confirm(lane, socket);
    }
    return code == 0 ? -ETIMEDOUT : code;
}

/* Waits until the socket is readable. @return as os_poll */
static int sleep_at(struct lane *lane, int socket, deadline until)
{
    deadline nap = queue_nap_end(lane->queue, until);
    int code = os_poll(socket, OS_POLL_READ, nap);
    if (code != -ETIMEDOUT || nap == until)
        return code;
    queue_release_idle(lane->queue);
    return os_poll(socket, OS_POLL_READ, until);
}

int lane_await(struct lane *lane, int socket, deadline until)
{
    int code = 0;
    if (deadline_passed(until))
        code = look_once(lane, socket, until);
    else
        queue_await_message(lane->queue);
    while (code == 0 && (code = lane_watch(lane, socket, until)) == 0 && (code = sleep_at(lane, socket, until)) == 0)
        code = lane_confirm(lane, socket);
    return code == 1 ? 0 : code;
}
