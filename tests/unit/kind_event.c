/* A server's Event and Barrier (include/kith/proxy.h has their methods). */
#include "kinds.h"

#define BROKEN "threading.BrokenBarrierError()"

/* ---- Event ---- */

static void an_event_releases_all_who_wait(void **state)
{
    (void)state;
    kith_connection *one = join(), *waiting[3] = { join(), join(), join() };
    const char *event = create(one, "Event", "()");
    assert_string_equal(call(one, event, "is_set", "()"), "False");
    for (unsigned i = 0; i < 3; i++) {
        ask(waiting[i], event, "wait", "(f)", 60.0);
        until_waiting(i + 1);
    }
    ask(one, event, "set", "()");
    ask(one, event, "clear", "()"); /* at once */
    for (unsigned i = 0; i < 3; i++)
        assert_string_equal(answer(waiting[i]), "True");
    assert_string_equal(answer(one), "None");
    assert_string_equal(answer(one), "None");
    assert_string_equal(call(one, event, "wait", "(f)", 0.001), "False");
}

static void one_that_is_set_lets_pass(void **state)
{
    (void)state;
    kith_connection *client = join();
    const char *event = create(client, "Event", "()");
    assert_string_equal(call(client, event, "set", "()"), "None");
    assert_string_equal(call(client, event, "is_set", "()"), "True");
    assert_string_equal(call(client, event, "wait", "(n)"), "True");
    assert_string_equal(call(client, event, "wait", "()"), "True");
    assert_string_equal(call(client, event, "clear", "()"), "None");
    assert_string_equal(call(client, event, "wait", "(i)", -1), "False");
    assert_memory_equal(call(client, event, "wait", "(s)", "long"), "TypeError(", 10);
    assert_memory_equal(call(client, "", "create", "(s,i)", "Event", 1), "TypeError: ", 11);
}

static void who_dies_waiting_is_forgotten(void **state)
{
    (void)state;
    kith_connection *one = join(), *waiting = join();
    const char *event = create(one, "Event", "()");
    ask(waiting, event, "wait", "()");
    until_waiting(1);
    leave(waiting);
    until_waiting(0);
    assert_string_equal(call(one, event, "set", "()"), "None");
}

/* ---- Barrier ---- */

static void expect_barrier(kith_connection *client, const char *barrier, const char *waiting, const char *broken)
{
    assert_string_equal(call(client, barrier, "__getattribute__", "(s)", "n_waiting"), waiting);
    assert_string_equal(call(client, barrier, "__getattribute__", "(s)", "broken"), broken);
}

static void a_barrier_lets_all_pass_at_once_and_again(void **state)
{
    (void)state;
    kith_connection *one = join(), *parties[3] = { join(), join(), join() };
    const char *barrier = create(one, "Barrier", "(i)", 3);
    assert_string_equal(call(one, barrier, "__getattribute__", "(s)", "parties"), "3");
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 2; i++) {
            ask(parties[i], barrier, "wait", "(n)");
            until_waiting(i + 1);
            expect_barrier(one, barrier, i == 0 ? "1" : "2", "False");
        }
        assert_string_equal(call(parties[2], barrier, "wait", "()"), "2");
        assert_string_equal(answer(parties[1]), "1");
        assert_string_equal(answer(parties[0]), "0");
        expect_barrier(one, barrier, "0", "False");
    }
    const char *alone = create(one, "Barrier", "(i)", 1);
    assert_string_equal(call(one, alone, "wait", "()"), "0");
}

static void who_gives_up_breaks_it_until_it_is_reset(void **state)
{
    (void)state;
    kith_connection *one = join(), *other = join();
    const char *barrier = create(one, "Barrier", "(i)", 3);
    ask(one, barrier, "wait", "()");
    until_waiting(1);
    assert_string_equal(call(other, barrier, "wait", "(f)", 0.001), BROKEN);
    assert_string_equal(answer(one), BROKEN);
    expect_barrier(one, barrier, "0", "True");
    assert_string_equal(call(one, barrier, "wait", "()"), BROKEN);
    assert_string_equal(call(one, barrier, "reset", "()"), "None");
    expect_barrier(one, barrier, "0", "False");
    ask(one, barrier, "wait", "()");
    until_waiting(1);
}

static void the_barriers_own_timeout_is_for_those_who_give_none(void **state)
{
    (void)state;
    kith_connection *one = join(), *other = join();
    const char *barrier = create(one, "Barrier", "(i,n,f)", 2, 0.001);
    assert_string_equal(call(one, barrier, "wait", "(n)"), BROKEN);
    assert_string_equal(call(one, barrier, "reset", "()"), "None");
    ask(one, barrier, "wait", "(f)", 60.0);
    until_waiting(1);
    assert_string_equal(call(other, barrier, "wait", "()"), "1");
    assert_string_equal(answer(one), "0");
}

static void abort_and_reset_send_off_who_waits(void **state)
{
    (void)state;
    kith_connection *one = join(), *waiting = join();
    const char *barrier = create(one, "Barrier", "(i)", 2);
    ask(waiting, barrier, "wait", "()");
    until_waiting(1);
    assert_string_equal(call(one, barrier, "reset", "()"), "None");
    assert_string_equal(answer(waiting), BROKEN);
    expect_barrier(one, barrier, "0", "False");
    ask(waiting, barrier, "wait", "()");
    until_waiting(1);
    assert_string_equal(call(one, barrier, "abort", "()"), "None");
    assert_string_equal(answer(waiting), BROKEN);
    expect_barrier(one, barrier, "0", "True");
}

static void a_party_that_dies_breaks_it(void **state)
{
    (void)state;
    kith_connection *one = join(), *dying = join(), *left = join();
    const char *barrier = create(one, "Barrier", "(i)", 3);
    ask(dying, barrier, "wait", "()");
    until_waiting(1);
    ask(left, barrier, "wait", "()");
    until_waiting(2);
    leave(dying);
    assert_string_equal(answer(left), BROKEN);
    expect_barrier(one, barrier, "0", "True");
    leave(left); /* and one that does not wait any more, does not */
    assert_string_equal(call(one, barrier, "reset", "()"), "None");
    until_clients(1);
    expect_barrier(one, barrier, "0", "False");
}

static void its_calls_refuse_what_pythons_refuse(void **state)
{
    (void)state;
    kith_connection *client = join();
    const char *barrier = create(client, "Barrier", "(i)", 2);
    assert_string_equal(call(client, barrier, "__getattribute__", "(s)", "_count"),
                        "AttributeError(\"'Barrier' object has no attribute '_count'\")");
    assert_memory_equal(call(client, barrier, "__getattribute__", "(i)", 1), "TypeError(", 10);
    assert_memory_equal(call(client, barrier, "wait", "(s)", "long"), "TypeError(", 10);
    assert_string_equal(call(client, "", "create", "(s,i)", "Barrier", 0), "ValueError: parties must be > 0");
    assert_memory_equal(call(client, "", "create", "(s)", "Barrier"), "TypeError: ", 11);
    assert_memory_equal(call(client, "", "create", "(s,s)", "Barrier", "two"), "TypeError: ", 11);
    assert_memory_equal(call(client, "", "create", "(s,i,n,s)", "Barrier", 2, "long"), "TypeError: ", 11);
    assert_memory_equal(
        call(client, "", "create", "(s,i,v)", "Barrier", 2, kith_object_global(arena, "builtins", "print")),
        "NotImplementedError: ", 21);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_event_releases_all_who_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_is_set_lets_pass, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_dies_waiting_is_forgotten, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_barrier_lets_all_pass_at_once_and_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_gives_up_breaks_it_until_it_is_reset, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_barriers_own_timeout_is_for_those_who_give_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(abort_and_reset_send_off_who_waits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_party_that_dies_breaks_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(its_calls_refuse_what_pythons_refuse, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
