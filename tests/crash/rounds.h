/* Kill after every instruction: no call, killed anywhere, keeps the others from going on.
 *
 * Each scenario is one call. A process makes it instruction by instruction and is killed by SIGKILL after k of them,
 * for each k from none to all (stepper.h). Other processes wait for what the call brings about, asleep in the kernel,
 * or stand before the system call in which they will, or come in the middle of it. After each kill:
 *   - No wake-up is lost. Nobody sleeps while there is what it waits for: a message, room, the lock, a unit. Who sleeps
 *     rightly is woken when it is brought.
 *   - Nothing is lost, doubled, torn or out of order, but for the dead one's own call, which has happened or has not.
 *   - Calls of others go through at once, also with KITH_NOWAIT.
 *   - A call that had returned has happened.
 *   - A lock that the dead one owned all along, beside what it was doing, is told of by KITH_EOWNERDEAD. (So there was
 *     always another word on its robust list.)
 * All of this is judged by what calls return; nothing is looked up in the library's memory.
 *
 * usage: PROGRAM [STRIDE [OFFSET]]   kills at every STRIDEth instruction from OFFSET on: 1 is all of them. Without
 * STRIDE, or with 0, each scenario's is chosen by how long its call takes. OFFSET is printed; it also chooses at which
 * instruction another one comes. Output is TAP. */
#ifndef KITH_TESTS_CRASH_ROUNDS_H
#define KITH_TESTS_CRASH_ROUNDS_H

#include "bystanders.h"
#include "random.h"

#include <kith/sync.h>

/* What a scenario may take in the short form, in nanoseconds. */
#ifndef BUDGET
#define BUDGET 300000000
#endif

enum { FAILURES_MAX = 3 };

/** Those who wait. */
struct crowd {
    role *body;
    void (*prepare)(struct call *call); /* before one of them is started; NULL for nothing */
    bool (*may_sleep)(void);            /* there is nothing for them */
    void (*help)(int number); /* brings something for at least one of so many sleepers; NULL: none may be left */
};

/** Of the queue, the lock or the semaphore: the program's own. */
struct setting;

struct scenario {
    const char *name;
    const struct setting *setting;
    role *ready; /* the actor, before it is stepped; NULL for nothing */
    role *act;   /* the call under test */
    int code;    /* what it returns */
    int beaten;  /* and what, if another one who came in the middle was faster */
    const struct crowd *crowd;
    int asleep;              /* so many of them sleep already */
    bool held;               /* one more is about to sleep, and does when the actor is dead */
    bool arrival;            /* one more comes in the middle of the call */
    void (*meanwhile)(void); /* happens when the actor is asleep; or after its death, if it never was */
    void (*again)(void);     /* happens when it is asleep once more; or after its death */
    int64_t nap;             /* so long the others may sleep before they look for a death, in nanoseconds */
};

struct family {
    const struct scenario *scenarios;
    int count;
    void (*begin)(void);
    void (*judge)(void); /* when no bystander waits any more */
    void (*end)(void);
};

#define FAMILY(name, begin, judge, end)                     \
    {                                                       \
        name, sizeof name / sizeof *name, begin, judge, end \
    }

static const struct scenario *scenario;
static kith_lock *beside; /* the actor owns it all along */

static void must(int code, const char *what)
{
    if (code < 0) {
        printf("Bail out! %s: %s: %s\n", what, kith_strerror(code), kith_error_detail());
        exit(2);
    }
}

static role *next_in_crowd(void)
{
    if (scenario->crowd->prepare)
        scenario->crowd->prepare(bystander_call(round_now.count));
    return scenario->crowd->body;
}

static void another(void)
{
    bystander_start(next_in_crowd());
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
    while (sleepers() > 0 && scenario->crowd->help && !round_now.wrong) {
        scenario->crowd->help(sleepers());
        expect(eventually(all_right), "who slept rightly is not woken");
    }
    for (int i = 0; i < round_now.count; i++)
        expect(bystander_call(i)->code == 0, "a call of another fails");
}

static int actor_ready(struct call *call)
{
    int code = kith_lock_acquire(beside, KITH_NOWAIT);
    return code == 0 && scenario->ready ? scenario->ready(call) : code;
}

static void judge_actor(void)
{
    const struct call *dead = actor_call();
    bool expected = dead->code == scenario->code || (round_now.count > 0 && dead->code == scenario->beaten);
    expect(!atomic_load(&dead->over) || expected, "the call under test returns something else");
    expect(kith_lock_acquire(beside, KITH_NOWAIT) == KITH_EOWNERDEAD, "a lock that the dead one owned does not tell");
}

/** One kill, after so many steps. */
static void play(const struct family *family, long steps, long arrival_step)
{
    struct events events = { { scenario->meanwhile, scenario->again },
                             scenario->arrival ? another : NULL,
                             arrival_step };
    round_begin();
    must(kith_lock_new(&beside, NULL), "kith_lock_new");
    family->begin();
    actor_start(actor_ready, scenario->act);
    for (int i = 0; i < scenario->asleep; i++)
        another();
    if (scenario->held)
        bystander_hold(next_in_crowd());
    actor_go(steps, &events);
    actor_kill();
    bystander_let_go();
    while (event_asleep(&events))
        continue;
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

/** Plays a scenario with a kill at every instruction, or as many as asked for. @return 1 when it went wrong */
static int play_all(const struct family *family, int test, long stride, long offset)
{
    int failures = 0, kills = 0;
    int64_t begun = now();
    play(family, STEPS_MAX, -1);
    long length = round_now.steps;
    expect(length < STEPS_MAX, "the call under test does not end");
    if (round_now.wrong)
        printf("# not killed: %s (%s)\n", round_now.wrong, round_now.where);
    failures += !!round_now.wrong;
    stride = stride > 0 ? stride : affordable(length, now() - begun + scenario->nap);
    /* Who comes in the middle makes the call longer. */
    long end = scenario->arrival ? length * 3 / 2 : length;
    for (long k = offset % stride; k < end && failures < FAILURES_MAX; k += stride, kills++) {
        uint64_t seed = (uint64_t)(offset + k);
        long arrival_step = (long)random_below(&seed, (uint64_t)k + 1);
        play(family, k, arrival_step);
        if (!round_now.wrong)
            continue;
        failures++;
        printf("# killed after %ld instructions, %s: %s\n", k, round_now.where, round_now.wrong);
    }
    printf("%sok %d - %s\n# %ld instructions, %d kills\n", failures ? "not " : "", test, scenario->name, length, kills);
    return failures > 0;
}

/** What main does. */
static int play_families(const struct family *families, int count, int argument_count, char **arguments)
{
    /* Else the first call of each function would go through the dynamic linker, step by step. */
    if (!getenv("LD_BIND_NOW") && setenv("LD_BIND_NOW", "1", 1) == 0)
        execv("/proc/self/exe", arguments);
    setvbuf(stdout, NULL, _IOLBF, 0);
    const char *unable = stepper_open();
    if (unable) {
        printf("1..0 # SKIP %s\n", unable);
        return 0;
    }
    long stride = argument_count > 1 ? atol(arguments[1]) : 0;
    long offset = argument_count > 2 ? atol(arguments[2]) : (long)(time(NULL) % 1000);
    int test = 0, failed = 0, all = 0;
    for (int i = 0; i < count; i++)
        all += families[i].count;
    printf("1..%d\n# stride %ld, offset %ld\n", all, stride, offset);
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < families[i].count; j++) {
            scenario = &families[i].scenarios[j];
            failed += play_all(&families[i], ++test, stride, offset);
        }
    }
    return failed > 0;
}

#endif
