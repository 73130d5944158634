/* kith/sync.h: the lock that anyone releases, whose owner is a process. */
#include "apart.h"
#include "crew.h"

#include <pthread.h>

static const kith_lock_options anyones = { .anyone_releases = 1 };

static kith_lock *new_lock(void)
{
    kith_lock *lock = NULL;
    assert_code(kith_lock_new(&lock, &anyones), 0);
    return lock;
}

/** Another handle, which has not looked for a dead owner yet: so its first call does. */
static kith_lock *look_afresh(const kith_lock *lock)
{
    kith_lock *other = NULL;
    assert_code(kith_lock_from_fd(&other, kith_lock_share_fd(lock)), 0);
    return other;
}

static int acquire_afresh(const kith_lock *lock, kith_timeout timeout)
{
    kith_lock *other = look_afresh(lock);
    int code = kith_lock_acquire(other, timeout);
    kith_lock_free(other);
    return code;
}

/* ---- releasing ---- */

static int release(void *lock)
{
    return -kith_lock_release(lock);
}

static void *release_in_a_thread(void *lock)
{
    return (void *)(intptr_t)release(lock);
}

static void any_thread_of_any_process_releases_it(void **state)
{
    (void)state;
    kith_lock *lock = new_lock();
    pthread_t thread;
    void *code;
    assert_code(kith_lock_acquire(lock, KITH_FOREVER), 0);
    assert_int_equal(pthread_create(&thread, NULL, release_in_a_thread, lock), 0);
    assert_int_equal(pthread_join(thread, &code), 0);
    assert_null(code);
    assert_code(kith_lock_acquire(lock, KITH_NOWAIT), 0);
    assert_int_equal(status_of(child(release, lock)), 0);
    assert_code(kith_lock_acquire(lock, KITH_NOWAIT), 0);
    assert_code(kith_lock_release(lock), 0);
    kith_lock_free(lock);
}

static void a_free_one_can_not_be_released(void **state)
{
    (void)state;
    kith_lock *lock = new_lock();
    assert_explained(kith_lock_release(lock), -EPERM);
    assert_code(kith_lock_acquire(lock, KITH_NOWAIT), 0);
    assert_code(kith_lock_release(lock), 0);
    assert_explained(kith_lock_release(lock), -EPERM);
    kith_lock_free(lock);
}

static void *release_when_it_sleeps(void *lock)
{
    wait_until_asleep(getpid()); /* the first thread */
    return release_in_a_thread(lock);
}

static void who_acquires_it_again_waits(void **state)
{
    (void)state;
    kith_lock *lock = new_lock();
    pthread_t thread;
    assert_code(kith_lock_acquire(lock, KITH_FOREVER), 0);
    assert_code(kith_lock_acquire(lock, KITH_NOWAIT), -ETIMEDOUT);
    assert_code(kith_lock_acquire(lock, KITH_MS(2)), -ETIMEDOUT);
    assert_int_equal(pthread_create(&thread, NULL, release_when_it_sleeps, lock), 0);
    assert_code(kith_lock_acquire(lock, KITH_FOREVER), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    kith_lock_free(lock);
}

static int acquire_for_2_ms(void *lock)
{
    return -kith_lock_acquire(lock, KITH_MS(2));
}

static void who_gave_up_is_not_waited_for(void **state)
{
    (void)state;
    kith_lock *lock = new_lock();
    assert_code(kith_lock_acquire(lock, KITH_NOWAIT), 0);
    assert_int_equal(status_of(child(acquire_for_2_ms, lock)), ETIMEDOUT);
    for (int i = 0; i < 3; i++) {
        assert_code(kith_lock_release(lock), 0);
        assert_code(kith_lock_acquire(lock, KITH_NOWAIT), 0);
    }
    kith_lock_free(lock);
}

static int acquire_and_release(void *lock)
{
    EXPECT(kith_lock_acquire(lock, KITH_FOREVER) == 0);
    atomic_fetch_add(&board->count, 1);
    return -kith_lock_release(lock);
}

static void a_killed_waiter_takes_no_wakeup_with_it(void **state)
{
    (void)state;
    kith_lock *lock = new_lock();
    assert_code(kith_lock_acquire(lock, KITH_FOREVER), 0);
    pid_t first = sleeper(acquire_and_release, lock);
    pid_t second = sleeper(acquire_and_release, lock);
    stop_child(first); /* it is woken and does not come */
    assert_code(kith_lock_release(lock), 0);
    kill_child(first);
    assert_int_equal(status_of(second), 0);
    assert_int_equal(atomic_load(&board->count), 1);
    kith_lock_free(lock);
}

static void it_serialises_processes(void **state)
{
    (void)state;
    kith_lock *lock = new_lock();
    pid_t children[4];
    for (int i = 0; i < 4; i++)
        children[i] = child(count_under_lock, lock);
    for (int i = 0; i < 4; i++)
        assert_int_equal(status_of(children[i]), 0);
    assert_int_equal(atomic_load(&board->count), 4 * COUNTS);
    kith_lock_free(lock);
}

static int wait_and_be_interrupted(void *lock)
{
    be_interruptible();
    return -kith_lock_acquire(lock, KITH_FOREVER);
}

static void its_waits_are_interrupted_by_handlers(void **state)
{
    (void)state;
    kith_lock *lock = new_lock();
    assert_code(kith_lock_acquire(lock, KITH_FOREVER), 0);
    assert_int_equal(interrupt(sleeper(wait_and_be_interrupted, lock)), EINTR);
    kith_lock_free(lock);
}

/* ---- owners ---- */

static int own_it(void *lock)
{
    EXPECT(kith_lock_is_owned(lock) == 0); /* that was the parent */
    EXPECT(kith_lock_acquire(lock, KITH_FOREVER) == 0);
    EXPECT(kith_lock_is_owned(lock) == 1 && kith_lock_owner(lock) == getpid());
    atomic_store(&board->step, 1);
    return sleep_until_killed();
}

static pid_t owner_of(kith_lock *lock)
{
    atomic_store(&board->step, 0);
    pid_t owner = child(own_it, lock);
    wait_for_step(1);
    return owner;
}

static void *tell_whether_owned(void *lock)
{
    return (void *)(intptr_t)kith_lock_is_owned(lock);
}

static void its_owner_is_a_process(void **state)
{
    (void)state;
    kith_lock *lock = new_lock();
    pthread_t thread;
    void *owned;
    assert_int_equal(kith_lock_owner(lock), 0);
    assert_int_equal(kith_lock_is_owned(lock), 0);
    assert_code(kith_lock_acquire(lock, KITH_FOREVER), 0);
    assert_int_equal(kith_lock_owner(lock), getpid());
    assert_int_equal(pthread_create(&thread, NULL, tell_whether_owned, lock), 0);
    assert_int_equal(pthread_join(thread, &owned), 0);
    assert_int_equal((intptr_t)owned, 1);
    assert_code(kith_lock_release(lock), 0);
    pid_t owner = owner_of(lock);
    assert_int_equal(kith_lock_owner(lock), owner);
    assert_int_equal(kith_lock_is_owned(lock), 0);
    kill_child(owner);
    kith_lock_free(lock);
}

static void freeing_it_leaves_it_owned(void **state)
{
    (void)state;
    kith_lock *lock = new_lock();
    kith_lock *other = look_afresh(lock);
    assert_code(kith_lock_acquire(other, KITH_NOWAIT), 0);
    kith_lock_free(other);
    assert_int_equal(kith_lock_is_owned(lock), 1);
    kith_lock_free(lock);
}

/* ---- owners that die ---- */

static int report_owner_death(void *lock)
{
    EXPECT(kith_lock_acquire(lock, KITH_FOREVER) == KITH_EOWNERDEAD);
    return -kith_lock_release(lock);
}

static void a_sleeper_finds_that_its_owner_was_killed(void **state)
{
    (void)state;
    kith_lock *lock = new_lock();
    pid_t owner = owner_of(lock);
    pid_t waiter = sleeper(report_owner_death, lock);
    kill_child(owner);
    assert_int_equal(status_of(waiter), 0);
    assert_code(kith_lock_acquire(lock, KITH_NOWAIT), 0); /* told once */
    kith_lock_free(lock);
}

/* Nobody need have asked for its exit code. */
static void a_zombie_owns_nothing(void **state)
{
    (void)state;
    kith_lock *lock = new_lock();
    pid_t owner = owner_of(lock);
    siginfo_t status;
    assert_int_equal(kill(owner, SIGKILL), 0);
    assert_int_equal(waitid(P_PID, (id_t)owner, &status, WEXITED | WNOWAIT), 0);
    assert_code(acquire_afresh(lock, KITH_NOWAIT), KITH_EOWNERDEAD);
    assert_int_equal(status_of(owner), -SIGKILL);
    assert_int_equal(kith_lock_owner(lock), getpid());
    kith_lock_free(lock);
}

static void who_only_tries_finds_it_too(void **state)
{
    (void)state;
    kith_lock *lock = new_lock();
    pid_t owner = owner_of(lock);
    assert_code(kith_lock_acquire(lock, KITH_NOWAIT), -ETIMEDOUT); /* it has looked, and won't do so at once */
    kill_child(owner);
    int code;
    while ((code = kith_lock_acquire(lock, KITH_NOWAIT)) == -ETIMEDOUT)
        sched_yield();
    assert_code(code, KITH_EOWNERDEAD);
    kith_lock_free(lock);
}

static int compete_for_the_dead_ones(void *lock)
{
    int code = kith_lock_acquire(lock, KITH_FOREVER);
    EXPECT(code == 0 || code == KITH_EOWNERDEAD);
    if (code == KITH_EOWNERDEAD)
        atomic_fetch_add(&board->count, 1);
    return -kith_lock_release(lock);
}

static void one_death_is_told_once(void **state)
{
    (void)state;
    enum { WAITERS = 4 };
    pid_t waiters[WAITERS];
    kith_lock *lock = new_lock();
    pid_t owner = owner_of(lock);
    for (int i = 0; i < WAITERS; i++)
        waiters[i] = sleeper(compete_for_the_dead_ones, lock);
    kill_child(owner);
    for (int i = 0; i < WAITERS; i++)
        assert_int_equal(status_of(waiters[i]), 0);
    assert_int_equal(atomic_load(&board->count), 1);
    kith_lock_free(lock);
}

static void *outlive_the_first_thread(void *nothing)
{
    char path[40], state = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)getpid());
    while (state != 'Z') {
        FILE *file = fopen(path, "re");
        if (!file || fscanf(file, "%*d %*s %c", &state) != 1)
            _exit(1);
        fclose(file);
        sched_yield();
    }
    atomic_store(&board->step, 1);
    sleep_until_killed();
    return nothing;
}

static int own_it_without_a_first_thread(void *lock)
{
    pthread_t thread;
    EXPECT(kith_lock_acquire(lock, KITH_FOREVER) == 0);
    EXPECT(pthread_create(&thread, NULL, outlive_the_first_thread, NULL) == 0);
    pthread_exit(NULL);
}

static void a_process_lives_on_without_its_first_thread(void **state)
{
    (void)state;
    kith_lock *lock = new_lock();
    pid_t owner = child(own_it_without_a_first_thread, lock);
    wait_for_step(1);
    assert_code(acquire_afresh(lock, KITH_NOWAIT), -ETIMEDOUT);
    kill_child(owner);
    assert_code(acquire_afresh(lock, KITH_NOWAIT), KITH_EOWNERDEAD);
    kith_lock_free(lock);
}

/** Makes it another process's that had the same id: the nine bits above the id tell the two apart. */
static void give_to_a_namesake(const kith_lock *lock, pid_t owner)
{
    enum { WORDS = 64 };
    const uint32_t id = 0x3fffff, first = 1 << 22;
    uint32_t *words =
        mmap(NULL, WORDS * sizeof *words, PROT_READ | PROT_WRITE, MAP_SHARED, kith_lock_share_fd(lock), 0);
    assert_true(words != MAP_FAILED);
    int found = 0;
    for (int i = 0; i < WORDS; i++) {
        if ((words[i] & id) == (uint32_t)owner) {
            words[i] = (words[i] & id) | ((words[i] & ~id) == first ? 2 * first : first);
            found++;
        }
    }
    assert_int_equal(found, 1);
    munmap(words, WORDS * sizeof *words);
}

static void a_namesake_owns_nothing(void **state)
{
    (void)state;
    kith_lock *lock = new_lock();
    pid_t owner = owner_of(lock);
    assert_code(acquire_afresh(lock, KITH_NOWAIT), -ETIMEDOUT);
    give_to_a_namesake(lock, owner);
    assert_int_equal(kith_lock_owner(lock), owner);
    assert_code(acquire_afresh(lock, KITH_NOWAIT), KITH_EOWNERDEAD);
    assert_int_equal(kith_lock_owner(lock), getpid());
    kill_child(owner);
    kith_lock_free(lock);
}

/* ---- with a condition ---- */

struct shared_condition {
    kith_lock *lock;
    kith_condition *condition;
};

static int wait_to_be_notified(void *argument)
{
    struct shared_condition *shared = argument;
    EXPECT(kith_condition_wait(shared->condition, KITH_FOREVER) == -EPERM);
    EXPECT(kith_condition_acquire(shared->condition, KITH_FOREVER) == 0);
    EXPECT(kith_condition_wait(shared->condition, KITH_FOREVER) == 0);
    EXPECT(kith_lock_is_owned(shared->lock) == 1 && kith_lock_owner(shared->lock) == getpid());
    return -kith_condition_release(shared->condition);
}

static int hear_of_a_death(void *argument)
{
    struct shared_condition *shared = argument;
    EXPECT(kith_condition_acquire(shared->condition, KITH_FOREVER) == 0);
    EXPECT(kith_condition_wait(shared->condition, KITH_FOREVER) == KITH_EOWNERDEAD);
    return -kith_condition_release(shared->condition);
}

static int notify_and_own(void *argument)
{
    struct shared_condition *shared = argument;
    EXPECT(kith_condition_acquire(shared->condition, KITH_FOREVER) == 0);
    EXPECT(kith_condition_notify(shared->condition, 1) == 1);
    atomic_store(&board->step, 1);
    return sleep_until_killed();
}

static struct shared_condition with_condition(void)
{
    struct shared_condition shared = { .lock = new_lock() };
    assert_code(kith_condition_new(&shared.condition, shared.lock), 0);
    return shared;
}

static void a_condition_may_have_it(void **state)
{
    (void)state;
    struct shared_condition shared = with_condition();
    pid_t waiter = sleeper(wait_to_be_notified, &shared);
    assert_explained(kith_condition_notify(shared.condition, 1), -EPERM);
    assert_code(kith_lock_acquire(shared.lock, KITH_FOREVER), 0); /* the waiter has given it up */
    assert_int_equal(kith_condition_notify(shared.condition, 1), 1);
    assert_code(kith_lock_release(shared.lock), 0);
    assert_int_equal(status_of(waiter), 0);
    kith_condition_free(shared.condition);
    kith_lock_free(shared.lock);
}

static void a_condition_tells_of_its_owners_death(void **state)
{
    (void)state;
    struct shared_condition shared = with_condition();
    pid_t waiter = sleeper(hear_of_a_death, &shared);
    pid_t notifier = child(notify_and_own, &shared);
    wait_for_step(1);
    kill_child(notifier);
    assert_int_equal(status_of(waiter), 0);
    kith_condition_free(shared.condition);
    kith_lock_free(shared.lock);
}

/* ---- where it is ---- */

static void it_stays_one_by_name_by_descriptor_and_in_memory(void **state)
{
    (void)state;
    char name[40];
    kith_lock *lock, *other;
    snprintf(name, sizeof name, "kith-test-anyone-%d", (int)getpid());
    assert_code(kith_lock_open(&lock, name, KITH_CREATE, &anyones), 0);
    kith_lock_free(lock);
    assert_code(kith_lock_open(&lock, name, KITH_OPEN, NULL), 0); /* stale: begun anew */
    assert_code(kith_lock_unlink(name), 0);
    assert_code(kith_lock_acquire(lock, KITH_NOWAIT), 0);
    other = look_afresh(lock);
    assert_int_equal(status_of(child(release, other)), 0);
    kith_lock_free(other);
    kith_lock_free(lock);

    void *memory = mmap(NULL, KITH_LOCK_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED);
    assert_code(kith_lock_in(&lock, memory, KITH_CREATE, &anyones), 0);
    kill_child(owner_of(lock));
    assert_code(kith_lock_in(&other, memory, KITH_OPEN, NULL), 0);
    assert_code(kith_lock_acquire(other, KITH_FOREVER), KITH_EOWNERDEAD);
    assert_int_equal(status_of(child(release, lock)), 0);
    kith_lock_free(other);
    kith_lock_free(lock);
    munmap(memory, KITH_LOCK_SIZE);
}

static void it_can_not_be_recursive(void **state)
{
    (void)state;
    kith_lock *lock;
    const kith_lock_options both = { .recursive = 1, .anyone_releases = 1 };
    assert_explained(kith_lock_new(&lock, &both), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_board(any_thread_of_any_process_releases_it),
        with_board(a_free_one_can_not_be_released),
        with_board(who_acquires_it_again_waits),
        with_board(who_gave_up_is_not_waited_for),
        with_board(a_killed_waiter_takes_no_wakeup_with_it),
        with_board(it_serialises_processes),
        with_board(its_waits_are_interrupted_by_handlers),
        with_board(its_owner_is_a_process),
        with_board(freeing_it_leaves_it_owned),
        with_board(a_sleeper_finds_that_its_owner_was_killed),
        with_board(a_zombie_owns_nothing),
        with_board(who_only_tries_finds_it_too),
        with_board(one_death_is_told_once),
        with_board(a_process_lives_on_without_its_first_thread),
        with_board(a_namesake_owns_nothing),
        with_board(a_condition_may_have_it),
        with_board(a_condition_tells_of_its_owners_death),
        with_board(it_stays_one_by_name_by_descriptor_and_in_memory),
        with_board(it_can_not_be_recursive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
