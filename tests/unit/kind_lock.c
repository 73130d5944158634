/* A server's Lock and RLock (include/kith/proxy.h has their methods). */
#include "kinds.h"

#include <math.h>

#define UNLOCKED "RuntimeError('release unlocked lock')"
#define NOT_OWNED "RuntimeError('cannot release un-acquired lock')"

static void a_lock_is_had_by_one_at_a_time(void **state)
{
    (void)state;
    kith_connection *one = join(), *other = join();
    const char *lock = create(one, "Lock", "()");
    assert_string_equal(call(one, lock, "locked", "()"), "False");
    assert_string_equal(call(one, lock, "acquire", "()"), "True");
    assert_string_equal(call(other, lock, "locked", "()"), "True");
    assert_string_equal(call(other, lock, "acquire", "(b)", 0), "False");
    assert_string_equal(call(one, lock, "acquire", "(b)", 0), "False");
    assert_string_equal(call(other, lock, "acquire", "(b,f)", 1, 0.001), "False");
    assert_string_equal(call(one, lock, "release", "()"), "None");
    assert_string_equal(call(other, lock, "acquire", "(b)", 0), "True");
}

static void who_waits_gets_it_first_come_first_served(void **state)
{
    (void)state;
    const char *const types[] = { "Lock", "RLock" };
    kith_connection *one = join(), *second = join(), *third = join();
    for (size_t i = 0; i < 2; i++) {
        const char *lock = create(one, types[i], "()");
        assert_string_equal(call(one, lock, "acquire", "()"), "True");
        ask(second, lock, "acquire", "()");
        until_waiting(1);
        ask(third, lock, "acquire", "(b,f)", 1, 60.0);
        until_waiting(2);
        assert_string_equal(call(one, lock, "release", "()"), "None");
        assert_string_equal(answer(second), "True");
        assert_int_equal(is_answered(third), 0);
        assert_string_equal(call(second, lock, "release", "()"), "None");
        assert_string_equal(answer(third), "True");
        assert_string_equal(call(third, lock, "release", "()"), "None");
    }
}

static void anybody_may_release_a_lock(void **state)
{
    (void)state;
    kith_connection *one = join(), *other = join();
    const char *lock = create(one, "Lock", "()");
    assert_string_equal(call(one, lock, "release", "()"), UNLOCKED);
    assert_string_equal(call(one, lock, "acquire", "()"), "True");
    assert_string_equal(call(other, lock, "release", "()"), "None");
    assert_string_equal(call(one, lock, "release", "()"), UNLOCKED);
}

static void what_another_one_has_released_is_not_given_back_again(void **state)
{
    (void)state;
    kith_connection *one = join(), *other = join();
    const char *lock = create(other, "Lock", "()");
    assert_string_equal(call(one, lock, "acquire", "()"), "True");
    assert_string_equal(call(other, lock, "release", "()"), "None");
    assert_string_equal(call(other, lock, "acquire", "()"), "True");
    leave(one);
    until_clients(1);
    assert_string_equal(call(other, lock, "locked", "()"), "True");
}

static void an_rlock_is_released_as_often_as_acquired_and_by_its_owner_only(void **state)
{
    (void)state;
    kith_connection *one = join(), *other = join();
    const char *lock = create(one, "RLock", "()");
    assert_string_equal(call(one, lock, "release", "()"), NOT_OWNED);
    for (int i = 0; i < 3; i++)
        assert_string_equal(call(one, lock, "acquire", "(b)", i % 2), "True");
    assert_string_equal(call(other, lock, "release", "()"), NOT_OWNED);
    assert_string_equal(call(other, lock, "acquire", "(b)", 0), "False");
    ask(other, lock, "acquire", "()");
    until_waiting(1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(is_answered(other), 0);
        assert_string_equal(call(one, lock, "release", "()"), "None");
    }
    assert_string_equal(answer(other), "True");
    assert_string_equal(call(one, lock, "release", "()"), NOT_OWNED);
    assert_string_equal(call(one, lock, "locked", "()"), "True");
}

static void acquire_is_as_pythons(void **state)
{
    (void)state;
    static const char not_blocking[] = "ValueError(\"can't specify a timeout for a non-blocking call\")";
    static const char negative[] = "ValueError('timeout value must be a non-negative number')";
    kith_connection *client = join();
    const char *const types[] = { "Lock", "RLock" };
    for (size_t i = 0; i < 2; i++) {
        const char *lock = create(client, types[i], "()");
        assert_string_equal(call(client, lock, "acquire", "(b,i)", 0, 1), not_blocking);
        assert_string_equal(call(client, lock, "acquire", "(b,i)", 0, -2), not_blocking);
        assert_string_equal(call(client, lock, "acquire", "(b,f)", 1, -0.5), negative);
        assert_string_equal(call(client, lock, "acquire", "(b,n)", 1),
                            "TypeError(\"'NoneType' object cannot be interpreted as an integer\")");
        assert_string_equal(call(client, lock, "acquire", "(b,s)", 1, "long"),
                            "TypeError(\"'str' object cannot be interpreted as an integer\")");
        assert_string_equal(call(client, lock, "acquire", "(b,f)", 1, (double)NAN),
                            "ValueError('Invalid value NaN (not a number)')");
        assert_memory_equal(call(client, lock, "acquire", "(b,f)", 1, 1e30), "OverflowError(", 14);
        assert_string_equal(call(client, lock, "locked", "()"), "False");
        assert_string_equal(call(client, lock, "acquire", "(b,i)", 0, -1), "True");
    }
    assert_memory_equal(call(client, "", "create", "(s,i)", "Lock", 1), "TypeError: ", 11);
}

static void a_dead_owners_lock_is_given_to_the_next_one(void **state)
{
    (void)state;
    const char *const types[] = { "Lock", "RLock" };
    kith_connection *next = join();
    for (size_t i = 0; i < 2; i++) {
        kith_connection *owner = join(), *waiter = join();
        const char *lock = create(next, types[i], "()");
        assert_string_equal(call(owner, lock, "acquire", "()"), "True");
        if (i == 1)
            assert_string_equal(call(owner, lock, "acquire", "()"), "True");
        ask(waiter, lock, "acquire", "()");
        until_waiting(1);
        ask(next, lock, "acquire", "()");
        until_waiting(2);
        leave(waiter); /* who waited and died is passed over */
        until_waiting(1);
        leave(owner);
        assert_string_equal(answer(next), "True");
        assert_string_equal(call(next, lock, "release", "()"), "None");
        assert_string_equal(call(next, lock, "locked", "()"), "False");
        until_clients(1);
    }
}

static int set_up_keeping(void **state)
{
    (void)state;
    return set_up_with((kith_server_options){ .keep_locks = 1 });
}

static void a_dead_owners_lock_is_kept_when_the_server_is_told_to(void **state)
{
    (void)state;
    kith_connection *one = join(), *owner = join();
    const char *lock = create(one, "Lock", "()"), *rlock = create(one, "RLock", "()");
    assert_string_equal(call(owner, lock, "acquire", "()"), "True");
    assert_string_equal(call(owner, rlock, "acquire", "()"), "True");
    leave(owner);
    until_clients(1);
    assert_string_equal(call(one, lock, "acquire", "(b)", 0), "False");
    assert_string_equal(call(one, rlock, "acquire", "(b)", 0), "False");
    assert_string_equal(call(one, rlock, "release", "()"), NOT_OWNED);
    assert_string_equal(call(one, lock, "release", "()"), "None");
    assert_string_equal(call(one, lock, "acquire", "(b)", 0), "True");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_lock_is_had_by_one_at_a_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_waits_gets_it_first_come_first_served, set_up, tear_down),
        cmocka_unit_test_setup_teardown(anybody_may_release_a_lock, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_another_one_has_released_is_not_given_back_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_rlock_is_released_as_often_as_acquired_and_by_its_owner_only, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(acquire_is_as_pythons, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_dead_owners_lock_is_given_to_the_next_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_dead_owners_lock_is_kept_when_the_server_is_told_to, set_up_keeping,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
