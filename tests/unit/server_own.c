/* kith/manager.h: types of a program's own. */
#include "served.h"

#include "apart.h"

#include <stdatomic.h>
#include <stdlib.h>

/* ---- a type ---- */

struct tally {
    int64_t number;
    atomic_int inside; /* methods that are at work on it */
};

static atomic_int made, ended, at_work;
static atomic_bool may_go; /* methods "wait" until it is set */

static int give_tally(kith_call *call, int64_t number)
{
    struct tally *tally = calloc(1, sizeof *tally);
    if (!tally)
        return -ENOMEM;
    tally->number = number;
    int code = kith_call_return_object(call, tally);
    if (code < 0)
        free(tally);
    else
        made++;
    return code;
}

static int make(void *nothing, kith_call *call)
{
    int64_t number = 0, start = 0;
    if (nothing)
        return kith_fail(-EINVAL, "a constructor has no object");
    int code = kith_value_unpack(kith_call_args(call), "(I)", &number);
    if (code == 0)
        code = kith_value_unpack(kith_call_kwargs(call), "{s?:I}", "start", &start);
    if (code == 0 && number < 0)
        return kith_fail(-EINVAL, "a tally of %lld can't be", (long long)number);
    return code < 0 ? code : give_tally(call, number + start);
}

static void end(void *object)
{
    ended++;
    free(object);
}

static int add(void *object, kith_call *call)
{
    struct tally *tally = object;
    int64_t number = 1;
    if (kith_value_length(kith_call_args(call)) > 0) {
        int code = kith_value_unpack(kith_call_args(call), "(I)", &number);
        if (code < 0)
            return code;
    }
    if (atomic_fetch_add(&tally->inside, 1) != 0)
        return kith_fail(-EBUSY, "two methods are at work on one object");
    int64_t before = tally->number;
    nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
    tally->number = before + number;
    tally->inside--;
    return 0;
}

static int get(void *object, kith_call *call)
{
    const struct tally *tally = object;
    return kith_call_return(call, kith_value_int(kith_call_arena(call), tally->number));
}

static int get_bytes(void *object, kith_call *call)
{
    (void)object;
    return kith_call_return_bytes(call, "\0\1", 2);
}

static int wait_to_go(void *object, kith_call *call)
{
    (void)call;
    struct tally *tally = object;
    at_work++;
    while (!may_go)
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    at_work--;
    tally->number = 77;
    return get(object, call);
}

static int split(void *object, kith_call *call)
{
    struct tally *tally = object;
    tally->number /= 2;
    return give_tally(call, tally->number);
}

static int split_badly(void *object, kith_call *call)
{
    int code = split(object, call);
    return code < 0 ? code : kith_fail(-ERANGE, "it does not split");
}

static int give_nothing(void *object, kith_call *call)
{
    (void)object;
    (void)call;
    return 0;
}

static int fail_with(void *object, kith_call *call)
{
    (void)object;
    int code;
    int unpacked = kith_value_unpack(kith_call_args(call), "(i)", &code);
    return unpacked < 0 ? unpacked : kith_fail(code, "this is why");
}

static int fail_silently(void *object, kith_call *call)
{
    (void)object;
    (void)call;
    return KITH_EEMPTY;
}

static int give_a_number(void *object, kith_call *call)
{
    (void)object;
    return kith_call_return(call, kith_value_int(kith_call_arena(call), 5)) < 0 ? -ENOMEM : 5;
}

static int raise_one(void *object, kith_call *call)
{
    (void)object;
    return kith_call_raise(call, "decimal.InvalidOperation", kith_call_args(call));
}

static int client_of(void *object, kith_call *call)
{
    (void)object;
    return kith_call_return(call, kith_value_unsigned(kith_call_arena(call), kith_call_client(call)));
}

static int try_refused(void *object, kith_call *call)
{
    if (kith_call_return_object(call, object) != -EPERM || kith_call_return_object(call, NULL) != -EINVAL ||
        kith_call_raise(call, NULL, NULL) != -EINVAL ||
        kith_call_raise(call, "KeyError", kith_value_none(kith_call_arena(call))) != KITH_ETYPE)
        return kith_fail(-EINVAL, "something was not refused");
    return 0;
}

static const kith_method methods[] = {
    { .name = "add", .function = add },
    { .name = "get", .function = get, .reads = 1 },
    { .name = "get_bytes", .function = get_bytes, .reads = 1 },
    { .name = "wait", .function = wait_to_go },
    { .name = "split", .function = split, .returns = "tally" },
    { .name = "split_badly", .function = split_badly, .returns = "tally" },
    { .name = "give_nothing", .function = give_nothing, .returns = "tally" },
    { .name = "split_into_none", .function = split, .returns = "no such type" },
    { .name = "fail_with", .function = fail_with },
    { .name = "fail_silently", .function = fail_silently },
    { .name = "give_a_number", .function = give_a_number },
    { .name = "raise", .function = raise_one },
    { .name = "client", .function = client_of },
    { .name = "try_refused", .function = try_refused },
    { .name = NULL },
};

static int save(void *object, kith_call *call)
{
    return get(object, call);
}

static int load(void *nothing, kith_call *call)
{
    int64_t number;
    int code = nothing ? -EINVAL : kith_value_unpack(kith_call_args(call), "(I)", &number);
    return code < 0 ? code : give_tally(call, number);
}

static const kith_type tally = {
    .name = "tally", .methods = methods, .make = make, .end = end, .save = save, .load = load
};
static const kith_type part = { .name = "part", .methods = methods };

/* ---- the tests ---- */

static void begin_with(kith_server_options options)
{
    made = ended = at_work = 0;
    may_go = false;
    make_server(NULL, options);
    assert_code(kith_server_register(server, &tally), 0);
    assert_code(kith_server_register(server, &part), 0);
}

static int begin(void **state)
{
    (void)state;
    begin_with((kith_server_options){ 0 });
    serve();
    return 0;
}

static int finish(void **state)
{
    may_go = true;
    int code = end_server(state);
    return code < 0 ? code : made != ended;
}

static const char *create_tally(int number)
{
    return create("tally", kith_value_pack(arena, "(i)", number));
}

static void test_calls(void **state)
{
    (void)state;
    const void *data;
    size_t size;
    kith_connection *line = dial_line();
    const char *one = create_tally(40);
    assert_int_equal(kith_value_kind(ask(line, one, "add", kith_value_pack(arena, "(i)", 2))), KITH_NONE);
    assert_int_equal(as_int(ask(line, one, "get", NULL)), 42);
    assert_code(kith_value_as_bytes(ask(line, one, "get_bytes", NULL), &data, &size), 0);
    assert_int_equal(size, 2);
    ask(line, one, "try_refused", NULL);
    kith_connection_free(line);
    ask_server("decref", kith_value_pack(arena, "(s)", one));
    assert_int_equal(ended, 1);
}

static void test_keywords(void **state)
{
    (void)state;
    const char *ident;
    kith_connection *line = dial_kith_line();
    send_request(line, "", "create", kith_value_pack(arena, "(si)", "tally", 1),
                 kith_value_pack(arena, "{s:i}", "start", 10));
    assert_code(kith_value_unpack(receive_reply(line).value, "(s_)", &ident), 0);
    assert_int_equal(as_int(ask(line, ident, "get", NULL)), 11);
    kith_connection_free(line);
}

static void test_constructor_fails(void **state)
{
    (void)state;
    assert_traceback(ask_server("create", kith_value_pack(arena, "(si)", "tally", -1)),
                     "ValueError: a tally of -1 can't be\n");
    assert_traceback(ask_server("create", kith_value_pack(arena, "(ss)", "tally", "x")), "TypeError: ");
    assert_traceback(ask_server("create", kith_value_pack(arena, "(s)", "part")), "TypeError: ");
    assert_int_equal(stats().objects, 0);
}

static void test_failures(void **state)
{
    (void)state;
    static const struct {
        int code;
        const char *module, *name;
    } known[] = {
        { -ENOENT, "builtins", "KeyError" },     { -ERANGE, "builtins", "IndexError" },
        { -EINVAL, "builtins", "ValueError" },   { KITH_ETYPE, "builtins", "TypeError" },
        { KITH_EFULL, "queue", "Full" },         { -ETIMEDOUT, "builtins", "TimeoutError" },
        { -ENOMEM, "builtins", "MemoryError" },  { -EACCES, "builtins", "PermissionError" },
        { -ENOLCK, "builtins", "RuntimeError" },
    };
    const char *text;
    int number;
    kith_connection *line = dial_line();
    const char *one = create_tally(0);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct reply reply = ask_for_reply(line, one, "fail_with", kith_value_pack(arena, "(i)", known[i].code));
        assert_error(reply, known[i].module, known[i].name);
        assert_code(kith_value_unpack(kith_object_args(reply.value), "(s)", &text), 0);
        assert_string_equal(text, "this is why");
    }
    assert_error(ask_for_reply(line, one, "fail_silently", NULL), "queue", "Empty");
    struct reply raised = ask_for_reply(line, one, "raise", kith_value_pack(arena, "(si)", "why", 5));
    assert_error(raised, "decimal", "InvalidOperation");
    assert_code(kith_value_unpack(kith_object_args(raised.value), "(si)", &text, &number), 0);
    assert_int_equal(number, 5);
    assert_error(ask_for_reply(line, one, "give_nothing", NULL), "builtins", "RuntimeError");
    struct reply above = ask_for_reply(line, one, "give_a_number", NULL);
    assert_error(above, "builtins", "RuntimeError");
    assert_code(kith_value_unpack(kith_object_args(above.value), "(s)", &text), 0);
    assert_non_null(strstr(text, "returned 5"));
    assert_error(ask_for_reply(line, one, "split_badly", NULL), "builtins", "IndexError");
    assert_error(ask_for_reply(line, one, "split_into_none", NULL), "builtins", "RuntimeError");
    kith_connection_free(line);
}

static void test_returns_object(void **state)
{
    (void)state;
    kith_value *exposed, *token, *parts;
    const char *ident, *type;
    kith_connection *line = dial_line();
    struct reply reply = ask_for_reply(line, create_tally(10), "split", NULL);
    assert_string_equal(reply.kind, "#PROXY");
    assert_code(kith_value_unpack(reply.value, "(vv)", &exposed, &token), 0);
    assert_int_equal(kith_value_length(exposed), sizeof methods / sizeof *methods - 1);
    parts = kith_object_state(token);
    assert_code(kith_value_unpack(parts, "(s_s)", &type, &ident), 0);
    assert_string_equal(type, "tally");
    assert_int_equal(as_int(ask(line, ident, "get", NULL)), 5);
    assert_int_equal(number_of_objects(), 2);
    kith_connection_free(line);
}

static void test_client(void **state)
{
    (void)state;
    kith_connection *first = dial_line(), *second = dial_line();
    const char *one = create_tally(0);
    int64_t number = as_int(ask(first, one, "client", NULL));
    assert_true(number > 0);
    assert_int_equal(as_int(ask(first, one, "client", NULL)), number);
    assert_int_not_equal(as_int(ask(second, one, "client", NULL)), number);
    kith_connection_free(first);
    kith_connection_free(second);
}

/** One after the other for an object, whoever calls. */
static void test_one_at_a_time(void **state)
{
    (void)state;
    enum { LINES = 6, CALLS = 10 };
    kith_connection *lines[LINES];
    const char *one = create_tally(0);
    for (int i = 0; i < LINES; i++)
        lines[i] = dial_line();
    for (int call = 0; call < CALLS; call++) {
        for (int i = 0; i < LINES; i++)
            send_request(lines[i], one, "add", NULL, NULL);
    }
    for (int call = 0; call < CALLS; call++) {
        for (int i = 0; i < LINES; i++)
            assert_string_equal(receive_reply(lines[i]).kind, "#RETURN");
    }
    assert_int_equal(as_int(ask(lines[0], one, "get", NULL)), LINES * CALLS);
    for (int i = 0; i < LINES; i++)
        kith_connection_free(lines[i]);
}

/** Methods of different objects are at work at the same time; the loop goes on meanwhile. */
static void test_many_at_work(void **state)
{
    (void)state;
    kith_connection *first = dial_line(), *second = dial_line(), *third = dial_line();
    const char *one = create_tally(0);
    send_request(first, one, "wait", NULL, NULL);
    send_request(second, create_tally(0), "wait", NULL, NULL);
    wait_until(at_work == 2);
    send_request(third, one, "get", NULL, NULL);
    assert_int_equal(number_of_objects(), 2);
    assert_int_equal(kith_connection_poll(third, KITH_NOWAIT), 0);
    may_go = true;
    assert_int_equal(as_int(receive_reply(first).value), 77);
    assert_int_equal(as_int(receive_reply(second).value), 77);
    assert_int_equal(as_int(receive_reply(third).value), 77); /* behind the other one */
    kith_connection_free(first);
    kith_connection_free(second);
    kith_connection_free(third);
}

/** With one worker, the second waits for it. */
static void test_few_workers(void **state)
{
    (void)state;
    begin_with((kith_server_options){ .workers = 1 });
    serve();
    kith_connection *first = dial_line(), *second = dial_line();
    const char *one = create_tally(0), *other = create_tally(0);
    send_request(first, one, "wait", NULL, NULL);
    wait_until(at_work == 1);
    send_request(second, other, "wait", NULL, NULL);
    assert_int_equal(number_of_objects(), 2);
    assert_int_equal(at_work, 1);
    may_go = true;
    assert_int_equal(as_int(receive_reply(first).value), 77);
    assert_int_equal(as_int(receive_reply(second).value), 77);
    kith_connection_free(first);
    kith_connection_free(second);
}

/** A client goes while its call is at work, and another one while its call waits for that: nobody misses them. */
static void test_client_goes(void **state)
{
    (void)state;
    kith_connection *first = dial_line(), *second = dial_line(), *third = dial_line();
    const char *one = create_tally(8);
    send_request(first, one, "wait", NULL, NULL);
    wait_until(at_work == 1);
    send_request(second, one, "split", NULL, NULL);
    send_request(third, one, "get", NULL, NULL);
    wait_until(stats().calls == 3);
    kith_connection_free(first);
    kith_connection_free(second);
    wait_until(stats().clients == 1);
    may_go = true;
    assert_int_equal(as_int(receive_reply(third).value), 38);
    assert_int_equal(stats().objects, 1);
    kith_connection_free(third);
}

/** Whoever is in the middle of a call when the server is stopped has its answer. */
static void test_stop_waits(void **state)
{
    (void)state;
    kith_value *value;
    kith_connection *line = dial_line();
    send_request(line, create_tally(0), "wait", NULL, NULL);
    wait_until(at_work == 1);
    assert_code(kith_server_stop(server), 0);
    may_go = true;
    assert_int_equal(as_int(receive_reply(line).value), 77);
    assert_code(kith_connection_recv_value(line, arena, &value, PATIENCE), KITH_EEOF);
    assert_code(await_end(), 0);
    kith_connection_free(line);
}

static int free_in_child(void)
{
    kith_server_free(server);
    _exit(0); /* what the server's threads had at hand is lost in this process */
}

/** A forked child has a copy of the server, and none of its threads. */
static void test_child(void **state)
{
    (void)state;
    kith_connection *line = dial_line();
    const char *one = create_tally(5);
    send_request(line, one, "wait", NULL, NULL);
    wait_until(at_work == 1);
    assert_int_equal(apart(free_in_child), 0);
    may_go = true;
    assert_int_equal(as_int(receive_reply(line).value), 77);
    kith_connection_free(line);
}

static void test_publish(void **state)
{
    (void)state;
    begin_with((kith_server_options){ 0 });
    kith_value *five = kith_value_pack(arena, "(i)", 5), *bad = kith_value_pack(arena, "(i)", -5);
    assert_explained(kith_server_publish(server, "votes", "tally", bad, NULL, NULL), -EINVAL);
    assert_explained(kith_server_publish(server, "votes", "part", KITH_NO_ARGS, NULL, NULL), KITH_ETYPE);
    assert_code(kith_server_publish(server, "votes", "tally", five, NULL, &(kith_access){ .read_only = 1 }), 0);
    serve();
    kith_connection *line = dial_line();
    const char *votes = create("votes", NULL);
    assert_int_equal(as_int(ask(line, votes, "get", NULL)), 5);
    assert_error(ask_for_reply(line, votes, "add", NULL), "builtins", "PermissionError");
    kith_connection_free(line);
}

static char snapshot[60];

static void begin_with_snapshot(kith_timeout interval)
{
    snprintf(snapshot, sizeof snapshot, "/tmp/kith-server-own-%d", (int)getpid());
    begin_with((kith_server_options){ .snapshot = snapshot, .snapshot_interval = interval });
    assert_code(kith_server_publish(server, "votes", "tally", kith_value_pack(arena, "(i)", 5), NULL, NULL), 0);
    serve();
}

static int finish_with_snapshot(void **state)
{
    int code = finish(state);
    unlink(snapshot);
    return code;
}

static void test_snapshot(void **state)
{
    (void)state;
    begin_with_snapshot(KITH_SECONDS(60));
    kith_connection *line = dial_line();
    char votes[20];
    snprintf(votes, sizeof votes, "%s", create("votes", NULL));
    ask(line, votes, "add", NULL);
    kith_connection_free(line);
    assert_int_equal(finish(NULL), 0);
    begin_with_snapshot(KITH_SECONDS(60));
    line = dial_line();
    assert_int_equal(as_int(ask(line, votes, "get", NULL)), 6);
    kith_connection_free(line);
}

/** The state of the one object in the snapshot. */
static int64_t state_in_snapshot(void)
{
    unsigned char bytes[4096];
    FILE *file = fopen(snapshot, "rb");
    assert_non_null(file);
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    kith_value *all;
    int64_t state = -1;
    assert_code(kith_pickle_read(arena, &all, bytes, size, NULL), 0);
    assert_code(kith_value_unpack(all, "(_ _ _ _ [(_ _ I)])", &state), 0);
    return state;
}

/** While a method is at work, snapshots have the state of before; the last one, too. */
static void test_snapshot_while_at_work(void **state)
{
    (void)state;
    begin_with_snapshot(KITH_MS(5));
    kith_connection *line = dial_line();
    send_request(line, create("votes", NULL), "wait", NULL, NULL);
    wait_until(at_work == 1);
    uint64_t before = stats().snapshots;
    wait_until(stats().snapshots >= before + 2);
    assert_int_equal(state_in_snapshot(), 5);
    kith_connection_free(line); /* so nobody waits for the answer */
    wait_until(stats().clients == 0);
    assert_code(kith_server_stop(server), 0);
    assert_code(await_end(), 0);
    assert_int_equal(state_in_snapshot(), 5);
}

static void test_outside_of_calls(void **state)
{
    (void)state;
    assert_null(kith_call_kwargs(NULL));
    assert_int_equal(kith_call_client(NULL), 0);
    assert_explained(kith_call_return_object(NULL, &at_work), -EINVAL);
    assert_explained(kith_call_raise(NULL, "KeyError", NULL), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_calls, begin, finish),
        cmocka_unit_test_setup_teardown(test_keywords, begin, finish),
        cmocka_unit_test_setup_teardown(test_constructor_fails, begin, finish),
        cmocka_unit_test_setup_teardown(test_failures, begin, finish),
        cmocka_unit_test_setup_teardown(test_returns_object, begin, finish),
        cmocka_unit_test_setup_teardown(test_client, begin, finish),
        cmocka_unit_test_setup_teardown(test_one_at_a_time, begin, finish),
        cmocka_unit_test_setup_teardown(test_many_at_work, begin, finish),
        cmocka_unit_test_teardown(test_few_workers, finish),
        cmocka_unit_test_setup_teardown(test_client_goes, begin, finish),
        cmocka_unit_test_setup_teardown(test_stop_waits, begin, finish),
        cmocka_unit_test_setup_teardown(test_child, begin, finish),
        cmocka_unit_test_teardown(test_publish, finish),
        cmocka_unit_test_teardown(test_snapshot, finish_with_snapshot),
        cmocka_unit_test_teardown(test_snapshot_while_at_work, finish_with_snapshot),
        cmocka_unit_test(test_outside_of_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
