/* kith/queue.h, readiness: a descriptor for poll and epoll. */
#include "queues.h"
#include "refuse.h"

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/resource.h>

/* So long a test waits for what must come, in milliseconds. */
enum { PATIENCE = 60000 };

static int readiness(void)
{
    int file = kith_queue_fd(queue);
    assert_true(file >= 0);
    return file;
}

static bool readable(int file, int milliseconds)
{
    struct pollfd one = { .fd = file, .events = POLLIN };
    return poll(&one, 1, milliseconds) == 1 && one.revents == POLLIN;
}

static int put_from_a_child(void)
{
    return put_number(1, KITH_FOREVER);
}

static int get_from_a_child(void)
{
    return get_number(KITH_NOWAIT) == 1 ? 0 : 1;
}

/* ---- full and empty ---- */

static void it_is_readable_from_full_to_empty(void **state)
{
    (void)state;
    make(0, 0);
    int file = readiness();
    assert_int_equal(kith_queue_fd(queue), file);
    assert_true(!readable(file, 0));
    for (int round = 0; round < 20; round++) {
        put_numbers(1, 2);
        assert_true(readable(file, PATIENCE));
        assert_int_equal(get_number(KITH_NOWAIT), 1);
        assert_true(readable(file, 0));
        assert_int_equal(get_number(KITH_NOWAIT), 2);
        assert_code(get_code(KITH_NOWAIT), KITH_EEMPTY);
        assert_true(!readable(file, 0));
    }
}

static void get_last(int way)
{
    uint64_t numbers[2];
    const void *data;
    size_t size;
    kith_bytes bytes;
    switch (way) {
    case 0:
        assert_int_equal(get_number(KITH_FOREVER), 1);
        break;
    case 1:
        assert_code(kith_queue_get_bytes(queue, &bytes, KITH_FOREVER), 0);
        kith_bytes_free(&bytes);
        break;
    case 2:
        assert_code(kith_queue_get_many(queue, numbers, sizeof numbers, &size, 1, KITH_FOREVER), 1);
        break;
    case 3:
        assert_code(kith_queue_peek(queue, &data, &size, KITH_FOREVER), 0);
        assert_true(readable(kith_queue_fd(queue), 0));
        assert_code(kith_queue_release(queue, 1), 0);
        break;
    default:
        assert_code(kith_queue_take(queue, &data, &size, KITH_FOREVER), 0);
        assert_true(!readable(kith_queue_fd(queue), 0));
        assert_code(kith_queue_finish(queue, data), 0);
    }
}

/** For those who wait for it, and then get without a timeout. */
static void it_is_not_readable_behind_the_last_message(void **state)
{
    (void)state;
    for (int redeliver = 0; redeliver <= 1; redeliver++) {
        assert_code(kith_queue_new(&queue, &(kith_queue_options){ .redeliver = redeliver }), 0);
        int file = readiness();
        for (int way = 0; way < 4 + redeliver; way++) {
            for (int round = 0; round < 5; round++) {
                put_numbers(1, 1);
                assert_true(readable(file, PATIENCE));
                get_last(way);
                assert_true(!readable(file, 0));
            }
        }
        kith_queue_free(queue);
        queue = NULL;
    }
}

/** The thread that raises it comes late, when the message has gone already. */
static void it_is_not_raised_for_what_is_gone(void **state)
{
    (void)state;
    make(0, 0);
    int file = readiness();
    for (int round = 0; round < 2000; round++) {
        put_numbers(1, 1);
        get_last(0);
        assert_true(!readable(file, 0));
    }
    assert_true(!readable(file, 20));
}

static void asking_for_it_makes_it_right(void **state)
{
    (void)state;
    make(0, 0);
    int file = readiness();
    for (int round = 0; round < 20; round++) {
        put_numbers(1, 1);
        assert_true(readable(readiness(), 0)); /* not only soon */
        assert_int_equal(apart(get_from_a_child), 0);
        assert_true(readable(file, 0)); /* of which this process has not heard */
        assert_true(!readable(readiness(), 0));
    }
    assert_code(kith_queue_shut(queue), 0);
    assert_true(readable(readiness(), 0));
    assert_true(readable(readiness(), 0));
}

static void it_tells_what_was_there_before(void **state)
{
    (void)state;
    make(0, 0);
    put_numbers(1, 1);
    assert_true(readable(readiness(), PATIENCE));
}

static void epoll_tells_of_what_another_process_puts(void **state)
{
    (void)state;
    make(0, 0);
    struct epoll_event event = { .events = EPOLLIN }, seen = { 0 };
    int set = epoll_create1(EPOLL_CLOEXEC);
    assert_true(set >= 0);
    assert_int_equal(epoll_ctl(set, EPOLL_CTL_ADD, readiness(), &event), 0);
    assert_int_equal(epoll_wait(set, &seen, 1, 0), 0);
    for (int round = 0; round < 3; round++) {
        pid_t child = begin(put_from_a_child);
        assert_int_equal(epoll_wait(set, &seen, 1, PATIENCE), 1);
        assert_int_equal(end(child), 0);
        assert_int_equal(get_number(KITH_NOWAIT), 1);
        assert_code(get_code(KITH_NOWAIT), KITH_EEMPTY);
        assert_int_equal(epoll_wait(set, &seen, 1, 0), 0);
    }
    close(set);
}

static int put_and_be_killed(void)
{
    EXPECT(put_number(4, KITH_FOREVER) == 0);
    raise(SIGKILL);
    return 1;
}

static void it_tells_of_what_a_killed_putter_has_put(void **state)
{
    (void)state;
    make(0, 0);
    int file = readiness();
    assert_int_equal(apart(put_and_be_killed), -SIGKILL);
    assert_true(readable(file, PATIENCE));
    assert_int_equal(get_number(KITH_NOWAIT), 4);
}

static void it_tells_that_the_queue_is_shut(void **state)
{
    (void)state;
    make(0, 0);
    int file = readiness();
    assert_code(kith_queue_shut(queue), 0);
    assert_true(readable(file, PATIENCE));
    assert_code(get_code(KITH_NOWAIT), KITH_ECLOSED);
    assert_true(readable(file, 0)); /* and stays so */
}

static int get_once(void)
{
    return get_number(KITH_FOREVER) == 1 ? 0 : 1;
}

static int get_and_stay(void)
{
    EXPECT(get_number(KITH_NOWAIT) == 1);
    return stay();
}

static void it_tells_of_what_a_dead_getter_had(void **state)
{
    (void)state;
    assert_code(kith_queue_new(&queue, &(kith_queue_options){ .redeliver = 1 }), 0);
    put_numbers(1, 1);
    pid_t getter = begin(get_and_stay);
    wait_for_step(1);
    int file = readiness();
    assert_true(!readable(file, 0));
    end_by_kill(getter);
    assert_true(readable(file, PATIENCE));
    assert_int_equal(get_number(KITH_NOWAIT), 1);
    assert_true(!readable(file, 0));
    assert_code(kith_queue_task_done(queue), 0);
    assert_code(get_code(KITH_NOWAIT), KITH_EEMPTY);
    assert_true(!readable(file, 0));
}

/** Who dies while it waits leaves nothing to be got. */
static void it_tells_nothing_of_a_getter_that_had_nothing(void **state)
{
    (void)state;
    assert_code(kith_queue_new(&queue, &(kith_queue_options){ .redeliver = 1 }), 0);
    int file = readiness();
    pid_t getter = begin_to_sleep(get_once);
    end_by_kill(getter);
    assert_true(!readable(file, 20));
    assert_code(kith_queue_empty(queue), 1);
    assert_true(!readable(readiness(), 0));
    put_numbers(1, 1);
    assert_true(readable(file, PATIENCE));
}

/* ---- many at it ---- */

static int poll_and_get(void)
{
    int file = kith_queue_fd(queue);
    EXPECT(file >= 0);
    take_step();
    for (;;) {
        EXPECT(readable(file, PATIENCE));
        for (;;) {
            uint64_t number;
            size_t size;
            int code = kith_queue_get(queue, &number, sizeof number, &size, KITH_NOWAIT);
            if (code == KITH_ECLOSED)
                return 0;
            if (code == KITH_EEMPTY)
                break;
            EXPECT(code == 0);
            atomic_fetch_add(&board->sum, number);
        }
    }
}

static void several_processes_share_the_messages(void **state)
{
    (void)state;
    pid_t children[3];
    make(0, 0);
    readiness();
    for (int i = 0; i < 3; i++)
        children[i] = begin(poll_and_get);
    wait_for_step(3);
    for (uint64_t i = 1; i <= 3000; i++)
        assert_code(put_number(i, KITH_NOWAIT), 0);
    while (kith_queue_empty(queue) == 0)
        sched_yield();
    assert_code(kith_queue_shut(queue), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(end(children[i]), 0);
    assert_int_equal(atomic_load(&board->sum), 3000ull * 3001 / 2);
}

/** The thread behind the descriptor sleeps among the getters. It must not swallow what is meant for one. */
static void who_sleeps_in_a_get_is_woken_beside_it(void **state)
{
    (void)state;
    make(0, 0);
    readiness();
    pid_t getters[2] = { begin_to_sleep(get_once), begin_to_sleep(get_once) };
    put_numbers(1, 1);
    put_numbers(1, 1);
    for (int i = 0; i < 2; i++)
        assert_int_equal(end(getters[i]), 0);
}

static void *get_until_shut(void *nothing)
{
    for (int code = 0; code != KITH_ECLOSED; code = get_code(KITH_NOWAIT)) {
        if (code == 0)
            continue;
        if (code != KITH_EEMPTY || !readable(kith_queue_fd(queue), PATIENCE))
            return queue;
    }
    return nothing;
}

static void threads_that_poll_one_handle_miss_nothing(void **state)
{
    (void)state;
    pthread_t threads[3];
    void *result;
    make(0, 0);
    readiness();
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, get_until_shut, NULL), 0);
    for (uint64_t i = 0; i < 3000; i++) {
        assert_code(put_number(i, KITH_NOWAIT), 0);
        if (i % 7 == 0) {
            while (kith_queue_empty(queue) == 0)
                sched_yield();
        }
    }
    assert_code(kith_queue_shut(queue), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_null(result);
    }
}

/* ---- life ---- */

static void closing_gives_it_back_whatever_its_thread_does(void **state)
{
    (void)state;
    for (int round = 0; round < 6; round++) {
        make(0, 0);
        int file = readiness();
        if (round % 3 == 1) {
            put_numbers(1, 1);
            assert_true(readable(file, PATIENCE));
        }
        if (round % 3 == 2) {
            const void *data;
            size_t size;
            put_numbers(1, 1);
            assert_code(kith_queue_peek(queue, &data, &size, KITH_NOWAIT), 0);
        }
        assert_code(kith_queue_close(queue), 0);
        assert_int_equal(descriptors(), descriptors_before);
        assert_explained(kith_queue_fd(queue), KITH_ECLOSED);
        kith_queue_free(queue);
        queue = NULL;
    }
}

static int have_one_of_its_own(void)
{
    int inherited = descriptors();
    int file = kith_queue_fd(queue);
    EXPECT(file >= 0);
    EXPECT(descriptors() == inherited); /* the parent's went */
    EXPECT(!readable(file, 0));
    take_step();
    EXPECT(readable(file, PATIENCE));
    EXPECT(get_number(KITH_NOWAIT) == 5);
    EXPECT(get_code(KITH_NOWAIT) == KITH_EEMPTY);
    EXPECT(!readable(file, 0));
    EXPECT(kith_queue_close(queue) == 0);
    return 0;
}

static int get_without_one(void)
{
    EXPECT(get_code(KITH_NOWAIT) == KITH_EEMPTY);
    EXPECT(kith_queue_close(queue) == 0);
    return descriptors() == descriptors_before ? 0 : 2;
}

static void a_child_made_by_fork_asks_for_its_own(void **state)
{
    (void)state;
    make(0, 0);
    int file = readiness();
    assert_int_equal(apart(get_without_one), 0);
    pid_t child = begin(have_one_of_its_own);
    wait_for_step(1);
    put_numbers(5, 5);
    assert_int_equal(end(child), 0);
    put_numbers(6, 6);
    assert_true(readable(file, PATIENCE)); /* the parent's still works */
    assert_int_equal(get_number(KITH_NOWAIT), 6);
    assert_code(get_code(KITH_NOWAIT), KITH_EEMPTY);
    assert_true(!readable(file, 0));
}

/* ---- refusals ---- */

static int no_descriptor_is_left(void)
{
    struct rlimit limit;
    EXPECT(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    EXPECT(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 3, limit.rlim_max }) == 0);
    EXPECT_REFUSED(kith_queue_fd(queue), -EMFILE);
    EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    EXPECT(kith_queue_fd(queue) >= 0);
    return 0;
}

static int no_thread_can_be_started(void)
{
    int before = descriptors();
    EXPECT(refuse(SYS_clone3, EAGAIN) == 0 && refuse(SYS_clone, EAGAIN) == 0);
    EXPECT_REFUSED(kith_queue_fd(queue), -EAGAIN);
    EXPECT(descriptors() == before);
    _exit(0); /* the leak check at exit would need a thread */
}

static void refusals_are_explained(void **state)
{
    (void)state;
    assert_explained(kith_queue_fd(NULL), -EINVAL);
    make(0, 0);
    assert_int_equal(apart(no_descriptor_is_left), 0);
    assert_int_equal(apart(no_thread_can_be_started), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_board(it_is_readable_from_full_to_empty),
        with_board(it_is_not_readable_behind_the_last_message),
        with_board(it_is_not_raised_for_what_is_gone),
        with_board(asking_for_it_makes_it_right),
        with_board(it_tells_what_was_there_before),
        with_board(epoll_tells_of_what_another_process_puts),
        with_board(it_tells_of_what_a_killed_putter_has_put),
        with_board(it_tells_that_the_queue_is_shut),
        with_board(it_tells_of_what_a_dead_getter_had),
        with_board(it_tells_nothing_of_a_getter_that_had_nothing),
        with_board(several_processes_share_the_messages),
        with_board(who_sleeps_in_a_get_is_woken_beside_it),
        with_board(threads_that_poll_one_handle_miss_nothing),
        with_board(closing_gives_it_back_whatever_its_thread_does),
        with_board(a_child_made_by_fork_asks_for_its_own),
        with_board(refusals_are_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
