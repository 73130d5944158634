/* Kill after every instruction of what waits and of what releases: conditions, events, barriers. See rounds.h for what
 * is proved, and how to call it.
 *
 * Who waits for a condition and is killed before its wait has returned passes its notification on; who waits at a
 * barrier breaks it. Some of that is told within a second, not at once, so these take longer than the others. */
#include "rounds.h"

/** What the scenarios of a kind differ in. */
struct setting {
    bool (*may_sleep)(void);
    bool action; /* the barrier has one */
};

static bool judged_by_setting(void)
{
    return scenario->setting->may_sleep();
}

/** The call under test has got as far as it says. */
static void reach(struct call *call)
{
    call->number = 1;
}

static bool reached(void)
{
    return actor_call()->number > 0;
}

/* ---- the condition ---- */

static kith_condition *condition;
static bool died_as_owner; /* of the lock */

static int own_it(void)
{
    int code = kith_condition_acquire(condition, KITH_FOREVER);
    died_as_owner |= code == KITH_EOWNERDEAD;
    return code == KITH_EOWNERDEAD ? 0 : code;
}

static void let_go(void)
{
    expect(kith_condition_release(condition) == 0, "the condition's lock can't be released");
}

static int notify(int count)
{
    expect(own_it() == 0, "the condition's lock can't be had");
    int notified = kith_condition_notify(condition, (unsigned)count);
    let_go();
    return notified;
}

static void notify_all(int sleeping)
{
    int notified = notify(sleeping + 1);
    /* One that died as the lock's owner may have had a notification left, which has gone on to another. */
    expect(notified == sleeping || died_as_owner, "one sleeps who has been notified, or is not known to wait");
}

static int wait_in_turn(struct call *call)
{
    int code = own_it();
    if (code == 0)
        code = kith_condition_wait(condition, KITH_FOREVER);
    if (code != 0 && code != KITH_EOWNERDEAD)
        return code;
    reach(call);
    return kith_condition_release(condition);
}

static int wait_in_vain(struct call *call)
{
    (void)call;
    int code = own_it();
    if (code == 0)
        code = kith_condition_wait(condition, KITH_NOWAIT);
    int released = kith_condition_release(condition);
    return released < 0 ? released : code;
}

/** In the call under test. */
static int notify_so_many(struct call *call, unsigned count)
{
    int code = own_it();
    if (code < 0)
        return code;
    code = kith_condition_notify(condition, count);
    reach(call);
    int released = kith_condition_release(condition);
    return released < 0 ? released : code;
}

static int notify_one(struct call *call)
{
    return notify_so_many(call, 1);
}

static int notify_both(struct call *call)
{
    return notify_so_many(call, 2);
}

static void another_and_notify(void)
{
    another();
    expect(notify(1) == 1, "nobody is notified");
}

static void condition_begin(void)
{
    must(kith_condition_new(&condition, NULL), "kith_condition_new");
    died_as_owner = false;
}

static void condition_judge(void)
{
    expect(notify(1) == 0, "one is notified who does not wait");
    expect(kith_condition_acquire(condition, KITH_NOWAIT) == 0, "the condition's lock is not whole");
    expect(kith_condition_wait(condition, KITH_NOWAIT) == -ETIMEDOUT, "a notification is left over");
    let_go();
}

static void condition_end(void)
{
    kith_condition_free(condition);
}

static bool always(void)
{
    return true;
}

/** One of two is to be notified. */
static bool one_may_sleep(void)
{
    return !reached() || sleepers() == 1;
}

static bool unless_notified(void)
{
    return !reached();
}

/** The one notification was for the actor. It has it, if its wait has returned, or it owned the lock already. */
static bool if_the_actor_had_it(void)
{
    if (own_it() == 0)
        let_go();
    return reached() || died_as_owner;
}

static const struct crowd waiters = { wait_in_turn, NULL, judged_by_setting, notify_all };

static const struct setting may_always = { .may_sleep = always };
static const struct setting one_may = { .may_sleep = one_may_sleep };
static const struct setting unless = { .may_sleep = unless_notified };
static const struct setting if_had = { .may_sleep = if_the_actor_had_it };

static const struct scenario condition_scenarios[] = {
    { "condition: notify, another waits", &unless, .act = notify_one, .code = 1, .crowd = &waiters, .asleep = 1 },
    { "condition: notify one, two others wait", &one_may, .act = notify_one, .code = 1, .crowd = &waiters,
      .asleep = 2 },
    { "condition: notify all, two others wait", &unless, .act = notify_both, .code = 2, .crowd = &waiters,
      .asleep = 2 },
    { "condition: wait in vain, another waits", &may_always, .act = wait_in_vain, .code = -ETIMEDOUT, .crowd = &waiters,
      .asleep = 1 },
    { "condition: wait that is notified, another waits", &if_had, .act = wait_in_turn, .crowd = &waiters,
      .meanwhile = another_and_notify },
};

/* ---- the event ---- */

static kith_event *event;

static void event_begin(void)
{
    must(kith_event_new(&event), "kith_event_new");
}

static void event_judge(void)
{
    expect(kith_event_set(event) == 0 && kith_event_wait(event, KITH_NOWAIT) == 0, "the event can't be set");
    expect(kith_event_clear(event) == 0, "the event can't be cleared");
    expect(kith_event_wait(event, KITH_NOWAIT) == -ETIMEDOUT, "the event is set for ever");
}

static void event_end(void)
{
    kith_event_free(event);
}

static int wait_for_event(struct call *call)
{
    (void)call;
    return kith_event_wait(event, KITH_FOREVER);
}

static int set_it(struct call *call)
{
    (void)call;
    return kith_event_set(event);
}

static int set_and_clear(struct call *call)
{
    int code = kith_event_set(event);
    reach(call);
    return code < 0 ? code : kith_event_clear(event);
}

static void set_and_clear_at_once(void)
{
    expect(kith_event_set(event) == 0 && kith_event_clear(event) == 0, "the event can't be set");
}

static void set_for_all(int sleeping)
{
    (void)sleeping;
    set_and_clear_at_once();
}

static bool unless_set(void)
{
    return !reached() && kith_event_is_set(event) == 0;
}

static bool never(void)
{
    return false;
}

static const struct crowd hopefuls = { wait_for_event, NULL, judged_by_setting, set_for_all };

static const struct setting if_not_set = { .may_sleep = unless_set };
static const struct setting may_never = { .may_sleep = never };

static const struct scenario event_scenarios[] = {
    { "event: set, two others wait", &if_not_set, .act = set_it, .crowd = &hopefuls, .asleep = 2 },
    { "event: set, another comes", &if_not_set, .act = set_it, .crowd = &hopefuls, .asleep = 1, .arrival = true },
    { "event: set and clear, two others wait", &if_not_set, .act = set_and_clear, .crowd = &hopefuls, .asleep = 2 },
    { "event: wait until it is set and cleared, two others wait", &may_never, .act = wait_for_event, .crowd = &hopefuls,
      .asleep = 2, .meanwhile = set_and_clear_at_once },
};

/* ---- the barrier ---- */

enum { PARTIES = 3 };

static kith_barrier *barrier;

static int act_a_little(void *context)
{
    (void)context;
    return kith_lock_acquire(beside, KITH_NOWAIT) == 0; /* which it owns already */
}

static void barrier_begin(void)
{
    const kith_barrier_options options = { scenario->setting->action ? act_a_little : NULL, NULL };
    must(kith_barrier_new(&barrier, PARTIES, &options), "kith_barrier_new");
}

/** Whether a party of this round is known to have passed. Then all have. */
static bool all_passed(void)
{
    bool one = reached();
    for (int i = 0; i < round_now.count; i++)
        one |= bystander_call(i)->number > 0;
    return one;
}

/** Whatever has become of it: whole, it works. A party that passed and is killed on its way out has broken nothing. */
static void barrier_judge(void)
{
    expect(!all_passed() || kith_barrier_broken(barrier) == 0, "all have passed, and one breaks the next round");
    expect(kith_barrier_reset(barrier) == 0, "the barrier can't be reset");
    expect(kith_barrier_broken(barrier) == 0, "the barrier is still broken");
    expect(kith_barrier_waiting(barrier) == 0, "the barrier counts one that does not wait");
    expect(kith_barrier_wait(barrier, KITH_NOWAIT) == -ETIMEDOUT, "the barrier does not wait for all");
}

static void barrier_end(void)
{
    kith_barrier_free(barrier);
}

static int come(struct call *call)
{
    int code = kith_barrier_wait(barrier, KITH_FOREVER);
    if (code < 0 || code >= PARTIES)
        return code;
    reach(call);
    return 0;
}

/** It may have been broken. */
static int come_or_fail(struct call *call)
{
    int code = come(call);
    return code == KITH_EBROKEN ? 0 : code;
}

static int come_in_vain(struct call *call)
{
    (void)call;
    return kith_barrier_wait(barrier, KITH_NOWAIT);
}

static int break_it(struct call *call)
{
    (void)call;
    return kith_barrier_abort(barrier);
}

static int reset_it(struct call *call)
{
    (void)call;
    return kith_barrier_reset(barrier);
}

/** They do, if they are known to wait for more to come. */
static bool as_many_are_waited_for(void)
{
    int broken = kith_barrier_broken(barrier), waiting = kith_barrier_waiting(barrier);
    return broken == 0 && waiting == sleepers() && waiting < PARTIES;
}

static void come_for_all(int sleeping)
{
    for (int i = sleeping; i < PARTIES - 1; i++)
        another();
    expect(kith_barrier_wait(barrier, KITH_NOWAIT) == 0, "all have come, and are not let go");
}

static void break_for_all(int sleeping)
{
    (void)sleeping;
    expect(kith_barrier_abort(barrier) == 0, "the barrier can't be broken");
}

static void two_others(void)
{
    another();
    another();
}

static const struct crowd parties = { come, NULL, as_many_are_waited_for, come_for_all };
static const struct crowd may_fail = { come_or_fail, NULL, as_many_are_waited_for, break_for_all };

static const struct setting plain = { .action = false };
static const struct setting with_action = { .action = true };

static const struct scenario barrier_scenarios[] = {
    { "barrier: wait, the last to come", &plain, .act = come, .crowd = &parties, .asleep = 2 },
    { "barrier: wait, the first to come", &plain, .act = come, .crowd = &may_fail, .meanwhile = two_others },
    { "barrier: wait, the last to come, with an action", &with_action, .act = come, .crowd = &may_fail, .asleep = 2 },
    { "barrier: wait in vain, another waits", &plain, .act = come_in_vain, .code = -ETIMEDOUT, .crowd = &may_fail,
      .asleep = 1 },
    { "barrier: abort, two others wait", &plain, .act = break_it, .crowd = &may_fail, .asleep = 2 },
    { "barrier: reset, two others wait", &plain, .act = reset_it, .crowd = &may_fail, .asleep = 2 },
};

int main(int count, char **arguments)
{
    static const struct family families[] = {
        FAMILY(condition_scenarios, condition_begin, condition_judge, condition_end),
        FAMILY(event_scenarios, event_begin, event_judge, event_end),
        FAMILY(barrier_scenarios, barrier_begin, barrier_judge, barrier_end),
    };
    return play_families(families, sizeof families / sizeof *families, count, arguments);
}
