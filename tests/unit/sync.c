/* kith/sync.h: the lock and the semaphores, between threads and processes. Children are made by fork here, so that this
 * test stands on its own. */
#include "crew.h"

#include <pthread.h>
#include <sys/mman.h>

/* ---- lock ---- */

static void lock_has_one_owner_and_knows_it(void **state)
{
    (void)state;
    kith_lock *lock;
    assert_code(kith_lock_new(&lock, NULL), 0);
    assert_code(kith_lock_acquire(lock, KITH_FOREVER), 0);
    assert_explained(kith_lock_acquire(lock, KITH_FOREVER), -EDEADLK);
    assert_code(kith_lock_release(lock), 0);
    assert_explained(kith_lock_release(lock), -EPERM);
    assert_code(kith_lock_acquire(lock, KITH_NOWAIT), 0);
    kith_lock_free(lock); /* released on the way */
    kith_lock_free(NULL);
}

static int acquire_now(void *lock)
{
    return -kith_lock_acquire(lock, KITH_NOWAIT);
}

static int acquire_for_10_ms(void *lock)
{
    return -kith_lock_acquire(lock, KITH_MS(10));
}

static int release(void *lock)
{
    return -kith_lock_release(lock);
}

static void lock_excludes_other_processes(void **state)
{
    (void)state;
    kith_lock *lock;
    assert_code(kith_lock_new(&lock, NULL), 0);
    assert_code(kith_lock_acquire(lock, KITH_FOREVER), 0);
    assert_int_equal(status_of(child(acquire_now, lock)), ETIMEDOUT);
    assert_int_equal(status_of(child(acquire_for_10_ms, lock)), ETIMEDOUT);
    assert_int_equal(status_of(child(release, lock)), EPERM); /* a child owns nothing */
    assert_code(kith_lock_release(lock), 0);
    assert_int_equal(status_of(child(acquire_now, lock)), 0); /* and ends as its owner */
    assert_code(kith_lock_acquire(lock, KITH_FOREVER), KITH_EOWNERDEAD);
    assert_code(kith_lock_release(lock), 0);
    assert_code(kith_lock_acquire(lock, KITH_FOREVER), 0); /* whole again */
    kith_lock_free(lock);
}

static int own_until_killed(void *lock)
{
    if (kith_lock_acquire(lock, KITH_FOREVER) != 0)
        return 1;
    atomic_store(&board->step, 1);
    return sleep_until_killed();
}

static int report_owner_death(void *lock)
{
    atomic_store(&board->step, 2);
    return kith_lock_acquire(lock, KITH_FOREVER) == KITH_EOWNERDEAD && kith_lock_release(lock) == 0 ? 0 : 1;
}

static void lock_wakes_a_sleeper_when_its_owner_is_killed(void **state)
{
    (void)state;
    kith_lock *lock;
    assert_code(kith_lock_new(&lock, NULL), 0);
    pid_t owner = child(own_until_killed, lock);
    wait_for_step(1);
    pid_t waiter = child(report_owner_death, lock);
    wait_for_step(2);
    kill_child(owner);
    assert_int_equal(status_of(waiter), 0);
    assert_code(kith_lock_acquire(lock, KITH_NOWAIT), 0);
    kith_lock_free(lock);
}

static void lock_serialises_processes(void **state)
{
    (void)state;
    kith_lock *lock;
    assert_code(kith_lock_new(&lock, NULL), 0);
    pid_t children[4];
    for (int i = 0; i < 4; i++)
        children[i] = child(count_under_lock, lock);
    for (int i = 0; i < 4; i++)
        assert_int_equal(status_of(children[i]), 0);
    assert_int_equal(atomic_load(&board->count), 4 * COUNTS);
    kith_lock_free(lock);
}

static void *count_in_a_thread(void *lock)
{
    return (void *)(intptr_t)count_under_lock(lock);
}

static void lock_serialises_threads(void **state)
{
    (void)state;
    kith_lock *lock;
    assert_code(kith_lock_new(&lock, NULL), 0);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_in_a_thread, lock), 0);
    for (int i = 0; i < 4; i++) {
        void *result;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_null(result);
    }
    assert_int_equal(atomic_load(&board->count), 4 * COUNTS);
    kith_lock_free(lock);
}

/* Locks of ours and of the C library share one list per thread: taken in one order and given back in another, among
 * robust mutexes, all must still be released by a death. */
struct mixed {
    kith_lock *locks[3];
    pthread_mutex_t *mutex;
};

static int own_a_mixture(void *argument)
{
    struct mixed *mixed = argument;
    bool good = kith_lock_acquire(mixed->locks[0], KITH_FOREVER) == 0 && pthread_mutex_lock(mixed->mutex) == 0 &&
                kith_lock_acquire(mixed->locks[1], KITH_FOREVER) == 0 &&
                kith_lock_acquire(mixed->locks[2], KITH_FOREVER) == 0 && kith_lock_release(mixed->locks[1]) == 0 &&
                pthread_mutex_unlock(mixed->mutex) == 0 && pthread_mutex_lock(mixed->mutex) == 0;
    atomic_store(&board->step, good ? 1 : 2);
    return sleep_until_killed();
}

static void lock_shares_the_list_with_robust_mutexes(void **state)
{
    (void)state;
    struct mixed mixed;
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    mixed.mutex = mmap(NULL, sizeof *mixed.mutex, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(mixed.mutex != MAP_FAILED);
    assert_int_equal(pthread_mutex_init(mixed.mutex, &attributes), 0);
    for (int i = 0; i < 3; i++)
        assert_code(kith_lock_new(&mixed.locks[i], NULL), 0);
    pid_t owner = child(own_a_mixture, &mixed);
    wait_for_step(1);
    assert_int_equal(atomic_load(&board->step), 1);
    kill_child(owner);
    assert_code(kith_lock_acquire(mixed.locks[0], KITH_NOWAIT), KITH_EOWNERDEAD);
    assert_code(kith_lock_acquire(mixed.locks[1], KITH_NOWAIT), 0);
    assert_code(kith_lock_acquire(mixed.locks[2], KITH_NOWAIT), KITH_EOWNERDEAD);
    assert_int_equal(pthread_mutex_lock(mixed.mutex), EOWNERDEAD);
    pthread_mutex_consistent(mixed.mutex);
    pthread_mutex_unlock(mixed.mutex);
    for (int i = 0; i < 3; i++)
        kith_lock_free(mixed.locks[i]);
    munmap(mixed.mutex, sizeof *mixed.mutex);
}

static int wait_until_interrupted(void *lock)
{
    be_interruptible();
    return -kith_lock_acquire(lock, KITH_FOREVER);
}

static void lock_waits_are_interrupted_by_handlers(void **state)
{
    (void)state;
    kith_lock *lock;
    assert_code(kith_lock_new(&lock, NULL), 0);
    assert_code(kith_lock_acquire(lock, KITH_FOREVER), 0);
    assert_int_equal(interrupt(sleeper(wait_until_interrupted, lock)), EINTR);
    kith_lock_free(lock);
}

static kith_lock *recursive_lock(void)
{
    kith_lock *lock = NULL;
    assert_code(kith_lock_new(&lock, &(kith_lock_options){ .recursive = 1 }), 0);
    return lock;
}

static void recursive_lock_is_released_as_often_as_acquired(void **state)
{
    (void)state;
    kith_lock *lock = recursive_lock();
    for (int i = 0; i < 3; i++)
        assert_code(kith_lock_acquire(lock, i == 0 ? KITH_NOWAIT : KITH_FOREVER), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(status_of(child(acquire_now, lock)), ETIMEDOUT);
        assert_code(kith_lock_release(lock), 0);
    }
    assert_explained(kith_lock_release(lock), -EPERM);
    assert_code(kith_lock_acquire(lock, KITH_NOWAIT), 0);
    assert_code(kith_lock_acquire(lock, KITH_NOWAIT), 0);
    kith_lock_free(lock); /* released on the way, altogether */
}

static int own_thrice_until_killed(void *lock)
{
    for (int i = 0; i < 3; i++) {
        if (kith_lock_acquire(lock, KITH_FOREVER) != 0)
            return 1;
    }
    atomic_store(&board->step, 1);
    return sleep_until_killed();
}

static void recursive_lock_of_a_dead_owner_is_acquired_once(void **state)
{
    (void)state;
    kith_lock *lock = recursive_lock();
    pid_t owner = child(own_thrice_until_killed, lock);
    wait_for_step(1);
    kill_child(owner);
    assert_code(kith_lock_acquire(lock, KITH_NOWAIT), KITH_EOWNERDEAD);
    assert_code(kith_lock_acquire(lock, KITH_NOWAIT), 0);
    assert_code(kith_lock_release(lock), 0);
    assert_code(kith_lock_release(lock), 0);
    assert_explained(kith_lock_release(lock), -EPERM);
    kith_lock_free(lock);
}

static int look_at_owner(void *lock)
{
    return kith_lock_owner(lock) == (int)getppid() && kith_lock_is_owned(lock) == 0 ? 0 : 1;
}

static void lock_tells_its_owner(void **state)
{
    (void)state;
    kith_lock *lock;
    assert_code(kith_lock_new(&lock, NULL), 0);
    assert_int_equal(kith_lock_owner(lock), 0);
    assert_int_equal(kith_lock_is_owned(lock), 0);
    assert_code(kith_lock_acquire(lock, KITH_NOWAIT), 0);
    assert_int_equal(kith_lock_owner(lock), gettid());
    assert_int_equal(kith_lock_is_owned(lock), 1);
    assert_int_equal(status_of(child(look_at_owner, lock)), 0);
    kith_lock_free(lock);
}

static void lock_refuses_bad_input(void **state)
{
    (void)state;
    kith_lock *lock;
    assert_explained(kith_lock_new(NULL, NULL), -EINVAL);
    assert_explained(kith_lock_acquire(NULL, KITH_FOREVER), -EINVAL);
    assert_explained(kith_lock_release(NULL), -EINVAL);
    assert_explained(kith_lock_owner(NULL), -EINVAL);
    assert_explained(kith_lock_is_owned(NULL), -EINVAL);
    assert_code(kith_lock_new(&lock, NULL), 0);
    assert_explained(kith_lock_acquire(lock, -3), -EINVAL);
    kith_lock_free(lock);
}

/* ---- semaphore ---- */

static void semaphore_counts(void **state)
{
    (void)state;
    kith_semaphore *semaphore;
    assert_code(kith_semaphore_new(&semaphore, 2, NULL), 0);
    assert_code(kith_semaphore_acquire(semaphore, KITH_FOREVER), 0);
    assert_code(kith_semaphore_acquire(semaphore, KITH_NOWAIT), 0);
    assert_code(kith_semaphore_value(semaphore), 0);
    assert_code(kith_semaphore_acquire(semaphore, KITH_NOWAIT), -ETIMEDOUT);
    assert_code(kith_semaphore_acquire(semaphore, KITH_MS(10)), -ETIMEDOUT);
    assert_code(kith_semaphore_release(semaphore), 0);
    assert_code(kith_semaphore_value(semaphore), 1);
    assert_code(kith_semaphore_acquire(semaphore, KITH_FOREVER), 0);
    kith_semaphore_free(semaphore);
    kith_semaphore_free(NULL);
}

static void semaphore_keeps_its_bound(void **state)
{
    (void)state;
    kith_semaphore *semaphore;
    assert_code(kith_semaphore_new(&semaphore, 1, &(kith_semaphore_options){ .bound = 2 }), 0);
    assert_code(kith_semaphore_release(semaphore), 0);
    assert_explained(kith_semaphore_release(semaphore), -EOVERFLOW);
    assert_code(kith_semaphore_value(semaphore), 2);
    assert_code(kith_semaphore_acquire(semaphore, KITH_NOWAIT), 0);
    assert_code(kith_semaphore_release(semaphore), 0);
    kith_semaphore_free(semaphore);
}

static int acquire_ten(void *semaphore)
{
    for (int i = 0; i < 10; i++) {
        if (kith_semaphore_acquire(semaphore, KITH_FOREVER) != 0)
            return 1;
    }
    return 0;
}

static void semaphore_wakes_every_sleeper(void **state)
{
    (void)state;
    kith_semaphore *semaphore;
    assert_code(kith_semaphore_new(&semaphore, 0, NULL), 0);
    pid_t children[4];
    for (int i = 0; i < 4; i++)
        children[i] = child(acquire_ten, semaphore);
    for (int i = 0; i < 40; i++)
        assert_code(kith_semaphore_release(semaphore), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(status_of(children[i]), 0);
    assert_code(kith_semaphore_value(semaphore), 0);
    kith_semaphore_free(semaphore);
}

static int take_unit_and_wait(void *semaphore)
{
    if (kith_semaphore_acquire(semaphore, KITH_FOREVER) != 0)
        return 1;
    atomic_fetch_add(&board->step, 1);
    return sleep_until_killed();
}

static void semaphore_keeps_units_of_the_dead_unless_they_have_owners(void **state)
{
    (void)state;
    kith_semaphore *semaphore;
    assert_code(kith_semaphore_new(&semaphore, 1, NULL), 0);
    pid_t holder = child(take_unit_and_wait, semaphore);
    wait_for_step(1);
    kill_child(holder);
    assert_code(kith_semaphore_acquire(semaphore, KITH_NOWAIT), -ETIMEDOUT);
    kith_semaphore_free(semaphore);
}

static int report_dead_holder(void *semaphore)
{
    atomic_fetch_add(&board->step, 1);
    return kith_semaphore_acquire(semaphore, KITH_FOREVER) == KITH_EOWNERDEAD ? 0 : 1;
}

static void semaphore_gives_owned_units_of_the_dead_back(void **state)
{
    (void)state;
    kith_semaphore *semaphore;
    assert_code(kith_semaphore_new(&semaphore, 2, &(kith_semaphore_options){ .owned = 1 }), 0);
    pid_t first = child(take_unit_and_wait, semaphore);
    pid_t second = child(take_unit_and_wait, semaphore);
    wait_for_step(2);
    assert_code(kith_semaphore_value(semaphore), 0);
    assert_code(kith_semaphore_acquire(semaphore, KITH_NOWAIT), -ETIMEDOUT);
    assert_explained(kith_semaphore_release(semaphore), -EPERM);
    pid_t waiter = child(report_dead_holder, semaphore);
    wait_for_step(3);
    kill_child(first); /* while somebody waits, or is about to */
    assert_int_equal(status_of(waiter), 0);
    /* The waiter has ended without releasing, too. */
    assert_code(kith_semaphore_value(semaphore), 1);
    kill_child(second);
    assert_code(kith_semaphore_value(semaphore), 2);
    assert_code(kith_semaphore_acquire(semaphore, KITH_NOWAIT), KITH_EOWNERDEAD);
    assert_code(kith_semaphore_acquire(semaphore, KITH_NOWAIT), KITH_EOWNERDEAD);
    assert_code(kith_semaphore_release(semaphore), 0);
    assert_code(kith_semaphore_release(semaphore), 0);
    assert_code(kith_semaphore_acquire(semaphore, KITH_NOWAIT), 0);
    assert_code(kith_semaphore_release(semaphore), 0);
    kith_semaphore_free(semaphore);
}

static void freeing_a_semaphore_releases_the_own_units(void **state)
{
    (void)state;
    kith_semaphore *semaphore, *again;
    kith_lock *lock;
    assert_code(kith_lock_new(&lock, NULL), 0);
    assert_code(kith_semaphore_new(&semaphore, 3, &(kith_semaphore_options){ .owned = 1 }), 0);
    assert_code(kith_semaphore_from_fd(&again, kith_semaphore_share_fd(semaphore)), 0);
    pid_t other = child(take_unit_and_wait, semaphore);
    wait_for_step(1);
    assert_code(kith_semaphore_acquire(semaphore, KITH_NOWAIT), 0);
    assert_code(kith_semaphore_acquire(semaphore, KITH_NOWAIT), 0);
    kith_semaphore_free(semaphore);
    assert_code(kith_semaphore_value(again), 2); /* and the other's is the other's */
    /* This thread's list holds nothing of what was unmapped. */
    assert_code(kith_lock_acquire(lock, KITH_NOWAIT), 0);
    assert_code(kith_semaphore_acquire(again, KITH_NOWAIT), 0);
    kith_semaphore_free(again);
    kith_lock_free(lock);
    kill_child(other);
}

static void semaphore_refuses_bad_input(void **state)
{
    (void)state;
    const kith_semaphore_options owned = { .owned = 1 };
    kith_semaphore *semaphore;
    assert_explained(kith_semaphore_new(NULL, 1, NULL), -EINVAL);
    assert_explained(kith_semaphore_new(&semaphore, (unsigned)-1, NULL), -EINVAL);
    assert_explained(kith_semaphore_new(&semaphore, 0, &owned), -EINVAL);
    assert_explained(kith_semaphore_new(&semaphore, KITH_SEMAPHORE_OWNED_MAX + 1, &owned), -EINVAL);
    assert_explained(kith_semaphore_new(&semaphore, 3, &(kith_semaphore_options){ .bound = 2 }), -EINVAL);
    assert_explained(kith_semaphore_new(&semaphore, 3, &(kith_semaphore_options){ .bound = 1u << 31 }), -EINVAL);
    assert_explained(kith_semaphore_acquire(NULL, KITH_FOREVER), -EINVAL);
    assert_explained(kith_semaphore_release(NULL), -EINVAL);
    assert_explained(kith_semaphore_value(NULL), -EINVAL);
    assert_code(kith_semaphore_new(&semaphore, KITH_SEMAPHORE_MAX, NULL), 0);
    assert_explained(kith_semaphore_acquire(semaphore, -7), -EINVAL);
    assert_explained(kith_semaphore_release(semaphore), -EOVERFLOW);
    kith_semaphore_free(semaphore);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_board(lock_has_one_owner_and_knows_it),
        with_board(lock_excludes_other_processes),
        with_board(lock_wakes_a_sleeper_when_its_owner_is_killed),
        with_board(lock_serialises_processes),
        with_board(lock_serialises_threads),
        with_board(lock_shares_the_list_with_robust_mutexes),
        with_board(lock_waits_are_interrupted_by_handlers),
        with_board(recursive_lock_is_released_as_often_as_acquired),
        with_board(recursive_lock_of_a_dead_owner_is_acquired_once),
        with_board(lock_tells_its_owner),
        with_board(lock_refuses_bad_input),
        with_board(semaphore_counts),
        with_board(semaphore_keeps_its_bound),
        with_board(semaphore_wakes_every_sleeper),
        with_board(semaphore_keeps_units_of_the_dead_unless_they_have_owners),
        with_board(semaphore_gives_owned_units_of_the_dead_back),
        with_board(freeing_a_semaphore_releases_the_own_units),
        with_board(semaphore_refuses_bad_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
