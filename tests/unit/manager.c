/* The client's handle: servers that it starts, the lines of threads and of children that are forked, what a client's
 * end gives back, and the end of its server. What each method does is tests/interop/c_clients.py's to try, at kith's
 * server and Python's. */
#include "apart.h"
#include "served.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>

static kith_manager *manager;

static void connect_manager(void)
{
    kith_manager_options options = { .authkey = KEY, .authkey_size = strlen(KEY) };
    assert_code(kith_manager_connect(&manager, kith_server_address(server), &options, PATIENCE), 0);
}

static kith_proxy *make(const char *type)
{
    kith_proxy *proxy;
    assert_code(kith_manager_create(manager, &proxy, type, KITH_NO_ARGS, NULL), 0);
    return proxy;
}

static int begin_unix(void **state)
{
    (void)state;
    make_server(NULL, (kith_server_options){ 0 });
    publish("jobs", "JoinableQueue", NULL);
    serve();
    connect_manager();
    return 0;
}

static int begin_tcp(void **state)
{
    (void)state;
    make_server("tcp:127.0.0.1:0", (kith_server_options){ 0 });
    serve();
    connect_manager();
    return 0;
}

static int end(void **state)
{
    kith_manager_free(manager);
    manager = NULL;
    return end_server(state);
}

/* ---- lines ---- */

static void *append(void *list)
{
    int number = 1;
    kith_arena *own;
    EXPECT_OR(kith_arena_new(&own) == 0, return NULL);
    EXPECT_OR(kith_proxy_append(list, kith_value_int(own, number)) == 0, return NULL);
    kith_arena_free(own);
    return list;
}

static void in_thread(void *(*body)(void *), void *argument)
{
    pthread_t thread;
    void *result;
    assert_int_equal(pthread_create(&thread, NULL, body, argument), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, argument);
}

static void test_a_line_ends_with_its_thread(void **state)
{
    (void)state;
    kith_proxy *list = make("list");
    unsigned before = stats().clients;
    in_thread(append, list);
    wait_until(stats().clients == before);
    assert_int_equal(kith_proxy_length(list), 1);
    kith_proxy_free(list);
}

static void *make_in_thread(void *into)
{
    EXPECT_OR(kith_manager_create(manager, into, "list", KITH_NO_ARGS, NULL) == 0, return NULL);
    return into;
}

/* At a kith server by TCP, references are kept for connections. */
static void test_an_object_outlives_the_thread_that_made_it(void **state)
{
    (void)state;
    kith_proxy *list;
    in_thread(make_in_thread, &list);
    in_thread(append, list);
    assert_int_equal(kith_proxy_length(list), 1);
    kith_proxy_free(list);
    assert_int_equal(kith_manager_number_of_objects(manager), 0);
}

static void test_an_object_outlives_a_line_that_was_dropped(void **state)
{
    (void)state;
    kith_proxy *event = make("Event"), *dict = make("dict"), *iterator;
    assert_code(kith_proxy_call_object(dict, &iterator, "__iter__", KITH_NO_ARGS, NULL, PATIENCE), 0);
    assert_explained(kith_proxy_call(event, "wait", KITH_NO_ARGS, NULL, NULL, NULL, KITH_MS(1)), -ETIMEDOUT);
    assert_code(kith_proxy_event_is_set(event), 0);
    kith_value *value;
    assert_code(kith_proxy_next(iterator, arena, &value), 0);
    kith_proxy_free(event);
    kith_proxy_free(dict);
    kith_proxy_free(iterator);
    assert_int_equal(kith_manager_number_of_objects(manager), 0);
}

/* The thread that waited too long has lost its line, and with it the lock. */
static int begin_small(void **state)
{
    (void)state;
    make_server(NULL, (kith_server_options){ .listener = { .max_message = 1000 } });
    serve();
    connect_manager();
    return 0;
}

/* A server that is still there still has the reference. */
static void test_a_line_that_the_server_closes_leaves_no_object(void **state)
{
    (void)state;
    static const char longer[2000];
    kith_proxy *list = make("list");
    assert_explained(kith_proxy_append(list, kith_value_bytes(arena, longer, sizeof longer)), KITH_ECLOSED);
    assert_int_equal(kith_proxy_length(list), 0);
    kith_proxy_free(list);
    assert_int_equal(kith_manager_number_of_objects(manager), 0);
}

static void test_locks_go_with_a_line_that_was_dropped(void **state)
{
    (void)state;
    kith_proxy *event = make("Event"), *lock = make("Lock");
    assert_code(kith_proxy_acquire(lock, KITH_NOWAIT), 0);
    assert_code(kith_proxy_call(event, "wait", KITH_NO_ARGS, NULL, NULL, NULL, KITH_MS(1)), -ETIMEDOUT);
    assert_code(kith_proxy_acquire(lock, PATIENCE), 0);
    kith_proxy_free(event);
    kith_proxy_free(lock);
}

static void test_thousands_of_proxies_leave_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 2000; i++)
        kith_proxy_free(make("dict"));
    assert_int_equal(kith_manager_number_of_objects(manager), 0);
    assert_int_equal(stats().clients <= 2, 1);
}

/* ---- answers that nobody waited for ---- */

static void *do_tasks(void *queue)
{
    kith_value *value;
    kith_arena *own;
    EXPECT_OR(kith_arena_new(&own) == 0, return NULL);
    for (int i = 0; i < 3; i++) {
        EXPECT_OR(kith_proxy_get(queue, own, &value, PATIENCE) == 0, return NULL);
        EXPECT_OR(kith_proxy_task_done(queue) == 0, return NULL);
    }
    kith_arena_free(own);
    return queue;
}

static void test_what_a_thread_has_said_counts_when_it_ends(void **state)
{
    (void)state;
    kith_proxy *queue = make("jobs");
    kith_value *three = kith_value_pack(arena, "[i i i]", 1, 2, 3);
    assert_code(kith_proxy_put_many(queue, three, KITH_FOREVER), 3);
    in_thread(do_tasks, queue);
    assert_code(kith_proxy_join(queue, PATIENCE), 0);
    assert_int_equal(kith_proxy_qsize(queue), 0);
    kith_proxy_free(queue);
}

static void test_a_mistake_harms_no_other_call(void **state)
{
    (void)state;
    kith_value *value;
    kith_proxy *queue = make("JoinableQueue");
    assert_code(kith_proxy_task_done(queue), 0);
    assert_code(kith_proxy_put(queue, kith_value_int(arena, 1), PATIENCE), 0);
    assert_code(kith_proxy_get(queue, arena, &value, PATIENCE), 0);
    assert_string_equal(kith_proxy_exception(), "");
    assert_explained(kith_proxy_task_done(queue), -EINVAL);
    assert_string_equal(kith_proxy_exception(), "ValueError");
    assert_code(kith_proxy_flush(queue), 0);
    assert_code(kith_proxy_join(queue, PATIENCE), 0);
    kith_proxy_free(queue);
}

/** A call that raised nothing leaves no exception of the one before. */
static void raise_one(kith_proxy *queue)
{
    assert_explained(kith_proxy_call(queue, "nothing", KITH_NO_ARGS, NULL, NULL, NULL, PATIENCE), KITH_EREMOTE);
    assert_string_equal(kith_proxy_exception(), "AttributeError");
}

static void test_who_is_refused_here_has_no_exception(void **state)
{
    (void)state;
    kith_value *value;
    kith_proxy *queue = make("JoinableQueue");
    raise_one(queue);
    assert_explained(kith_proxy_call(queue, "get", KITH_NO_ARGS, NULL, NULL, NULL, -5), -EINVAL);
    assert_string_equal(kith_proxy_exception(), "");
    raise_one(queue);
    assert_explained(kith_proxy_get(queue, arena, &value, -5), -EINVAL);
    assert_string_equal(kith_proxy_exception(), "");
    raise_one(queue);
    assert_explained(kith_proxy_put(queue, NULL, PATIENCE), -EINVAL);
    assert_string_equal(kith_proxy_exception(), "");
    raise_one(queue);
    assert_explained(kith_proxy_put_many(queue, kith_value_list(arena), -5), -EINVAL);
    assert_string_equal(kith_proxy_exception(), "");
    kith_proxy_free(queue);
}

/* ---- many at a time ---- */

enum { PUTTERS = 3, GETTERS = 3, EACH = 1000, ALL = PUTTERS * EACH };

static _Atomic unsigned taken[ALL];
static _Atomic unsigned taken_count;

static void *put_many(void *queue)
{
    static _Atomic int putters;
    int first = EACH * (putters++ % PUTTERS);
    kith_arena *own;
    EXPECT_OR(kith_arena_new(&own) == 0, return NULL);
    kith_value *list = kith_value_list(own);
    for (int i = 0; i < EACH; i++)
        kith_value_append(list, kith_value_int(own, first + i));
    EXPECT_OR(kith_proxy_put_many(queue, list, KITH_FOREVER) == EACH, return NULL);
    kith_arena_free(own);
    return queue;
}

/* Until all are taken: then each of the others finds a -1. */
static void *get_many(void *queue)
{
    kith_arena *own;
    kith_value *list;
    int64_t number = 0, before[PUTTERS] = { -1, -1, -1 };
    EXPECT_OR(kith_arena_new(&own) == 0, return NULL);
    while (number >= 0) {
        int got = kith_proxy_get_many(queue, own, &list, 100, PATIENCE);
        EXPECT_OR(got > 0, return NULL);
        for (int i = 0; i < got && number >= 0; i++) {
            EXPECT_OR(kith_value_as_int(kith_value_at(list, (size_t)i), &number) == 0, return NULL);
            if (number < 0)
                continue;
            EXPECT_OR(number > before[number / EACH], return NULL);
            before[number / EACH] = number;
            taken[number]++;
            taken_count++;
        }
        if (taken_count == ALL && number >= 0)
            number = -1;
        if (number < 0) /* for the next one */
            EXPECT_OR(kith_proxy_put(queue, kith_value_int(own, -1), PATIENCE) == 0, return NULL);
        kith_arena_reset(own);
    }
    kith_arena_free(own);
    return queue;
}

static void test_many_threads_lose_nothing(void **state)
{
    (void)state;
    pthread_t threads[PUTTERS + GETTERS];
    void *result;
    kith_proxy *queue = make("Queue");
    taken_count = 0;
    for (int i = 0; i < ALL; i++)
        taken[i] = 0;
    for (int i = 0; i < PUTTERS + GETTERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, i < PUTTERS ? put_many : get_many, queue), 0);
    for (int i = 0; i < PUTTERS + GETTERS; i++) {
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_ptr_equal(result, queue);
    }
    for (int i = 0; i < ALL; i++)
        assert_int_equal(taken[i], 1);
    kith_proxy_free(queue);
}

/** Short ones go together, long ones by themselves; their order stays. */
static void test_many_of_all_lengths_keep_their_order(void **state)
{
    enum { COUNT = 150, UNIT = 1021 };
    (void)state;
    static const char bytes[60 * UNIT];
    kith_proxy *queue = make("Queue");
    kith_value *list = kith_value_list(arena), *got = kith_value_list(arena), *some;
    for (size_t i = 0; i < COUNT; i++)
        assert_code(kith_value_append(list, kith_value_bytes(arena, bytes, i % 7 == 6 ? i % 60 * UNIT : i)), 0);
    assert_code(kith_proxy_put_many(queue, list, KITH_FOREVER), COUNT);
    while (kith_value_length(got) < COUNT) {
        assert_true(kith_proxy_get_many(queue, arena, &some, COUNT, PATIENCE) > 0);
        for (size_t i = 0; i < kith_value_length(some); i++)
            assert_code(kith_value_append(got, kith_value_at(some, i)), 0);
    }
    assert_int_equal(kith_value_equal(list, got), 1);
    kith_proxy_free(queue);
}

static void test_what_finds_no_room_has_nothing_behind_it(void **state)
{
    (void)state;
    kith_proxy *queue;
    kith_value *got;
    assert_code(kith_manager_create(manager, &queue, "Queue", kith_value_pack(arena, "(i)", 2), NULL), 0);
    kith_value *five = kith_value_pack(arena, "[i i i i i]", 1, 2, 3, 4, 5);
    assert_code(kith_proxy_put_many(queue, five, KITH_MS(1)), 2);
    assert_code(kith_proxy_put_many(queue, five, KITH_NOWAIT), KITH_EFULL);
    assert_code(kith_proxy_get_many(queue, arena, &got, 10, KITH_NOWAIT), 2);
    assert_string_equal(kith_proxy_exception(), ""); /* that there were no more is no failure */
    assert_int_equal(kith_value_equal(got, kith_value_pack(arena, "[i i]", 1, 2)), 1);
    assert_code(kith_proxy_get_many(queue, arena, &got, 10, KITH_MS(1)), KITH_EEMPTY);
    assert_string_equal(kith_proxy_exception(), "queue.Empty");
    assert_explained(kith_proxy_get_many(queue, arena, &got, 10, -7), -EINVAL);
    assert_string_equal(kith_proxy_exception(), "");
    kith_proxy_free(queue);
}

/* ---- children ---- */

static kith_proxy *shared;

static int use_in_child(void)
{
    kith_value *value;
    kith_proxy *own;
    EXPECT(kith_proxy_append(shared, kith_value_int(arena, 2)) == 0);
    EXPECT(kith_manager_create(manager, &own, "dict", KITH_NO_ARGS, NULL) == 0);
    EXPECT(kith_proxy_at(shared, 0, arena, &value) == 0);
    _exit(0); /* as if it had been killed: nothing is given back but by the server */
}

static void test_a_child_that_ends_takes_nothing_along(void **state)
{
    (void)state;
    shared = make("list");
    assert_code(kith_proxy_append(shared, kith_value_int(arena, 1)), 0);
    assert_int_equal(apart(use_in_child), 0);
    wait_until(kith_manager_number_of_objects(manager) == 1);
    assert_int_equal(kith_proxy_length(shared), 2);
    kith_proxy_free(shared);
    assert_int_equal(kith_manager_number_of_objects(manager), 0);
}

static int free_in_child(void)
{
    kith_proxy_free(shared);
    kith_manager_free(manager);
    if (is_serving)
        _exit(0); /* what the server's thread had is nobody's here, and leak checkers would say so */
    kith_arena_free(arena);
    return 0;
}

static void test_a_child_that_frees_takes_nothing_along(void **state)
{
    (void)state;
    shared = make("JoinableQueue");
    assert_code(kith_proxy_put(shared, kith_value_int(arena, 1), PATIENCE), 0);
    assert_code(kith_proxy_task_done(shared), 0); /* its answer is its parent's to read */
    assert_int_equal(apart(free_in_child), 0);
    assert_int_equal(kith_proxy_qsize(shared), 1);
    assert_code(kith_proxy_flush(shared), 0);
    kith_proxy_free(shared);
}

static int report[2], go[2]; /* pipes */

static void *take_one(void *queue)
{
    kith_value *value;
    (void)!kith_proxy_get(queue, arena, &value, KITH_FOREVER);
    return NULL;
}

/** A thread waits in a call; then comes a child, which lives on when this process ends. */
static int leave_a_child(void)
{
    pthread_t thread;
    char byte;
    close(go[1]);
    EXPECT(pthread_create(&thread, NULL, take_one, shared) == 0);
    EXPECT(read(go[0], &byte, 1) == 1);
    pid_t child = fork();
    if (child == 0) {
        EXPECT(kith_proxy_qsize(shared) == 0);
        EXPECT(write(report[1], "", 1) == 1);
        (void)!read(go[0], &byte, 1); /* until the test is over */
        _exit(0);
    }
    EXPECT(read(report[0], &byte, 1) == 1);
    _exit(0);
}

static void test_a_child_does_not_hold_up_its_parents_end(void **state)
{
    (void)state;
    kith_value *value;
    shared = make("JoinableQueue");
    assert_int_equal(pipe(report), 0);
    assert_int_equal(pipe(go), 0);
    pid_t pid = apart_start(leave_a_child);
    wait_until(stats().waiting == 1);
    assert_int_equal(write(go[1], "", 1), 1);
    assert_int_equal(apart_wait(pid), 0);
    wait_until(stats().waiting == 0);
    assert_code(kith_proxy_put(shared, kith_value_int(arena, 1), PATIENCE), 0);
    assert_code(kith_proxy_get(shared, arena, &value, KITH_NOWAIT), 0);
    for (int i = 0; i < 2; i++) {
        close(report[i]);
        close(go[i]);
    }
    kith_proxy_free(shared);
}

/* ---- proxies as values ---- */

static void test_a_proxy_goes_from_manager_to_manager(void **state)
{
    (void)state;
    kith_manager *first = manager;
    kith_proxy *list = make("list"), *again;
    const kith_value *value = kith_proxy_value(list, arena);
    connect_manager();
    assert_int_equal(kith_value_is_proxy(value), 1);
    assert_code(kith_proxy_from_value(manager, &again, value), 0);
    assert_string_equal(kith_proxy_id(again), kith_proxy_id(list));
    assert_string_equal(kith_proxy_type(again), "list");
    kith_proxy_free(list);
    kith_manager_free(first);
    assert_code(kith_proxy_append(again, kith_value_int(arena, 1)), 0);
    value = kith_proxy_value(again, arena);
    kith_proxy_free(again);
    assert_explained(kith_proxy_from_value(manager, &again, value), -ENOENT);
    assert_null(kith_proxy_value(NULL, arena));
    assert_string_equal(kith_proxy_id(NULL), "");
    assert_string_equal(kith_proxy_type(NULL), "");
}

static kith_connection *theirs;

static int use_what_comes(void)
{
    kith_value *value;
    kith_proxy *list;
    EXPECT(kith_connection_recv_value(theirs, arena, &value, PATIENCE) == 0);
    EXPECT(kith_proxy_from_value(manager, &list, value) == 0);
    EXPECT(kith_proxy_append(list, kith_value_int(arena, 1)) == 0);
    kith_proxy_free(list);
    _exit(0);
}

static void test_a_proxy_goes_through_a_pipe(void **state)
{
    (void)state;
    kith_connection *mine;
    assert_code(kith_pipe(&mine, &theirs, NULL), 0);
    pid_t child = apart_start(use_what_comes);
    kith_proxy *list = make("list");
    assert_code(kith_connection_send_value(mine, kith_proxy_value(list, arena), PATIENCE), 0);
    assert_int_equal(apart_wait(child), 0);
    assert_int_equal(kith_proxy_length(list), 1);
    kith_connection_free(mine);
    kith_connection_free(theirs);
    kith_proxy_free(list);
}

static void test_a_proxy_of_another_server_is_refused(void **state)
{
    (void)state;
    kith_manager *other;
    kith_proxy *list = make("list"), *again;
    assert_code(kith_manager_start(&other, NULL, NULL, NULL), 0);
    assert_explained(kith_proxy_from_value(other, &again, kith_proxy_value(list, arena)), -EXDEV);
    assert_explained(kith_proxy_from_value(other, &again, kith_value_int(arena, 1)), KITH_ETYPE);
    kith_manager_free(other);
    kith_proxy_free(list);
}

/* ---- the server's end ---- */

static void *get_for_ever(void *queue)
{
    kith_value *value;
    kith_arena *own;
    EXPECT_OR(kith_arena_new(&own) == 0, return NULL);
    EXPECT_OR(kith_proxy_get(queue, own, &value, KITH_FOREVER) == KITH_ECLOSED, return NULL);
    kith_arena_free(own);
    return queue;
}

static void test_the_end_of_the_server_is_told_at_once(void **state)
{
    (void)state;
    pthread_t thread;
    void *result;
    kith_proxy *queue = make("jobs");
    assert_int_equal(pthread_create(&thread, NULL, get_for_ever, queue), 0);
    wait_until(stats().waiting == 1);
    kith_server_stop(server);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, queue);
    assert_code(await_end(), 0);
    kith_server_free(server);
    server = NULL;
    assert_explained(kith_proxy_qsize(queue), KITH_ECLOSED);
    assert_explained(kith_proxy_qsize(queue), KITH_ECLOSED);
    kith_proxy_free(queue);
}

static char snapshot[60];

static void begin_with_snapshot(void)
{
    make_server(NULL, (kith_server_options){ .snapshot = snapshot });
    publish("jobs", "JoinableQueue", NULL);
    serve();
}

/* The first call tells of the loss; then the proxy is good again, and what it stands for is there. */
static void test_a_proxy_lives_on_with_the_next_server(void **state)
{
    (void)state;
    kith_value *value;
    kith_proxy *queue = make("jobs");
    assert_code(kith_proxy_put(queue, kith_value_int(arena, 7), PATIENCE), 0);
    assert_int_equal(end_server(NULL), 0);
    begin_with_snapshot();
    assert_explained(kith_proxy_qsize(queue), KITH_ECLOSED);
    assert_int_equal(kith_proxy_qsize(queue), 1);
    assert_code(kith_proxy_get(queue, arena, &value, PATIENCE), 0);
    assert_code(kith_proxy_task_done(queue), 0);
    assert_code(kith_proxy_join(queue, PATIENCE), 0);
    kith_proxy_free(queue);
}

static int begin_to_restart(void **state)
{
    (void)state;
    snprintf(snapshot, sizeof snapshot, "/tmp/kith-test-manager-%d", (int)getpid());
    begin_with_snapshot();
    connect_manager();
    return 0;
}

static int end_restarted(void **state)
{
    int code = end(state);
    unlink(snapshot);
    return code;
}

/* ---- what is late ---- */

static int is_never(void *nothing)
{
    (void)nothing;
    return 0;
}

static void assert_late(int code, const char *why)
{
    assert_explained(code, -ETIMEDOUT);
    assert_non_null(strstr(kith_error_detail(), why));
}

/* Each says so itself: what is told is not of what failed before. */
static void test_what_is_late_says_so(void **state)
{
    (void)state;
    kith_proxy *lock = make("Lock"), *event = make("Event"), *condition = make("Condition");
    assert_code(kith_proxy_acquire(lock, PATIENCE), 0);
    assert_late(kith_proxy_acquire(lock, KITH_NOWAIT), "the Lock was not to be had in 0 ms");
    assert_late(kith_proxy_acquire(lock, KITH_MS(2)), "the Lock was not to be had in 2 ms");
    assert_code(kith_proxy_release(lock), 0);
    assert_late(kith_proxy_event_wait(event, KITH_MS(3)), "the Event was not set in 3 ms");
    assert_code(kith_proxy_acquire(condition, PATIENCE), 0);
    assert_late(kith_proxy_wait(condition, KITH_MS(4)), "the Condition was not notified in 4 ms");
    assert_late(kith_proxy_wait_for(condition, is_never, NULL, KITH_MS(5)), "waited for in 5 ms");
    assert_code(kith_proxy_release(condition), 0);
    kith_proxy_free(lock);
    kith_proxy_free(event);
    kith_proxy_free(condition);
}

/* ---- relative paths ---- */

static char folder[] = "/tmp/kith-test-XXXXXX";
static int before = -1; /* the working directory */

static int begin_in_a_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/kith-test-XXXXXX");
    before = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (!mkdtemp(folder) || chdir(folder) < 0)
        return -1;
    make_server("unix:board", (kith_server_options){ 0 });
    publish("lists", "list", NULL);
    serve();
    connect_manager();
    return 0;
}

static int end_in_a_folder(void **state)
{
    int code = fchdir(before);
    close(before);
    code = end(state) < 0 ? -1 : code;
    return rmdir(folder) < 0 ? -1 : code;
}

static void test_a_relative_path_outlives_its_working_directory(void **state)
{
    (void)state;
    char address[sizeof folder + 20];
    snprintf(address, sizeof address, "unix:%s/board", folder);
    assert_string_equal(kith_manager_address(manager), address);
    assert_string_equal(kith_server_address(server), "unix:board"); /* as it was given */
    assert_int_equal(fchdir(before), 0);
    kith_proxy *list = make("list");
    in_thread(append, list);
    assert_int_equal(kith_proxy_length(list), 1);
    kith_proxy_free(list);
}

static void test_a_server_is_the_same_by_each_of_its_paths(void **state)
{
    (void)state;
    static const char *const paths[] = { "unix:board", "unix:./board", "unix:.//./board" };
    char address[sizeof folder + 20];
    kith_manager_options options = { .authkey = KEY, .authkey_size = strlen(KEY) };
    snprintf(address, sizeof address, "unix:%s/board", folder);
    kith_proxy *list = make("list"), *same;
    for (size_t i = 0; i < 4; i++) {
        kith_manager *other;
        assert_code(kith_manager_connect(&other, i < 3 ? paths[i] : address, &options, PATIENCE), 0);
        assert_string_equal(kith_manager_address(other), address);
        assert_code(kith_proxy_from_value(other, &same, kith_proxy_value(list, arena)), 0);
        assert_string_equal(kith_proxy_id(same), kith_proxy_id(list));
        kith_proxy_free(same);
        kith_manager_free(other);
    }
    kith_proxy_free(list);
}

/* A proxy of a list, as Python pickles it. */
static kith_value *python_proxy(const char *path, const char *id)
{
    static const char module[] = "multiprocessing.managers";
    kith_value *token =
        kith_object_new(arena, kith_object_global(arena, module, "Token"), kith_value_tuple(arena, NULL, 0), NULL);
    kith_value *state = kith_value_pack(arena, "(sss)", "list", path, id);
    assert_code(kith_object_add_step(token, KITH_STEP_STATE, NULL, state), 0);
    return kith_object_call(arena, kith_object_global(arena, module, "RebuildProxy"),
                            kith_value_pack(arena, "(vvsv)", kith_object_global(arena, module, "ListProxy"), token,
                                            "pickle", kith_value_dict(arena)));
}

/* A list in a list lives by it alone, whether its proxy came with the server's path as it was given, as Python's do, or
 * with the absolute one, and wherever the server is now. */
static void test_a_server_knows_its_own_by_each_of_its_paths(void **state)
{
    (void)state;
    static const char *const given[] = { "board", NULL };
    kith_proxy *outer = make("lists");
    assert_int_equal(fchdir(before), 0);
    for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
        kith_proxy *inner = make("list");
        kith_value *value = kith_proxy_value(inner, arena);
        if (given[i])
            value = python_proxy(given[i], kith_proxy_id(inner));
        assert_code(kith_proxy_append(outer, value), 0);
        kith_proxy_free(inner);
        assert_int_equal(stats().objects, 2 + i);
    }
    kith_proxy_free(outer);
}

/* ---- servers that a manager starts ---- */

static int publish_two(kith_server *started, void *context)
{
    (void)context;
    int code = kith_server_publish(started, "one", "list", KITH_NO_ARGS, NULL, NULL);
    return code < 0 ? code : kith_server_publish(started, "two", "dict", KITH_NO_ARGS, NULL, NULL);
}

static void test_start(void **state)
{
    (void)state;
    size_t size;
    kith_manager *other;
    assert_code(kith_manager_start(&manager, publish_two, NULL, NULL), 0);
    assert_int_equal(kith_manager_is_kith(manager), 1);
    assert_non_null(kith_manager_authkey(manager, &size));
    assert_int_equal(size, 32);
    kith_proxy *one = make("one"), *list = make("list");
    assert_code(kith_proxy_append(one, kith_proxy_value(list, arena)), 0);
    kith_manager_options options = { .authkey = kith_manager_authkey(manager, NULL), .authkey_size = size };
    assert_code(kith_manager_connect(&other, kith_manager_address(manager), &options, PATIENCE), 0);
    kith_manager_free(other);
    assert_int_equal(kith_process_active_children(NULL, 0), 1);
    kith_proxy_free(one);
    kith_proxy_free(list);
    kith_manager_free(manager);
    manager = NULL;
    assert_int_equal(kith_process_active_children(NULL, 0), 0);
}

static int refuse(kith_server *started, void *context)
{
    (void)started;
    return context ? kith_fail(-EDOM, "not today: %s", (const char *)context) : -EDOM;
}

static void test_a_start_that_is_refused(void **state)
{
    (void)state;
    assert_code(kith_manager_start(&manager, refuse, (void *)(intptr_t) "a reason", NULL), -EDOM);
    assert_string_equal(kith_error_detail(), "not today: a reason");
    assert_explained(kith_manager_start(&manager, refuse, NULL, NULL), -EDOM);
    assert_explained(kith_manager_start(NULL, NULL, NULL, NULL), -EINVAL);
    assert_null(manager);
    assert_int_equal(kith_process_active_children(NULL, 0), 0);
}

static void test_a_start_with_a_snapshot_that_is_none(void **state)
{
    (void)state;
    char path[60];
    snprintf(path, sizeof path, "/tmp/kith-nonsense-%d", (int)getpid());
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("nonsense", file);
    fclose(file);
    int code = kith_manager_start(&manager, NULL, NULL, &(kith_server_options){ .snapshot = path });
    unlink(path);
    assert_explained(code, KITH_EMALFORMED);
    assert_int_equal(kith_process_active_children(NULL, 0), 0);
}

static void test_a_started_server_that_is_killed(void **state)
{
    (void)state;
    kith_process *process;
    assert_code(kith_manager_start(&manager, NULL, NULL, NULL), 0);
    kith_proxy *lock = make("Lock");
    assert_int_equal(kith_process_active_children(&process, 1), 1);
    assert_code(kith_process_kill(process), 0);
    assert_explained(kith_proxy_acquire(lock, KITH_FOREVER), KITH_ECLOSED);
    assert_explained(kith_manager_shutdown(manager), KITH_ECLOSED);
    kith_proxy_free(lock);
    kith_manager_free(manager);
    manager = NULL;
    assert_int_equal(kith_process_active_children(NULL, 0), 0);
}

static void *free_in_thread(void *proxy)
{
    kith_proxy_free(proxy);
    return proxy;
}

/* One that is stopped listens still, for its socket does. */
static void test_a_proxy_of_a_server_that_does_not_serve(void **state)
{
    (void)state;
    kith_manager *started;
    kith_process *process;
    assert_code(kith_manager_start(&started, NULL, NULL, NULL), 0);
    kith_manager_options options = { 0 };
    options.authkey = kith_manager_authkey(started, &options.authkey_size);
    assert_code(kith_manager_connect(&manager, kith_manager_address(started), &options, KITH_FOREVER), 0);
    kith_proxy *list = make("list"), *other = make("list");
    assert_int_equal(kith_process_active_children(&process, 1), 1);
    assert_int_equal(kill(kith_process_pid(process), SIGSTOP), 0);
    kith_proxy_free(list);
    in_thread(free_in_thread, other); /* which has no connection yet */
    assert_int_equal(kill(kith_process_pid(process), SIGCONT), 0);
    assert_int_equal(kith_manager_number_of_objects(manager), 1); /* the other's, until this process ends */
    kith_manager_free(manager);
    manager = NULL;
    kith_manager_free(started);
}

static void test_a_server_that_is_killed_between_answers(void **state)
{
    (void)state;
    kith_process *process;
    kith_value *list = kith_value_list(arena);
    assert_code(kith_manager_start(&manager, NULL, NULL, NULL), 0);
    kith_proxy *queue;
    assert_code(kith_manager_create(manager, &queue, "Queue", kith_value_pack(arena, "(i)", 5), NULL), 0);
    for (int i = 0; i < 100; i++)
        assert_code(kith_value_append(list, kith_value_int(arena, i)), 0);
    assert_int_equal(kith_process_active_children(&process, 1), 1);
    pid_t killer = fork();
    if (killer == 0) { /* once the queue is full, and its putter waits */
        while (kith_proxy_full(queue) == 0)
            ;
        kill(kith_process_pid(process), SIGKILL);
        _exit(0);
    }
    int put = kith_proxy_put_many(queue, list, KITH_FOREVER);
    if (put != 5) { /* it was still sending */
        assert_code(put, KITH_ECLOSED);
        assert_non_null(strstr(kith_error_detail(), "is gone"));
    }
    assert_int_equal(apart_wait(killer), 0);
    assert_explained(kith_proxy_put_many(queue, list, KITH_FOREVER), KITH_ECLOSED);
    kith_proxy_free(queue);
}

static void test_a_started_server_that_is_told_to_end(void **state)
{
    (void)state;
    kith_server_options options = { .listener = { .authkey = "own", .authkey_size = 3 }, .no_shutdown = 1 };
    assert_code(kith_manager_start(&manager, NULL, NULL, NULL), 0);
    assert_code(kith_manager_shutdown(manager), 0);
    kith_manager_free(manager);
    assert_code(kith_manager_start(&manager, NULL, NULL, &options), 0);
    assert_memory_equal(kith_manager_authkey(manager, NULL), "own", 3);
    assert_explained(kith_manager_shutdown(manager), -EACCES);
    kith_manager_free(manager);
    manager = NULL;
    assert_int_equal(kith_process_active_children(NULL, 0), 0);
}

/* A child's copy of the manager does not end what its parent has started. */
static void test_only_who_has_started_a_server_ends_it(void **state)
{
    (void)state;
    assert_code(kith_manager_start(&manager, NULL, NULL, NULL), 0);
    shared = make("list");
    assert_int_equal(apart(free_in_child), 0);
    assert_code(kith_proxy_append(shared, kith_value_int(arena, 1)), 0);
    kith_proxy_free(shared);
    kith_manager_free(manager);
    manager = NULL;
}

static int begin_alone(void **state)
{
    (void)state;
    manager = NULL;
    return kith_arena_new(&arena);
}

static int end_alone(void **state)
{
    (void)state;
    kith_manager_free(manager);
    manager = NULL;
    kith_arena_free(arena);
    arena = NULL;
    return 0;
}

/* ---- options ---- */

static void test_tls(void **state)
{
    (void)state;
    static const char key[] = "sixteen letters.";
    const kith_tls_options by_key = { .from_authkey = 1 };
    kith_server_options there = { .listener = { .authkey = key, .authkey_size = sizeof key - 1, .tls = &by_key } };
    assert_code(kith_server_new(&server, "tcp:127.0.0.1:0", &there), 0);
    serve();
    kith_manager_options here = { .authkey = key, .authkey_size = sizeof key - 1, .tls = &by_key };
    assert_code(kith_manager_connect(&manager, kith_server_address(server), &here, PATIENCE), 0);
    kith_proxy *list = make("list");
    in_thread(append, list);
    assert_int_equal(kith_proxy_length(list), 1);
    kith_proxy_free(list);
}

static void test_a_reply_that_is_too_long(void **state)
{
    (void)state;
    kith_manager_options options = { .authkey = KEY, .authkey_size = strlen(KEY), .max_message = 1000 };
    kith_value *value;
    char text[2000] = "";
    memset(text, 'x', sizeof text - 1);
    kith_manager_free(manager);
    assert_code(kith_manager_connect(&manager, kith_server_address(server), &options, PATIENCE), 0);
    kith_proxy *list = make("jobs");
    assert_code(kith_proxy_put(list, kith_value_str(arena, text), PATIENCE), 0);
    assert_explained(kith_proxy_get(list, arena, &value, PATIENCE), KITH_ELIMIT);
    kith_proxy_free(list);
}

/* ---- handles ---- */

static void test_no_handle(void **state)
{
    (void)state;
    size_t size = 1;
    kith_proxy *proxy;
    assert_string_equal(kith_manager_address(NULL), "");
    assert_null(kith_manager_authkey(NULL, &size));
    assert_int_equal(size, 0);
    assert_int_equal(kith_manager_is_kith(NULL), 0);
    assert_explained(kith_manager_number_of_objects(NULL), -EINVAL);
    assert_explained(kith_manager_shutdown(NULL), -EINVAL);
    assert_explained(kith_manager_create(NULL, &proxy, "list", KITH_NO_ARGS, NULL), -EINVAL);
    assert_explained(kith_proxy_flush(NULL), -EINVAL);
    assert_explained(kith_proxy_task_done(NULL), -EINVAL);
    assert_explained(kith_manager_connect(&manager, "nowhere", NULL, PATIENCE), -EINVAL);
    assert_explained(kith_manager_connect(&manager, "unix:@kith-nobody-is-here", NULL, PATIENCE), -ECONNREFUSED);
    assert_explained(kith_manager_connect(&manager, "unix:@kith-nobody-is-here", NULL, -5), -EINVAL);
    kith_manager_free(NULL);
    kith_proxy_free(NULL);
}

#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, begin_in_a_folder, end_in_a_folder)
#define BY_UNIX(test) cmocka_unit_test_setup_teardown(test, begin_unix, end)
#define BY_TCP(test)                                \
    {                                               \
#test " by TCP", test, begin_tcp, end, NULL \
    }
#define ALONE(test) cmocka_unit_test_setup_teardown(test, begin_alone, end_alone)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BY_UNIX(test_a_line_ends_with_its_thread),
        BY_TCP(test_a_line_ends_with_its_thread),
        BY_UNIX(test_an_object_outlives_the_thread_that_made_it),
        BY_TCP(test_an_object_outlives_the_thread_that_made_it),
        BY_UNIX(test_an_object_outlives_a_line_that_was_dropped),
        BY_TCP(test_an_object_outlives_a_line_that_was_dropped),
        cmocka_unit_test_setup_teardown(test_a_line_that_the_server_closes_leaves_no_object, begin_small, end),
        BY_UNIX(test_locks_go_with_a_line_that_was_dropped),
        BY_UNIX(test_thousands_of_proxies_leave_nothing),
        BY_TCP(test_thousands_of_proxies_leave_nothing),
        BY_UNIX(test_what_a_thread_has_said_counts_when_it_ends),
        BY_UNIX(test_a_mistake_harms_no_other_call),
        BY_TCP(test_a_mistake_harms_no_other_call),
        BY_UNIX(test_who_is_refused_here_has_no_exception),
        BY_UNIX(test_many_threads_lose_nothing),
        BY_TCP(test_many_threads_lose_nothing),
        BY_UNIX(test_many_of_all_lengths_keep_their_order),
        BY_TCP(test_many_of_all_lengths_keep_their_order),
        BY_UNIX(test_what_finds_no_room_has_nothing_behind_it),
        BY_UNIX(test_a_child_that_ends_takes_nothing_along),
        BY_TCP(test_a_child_that_ends_takes_nothing_along),
        BY_UNIX(test_a_child_that_frees_takes_nothing_along),
        BY_TCP(test_a_child_that_frees_takes_nothing_along),
        BY_UNIX(test_a_child_does_not_hold_up_its_parents_end),
        BY_TCP(test_a_child_does_not_hold_up_its_parents_end),
        BY_UNIX(test_a_proxy_goes_from_manager_to_manager),
        BY_TCP(test_a_proxy_goes_from_manager_to_manager),
        BY_UNIX(test_a_proxy_goes_through_a_pipe),
        BY_UNIX(test_a_proxy_of_another_server_is_refused),
        BY_UNIX(test_the_end_of_the_server_is_told_at_once),
        BY_UNIX(test_what_is_late_says_so),
        IN_A_FOLDER(test_a_relative_path_outlives_its_working_directory),
        IN_A_FOLDER(test_a_server_is_the_same_by_each_of_its_paths),
        IN_A_FOLDER(test_a_server_knows_its_own_by_each_of_its_paths),
        cmocka_unit_test_setup_teardown(test_a_proxy_lives_on_with_the_next_server, begin_to_restart, end_restarted),
        ALONE(test_start),
        ALONE(test_a_start_that_is_refused),
        ALONE(test_a_start_with_a_snapshot_that_is_none),
        ALONE(test_a_started_server_that_is_killed),
        ALONE(test_a_proxy_of_a_server_that_does_not_serve),
        ALONE(test_a_server_that_is_killed_between_answers),
        ALONE(test_a_started_server_that_is_told_to_end),
        ALONE(test_only_who_has_started_a_server_ends_it),
        cmocka_unit_test_setup_teardown(test_tls, begin_alone, end),
        BY_UNIX(test_a_reply_that_is_too_long),
        ALONE(test_no_handle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
