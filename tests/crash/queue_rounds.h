/* Rounds of queues: what is put before the call under test, who waits, and what must be true of the messages after it.
 * See rounds.h for what is proved. */
#ifndef KITH_TESTS_CRASH_QUEUE_ROUNDS_H
#define KITH_TESTS_CRASH_QUEUE_ROUNDS_H

#include "rounds.h"

#include <kith/queue.h>

/* The messages have MESSAGE bytes, and 1 KiB in the queue; where it is said, LONG. */
enum { MESSAGE = 1016, LONG = 1500, NUMBERS = 4096 };

struct setting {
    kith_queue_options bounds;
    size_t big;         /* a message of so many bytes goes first through the queue, while the others are put */
    uint32_t put;       /* so many messages are put then */
    uint32_t got;       /* and so many of them got */
    uint32_t put_again; /* and so many put once more */
    uint32_t had;       /* and so many got by one who dies and has not finished them */
    bool joined;        /* somebody has joined, and given up */
    uint32_t batch;     /* the call under test puts or gets so many; 0: one */
};

static kith_queue *queue;

/* ---- messages ---- */

static uint32_t numbers;       /* of the messages so far; they count from 1 */
static uint8_t seen[NUMBERS];  /* how often each was got */
static uint32_t drained;       /* the first that the test itself got after the kill */
static uint32_t drained_after; /* the last */

static void compose(unsigned char message[MESSAGE_MAX], uint32_t number)
{
    for (size_t i = 0; i < MESSAGE_MAX; i++)
        message[i] = (unsigned char)(number * 7 + i);
    memcpy(message, &number, sizeof number);
}

/** @return the message's number */
static uint32_t see(const unsigned char *message, size_t size)
{
    unsigned char whole[MESSAGE_MAX];
    uint32_t number;
    memcpy(&number, message, sizeof number);
    compose(whole, number);
    expect((size == MESSAGE || size == LONG) && memcmp(message, whole, size) == 0, "a message is torn");
    expect(number >= 1 && number <= numbers, "a message comes that nobody put");
    if (number < NUMBERS)
        seen[number]++;
    return number;
}

/** What a call has got: a message, or several behind one another. */
static void see_all(const struct call *call)
{
    expect(call->size == LONG || call->size % MESSAGE == 0, "a message is torn");
    if (call->size == LONG)
        see(call->message, LONG);
    for (size_t at = 0; call->size != LONG && at < call->size; at += MESSAGE)
        see(call->message + at, MESSAGE);
}

static int put_waiting(struct call *call)
{
    return kith_queue_put(queue, call->message, MESSAGE, KITH_FOREVER);
}

static int put_long(struct call *call)
{
    return kith_queue_put(queue, call->message, LONG, KITH_FOREVER);
}

static int put_at_once(struct call *call)
{
    return kith_queue_put(queue, call->message, MESSAGE, KITH_NOWAIT);
}

static int get_within(struct call *call, kith_timeout timeout)
{
    return kith_queue_get(queue, call->message, MESSAGE_MAX, &call->size, timeout);
}

static int get_waiting(struct call *call)
{
    return get_within(call, KITH_FOREVER);
}

static int get_at_once(struct call *call)
{
    return get_within(call, KITH_NOWAIT);
}

/** Writes the message in place. */
static int reserve_and_commit(struct call *call)
{
    void *room;
    int code = kith_queue_reserve(queue, LONG, &room, KITH_FOREVER);
    if (code < 0)
        return code;
    memcpy(room, call->message, MESSAGE);
    return kith_queue_commit(queue, MESSAGE);
}

enum { BATCH = 3 };

static unsigned char batch[BATCH][MESSAGE_MAX];

/** Before put_batch: the call's message, and those of the numbers behind it. */
static inline int compose_batch(struct call *call)
{
    for (uint32_t i = 0; i < BATCH; i++)
        compose(batch[i], call->number + i);
    return 0;
}

static inline int put_batch(struct call *call)
{
    (void)call;
    const kith_message messages[BATCH] = { { batch[0], MESSAGE }, { batch[1], MESSAGE }, { batch[2], MESSAGE } };
    return kith_queue_put_many(queue, messages, BATCH, KITH_FOREVER);
}

static bool puts_message(role *act)
{
    return act == put_waiting || act == put_at_once || act == put_long || act == reserve_and_commit || act == put_batch;
}

/* What the test itself does. */

static void put_one(void)
{
    struct call call;
    compose(call.message, ++numbers);
    expect(put_at_once(&call) == 0, "nothing can be put");
}

static uint32_t get_one(void)
{
    struct call call = { 0 };
    int code = get_at_once(&call);
    expect(code == 0, "nothing can be got");
    if (scenario->setting->bounds.redeliver)
        expect(kith_queue_task_done(queue) == 0, "what was got can't be finished");
    return code == 0 ? see(call.message, call.size) : 0;
}

/** Gets one, and sees to the order of those that the test put before. */
static void drain_one(void)
{
    uint32_t number = get_one();
    expect(number > drained_after || number > scenario->setting->put, "messages of one putter come in another order");
    drained_after = number;
    if (!drained)
        drained = number;
}

/* ---- who waits ---- */

static bool nothing_queued(void)
{
    return kith_queue_qsize(queue) == 0;
}

static bool queue_full(void)
{
    return kith_queue_full(queue) == 1;
}

static void put_for_all(int sleeping)
{
    for (int i = 0; i < sleeping; i++)
        put_one();
}

static void get_for_one(int sleeping)
{
    (void)sleeping;
    drain_one();
}

static void give_message(struct call *call)
{
    compose(call->message, call->number = ++numbers);
}

static const struct crowd getters = { get_waiting, NULL, nothing_queued, put_for_all };
static const struct crowd putters = { put_waiting, give_message, queue_full, get_for_one };

/* ---- a round ---- */

/** A getter that dies before it has finished what it got. */
static void get_and_die(uint32_t count)
{
    pid_t pid = fork();
    if (pid == 0) {
        for (struct call call; count > 0 && get_at_once(&call) == 0; count--)
            continue;
        _exit(count > 0 ? 1 : 0);
    }
    int status;
    expect(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0, "nothing can be got by another");
}

static uint32_t batch_size(void)
{
    return scenario->setting->batch ? scenario->setting->batch : 1;
}

static void queue_begin(void)
{
    const struct setting *setting = scenario->setting;
    numbers = drained = drained_after = 0;
    memset(seen, 0, sizeof seen);
    must(kith_queue_new(&queue, &setting->bounds), "kith_queue_new");
    char *big = setting->big ? calloc(1, setting->big) : NULL;
    if (big)
        must(kith_queue_put(queue, big, setting->big, KITH_NOWAIT), "kith_queue_put");
    while (numbers < setting->put)
        put_one();
    size_t size;
    if (big)
        must(kith_queue_get(queue, big, setting->big, &size, KITH_NOWAIT), "kith_queue_get");
    free(big);
    for (uint32_t i = 0; i < setting->got; i++)
        get_one();
    for (uint32_t i = 0; i < setting->put_again; i++)
        put_one();
    if (setting->had > 0)
        get_and_die(setting->had);
    if (setting->joined)
        expect(kith_queue_join(queue, 1000) == -ETIMEDOUT, "join does not wait");
    if (puts_message(scenario->act)) {
        give_message(actor_call());
        numbers += batch_size() - 1;
    }
}

/** Whether the dead one has not put this message, though it was to. */
static bool not_put(const struct call *dead, uint32_t number)
{
    if (!dead->number || number < dead->number || number >= dead->number + batch_size())
        return false;
    if (!atomic_load(&dead->over) || dead->code < 0)
        return number == dead->number + batch_size() - 1 || !seen[number + 1]; /* the first ones of a batch are put */
    return batch_size() > 1 && number >= dead->number + (uint32_t)dead->code;
}

/** Each message was seen once. Of a call that did not return: its own may be missing, or those that it got. */
static void judge_messages(void)
{
    const struct call *dead = actor_call();
    bool over = atomic_load(&dead->over);
    uint32_t missing = 0;
    for (int i = -1; i < round_now.count; i++) {
        const struct call *call = i < 0 ? dead : bystander_call(i);
        if (atomic_load(&call->over) && call->code >= 0)
            see_all(call);
    }
    for (uint32_t number = 1; number <= numbers; number++) {
        expect(seen[number] <= 1, "a message comes twice");
        if (seen[number] > 0 || not_put(dead, number))
            continue;
        expect(!over && !dead->number && ++missing <= batch_size(), "a message is lost");
        expect(!drained || number < drained, "a message is lost from the middle");
    }
}

static void queue_judge(void)
{
    int queued = kith_queue_qsize(queue);
    for (int i = 0; i < queued && !round_now.wrong; i++)
        drain_one();
    expect(kith_queue_empty(queue) == 1, "the queue is not empty after as many gets as qsize said");
    judge_messages();
    put_one();
    expect(get_one() == numbers, "what is put is not got");
}

static void queue_end(void)
{
    kith_queue_free(queue);
}

#endif
