/* kith/manager.h: a managed pool, whose tasks are entry points of the server's program. The server is a thread of this
 * one. */
#include "cmocka_kith.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static kith_server *server;
static pthread_t thread;
static kith_manager *manager;
static kith_proxy *pool;
static kith_arena *arena;

/* ---- tasks ---- */

KITH_ENTRY(square)
{
    int64_t number;
    int code = kith_value_unpack(kith_call_args(call), "(I)", &number);
    return code < 0 ? code : kith_call_return(call, kith_value_int(kith_call_arena(call), number * number));
}

KITH_ENTRY(add)
{
    int64_t one, other;
    int code = kith_value_unpack(kith_call_args(call), "(II)", &one, &other);
    return code < 0 ? code : kith_call_return(call, kith_value_int(kith_call_arena(call), one + other));
}

/* Its argument is the code that it fails with. */
KITH_ENTRY(fail_with)
{
    int code;
    int unpacked = kith_value_unpack(kith_call_args(call), "(i)", &code);
    return unpacked < 0 ? unpacked : kith_fail(code, "this is why");
}

KITH_ENTRY(die)
{
    return kill(getpid(), SIGKILL);
}

/* Waits until a file is there that its argument names. */
KITH_ENTRY(wait_for_file)
{
    const char *path;
    int code = kith_value_unpack(kith_call_args(call), "(s)", &path);
    while (code == 0 && access(path, F_OK) < 0)
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    return code < 0 ? code : kith_call_return(call, kith_value_str(kith_call_arena(call), path));
}

static int initialized;

KITH_ENTRY(initialize)
{
    return kith_value_unpack(kith_call_args(call), "(i)", &initialized);
}

KITH_ENTRY(tell_initialized)
{
    return kith_call_return(call, kith_value_int(kith_call_arena(call), initialized));
}

/* ---- server and client ---- */

static void *serve(void *nothing)
{
    assert_code(kith_server_run(server), 0);
    return nothing;
}

static int set_up(void **state)
{
    static const char key[] = "secret";
    char address[60];
    (void)state;
    snprintf(address, sizeof address, "unix:@kith-manager-pool-%d", (int)getpid());
    kith_server_options options = { .listener = { .authkey = key, .authkey_size = 6 } };
    kith_manager_options client = { .authkey = key, .authkey_size = 6 };
    assert_code(kith_arena_new(&arena), 0);
    assert_code(kith_server_new(&server, address, &options), 0);
    assert_int_equal(pthread_create(&thread, NULL, serve, NULL), 0);
    assert_code(kith_manager_connect(&manager, address, &client, KITH_SECONDS(30)), 0);
    assert_code(kith_manager_create(manager, &pool, "Pool", kith_value_pack(arena, "(i)", 2), NULL), 0);
    return 0;
}

/** A file that is not there. */
static const char *new_path(void)
{
    static char path[60];
    snprintf(path, sizeof path, "/tmp/kith-manager-pool-%d", (int)getpid());
    unlink(path);
    return path;
}

static void end_server(void)
{
    if (!server)
        return;
    assert_code(kith_server_stop(server), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    kith_server_free(server);
    server = NULL;
}

static int tear_down(void **state)
{
    (void)state;
    kith_proxy_free(pool);
    kith_manager_free(manager);
    end_server();
    new_path(); /* what a test has left is gone */
    kith_arena_free(arena);
    return kith_forkserver_stop();
}

static int64_t as_int(const kith_value *value)
{
    int64_t number = -1;
    assert_code(kith_value_as_int(value, &number), 0);
    return number;
}

static void assert_squares(const kith_value *list, int64_t count)
{
    assert_int_equal(kith_value_length(list), count);
    for (int64_t i = 0; i < count; i++)
        assert_int_equal(as_int(kith_value_at(list, (size_t)i)), i * i);
}

static kith_value *numbers(int64_t count)
{
    kith_value *items = kith_value_list(arena);
    for (int64_t i = 0; i < count; i++)
        assert_code(kith_value_append(items, kith_value_int(arena, i)), 0);
    return items;
}

static int call(kith_proxy *proxy, const char *method, const kith_value *args, kith_value **result)
{
    return kith_proxy_call(proxy, method, args, NULL, arena, result, KITH_SECONDS(60));
}

static void assert_raises(int code, int expected, const char *exception, const char *text)
{
    assert_code(code, expected);
    assert_string_equal(kith_proxy_exception(), exception);
    if (!strstr(kith_error_detail(), text))
        fail_msg("\"%s\" is not in \"%s\"", text, kith_error_detail());
}

/* ---- one task ---- */

static void test_apply(void **state)
{
    (void)state;
    kith_value *value;
    assert_code(kith_proxy_apply(pool, "square", kith_value_pack(arena, "(i)", 7), arena, &value), 0);
    assert_int_equal(as_int(value), 49);
    assert_code(call(pool, "apply", kith_value_pack(arena, "(s[ii])", "add", 3, 4), &value), 0);
    assert_int_equal(as_int(value), 7);
    assert_code(call(pool, "apply", kith_value_pack(arena, "(s)", "tell_initialized"), &value), 0);
    assert_int_equal(as_int(value), 0);
}

/** As Python pickles a function of a module. */
static void test_apply_global(void **state)
{
    (void)state;
    kith_value *value, *function = kith_object_global(arena, "__main__", "square");
    assert_code(call(pool, "apply", kith_value_pack(arena, "(v(i))", function, 5), &value), 0);
    assert_int_equal(as_int(value), 25);
}

static void test_unknown_task(void **state)
{
    (void)state;
    kith_value *value;
    assert_raises(kith_proxy_apply(pool, "cube", KITH_NO_ARGS, arena, &value), KITH_EREMOTE, "AttributeError",
                  "KITH_ENTRY(cube)");
    assert_raises(call(pool, "apply", kith_value_pack(arena, "(i)", 1), NULL), KITH_ETYPE, "TypeError", "entry point");
}

static void test_failures(void **state)
{
    (void)state;
    kith_value *value;
    assert_raises(kith_proxy_apply(pool, "fail_with", kith_value_pack(arena, "(i)", -ENOENT), arena, &value), -ENOENT,
                  "KeyError", "this is why");
    assert_raises(kith_proxy_apply(pool, "fail_with", kith_value_pack(arena, "(i)", -EINVAL), arena, &value), -EINVAL,
                  "ValueError", "this is why");
    assert_raises(kith_proxy_apply(pool, "fail_with", kith_value_pack(arena, "(i)", 3), arena, &value), KITH_EREMOTE,
                  "RuntimeError", "");
    assert_raises(kith_proxy_apply(pool, "die", KITH_NO_ARGS, arena, &value), KITH_EREMOTE, "RuntimeError", "worker");
}

static void test_refusals(void **state)
{
    (void)state;
    kith_value *kwargs = kith_value_pack(arena, "{s:i}", "number", 1);
    kith_value *function = kith_object_global(arena, "__main__", "done");
    assert_raises(call(pool, "apply", kith_value_pack(arena, "(s()v)", "square", kwargs), NULL), KITH_ETYPE,
                  "TypeError", "keyword");
    kith_proxy *result;
    assert_raises(kith_proxy_call_object(pool, &result, "apply_async", kith_value_pack(arena, "(s())", "square"),
                                         kith_value_pack(arena, "{s:v}", "callback", function), KITH_SECONDS(60)),
                  KITH_ETYPE, "TypeError", "get()");
    assert_raises(call(pool, "map", kith_value_pack(arena, "(s[]i)", "square", 0), NULL), -EINVAL, "ValueError",
                  "Chunksize");
    assert_raises(call(pool, "starmap", kith_value_pack(arena, "(s[i])", "square", 1), NULL), KITH_ETYPE, "TypeError",
                  "not iterable");
}

/* ---- results ---- */

static void make_file(const char *path)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fclose(file);
}

static void test_async(void **state)
{
    (void)state;
    const char *path = new_path();
    kith_proxy *result;
    kith_value *value;
    int truth;
    assert_code(kith_proxy_apply_async(pool, &result, "wait_for_file", kith_value_pack(arena, "(s)", path)), 0);
    assert_string_equal(kith_proxy_type(result), "AsyncResult");
    assert_code(call(result, "ready", KITH_NO_ARGS, &value), 0);
    assert_code(kith_value_as_bool(value, &truth), 0);
    assert_false(truth);
    assert_raises(call(result, "successful", KITH_NO_ARGS, &value), -EINVAL, "ValueError", "not ready");
    assert_raises(kith_proxy_result(result, arena, &value, KITH_MS(1)), -ETIMEDOUT,
                  "multiprocessing.context.TimeoutError", "");
    assert_code(call(result, "wait", kith_value_pack(arena, "(f)", 0.001), &value), 0);
    /* Who waits for it holds up nobody. */
    assert_code(kith_proxy_apply(pool, "square", kith_value_pack(arena, "(i)", 2), arena, &value), 0);
    make_file(path);
    assert_code(call(result, "wait", KITH_NO_ARGS, &value), 0);
    assert_int_equal(kith_value_kind(value), KITH_NONE);
    assert_code(call(result, "successful", KITH_NO_ARGS, &value), 0);
    assert_code(kith_value_as_bool(value, &truth), 0);
    assert_true(truth);
    for (int i = 0; i < 2; i++) { /* it may be asked for again */
        assert_code(kith_proxy_result(result, arena, &value, KITH_FOREVER), 0);
        assert_int_equal(kith_value_kind(value), KITH_STR);
    }
    kith_proxy_free(result);
    unlink(path);
}

static void test_async_failure(void **state)
{
    (void)state;
    kith_proxy *result;
    kith_value *value;
    int truth = 1;
    assert_code(kith_proxy_apply_async(pool, &result, "fail_with", kith_value_pack(arena, "(i)", -ERANGE)), 0);
    assert_raises(kith_proxy_result(result, arena, &value, KITH_FOREVER), -ERANGE, "IndexError", "this is why");
    assert_code(call(result, "successful", KITH_NO_ARGS, &value), 0);
    assert_code(kith_value_as_bool(value, &truth), 0);
    assert_false(truth);
    kith_proxy_free(result);
}

/** A result that nobody has a proxy of any more, and a pool that goes before its results. */
static void test_forgotten(void **state)
{
    (void)state;
    kith_proxy *results[8];
    kith_value *value;
    for (int i = 0; i < 8; i++)
        assert_code(kith_proxy_apply_async(pool, &results[i], "square", kith_value_pack(arena, "(i)", i)), 0);
    kith_proxy_free(pool);
    pool = NULL;
    for (int i = 0; i < 4; i++)
        kith_proxy_free(results[i]);
    for (int i = 4; i < 8; i++) {
        assert_code(kith_proxy_result(results[i], arena, &value, KITH_FOREVER), 0);
        assert_int_equal(as_int(value), i * i);
        kith_proxy_free(results[i]);
    }
    assert_code(kith_manager_number_of_objects(manager), 0);
}

/* ---- many tasks ---- */

static void test_map(void **state)
{
    (void)state;
    kith_value *list;
    assert_code(kith_proxy_map(pool, "square", numbers(100), arena, &list), 0);
    assert_squares(list, 100);
    assert_code(kith_proxy_map(pool, "square", kith_value_list(arena), arena, &list), 0);
    assert_squares(list, 0);
    kith_value *range = kith_object_call(arena, kith_object_global(arena, "builtins", "range"),
                                         kith_value_pack(arena, "(iii)", 0, 10, 1));
    assert_code(call(pool, "map", kith_value_pack(arena, "(svi)", "square", range, 3), &list), 0);
    assert_squares(list, 10);
    range = kith_object_call(arena, kith_object_global(arena, "builtins", "range"),
                             kith_value_pack(arena, "(iii)", 0, 1 << 26, 1));
    assert_raises(call(pool, "map", kith_value_pack(arena, "(sv)", "square", range), &list), -ENOMEM, "MemoryError",
                  "too long");
    assert_raises(kith_proxy_map(pool, "square", kith_value_pack(arena, "[isi]", 1, "two", 3), arena, &list),
                  KITH_ETYPE, "TypeError", "");
}

static void test_starmap(void **state)
{
    (void)state;
    kith_value *list;
    kith_proxy *result;
    kith_value *args = kith_value_pack(arena, "(s[(ii)[ii]])", "add", 1, 2, 3, 4);
    assert_code(call(pool, "starmap", args, &list), 0);
    assert_int_equal(as_int(kith_value_at(list, 0)), 3);
    assert_int_equal(as_int(kith_value_at(list, 1)), 7);
    assert_code(kith_proxy_call_object(pool, &result, "starmap_async", args, NULL, KITH_SECONDS(60)), 0);
    assert_code(kith_proxy_result(result, arena, &list, KITH_FOREVER), 0);
    assert_int_equal(kith_value_length(list), 2);
    kith_proxy_free(result);
    args = kith_value_pack(arena, "(sv)", "square", numbers(5));
    assert_code(kith_proxy_call_object(pool, &result, "map_async", args, NULL, KITH_SECONDS(60)), 0);
    assert_code(kith_proxy_result(result, arena, &list, KITH_FOREVER), 0);
    assert_squares(list, 5);
    kith_proxy_free(result);
}

static kith_proxy *walk(const char *method, int64_t count)
{
    kith_proxy *iterator;
    kith_value *args = kith_value_pack(arena, "(sv)", "square", numbers(count));
    assert_code(kith_proxy_call_object(pool, &iterator, method, args, NULL, KITH_SECONDS(60)), 0);
    assert_string_equal(kith_proxy_type(iterator), "Iterator");
    return iterator;
}

static void test_imap(void **state)
{
    (void)state;
    kith_value *value;
    kith_proxy *iterator = walk("imap", 30);
    for (int i = 0; i < 30; i++) {
        assert_code(kith_proxy_next(iterator, arena, &value), 1);
        assert_int_equal(as_int(value), i * i);
    }
    assert_code(kith_proxy_next(iterator, arena, &value), 0);
    assert_code(kith_proxy_next(iterator, arena, &value), 0);
    kith_proxy_free(iterator);
    iterator = walk("imap", 30); /* and one that is given up in the middle */
    assert_code(kith_proxy_next(iterator, arena, &value), 1);
    kith_proxy_free(iterator);
}

static void test_imap_unordered(void **state)
{
    (void)state;
    const char *path = new_path();
    kith_value *value, *items = kith_value_pack(arena, "(s[s,s,s])", "wait_for_file", path, "/", "/dev");
    kith_proxy *iterator;
    bool root = false, devices = false;
    const char *text;
    assert_code(kith_proxy_call_object(pool, &iterator, "imap_unordered", items, NULL, KITH_SECONDS(60)), 0);
    for (int i = 0; i < 2; i++) { /* the first one is not there yet */
        assert_code(kith_proxy_next(iterator, arena, &value), 1);
        assert_code(kith_value_as_str(value, &text, NULL), 0);
        root = root || strcmp(text, "/") == 0;
        devices = devices || strcmp(text, "/dev") == 0;
    }
    assert_true(root && devices);
    assert_raises(call(iterator, "next", kith_value_pack(arena, "(f)", 0.001), &value), -ETIMEDOUT,
                  "multiprocessing.context.TimeoutError", "");
    make_file(path);
    assert_code(kith_proxy_next(iterator, arena, &value), 1);
    assert_code(kith_proxy_next(iterator, arena, &value), 0);
    kith_proxy_free(iterator);
    unlink(path);
}

static void test_imap_failure(void **state)
{
    (void)state;
    kith_value *value;
    kith_proxy *iterator;
    kith_value *args = kith_value_pack(arena, "(s[i,s,i])", "square", 1, "two", 3);
    assert_code(kith_proxy_call_object(pool, &iterator, "imap", args, NULL, KITH_SECONDS(60)), 0);
    assert_code(kith_proxy_next(iterator, arena, &value), 1);
    assert_raises(kith_proxy_next(iterator, arena, &value), KITH_ETYPE, "TypeError", "");
    assert_code(kith_proxy_next(iterator, arena, &value), 1);
    assert_int_equal(as_int(value), 9);
    assert_code(kith_proxy_next(iterator, arena, &value), 0);
    kith_proxy_free(iterator);
}

/* ---- the pool ---- */

static void test_close_and_join(void **state)
{
    (void)state;
    kith_proxy *result;
    kith_value *value;
    assert_raises(kith_proxy_pool_join(pool), -EINVAL, "ValueError", "Pool is still running");
    assert_code(kith_proxy_apply_async(pool, &result, "square", kith_value_pack(arena, "(i)", 3)), 0);
    assert_code(kith_proxy_pool_close(pool), 0);
    assert_raises(kith_proxy_apply(pool, "square", kith_value_pack(arena, "(i)", 3), arena, &value), -EINVAL,
                  "ValueError", "Pool not running");
    assert_code(kith_proxy_pool_join(pool), 0);
    assert_code(kith_proxy_pool_join(pool), 0);
    assert_code(kith_proxy_result(result, arena, &value, KITH_NOWAIT), 0);
    assert_int_equal(as_int(value), 9);
    kith_proxy_free(result);
}

static void test_terminate(void **state)
{
    (void)state;
    kith_proxy *result;
    kith_value *value;
    const char *path = new_path();
    assert_code(kith_proxy_apply_async(pool, &result, "wait_for_file", kith_value_pack(arena, "(s)", path)), 0);
    assert_code(kith_proxy_pool_terminate(pool), 0);
    assert_code(kith_proxy_pool_join(pool), 0);
    assert_raises(kith_proxy_result(result, arena, &value, KITH_FOREVER), KITH_EREMOTE, "RuntimeError", "");
    kith_proxy_free(result);
}

/** The server ends while there are a pool, a result, and a walk, and a call that waits. */
static void *wait_for_end(void *result)
{
    kith_arena *own;
    kith_value *value;
    assert_code(kith_arena_new(&own), 0);
    assert_code(kith_proxy_result(result, own, &value, KITH_FOREVER), KITH_ECLOSED);
    kith_arena_free(own);
    return NULL;
}

static void test_server_ends(void **state)
{
    (void)state;
    const char *path = new_path();
    kith_proxy *result, *iterator = walk("imap", 30);
    pthread_t waiter;
    kith_server_stats stats = { 0 };
    assert_code(kith_proxy_apply_async(pool, &result, "wait_for_file", kith_value_pack(arena, "(s)", path)), 0);
    assert_int_equal(pthread_create(&waiter, NULL, wait_for_end, result), 0);
    while (stats.waiting < 1)
        assert_code(kith_server_get_stats(server, &stats), 0);
    end_server();
    assert_int_equal(pthread_join(waiter, NULL), 0);
    kith_proxy_free(result);
    kith_proxy_free(iterator);
}

static void test_initializer(void **state)
{
    (void)state;
    kith_proxy *other;
    kith_value *value;
    assert_code(kith_manager_create(manager, &other, "Pool", kith_value_pack(arena, "(is(i))", 1, "initialize", 42),
                                    kith_value_pack(arena, "{s:i}", "maxtasksperchild", 1)),
                0);
    for (int i = 0; i < 3; i++) {
        assert_code(kith_proxy_apply(other, "tell_initialized", KITH_NO_ARGS, arena, &value), 0);
        assert_int_equal(as_int(value), 42);
    }
    kith_proxy_free(other);
}

/** A server that kith_manager_start has made may have workers. */
static void test_started_server(void **state)
{
    (void)state;
    kith_manager *started;
    kith_proxy *other;
    kith_value *value;
    assert_code(kith_manager_start(&started, NULL, NULL, NULL), 0);
    assert_code(kith_manager_create(started, &other, "Pool", kith_value_pack(arena, "(i)", 1), NULL), 0);
    assert_code(kith_proxy_apply(other, "square", kith_value_pack(arena, "(i)", 4), arena, &value), 0);
    assert_int_equal(as_int(value), 16);
    kith_proxy_free(other);
    kith_manager_free(started);
}

static void test_wrong_pools(void **state)
{
    (void)state;
    kith_proxy *other;
    assert_raises(kith_manager_create(manager, &other, "Pool", kith_value_pack(arena, "(i)", 0), NULL), -EINVAL,
                  "ValueError", "at least 1");
    assert_raises(kith_manager_create(manager, &other, "Pool", kith_value_pack(arena, "(is)", 1, "cube"), NULL),
                  KITH_EREMOTE, "AttributeError", "KITH_ENTRY(cube)");
    assert_raises(kith_manager_create(manager, &other, "AsyncResult", KITH_NO_ARGS, NULL), KITH_ETYPE, "TypeError", "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)

int main(int argc, char **argv)
{
    int code = kith_begin(argc, argv);
    if (code < 0)
        return 2;
    const struct CMUnitTest tests[] = {
        TEST(apply),        TEST(apply_global),   TEST(unknown_task),  TEST(failures),
        TEST(refusals),     TEST(async),          TEST(async_failure), TEST(forgotten),
        TEST(map),          TEST(starmap),        TEST(imap),          TEST(imap_unordered),
        TEST(imap_failure), TEST(close_and_join), TEST(terminate),     TEST(server_ends),
        TEST(initializer),  TEST(started_server), TEST(wrong_pools),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
