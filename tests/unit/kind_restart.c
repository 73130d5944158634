/* What queues, locks and their kin are after a restart of their server, with a snapshot. */
#include "kinds.h"

static char folder[32], file[48], place[48];

static const struct {
    const char *name, *type;
    int argument; /* below 0: none */
} published[] = {
    { "tasks", "JoinableQueue", 5 }, { "event", "Event", -1 },         { "lock", "Lock", -1 },
    { "rlock", "RLock", -1 },        { "semaphore", "Semaphore", 2 },  { "bounded", "BoundedSemaphore", 2 },
    { "barrier", "Barrier", 2 },     { "condition", "Condition", -1 }, { "objects", "list", -1 },
};

static int publish(void)
{
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        const kith_value *args =
            published[i].argument < 0 ? KITH_NO_ARGS : kith_value_pack(arena, "(i)", published[i].argument);
        int code = kith_server_publish(server, published[i].name, published[i].type, args, NULL, NULL);
        if (code < 0)
            return code;
    }
    return kith_server_publish(server, "again", "Queue", KITH_NO_ARGS, kith_value_pack(arena, "{s:b}", "redeliver", 1),
                               NULL);
}

static int begin(void)
{
    kith_server_options options = { .snapshot = file };
    if (start_server(place, &options) < 0 || publish() < 0)
        return -1;
    return run_server();
}

static int set_up_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/kith-test-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(file, sizeof file, "%s/snapshot", folder);
    snprintf(place, sizeof place, "unix:@kith-test-%d", (int)getpid());
    return begin();
}

static int tear_down_folder(void **state)
{
    int code = tear_down(state);
    unlink(file);
    rmdir(folder);
    return code;
}

static void restart(void)
{
    stop_server(); /* while its clients are there */
    leave_all();
    kith_arena_free(arena);
    assert_int_equal(begin(), 0);
}

static const char *get(kith_connection *client, const char *name)
{
    return create(client, name, "()");
}

/* ---- queues ---- */

static void a_queue_has_its_messages_in_order(void **state)
{
    (void)state;
    kith_connection *client = join();
    const char *queue = get(client, "tasks");
    for (int i = 0; i < 5; i++)
        assert_string_equal(call(client, queue, "put", "([i])", i), "None");
    assert_string_equal(call(client, queue, "get", "()"), "[0]");
    assert_string_equal(call(client, queue, "put", "(s)", "last"), "None");
    restart();
    client = join();
    queue = get(client, "tasks");
    assert_string_equal(call(client, queue, "full", "()"), "True");
    const char *const left[] = { "[1]", "[2]", "[3]", "[4]", "'last'" };
    for (int i = 0; i < 5; i++) {
        assert_string_equal(call(client, queue, "get", "()"), left[i]);
        assert_string_equal(call(client, queue, "task_done", "()"), "None");
    }
    assert_memory_equal(call(client, queue, "task_done", "()"), "ValueError(", 11);
}

static void what_is_redelivered_comes_again_after_a_restart_too(void **state)
{
    (void)state;
    kith_connection *one = join(), *other = join();
    const char *queue = get(one, "again");
    for (int i = 0; i < 4; i++)
        assert_string_equal(call(one, queue, "put", "(i)", i), "None");
    assert_string_equal(call(other, queue, "get", "()"), "0");
    assert_string_equal(call(one, queue, "get", "()"), "1");
    assert_string_equal(call(other, queue, "get", "()"), "2");
    assert_string_equal(call(one, queue, "task_done", "()"), "None");
    restart();
    one = join();
    assert_memory_equal(call(one, "", "kith_hello", "()"), "{'version'", 10); /* its end is its line's */
    queue = get(one, "again");
    assert_string_equal(call(one, queue, "get", "()"), "0");
    assert_string_equal(call(one, queue, "get", "()"), "2");
    leave(one);
    until_clients(0);
    one = join();
    assert_string_equal(call(one, queue, "qsize", "()"), "3");
}

static void a_queue_that_was_shut_is_so(void **state)
{
    (void)state;
    kith_connection *client = join();
    assert_string_equal(call(client, get(client, "tasks"), "shutdown", "()"), "None");
    restart();
    client = join();
    assert_string_equal(call(client, get(client, "tasks"), "get", "()"), "queue.ShutDown()");
}

/* ---- locks and their kin ---- */

static void locks_come_back_free(void **state)
{
    (void)state;
    const char *const names[] = { "lock", "rlock", "condition" };
    kith_connection *client = join();
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(call(client, get(client, names[i]), "acquire", "()"), "True");
    restart();
    client = join();
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(call(client, get(client, names[i]), "acquire", "(b)", 0), "True");
        assert_string_equal(call(client, get(client, names[i]), "acquire", "(b)", 0), i == 0 ? "False" : "True");
    }
}

static void semaphores_have_their_value_and_what_was_held(void **state)
{
    (void)state;
    kith_connection *client = join();
    const char *semaphore = get(client, "semaphore"), *bounded = get(client, "bounded");
    assert_string_equal(call(client, semaphore, "release", "()"), "None");
    assert_string_equal(call(client, semaphore, "acquire", "()"), "True");
    assert_string_equal(call(client, bounded, "acquire", "()"), "True");
    restart();
    client = join();
    semaphore = get(client, "semaphore");
    bounded = get(client, "bounded");
    for (int i = 0; i < 3; i++) {
        assert_string_equal(call(client, semaphore, "acquire", "(b)", 0), i < 2 ? "True" : "False");
        assert_string_equal(call(client, bounded, "acquire", "(b)", 0), i < 2 ? "True" : "False");
    }
    assert_string_equal(call(client, bounded, "release", "(i)", 2), "None");
    assert_memory_equal(call(client, bounded, "release", "()"), "ValueError(", 11);
}

static void events_and_barriers_are_as_they_were(void **state)
{
    (void)state;
    kith_connection *client = join();
    const char *barrier = get(client, "barrier");
    assert_string_equal(call(client, get(client, "event"), "set", "()"), "None");
    ask(client, barrier, "wait", "()");
    until_waiting(1);
    restart();
    client = join();
    barrier = get(client, "barrier");
    assert_string_equal(call(client, get(client, "event"), "is_set", "()"), "True");
    assert_string_equal(call(client, barrier, "__getattribute__", "(s)", "parties"), "2");
    assert_string_equal(call(client, barrier, "__getattribute__", "(s)", "n_waiting"), "0");
    assert_string_equal(call(client, barrier, "abort", "()"), "None");
    restart();
    client = join();
    assert_string_equal(call(client, get(client, "barrier"), "__getattribute__", "(s)", "broken"), "True");
}

static void a_condition_shares_its_lock_still(void **state)
{
    (void)state;
    kith_connection *client = join();
    const char *lock = create(client, "Lock", "()");
    const char *condition = create(client, "Condition", "(v)", proxy(lock));
    assert_string_equal(call(client, get(client, "objects"), "append", "(v)", proxy(condition)), "None");
    char kept_lock[32], kept_condition[32];
    snprintf(kept_lock, sizeof kept_lock, "%s", lock);
    snprintf(kept_condition, sizeof kept_condition, "%s", condition);
    restart();
    client = join();
    assert_string_equal(call(client, kept_condition, "acquire", "()"), "True");
    assert_string_equal(call(client, kept_lock, "locked", "()"), "True");
    assert_string_equal(call(client, kept_condition, "wait", "(i)", 0), "False");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_queue_has_its_messages_in_order, set_up_folder, tear_down_folder),
        cmocka_unit_test_setup_teardown(what_is_redelivered_comes_again_after_a_restart_too, set_up_folder,
                                        tear_down_folder),
        cmocka_unit_test_setup_teardown(a_queue_that_was_shut_is_so, set_up_folder, tear_down_folder),
        cmocka_unit_test_setup_teardown(locks_come_back_free, set_up_folder, tear_down_folder),
        cmocka_unit_test_setup_teardown(semaphores_have_their_value_and_what_was_held, set_up_folder, tear_down_folder),
        cmocka_unit_test_setup_teardown(events_and_barriers_are_as_they_were, set_up_folder, tear_down_folder),
        cmocka_unit_test_setup_teardown(a_condition_shares_its_lock_still, set_up_folder, tear_down_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
