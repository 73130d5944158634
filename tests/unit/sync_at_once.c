/* kith/sync.h, KITH_AT_ONCE: acquiring without waiting for anybody, not even for who is in the middle of a call. */
#include "apart.h"
#include "crew.h"

static int own(void *lock)
{
    int code = kith_lock_acquire(lock, KITH_FOREVER);
    EXPECT(code == 0);
    atomic_store(&board->step, 1);
    return sleep_until_killed();
}

/** Acquires a free lock, and one that a child owns: that lives, and then does not. */
static void check_lock(const kith_lock_options *options)
{
    kith_lock *lock = NULL;
    assert_code(kith_lock_new(&lock, options), 0);
    assert_code(kith_lock_acquire(lock, KITH_AT_ONCE), 0);
    assert_code(kith_lock_release(lock), 0);
    atomic_store(&board->step, 0);
    pid_t owner = child(own, lock);
    wait_for_step(1);
    assert_code(kith_lock_acquire(lock, KITH_AT_ONCE), -EAGAIN);
    kill_child(owner);
    int code = kith_lock_acquire(lock, KITH_AT_ONCE);
    if (code == -EAGAIN) /* it does not look who lives */
        code = kith_lock_acquire(lock, KITH_FOREVER);
    assert_code(code, KITH_EOWNERDEAD);
    kith_lock_free(lock);
}

static void locks_are_acquired_at_once_or_not(void **state)
{
    (void)state;
    check_lock(NULL);
    check_lock(&(kith_lock_options){ .recursive = 1 });
    check_lock(&(kith_lock_options){ .anyone_releases = 1 });
}

static void deadlocks_are_not_looked_for(void **state)
{
    (void)state;
    int before = kith_deadlocks_detect(1);
    check_lock(NULL);
    kith_deadlocks_detect(before);
}

static void the_owner_is_told_or_acquires_again(void **state)
{
    (void)state;
    kith_lock *lock = NULL, *recursive = NULL;
    assert_code(kith_lock_new(&lock, NULL), 0);
    assert_code(kith_lock_new(&recursive, &(kith_lock_options){ .recursive = 1 }), 0);
    assert_code(kith_lock_acquire(lock, KITH_AT_ONCE), 0);
    assert_code(kith_lock_acquire(lock, KITH_AT_ONCE), -EDEADLK);
    assert_code(kith_lock_acquire(recursive, KITH_AT_ONCE), 0);
    assert_code(kith_lock_acquire(recursive, KITH_AT_ONCE), 0);
    kith_lock_free(recursive);
    kith_lock_free(lock);
}

static void a_semaphore_says_for_certain_that_it_has_no_unit(void **state)
{
    (void)state;
    kith_semaphore *semaphore = NULL;
    for (int owned = 0; owned <= 1; owned++) {
        assert_code(kith_semaphore_new(&semaphore, 1, &(kith_semaphore_options){ .owned = owned }), 0);
        assert_code(kith_semaphore_acquire(semaphore, KITH_AT_ONCE), 0);
        assert_code(kith_semaphore_acquire(semaphore, KITH_AT_ONCE), -ETIMEDOUT);
        assert_code(kith_semaphore_release(semaphore), 0);
        kith_semaphore_free(semaphore);
    }
}

/** Acquires units for ever. */
static int turn(void *semaphore)
{
    for (;;) {
        EXPECT(kith_semaphore_acquire(semaphore, KITH_FOREVER) == 0);
        EXPECT(kith_semaphore_release(semaphore) == 0);
        atomic_store(&board->step, 1);
    }
}

/** Stops a child at one instant after the other, until it is in the middle of a call. */
static void check_stopped(int owned)
{
    kith_semaphore *semaphore = NULL;
    assert_code(kith_semaphore_new(&semaphore, 2, &(kith_semaphore_options){ .owned = owned }), 0);
    atomic_store(&board->step, 0);
    pid_t other = child(turn, semaphore);
    wait_for_step(1);
    int code;
    do {
        stop_child(other);
        code = kith_semaphore_acquire(semaphore, KITH_AT_ONCE);
        if (code == 0)
            assert_code(kith_semaphore_release(semaphore), 0);
        assert_int_equal(kill(other, SIGCONT), 0);
    } while (code == 0);
    assert_code(code, -EAGAIN);
    kill_child(other);
    code = kith_semaphore_acquire(semaphore, KITH_AT_ONCE);
    assert_true(code == 0 || (owned && code == KITH_EOWNERDEAD));
    kith_semaphore_free(semaphore);
}

static void who_is_stopped_in_the_middle_of_a_call_is_not_waited_for(void **state)
{
    (void)state;
    check_stopped(0);
    check_stopped(1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(locks_are_acquired_at_once_or_not),
        TEST(deadlocks_are_not_looked_for),
        TEST(the_owner_is_told_or_acquires_again),
        TEST(a_semaphore_says_for_certain_that_it_has_no_unit),
        TEST(who_is_stopped_in_the_middle_of_a_call_is_not_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
