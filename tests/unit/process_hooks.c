/* kith/process.h: exit hooks. They say their letters through `said`. */
#include "family.h"
#include "shortage.h"

#include <pthread.h>
#include <sched.h>

static void say_it(void *letter)
{
    say(*(const char *)letter);
}

static const char letters[] = "abcdefgh";

/* What was said, up to the first silence. */
static const char *all_heard(void)
{
    static char text[40];
    size_t length = 0;
    for (char word = heard(); word && length < sizeof text - 1; word = heard())
        text[length++] = word;
    text[length] = '\0';
    return text;
}

static int add(char letter)
{
    return kith_process_at_exit(say_it, (void *)&letters[letter - 'a']);
}

static int take_back(char letter)
{
    return kith_process_not_at_exit(say_it, (void *)&letters[letter - 'a']);
}

static int add_abc(void)
{
    EXPECT(add('a') == 0 && add('b') == 0 && add('c') == 0);
    return 0;
}

static void hooks_run_at_exit_last_first(void **state)
{
    (void)state;
    assert_int_equal(apart(add_abc), 0);
    assert_string_equal(all_heard(), "cba");
}

static int add_abc_and_return(void *exit_code)
{
    return add_abc() == 0 ? return_it(exit_code) : 1;
}

static int add_abc_and_exit(void *exit_code)
{
    exit(add_abc_and_return(exit_code));
}

static void hooks_run_when_a_child_ends(void **state)
{
    (void)state;
    assert_int_equal(run(add_abc_and_return, &(int){ 3 }), 3);
    assert_string_equal(all_heard(), "cba");
    assert_int_equal(run(add_abc_and_exit, &(int){ 4 }), 4);
    assert_string_equal(all_heard(), "cba");
}

static int add_abc_and_leave(void *number)
{
    if (add_abc() != 0)
        return 1;
    if (number)
        raise(*(int *)number);
    _exit(0);
}

static void hooks_do_not_run_at_other_ends(void **state)
{
    (void)state;
    assert_int_equal(run(add_abc_and_leave, NULL), 0);
    assert_int_equal(run(add_abc_and_leave, &(int){ SIGKILL }), -SIGKILL);
    assert_int_equal(run(add_abc_and_leave, &(int){ SIGTERM }), -SIGTERM);
    assert_string_equal(all_heard(), "");
}

/* ---- taking back ---- */

static int take_some_back(void)
{
    EXPECT(add('a') == 0 && add('b') == 0 && add('a') == 0 && add('c') == 0);
    EXPECT(take_back('a') == 0); /* the later one */
    EXPECT(take_back('d') == -ENOENT && strlen(kith_error_detail()) > 10);
    EXPECT(kith_process_not_at_exit(NULL, NULL) == -ENOENT);
    return 0;
}

static int take_all_back(void)
{
    EXPECT(add('a') == 0 && add('a') == 0 && take_back('a') == 0 && take_back('a') == 0);
    EXPECT(take_back('a') == -ENOENT);
    return 0;
}

static void hooks_can_be_taken_back(void **state)
{
    (void)state;
    assert_int_equal(apart(take_some_back), 0);
    assert_string_equal(all_heard(), "cba");
    assert_int_equal(apart(take_all_back), 0);
    assert_string_equal(all_heard(), "");
}

/* ---- what hooks may do ---- */

static void add_another(void *unused)
{
    (void)unused;
    say('1');
    EXPECT_OR(add('d') == 0, return );
}

static void take_a_back(void *unused)
{
    (void)unused;
    say('2');
    EXPECT_OR(take_back('a') == 0, return );
}

static int add_hooks_that_change_hooks(void)
{
    EXPECT(add('a') == 0 && add('b') == 0);
    EXPECT(kith_process_at_exit(take_a_back, NULL) == 0 && add('c') == 0);
    EXPECT(kith_process_at_exit(add_another, NULL) == 0);
    return 0;
}

static void hooks_may_add_and_take_back(void **state)
{
    (void)state;
    assert_int_equal(apart(add_hooks_that_change_hooks), 0);
    assert_string_equal(all_heard(), "1dc2b");
}

static int say_x(void *nothing)
{
    say('x');
    return nothing != NULL;
}

static void start_and_join(void *unused)
{
    (void)unused;
    EXPECT_OR(run(say_x, NULL) == 0, say('!'));
    say('j');
}

static void fork_and_exit(void *unused)
{
    (void)unused;
    pid_t pid = fork();
    if (pid == 0)
        exit(0); /* it has none of the hooks that are left */
    EXPECT_OR(apart_wait(pid) == 0, say('!'));
}

static int add_hooks_that_have_children(void)
{
    EXPECT(add('a') == 0 && kith_process_at_exit(fork_and_exit, NULL) == 0);
    EXPECT(add('b') == 0 && kith_process_at_exit(start_and_join, NULL) == 0);
    return 0;
}

static int add_hooks_that_have_children_too(void *nothing)
{
    return add_hooks_that_have_children() || nothing;
}

static void hooks_may_start_and_fork(void **state)
{
    (void)state;
    assert_int_equal(apart(add_hooks_that_have_children), 0);
    assert_string_equal(all_heard(), "xjba");
    assert_int_equal(run(add_hooks_that_have_children_too, NULL), 0);
    assert_string_equal(all_heard(), "xjba");
}

static void look_at_children(void *unused)
{
    (void)unused;
    say(kith_process_active_children(NULL, 0) == 2 ? '2' : '!');
    EXPECT_OR(write(go[1], "", 1) == 1, say('!'));
}

/* The one ends by the hook, the other as daemons do. */
static int add_a_hook_and_start(void)
{
    EXPECT(kith_process_start(NULL, sleep_forever, NULL, &(kith_process_options){ .daemon = 1 }) == 0);
    EXPECT(hear() == 's');
    EXPECT(kith_process_start(NULL, wait_and_return, NULL, NULL) == 0);
    EXPECT(kith_process_at_exit(look_at_children, NULL) == 0);
    return 0;
}

static void hooks_come_before_the_ends_of_children(void **state)
{
    (void)state;
    assert_int_equal(apart(add_a_hook_and_start), 0);
    assert_string_equal(all_heard(), "2");
    give_living_away();
    assert_true(all_dead());
}

/* ---- whose they are ---- */

static int return_at_once(void)
{
    return 0;
}

static int add_and_make_children(void)
{
    pid_t (*const forks[])(void) = { fork, _Fork };
    EXPECT(add_abc() == 0);
    EXPECT(run(return_it, NULL) == 0 && !heard());
    EXPECT(run(add_abc_and_return, NULL) == 0 && strcmp(all_heard(), "cba") == 0);
    EXPECT(apart(return_at_once) == 0 && !heard());
    for (int i = 0; i < 2; i++) {
        pid_t pid = forks[i]();
        if (pid == 0)
            exit(0);
        EXPECT(apart_wait(pid) == 0 && !heard());
    }
    return 0;
}

static void children_have_none_of_their_parents_hooks(void **state)
{
    (void)state;
    assert_int_equal(apart(add_and_make_children), 0);
    assert_string_equal(all_heard(), "cba");
}

/* ---- later than the library's own end ---- */

/* Registered before the library's end, so that it runs after it. */
static bool late;

static void add_late(void)
{
    if (!late)
        return;
    say('l');
    EXPECT_OR(add('a') == 0, return );
}

static int exit_with_more_to_come(void)
{
    late = true;
    EXPECT(add('b') == 0);
    return 0;
}

static void hooks_of_functions_that_run_later_run(void **state)
{
    (void)state;
    assert_int_equal(apart(exit_with_more_to_come), 0);
    assert_string_equal(all_heard(), "bla");
}

/* ---- threads, forks, shortage ---- */

static void do_nothing(void *unused)
{
    (void)unused;
}

static void *add_and_take_back(void *stop)
{
    intptr_t failures = 0;
    while (!*(_Atomic bool *)stop)
        failures += kith_process_at_exit(do_nothing, stop) != 0 || kith_process_not_at_exit(do_nothing, stop) != 0;
    return (void *)failures;
}

static void threads_may_add_while_others_fork(void **state)
{
    (void)state;
    static _Atomic bool stop;
    pthread_t thread;
    void *failures;
    assert_int_equal(pthread_create(&thread, NULL, add_and_take_back, &stop), 0);
    for (int i = 0; i < 30; i++) {
        assert_int_equal(run(add_abc_and_return, &(int){ i }), i);
        assert_string_equal(all_heard(), "cba");
    }
    stop = true;
    pthread_join(thread, &failures);
    assert_int_equal((intptr_t)failures, 0);
}

/* A hook that is being called, and a thread that takes it back meanwhile, to free what it uses. */
static _Atomic int progress; /* 1: the hook is being called; 2: the thread takes it back; 3: the hook returns */

static void be_long(void *unused)
{
    (void)unused;
    progress = 1;
    while (progress != 2)
        sched_yield();
    for (int i = 0; i < 1000; i++)
        sched_yield(); /* the thread would be done by now */
    progress = 3;
}

static void *take_back_and_look(void *unused)
{
    (void)unused;
    while (progress != 1)
        sched_yield();
    progress = 2;
    EXPECT_OR(kith_process_not_at_exit(be_long, NULL) == -ENOENT, return NULL);
    say(progress == 3 ? 'y' : 'n');
    return NULL;
}

static pthread_t taker;

static void join_taker(void *unused)
{
    (void)unused;
    pthread_join(taker, NULL);
}

static int take_back_what_is_called(void)
{
    EXPECT(kith_process_at_exit(join_taker, NULL) == 0 && kith_process_at_exit(be_long, NULL) == 0);
    return pthread_create(&taker, NULL, take_back_and_look, NULL);
}

static void who_takes_back_a_hook_waits_for_it(void **state)
{
    (void)state;
    assert_int_equal(apart(take_back_what_is_called), 0);
    assert_string_equal(all_heard(), "y");
}

static void bad_hooks_are_refused(void **state)
{
    (void)state;
    assert_explained(kith_process_at_exit(NULL, NULL), -EINVAL);
    assert_explained(take_back('a'), -ENOENT);
#ifndef SHORTAGE_IS_IMPOSSIBLE
    shortage_begin(1);
    int code = add('a');
    bool struck = shortage_end();
    assert_true(struck);
    assert_explained(code, -ENOMEM);
    assert_int_equal(shortage.pieces, 0);
    assert_explained(take_back('a'), -ENOENT);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(hooks_run_at_exit_last_first),
        TEST(hooks_run_when_a_child_ends),
        TEST(hooks_do_not_run_at_other_ends),
        TEST(hooks_can_be_taken_back),
        TEST(hooks_may_add_and_take_back),
        TEST(hooks_may_start_and_fork),
        TEST(hooks_come_before_the_ends_of_children),
        TEST(children_have_none_of_their_parents_hooks),
        TEST(hooks_of_functions_that_run_later_run),
        TEST(threads_may_add_while_others_fork),
        TEST(who_takes_back_a_hook_waits_for_it),
        TEST(bad_hooks_are_refused),
    };
    if (atexit(add_late) != 0)
        return 1;
    return cmocka_run_group_tests(tests, start_first, NULL);
}
