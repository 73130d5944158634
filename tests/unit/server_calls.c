/* kith/manager.h: what a server says to clients that speak CPython's protocol: its own calls, methods, failures, and
 * frames that come in pieces, many at a time, or broken. */
#include "served.h"

#include <sys/socket.h>

static int begin(void **state)
{
    (void)state;
    make_server(NULL, (kith_server_options){ .listener = { .max_message = 1 << 20 } });
    publish("get_event", "Event", NULL);
    serve();
    return 0;
}

/* ---- calls of the server ---- */

static void test_create(void **state)
{
    (void)state;
    const char *ident;
    kith_value *exposed;
    struct reply reply = ask_server("create", kith_value_pack(arena, "(s)", "Event"));
    assert_string_equal(reply.kind, "#RETURN");
    assert_code(kith_value_unpack(reply.value, "(sv)", &ident, &exposed), 0);
    assert_int_equal(kith_value_kind(exposed), KITH_TUPLE);
    assert_int_equal(kith_value_length(exposed), 4);
    assert_int_equal(number_of_objects(), 1);
    assert_int_equal(kith_value_kind(ask_server("incref", kith_value_pack(arena, "(s)", ident)).value), KITH_NONE);
    ask_server("decref", kith_value_pack(arena, "(s)", ident));
    assert_int_equal(number_of_objects(), 1);
    ask_server("decref", kith_value_pack(arena, "(s)", ident));
    assert_int_equal(number_of_objects(), 0);
    assert_traceback(ask_server("decref", kith_value_pack(arena, "(s)", ident)), "KeyError: ");
}

static void test_published_is_referred_to(void **state)
{
    (void)state;
    const char *ident = create("get_event", NULL);
    assert_int_equal(number_of_objects(), 1);
    ask_server("decref", kith_value_pack(arena, "(s)", ident));
    assert_int_equal(number_of_objects(), 0);
    assert_int_equal(stats().objects, 1);
    assert_traceback(ask_server("decref", kith_value_pack(arena, "(s)", ident)), "AssertionError: ");
}

static void test_get_methods(void **state)
{
    (void)state;
    kith_value *class = kith_object_global(arena, "multiprocessing.managers", "Token");
    kith_value *token = kith_object_new(arena, class, kith_value_tuple(arena, NULL, 0), NULL);
    kith_value *parts = kith_value_pack(arena, "(sss)", "Event", "", create("Event", NULL));
    assert_code(kith_object_add_step(token, KITH_STEP_STATE, NULL, parts), 0);
    struct reply reply = ask_server("get_methods", kith_value_pack(arena, "(v)", token));
    assert_string_equal(reply.kind, "#RETURN");
    assert_int_equal(kith_value_length(reply.value), 4);
}

static void test_server_calls_fail(void **state)
{
    (void)state;
    assert_traceback(ask_server("create", kith_value_pack(arena, "(s)", "nothing")), "KeyError: ");
    assert_traceback(ask_server("create", NULL), "TypeError: ");
    assert_traceback(ask_server("create", kith_value_pack(arena, "(s)", "Iterator")), "TypeError: ");
    assert_traceback(ask_server("create", kith_value_pack(arena, "(si)", "Event", 5)), "TypeError: ");
    assert_traceback(ask_server("incref", kith_value_pack(arena, "(s)", "1f")), "KeyError: '1f'\n");
    assert_traceback(ask_server("incref", kith_value_pack(arena, "(i)", 5)), "TypeError: ");
    assert_traceback(ask_server("format_disk", NULL), "AssertionError: ");
    assert_int_equal(number_of_objects(), 0);
}

static void test_debug_info(void **state)
{
    (void)state;
    const char *text;
    assert_code(kith_value_as_str(ask_server("debug_info", NULL).value, &text, NULL), 0);
    assert_string_equal(text, "");
    const char *event = create("Event", NULL), *list = create("list", kith_value_pack(arena, "([is])", 1, "two"));
    assert_code(kith_value_as_str(ask_server("debug_info", NULL).value, &text, NULL), 0);
    char wanted[300];
    snprintf(wanted, sizeof wanted,
             "  %s:       refcount=1\n    <kith Event object at 0x%s>\n  %s:       refcount=1\n    [1, 'two']", event,
             event, list);
    assert_string_equal(text, wanted);
    assert_int_equal(kith_value_kind(ask_server("dummy", NULL).value), KITH_NONE);
}

/** Of what is long, 75 characters are shown, however many bytes each has. */
static void test_debug_info_of_long_text(void **state)
{
    (void)state;
    const char *text;
    kith_value *dots = kith_value_str(arena, "................................................................"
                                             "......\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac");
    const char *list = create("list", kith_value_pack(arena, "([v])", dots));
    assert_code(kith_value_as_str(ask_server("debug_info", NULL).value, &text, NULL), 0);
    assert_non_null(strstr(text, list));
    assert_string_equal(strrchr(text, '.'), ".\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac");
}

static void test_hello(void **state)
{
    (void)state;
    const char *version;
    int64_t pid;
    kith_connection *line = dial();
    kith_value *hello = ask(line, "", "kith_hello", NULL);
    assert_code(kith_value_unpack(hello, "{s:s,s:I}", "version", &version, "pid", &pid), 0);
    assert_string_equal(version, KITH_VERSION);
    assert_int_equal(pid, getpid());
    /* Server's calls and methods, on the same line. */
    kith_value *created = ask(line, "", "create", kith_value_pack(arena, "(s)", "Event"));
    const char *ident;
    assert_code(kith_value_unpack(created, "(s_)", &ident), 0);
    assert_false(is_true(ask(line, ident, "is_set", NULL)));
    ask(line, "", "decref", kith_value_pack(arena, "(s)", ident));
    assert_traceback(ask_for_reply(line, ident, "is_set", NULL), "KeyError: ");
    kith_connection_free(line);
}

/* ---- methods ---- */

static void test_methods_fail(void **state)
{
    (void)state;
    kith_connection *line = dial_line();
    const char *event = create("get_event", NULL);
    assert_traceback(ask_for_reply(line, "0", "is_set", NULL), "KeyError: '0'\n");
    assert_traceback(ask_for_reply(line, event, "fly", NULL), "AttributeError: ");
    assert_error(ask_for_reply(line, event, "is_set", kith_value_pack(arena, "(i)", 1)), "builtins", "TypeError");
    assert_error(ask_for_reply(line, event, "wait", kith_value_pack(arena, "(s)", "long")), "builtins", "TypeError");
    assert_error(ask_for_reply(line, event, "wait", kith_value_pack(arena, "(f)", 1e30)), "builtins", "OverflowError");
    assert_false(is_true(ask(line, event, "is_set", NULL)));
    kith_connection_free(line);
}

static void test_fallbacks(void **state)
{
    (void)state;
    const char *text;
    kith_connection *line = dial_line();
    const char *event = create("get_event", NULL);
    assert_code(kith_value_as_str(ask(line, event, "__str__", NULL), &text, NULL), 0);
    assert_non_null(strstr(text, event));
    assert_code(kith_value_as_str(ask(line, event, "__repr__", NULL), &text, NULL), 0);
    assert_non_null(strstr(text, "Event"));
    kith_connection_free(line);
}

static void test_keywords(void **state)
{
    (void)state;
    kith_connection *line = dial_line();
    const char *event = create("get_event", NULL);
    send_request(line, event, "wait", NULL, kith_value_pack(arena, "{s:f}", "timeout", 0.001));
    assert_false(is_true(receive_reply(line).value));
    send_request(line, event, "wait", NULL, kith_value_pack(arena, "{s:f}", "patience", 0.001));
    assert_error(receive_reply(line), "builtins", "TypeError");
    send_request(line, event, "wait", kith_value_pack(arena, "(f)", 0.001),
                 kith_value_pack(arena, "{s:f}", "timeout", 0.001));
    assert_error(receive_reply(line), "builtins", "TypeError");
    kith_connection_free(line);
}

/** One who waits holds up nobody, and is answered by whoever sets the event. */
static void test_waiting(void **state)
{
    (void)state;
    kith_connection *first = dial_line(), *second = dial_line();
    const char *event = create("get_event", NULL);
    send_request(first, event, "wait", NULL, NULL);
    wait_until(stats().waiting == 1);
    assert_false(is_true(ask(second, event, "is_set", NULL)));
    ask(second, event, "set", NULL);
    assert_true(is_true(receive_reply(first).value));
    assert_int_equal(stats().waiting, 0);
    kith_connection_free(first);
    kith_connection_free(second);
}

/* ---- requests that are none ---- */

static void test_malformed(void **state)
{
    (void)state;
    kith_connection *line = dial_line();
    kith_value *no_args = kith_value_tuple(arena, NULL, 0), *no_kwargs = kith_value_dict(arena);
    kith_value *wrong[] = {
        kith_value_none(arena),
        kith_value_pack(arena, "(sss)", "a", "b", "c"),
        kith_value_pack(arena, "(isvv)", 5, "b", no_args, no_kwargs),
        kith_value_pack(arena, "(sivv)", "a", 5, no_args, no_kwargs),
        kith_value_pack(arena, "(ssiv)", "a", "b", 5, no_kwargs),
        kith_value_pack(arena, "(ssvi)", "a", "b", no_args, 5),
    };
    assert_code(kith_connection_send(line, "this is no pickle", 17, PATIENCE), 0);
    assert_traceback(receive_reply(line), "Error: ");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_code(kith_connection_send_value(line, wrong[i], PATIENCE), 0);
        assert_traceback(receive_reply(line), "TypeError: ");
    }
    assert_false(is_true(ask(line, create("get_event", NULL), "is_set", NULL)));
    kith_connection_free(line);
}

static void assert_ended(kith_connection *line)
{
    kith_bytes message;
    int code = kith_connection_recv(line, &message, PATIENCE);
    if (code != KITH_EEOF && code != KITH_ETRUNCATED)
        assert_code(code, KITH_EEOF);
    kith_connection_free(line);
}

static void send_raw(kith_connection *line, const void *bytes, size_t size)
{
    assert_int_equal(send(kith_connection_fd(line), bytes, size, MSG_NOSIGNAL), (ssize_t)size);
}

/** A header that is none, or announces too much, ends the line, and no other one. */
static void test_broken_frames(void **state)
{
    (void)state;
    kith_connection *good = dial_line();
    kith_connection *line = dial_line();
    send_raw(line, "\x80\x00\x00\x00garbage", 11);
    assert_ended(line);
    line = dial_line();
    send_raw(line, "\x00\x10\x00\x01too long", 12); /* one byte more than max_message */
    assert_ended(line);
    line = dial_line();
    send_raw(line, "\xff\xff\xff\xff\x00\x00\x01\x00\x00\x00\x00\x00", 12);
    assert_ended(line);
    assert_false(is_true(ask(good, create("get_event", NULL), "is_set", NULL)));
    kith_connection_free(good);
}

/* ---- frames in pieces, and many at a time ---- */

/** A request as it goes over the wire. */
static size_t frame_of(const char *ident, const char *method, kith_value *args, unsigned char *frame, size_t room)
{
    kith_bytes pickle;
    kith_value *request = kith_value_pack(arena, "(ssvv)", ident, method,
                                          args ? args : kith_value_tuple(arena, NULL, 0), kith_value_dict(arena));
    assert_code(kith_pickle_write(request, &pickle, NULL), 0);
    assert_true(pickle.size + 4 <= room);
    for (int i = 0; i < 4; i++)
        frame[i] = (unsigned char)(pickle.size >> (8 * (3 - i)));
    memcpy(frame + 4, pickle.data, pickle.size);
    size_t size = pickle.size + 4;
    kith_bytes_free(&pickle);
    return size;
}

static void test_byte_by_byte(void **state)
{
    (void)state;
    unsigned char frame[256];
    kith_connection *line = dial_line();
    size_t size = frame_of(create("get_event", NULL), "is_set", NULL, frame, sizeof frame);
    for (size_t i = 0; i < size; i++) {
        send_raw(line, frame + i, 1);
        if (i % 8 == 0)
            number_of_objects(); /* so that the server has read it */
    }
    assert_false(is_true(receive_reply(line).value));
    kith_connection_free(line);
}

/** Requests that come at once are answered in order, those behind one that waits as well. */
static void test_pipelined(void **state)
{
    (void)state;
    enum { COUNT = 100 };
    unsigned char frames[COUNT * 128];
    size_t size = 0;
    kith_connection *line = dial_line(), *other = dial_line();
    const char *event = create("get_event", NULL);
    size += frame_of(event, "is_set", NULL, frames + size, sizeof frames - size);
    size += frame_of(event, "wait", NULL, frames + size, sizeof frames - size);
    size += frame_of(event, "clear", NULL, frames + size, sizeof frames - size);
    for (int i = 0; i < COUNT; i++)
        size += frame_of(event, "is_set", NULL, frames + size, sizeof frames - size);
    send_raw(line, frames, size);
    assert_false(is_true(receive_reply(line).value));
    wait_until(stats().waiting == 1);
    ask(other, event, "set", NULL);
    assert_true(is_true(receive_reply(line).value));
    assert_int_equal(kith_value_kind(receive_reply(line).value), KITH_NONE);
    for (int i = 0; i < COUNT; i++)
        assert_false(is_true(receive_reply(line).value));
    kith_connection_free(line);
    kith_connection_free(other);
}

/** Messages of some hundred KiB, both ways. */
static void test_large(void **state)
{
    (void)state;
    enum { SIZE = 900000 };
    static char text[SIZE + 1];
    const char *found;
    size_t size;
    memset(text, 'x', SIZE);
    kith_connection *line = dial_line();
    const char *list = create("list", NULL);
    ask(line, list, "append", kith_value_pack(arena, "(s)", text));
    kith_value *item = ask(line, list, "__getitem__", kith_value_pack(arena, "(i)", 0));
    assert_code(kith_value_as_str(item, &found, &size), 0);
    assert_int_equal(size, SIZE);
    kith_connection_free(line);
}

/** With TLS, whose records hold more than one request. */
static void test_tls(void **state)
{
    (void)state;
    enum { COUNT = 50 };
    static const char key[] = "a key of some thirty-two characters";
    kith_tls_options tls = { .from_authkey = 1 };
    kith_client_options client = { .authkey = key, .authkey_size = sizeof key - 1, .tls = &tls };
    kith_server_options options = { .listener = { .authkey = key, .authkey_size = sizeof key - 1, .tls = &tls } };
    kith_connection *line;
    assert_code(kith_arena_new(&arena), 0);
    assert_code(kith_server_new(&server, "tcp:127.0.0.1:0", &options), 0);
    serve();
    assert_code(kith_connect(&line, kith_server_address(server), &client, PATIENCE), 0);
    ask(line, "", "kith_hello", NULL);
    const char *event;
    assert_code(kith_value_unpack(ask(line, "", "create", kith_value_pack(arena, "(s)", "Event")), "(s_)", &event), 0);
    for (int i = 0; i < COUNT; i++)
        send_request(line, event, "is_set", NULL, NULL);
    for (int i = 0; i < COUNT; i++)
        assert_false(is_true(receive_reply(line).value));
    kith_connection_free(line);
    wait_until(stats().clients == 0);
}

/** A client that does not read its replies is not read from either; the others don't notice, and it loses nothing. */
static void test_backpressure(void **state)
{
    (void)state;
    enum { COUNT = 200, SIZE = 50000 };
    static char text[SIZE + 1];
    unsigned char frame[256];
    memset(text, 'y', SIZE);
    kith_connection *line = dial_line(), *other = dial_line();
    const char *list = create("list", NULL);
    ask(other, list, "append", kith_value_pack(arena, "(s)", text));
    size_t size = frame_of(list, "pop", NULL, frame, sizeof frame);
    for (int i = 0; i < COUNT; i++)
        ask(other, list, "append", kith_value_pack(arena, "(s)", text));
    for (int i = 0; i < COUNT; i++)
        send_raw(line, frame, size);
    wait_until(as_int(ask(other, list, "__len__", NULL)) < COUNT);
    assert_true(as_int(ask(other, list, "__len__", NULL)) > 1);
    for (int i = 0; i < COUNT; i++)
        assert_string_equal(receive_reply(line).kind, "#RETURN");
    assert_int_equal(as_int(ask(other, list, "__len__", NULL)), 1);
    kith_connection_free(line);
    kith_connection_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_create, begin, end_server),
        cmocka_unit_test_setup_teardown(test_published_is_referred_to, begin, end_server),
        cmocka_unit_test_setup_teardown(test_get_methods, begin, end_server),
        cmocka_unit_test_setup_teardown(test_server_calls_fail, begin, end_server),
        cmocka_unit_test_setup_teardown(test_debug_info, begin, end_server),
        cmocka_unit_test_setup_teardown(test_debug_info_of_long_text, begin, end_server),
        cmocka_unit_test_setup_teardown(test_hello, begin, end_server),
        cmocka_unit_test_setup_teardown(test_methods_fail, begin, end_server),
        cmocka_unit_test_setup_teardown(test_fallbacks, begin, end_server),
        cmocka_unit_test_setup_teardown(test_keywords, begin, end_server),
        cmocka_unit_test_setup_teardown(test_waiting, begin, end_server),
        cmocka_unit_test_setup_teardown(test_malformed, begin, end_server),
        cmocka_unit_test_setup_teardown(test_broken_frames, begin, end_server),
        cmocka_unit_test_setup_teardown(test_byte_by_byte, begin, end_server),
        cmocka_unit_test_setup_teardown(test_pipelined, begin, end_server),
        cmocka_unit_test_setup_teardown(test_large, begin, end_server),
        cmocka_unit_test_teardown(test_tls, end_server),
        cmocka_unit_test_setup_teardown(test_backpressure, begin, end_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
