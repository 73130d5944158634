/* kith/sync.h: deadlocks of locks are found by those who ask for it. */
#include "apart.h"
#include "crew.h"

#include <pthread.h>
#include <stdlib.h>

enum { LOCKS = 3 };

static kith_lock *locks[LOCKS];

static int begin(void **state)
{
    for (int i = 0; i < LOCKS; i++) {
        if (kith_lock_new(&locks[i], NULL) < 0)
            return -1;
    }
    return setup(state);
}

static int end(void **state)
{
    for (int i = 0; i < LOCKS; i++)
        kith_lock_free(locks[i]);
    return teardown(state);
}

/** Has a lock, and waits for another until it is out of time. */
struct place {
    int has, wants;
    int all; /* go on when so many have theirs */
    kith_timeout timeout;
};

/** Whether the detail names all who have said who they are. */
static bool detail_names_all(int count)
{
    for (int i = 0; i < count; i++) {
        char text[20];
        snprintf(text, sizeof text, " %d", atomic_load(&board->places[i]));
        if (!strstr(kith_error_detail(), text))
            return false;
    }
    return true;
}

/** @return 0 when it got the lock; else what the wait returned. All keep their locks until all wait no more, unless
 *  they got what they want. */
static int take_place(void *argument)
{
    const struct place *place = argument;
    EXPECT(kith_lock_acquire(locks[place->has], KITH_FOREVER) == 0);
    atomic_store(&board->places[place->has], (int)gettid());
    atomic_fetch_add(&board->step, 1);
    wait_for_step(place->all);
    int code = kith_lock_acquire(locks[place->wants], place->timeout);
    if (code == 0)
        EXPECT(kith_lock_release(locks[place->wants]) == 0);
    if (code == -EDEADLK) {
        EXPECT(detail_names_all(place->all));
        atomic_fetch_add(&board->count, 1);
    }
    atomic_fetch_add(&board->step, 1);
    if (code == -ETIMEDOUT)
        wait_for_step(place->all + 2);
    EXPECT(kith_lock_release(locks[place->has]) == 0);
    return -code;
}

static int is_on(void *nothing)
{
    (void)nothing;
    return kith_deadlocks_detect(0);
}

static void the_environment_decides_at_first(void **state)
{
    (void)state;
    /* In children, as it is asked once a process; this is the first test. */
    assert_int_equal(status_of(child(is_on, NULL)), 0);
    setenv("KITH_DETECT_DEADLOCKS", "1", 1);
    assert_int_equal(status_of(child(is_on, NULL)), 1);
    unsetenv("KITH_DETECT_DEADLOCKS");
    assert_int_equal(kith_deadlocks_detect(1), 0);
    assert_int_equal(kith_deadlocks_detect(0), 1);
}

static void without_it_all_just_wait(void **state)
{
    (void)state;
    struct place mine = { 0, 1, 2, KITH_MS(250) }, other = { 1, 0, 2, KITH_MS(250) };
    pid_t pid = child(take_place, &other);
    assert_int_equal(take_place(&mine), ETIMEDOUT);
    assert_int_equal(status_of(pid), ETIMEDOUT);
}

static bool good_end(int status)
{
    return status == 0 || status == EDEADLK;
}

static void a_circle_of_processes_is_found(void **state)
{
    (void)state;
    kith_deadlocks_detect(1);
    struct place mine = { 0, 1, 3, KITH_FOREVER };
    struct place others[] = { { 1, 2, 3, KITH_FOREVER }, { 2, 0, 3, KITH_FOREVER } };
    pid_t pids[] = { child(take_place, &others[0]), child(take_place, &others[1]) };
    assert_true(good_end(take_place(&mine)));
    assert_true(good_end(status_of(pids[0])));
    assert_true(good_end(status_of(pids[1])));
    assert_true(atomic_load(&board->count) >= 1);
}

static void *take_place_in_a_thread(void *place)
{
    return (void *)(intptr_t)take_place(place);
}

static void a_circle_of_threads_is_found(void **state)
{
    (void)state;
    kith_deadlocks_detect(1);
    struct place mine = { 0, 1, 2, KITH_FOREVER }, other = { 1, 0, 2, KITH_FOREVER };
    pthread_t thread;
    void *status;
    assert_int_equal(pthread_create(&thread, NULL, take_place_in_a_thread, &other), 0);
    assert_true(good_end(take_place(&mine)));
    assert_int_equal(pthread_join(thread, &status), 0);
    assert_true(good_end((int)(intptr_t)status));
    assert_true(atomic_load(&board->count) >= 1);
}

static int own_the_last(void *nothing)
{
    (void)nothing;
    EXPECT(kith_lock_acquire(locks[2], KITH_FOREVER) == 0);
    atomic_fetch_add(&board->step, 1);
    return sleep_until_killed();
}

static void a_chain_is_no_circle(void **state)
{
    (void)state;
    kith_deadlocks_detect(1);
    pid_t last = child(own_the_last, NULL);
    wait_for_step(1);
    struct place mine = { 1, 2, 3, KITH_MS(250) }, other = { 0, 1, 3, KITH_MS(250) };
    pid_t first = child(take_place, &other);
    assert_int_equal(take_place(&mine), ETIMEDOUT);
    assert_int_equal(status_of(first), ETIMEDOUT);
    kill_child(last);
    assert_code(kith_lock_acquire(locks[2], KITH_FOREVER), KITH_EOWNERDEAD);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_environment_decides_at_first), TEST(without_it_all_just_wait), TEST(a_circle_of_processes_is_found),
        TEST(a_circle_of_threads_is_found),     TEST(a_chain_is_no_circle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
