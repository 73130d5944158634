/* A server's Condition (include/kith/proxy.h has its methods). */
#include "kinds.h"

#define CANT_WAIT "RuntimeError('cannot wait on un-acquired lock')"
#define CANT_NOTIFY "RuntimeError('cannot notify on un-acquired lock')"

static void acquire(kith_connection *client, const char *lock)
{
    assert_string_equal(call(client, lock, "acquire", "()"), "True");
}

static void release(kith_connection *client, const char *lock)
{
    assert_string_equal(call(client, lock, "release", "()"), "None");
}

/** Has a client acquire the condition and wait; count are waiting then. */
static void wait_on(kith_connection *client, const char *condition, unsigned count)
{
    acquire(client, condition);
    ask(client, condition, "wait", "(n)");
    until_waiting(count);
}

static void notify(kith_connection *client, const char *condition, int count)
{
    acquire(client, condition);
    assert_string_equal(call(client, condition, "notify", "(i)", count), "None");
    release(client, condition);
}

static void expect_free(kith_connection *client, const char *lock)
{
    assert_string_equal(call(client, lock, "locked", "()"), "False");
}

/* ---- its lock ---- */

static void it_has_a_lock_that_can_be_acquired_again(void **state)
{
    (void)state;
    kith_connection *one = join(), *other = join();
    const char *condition = create(one, "Condition", "(n)");
    acquire(one, condition);
    acquire(one, condition);
    assert_string_equal(call(other, condition, "acquire", "(b)", 0), "False");
    assert_string_equal(call(other, condition, "release", "()"), "RuntimeError('cannot release un-acquired lock')");
    release(one, condition);
    release(one, condition);
    acquire(other, condition);
}

static void only_the_owner_may_wait_and_notify(void **state)
{
    (void)state;
    kith_connection *one = join(), *other = join();
    const char *condition = create(one, "Condition", "()");
    acquire(other, condition);
    assert_string_equal(call(one, condition, "wait", "()"), CANT_WAIT);
    assert_string_equal(call(one, condition, "notify", "()"), CANT_NOTIFY);
    assert_string_equal(call(one, condition, "notify_all", "()"), CANT_NOTIFY);
    assert_string_equal(call(other, condition, "notify", "()"), "None");
    assert_string_equal(call(other, condition, "notify", "(i)", -1), "None");
    assert_memory_equal(call(other, condition, "wait", "(s)", "long"), "TypeError(", 10);
    release(other, condition);
}

static void it_shares_the_lock_that_it_is_given(void **state)
{
    (void)state;
    const char *const types[] = { "Lock", "RLock" };
    kith_connection *one = join(), *other = join();
    for (size_t i = 0; i < 2; i++) {
        const char *lock = create(one, types[i], "()");
        const char *condition = create(one, "Condition", "(v)", proxy(lock));
        acquire(one, lock);
        assert_string_equal(call(other, condition, "acquire", "(b)", 0), "False");
        ask(one, condition, "wait", "()");
        until_waiting(1);
        acquire(other, lock);
        assert_string_equal(call(other, condition, "notify", "()"), "None");
        assert_int_equal(is_answered(one), 0);
        release(other, condition);
        assert_string_equal(answer(one), "True");
        assert_string_equal(call(other, lock, "acquire", "(b)", 0), "False");
        release(one, lock);
        expect_free(one, condition);
    }
}

static void a_lock_lives_as_long_as_its_condition(void **state)
{
    (void)state;
    kith_connection *one = join(), *other = join();
    const char *lock = create(one, "Lock", "()");
    const char *condition = create(one, "Condition", "(v)", proxy(lock));
    assert_string_equal(call(one, "", "decref", "(s)", lock), "None");
    acquire(one, condition);
    ask(other, condition, "acquire", "()");
    until_waiting(1);
    leave(one);
    assert_string_equal(answer(other), "True");
    release(other, condition);
}

static void it_refuses_what_is_no_lock_of_the_server(void **state)
{
    (void)state;
    kith_connection *client = join();
    const char *event = create(client, "Event", "()");
    const char *gone = create(client, "Lock", "()");
    assert_string_equal(call(client, "", "decref", "(s)", gone), "None");
    kith_value *const refused[] = { proxy(event), proxy(gone), kith_value_int(arena, 1) };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        assert_memory_equal(call(client, "", "create", "(s,v)", "Condition", refused[i]), "TypeError: ", 11);
}

/* ---- waiting ---- */

static void who_waited_longest_is_notified_first(void **state)
{
    (void)state;
    kith_connection *one = join(), *waiting[3] = { join(), join(), join() };
    const char *condition = create(one, "Condition", "()");
    for (unsigned i = 0; i < 3; i++)
        wait_on(waiting[i], condition, i + 1);
    notify(one, condition, 2);
    assert_string_equal(answer(waiting[0]), "True");
    assert_int_equal(is_answered(waiting[1]), 0);
    release(waiting[0], condition);
    assert_string_equal(answer(waiting[1]), "True");
    release(waiting[1], condition);
    assert_int_equal(is_answered(waiting[2]), 0);
    acquire(one, condition);
    assert_string_equal(call(one, condition, "notify_all", "()"), "None");
    release(one, condition);
    assert_string_equal(answer(waiting[2]), "True");
}

static void the_lock_comes_back_as_often_as_it_was_acquired(void **state)
{
    (void)state;
    kith_connection *one = join(), *other = join();
    const char *condition = create(one, "Condition", "()");
    acquire(one, condition);
    acquire(one, condition);
    wait_on(one, condition, 1);
    notify(other, condition, 1);
    assert_string_equal(answer(one), "True");
    for (int i = 0; i < 3; i++) {
        assert_string_equal(call(other, condition, "locked", "()"), "True");
        release(one, condition);
    }
    expect_free(other, condition);
}

static void who_is_out_of_time_has_the_lock_too(void **state)
{
    (void)state;
    const double timeouts[] = { 0.001, 0, -1 };
    kith_connection *one = join(), *other = join();
    const char *condition = create(one, "Condition", "()");
    for (size_t i = 0; i < sizeof timeouts / sizeof *timeouts; i++) {
        acquire(one, condition);
        assert_string_equal(call(one, condition, "wait", "(f)", timeouts[i]), "False");
        assert_string_equal(call(other, condition, "locked", "()"), "True");
        release(one, condition);
        expect_free(other, condition);
    }
}

static void who_is_out_of_time_waits_for_the_lock(void **state)
{
    (void)state;
    kith_connection *one = join(), *other = join();
    const char *condition = create(one, "Condition", "()");
    acquire(one, condition);
    ask(other, condition, "acquire", "()");
    until_waiting(1);
    ask(one, condition, "wait", "(f)", 0.0);
    assert_string_equal(answer(other), "True");
    ask(other, condition, "wait", "(f)", 0.0);
    assert_string_equal(answer(one), "False");
    assert_int_equal(is_answered(other), 0);
    release(one, condition);
    assert_string_equal(answer(other), "False");
}

static void who_is_out_of_time_is_not_notified_any_more(void **state)
{
    (void)state;
    kith_connection *one = join(), *other = join(), *third = join();
    const char *condition = create(one, "Condition", "()");
    acquire(one, condition);
    ask(other, condition, "acquire", "()");
    until_waiting(1);
    ask(one, condition, "wait", "(f)", 0.001);
    assert_string_equal(answer(other), "True");
    ask(third, condition, "acquire", "(b,f)", 1, 0.005); /* its time comes after the other's */
    assert_string_equal(answer(third), "False");
    assert_string_equal(call(other, condition, "notify_all", "()"), "None");
    release(other, condition);
    assert_string_equal(answer(one), "False");
}

static void who_is_notified_comes_after_those_who_wait_for_the_lock(void **state)
{
    (void)state;
    kith_connection *one = join(), *waiting = join(), *other = join();
    const char *condition = create(one, "Condition", "()");
    wait_on(waiting, condition, 1);
    acquire(one, condition);
    ask(other, condition, "acquire", "()");
    until_waiting(2);
    assert_string_equal(call(one, condition, "notify", "()"), "None");
    release(one, condition);
    assert_string_equal(answer(other), "True");
    assert_int_equal(is_answered(waiting), 0);
    release(other, condition);
    assert_string_equal(answer(waiting), "True");
}

/* ---- death ---- */

static void who_dies_waiting_does_not_count(void **state)
{
    (void)state;
    kith_connection *one = join(), *first = join(), *second = join();
    const char *condition = create(one, "Condition", "()");
    wait_on(first, condition, 1);
    wait_on(second, condition, 2);
    leave(first);
    until_waiting(1);
    notify(one, condition, 1);
    assert_string_equal(answer(second), "True");
}

static void who_dies_notified_passes_it_on(void **state)
{
    (void)state;
    kith_connection *one = join(), *first = join(), *second = join(), *third = join();
    const char *condition = create(one, "Condition", "()");
    wait_on(first, condition, 1);
    wait_on(second, condition, 2);
    wait_on(third, condition, 3);
    acquire(one, condition);
    assert_string_equal(call(one, condition, "notify", "()"), "None");
    leave(first);
    until_waiting(2);
    assert_int_equal(is_answered(second), 0);
    release(one, condition);
    assert_string_equal(answer(second), "True");
    release(second, condition);
    assert_int_equal(is_answered(third), 0);
}

static void what_is_passed_on_with_nobody_left_is_forgotten(void **state)
{
    (void)state;
    kith_connection *one = join(), *first = join();
    const char *condition = create(one, "Condition", "()");
    wait_on(first, condition, 1);
    acquire(one, condition);
    assert_string_equal(call(one, condition, "notify", "()"), "None");
    leave(first);
    until_clients(1);
    assert_string_equal(call(one, condition, "wait", "(f)", 0.001), "False");
}

static void a_dead_owner_gives_the_lock_back(void **state)
{
    (void)state;
    const char *const types[] = { NULL, "Lock", "RLock" };
    kith_connection *one = join();
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        kith_connection *owner = join(), *waiting = join();
        kith_value *lock = types[i] ? proxy(create(one, types[i], "()")) : kith_value_none(arena);
        const char *condition = create(one, "Condition", "(v)", lock);
        wait_on(waiting, condition, 1);
        acquire(owner, condition);
        assert_string_equal(call(owner, condition, "notify", "()"), "None");
        leave(owner);
        assert_string_equal(answer(waiting), "True");
        leave(waiting);
        until_clients(1);
        acquire(one, condition);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_has_a_lock_that_can_be_acquired_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_the_owner_may_wait_and_notify, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_shares_the_lock_that_it_is_given, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_lock_lives_as_long_as_its_condition, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_refuses_what_is_no_lock_of_the_server, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_waited_longest_is_notified_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_lock_comes_back_as_often_as_it_was_acquired, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_out_of_time_has_the_lock_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_out_of_time_waits_for_the_lock, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_out_of_time_is_not_notified_any_more, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_notified_comes_after_those_who_wait_for_the_lock, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_dies_waiting_does_not_count, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_dies_notified_passes_it_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_passed_on_with_nobody_left_is_forgotten, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_dead_owner_gives_the_lock_back, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
