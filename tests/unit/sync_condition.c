/* kith/sync.h: conditions, between processes and threads. */
#include "apart.h"
#include "crew.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>

/** What children are started with. */
struct work {
    kith_condition *condition;
    int number;
};

static kith_condition *make(kith_lock *lock)
{
    kith_condition *condition = NULL;
    assert_code(kith_condition_new(&condition, lock), 0);
    return condition;
}

static int wait_once(struct work *work, kith_timeout timeout)
{
    if (kith_condition_acquire(work->condition, KITH_FOREVER) != 0)
        return 1;
    int code = kith_condition_wait(work->condition, timeout);
    atomic_store(&board->places[atomic_fetch_add(&board->count, 1)], work->number);
    return kith_condition_release(work->condition) == 0 ? code : 1;
}

static int wait_to_be_notified(void *work)
{
    return wait_once(work, KITH_FOREVER) == 0 ? 0 : 1;
}

static int wait_for_a_dead_owner(void *work)
{
    return wait_once(work, KITH_FOREVER) == KITH_EOWNERDEAD ? 0 : 1;
}

static void notify(kith_condition *condition, unsigned count, int expected)
{
    assert_code(kith_condition_acquire(condition, KITH_FOREVER), 0);
    assert_int_equal(kith_condition_notify(condition, count), expected);
    assert_code(kith_condition_release(condition), 0);
}

static void wait_for_count(uint64_t count)
{
    while (atomic_load(&board->count) < count)
        sched_yield();
}

static int wait_twice_acquired(void *argument)
{
    struct work *work = argument;
    bool good = kith_condition_acquire(work->condition, KITH_FOREVER) == 0 &&
                kith_condition_acquire(work->condition, KITH_FOREVER) == 0 &&
                kith_condition_wait(work->condition, KITH_FOREVER) == 0 &&
                kith_condition_release(work->condition) == 0 && kith_condition_release(work->condition) == 0 &&
                kith_condition_release(work->condition) == -EPERM;
    return good ? 0 : 1;
}

static void wait_gives_all_levels_up_and_takes_them_back(void **state)
{
    (void)state;
    struct work work = { make(NULL), 0 };
    pid_t waiter = sleeper(wait_twice_acquired, &work);
    notify(work.condition, 1, 1);
    assert_int_equal(status_of(waiter), 0);
    kith_condition_free(work.condition);
    kith_condition_free(NULL);
}

static void the_longest_waiting_are_notified(void **state)
{
    (void)state;
    struct work work[5] = { { make(NULL), 0 } };
    pid_t waiters[5];
    for (int i = 0; i < 5; i++) {
        work[i] = (struct work){ work[0].condition, i };
        waiters[i] = sleeper(wait_to_be_notified, &work[i]);
    }
    for (int i = 0; i < 2; i++) {
        notify(work[0].condition, 1, 1);
        assert_int_equal(status_of(waiters[i]), 0);
    }
    notify(work[0].condition, 2, 2);
    assert_int_equal(status_of(waiters[2]), 0);
    assert_int_equal(status_of(waiters[3]), 0);
    assert_int_equal(atomic_load(&board->count), 4);
    assert_int_equal(waitpid(waiters[4], NULL, WNOHANG), 0);
    notify(work[0].condition, 9, 1);
    assert_int_equal(status_of(waiters[4]), 0);
    notify(work[0].condition, 1, 0);
    kith_condition_free(work[0].condition);
}

static void who_comes_later_takes_no_notification_away(void **state)
{
    (void)state;
    struct work work = { make(NULL), 0 };
    pid_t first = sleeper(wait_to_be_notified, &work);
    stop_child(first);
    notify(work.condition, 1, 1);
    pid_t later = sleeper(wait_to_be_notified, &work);
    assert_int_equal(kill(first, SIGCONT), 0);
    assert_int_equal(status_of(first), 0);
    assert_int_equal(waitpid(later, NULL, WNOHANG), 0);
    notify(work.condition, 1, 1);
    assert_int_equal(status_of(later), 0);
    kith_condition_free(work.condition);
}

static void wait_times_out(void **state)
{
    (void)state;
    kith_condition *condition = make(NULL);
    assert_code(kith_condition_acquire(condition, KITH_NOWAIT), 0);
    assert_code(kith_condition_wait(condition, KITH_NOWAIT), -ETIMEDOUT);
    assert_code(kith_condition_wait(condition, KITH_MS(10)), -ETIMEDOUT);
    assert_int_equal(kith_condition_notify_all(condition), 0); /* it waits no more */
    assert_code(kith_condition_release(condition), 0);
    kith_condition_free(condition);
}

static void a_dead_waiter_does_not_count(void **state)
{
    (void)state;
    struct work work = { make(NULL), 0 };
    pid_t first = sleeper(wait_to_be_notified, &work);
    pid_t second = sleeper(wait_to_be_notified, &work);
    kill_child(first);
    notify(work.condition, 1, 1);
    assert_int_equal(status_of(second), 0);
    kith_condition_free(work.condition);
}

static void a_notified_waiter_that_dies_passes_it_on(void **state)
{
    (void)state;
    struct work work = { make(NULL), 0 };
    pid_t first = sleeper(wait_to_be_notified, &work);
    pid_t second = sleeper(wait_to_be_notified, &work);
    pid_t third = sleeper(wait_to_be_notified, &work);
    stop_child(first);
    notify(work.condition, 1, 1);
    kill_child(first);
    assert_int_equal(status_of(second), 0);
    assert_int_equal(waitpid(third, NULL, WNOHANG), 0);
    notify(work.condition, 1, 1);
    assert_int_equal(status_of(third), 0);
    kith_condition_free(work.condition);
}

static void a_waiter_that_dies_taking_the_lock_back_passes_it_on(void **state)
{
    (void)state;
    struct work work = { make(NULL), 0 };
    pid_t first = sleeper(wait_to_be_notified, &work);
    pid_t second = sleeper(wait_to_be_notified, &work);
    assert_code(kith_condition_acquire(work.condition, KITH_FOREVER), 0);
    stop_child(first);
    assert_int_equal(kith_condition_notify(work.condition, 1), 1);
    assert_int_equal(kill(first, SIGCONT), 0);
    char path[40], text[40] = "";
    long number = SYS_futex_waitv;
    snprintf(path, sizeof path, "/proc/%d/syscall", (int)first);
    while (number != SYS_futex) { /* it sleeps for the lock alone */
        int file = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(file >= 0 && read(file, text, sizeof text - 1) > 0);
        close(file);
        if (sscanf(text, "%ld", &number) != 1)
            number = SYS_futex_waitv;
    }
    kill_child(first);
    assert_code(kith_condition_release(work.condition), 0);
    assert_int_equal(status_of(second), 0);
    kith_condition_free(work.condition);
}

static int notify_and_die(void *argument)
{
    struct work *work = argument;
    if (kith_condition_acquire(work->condition, KITH_FOREVER) != 0)
        return 1;
    return kith_condition_notify(work->condition, 1) == 1 ? 0 : 1;
}

static void a_dead_owner_is_told(void **state)
{
    (void)state;
    struct work work = { make(NULL), 0 };
    pid_t waiter = sleeper(wait_for_a_dead_owner, &work);
    assert_int_equal(status_of(child(notify_and_die, &work)), 0);
    assert_int_equal(status_of(waiter), 0);
    notify(work.condition, 1, 0); /* and the lock is whole */
    kith_condition_free(work.condition);
}

static int wait_until_interrupted(void *work)
{
    be_interruptible();
    return -wait_once(work, KITH_FOREVER);
}

static void handlers_interrupt_a_wait(void **state)
{
    (void)state;
    struct work work = { make(NULL), 0 };
    assert_int_equal(interrupt(sleeper(wait_until_interrupted, &work)), EINTR);
    notify(work.condition, 1, 0);
    kith_condition_free(work.condition);
}

/** As kith_on_interruption has it: goes on three times. */
static int give_up_at_last(void *context)
{
    int *times = context;
    return ++*times > 3;
}

static int keep_the_place(void *argument)
{
    struct work *work = argument;
    int times = 0;
    kith_on_interruption(give_up_at_last, &times);
    be_interruptible();
    int code = wait_once(work, KITH_FOREVER);
    kith_on_interruption(NULL, NULL);
    return code == -EINTR && times == 4 ? 0 : 1;
}

static void a_place_is_kept_while_handlers_run(void **state)
{
    (void)state;
    struct work work = { make(NULL), 0 };
    pid_t waiter = sleeper(keep_the_place, &work);
    assert_int_equal(kith_condition_waiting(work.condition), 1);
    assert_int_equal(interrupt(waiter), 0);
    assert_int_equal(kith_condition_waiting(work.condition), 0);
    kith_condition_free(work.condition);
}

static void a_condition_goes_by_descriptor_and_its_lock_beside_it(void **state)
{
    (void)state;
    kith_lock *lock, *same;
    assert_code(kith_lock_new(&lock, NULL), 0);
    assert_code(kith_lock_from_fd(&same, kith_lock_share_fd(lock)), 0);
    struct work made = { make(lock), 1 }, found = { NULL, 2 };
    assert_code(kith_condition_from_fd(&found.condition, kith_condition_share_fd(made.condition), same), 0);
    pid_t waiter = sleeper(wait_to_be_notified, &found);
    notify(made.condition, 1, 1);
    assert_int_equal(status_of(waiter), 0);
    kith_condition_free(found.condition);
    kith_condition_free(made.condition);
    kith_lock_free(same);
    kith_lock_free(lock);
}

static void conditions_share_a_lock(void **state)
{
    (void)state;
    kith_lock *lock;
    assert_code(kith_lock_new(&lock, NULL), 0);
    struct work one = { make(lock), 1 }, other = { make(lock), 2 };
    pid_t first = sleeper(wait_to_be_notified, &one);
    pid_t second = sleeper(wait_to_be_notified, &other);
    assert_code(kith_lock_acquire(lock, KITH_FOREVER), 0);
    assert_explained(kith_condition_acquire(one.condition, KITH_FOREVER), -EDEADLK);
    assert_int_equal(kith_condition_notify_all(other.condition), 1);
    assert_code(kith_lock_release(lock), 0);
    assert_int_equal(status_of(second), 0);
    notify(one.condition, 1, 1);
    assert_int_equal(status_of(first), 0);
    kith_condition_free(one.condition);
    kith_condition_free(other.condition);
    assert_code(kith_lock_acquire(lock, KITH_NOWAIT), 0);
    kith_lock_free(lock);
}

static int count_is_even(void *argument)
{
    (void)argument;
    return atomic_load(&board->count) % 2 == 0;
}

static int wait_for_an_even_count(void *argument)
{
    struct work *work = argument;
    return kith_condition_acquire(work->condition, KITH_FOREVER) == 0 &&
                   kith_condition_wait_for(work->condition, count_is_even, NULL, KITH_FOREVER) == 0 &&
                   kith_condition_release(work->condition) == 0
               ? 0
               : 1;
}

static void wait_for_looks_before_and_after(void **state)
{
    (void)state;
    struct work work = { make(NULL), 0 };
    assert_code(kith_condition_acquire(work.condition, KITH_FOREVER), 0);
    assert_code(kith_condition_wait_for(work.condition, count_is_even, NULL, KITH_NOWAIT), 0);
    atomic_store(&board->count, 1);
    assert_code(kith_condition_wait_for(work.condition, count_is_even, NULL, KITH_NOWAIT), -ETIMEDOUT);
    assert_code(kith_condition_wait_for(work.condition, count_is_even, NULL, KITH_MS(5)), -ETIMEDOUT);
    assert_code(kith_condition_release(work.condition), 0);
    pid_t waiter = sleeper(wait_for_an_even_count, &work);
    notify(work.condition, 1, 1); /* it is not so yet */
    assert_code(kith_condition_acquire(work.condition, KITH_FOREVER), 0);
    atomic_store(&board->count, 2);
    while (kith_condition_notify(work.condition, 1) == 0) { /* it may be on its way back to sleep */
        assert_code(kith_condition_release(work.condition), 0);
        if (waitpid(waiter, NULL, WNOHANG | WNOWAIT) != 0)
            break;
        sched_yield();
        assert_code(kith_condition_acquire(work.condition, KITH_FOREVER), 0);
    }
    kith_condition_release(work.condition);
    assert_int_equal(status_of(waiter), 0);
    kith_condition_free(work.condition);
}

static void *wait_in_a_thread(void *work)
{
    return (void *)(intptr_t)wait_to_be_notified(work);
}

/** Starts threads that wait; they are counted as the condition sees them. */
static void start_waiting(kith_condition *condition, pthread_t *threads, int count, struct work *work)
{
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 128 * 1024);
    *work = (struct work){ condition, 0 };
    for (int i = 0; i < count; i++)
        assert_int_equal(pthread_create(&threads[i], &small, wait_in_a_thread, work), 0);
    pthread_attr_destroy(&small);
}

static void many_wait(void **state)
{
    (void)state;
    enum { MANY = 60 };
    pthread_t threads[MANY];
    struct work work;
    kith_condition *condition = make(NULL);
    start_waiting(condition, threads, MANY, &work);
    int notified = 0;
    while (notified < MANY) {
        assert_code(kith_condition_acquire(condition, KITH_FOREVER), 0);
        notified += kith_condition_notify_all(condition);
        assert_code(kith_condition_release(condition), 0);
    }
    for (int i = 0; i < MANY; i++) {
        void *result;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_null(result);
    }
    wait_for_count(MANY);
    kith_condition_free(condition);
}

static void *wait_in_a_thread_that_is_known(void *argument)
{
    struct work *work = argument;
    atomic_store(&board->places[work->number], (int)gettid());
    atomic_fetch_add(&board->step, 1);
    return wait_in_a_thread(work);
}

/** Waits for ever, with others, in a process that may not have longer files. */
static int wait_without_memory(void *argument)
{
    enum { FIRST = 16 }; /* so many have memory from the beginning */
    static struct work works[FIRST];
    struct rlimit limit = { 1, 1 };
    EXPECT(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    for (int i = 0; i < FIRST; i++) {
        pthread_t thread;
        works[i] = (struct work){ argument, i };
        EXPECT(pthread_create(&thread, NULL, wait_in_a_thread_that_is_known, &works[i]) == 0);
        wait_for_step(i + 1);
        wait_until_asleep(atomic_load(&board->places[i]));
    }
    EXPECT(kith_condition_acquire(argument, KITH_FOREVER) == 0);
    EXPECT(kith_condition_wait(argument, KITH_NOWAIT) == -EFBIG);
    EXPECT(strlen(kith_error_detail()) > 10);
    EXPECT(kith_condition_notify_all(argument) == FIRST);
    return 0;
}

static void wait_says_when_there_is_no_memory(void **state)
{
    (void)state;
    kith_condition *condition = make(NULL);
    assert_int_equal(status_of(child(wait_without_memory, condition)), 0);
    kith_condition_free(condition);
}

static int cannot_wait(void *argument)
{
    struct work *work = argument;
    return kith_condition_wait(work->condition, KITH_NOWAIT) == -EPERM &&
                   kith_condition_notify_all(work->condition) == -EPERM
               ? 0
               : 1;
}

static void only_the_owner_waits_and_notifies(void **state)
{
    (void)state;
    struct work work = { make(NULL), 0 };
    assert_explained(kith_condition_wait(work.condition, KITH_NOWAIT), -EPERM);
    assert_explained(kith_condition_wait_for(work.condition, count_is_even, NULL, KITH_NOWAIT), -EPERM);
    assert_explained(kith_condition_notify(work.condition, 1), -EPERM);
    assert_code(kith_condition_acquire(work.condition, KITH_FOREVER), 0);
    assert_int_equal(status_of(child(cannot_wait, &work)), 0); /* a child owns nothing */
    kith_condition_free(work.condition);                       /* released on the way */
}

static void condition_refuses_bad_input(void **state)
{
    (void)state;
    assert_explained(kith_condition_new(NULL, NULL), -EINVAL);
    assert_explained(kith_condition_acquire(NULL, KITH_FOREVER), -EINVAL);
    assert_explained(kith_condition_release(NULL), -EINVAL);
    assert_explained(kith_condition_waiting(NULL), -EINVAL);
    assert_explained(kith_condition_wait(NULL, KITH_FOREVER), -EINVAL);
    assert_explained(kith_condition_wait_for(NULL, count_is_even, NULL, KITH_FOREVER), -EINVAL);
    assert_explained(kith_condition_notify(NULL, 1), -EINVAL);
    assert_explained(kith_condition_notify_all(NULL), -EINVAL);
    kith_condition *condition = make(NULL);
    assert_code(kith_condition_acquire(condition, KITH_FOREVER), 0);
    assert_explained(kith_condition_wait(condition, -2), -EINVAL);
    assert_explained(kith_condition_wait_for(condition, NULL, NULL, KITH_FOREVER), -EINVAL);
    assert_explained(kith_condition_wait_for(condition, count_is_even, NULL, -2), -EINVAL);
    kith_condition_free(condition);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_board(wait_gives_all_levels_up_and_takes_them_back),
        with_board(the_longest_waiting_are_notified),
        with_board(who_comes_later_takes_no_notification_away),
        with_board(wait_times_out),
        with_board(a_dead_waiter_does_not_count),
        with_board(a_notified_waiter_that_dies_passes_it_on),
        with_board(a_waiter_that_dies_taking_the_lock_back_passes_it_on),
        with_board(a_dead_owner_is_told),
        with_board(handlers_interrupt_a_wait),
        with_board(a_place_is_kept_while_handlers_run),
        with_board(a_condition_goes_by_descriptor_and_its_lock_beside_it),
        with_board(conditions_share_a_lock),
        with_board(wait_for_looks_before_and_after),
        with_board(many_wait),
        with_board(wait_says_when_there_is_no_memory),
        with_board(only_the_owner_waits_and_notifies),
        with_board(condition_refuses_bad_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
