/* Kill after every instruction of acquire and release, of locks and semaphores: see rounds.h for what is proved, and
 * how to call it. */
#include "rounds.h"

struct setting {
    bool taken;      /* the test owns the lock, or has taken a unit */
    bool anyones;    /* anyone releases the lock */
    unsigned units;  /* the semaphore's value at the start */
    bool owned;      /* its units have owners */
    int least, most; /* what the call may change in its value, if it was killed */
};

/* ---- the lock ---- */

static kith_lock *locks[2];
static bool taken_again; /* the test has taken the lock or the unit once more */

static void lock_begin(void)
{
    const kith_lock_options options = { .anyone_releases = scenario->setting->anyones };
    for (int i = 0; i < 2; i++)
        must(kith_lock_new(&locks[i], &options), "kith_lock_new");
    if (scenario->setting->taken)
        must(kith_lock_acquire(locks[0], KITH_NOWAIT), "kith_lock_acquire");
}

/** Whoever owned it: it can be had at once, and once released, without a word about a death. */
static void judge_lock(kith_lock *lock)
{
    int code = kith_lock_acquire(lock, KITH_NOWAIT);
    expect(code == 0 || code == KITH_EOWNERDEAD, "a lock can't be had");
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

static int acquire_and_release(struct call *call)
{
    int code = acquire(call);
    return code == 0 || code == KITH_EOWNERDEAD ? release(call) : code;
}

/** A process that uses a lock that anyone releases asks once who it is, which takes thousands of instructions. */
static int know_oneself(struct call *call)
{
    (void)call;
    return kith_lock_is_owned(locks[1]);
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

static bool never(void)
{
    return false;
}

/** As a rule the lock is taken again before the one who was woken for it has moved. */
static void another_and_let_go_for_a_moment(void)
{
    another_and_let_go();
    taken_again = try_acquire(NULL) == 0;
}

static void let_go_again(void)
{
    if (taken_again)
        let_go();
}

static const struct crowd lockers = { acquire_and_release, NULL, never, NULL };

static const struct setting lock_free = { .taken = false };
static const struct setting lock_taken = { .taken = true };
static const struct setting lock_anyones = { .anyones = true };

enum { NAP = 100000000 };

static const struct scenario lock_scenarios[] = {
    { "lock: acquire and release of two", &lock_free, .act = acquire_two },
    { "lock: acquire and release, another comes", &lock_free, .act = acquire_and_release, .crowd = &lockers,
      .arrival = true },
    { "lock: release, another waits", &lock_free, .ready = acquire, .act = release, .crowd = &lockers, .asleep = 1 },
    { "lock: release, another is about to sleep", &lock_free, .ready = acquire, .act = release, .crowd = &lockers,
      .held = true },
    { "lock: release, two others wait", &lock_free, .ready = acquire, .act = release, .crowd = &lockers, .asleep = 2 },
    { "lock: release, another waits, a third comes", &lock_free, .ready = acquire, .act = release, .crowd = &lockers,
      .asleep = 1, .arrival = true },
    { "lock: acquire that sleeps and is woken, another waits", &lock_taken, .act = acquire, .crowd = &lockers,
      .meanwhile = another_and_let_go },
    { "lock: acquire that sleeps, is woken and is too late, another waits", &lock_taken, .act = acquire,
      .crowd = &lockers, .meanwhile = another_and_let_go_for_a_moment, .again = let_go_again },
    { "lock: acquire in vain, another waits", &lock_taken, .act = try_acquire, .code = -ETIMEDOUT, .crowd = &lockers,
      .asleep = 1, .meanwhile = let_go },
};

static const struct scenario anyones_scenarios[] = {
    { "anyone's lock: acquire and release of two", &lock_anyones, .ready = know_oneself, .act = acquire_two },
    { "anyone's lock: acquire and release, another comes", &lock_anyones, .ready = know_oneself,
      .act = acquire_and_release, .crowd = &lockers, .arrival = true, .nap = NAP },
    { "anyone's lock: release, another waits", &lock_anyones, .ready = acquire, .act = release, .crowd = &lockers,
      .asleep = 1, .nap = NAP },
    { "anyone's lock: release, another is about to sleep", &lock_anyones, .ready = acquire, .act = release,
      .crowd = &lockers, .held = true, .nap = NAP },
    { "anyone's lock: release, two others wait", &lock_anyones, .ready = acquire, .act = release, .crowd = &lockers,
      .asleep = 2, .nap = NAP },
};

/* ---- the semaphore ---- */

static kith_semaphore *semaphore;
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

static void semaphore_begin(void)
{
    const struct setting *setting = scenario->setting;
    given = 0;
    must(kith_semaphore_new(&semaphore, setting->units, &(kith_semaphore_options){ .owned = setting->owned }),
         "kith_semaphore_new");
    if (setting->taken)
        must(kith_semaphore_acquire(semaphore, KITH_NOWAIT), "kith_semaphore_acquire");
}

static void semaphore_judge(void)
{
    const struct setting *setting = scenario->setting;
    int value = kith_semaphore_value(semaphore);
    int expected = (int)setting->units + (setting->owned ? 0 : given - round_now.count);
    expect(value >= expected + setting->least && value <= expected + setting->most, "units are lost or made");
    if (!setting->owned)
        give_unit();
    int code = kith_semaphore_acquire(semaphore, KITH_NOWAIT);
    expect(code == 0 || (setting->owned && code == KITH_EOWNERDEAD), "a unit can't be had");
    expect(kith_semaphore_release(semaphore) == 0, "a unit can't be given back");
    expect(kith_semaphore_acquire(semaphore, KITH_NOWAIT) == 0, "a unit can't be had again");
    kith_semaphore_release(semaphore);
}

static void semaphore_end(void)
{
    kith_semaphore_free(semaphore);
}

static int try_take_and_give(struct call *call)
{
    (void)call;
    int code = kith_semaphore_acquire(semaphore, KITH_NOWAIT);
    return code == 0 ? kith_semaphore_release(semaphore) : code;
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

static void another_and_give_for_a_moment(void)
{
    another_and_give();
    taken_again = try_take(NULL) == 0;
    given -= taken_again;
}

static void give_two(void)
{
    give_for_all(2);
}

static void give_again(void)
{
    if (taken_again)
        give_unit();
}

static const struct crowd takers = { take_unit, NULL, no_unit, give_for_all };
static const struct crowd borrowers = { take_and_give_unit, NULL, never, NULL };

static const struct setting take_it_or_not = { .units = 1, .least = -1 };
static const struct setting none_and_take = { .units = 0, .least = -1 };
static const struct setting none_and_give = { .units = 0, .most = 1 };
static const struct setting none_in_vain = { .units = 0 };
static const struct setting one_owned = { .owned = true, .units = 1 };
static const struct setting two_owned = { .owned = true, .units = 2 };
static const struct setting owned_taken = { .owned = true, .units = 1, .taken = true };

static const struct scenario semaphore_scenarios[] = {
    { "semaphore: acquire and release", &take_it_or_not, .act = take_and_give_unit },
    { "semaphore: acquire and release, another comes", &take_it_or_not, .act = try_take_and_give, .beaten = -ETIMEDOUT,
      .crowd = &takers, .arrival = true },
    { "semaphore: release, another waits", &none_and_give, .act = give, .crowd = &takers, .asleep = 1 },
    { "semaphore: release, another is about to sleep", &none_and_give, .act = give, .crowd = &takers, .held = true },
    { "semaphore: release, two others wait", &none_and_give, .act = give, .crowd = &takers, .asleep = 2 },
    { "semaphore: release, another comes", &none_and_give, .act = give, .crowd = &takers, .arrival = true },
    { "semaphore: acquire that sleeps and is woken, another waits", &none_and_take, .act = take_unit, .crowd = &takers,
      .meanwhile = another_and_give },
    { "semaphore: acquire that sleeps, is woken and is too late, another waits", &none_and_take, .act = take_unit,
      .crowd = &takers, .meanwhile = another_and_give_for_a_moment, .again = give_two },
    { "semaphore: acquire in vain, another waits", &none_in_vain, .act = try_take, .code = -ETIMEDOUT, .crowd = &takers,
      .asleep = 1 },
    { "owned semaphore: acquire and release", &two_owned, .act = take_and_give_unit },
    { "owned semaphore: acquire and release, another comes", &one_owned, .act = take_and_give_unit, .crowd = &borrowers,
      .arrival = true },
    { "owned semaphore: release, another waits", &one_owned, .ready = take_unit, .act = give, .crowd = &borrowers,
      .asleep = 1 },
    { "owned semaphore: release, another is about to sleep", &one_owned, .ready = take_unit, .act = give,
      .crowd = &borrowers, .held = true },
    { "owned semaphore: release, two others wait", &one_owned, .ready = take_unit, .act = give, .crowd = &borrowers,
      .asleep = 2 },
    { "owned semaphore: acquire that sleeps and is woken, another waits", &owned_taken, .act = take_unit,
      .crowd = &borrowers, .meanwhile = another_and_give },
    { "owned semaphore: acquire that sleeps, is woken and is too late, another waits", &owned_taken, .act = take_unit,
      .crowd = &borrowers, .meanwhile = another_and_give_for_a_moment, .again = give_again },
    { "owned semaphore: acquire in vain, another waits", &owned_taken, .act = try_take, .code = -ETIMEDOUT,
      .crowd = &borrowers, .asleep = 1, .meanwhile = give_unit },
};

int main(int count, char **arguments)
{
    static const struct family families[] = {
        FAMILY(lock_scenarios, lock_begin, lock_judge, lock_end),
        FAMILY(anyones_scenarios, lock_begin, lock_judge, lock_end),
        FAMILY(semaphore_scenarios, semaphore_begin, semaphore_judge, semaphore_end),
    };
    return play_families(families, sizeof families / sizeof *families, count, arguments);
}
