/* Kill after every instruction of what else is done with queues: batches, messages in place, laps that begin anew,
 * finishing and joining, redelivery, the end of putting. See rounds.h for what is proved, and how to call it.
 *
 * With redelivery, what the dead one had is not lost: all that is not finished is got, and got once. */
/* What a scenario may take in the short form, in nanoseconds: there are many. */
#define BUDGET 150000000

#include "queue_rounds.h"

/* ---- calls ---- */

static int get_batch(struct call *call)
{
    size_t sizes[BATCH] = { 0 };
    int code = kith_queue_get_many(queue, call->message, sizeof call->message, sizes, BATCH, KITH_FOREVER);
    for (int i = 0; i < code; i++)
        call->size += sizes[i];
    return code;
}

static int peek_and_release(struct call *call)
{
    const void *data;
    size_t size;
    int code = kith_queue_peek(queue, &data, &size, KITH_FOREVER);
    if (code < 0)
        return code;
    if (size <= MESSAGE_MAX)
        memcpy(call->message, data, size);
    code = kith_queue_release(queue, 1);
    call->size = code == 0 ? size : 0;
    return code;
}

static int finish(struct call *call)
{
    (void)call;
    return kith_queue_task_done(queue);
}

static int get_and_finish(struct call *call)
{
    int code = get_waiting(call);
    return code == 0 ? kith_queue_task_done(queue) : code;
}

static int peek_and_finish(struct call *call)
{
    int code = peek_and_release(call);
    return code == 0 ? kith_queue_task_done(queue) : code;
}

static const void *held;

/** Also starts the thread by which the kernel knows whether the process lives. */
static int take_first(struct call *call)
{
    size_t size;
    (void)call;
    return kith_queue_take(queue, &held, &size, KITH_NOWAIT);
}

static int finish_first(struct call *call)
{
    (void)call;
    return kith_queue_finish(queue, held);
}

static int take_and_finish(struct call *call)
{
    const void *data;
    size_t size;
    int code = kith_queue_take(queue, &data, &size, KITH_FOREVER);
    if (code < 0)
        return code;
    if (size <= MESSAGE_MAX)
        memcpy(call->message, data, size);
    code = kith_queue_finish(queue, data);
    call->size = code == 0 ? size : 0;
    return code;
}

static int join(struct call *call)
{
    (void)call;
    return kith_queue_join(queue, KITH_FOREVER);
}

static int shut(struct call *call)
{
    (void)call;
    return kith_queue_shut(queue);
}

/** Who is told that the queue is shut has been served, too. */
static int served(int code)
{
    return code == KITH_ECLOSED ? 0 : code;
}

static int get_until_shut(struct call *call)
{
    return served(get_waiting(call));
}

static int get_and_finish_until_shut(struct call *call)
{
    return served(get_and_finish(call));
}

static int put_until_shut(struct call *call)
{
    int code = put_waiting(call);
    if (code == KITH_ECLOSED)
        seen[call->number]++; /* in the bystander only */
    return served(code);
}

/* ---- who waits ---- */

static uint64_t unfinished(void)
{
    kith_queue_stats stats = { 0 };
    expect(kith_queue_get_stats(queue, &stats) == 0, "there are no statistics");
    return stats.unfinished;
}

static bool is_shut(void)
{
    kith_queue_stats stats = { 0 };
    expect(kith_queue_get_stats(queue, &stats) == 0, "there are no statistics");
    return stats.shut;
}

static bool nothing_unfinished(void)
{
    return unfinished() == 0;
}

static bool something_unfinished(void)
{
    return unfinished() > 0;
}

static bool nothing_unfinished_nor_shut(void)
{
    return nothing_unfinished() && !is_shut();
}

static bool nothing_queued_nor_shut(void)
{
    return nothing_queued() && !is_shut();
}

static bool full_and_not_shut(void)
{
    return queue_full() && !is_shut();
}

/** Gets all that there is, and finishes it. */
static void finish_what_is_there(void)
{
    struct call call = { 0 };
    while (get_at_once(&call) == 0) {
        see(call.message, call.size);
        if (scenario->setting->bounds.redeliver)
            expect(kith_queue_task_done(queue) == 0, "what was got can't be finished");
    }
}

static void finish_all(int sleeping)
{
    (void)sleeping;
    finish_what_is_there();
    /* Without redelivery, what the dead one has got and not finished: anybody may say so. */
    while (!scenario->setting->bounds.redeliver && kith_queue_task_done(queue) == 0)
        continue;
    expect(unfinished() == 0, "what is finished counts as unfinished");
}

static void shut_for_all(int sleeping)
{
    (void)sleeping;
    expect(kith_queue_shut(queue) == 0, "the queue can't be shut");
}

static const struct crowd finishers = { get_and_finish, NULL, nothing_unfinished, put_for_all };
static void finish_for_one(int sleeping)
{
    (void)sleeping;
    finish_what_is_there();
}

static const struct crowd putters_behind_finishers = { put_waiting, give_message, queue_full, finish_for_one };
static const struct crowd joiners = { join, NULL, something_unfinished, finish_all };
static void put_before(struct call *call)
{
    (void)call;
    put_one();
}

static int join_what_was_put(struct call *call)
{
    int code = join(call);
    return code == 0 && something_unfinished() ? -EPROTO : code;
}

/** One who puts, and joins: that all before was done concerns it not. */
static const struct crowd putting_joiners = { join_what_was_put, put_before, something_unfinished, finish_all };
static const struct crowd getters_to_shut = { get_until_shut, NULL, nothing_queued_nor_shut, shut_for_all };
static const struct crowd finishers_to_shut = { get_and_finish_until_shut, NULL, nothing_unfinished_nor_shut,
                                                shut_for_all };
static const struct crowd putters_to_shut = { put_until_shut, NULL, full_and_not_shut, shut_for_all };

/* ---- rounds ---- */

/** With redelivery: all that is not finished is got, each message once. */
static void redelivering_judge(void)
{
    finish_what_is_there();
    expect(kith_queue_empty(queue) == 1 && unfinished() == 0, "what is left nobody can get");
    expect(kith_queue_join(queue, KITH_NOWAIT) == 0, "all is finished, and can't be joined");
    for (int i = 0; i < round_now.count; i++) {
        if (atomic_load(&bystander_call(i)->over) && bystander_call(i)->code >= 0)
            see_all(bystander_call(i));
    }
    uint32_t missing = 0;
    for (uint32_t number = 1; number <= numbers; number++) {
        expect(seen[number] <= 1, "a message comes twice");
        missing += seen[number] == 0;
    }
    const struct call *dead = actor_call();
    uint32_t finished = scenario->act == get_batch ? 0 : 1; /* when the call returns */
    expect(missing <= finished, "a message is lost");
    expect(missing == finished || !atomic_load(&dead->over), "what was finished is delivered again");
    put_one();
    expect(get_one() == numbers, "what is put is not got");
    expect(kith_queue_join(queue, KITH_NOWAIT) == 0, "all is finished, and can't be joined any more");
}

/** Poison comes to nobody; it is done, however often its handler dies. */
static void poison_judge(void)
{
    struct call call = { 0 };
    expect(get_at_once(&call) == KITH_EEMPTY, "poison is delivered");
    expect(nothing_unfinished(), "poison is never done");
    put_one();
    expect(get_one() == numbers, "what is put is not got");
}

/** Shut or not: what was queued is drained, and then the queue says so. */
static void shut_judge(void)
{
    bool was_shut = is_shut();
    struct call call = { 0 };
    int code = 0;
    for (uint32_t i = 0; i <= numbers && code == 0; i++) {
        code = get_at_once(&call);
        if (code == 0 && scenario->setting->bounds.redeliver)
            expect(kith_queue_task_done(queue) == 0, "what was got can't be finished");
    }
    expect(code == (was_shut ? KITH_ECLOSED : KITH_EEMPTY), "a drained queue says something else");
    expect(put_at_once(&call) == (was_shut ? KITH_ECLOSED : 0), "a put says something else");
    expect(kith_queue_shut(queue) == 0, "the queue can't be shut");
}

/* ---- meanwhile ---- */

/** One of them is the call's own, if it has come so far. */
static void get_two_at_most(void)
{
    struct call call = { 0 };
    for (int i = 0; i < 2 && get_at_once(&call) == 0; i++)
        see(call.message, call.size);
}

/* ---- scenarios ---- */

#define REGION 256 /* messages fill the first region */

static const struct setting one = { .put = 1 };
static const struct setting empty = { .put = 1, .got = 1 };
static const struct setting batch_on_empty = { .put = 1, .got = 1, .batch = BATCH };
static const struct setting batch_beside_full = { .bounds = { .max_items = 2 }, .put = 1, .batch = BATCH };
static const struct setting batch_at_region_end = { .put = REGION - 1, .batch = BATCH };
static const struct setting batch_to_start_over = { .put = REGION - 1, .got = 200, .batch = BATCH };
static const struct setting batch_queued = { .put = BATCH + 1, .batch = BATCH };
static const struct setting batch_full = { .bounds = { .max_items = BATCH }, .put = BATCH, .batch = BATCH };
static const struct setting batch_over_lap_end = { .put = REGION, .got = REGION - 2, .put_again = 4, .batch = BATCH };
static const struct setting full = { .bounds = { .max_items = 1 }, .put = 1 };
static const struct setting to_start_over = { .put = REGION, .got = 200 };
static const struct setting to_start_over_from_empty = { .put = REGION, .got = REGION };
static const struct setting lap_nearly_drained = { .put = REGION, .got = 200, .put_again = 2, .batch = 1 };
static const struct setting lap_drained = { .put = REGION, .got = REGION - 1, .put_again = 2, .batch = BATCH };

static const struct scenario scenarios[] = {
    { "put_many, a getter sleeps", &batch_on_empty, .ready = compose_batch, .act = put_batch, .code = BATCH,
      .crowd = &getters, .asleep = 1 },
    { "put_many, another putter comes", &batch_on_empty, .ready = compose_batch, .act = put_batch, .code = BATCH,
      .crowd = &putters, .arrival = true },
    { "put_many that sleeps for room", &batch_beside_full, .ready = compose_batch, .act = put_batch, .code = BATCH,
      .meanwhile = get_two_at_most },
    { "put_many that grows the queue", &batch_at_region_end, .ready = compose_batch, .act = put_batch, .code = BATCH },
    { "put_many that starts over in the region", &batch_to_start_over, .ready = compose_batch, .act = put_batch,
      .code = BATCH },
    { "get_many, another getter comes", &batch_queued, .act = get_batch, .code = BATCH, .crowd = &getters,
      .arrival = true },
    { "get_many from a full queue, two putters sleep", &batch_full, .act = get_batch, .code = BATCH, .crowd = &putters,
      .asleep = 2 },
    { "get_many over the end of a lap", &batch_over_lap_end, .act = get_batch, .code = BATCH },
    { "reserve and commit, a getter sleeps", &empty, .act = reserve_and_commit, .crowd = &getters, .asleep = 1 },
    { "reserve and commit, another putter comes", &empty, .act = reserve_and_commit, .crowd = &putters,
      .arrival = true },
    { "peek and release, another getter comes", &one, .act = peek_and_release, .crowd = &getters, .arrival = true },
    { "peek and release from a full queue, a putter sleeps", &full, .act = peek_and_release, .crowd = &putters,
      .asleep = 1 },
    { "put that starts over in the region", &to_start_over, .act = put_waiting },
    { "put that starts over in an empty region, another putter comes", &to_start_over_from_empty, .act = put_waiting,
      .crowd = &putters, .arrival = true },
    { "get from the region that was started over", &lap_nearly_drained, .act = get_waiting },
    { "get that moves to the next lap of the region", &lap_drained, .act = get_batch, .code = BATCH },
};

/* Finishing without redelivery: the actor has got the message before. */

static int get_first(struct call *call)
{
    (void)call;
    struct call mine = { 0 };
    return get_at_once(&mine);
}

/** What it got it may have finished, or not: then nobody can. */
static void finishing_judge(void)
{
    expect(unfinished() <= 1, "what was finished is not");
    kith_queue_task_done(queue);
    expect(kith_queue_join(queue, KITH_NOWAIT) == 0, "all is finished, and can't be joined");
}

static const struct scenario finishing[] = {
    { "task_done, nobody joins", &one, get_first, .act = finish },
    { "task_done, two join", &one, get_first, .act = finish, .crowd = &joiners, .asleep = 2 },
    { "task_done, one comes to join", &one, get_first, .act = finish, .crowd = &joiners, .arrival = true },
    { "task_done, one puts and joins", &one, get_first, .act = finish, .crowd = &putting_joiners, .arrival = true },
};

#define REDELIVER .redeliver = 1

static const struct setting two_redelivering = { .bounds = { REDELIVER }, .put = 2 };
static const struct setting three_redelivering = { .bounds = { REDELIVER }, .put = 3 };
static const struct setting one_redelivering = { .bounds = { REDELIVER }, .put = 1 };
static const struct setting full_redelivering = { .bounds = { REDELIVER, .max_items = 1 }, .put = 1 };
static const struct setting full_and_joined = { .bounds = { REDELIVER, .max_items = 1 }, .put = 1, .joined = true };
static const struct setting one_had = { .bounds = { REDELIVER }, .put = 2, .had = 1 };
static const struct setting two_had = { .bounds = { REDELIVER }, .put = 2, .had = 2 };
static const struct setting batch_redelivering = { .bounds = { REDELIVER }, .put = BATCH, .batch = BATCH };
static const struct setting lap_redelivering = {
    .bounds = { REDELIVER }, .put = REGION, .got = REGION - 1, .put_again = 2, .batch = BATCH
};

static const struct scenario redelivering[] = {
    { "get and task_done, redelivering", &two_redelivering, .act = get_and_finish },
    { "get and task_done, redelivering, another getter comes", &two_redelivering, .act = get_and_finish,
      .crowd = &finishers, .arrival = true },
    { "task_done, redelivering, two getters sleep", &one_redelivering, get_first, .act = finish, .crowd = &finishers,
      .asleep = 2 },
    { "task_done, redelivering, two join", &one_redelivering, get_first, .act = finish, .crowd = &joiners,
      .asleep = 2 },
    { "task_done, redelivering, one comes to join", &one_redelivering, get_first, .act = finish, .crowd = &joiners,
      .arrival = true },
    { "task_done, redelivering, one puts and joins", &one_redelivering, get_first, .act = finish,
      .crowd = &putting_joiners, .arrival = true },
    { "task_done, redelivering, a putter sleeps", &full_redelivering, get_first, .act = finish,
      .crowd = &putters_behind_finishers, .asleep = 1 },
    { "task_done, redelivering, a putter sleeps, and one has joined in vain", &full_and_joined, get_first,
      .act = finish, .crowd = &putters_behind_finishers, .asleep = 1 },
    { "get of what a dead one had", &one_had, .act = get_and_finish },
    { "get of what a dead one had, another getter comes", &two_had, .act = get_and_finish, .crowd = &finishers,
      .arrival = true },
    { "get_many, redelivering", &batch_redelivering, .act = get_batch, .code = BATCH },
    { "get_many over the end of a lap, redelivering", &lap_redelivering, .act = get_batch, .code = BATCH },
    { "peek, release and task_done, redelivering", &two_redelivering, .act = peek_and_finish },
    { "take and finish, one is held", &two_redelivering, take_first, .act = take_and_finish },
    { "take and finish, another getter comes", &three_redelivering, take_first, .act = take_and_finish,
      .crowd = &finishers, .arrival = true },
    { "finish, two getters sleep", &one_redelivering, take_first, .act = finish_first, .crowd = &finishers,
      .asleep = 2 },
    { "finish, two join", &one_redelivering, take_first, .act = finish_first, .crowd = &joiners, .asleep = 2 },
    { "finish, one comes to join", &one_redelivering, take_first, .act = finish_first, .crowd = &joiners,
      .arrival = true },
    { "finish, a putter sleeps", &full_redelivering, take_first, .act = finish_first,
      .crowd = &putters_behind_finishers, .asleep = 1 },
    { "finish, another getter comes", &two_redelivering, take_first, .act = finish_first, .crowd = &finishers,
      .arrival = true },
};

static const struct setting one_is_poison = { .bounds = { REDELIVER, .max_deliveries = 1 }, .put = 1, .had = 1 };

static const struct scenario poison[] = {
    { "get that finds poison", &one_is_poison, .act = get_at_once, .code = KITH_EEMPTY },
};

static const struct scenario shutting[] = {
    { "shut, two getters sleep", &empty, .act = shut, .crowd = &getters_to_shut, .asleep = 2 },
    { "shut, a getter comes", &empty, .act = shut, .crowd = &getters_to_shut, .arrival = true },
    { "shut, two putters sleep", &full, .act = shut, .crowd = &putters_to_shut, .asleep = 2 },
    { "shut, redelivering, two getters sleep", &one_redelivering, get_first, .act = shut, .crowd = &finishers_to_shut,
      .asleep = 2 },
};

int main(int count, char **arguments)
{
    const struct family families[] = {
        FAMILY(scenarios, queue_begin, queue_judge, queue_end),
        FAMILY(finishing, queue_begin, finishing_judge, queue_end),
        FAMILY(redelivering, queue_begin, redelivering_judge, queue_end),
        FAMILY(poison, queue_begin, poison_judge, queue_end),
        FAMILY(shutting, queue_begin, shut_judge, queue_end),
    };
    return play_families(families, sizeof families / sizeof *families, count, arguments);
}
