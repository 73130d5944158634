/* kith/manager.h on one host: queues that clients use in shared memory, which comes about by itself, while others go on
 * calling the server. */
#include "framed.h"
#include "near.h"

#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

static kith_proxy *queue;     /* of a client that has shared memory */
static kith_manager *far;     /* one that has not, and */
static kith_proxy *far_queue; /* its way to the same queue */

static void begin_queue_with(const kith_server_options *options, const kith_value *args, const kith_value *kwargs)
{
    begin(options, args, kwargs);
    queue = get_proxy(manager, "queue");
    far = connect_with(&(kith_manager_options){ .no_shared_memory = 1 });
    far_queue = get_proxy(far, "queue");
}

static void begin_queue(int max_size)
{
    begin_queue_with(&(kith_server_options){ 0 }, kith_value_pack(arena, "(i)", max_size), NULL);
}

static void end_queue(void)
{
    kith_proxy_free(far_queue);
    kith_manager_free(far);
    kith_proxy_free(queue);
}

static void put(kith_proxy *to, int64_t number)
{
    assert_code(kith_proxy_put(to, kith_value_int(arena, number), KITH_FOREVER), 0);
}

/** @return the number; INT64_MIN when there is none */
static int64_t get(kith_proxy *from)
{
    kith_value *value = NULL;
    int code = kith_proxy_get(from, arena, &value, KITH_NOWAIT);
    if (code == KITH_EEMPTY)
        return INT64_MIN;
    assert_code(code, 0);
    return as_int(value);
}

static void done(kith_proxy *of)
{
    assert_code(kith_proxy_task_done(of), 0);
    assert_code(kith_proxy_flush(of), 0);
}

/** Puts and gets until the queue is shared; it is empty before and after, and so is what is unfinished. */
static void share(void)
{
    while (stats_now().shared_queues == 0) {
        put(queue, 0);
        assert_int_equal(get(queue), 0);
        done(queue);
        kith_arena_reset(arena);
    }
}

static void begin_shared(int max_size)
{
    begin_queue(max_size);
    share();
}

/** How many calls of methods the server has had. */
static uint64_t calls(void)
{
    return stats_now().calls;
}

/* ---- putting and getting ---- */

static void a_busy_client_gets_the_queue(void **state)
{
    (void)state;
    begin_shared(0);
    uint64_t before = calls();
    for (int64_t i = 0; i < 1000; i++)
        put(queue, i);
    for (int64_t i = 0; i < 1000; i++) {
        assert_int_equal(get(queue), i);
        assert_code(kith_proxy_task_done(queue), 0);
    }
    assert_string_equal(kith_proxy_exception(), "");
    assert_int_equal(get(queue), INT64_MIN);
    assert_string_equal(kith_proxy_exception(), "queue.Empty");
    assert_int_equal(calls(), before);
    assert_code(kith_proxy_join(queue, KITH_NOWAIT), 0);
    end_queue();
}

static void values_of_all_kinds_and_sizes_pass(void **state)
{
    (void)state;
    begin_shared(0);
    static char text[300000];
    memset(text, 'x', sizeof text);
    const size_t sizes[] = { 0, 1, 900, 1000, 1100, 5000, 70000, sizeof text };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        kith_proxy *from = i % 2 ? queue : far_queue, *to = i % 4 < 2 ? queue : far_queue;
        const kith_value *item = kith_value_pack(arena, "{s:v,s:[i,f,n,b]}", "text",
                                                 kith_value_str_sized(arena, text, sizes[i]), "list", 1, 2.5, 1);
        kith_value *got = NULL;
        assert_code(kith_proxy_put(to, item, KITH_FOREVER), 0);
        assert_code(kith_proxy_get(from, arena, &got, KITH_FOREVER), 0);
        assert_int_equal(kith_value_equal(got, item), 1);
    }
    end_queue();
}

static void others_use_it_by_the_server(void **state)
{
    (void)state;
    begin_shared(0);
    for (int64_t i = 0; i < 20; i++)
        put(i % 3 ? queue : far_queue, i);
    assert_code(kith_proxy_qsize(queue), 20);
    assert_code(kith_proxy_qsize(far_queue), 20);
    assert_code(kith_proxy_empty(far_queue), 0);
    for (int64_t i = 0; i < 20; i++)
        assert_int_equal(get(i % 2 ? queue : far_queue), i);
    assert_code(kith_proxy_empty(far_queue), 1);
    for (int i = 0; i < 20; i++)
        done(i % 2 ? queue : far_queue);
    assert_code(kith_proxy_join(far_queue, KITH_NOWAIT), 0);
    assert_explained(kith_proxy_task_done(queue) < 0 ? -EINVAL : kith_proxy_flush(queue), -EINVAL);
    end_queue();
}

static void what_was_there_before_keeps_its_order(void **state)
{
    (void)state;
    begin_queue(0);
    int64_t put_last = 0, got_last = 0;
    for (; put_last < 10; put_last++)
        put(far_queue, put_last + 1);
    while (stats_now().shared_queues == 0) {
        put(queue, ++put_last);
        assert_int_equal(get(queue), ++got_last);
    }
    for (; got_last < put_last; got_last++)
        assert_int_equal(get(got_last % 2 ? queue : far_queue), got_last + 1);
    assert_int_equal(get(queue), INT64_MIN);
    end_queue();
}

static void many_are_put_and_got(void **state)
{
    (void)state;
    begin_shared(0);
    kith_value *items = kith_value_list(arena), *got = NULL;
    for (int64_t i = 0; i < 100; i++)
        assert_code(kith_value_append(items, kith_value_int(arena, i)), 0);
    uint64_t before = calls();
    assert_code(kith_proxy_put_many(queue, items, KITH_FOREVER), 100);
    assert_code(kith_proxy_get_many(queue, arena, &got, 60, KITH_FOREVER), 60);
    assert_int_equal(calls(), before);
    assert_int_equal(as_int(kith_value_at(got, 59)), 59);
    assert_int_equal(get(queue), 60);
    assert_code(kith_proxy_get_many(far_queue, arena, &got, 60, KITH_FOREVER), 39);
    assert_int_equal(as_int(kith_value_at(got, 38)), 99);
    assert_code(kith_proxy_get_many(queue, arena, &got, 60, KITH_NOWAIT), KITH_EEMPTY);
    end_queue();
}

static void many_are_put_as_far_as_there_is_room(void **state)
{
    (void)state;
    begin_shared(10);
    kith_value *items = kith_value_list(arena), *got = NULL;
    for (int64_t i = 0; i < 15; i++)
        assert_code(kith_value_append(items, kith_value_int(arena, i)), 0);
    assert_code(kith_proxy_put_many(queue, items, KITH_NOWAIT), 10);
    assert_code(kith_proxy_put_many(queue, items, KITH_NOWAIT), KITH_EFULL);
    assert_code(kith_proxy_put_many(queue, items, KITH_MS(1)), KITH_EFULL);
    assert_int_equal(get(queue), 0);
    assert_code(kith_proxy_put_many(queue, items, KITH_MS(1)), 1);
    assert_code(kith_proxy_get_many(queue, arena, &got, 100, KITH_FOREVER), 10);
    assert_int_equal(as_int(kith_value_at(got, 9)), 0);
    assert_code(kith_proxy_put_many(queue, kith_value_list(arena), KITH_FOREVER), 0);
    end_queue();
}

static void its_bound_is_kept(void **state)
{
    (void)state;
    begin_shared(2);
    put(queue, 1);
    put(far_queue, 2);
    assert_code(kith_proxy_full(queue), 1);
    assert_code(kith_proxy_put(queue, kith_value_int(arena, 3), KITH_NOWAIT), KITH_EFULL);
    assert_string_equal(kith_proxy_exception(), "queue.Full");
    assert_code(kith_proxy_put(queue, kith_value_int(arena, 3), KITH_MS(2)), KITH_EFULL);
    assert_code(kith_proxy_put(far_queue, kith_value_int(arena, 3), KITH_NOWAIT), KITH_EFULL);
    assert_code(kith_proxy_put(far_queue, kith_value_int(arena, 3), KITH_MS(2)), KITH_EFULL);
    assert_int_equal(get(queue), 1);
    put(queue, 3);
    assert_int_equal(get(far_queue), 2);
    assert_int_equal(get(far_queue), 3);
    end_queue();
}

/* ---- a client that is stopped in the middle of its call ---- */

static kith_connection *knock(void)
{
    kith_connection *connection = NULL;
    kith_value *reply;
    const kith_client_options options = { .authkey = key, .authkey_size = strlen(key) };
    assert_code(kith_connect(&connection, address, &options, KITH_SECONDS(30)), 0);
    const kith_value *accept = kith_value_pack(arena, "(ns(s)v)", "accept_connection", "x", kith_value_dict(arena));
    assert_code(kith_connection_send_value(connection, accept, KITH_FOREVER), 0);
    assert_code(kith_connection_recv_value(connection, arena, &reply, KITH_FOREVER), 0);
    return connection;
}

/** Calls a method on a connection of its own; the answer is to come. @param ident  NULL: of the server itself */
static kith_connection *ask(const char *ident, const char *method, kith_value *args)
{
    kith_connection *line = knock();
    kith_value *name = ident ? kith_value_str(arena, ident) : kith_value_none(arena);
    const kith_value *request = kith_value_pack(arena, "(vsvv)", name, method, args, kith_value_dict(arena));
    assert_code(kith_connection_send_value(line, request, KITH_FOREVER), 0);
    return line;
}

/** @return the answer's first word, of one that is there in time */
static const char *answer_of(kith_connection *line, kith_value **value)
{
    kith_value *answer = NULL;
    const char *kind;
    assert_code(kith_connection_recv_value(line, arena, &answer, KITH_SECONDS(30)), 0);
    assert_code(kith_value_unpack(answer, "(sv)", &kind, value), 0);
    kith_connection_free(line);
    return kind;
}

/** The queue itself, as a client has it. */
static kith_queue *bare_queue(void)
{
    int files[2];
    kith_queue *bare = NULL;
    kith_value *value;
    kith_connection *line = ask(NULL, "kith_share", kith_value_pack(arena, "(s)", kith_proxy_id(queue)));
    for (int i = 0; i < 2; i++)
        assert_code(kith_connection_recv_fd(line, &files[i], KITH_FOREVER), 0);
    assert_string_equal(answer_of(line, &value), "#RETURN");
    assert_code(kith_queue_from_fd(&bare, files[0]), 0);
    close(files[0]);
    close(files[1]);
    return bare;
}

/** That others are served meanwhile, more often than the server looks whether a call can go on. */
static void expect_service(void)
{
    kith_proxy *dict = get_proxy(far, "dict");
    for (int i = 0; i < 100; i++)
        assert_code(kith_proxy_length(dict), 0);
    kith_proxy_free(dict);
}

/** As a Python program has put it: who gets it through the server knows of no buffers beside a pickle. */
static void what_came_with_buffers_is_served_as_a_plain_pickle(void **state)
{
    (void)state;
    unsigned char message[100];
    kith_buffer buffer = { "a buffer", 8 };
    kith_value *value;
    const void *data;
    size_t size;
    begin_shared(0);
    kith_queue *bare = bare_queue();
    for (int i = 0; i < 2; i++)
        assert_code(kith_queue_put(bare, message, framed(message, "\x80\x05\x97.", 4, &buffer, 1), KITH_NOWAIT), 0);
    kith_queue_free(bare);
    assert_code(kith_proxy_get(far_queue, arena, &value, KITH_NOWAIT), 0);
    assert_int_equal(kith_value_kind(value), KITH_BYTEARRAY);
    assert_code(kith_proxy_get(queue, arena, &value, KITH_NOWAIT), 0); /* and by one that knows of them */
    assert_int_equal(kith_value_kind(value), KITH_OBJECT);
    assert_code(kith_value_as_bytes(value, &data, &size), 0);
    assert_int_equal(size, 8);
    assert_memory_equal(data, "a buffer", 8);
    end_queue();
}

static void who_stops_in_a_put_holds_up_putters_alone(void **state)
{
    (void)state;
    begin_shared(1);
    kith_queue *bare = bare_queue();
    void *room;
    kith_value *value;
    assert_code(kith_queue_reserve(bare, 100, &room, KITH_NOWAIT), 0);
    kith_connection *putter = ask(kith_proxy_id(queue), "put", kith_value_pack(arena, "(i)", 7));
    wait_for_waiting(1);
    expect_service();
    assert_code(kith_proxy_qsize(far_queue), 0);
    assert_int_equal(get(far_queue), INT64_MIN);
    assert_int_equal(stats_now().waiting, 1);
    assert_code(kith_queue_cancel(bare), 0);
    assert_string_equal(answer_of(putter, &value), "#RETURN");
    assert_int_equal(get(queue), 7);
    kith_queue_free(bare);
    end_queue();
}

static void who_stops_in_a_get_holds_up_getters_alone(void **state)
{
    (void)state;
    begin_shared(2);
    kith_queue *bare = bare_queue();
    const void *data;
    size_t size;
    kith_value *value;
    put(queue, 7);
    assert_code(kith_queue_peek(bare, &data, &size, KITH_NOWAIT), 0);
    kith_connection *getter = ask(kith_proxy_id(queue), "get", kith_value_tuple(arena, NULL, 0));
    wait_for_waiting(1);
    kith_connection *other = ask(kith_proxy_id(queue), "get_nowait", kith_value_tuple(arena, NULL, 0));
    wait_for_waiting(2);
    expect_service();
    assert_code(kith_queue_release(bare, 0), 0);
    assert_string_equal(answer_of(getter, &value), "#RETURN");
    assert_int_equal(as_int(value), 7);
    assert_string_equal(answer_of(other, &value), "#ERROR"); /* at once: nothing is left */
    getter = ask(kith_proxy_id(queue), "get", kith_value_tuple(arena, NULL, 0));
    wait_for_waiting(1);
    put(queue, 8);
    assert_string_equal(answer_of(getter, &value), "#RETURN");
    assert_int_equal(as_int(value), 8);
    kith_queue_free(bare);
    end_queue();
}

static void who_stays_stopped_fails_what_does_not_wait(void **state)
{
    (void)state;
    begin_shared(2);
    kith_queue *bare = bare_queue();
    void *room;
    assert_code(kith_queue_reserve(bare, 100, &room, KITH_NOWAIT), 0);
    assert_code(kith_proxy_put(far_queue, kith_value_int(arena, 1), KITH_MS(5)), KITH_EFULL);
    assert_true(kith_proxy_put(far_queue, kith_value_int(arena, 1), KITH_NOWAIT) < 0);
    assert_non_null(strstr(kith_error_detail(), "is it stopped?"));
    assert_code(kith_queue_cancel(bare), 0);
    put(far_queue, 1);
    assert_int_equal(get(queue), 1);
    kith_queue_free(bare);
    end_queue();
}

/* ---- waiting ---- */

static kith_proxy *waited_at;

static void *wait_to_get(void *number)
{
    kith_arena *own;
    kith_value *value = NULL;
    assert_code(kith_arena_new(&own), 0);
    assert_code(kith_proxy_get(waited_at, own, &value, KITH_FOREVER), 0);
    *(int64_t *)number = as_int(value);
    kith_arena_free(own);
    return NULL;
}

static void *wait_to_put(void *number)
{
    kith_arena *own;
    assert_code(kith_arena_new(&own), 0);
    assert_code(kith_proxy_put(waited_at, kith_value_int(own, *(int64_t *)number), KITH_FOREVER), 0);
    kith_arena_free(own);
    return NULL;
}

static void *wait_to_join(void *unused)
{
    assert_code(kith_proxy_join(waited_at, KITH_FOREVER), 0);
    return unused;
}

static pthread_t begin_to_wait(void *(*how)(void *), kith_proxy *at, void *argument)
{
    pthread_t thread;
    waited_at = at;
    assert_int_equal(pthread_create(&thread, NULL, how, argument), 0);
    wait_for_waiting(1);
    return thread;
}

static void a_put_wakes_who_waits_at_the_server(void **state)
{
    (void)state;
    begin_shared(0);
    kith_proxy *const sides[] = { queue, far_queue };
    for (int i = 0; i < 4; i++) {
        int64_t number = 0;
        pthread_t thread = begin_to_wait(wait_to_get, sides[i % 2], &number);
        put(sides[i / 2], 7 + i);
        pthread_join(thread, NULL);
        assert_int_equal(number, 7 + i);
    }
    end_queue();
}

static void a_get_wakes_who_waits_for_room(void **state)
{
    (void)state;
    begin_shared(1);
    kith_proxy *const sides[] = { queue, far_queue };
    for (int i = 0; i < 4; i++) {
        int64_t number = 70 + i;
        put(queue, i);
        pthread_t thread = begin_to_wait(wait_to_put, sides[i % 2], &number);
        assert_int_equal(get(sides[i / 2]), i);
        pthread_join(thread, NULL);
        assert_int_equal(get(sides[i / 2]), number);
    }
    end_queue();
}

static void the_last_that_is_done_wakes_who_joins(void **state)
{
    (void)state;
    begin_shared(0);
    kith_proxy *const sides[] = { queue, far_queue };
    for (int i = 0; i < 4; i++) {
        put(queue, 1);
        put(far_queue, 2);
        pthread_t thread = begin_to_wait(wait_to_join, sides[i % 2], NULL);
        assert_int_equal(get(queue), 1);
        assert_int_equal(get(queue), 2);
        done(queue);
        assert_int_equal(stats_now().waiting, 1);
        done(sides[i / 2]);
        pthread_join(thread, NULL);
    }
    end_queue();
}

/** The CPU time that the server's thread has taken, in nanoseconds. */
static int64_t server_work(void)
{
    clockid_t clock;
    struct timespec time;
    assert_int_equal(pthread_getcpuclockid(server_thread, &clock), 0);
    assert_int_equal(clock_gettime(clock, &time), 0);
    return time.tv_sec * (int64_t)1000000000 + time.tv_nsec;
}

static void only_the_last_that_is_done_tells_the_server(void **state)
{
    enum { COUNT = 5000, LITTLE = 2000000 /* ns; the server's work for so many calls takes several times as long */ };
    (void)state;
    begin_shared(0);
    for (int i = 0; i < COUNT; i++)
        put(queue, i);
    pthread_t thread = begin_to_wait(wait_to_join, far_queue, NULL);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(get(queue), i);
    int64_t before = server_work();
    for (int i = 0; i < COUNT - 1; i++)
        assert_code(kith_proxy_task_done(queue), 0);
    assert_in_range(server_work() - before, 0, LITTLE);
    done(queue);
    pthread_join(thread, NULL);
    end_queue();
}

static void who_waits_when_it_is_shared_is_woken(void **state)
{
    (void)state;
    begin_queue(0);
    put(far_queue, 1);
    pthread_t joiner = begin_to_wait(wait_to_join, far_queue, NULL);
    assert_int_equal(get(far_queue), 1);
    while (stats_now().shared_queues == 0) {
        put(queue, 0);
        assert_int_equal(get(queue), 0);
        done(queue);
    }
    assert_int_equal(stats_now().waiting, 1);
    done(queue);
    pthread_join(joiner, NULL);
    end_queue();
}

static void what_was_unfinished_before_is_so_still(void **state)
{
    (void)state;
    begin_queue(0);
    for (int64_t i = 0; i < 5; i++)
        put(far_queue, i);
    for (int64_t i = 0; i < 3; i++)
        assert_int_equal(get(far_queue), i);
    done(far_queue); /* 4 are not done, 2 of them in the queue */
    for (int64_t i = 5; stats_now().shared_queues == 0; i++) {
        put(queue, i);
        assert_int_equal(get(queue), i - 2);
        done(queue);
    }
    assert_true(get(queue) > 0 && get(far_queue) > 0);
    for (int i = 0; i < 4; i++) {
        assert_code(kith_proxy_join(far_queue, KITH_MS(1)), -ETIMEDOUT);
        done(i % 2 ? queue : far_queue);
    }
    assert_code(kith_proxy_join(queue, KITH_NOWAIT), 0);
    end_queue();
}

/* ---- messages that come back ---- */

static void what_a_client_got_and_never_read_is_the_next_one(void **state)
{
    (void)state;
    begin_shared(0);
    for (int64_t i = 1; i <= 4; i++)
        put(queue, i);
    kith_connection *connection = knock();
    const kith_value *request = kith_value_pack(arena, "(ss()v)", kith_proxy_id(queue), "get", kith_value_dict(arena));
    for (int i = 0; i < 2; i++)
        assert_code(kith_connection_send_value(connection, request, KITH_FOREVER), 0);
    while (kith_proxy_qsize(queue) > 2)
        sched_yield();
    kith_connection_free(connection);
    while (kith_proxy_qsize(queue) < 4)
        sched_yield();
    for (int64_t i = 1; i <= 4; i++)
        assert_int_equal(get(i % 2 ? queue : far_queue), i);
    assert_int_equal(get(queue), INT64_MIN);
    for (int i = 0; i < 4; i++)
        done(queue);
    assert_code(kith_proxy_join(queue, KITH_NOWAIT), 0);
    end_queue();
}

/* ---- what is kept by messages ---- */

static void a_proxy_in_a_message_keeps_its_object(void **state)
{
    (void)state;
    begin_shared(0);
    kith_proxy *list = get_proxy(manager, "list"), *same = NULL;
    assert_code(kith_proxy_append(list, kith_value_int(arena, 5)), 0);
    assert_code(kith_proxy_put(queue, kith_proxy_value(list, arena), KITH_FOREVER), 0);
    put(queue, 2);
    kith_proxy_free(list);
    kith_value *value = NULL;
    assert_code(kith_proxy_get(queue, arena, &value, KITH_FOREVER), 0);
    assert_int_equal(kith_value_is_proxy(value), 1);
    assert_code(kith_proxy_from_value(manager, &same, value), 0);
    assert_code(kith_proxy_length(same), 1);
    assert_int_equal(get(queue), 2);
    kith_proxy_free(same);
    end_queue();
}

/* ---- what is not shared ---- */

static void use_for_long(kith_proxy *proxy)
{
    for (int64_t i = 0; i < 300; i++) {
        put(proxy, i);
        assert_int_equal(get(proxy), i);
        assert_code(kith_proxy_task_done(proxy), 0);
    }
    assert_int_equal(stats_now().shared_queues, 0);
}

static void queues_that_redeliver_stay_at_the_server(void **state)
{
    (void)state;
    begin_queue_with(&(kith_server_options){ 0 }, KITH_NO_ARGS, kith_value_pack(arena, "{s:b}", "redeliver", 1));
    use_for_long(queue);
    end_queue();
}

static void queues_whose_memory_counts_stay_at_the_server(void **state)
{
    (void)state;
    begin_queue_with(&(kith_server_options){ .max_memory = 1 << 20 }, KITH_NO_ARGS, NULL);
    use_for_long(queue);
    end_queue();
}

static void queues_with_restrictions_stay_at_the_server(void **state)
{
    (void)state;
    static const char *const names[] = { "put", "get", "task_done" };
    kith_server_options options = { .listener = { .authkey = key, .authkey_size = strlen(key) } };
    const kith_access access = { .methods = names, .method_count = 3 };
    assert_code(kith_server_new(&server, address, &options), 0);
    assert_code(kith_server_publish(server, "queue", "Queue", KITH_NO_ARGS, NULL, &access), 0);
    begin_serving();
    manager = connect_with(&(kith_manager_options){ 0 });
    queue = get_proxy(manager, "queue");
    use_for_long(queue);
    kith_proxy_free(queue);
}

static void clients_that_stay_on_sockets_do_not_share(void **state)
{
    (void)state;
    begin_queue(0);
    use_for_long(far_queue);
    end_queue();
}

static void clients_with_a_bound_do_not_share(void **state)
{
    (void)state;
    kith_value *value;
    static const char longer[200];
    begin_queue(0);
    kith_manager *bounded = connect_with(&(kith_manager_options){ .max_message = 150 });
    kith_proxy *own = get_proxy(bounded, "queue");
    use_for_long(own);
    assert_code(kith_proxy_put(queue, kith_value_bytes(arena, longer, sizeof longer), KITH_FOREVER), 0);
    assert_code(kith_proxy_get(own, arena, &value, KITH_FOREVER), KITH_ELIMIT);
    kith_proxy_free(own);
    kith_manager_free(bounded);
    end_queue();
}

static void use_until_refused_or_shared(kith_proxy *own)
{
    for (int i = 0; i < 200; i++) {
        put(own, i);
        assert_int_equal(get(own), i);
    }
    kith_arena_reset(arena);
}

/* A server has connections to make, and a client files to open. */
static void descriptors_are_left_for_others(void **state)
{
    enum { QUEUES = 40, LIMIT = 80 };
    (void)state;
    kith_proxy *queues[QUEUES];
    struct rlimit before, low;
    begin_shared(0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = before;
    low.rlim_cur = LIMIT;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    for (int i = 0; i < QUEUES; i++) {
        queues[i] = get_proxy(manager, "Queue");
        use_until_refused_or_shared(queues[i]);
    }
    int in_use = descriptors();
    unsigned shared = stats_now().shared_queues;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_in_range(in_use, 0, LIMIT / 2 + 5);
    assert_in_range(shared, 1, LIMIT / 4);
    for (int i = 0; i < QUEUES; i++)
        kith_proxy_free(queues[i]);
    end_queue();
}

/* ---- processes and ends ---- */

static int use_in_child(void)
{
    for (int64_t i = 0; i < 200; i++) {
        kith_value *value;
        EXPECT(kith_proxy_put(queue, kith_value_int(arena, i), KITH_FOREVER) == 0);
        EXPECT(kith_proxy_get(queue, arena, &value, KITH_FOREVER) == 0);
    }
    EXPECT(kith_proxy_put(queue, kith_value_int(arena, 77), KITH_FOREVER) == 0);
    kith_proxy_free(far_queue);
    kith_manager_free(far);
    kith_proxy_free(queue);
    kith_manager_free(manager);
    return 0;
}

static void a_forked_child_uses_it(void **state)
{
    (void)state;
    begin_shared(0);
    assert_int_equal(in_child(use_in_child), 0);
    assert_int_equal(get(queue), 77);
    end_queue();
}

static int free_server(void)
{
    kith_server_free(server);
    return 0;
}

static void a_child_that_has_the_server_does_not_end_it(void **state)
{
    (void)state;
    begin_shared(0);
    assert_int_equal(in_child(free_server), 0);
    uint64_t before = calls();
    put(queue, 1);
    assert_int_equal(get(queue), 1);
    assert_int_equal(calls(), before);
    end_queue();
}

static void shutdown_ends_it_for_all(void **state)
{
    (void)state;
    begin_shared(0);
    put(queue, 1);
    put(queue, 2);
    assert_code(kith_proxy_call(far_queue, "shutdown", KITH_NO_ARGS, NULL, NULL, NULL, KITH_FOREVER), 0);
    assert_code(kith_proxy_put(queue, kith_value_int(arena, 3), KITH_FOREVER), KITH_EREMOTE);
    assert_string_equal(kith_proxy_exception(), "queue.ShutDown");
    assert_int_equal(get(queue), 1);
    assert_int_equal(get(far_queue), 2);
    kith_value *value;
    assert_code(kith_proxy_get(queue, arena, &value, KITH_FOREVER), KITH_EREMOTE);
    end_queue();
}

static void after_the_server_it_is_closed(void **state)
{
    (void)state;
    begin_shared(0);
    put(queue, 1);
    stop_serving();
    assert_explained(kith_proxy_put(queue, kith_value_int(arena, 2), KITH_FOREVER), KITH_ECLOSED);
    begin_serving(); /* the same server once more: what was there is there */
    assert_int_equal(get(queue), 1);
    assert_explained(kith_proxy_put(far_queue, kith_value_int(arena, 2), KITH_FOREVER), KITH_ECLOSED);
    put(far_queue, 3);
    assert_int_equal(get(queue), 3);
    end_queue();
}

static void *end_the_server(void *nothing)
{
    wait_for_waiting(1);
    kith_server_stop(server);
    return nothing;
}

static void the_end_of_the_server_wakes_who_waits(void **state)
{
    (void)state;
    begin_shared(0);
    pthread_t other;
    kith_value *value;
    assert_int_equal(pthread_create(&other, NULL, end_the_server, NULL), 0);
    assert_explained(kith_proxy_get(queue, arena, &value, KITH_FOREVER), KITH_ECLOSED);
    pthread_join(other, NULL);
    stop_serving();
    end_queue();
}

/* ---- snapshots ---- */

static char snapshot[80];

static void a_snapshot_has_what_is_shared(void **state)
{
    (void)state;
    snprintf(snapshot, sizeof snapshot, "/tmp/kith-near-%d", (int)getpid());
    unlink(snapshot);
    begin_queue_with(&(kith_server_options){ .snapshot = snapshot }, KITH_NO_ARGS, NULL);
    share();
    for (int64_t i = 1; i <= 5; i++)
        put(queue, i);
    assert_int_equal(get(queue), 1);
    end_queue();
    kith_manager_free(manager);
    stop_serving();
    kith_server_free(server);
    begin_queue_with(&(kith_server_options){ .snapshot = snapshot }, KITH_NO_ARGS, NULL);
    for (int64_t i = 2; i <= 5; i++)
        assert_int_equal(get(queue), i);
    assert_int_equal(get(queue), INT64_MIN);
    end_queue();
    unlink(snapshot);
}

/* ---- many at a time ---- */

enum { USERS = 4, EACH = 3000 };

static _Atomic int64_t sum, count;

/** Half of them put, half of them get; half by shared memory, half by the server. */
static void *take_part(void *argument)
{
    int number = *(int *)argument;
    kith_arena *own;
    assert_code(kith_arena_new(&own), 0);
    kith_proxy *by = number % 4 < 2 ? queue : far_queue;
    for (int64_t i = 1; i <= EACH; i++) {
        kith_value *value = NULL;
        if (number % 2) {
            assert_code(kith_proxy_put(by, kith_value_int(own, i), KITH_FOREVER), 0);
        } else {
            assert_code(kith_proxy_get(by, own, &value, KITH_FOREVER), 0);
            atomic_fetch_add(&sum, as_int(value));
            atomic_fetch_add(&count, 1);
            assert_code(kith_proxy_task_done(by), 0);
        }
        kith_arena_reset(own);
    }
    assert_code(kith_proxy_flush(by), 0);
    kith_arena_free(own);
    return NULL;
}

static void all_come_through_whoever_puts_and_gets(void **state)
{
    (void)state;
#if defined __SANITIZE_THREAD__
    skip(); /* it knows memory by its address, and the server's thread has the queue at another one than its clients */
#endif
    begin_queue(3); /* so that both sides wait, and it is shared in the middle of it */
    pthread_t threads[USERS];
    int numbers[USERS];
    atomic_store(&sum, 0);
    atomic_store(&count, 0);
    for (int i = 0; i < USERS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, take_part, &numbers[i]), 0);
    }
    for (int i = 0; i < USERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&count), USERS / 2 * EACH);
    assert_int_equal(atomic_load(&sum), USERS / 2 * (int64_t)EACH * (EACH + 1) / 2);
    assert_code(kith_proxy_join(queue, KITH_FOREVER), 0);
    assert_int_equal(stats_now().shared_queues, 1);
    end_queue();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_server(a_busy_client_gets_the_queue),
        with_server(values_of_all_kinds_and_sizes_pass),
        with_server(others_use_it_by_the_server),
        with_server(what_was_there_before_keeps_its_order),
        with_server(many_are_put_and_got),
        with_server(many_are_put_as_far_as_there_is_room),
        with_server(its_bound_is_kept),
        with_server(what_came_with_buffers_is_served_as_a_plain_pickle),
        with_server(who_stops_in_a_put_holds_up_putters_alone),
        with_server(who_stops_in_a_get_holds_up_getters_alone),
        with_server(who_stays_stopped_fails_what_does_not_wait),
        with_server(a_put_wakes_who_waits_at_the_server),
        with_server(a_get_wakes_who_waits_for_room),
        with_server(the_last_that_is_done_wakes_who_joins),
        with_server(only_the_last_that_is_done_tells_the_server),
        with_server(who_waits_when_it_is_shared_is_woken),
        with_server(what_was_unfinished_before_is_so_still),
        with_server(what_a_client_got_and_never_read_is_the_next_one),
        with_server(a_proxy_in_a_message_keeps_its_object),
        with_server(queues_that_redeliver_stay_at_the_server),
        with_server(queues_whose_memory_counts_stay_at_the_server),
        with_server(queues_with_restrictions_stay_at_the_server),
        with_server(clients_that_stay_on_sockets_do_not_share),
        with_server(clients_with_a_bound_do_not_share),
        with_server(descriptors_are_left_for_others),
        with_server(a_forked_child_uses_it),
        with_server(a_child_that_has_the_server_does_not_end_it),
        with_server(shutdown_ends_it_for_all),
        with_server(after_the_server_it_is_closed),
        with_server(the_end_of_the_server_wakes_who_waits),
        with_server(a_snapshot_has_what_is_shared),
        with_server(all_come_through_whoever_puts_and_gets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
