/* kith/pool.h: memory is bounded: who hands in tasks waits while too many are on their way. */
#include "pools.h"

#include <pthread.h>

static int nothing(kith_call *call)
{
    return call == NULL;
}

static int give_back(kith_call *call)
{
    size_t size;
    const void *bytes = kith_call_bytes(call, &size);
    return kith_call_return_bytes(call, bytes, size);
}

/* ---- waiting ---- */

enum { ROOM = 8, TASKS = 40 };

static _Atomic int handed_in;

static void *hand_in(void *unused)
{
    for (int i = 0; i < TASKS; i++) {
        if (kith_pool_apply_async(pool, NULL, wait_for_it, KITH_NO_ARGS, NULL) < 0)
            return &handed_in;
        atomic_fetch_add(&handed_in, 1);
    }
    return unused;
}

static void who_hands_in_waits_while_too_many_are_on_their_way(void **state)
{
    (void)state;
    close_pool();
    open_pool(&(kith_pool_options){ .workers = 2, .max_pending = ROOM });
    atomic_store(&handed_in, 0);
    pthread_t thread;
    void *failed;
    assert_int_equal(pthread_create(&thread, NULL, hand_in, NULL), 0);
    for (int gone = 0; gone < TASKS; gone++) {
        while (atomic_load(&handed_in) <= gone)
            usleep(200);
        assert_in_range(atomic_load(&handed_in), 0, gone + ROOM);
        assert_in_range(stats().pending, 0, ROOM);
        let_go();
        while (stats().done < (uint64_t)gone + 1)
            usleep(200);
    }
    assert_int_equal(pthread_join(thread, &failed), 0);
    assert_null(failed);
}

static void who_waits_is_told_when_the_pool_is_closed(void **state)
{
    (void)state;
    close_pool();
    open_pool(&(kith_pool_options){ .workers = 1, .max_pending = 2 });
    atomic_store(&handed_in, 0);
    pthread_t thread;
    void *failed;
    assert_int_equal(pthread_create(&thread, NULL, hand_in, NULL), 0);
    while (atomic_load(&handed_in) < 2)
        usleep(200);
    assert_code(kith_pool_terminate(pool), 0);
    assert_int_equal(pthread_join(thread, &failed), 0);
    assert_non_null(failed);
    assert_int_equal(atomic_load(&handed_in), 2);
}

static void in_a_full_pool_a_map_goes_on_by_itself(void **state)
{
    (void)state;
    close_pool();
    open_pool(&(kith_pool_options){ .workers = 2, .max_pending = 3 });
    kith_message messages[500];
    for (size_t i = 0; i < 500; i++)
        messages[i] = (kith_message){ "12345678", i % 9 };
    kith_result *result;
    assert_code(kith_pool_map_bytes_async(pool, &result, give_back, messages, 500, NULL), 0);
    memset(messages, 0xff, sizeof messages); /* they were copied */
    assert_code(kith_result_wait(result, KITH_FOREVER), 0);
    for (size_t i = 0; i < 500; i++) {
        kith_bytes bytes;
        assert_code(kith_result_bytes_at(result, i, &bytes), 0);
        assert_int_equal(bytes.size, i % 9);
        assert_memory_equal(bytes.data, "12345678", i % 9);
        kith_bytes_free(&bytes);
    }
    kith_result_free(result);
}

/* ---- memory ---- */

/* 20,000 tasks of 4 KiB are 80 MB; those that are on their way at a time are 1 MB. */
static void tasks_without_end_take_bounded_memory(void **state)
{
    (void)state;
    close_pool();
    open_pool(&(kith_pool_options){ .workers = 2, .max_pending = 256 });
    static const char bytes[4096];
    uint64_t most = 0, most_pending = 0;
    size_t before = 0;
    for (int i = 0; i < 20000; i++) {
        assert_code(kith_pool_apply_bytes_async(pool, NULL, give_back, bytes, sizeof bytes, NULL), 0);
        if (i == 2000)
            before = resident();
        kith_pool_stats now = i % 50 == 0 ? stats() : (kith_pool_stats){ 0 };
        most = now.memory > most ? now.memory : most;
        most_pending = now.pending > most_pending ? now.pending : most_pending;
    }
    assert_in_range(most_pending, 1, 256);
    assert_in_range(most, 1, 8 << 20);
    assert_true(resident() < before + (8 << 20));
}

static void small_tasks_without_end_take_bounded_memory(void **state)
{
    (void)state;
    size_t before = 0;
    for (int i = 0; i < 50000; i++) {
        assert_code(kith_pool_apply_async(pool, NULL, nothing, KITH_NO_ARGS, NULL), 0);
        if (i == 10000)
            before = resident();
    }
    wait_until_done();
    assert_true(resident() < before + (4 << 20));
    assert_in_range(stats().memory, 0, 4 << 20);
    assert_int_equal(stats().done, 50000);
}

static void memory_of_large_tasks_is_given_back(void **state)
{
    (void)state;
    size_t size = 8 << 20;
    unsigned char *bytes = pattern(size);
    assert_non_null(bytes);
    kith_result *results[6];
    for (int i = 0; i < 6; i++)
        assert_code(kith_pool_apply_bytes_async(pool, &results[i], give_back, bytes, size, NULL), 0);
    for (int i = 0; i < 6; i++) {
        kith_bytes result;
        assert_code(kith_result_wait(results[i], KITH_FOREVER), 0);
        assert_code(kith_result_bytes_at(results[i], 0, &result), 0);
        assert_int_equal(result.size, size);
        assert_memory_equal(result.data, bytes, size);
        kith_bytes_free(&result);
        kith_result_free(results[i]);
    }
    free(bytes);
    assert_in_range(stats().memory, 0, 20 << 20); /* a worker's last task is kept until it has another one */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOL_TEST(who_hands_in_waits_while_too_many_are_on_their_way),
        POOL_TEST(who_waits_is_told_when_the_pool_is_closed),
        POOL_TEST(in_a_full_pool_a_map_goes_on_by_itself),
        POOL_TEST(tasks_without_end_take_bounded_memory),
        POOL_TEST(small_tasks_without_end_take_bounded_memory),
        POOL_TEST(memory_of_large_tasks_is_given_back),
    };
    return cmocka_run_group_tests_name("pool_room", tests, start_first, NULL);
}
