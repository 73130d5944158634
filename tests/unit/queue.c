/* kith/queue.h: order, bounds, waiting, sizes, memory, bad input, and what happens when the system refuses. Children
 * are made by fork here, so that this test stands on its own; deaths at random instants are in tests/crash. */
#include "queues.h"
#include "refuse.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>

static void put_pattern(size_t size, size_t seed)
{
    unsigned char *data = malloc(size + 1);
    assert_non_null(data);
    fill(data, size, seed);
    int code = kith_queue_put(queue, data, size, KITH_FOREVER);
    free(data);
    assert_code(code, 0);
}

static void get_pattern(size_t size, size_t seed)
{
    kith_bytes message;
    assert_code(kith_queue_get_bytes(queue, &message, KITH_FOREVER), 0);
    assert_int_equal(message.size, size);
    unsigned char *wanted = malloc(size + 1);
    assert_non_null(wanted);
    fill(wanted, size, seed);
    int difference = memcmp(message.data, wanted, size);
    free(wanted);
    kith_bytes_free(&message);
    assert_int_equal(difference, 0);
}

/* ---- order and sizes ---- */

static void messages_keep_their_order(void **state)
{
    (void)state;
    make(0, 0);
    for (uint64_t i = 0; i < 1000; i++)
        assert_code(put_number(i, KITH_NOWAIT), 0);
    assert_code(kith_queue_qsize(queue), 1000);
    for (uint64_t i = 0; i < 1000; i++)
        assert_int_equal(get_number(KITH_NOWAIT), i);
    assert_code(kith_queue_empty(queue), 1);
}

static void messages_of_every_size_come_back_whole(void **state)
{
    (void)state;
    static const size_t sizes[] = {
        0, 1, 7, 8, 9, 63, 64, 65, 4095, 4096, 65536, 256 * 1024 - 8, 256 * 1024 - 7, 256 * 1024, MIB, 5 * MIB + 3
    };
    make(0, 0);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        put_pattern(sizes[i], i);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        get_pattern(sizes[i], i);
}

static void records_wrap_around_whole(void **state)
{
    (void)state;
    make(0, 0);
    size_t put = 0,
           got = 0; /* a message's size and content follow from its number; several laps around the first region */
    while (got < 4000) {
        while (put < got + 5)
            put_pattern(put * 37 % 2000, put), put++;
        get_pattern(got * 37 % 2000, got), got++;
    }
}

static void a_message_that_does_not_fit_stays(void **state)
{
    (void)state;
    char buffer[4];
    size_t size = 99;
    make(0, 0);
    assert_code(kith_queue_put(queue, "hello", 5, KITH_NOWAIT), 0);
    assert_explained(kith_queue_get(queue, buffer, sizeof buffer, &size, KITH_NOWAIT), -EMSGSIZE);
    assert_int_equal(size, 5);
    assert_code(kith_queue_get(queue, NULL, 0, &size, KITH_NOWAIT), -EMSGSIZE);
    kith_bytes message;
    assert_code(kith_queue_get_bytes(queue, &message, KITH_NOWAIT), 0);
    assert_memory_equal(message.data, "hello", 5);
    kith_bytes_free(&message);
}

static void an_empty_message_is_a_message(void **state)
{
    (void)state;
    kith_bytes message;
    size_t size = 99;
    make(0, 0);
    assert_code(kith_queue_put(queue, NULL, 0, KITH_NOWAIT), 0);
    assert_code(kith_queue_put(queue, NULL, 0, KITH_NOWAIT), 0);
    assert_code(kith_queue_get(queue, NULL, 0, &size, KITH_NOWAIT), 0);
    assert_int_equal(size, 0);
    assert_code(kith_queue_get_bytes(queue, &message, KITH_NOWAIT), 0);
    assert_non_null(message.data);
    assert_int_equal(message.size, 0);
    kith_bytes_free(&message);
}

/* ---- bounds ---- */

static void bounded_by_items(void **state)
{
    (void)state;
    make(2, 0);
    assert_code(kith_queue_full(queue), 0);
    assert_code(put_number(1, KITH_NOWAIT), 0);
    put_pattern(MIB, 2); /* big ones count one, too */
    assert_code(kith_queue_full(queue), 1);
    assert_code(put_number(3, KITH_NOWAIT), KITH_EFULL);
    assert_code(put_number(3, KITH_MS(10)), KITH_EFULL);
    assert_int_equal(get_number(KITH_NOWAIT), 1);
    assert_code(put_number(3, KITH_NOWAIT), 0);
    get_pattern(MIB, 2);
    assert_int_equal(get_number(KITH_NOWAIT), 3);
    assert_code(kith_queue_qsize(queue), 0);
}

static void bounded_by_bytes_exactly(void **state)
{
    (void)state;
    char data[200] = "";
    size_t size;
    make(0, 64);
    assert_code(kith_queue_put(queue, data, 56, KITH_NOWAIT), 0); /* 56 + 8: all of it */
    assert_code(kith_queue_full(queue), 1);
    assert_code(kith_queue_put(queue, NULL, 0, KITH_NOWAIT), KITH_EFULL);
    assert_code(kith_queue_get(queue, data, sizeof data, &size, KITH_NOWAIT), 0);
    assert_explained(kith_queue_put(queue, data, 57, KITH_NOWAIT), -EMSGSIZE);
    assert_explained(kith_queue_put(queue, data, 57, KITH_FOREVER), -EMSGSIZE);
    for (int i = 0; i < 8; i++)
        assert_code(kith_queue_put(queue, NULL, 0, KITH_NOWAIT), 0);
    assert_code(kith_queue_put(queue, NULL, 0, KITH_NOWAIT), KITH_EFULL);
}

static void bounded_by_many_bytes(void **state)
{
    (void)state;
    make(0, 10 * MIB); /* more than the first region: it has to grow, and to stop at the bound */
    int count = 0;
    char *data = calloc(1, MIB);
    assert_non_null(data);
    while (kith_queue_put(queue, data, MIB - 8, KITH_NOWAIT) == 0)
        count++;
    free(data);
    assert_int_equal(count, 10);
    assert_int_equal(kith_queue_full(queue), 1);
}

static void an_unbounded_queue_is_never_full(void **state)
{
    (void)state;
    make(0, 0);
    for (uint64_t i = 0; i < 100000; i++)
        assert_code(put_number(i, KITH_NOWAIT), 0);
    assert_code(kith_queue_full(queue), 0);
    assert_code(kith_queue_qsize(queue), 100000);
}

static void empty_is_told_at_once_or_in_time(void **state)
{
    (void)state;
    size_t size;
    make(0, 0);
    assert_code(kith_queue_get(queue, NULL, 0, &size, KITH_NOWAIT), KITH_EEMPTY);
    assert_code(kith_queue_get(queue, NULL, 0, &size, KITH_MS(10)), KITH_EEMPTY);
    assert_code(kith_queue_empty(queue), 1);
}

/* ---- memory ---- */

/** The memory that the queue's file takes, in bytes. */
static size_t footprint(void)
{
    size_t total = 0;
    for (int fd = 0; fd < 256; fd++) {
        char path[64], target[64] = "";
        struct stat status;
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (readlink(path, target, sizeof target - 1) > 0 && strstr(target, "kith-queue") && fstat(fd, &status) == 0)
            total += (size_t)status.st_blocks * 512;
    }
    return total;
}

static void a_new_queue_takes_little(void **state)
{
    (void)state;
    make(0, 0);
    assert_true(footprint() > 0);
    assert_true(footprint() <= 64 * 1024);
    assert_code(put_number(1, KITH_NOWAIT), 0);
    assert_true(footprint() <= 128 * 1024);
}

static void a_million_unread_messages_go_and_their_memory_with_them(void **state)
{
    (void)state;
    char data[64] = "";
    size_t size;
    make(0, 0);
    size_t before = footprint();
    for (int i = 0; i < 1000000; i++)
        assert_code(kith_queue_put(queue, data, sizeof data, KITH_NOWAIT), 0);
    assert_true(footprint() >= 72000000);
    assert_true(footprint() <= 160 * MIB);
    size_t half = 0;
    for (int i = 0; i < 1000000; i++) {
        assert_code(kith_queue_get(queue, data, sizeof data, &size, KITH_NOWAIT), 0);
        if (i == 750000)
            half = footprint();
    }
    assert_true(half <= 48 * MIB); /* it goes as they go, not only at the end */
    assert_true(footprint() <= before + 4 * MIB);
}

static void a_big_message_goes_and_its_memory_with_it(void **state)
{
    (void)state;
    make(0, 0);
    for (size_t i = 0; i < 3; i++) {
        put_pattern(20 * MIB, i);
        get_pattern(20 * MIB, i);
        if (i == 0)
            assert_true(footprint() <= 4 * MIB);
    }
}

static void a_queue_grows_and_shrinks_in_waves(void **state)
{
    (void)state;
    make(0, 0);
    size_t put = 0, got = 0;
    for (int wave = 1; wave <= 6; wave++) {
        for (int i = 0; i < 300 * wave; i++, put++)
            put_pattern(put * 7919 % 30000, put);
        while (put - got > (size_t)wave * 10) {
            get_pattern(got * 7919 % 30000, got);
            got++;
        }
    }
    for (; got < put; got++)
        get_pattern(got * 7919 % 30000, got);
    /* What waves need may be kept for the next one, but not when a getter finds nothing to do for a second. */
    size_t size;
    assert_code(kith_queue_get(queue, NULL, 0, &size, KITH_SECONDS(1.1)), KITH_EEMPTY);
    assert_true(footprint() <= 1 * MIB);
}

static unsigned char big_one[MIB];

static void put_big_ones(int count)
{
    for (int i = 0; i < count; i++)
        assert_code(kith_queue_put(queue, big_one, sizeof big_one, KITH_NOWAIT), 0);
}

static void get_big_ones(int count)
{
    size_t size;
    for (int i = 0; i < count; i++)
        assert_code(kith_queue_get(queue, big_one, sizeof big_one, &size, KITH_NOWAIT), 0);
}

/** A region is given back in part, before it turns out that such memory is worth keeping: the rest goes with it. */
static void what_is_given_back_in_part_is_not_kept(void **state)
{
    (void)state;
    make(0, 0);
    put_big_ones(24);
    get_big_ones(8);
    put_big_ones(56);
    get_big_ones(72);
    size_t kept = (size_t)stats_now().memory;
    assert_true(footprint() <= kept + MIB); /* nothing is there that the queue does not know of */
}

static void a_putter_that_has_given_up_does_not_keep_memory(void **state)
{
    (void)state;
    make(24, 0);
    put_big_ones(24);
    assert_code(kith_queue_put(queue, "", 0, KITH_MS(10)), KITH_EFULL); /* asleep meanwhile */
    get_big_ones(24);
    assert_true(footprint() <= 4 * MIB);
}

/* ---- processes ---- */

static int put_and_end(void)
{
    return put_number(42, KITH_FOREVER) == 0 ? 0 : 1;
}

static void a_message_outlives_its_putter(void **state)
{
    (void)state;
    make(0, 0);
    assert_int_equal(apart(put_and_end), 0);
    assert_int_equal(get_number(KITH_NOWAIT), 42);
}

static int put_and_be_killed(void)
{
    EXPECT(put_number(43, KITH_FOREVER) == 0);
    raise(SIGKILL);
    return 1;
}

static void a_message_outlives_a_killed_putter(void **state)
{
    (void)state;
    make(0, 0);
    assert_int_equal(apart(put_and_be_killed), -SIGKILL);
    assert_int_equal(get_number(KITH_NOWAIT), 43);
}

static int grandchild_puts(void)
{
    if (fork() == 0) {
        while (getppid() != 1 && atomic_load(&board->step) == 0) /* until its parent is gone, or a reaper says so */
            sched_yield();
        put_number(44, KITH_FOREVER);
        _exit(0);
    }
    return 0;
}

static void a_process_whose_parent_is_gone_uses_the_queue(void **state)
{
    (void)state;
    make(0, 0);
    assert_int_equal(apart(grandchild_puts), 0);
    atomic_store(&board->step, 1); /* the parent has been waited for: it is gone */
    assert_int_equal(get_number(KITH_FOREVER), 44);
}

static int get_one(void)
{
    atomic_fetch_add(&board->step, 1);
    uint64_t number = get_number(KITH_FOREVER);
    EXPECT(number != UINT64_MAX);
    atomic_fetch_add(&board->sum, number);
    return 0;
}

static void sleeping_getters_are_woken_one_by_one(void **state)
{
    (void)state;
    pid_t children[4];
    make(0, 0);
    for (int i = 0; i < 4; i++)
        children[i] = apart_start(get_one);
    wait_for_step(4);
    for (uint64_t i = 1; i <= 4; i++)
        assert_code(put_number(i, KITH_FOREVER), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(apart_wait(children[i]), 0);
    assert_int_equal(atomic_load(&board->sum), 1 + 2 + 3 + 4);
}

static void a_killed_getter_takes_no_turn(void **state)
{
    (void)state;
    make(0, 0);
    pid_t first = apart_start(get_one), second = apart_start(get_one);
    wait_for_step(2);
    assert_int_equal(kill(first, SIGKILL), 0);
    assert_int_equal(apart_wait(first), -SIGKILL);
    assert_code(put_number(5, KITH_FOREVER), 0);
    assert_int_equal(apart_wait(second), 0);
    assert_int_equal(atomic_load(&board->sum), 5);
}

static void a_stopped_getter_takes_no_turn(void **state)
{
    (void)state;
    make(0, 0);
    pid_t first = apart_start(get_one), second = apart_start(get_one);
    wait_for_step(2);
    assert_int_equal(kill(first, SIGSTOP), 0);
    int status;
    assert_int_equal(waitpid(first, &status, WUNTRACED), first);
    assert_true(WIFSTOPPED(status));
    assert_code(put_number(6, KITH_FOREVER), 0);
    assert_int_equal(apart_wait(second), 0);
    assert_code(put_number(7, KITH_FOREVER), 0);
    assert_int_equal(kill(first, SIGCONT), 0);
    assert_int_equal(apart_wait(first), 0);
    assert_int_equal(atomic_load(&board->sum), 13);
}

static int put_big(void)
{
    static char data[800];
    atomic_fetch_add(&board->step, 1);
    return -kith_queue_put(queue, data, sizeof data, KITH_FOREVER);
}

static int put_small(void)
{
    static char data[80];
    atomic_fetch_add(&board->step, 1);
    return -kith_queue_put(queue, data, sizeof data, KITH_FOREVER);
}

static void putters_of_all_sizes_get_in_when_there_is_room(void **state)
{
    (void)state;
    char data[900];
    size_t size;
    pid_t children[4];
    make(0, 1024);
    for (int i = 0; i < 10; i++)
        assert_code(kith_queue_put(queue, data, 80, KITH_NOWAIT), 0);
    children[0] = apart_start(put_big);
    children[1] = apart_start(put_small);
    children[2] = apart_start(put_big);
    children[3] = apart_start(put_small);
    wait_for_step(4);
    for (int i = 0; i < 14; i++)
        assert_code(kith_queue_get(queue, data, sizeof data, &size, KITH_FOREVER), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(apart_wait(children[i]), 0);
    assert_code(kith_queue_empty(queue), 1);
}

static void a_large_message_that_never_comes_holds_small_ones_up_for_a_second(void **state)
{
    (void)state;
    char data[900];
    size_t size;
    make(0, 1024);
    for (int i = 0; i < 11; i++)
        assert_code(kith_queue_put(queue, data, 80, KITH_NOWAIT), 0);
    pid_t big = apart_start(put_big);
    wait_until_asleep(big);
    pid_t small = apart_start(put_small);
    wait_until_asleep(small);
    assert_int_equal(kill(big, SIGKILL), 0);
    apart_wait(big);
    for (int i = 0; i < 3; i++)
        assert_code(kith_queue_get(queue, data, sizeof data, &size, KITH_NOWAIT), 0);
    assert_int_equal(apart_wait(small), 0);
}

static int count_down(void)
{
    for (uint64_t i = 0; i < 20000; i++)
        EXPECT(put_number(i, KITH_FOREVER) == 0);
    return 0;
}

static int sum_up(void)
{
    for (int i = 0; i < 20000; i++) {
        uint64_t number = get_number(KITH_FOREVER);
        EXPECT(number != UINT64_MAX);
        atomic_fetch_add(&board->sum, number);
    }
    return 0;
}

static void many_processes(uint64_t max_items, uint64_t max_bytes)
{
    pid_t children[8];
    make(max_items, max_bytes);
    for (int i = 0; i < 8; i++)
        children[i] = apart_start(i % 2 ? count_down : sum_up);
    for (int i = 0; i < 8; i++)
        assert_int_equal(apart_wait(children[i]), 0);
    assert_int_equal(atomic_load(&board->sum), 4ull * 20000 * 19999 / 2);
    assert_code(kith_queue_qsize(queue), 0);
}

static void many_processes_put_and_get(void **state)
{
    (void)state;
    many_processes(0, 0);
}

static void many_processes_put_and_get_one_at_a_time(void **state)
{
    (void)state;
    many_processes(1, 0);
}

static void many_processes_put_and_get_few_bytes(void **state)
{
    (void)state;
    many_processes(0, 100);
}

static void *count_down_in_a_thread(void *argument)
{
    (void)argument;
    return (void *)(intptr_t)count_down();
}

static void *sum_up_in_a_thread(void *argument)
{
    (void)argument;
    return (void *)(intptr_t)sum_up();
}

static void many_threads_put_and_get(void **state)
{
    (void)state;
    pthread_t threads[4];
    make(100, 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, i % 2 ? count_down_in_a_thread : sum_up_in_a_thread, NULL),
                         0);
    for (int i = 0; i < 4; i++) {
        void *result;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_null(result);
    }
    assert_int_equal(atomic_load(&board->sum), 2ull * 20000 * 19999 / 2);
}

static void ignore_signal(int signal)
{
    (void)signal;
}

static int get_until_interrupted(void)
{
    sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = ignore_signal }, NULL);
    atomic_store(&board->step, 1);
    size_t size;
    return -kith_queue_get(queue, NULL, 0, &size, KITH_FOREVER);
}

static int put_until_interrupted(void)
{
    sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = ignore_signal }, NULL);
    atomic_store(&board->step, 1);
    return -put_number(2, KITH_FOREVER);
}

static void interrupted(int (*wait)(void))
{
    atomic_store(&board->step, 0);
    pid_t waiter = apart_start(wait);
    wait_for_step(1);
    int status;
    while (waitpid(waiter, &status, WNOHANG) == 0) /* the signal may come before the wait: send it until it is heeded */
        kill(waiter, SIGUSR1);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EINTR);
}

static void waits_are_interrupted_by_handlers(void **state)
{
    (void)state;
    make(1, 0);
    interrupted(get_until_interrupted);
    assert_code(put_number(1, KITH_NOWAIT), 0);
    interrupted(put_until_interrupted);
    assert_int_equal(get_number(KITH_NOWAIT), 1); /* and nothing was put */
    assert_code(kith_queue_empty(queue), 1);
}

/* ---- bad input, and a system that refuses ---- */

static void bad_input_is_explained(void **state)
{
    (void)state;
    char data[8] = "";
    size_t size;
    kith_bytes message;
    assert_explained(kith_queue_new(NULL, NULL), -EINVAL);
    assert_explained(kith_queue_new(&queue, &(kith_queue_options){ .max_items = KITH_QUEUE_ITEMS_MAX + 1 }), -EINVAL);
    assert_explained(kith_queue_new(&queue, &(kith_queue_options){ .max_items = (uint64_t)-1 }), -EINVAL);
    assert_explained(kith_queue_new(&queue, &(kith_queue_options){ .max_bytes = 7 }), -EINVAL);
    assert_null(queue);
    assert_explained(kith_queue_put(NULL, data, 1, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_queue_get(NULL, data, 1, &size, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_queue_get_bytes(NULL, &message, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_queue_qsize(NULL), -EINVAL);
    assert_explained(kith_queue_empty(NULL), -EINVAL);
    assert_explained(kith_queue_full(NULL), -EINVAL);
    assert_explained(kith_queue_close(NULL), -EINVAL);
    make(0, 0);
    assert_explained(kith_queue_put(queue, NULL, 1, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_queue_put(queue, data, (size_t)-1, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_queue_put(queue, data, (size_t)KITH_QUEUE_MESSAGE_MAX + 1, KITH_NOWAIT), -EMSGSIZE);
    assert_explained(kith_queue_put(queue, data, 1, -3), -EINVAL);
    assert_explained(kith_queue_get(queue, NULL, 1, &size, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_queue_get(queue, data, 1, NULL, KITH_NOWAIT), -EINVAL);
    assert_explained(kith_queue_get(queue, data, 1, &size, INT64_MIN), -EINVAL);
    assert_explained(kith_queue_get_bytes(queue, NULL, KITH_NOWAIT), -EINVAL);
    assert_code(kith_queue_empty(queue), 1);
}

static void a_closed_queue_says_so(void **state)
{
    (void)state;
    char data[8] = "";
    size_t size;
    kith_bytes message;
    make(0, 0);
    assert_code(kith_queue_close(queue), 0);
    assert_code(kith_queue_close(queue), 0);
    assert_int_equal(descriptors(), descriptors_before);
    assert_explained(kith_queue_put(queue, data, 1, KITH_NOWAIT), KITH_ECLOSED);
    assert_explained(kith_queue_get(queue, data, 1, &size, KITH_FOREVER), KITH_ECLOSED);
    assert_explained(kith_queue_get_bytes(queue, &message, KITH_FOREVER), KITH_ECLOSED);
    assert_explained(kith_queue_qsize(queue), KITH_ECLOSED);
    assert_explained(kith_queue_empty(queue), KITH_ECLOSED);
    assert_explained(kith_queue_full(queue), KITH_ECLOSED);
    kith_queue_free(NULL);
}

static int close_and_end(void)
{
    return kith_queue_close(queue);
}

static void closing_is_the_process_s_own_matter(void **state)
{
    (void)state;
    make(0, 0);
    assert_code(put_number(1, KITH_NOWAIT), 0);
    assert_int_equal(apart(close_and_end), 0);
    assert_int_equal(get_number(KITH_NOWAIT), 1);
}

/* Each of these runs in a process of its own, as the refusals can't be taken back. */

static int no_descriptor_is_left(void)
{
    struct rlimit limit;
    EXPECT(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    EXPECT(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 3, limit.rlim_max }) == 0);
    EXPECT_REFUSED(kith_queue_new(&queue, NULL), -EMFILE);
    EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0); /* the leak check at exit needs some */
    EXPECT(queue == NULL);
    return 0;
}

static int no_memory_for_a_queue(void)
{
    int before = descriptors();
    EXPECT(refuse(SYS_fallocate, ENOSPC) == 0);
    EXPECT_REFUSED(kith_queue_new(&queue, NULL), -ENOSPC);
    EXPECT(queue == NULL && descriptors() == before);
    return 0;
}

static int no_memory_for_a_message(void)
{
    EXPECT(kith_queue_new(&queue, NULL) == 0);
    EXPECT(put_number(1, KITH_NOWAIT) == 0);
    EXPECT(refuse(SYS_fallocate, ENOMEM) == 0);
    static char big[100000];
    EXPECT_REFUSED(kith_queue_put(queue, big, sizeof big, KITH_FOREVER), -ENOMEM);
    EXPECT(put_number(2, KITH_NOWAIT) == 0); /* what there is goes on working */
    EXPECT(get_number(KITH_NOWAIT) == 1 && get_number(KITH_NOWAIT) == 2);
    EXPECT(kith_queue_empty(queue) == 1);
    return 0;
}

static int no_address_space(void)
{
    int before = descriptors();
    EXPECT(kith_queue_new(&queue, NULL) == 0);
    EXPECT(put_number(1, KITH_NOWAIT) == 0);
    static char big[2000000];
    EXPECT(refuse_when(SYS_mmap, 4, (uint32_t)kith_queue_share_fd(queue), ENOMEM) == 0);
    EXPECT_REFUSED(kith_queue_put(queue, big, sizeof big, KITH_FOREVER), -ENOMEM);
    EXPECT(descriptors() == before + 1);
    EXPECT(put_number(2, KITH_NOWAIT) == 0);
    EXPECT(get_number(KITH_NOWAIT) == 1 && get_number(KITH_NOWAIT) == 2);
    return 0;
}

static int file_size_is_limited(void)
{
    EXPECT(kith_queue_new(&queue, NULL) == 0);
    EXPECT(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ MIB, MIB }) == 0);
    static char big[2000000];
    EXPECT_REFUSED(kith_queue_put(queue, big, sizeof big, KITH_FOREVER), -EFBIG);
    EXPECT(put_number(2, KITH_NOWAIT) == 0 && get_number(KITH_NOWAIT) == 2);
    return 0;
}

static void refusals_are_explained_and_lose_nothing(void **state)
{
    (void)state;
    assert_int_equal(apart(no_descriptor_is_left), 0);
    assert_int_equal(apart(no_memory_for_a_queue), 0);
    assert_int_equal(apart(no_memory_for_a_message), 0);
    assert_int_equal(apart(no_address_space), 0);
    assert_int_equal(apart(file_size_is_limited), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_board(messages_keep_their_order),
        with_board(messages_of_every_size_come_back_whole),
        with_board(records_wrap_around_whole),
        with_board(a_message_that_does_not_fit_stays),
        with_board(an_empty_message_is_a_message),
        with_board(bounded_by_items),
        with_board(bounded_by_bytes_exactly),
        with_board(bounded_by_many_bytes),
        with_board(an_unbounded_queue_is_never_full),
        with_board(empty_is_told_at_once_or_in_time),
        with_board(a_new_queue_takes_little),
        with_board(a_million_unread_messages_go_and_their_memory_with_them),
        with_board(a_big_message_goes_and_its_memory_with_it),
        with_board(a_queue_grows_and_shrinks_in_waves),
        with_board(what_is_given_back_in_part_is_not_kept),
        with_board(a_putter_that_has_given_up_does_not_keep_memory),
        with_board(a_message_outlives_its_putter),
        with_board(a_message_outlives_a_killed_putter),
        with_board(a_process_whose_parent_is_gone_uses_the_queue),
        with_board(sleeping_getters_are_woken_one_by_one),
        with_board(a_killed_getter_takes_no_turn),
        with_board(a_stopped_getter_takes_no_turn),
        with_board(putters_of_all_sizes_get_in_when_there_is_room),
        with_board(a_large_message_that_never_comes_holds_small_ones_up_for_a_second),
        with_board(many_processes_put_and_get),
        with_board(many_processes_put_and_get_one_at_a_time),
        with_board(many_processes_put_and_get_few_bytes),
        with_board(many_threads_put_and_get),
        with_board(waits_are_interrupted_by_handlers),
        with_board(bad_input_is_explained),
        with_board(a_closed_queue_says_so),
        with_board(closing_is_the_process_s_own_matter),
        with_board(refusals_are_explained_and_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
