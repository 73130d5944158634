/* A server's Semaphore and BoundedSemaphore (include/kith/proxy.h has their methods). */
#include "kinds.h"

static void it_has_so_many_units(void **state)
{
    (void)state;
    const char *const types[] = { "Semaphore", "BoundedSemaphore" };
    kith_connection *one = join(), *other = join();
    for (size_t i = 0; i < 2; i++) {
        const char *semaphore = create(one, types[i], "(i)", 2);
        assert_string_equal(call(one, semaphore, "acquire", "()"), "True");
        assert_string_equal(call(other, semaphore, "locked", "()"), "False");
        assert_string_equal(call(one, semaphore, "acquire", "(b)", 0), "True");
        assert_string_equal(call(other, semaphore, "locked", "()"), "True");
        assert_string_equal(call(other, semaphore, "acquire", "(b)", 0), "False");
        assert_string_equal(call(other, semaphore, "acquire", "(b,f)", 1, 0.001), "False");
        assert_string_equal(call(other, semaphore, "acquire", "(b,i)", 1, -1), "False");
        assert_string_equal(call(one, semaphore, "release", "()"), "None");
        assert_string_equal(call(other, semaphore, "acquire", "(b,n)", 0), "True");
    }
}

static void a_release_of_many_wakes_as_many_in_order(void **state)
{
    (void)state;
    kith_connection *one = join(), *waiting[3] = { join(), join(), join() };
    const char *semaphore = create(one, "Semaphore", "(i)", 0);
    for (unsigned i = 0; i < 3; i++) {
        ask(waiting[i], semaphore, "acquire", "()");
        until_waiting(i + 1);
    }
    assert_string_equal(call(one, semaphore, "release", "(i)", 2), "None");
    assert_string_equal(answer(waiting[0]), "True");
    assert_string_equal(answer(waiting[1]), "True");
    assert_int_equal(is_answered(waiting[2]), 0);
    assert_string_equal(call(one, semaphore, "release", "(i)", 2), "None");
    assert_string_equal(answer(waiting[2]), "True");
    assert_string_equal(call(one, semaphore, "acquire", "(b)", 0), "True");
    assert_string_equal(call(one, semaphore, "acquire", "(b)", 0), "False");
}

static void a_bounded_one_does_not_exceed_its_first_value(void **state)
{
    (void)state;
    static const char too_often[] = "ValueError('Semaphore released too many times')";
    kith_connection *client = join();
    const char *bounded = create(client, "BoundedSemaphore", "(i)", 2);
    assert_string_equal(call(client, bounded, "release", "()"), too_often);
    assert_string_equal(call(client, bounded, "acquire", "()"), "True");
    assert_string_equal(call(client, bounded, "release", "(i)", 2), too_often);
    assert_string_equal(call(client, bounded, "release", "(i)", 1), "None");
    assert_string_equal(call(client, bounded, "release", "()"), too_often);
    const char *unbounded = create(client, "Semaphore", "()");
    assert_string_equal(call(client, unbounded, "release", "(I)", INT64_MAX - 1), "None");
    assert_memory_equal(call(client, unbounded, "release", "()"), "OverflowError(", 14);
    assert_string_equal(call(client, unbounded, "acquire", "()"), "True");
}

static void its_calls_refuse_what_pythons_refuse(void **state)
{
    (void)state;
    kith_connection *client = join();
    const char *semaphore = create(client, "Semaphore", "()");
    assert_string_equal(call(client, semaphore, "acquire", "(b,i)", 0, 1),
                        "ValueError(\"can't specify timeout for non-blocking acquire\")");
    assert_string_equal(call(client, semaphore, "release", "(i)", 0), "ValueError('n must be one or more')");
    assert_memory_equal(call(client, semaphore, "release", "(s)", "one"), "TypeError(", 10);
    assert_string_equal(call(client, semaphore, "acquire", "(b)", 0), "True");
    assert_memory_equal(call(client, semaphore, "acquire", "(b,s)", 1, "long"), "TypeError(", 10);
    assert_string_equal(call(client, "", "create", "(s,i)", "Semaphore", -1),
                        "ValueError: semaphore initial value must be >= 0");
    assert_memory_equal(call(client, "", "create", "(s,s)", "BoundedSemaphore", "two"), "TypeError: ", 11);
}

/* ---- who holds what ---- */

static void a_dead_client_gives_its_units_back(void **state)
{
    (void)state;
    kith_connection *one = join(), *other = join();
    const char *semaphore = create(one, "Semaphore", "(i)", 2);
    assert_string_equal(call(other, semaphore, "acquire", "()"), "True");
    assert_string_equal(call(other, semaphore, "acquire", "()"), "True");
    ask(one, semaphore, "acquire", "()");
    until_waiting(1);
    leave(other);
    assert_string_equal(answer(one), "True");
    assert_string_equal(call(one, semaphore, "acquire", "(b)", 0), "True");
    assert_string_equal(call(one, semaphore, "acquire", "(b)", 0), "False");
}

static void a_dead_receiver_signals_nobody(void **state)
{
    (void)state;
    kith_connection *sender = join(), *receiver = join();
    const char *semaphore = create(sender, "Semaphore", "(i)", 0);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(call(sender, semaphore, "release", "()"), "None");
        assert_string_equal(call(receiver, semaphore, "acquire", "()"), "True");
    }
    leave(receiver);
    until_clients(1);
    assert_string_equal(call(sender, semaphore, "acquire", "(b)", 0), "False");
}

static void what_another_one_releases_is_taken_off_the_oldest_holder(void **state)
{
    (void)state;
    kith_connection *one = join(), *oldest = join(), *younger = join();
    const char *semaphore = create(one, "Semaphore", "(i)", 3);
    assert_string_equal(call(oldest, semaphore, "acquire", "()"), "True");
    assert_string_equal(call(younger, semaphore, "acquire", "()"), "True");
    assert_string_equal(call(younger, semaphore, "acquire", "()"), "True");
    assert_string_equal(call(one, semaphore, "release", "(i)", 2), "None"); /* both holders have one of them less */
    assert_string_equal(call(one, semaphore, "acquire", "()"), "True");
    assert_string_equal(call(one, semaphore, "acquire", "()"), "True");
    leave(oldest);
    until_clients(2);
    assert_string_equal(call(one, semaphore, "acquire", "(b)", 0), "False");
    leave(younger);
    until_clients(1);
    assert_string_equal(call(one, semaphore, "acquire", "(b)", 0), "True");
    assert_string_equal(call(one, semaphore, "acquire", "(b)", 0), "False");
}

static void who_releases_gives_its_own_units_first(void **state)
{
    (void)state;
    kith_connection *one = join(), *oldest = join(), *younger = join();
    const char *semaphore = create(one, "BoundedSemaphore", "(i)", 2);
    assert_string_equal(call(oldest, semaphore, "acquire", "()"), "True");
    assert_string_equal(call(younger, semaphore, "acquire", "()"), "True");
    assert_string_equal(call(younger, semaphore, "release", "()"), "None");
    leave(younger);
    until_clients(2);
    leave(oldest);
    until_clients(1);
    assert_string_equal(call(one, semaphore, "release", "()"), "ValueError('Semaphore released too many times')");
    assert_string_equal(call(one, semaphore, "acquire", "(b)", 0), "True");
    assert_string_equal(call(one, semaphore, "acquire", "(b)", 0), "True");
    assert_string_equal(call(one, semaphore, "acquire", "(b)", 0), "False");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_has_so_many_units, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_release_of_many_wakes_as_many_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_bounded_one_does_not_exceed_its_first_value, set_up, tear_down),
        cmocka_unit_test_setup_teardown(its_calls_refuse_what_pythons_refuse, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_dead_client_gives_its_units_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_dead_receiver_signals_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_another_one_releases_is_taken_off_the_oldest_holder, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_releases_gives_its_own_units_first, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
