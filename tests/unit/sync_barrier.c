/* kith/sync.h: barriers, between processes. */
#include "crew.h"

enum { PARTIES = 3, ROUNDS = 300 };

static kith_barrier *make(unsigned parties, int (*action)(void *), void *context)
{
    kith_barrier *barrier = NULL;
    assert_code(kith_barrier_new(&barrier, parties, &(kith_barrier_options){ action, context }), 0);
    return barrier;
}

/** Exit statuses: what the wait returned, as far as they can say it. */
enum { PASSED, BROKEN, TIMED_OUT, INTERRUPTED, OTHER };

static int wait_as_status(kith_barrier *barrier, kith_timeout timeout)
{
    int code = kith_barrier_wait(barrier, timeout);
    return code >= 0              ? PASSED
           : code == KITH_EBROKEN ? BROKEN
           : code == -ETIMEDOUT   ? TIMED_OUT
           : code == -EINTR       ? INTERRUPTED
                                  : OTHER;
}

static int wait_for_all(void *barrier)
{
    return wait_as_status(barrier, KITH_FOREVER);
}

static int come_again_and_again(void *barrier)
{
    for (int i = 0; i < ROUNDS; i++) {
        int index = kith_barrier_wait(barrier, KITH_FOREVER);
        if (index < 0 || index >= PARTIES)
            return 1;
        atomic_fetch_add(&board->places[index], 1);
        /* Nobody is a round ahead of the action, nor behind. */
        int round = atomic_load(&board->step);
        if (round != i + 1 && round != i + 2)
            return 2;
    }
    return 0;
}

static int count_rounds(void *context)
{
    atomic_fetch_add(&board->step, 1);
    return context != board;
}

static void all_wait_for_all(void **state)
{
    (void)state;
    kith_barrier *barrier = make(PARTIES, count_rounds, board);
    pid_t children[PARTIES];
    for (int i = 0; i < PARTIES; i++)
        children[i] = child(come_again_and_again, barrier);
    for (int i = 0; i < PARTIES; i++)
        assert_int_equal(status_of(children[i]), 0);
    for (int i = 0; i < PARTIES; i++)
        assert_int_equal(atomic_load(&board->places[i]), ROUNDS);
    assert_int_equal(atomic_load(&board->step), ROUNDS);
    assert_int_equal(kith_barrier_parties(barrier), PARTIES);
    assert_int_equal(kith_barrier_waiting(barrier), 0);
    assert_int_equal(kith_barrier_broken(barrier), 0);
    kith_barrier_free(barrier);
    kith_barrier_free(NULL);
}

static void one_party_waits_for_nobody(void **state)
{
    (void)state;
    kith_barrier *barrier = make(1, NULL, NULL);
    assert_code(kith_barrier_wait(barrier, KITH_NOWAIT), 0);
    assert_code(kith_barrier_wait(barrier, KITH_FOREVER), 0);
    kith_barrier_free(barrier);
}

static void the_last_to_come_is_number_0(void **state)
{
    (void)state;
    kith_barrier *barrier = make(2, NULL, NULL);
    pid_t first = sleeper(wait_for_all, barrier);
    assert_int_equal(kith_barrier_waiting(barrier), 1);
    assert_code(kith_barrier_wait(barrier, KITH_NOWAIT), 0);
    assert_int_equal(status_of(first), PASSED);
    kith_barrier_free(barrier);
}

static void who_is_out_of_time_breaks_it(void **state)
{
    (void)state;
    kith_barrier *barrier = make(3, NULL, NULL);
    pid_t first = sleeper(wait_for_all, barrier);
    assert_code(kith_barrier_wait(barrier, KITH_MS(10)), -ETIMEDOUT);
    assert_int_equal(status_of(first), BROKEN);
    assert_int_equal(kith_barrier_broken(barrier), 1);
    assert_int_equal(kith_barrier_waiting(barrier), 0);
    assert_explained(kith_barrier_wait(barrier, KITH_FOREVER), KITH_EBROKEN);
    assert_code(kith_barrier_reset(barrier), 0);
    assert_int_equal(kith_barrier_broken(barrier), 0);
    assert_code(kith_barrier_wait(barrier, KITH_NOWAIT), -ETIMEDOUT);
    kith_barrier_free(barrier);
}

static void who_dies_breaks_it(void **state)
{
    (void)state;
    kith_barrier *barrier = make(3, NULL, NULL);
    pid_t first = sleeper(wait_for_all, barrier);
    pid_t second = sleeper(wait_for_all, barrier);
    kill_child(first);
    assert_int_equal(status_of(second), BROKEN);
    assert_explained(kith_barrier_wait(barrier, KITH_FOREVER), KITH_EBROKEN);
    assert_code(kith_barrier_reset(barrier), 0);
    first = sleeper(wait_for_all, barrier);
    second = sleeper(wait_for_all, barrier);
    assert_code(kith_barrier_wait(barrier, KITH_NOWAIT), 0);
    assert_int_equal(status_of(first), PASSED);
    assert_int_equal(status_of(second), PASSED);
    kith_barrier_free(barrier);
}

static void who_dies_alone_breaks_it_for_those_who_come(void **state)
{
    (void)state;
    kith_barrier *barrier = make(2, NULL, NULL);
    kill_child(sleeper(wait_for_all, barrier));
    assert_explained(kith_barrier_wait(barrier, KITH_FOREVER), KITH_EBROKEN);
    assert_code(kith_barrier_reset(barrier), 0);
    kill_child(sleeper(wait_for_all, barrier));
    assert_int_equal(kith_barrier_broken(barrier), 1);
    kith_barrier_free(barrier);
}

static void it_can_be_broken_and_reset(void **state)
{
    (void)state;
    kith_barrier *barrier = make(2, NULL, NULL);
    pid_t first = sleeper(wait_for_all, barrier);
    assert_code(kith_barrier_abort(barrier), 0);
    assert_int_equal(status_of(first), BROKEN);
    assert_int_equal(kith_barrier_broken(barrier), 1);
    assert_code(kith_barrier_reset(barrier), 0);
    first = sleeper(wait_for_all, barrier);
    assert_code(kith_barrier_reset(barrier), 0);
    assert_int_equal(status_of(first), BROKEN);
    assert_int_equal(kith_barrier_broken(barrier), 0);
    first = sleeper(wait_for_all, barrier);
    assert_code(kith_barrier_wait(barrier, KITH_FOREVER), 0);
    assert_int_equal(status_of(first), PASSED);
    kith_barrier_free(barrier);
}

static int give_seven(void *context)
{
    (void)context;
    return 7;
}

static void an_action_that_fails_breaks_it(void **state)
{
    (void)state;
    kith_barrier *barrier = make(2, give_seven, NULL);
    pid_t first = sleeper(wait_for_all, barrier);
    assert_explained(kith_barrier_wait(barrier, KITH_FOREVER), KITH_EBROKEN);
    assert_int_equal(status_of(first), BROKEN);
    assert_int_equal(kith_barrier_broken(barrier), 1);
    kith_barrier_free(barrier);
}

/** The first time. */
static int act_for_long(void *context)
{
    (void)context;
    int none = 0;
    atomic_compare_exchange_strong(&board->step, &none, 1);
    wait_for_step(2);
    return 0;
}

/** Starts a barrier whose action runs in the second child. */
static kith_barrier *start_action(pid_t *first, pid_t *second)
{
    kith_barrier *barrier = make(2, act_for_long, NULL);
    *first = sleeper(wait_for_all, barrier);
    *second = child(wait_for_all, barrier);
    wait_for_step(1);
    return barrier;
}

static void who_dies_in_the_action_breaks_it(void **state)
{
    (void)state;
    pid_t first, second;
    kith_barrier *barrier = start_action(&first, &second);
    kill_child(second);
    assert_int_equal(kith_barrier_broken(barrier), 1);
    assert_int_equal(status_of(first), BROKEN);
    kith_barrier_free(barrier);
}

static void who_comes_during_the_action_waits_for_the_next_round(void **state)
{
    (void)state;
    pid_t first, second;
    kith_barrier *barrier = start_action(&first, &second);
    pid_t third = sleeper(wait_for_all, barrier);
    assert_code(kith_barrier_wait(barrier, KITH_MS(5)), -ETIMEDOUT); /* and breaks nothing, as it was not in yet */
    atomic_store(&board->step, 2);
    assert_int_equal(status_of(first), PASSED);
    assert_int_equal(status_of(second), PASSED);
    wait_until_asleep(third);
    assert_int_equal(kith_barrier_waiting(barrier), 1);
    assert_code(kith_barrier_wait(barrier, KITH_FOREVER), 0);
    assert_int_equal(status_of(third), PASSED);
    kith_barrier_free(barrier);
}

static void it_can_be_reset_during_the_action(void **state)
{
    (void)state;
    pid_t first, second;
    kith_barrier *barrier = start_action(&first, &second);
    assert_code(kith_barrier_reset(barrier), 0);
    assert_int_equal(status_of(first), BROKEN);
    atomic_store(&board->step, 2);
    assert_int_equal(status_of(second), BROKEN);
    assert_int_equal(kith_barrier_broken(barrier), 0);
    kith_barrier_free(barrier);
}

static int wait_until_interrupted(void *barrier)
{
    be_interruptible();
    return wait_for_all(barrier);
}

static void who_is_interrupted_breaks_it(void **state)
{
    (void)state;
    kith_barrier *barrier = make(3, NULL, NULL);
    pid_t first = sleeper(wait_for_all, barrier);
    assert_int_equal(interrupt(sleeper(wait_until_interrupted, barrier)), INTERRUPTED);
    assert_int_equal(status_of(first), BROKEN);
    kith_barrier_free(barrier);
}

/** As kith_on_interruption has it: tells that it was asked, and goes on. */
static int go_on(void *context)
{
    (void)context;
    atomic_fetch_add(&board->count, 1);
    return 0;
}

static int wait_in_place(void *barrier)
{
    kith_on_interruption(go_on, NULL);
    return wait_until_interrupted(barrier);
}

static void a_place_is_kept_while_handlers_run(void **state)
{
    (void)state;
    kith_barrier *barrier = make(2, NULL, NULL);
    pid_t waiter = sleeper(wait_in_place, barrier);
    while (atomic_load(&board->count) == 0) {
        kill(waiter, SIGUSR1);
        sched_yield();
    }
    assert_int_equal(kith_barrier_waiting(barrier), 1);
    assert_int_equal(kith_barrier_wait(barrier, KITH_FOREVER), 0);
    assert_int_equal(status_of(waiter), PASSED);
    kith_barrier_free(barrier);
}

static void barrier_refuses_bad_input(void **state)
{
    (void)state;
    kith_barrier *barrier;
    assert_explained(kith_barrier_new(NULL, 1, NULL), -EINVAL);
    assert_explained(kith_barrier_new(&barrier, 0, NULL), -EINVAL);
    assert_explained(kith_barrier_new(&barrier, KITH_BARRIER_PARTIES_MAX + 1, NULL), -EINVAL);
    assert_explained(kith_barrier_wait(NULL, KITH_FOREVER), -EINVAL);
    assert_explained(kith_barrier_abort(NULL), -EINVAL);
    assert_explained(kith_barrier_reset(NULL), -EINVAL);
    assert_explained(kith_barrier_parties(NULL), -EINVAL);
    assert_explained(kith_barrier_waiting(NULL), -EINVAL);
    assert_explained(kith_barrier_broken(NULL), -EINVAL);
    assert_code(kith_barrier_new(&barrier, 2, NULL), 0);
    assert_explained(kith_barrier_wait(barrier, -2), -EINVAL);
    kith_barrier_free(barrier);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_board(all_wait_for_all),
        with_board(one_party_waits_for_nobody),
        with_board(the_last_to_come_is_number_0),
        with_board(who_is_out_of_time_breaks_it),
        with_board(who_dies_breaks_it),
        with_board(who_dies_alone_breaks_it_for_those_who_come),
        with_board(it_can_be_broken_and_reset),
        with_board(an_action_that_fails_breaks_it),
        with_board(who_dies_in_the_action_breaks_it),
        with_board(who_comes_during_the_action_waits_for_the_next_round),
        with_board(it_can_be_reset_during_the_action),
        with_board(who_is_interrupted_breaks_it),
        with_board(a_place_is_kept_while_handlers_run),
        with_board(barrier_refuses_bad_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
