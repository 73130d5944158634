/* Kill after every instruction: no call, killed anywhere, keeps the others from going on.
 *
 * Each scenario is one call. A process makes it instruction by instruction and is killed by SIGKILL after k of them, for each
 * k from none to all (stepper.h). Other processes wait for what the call brings about, asleep in the kernel. After each
 * kill:
 *   - No wake-up is lost. Nobody sleeps while there is what it waits for: a message, room, the lock, a unit. Who sleeps
 *     rightly is woken when it is brought.
 *   - Nothing is lost, doubled, torn or out of order, but for the dead one's own call, which has happened or has not.
 *   - Calls of others go through at once, also with KITH_NOWAIT.
 *   - A call that had returned has happened.
 *   - A lock that the dead one owned all along, beside what it was doing, is told of by KITH_EOWNERDEAD. (So what it was doing
 *     stood on the same robust list as another's word.)
 * All of this is judged by what calls return; nothing is looked up in the library's memory.
 *
 * usage: every_instruction [STRIDE [OFFSET]]   kills at every STRIDEth instruction from OFFSET on: 1 is all of them. Without
 * STRIDE, or with 0, each scenario's is chosen by how long its call is; OFFSET is printed. Output is TAP. */
#include "stepper.h"

#include <kith/queue.h>
#include <kith/sync.h>

/* What a scenario may take in the short form, in nanoseconds. */
#define BUDGET 500000000

enum { FAILURES_MAX = 3, NUMBERS = 4096 };

/** Those who wait. */
struct crowd {
    role *body;
    bool (*may_sleep)(void);  /* there is nothing for them */
    void (*help)(int number); /* brings something for at least one of so many sleepers; NULL when none may be left */
};

struct scenario {
    const char *name;
    /* the queue, the lock or the semaphore */
    kith_queue_options bounds;
    size_t big;      /* a message of so many bytes goes first through the queue, while the others are put */
    uint32_t put;    /* so many messages are put then */
    uint32_t got;    /* and so many of them got */
    bool owned;      /* the semaphore's units have owners */
    unsigned units;  /* its value at the start */
    bool taken;      /* the test owns the lock, or has taken a unit */
    int least, most; /* what the call may change in the semaphore's value, if it was killed */
    /* who does what */
    role *ready; /* the actor, before it is stepped */
    role *act;   /* the call under test */
    int code;    /* what it returns */
    const struct crowd *crowd;
    int asleep;              /* so many of them sleep already */
    void (*meanwhile)(void); /* happens when the actor is asleep; or after its death, if it never was */
};

static const struct scenario *scenario;
static kith_queue *queue;
static kith_lock *locks[2];
static kith_semaphore *semaphore;
static kith_lock *beside; /* the actor owns it all along */

static void must(int code, const char *what)
{
    if (code < 0) {
        printf("Bail out! %s: %s: %s\n", what, kith_strerror(code), kith_error_detail());
        exit(2);
    }
}

/* ---- messages ---- */

static uint32_t numbers;       /* of the messages so far; they count from 1 */
static uint8_t seen[NUMBERS];  /* how often each was got */
static uint32_t drained;       /* the first that the test itself got after the kill */
static uint32_t drained_after; /* the last */

static void compose(unsigned char message[MESSAGE], uint32_t number)
{
    for (size_t i = 0; i < MESSAGE; i++)
        message[i] = (unsigned char)(number * 7 + i);
    memcpy(message, &number, sizeof number);
}

/** @return the message's number */
static uint32_t see(const unsigned char *message, size_t size)
{
    unsigned char whole[MESSAGE];
    uint32_t number;
    memcpy(&number, message, sizeof number);
    compose(whole, number);
    expect(size == MESSAGE && memcmp(message, whole, MESSAGE) == 0, "a message is torn");
    expect(number >= 1 && number <= numbers, "a message comes that nobody put");
    if (number < NUMBERS)
        seen[number]++;
    return number;
}

static int put_waiting(struct call *call)
{
    return kith_queue_put(queue, call->message, MESSAGE, KITH_FOREVER);
}

static int put_at_once(struct call *call)
{
    return kith_queue_put(queue, call->message, MESSAGE, KITH_NOWAIT);
}

static int get_waiting(struct call *call)
{
    return kith_queue_get(queue, call->message, MESSAGE, &call->size, KITH_FOREVER);
}

static int get_at_once(struct call *call)
{
    return kith_queue_get(queue, call->message, MESSAGE, &call->size, KITH_NOWAIT);
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
    return code == 0 ? see(call.message, call.size) : 0;
}

/** Gets one, and sees to the order of those that the test put before. */
static void drain_one(void)
{
    uint32_t number = get_one();
    expect(number > drained_after || number > scenario->put, "messages of one putter come in another order");
    drained_after = number;
    if (!drained)
        drained = number;
}

/* ---- crowds ---- */

static bool never(void)
{
    return false;
}

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

static int take_and_give_lock(struct call *call)
{
    (void)call;
    int code = kith_lock_acquire(locks[0], KITH_FOREVER);
    return code == 0 || code == KITH_EOWNERDEAD ? kith_lock_release(locks[0]) : code;
}

static int take_unit(struct call *call)
{
    (void)call;
    int code = kith_semaphore_acquire(semaphore, KITH_FOREVER);
    return code == KITH_EOWNERDEAD ? 0 : code;
}

static int take_and_give_unit(struct call *call)
{
    int code = take_unit(call);
    return code == 0 ? kith_semaphore_release(semaphore) : code;
}

static int given; /* units that the test gave */

static void give_unit(void)
{
    given++;
    expect(kith_semaphore_release(semaphore) == 0, "a unit can't be given");
}

static void give_for_all(int sleeping)
{
    for (int i = 0; i < sleeping; i++)
        give_unit();
}

static bool no_unit(void)
{
    return kith_semaphore_value(semaphore) == 0;
}

static const struct crowd getters = { get_waiting, nothing_queued, put_for_all };
static const struct crowd putters = { put_waiting, queue_full, get_for_one };
static const struct crowd lockers = { take_and_give_lock, never, NULL };
static const struct crowd takers = { take_unit, no_unit, give_for_all };
static const struct crowd borrowers = { take_and_give_unit, never, NULL };

static void another(void)
{
    struct call *call = bystander_call(round_now.count);
    if (scenario->crowd == &putters)
        compose(call->message, call->number = ++numbers);
    bystander_start(scenario->crowd->body);
}

/** All are through, or asleep with good reason. */
static bool all_right(void)
{
    return all_settled() && (all_over() || scenario->crowd->may_sleep());
}

static void judge_waiting(void)
{
    if (!scenario->crowd)
        return;
    expect(eventually(all_right), "a wake-up is lost: there is what a sleeper waits for");
    while (sleepers() > 0 && !round_now.wrong) {
        scenario->crowd->help(sleepers());
        expect(eventually(all_right), "who slept rightly is not woken");
    }
    for (int i = 0; i < round_now.count; i++)
        expect(bystander_call(i)->code == 0, "a call of another fails");
}

/* ---- the queue ---- */

static void queue_begin(void)
{
    numbers = drained = drained_after = 0;
    memset(seen, 0, sizeof seen);
    must(kith_queue_new(&queue, &scenario->bounds), "kith_queue_new");
    char *big = scenario->big ? calloc(1, scenario->big) : NULL;
    if (big)
        must(kith_queue_put(queue, big, scenario->big, KITH_NOWAIT), "kith_queue_put");
    while (numbers < scenario->put)
        put_one();
    size_t size;
    if (big)
        must(kith_queue_get(queue, big, scenario->big, &size, KITH_NOWAIT), "kith_queue_get");
    free(big);
    for (uint32_t i = 0; i < scenario->got; i++)
        get_one();
    if (scenario->act == put_waiting || scenario->act == put_at_once)
        compose(actor_call()->message, actor_call()->number = ++numbers);
}

/** Each message was seen once. Of a call that did not return: its own may be missing, or the one that it got. */
static void judge_messages(void)
{
    const struct call *dead = actor_call();
    bool over = atomic_load(&dead->over);
    uint32_t missing = 0;
    for (int i = -1; i < round_now.count; i++) {
        const struct call *call = i < 0 ? dead : bystander_call(i);
        if (atomic_load(&call->over) && call->code == 0 && call->size > 0)
            see(call->message, call->size);
    }
    for (uint32_t number = 1; number <= numbers; number++) {
        bool put_by_dead = number == dead->number;
        expect(seen[number] <= 1, "a message comes twice");
        if (seen[number] > 0 || (put_by_dead && (!over || dead->code < 0)))
            continue;
        expect(!over && !dead->number && ++missing == 1, "a message is lost");
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

static void put_two(void)
{
    put_one();
    put_one();
}

static void another_and_put(void)
{
    another();
    put_one();
}

static void get_two(void)
{
    get_one();
    expect(eventually(all_over), "room is made, and a putter sleeps");
    get_one();
}

static void another_and_get(void)
{
    another();
    get_one();
}

#define RING 256 /* messages of the size used here fill the first ring; each ring that follows has twice the size */

static const struct scenario queue_scenarios[] = {
    { "put, nobody waits", .put = 1, .got = 1, .act = put_waiting },
    { "put, a getter sleeps", .put = 1, .got = 1, .act = put_waiting, .crowd = &getters, .asleep = 1 },
    { "put, two getters sleep", .put = 1, .got = 1, .act = put_waiting, .crowd = &getters, .asleep = 2 },
    { "put of the one message that fits", { .max_items = 1 }, .act = put_waiting },
    { "put that finds no room, a putter sleeps",
      { .max_items = 1 },
      .put = 1,
      .act = put_at_once,
      .code = KITH_EFULL,
      .crowd = &putters,
      .asleep = 1 },
    { "put that sleeps behind another putter",
      { .max_items = 1 },
      .put = 1,
      .act = put_waiting,
      .crowd = &putters,
      .asleep = 1,
      .meanwhile = get_two },
    { "put that sleeps and is woken, another putter sleeps",
      { .max_items = 1 },
      .put = 1,
      .act = put_waiting,
      .crowd = &putters,
      .meanwhile = another_and_get },
    { "get, nobody waits", .put = 2, .act = get_waiting },
    { "get from a full queue, a putter sleeps",
      { .max_items = 1 },
      .put = 1,
      .act = get_waiting,
      .crowd = &putters,
      .asleep = 1 },
    { "get from a full queue, two putters sleep",
      { .max_items = 2 },
      .put = 2,
      .act = get_waiting,
      .crowd = &putters,
      .asleep = 2 },
    { "get from a queue full of bytes, a putter sleeps",
      { .max_bytes = 1024 },
      .put = 1,
      .act = get_waiting,
      .crowd = &putters,
      .asleep = 1 },
    { "get that finds nothing, a getter sleeps", .act = get_at_once, .code = KITH_EEMPTY, .crowd = &getters,
      .asleep = 1 },
    { "get that sleeps behind another getter", .act = get_waiting, .crowd = &getters, .asleep = 1,
      .meanwhile = put_two },
    { "get that sleeps and is woken, another getter sleeps", .act = get_waiting, .crowd = &getters,
      .meanwhile = another_and_put },
    { "put that takes more memory", .put = RING / 4, .act = put_waiting },
    { "put that grows the queue", .put = RING, .act = put_waiting },
    { "get that moves to the next ring", .put = RING + 2, .got = RING, .act = get_waiting },
    { "get that gives a ring back", .put = 3 * RING + 2, .got = 3 * RING - 1, .act = get_waiting },
    { "get that gives a part of a ring back", .big = 2 << 20, .put = 8 * RING + 2, .got = 4 * RING - 1,
      .act = get_waiting },
    { "get that shrinks the queue", .big = 3 << 20, .put = 2 * RING + 1, .act = get_waiting },
};

/* ---- the lock ---- */

static void lock_begin(void)
{
    for (int i = 0; i < 2; i++)
        must(kith_lock_new(&locks[i]), "kith_lock_new");
    if (scenario->taken)
        must(kith_lock_acquire(locks[0], KITH_NOWAIT), "kith_lock_acquire");
}

/** Whoever owned it: it can be had at once, and once released, without a word about a death. */
static void judge_lock(kith_lock *lock)
{
    int code = kith_lock_acquire(lock, KITH_NOWAIT);
    expect(code == 0 || (code == KITH_EOWNERDEAD && !round_now.count),
           "a lock can't be had, or tells of a death twice");
    expect(kith_lock_release(lock) == 0, "a lock can't be released");
    expect(kith_lock_acquire(lock, KITH_NOWAIT) == 0, "a lock tells of a death twice");
    expect(kith_lock_release(lock) == 0, "a lock can't be released twice");
}

static void lock_judge(void)
{
    judge_lock(locks[0]);
    judge_lock(locks[1]);
}

static void lock_end(void)
{
    kith_lock_free(locks[0]);
    kith_lock_free(locks[1]);
}

static int acquire(struct call *call)
{
    (void)call;
    return kith_lock_acquire(locks[0], KITH_FOREVER);
}

static int try_acquire(struct call *call)
{
    (void)call;
    return kith_lock_acquire(locks[0], KITH_NOWAIT);
}

static int release(struct call *call)
{
    (void)call;
    return kith_lock_release(locks[0]);
}

/** Two locks, the first released first: from the middle of the list. */
static int acquire_two(struct call *call)
{
    (void)call;
    int codes = kith_lock_acquire(locks[0], KITH_FOREVER);
    codes |= kith_lock_acquire(locks[1], KITH_FOREVER);
    codes |= kith_lock_release(locks[0]);
    return codes | kith_lock_release(locks[1]);
}

static void let_go(void)
{
    expect(kith_lock_release(locks[0]) == 0, "the test's own lock can't be released");
}

static void another_and_let_go(void)
{
    another();
    let_go();
}

static const struct scenario lock_scenarios[] = {
    { "lock: acquire and release of two", .act = acquire_two },
    { "lock: release, another waits", .ready = acquire, .act = release, .crowd = &lockers, .asleep = 1 },
    { "lock: release, two others wait", .ready = acquire, .act = release, .crowd = &lockers, .asleep = 2 },
    { "lock: acquire that sleeps and is woken, another waits", .taken = true, .act = acquire, .crowd = &lockers,
      .meanwhile = another_and_let_go },
    { "lock: acquire in vain, another waits", .taken = true, .act = try_acquire, .code = -ETIMEDOUT, .crowd = &lockers,
      .asleep = 1, .meanwhile = let_go },
};

/* ---- the semaphore ---- */

static void semaphore_begin(void)
{
    given = 0;
    must(kith_semaphore_new(&semaphore, scenario->units, &(kith_semaphore_options){ .owned = scenario->owned }),
         "kith_semaphore_new");
    if (scenario->taken)
        must(kith_semaphore_acquire(semaphore, KITH_NOWAIT), "kith_semaphore_acquire");
}

static void semaphore_judge(void)
{
    int value = kith_semaphore_value(semaphore);
    int expected = (int)scenario->units + (scenario->owned ? 0 : given - round_now.count);
    expect(value >= expected + scenario->least && value <= expected + scenario->most, "units are lost or made");
    if (!scenario->owned)
        give_unit();
    int code = kith_semaphore_acquire(semaphore, KITH_NOWAIT);
    expect(code == 0 || (scenario->owned && code == KITH_EOWNERDEAD), "a unit can't be had");
    expect(kith_semaphore_release(semaphore) == 0, "a unit can't be given back");
    expect(kith_semaphore_acquire(semaphore, KITH_NOWAIT) == 0, "a unit can't be had again");
    kith_semaphore_release(semaphore);
}

static void semaphore_end(void)
{
    kith_semaphore_free(semaphore);
}

static int give(struct call *call)
{
    (void)call;
    return kith_semaphore_release(semaphore);
}

static int try_take(struct call *call)
{
    (void)call;
    return kith_semaphore_acquire(semaphore, KITH_NOWAIT);
}

static void another_and_give(void)
{
    another();
    give_unit();
}

static const struct scenario semaphore_scenarios[] = {
    { "semaphore: acquire and release", .units = 1, .least = -1, .act = take_and_give_unit },
    { "semaphore: release, another waits", .most = 1, .act = give, .crowd = &takers, .asleep = 1 },
    { "semaphore: release, two others wait", .most = 1, .act = give, .crowd = &takers, .asleep = 2 },
    { "semaphore: acquire that sleeps and is woken, another waits", .least = -1, .act = take_unit, .crowd = &takers,
      .meanwhile = another_and_give },
    { "semaphore: acquire in vain, another waits", .act = try_take, .code = -ETIMEDOUT, .crowd = &takers, .asleep = 1 },
    { "owned semaphore: acquire and release", .owned = true, .units = 2, .act = take_and_give_unit },
    { "owned semaphore: release, another waits", .owned = true, .units = 1, .ready = take_unit, .act = give,
      .crowd = &borrowers, .asleep = 1 },
    { "owned semaphore: release, two others wait", .owned = true, .units = 1, .ready = take_unit, .act = give,
      .crowd = &borrowers, .asleep = 2 },
    { "owned semaphore: acquire that sleeps and is woken, another waits", .owned = true, .units = 1, .taken = true,
      .act = take_unit, .crowd = &borrowers, .meanwhile = another_and_give },
    { "owned semaphore: acquire in vain, another waits", .owned = true, .units = 1, .taken = true, .act = try_take,
      .code = -ETIMEDOUT, .crowd = &borrowers, .asleep = 1, .meanwhile = give_unit },
};

/* ---- rounds ---- */

struct family {
    const struct scenario *scenarios;
    int count;
    void (*begin)(void);
    void (*judge)(void); /* when no bystander waits any more */
    void (*end)(void);
};

static int actor_ready(struct call *call)
{
    int code = kith_lock_acquire(beside, KITH_NOWAIT);
    return code == 0 && scenario->ready ? scenario->ready(call) : code;
}

static void judge_actor(void)
{
    const struct call *dead = actor_call();
    expect(!atomic_load(&dead->over) || dead->code == scenario->code, "the call under test returns something else");
    expect(kith_lock_acquire(beside, KITH_NOWAIT) == KITH_EOWNERDEAD, "a lock that the dead one owned does not tell");
}

/** One kill, after so many steps. */
static void play(const struct family *family, long steps)
{
    round_begin();
    must(kith_lock_new(&beside), "kith_lock_new");
    family->begin();
    actor_start(actor_ready, scenario->act);
    for (int i = 0; i < scenario->asleep; i++)
        another();
    actor_go(steps, scenario->meanwhile);
    actor_kill();
    if (scenario->meanwhile && !round_now.slept)
        scenario->meanwhile();
    judge_actor();
    judge_waiting();
    family->judge();
    bystanders_end();
    family->end();
    kith_lock_free(beside);
}

/** @return the stride that keeps a scenario within the budget, when its call and the round took so long */
static long affordable(long length, int64_t took)
{
    return (long)(1 + length * took / 2 / BUDGET);
}

/** @return 1 when it went wrong */
static int run(const struct family *family, int test, long stride, long offset)
{
    int failures = 0;
    int64_t begun = now();
    play(family, STEPS_MAX);
    long length = round_now.steps, kills = 1;
    expect(length < STEPS_MAX, "the call under test does not end");
    if (round_now.wrong)
        printf("# not killed: %s (%s)\n", round_now.wrong, round_now.where);
    failures += !!round_now.wrong;
    stride = stride ? stride : affordable(length, now() - begun);
    for (long k = offset % stride; k < length && failures < FAILURES_MAX; k += stride, kills++) {
        play(family, k);
        if (!round_now.wrong)
            continue;
        failures++;
        printf("# killed after %ld instructions, %s: %s\n", k, round_now.where, round_now.wrong);
    }
    printf("%sok %d - %s\n# %ld instructions, %ld kills\n", failures ? "not " : "", test, scenario->name, length,
           kills);
    return failures > 0;
}

#define FAMILY(name, begin, judge, end)                     \
    {                                                       \
        name, sizeof name / sizeof *name, begin, judge, end \
    }

int main(int count, char **arguments)
{
    static const struct family families[] = {
        FAMILY(queue_scenarios, queue_begin, queue_judge, queue_end),
        FAMILY(lock_scenarios, lock_begin, lock_judge, lock_end),
        FAMILY(semaphore_scenarios, semaphore_begin, semaphore_judge, semaphore_end),
    };
    enum { FAMILIES = sizeof families / sizeof *families };
    /* Else the first call of each function would go through the dynamic linker, step by step. */
    if (!getenv("LD_BIND_NOW") && setenv("LD_BIND_NOW", "1", 1) == 0)
        execv("/proc/self/exe", arguments);
    setvbuf(stdout, NULL, _IOLBF, 0);
    const char *unable = stepper_open();
    if (unable) {
        printf("1..0 # SKIP %s\n", unable);
        return 0;
    }
    long stride = count > 1 ? atol(arguments[1]) : 0;
    long offset = count > 2 ? atol(arguments[2]) : (long)(time(NULL) % 1000);
    int test = 0, failed = 0, all = 0;
    for (int i = 0; i < FAMILIES; i++)
        all += families[i].count;
    printf("1..%d\n# stride %ld, offset %ld\n", all, stride, offset);
    for (int i = 0; i < FAMILIES; i++) {
        for (int j = 0; j < families[i].count; j++) {
            scenario = &families[i].scenarios[j];
            failed += run(&families[i], ++test, stride, offset);
        }
    }
    return failed > 0;
}
