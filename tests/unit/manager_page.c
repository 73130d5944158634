/* kith/manager.h on one host: calls through a page of shared memory, which come about by themselves. What a call does
 * is the same by either way, so these go by both, and see by the server's counters which one it was. */
#include "near.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

static kith_proxy *dict;

static void set_number(const char *name, int64_t number)
{
    assert_code(kith_proxy_set_item(dict, kith_value_str(arena, name), kith_value_int(arena, number)), 0);
}

static int64_t get_number(const char *name)
{
    kith_value *item = NULL;
    assert_code(kith_proxy_get_item(dict, kith_value_str(arena, name), arena, &item), 0);
    return as_int(item);
}

static void begin_dict(void)
{
    begin_plain();
    dict = get_proxy(manager, "dict");
}

static void end_dict(void)
{
    kith_proxy_free(dict);
}

/** Calls until calls come by pages. */
static void call_until_by_page(void)
{
    uint64_t before = stats_now().page_calls;
    for (int64_t i = 0; stats_now().page_calls < before + 10; i++) {
        set_number("n", i);
        assert_int_equal(get_number("n"), i);
        kith_arena_reset(arena);
    }
}

/** Where there is one CPU, to spin is to keep from working who is waited for. */
static void skip_without_pages(void)
{
    cpu_set_t cpus;
    if (sched_getaffinity(0, sizeof cpus, &cpus) == 0 && CPU_COUNT(&cpus) == 1)
        skip();
}

/* ---- calls ---- */

static void calls_move_to_a_page(void **state)
{
    (void)state;
    skip_without_pages();
    begin_dict();
    call_until_by_page();
    assert_int_equal(stats_now().pages, 1);
    assert_explained(kith_proxy_delete_item(dict, kith_value_str(arena, "none")), -ENOENT);
    assert_string_equal(kith_proxy_exception(), "KeyError");
    end_dict();
}

static void a_client_that_calls_seldom_has_none(void **state)
{
    (void)state;
    begin_dict();
    for (int i = 0; i < 10; i++)
        set_number("n", i);
    assert_int_equal(stats_now().pages, 0);
    end_dict();
}

static void what_does_not_fit_goes_by_the_socket(void **state)
{
    (void)state;
    skip_without_pages();
    begin_dict();
    call_until_by_page();
    static char text[100000];
    const size_t sizes[] = { 10, 7900, 8000, 8100, 8192, 9000, sizeof text };
    const kith_value *name = kith_value_str(arena, "text");
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            memset(text, 'a' + (int)i, sizeof text);
            kith_value *item = NULL;
            const char *bytes;
            size_t size;
            assert_code(kith_proxy_set_item(dict, name, kith_value_str_sized(arena, text, sizes[i])), 0);
            assert_code(kith_proxy_get_item(dict, name, arena, &item), 0);
            assert_code(kith_value_as_str(item, &bytes, &size), 0);
            assert_int_equal(size, sizes[i]);
            assert_memory_equal(bytes, text, size);
        }
    }
    end_dict();
}

static void *set_event(void *event)
{
    wait_for_waiting(1);
    assert_code(kith_proxy_event_set(event), 0);
    return NULL;
}

static void a_call_that_waits_is_answered(void **state)
{
    (void)state;
    skip_without_pages();
    begin_dict();
    kith_proxy *event = get_proxy(manager, "Event");
    for (int round = 0; round < 5; round++) {
        call_until_by_page();
        pthread_t other;
        assert_code(kith_proxy_event_wait(event, KITH_MS(1)), -ETIMEDOUT);
        assert_int_equal(pthread_create(&other, NULL, set_event, event), 0);
        assert_code(kith_proxy_event_wait(event, KITH_FOREVER), 0);
        pthread_join(other, NULL);
        assert_code(kith_proxy_event_clear(event), 0);
    }
    kith_proxy_free(event);
    end_dict();
}

static void answers_that_are_owed_come_first(void **state)
{
    (void)state;
    skip_without_pages();
    begin(&(kith_server_options){ 0 }, KITH_NO_ARGS, kith_value_pack(arena, "{s:b}", "redeliver", 1));
    dict = get_proxy(manager, "dict");
    kith_proxy *queue = get_proxy(manager, "queue");
    for (int64_t round = 0; round < 200; round++) {
        kith_value *item = NULL;
        if (round % 50 == 0)
            call_until_by_page();
        assert_code(kith_proxy_put(queue, kith_value_int(arena, round), KITH_FOREVER), 0);
        assert_code(kith_proxy_get(queue, arena, &item, KITH_FOREVER), 0);
        assert_int_equal(as_int(item), round);
        assert_code(kith_proxy_task_done(queue), 0);
        assert_int_equal(get_number("n"), get_number("n"));
    }
    assert_code(kith_proxy_flush(queue), 0);
    assert_code(kith_proxy_join(queue, KITH_NOWAIT), 0);
    int code = kith_proxy_task_done(queue); /* once too often: this says so, or the next one does */
    assert_explained(code < 0 ? code : kith_proxy_flush(queue), -EINVAL);
    kith_proxy_free(queue);
    end_dict();
}

/* ---- who has one ---- */

static void *call_by_page(void *nothing)
{
    for (int64_t i = 0; stats_now().pages < 2; i++) {
        kith_value *length = NULL;
        kith_arena *own;
        assert_code(kith_arena_new(&own), 0);
        assert_code(kith_proxy_get_value(dict, own, &length), 0);
        kith_arena_free(own);
    }
    return nothing;
}

static void each_thread_has_its_own_until_it_ends(void **state)
{
    (void)state;
    skip_without_pages();
    begin_dict();
    call_until_by_page();
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, call_by_page, NULL), 0);
    pthread_join(other, NULL);
    while (stats_now().pages > 1)
        sched_yield();
    call_until_by_page();
    end_dict();
}

static int call_in_child(void)
{
    for (int i = 0; i < 200; i++)
        EXPECT(kith_proxy_length(dict) == 1);
    kith_proxy_free(dict);
    kith_manager_free(manager);
    return 0;
}

static void a_forked_child_has_its_own(void **state)
{
    (void)state;
    skip_without_pages();
    begin_dict();
    call_until_by_page();
    assert_int_equal(in_child(call_in_child), 0);
    call_until_by_page();
    end_dict();
}

static void who_does_not_want_one_has_none(void **state)
{
    (void)state;
    begin_dict();
    kith_manager *other = connect_with(&(kith_manager_options){ .no_shared_memory = 1 });
    kith_proxy *same = get_proxy(other, "dict");
    for (int i = 0; i < 200; i++)
        assert_code(kith_proxy_length(same), 0);
    assert_int_equal(stats_now().pages, 0);
    kith_proxy_free(same);
    kith_manager_free(other);
    end_dict();
}

static void a_server_that_does_not_want_any_gives_none(void **state)
{
    (void)state;
    begin(&(kith_server_options){ .no_shared_memory = 1 }, KITH_NO_ARGS, NULL);
    dict = get_proxy(manager, "dict");
    for (int i = 0; i < 200; i++)
        assert_code(kith_proxy_length(dict), 0);
    assert_int_equal(stats_now().pages, 0);
    assert_int_equal(stats_now().page_calls, 0);
    end_dict();
}

/* ---- ends ---- */

static void after_the_server_calls_say_that_it_is_gone(void **state)
{
    (void)state;
    skip_without_pages();
    begin_dict();
    call_until_by_page();
    stop_serving();
    assert_explained(kith_proxy_length(dict), KITH_ECLOSED);
    end_dict();
}

/* ---- a client that is broken or hostile: it writes into its page what it likes ---- */

struct stranger {
    kith_connection *connection;
    struct {
        _Atomic uint32_t attended;
        char unused[60];
        _Atomic uint32_t word, size;
        unsigned char data[8192 - 72];
    } * page;
};

static void say(struct stranger *stranger, const kith_value *request)
{
    assert_code(kith_connection_send_value(stranger->connection, request, KITH_FOREVER), 0);
}

static void hear(struct stranger *stranger)
{
    kith_value *reply;
    assert_code(kith_connection_recv_value(stranger->connection, arena, &reply, KITH_FOREVER), 0);
}

static void come(struct stranger *stranger)
{
    const kith_client_options options = { .authkey = key, .authkey_size = strlen(key) };
    int file = -1;
    assert_code(kith_connect(&stranger->connection, address, &options, KITH_SECONDS(30)), 0);
    say(stranger, kith_value_pack(arena, "(ns(s)v)", "accept_connection", "stranger", kith_value_dict(arena)));
    hear(stranger);
    say(stranger, kith_value_pack(arena, "(ss()v)", "", "kith_page", kith_value_dict(arena)));
    assert_code(kith_connection_recv_fd(stranger->connection, &file, KITH_FOREVER), 0);
    hear(stranger);
    stranger->page = mmap(NULL, sizeof *stranger->page, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    assert_ptr_not_equal(stranger->page, MAP_FAILED);
    assert_int_not_equal(ftruncate(file, 0), 0);
    close(file);
}

static void go(struct stranger *stranger)
{
    munmap(stranger->page, sizeof *stranger->page);
    kith_connection_free(stranger->connection);
}

/** Has the server look at the page, by a request at the socket. */
static void be_attended(struct stranger *stranger)
{
    while (!stranger->page->attended) {
        say(stranger, kith_value_pack(arena, "(ss()v)", "", "dummy", kith_value_dict(arena)));
        hear(stranger);
        kith_arena_reset(arena);
    }
}

static void a_size_that_can_not_be_ends_the_line(void **state)
{
    (void)state;
    skip_without_pages();
    begin_dict();
    struct stranger stranger;
    come(&stranger);
    stranger.page->size = UINT32_MAX;
    int code = 0;
    while (code == 0) {
        const kith_value *request = kith_value_pack(arena, "(ss()v)", "", "dummy", kith_value_dict(arena));
        kith_value *reply;
        stranger.page->word = 1;
        code = kith_connection_send_value(stranger.connection, request, KITH_FOREVER);
        if (code == 0)
            code = kith_connection_recv_value(stranger.connection, arena, &reply, KITH_FOREVER);
    }
    assert_true(code == KITH_EEOF || code == KITH_ETRUNCATED || code == -EPIPE);
    go(&stranger);
    call_until_by_page();
    end_dict();
}

static void whatever_it_writes_others_are_served(void **state)
{
    (void)state;
    skip_without_pages();
    begin_dict();
    unsigned seed = 20;
    for (int life = 0; life < 5; life++) {
        struct stranger stranger;
        come(&stranger);
        for (int i = 0; i < 2000; i++) {
            size_t at = (size_t)rand_r(&seed) % sizeof stranger.page->data;
            stranger.page->data[at] = (unsigned char)rand_r(&seed);
            stranger.page->size = (uint32_t)rand_r(&seed) % 200;
            stranger.page->word = (uint32_t)rand_r(&seed) % 6;
            if (i % 100 == 0)
                set_number("n", i);
        }
        go(&stranger);
        call_until_by_page();
    }
    wait_for_clients(1);
    assert_int_equal(stats_now().pages, 1);
    end_dict();
}

/** A request with an answer that is taken out of a queue, in the page; then the client ends without reading it. */
/* Waits for the answer. @return false when the server looks away: then it has not begun, and the request is taken back */
static bool is_answered(struct stranger *stranger)
{
    while (stranger->page->word != 3) {
        uint32_t request = 1;
        if (!stranger->page->attended && atomic_compare_exchange_strong(&stranger->page->word, &request, 0))
            return false;
        sched_yield();
    }
    return true;
}

static void a_message_in_an_unread_page_goes_back(void **state)
{
    (void)state;
    skip_without_pages();
    begin_dict();
    kith_proxy *queue = get_proxy(manager, "queue");
    assert_code(kith_proxy_put(queue, kith_value_int(arena, 1), KITH_FOREVER), 0);
    assert_code(kith_proxy_put(queue, kith_value_int(arena, 2), KITH_FOREVER), 0);
    struct stranger stranger;
    kith_bytes request = { 0 };
    const kith_value *get = kith_value_pack(arena, "(ss()v)", kith_proxy_id(queue), "get", kith_value_dict(arena));
    assert_code(kith_pickle_write(get, &request, NULL), 0);
    come(&stranger);
    memcpy(stranger.page->data, request.data, request.size);
    stranger.page->size = (uint32_t)request.size;
    do {
        stranger.page->word = 0;
        be_attended(&stranger);
        memcpy(stranger.page->data, request.data, request.size);
        stranger.page->size = (uint32_t)request.size;
        stranger.page->word = 1;
    } while (!is_answered(&stranger));
    assert_code(kith_proxy_qsize(queue), 1);
    go(&stranger);
    while (kith_proxy_qsize(queue) < 2)
        sched_yield();
    kith_value *item = NULL;
    assert_code(kith_proxy_get(queue, arena, &item, KITH_FOREVER), 0);
    assert_int_equal(as_int(item), 1);
    kith_bytes_free(&request);
    kith_proxy_free(queue);
    end_dict();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_server(calls_move_to_a_page),
        with_server(a_client_that_calls_seldom_has_none),
        with_server(what_does_not_fit_goes_by_the_socket),
        with_server(a_call_that_waits_is_answered),
        with_server(answers_that_are_owed_come_first),
        with_server(each_thread_has_its_own_until_it_ends),
        with_server(a_forked_child_has_its_own),
        with_server(who_does_not_want_one_has_none),
        with_server(a_server_that_does_not_want_any_gives_none),
        with_server(after_the_server_calls_say_that_it_is_gone),
        with_server(a_size_that_can_not_be_ends_the_line),
        with_server(whatever_it_writes_others_are_served),
        with_server(a_message_in_an_unread_page_goes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
