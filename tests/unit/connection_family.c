/* kith/connection.h: pipes between processes: messages of 100 MB, who has which end, who notices whose death; and what
 * happens at the limits of a process. */
#include "alarms.h"
#include "family.h"
#include "refuse.h"

#include <pthread.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static kith_connection *mine;
static kith_connection *theirs;
static const kith_process_options none;
static kith_process_options with_theirs;

static int set_up_pipe(void **state)
{
    if (set_up(state) < 0 || kith_pipe(&mine, &theirs, NULL) < 0)
        return -1;
    with_theirs = (kith_process_options){ .connections = &theirs, .connection_count = 1 };
    return 0;
}

static int tear_down_pipe(void **state)
{
    kith_connection_free(mine);
    kith_connection_free(theirs);
    return tear_down(state);
}

/* Sends everything back that comes, until the end. */
static int echo(void *nothing)
{
    kith_bytes message;
    int code;
    while ((code = kith_connection_recv(theirs, &message, KITH_FOREVER)) == 0) {
        EXPECT(kith_connection_send(theirs, message.data, message.size, KITH_FOREVER) == 0);
        kith_bytes_free(&message);
    }
    EXPECT(code == KITH_EEOF);
    return nothing != NULL;
}

/* ---- large and many ---- */

static void a_message_of_100_mb_goes_there_and_back(void **state)
{
    (void)state;
    const size_t size = 100000000;
    kith_bytes message;
    unsigned char *bytes = pattern(size);
    assert_non_null(bytes);
    kith_process *child = start(echo, NULL, &with_theirs);
    assert_code(kith_connection_send(mine, bytes, size, KITH_FOREVER), 0);
    assert_code(kith_connection_recv(mine, &message, KITH_FOREVER), 0);
    assert_int_equal(message.size, size);
    assert_int_equal(memcmp(message.data, bytes, size), 0);
    kith_bytes_free(&message);
    free(bytes);
    kith_connection_close(mine);
    kith_connection_close(theirs);
    finish(child, 0);
}

static void sizes_around_those_of_buffers_arrive(void **state)
{
    (void)state;
    const size_t mib = 1 << 20;
    const size_t sizes[] = { 200000, 212992, mib - 1, mib, mib + 1, 2 * mib - 1, 2 * mib, 2 * mib + 1, 5 * mib };
    kith_bytes message;
    unsigned char *bytes = calloc(1, 5 * mib);
    assert_non_null(bytes);
    kith_process *child = start(echo, NULL, &with_theirs);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        bytes[sizes[i] - 1] = (unsigned char)(i + 1);
        assert_code(kith_connection_send(mine, bytes, sizes[i], KITH_FOREVER), 0);
        assert_code(kith_connection_recv(mine, &message, KITH_FOREVER), 0);
        assert_int_equal(message.size, sizes[i]);
        assert_int_equal(memcmp(message.data, bytes, sizes[i]), 0);
        kith_bytes_free(&message);
    }
    free(bytes);
    kith_connection_close(mine);
    kith_connection_close(theirs);
    finish(child, 0);
}

enum { MANY = 300, MANY_SIZE = 10000 };

static void *send_many(void *connection)
{
    static const char bytes[MANY_SIZE];
    intptr_t failures = 0;
    for (int i = 0; i < MANY; i++)
        failures += kith_connection_send(connection, bytes, (size_t)i * 33, KITH_FOREVER) != 0;
    return (void *)failures;
}

/* Sends and receives at the same time. @return how much went wrong */
static int exchange(void *connection)
{
    pthread_t sender;
    void *failures;
    int wrong = pthread_create(&sender, NULL, send_many, connection);
    for (size_t i = 0; i < MANY; i++) {
        kith_bytes message;
        wrong += kith_connection_recv(connection, &message, KITH_FOREVER) != 0 || message.size != i * 33;
        kith_bytes_free(&message);
    }
    pthread_join(sender, &failures);
    return wrong + (int)(intptr_t)failures;
}

static void both_directions_work_at_the_same_time(void **state)
{
    (void)state;
    kith_process *child = start(exchange, theirs, &with_theirs);
    assert_int_equal(exchange(mine), 0);
    finish(child, 0);
}

static volatile sig_atomic_t alarms_seen;

/* The fifth lets the child go, which the sending process can't do itself. */
static void count_alarm(int number)
{
    (void)number;
    if (++alarms_seen == 5 && write(go[1], "", 1) != 1)
        _exit(1);
}

/* Receives when it may, and compares with the pattern. */
static int receive_pattern(void *size)
{
    kith_bytes message;
    unsigned char *bytes = pattern(*(size_t *)size);
    wait_to_go();
    EXPECT(kith_connection_recv(theirs, &message, KITH_FOREVER) == 0);
    EXPECT(message.size == *(size_t *)size && memcmp(message.data, bytes, message.size) == 0);
    free(bytes);
    kith_bytes_free(&message);
    return 0;
}

static void a_signal_handler_does_not_cut_a_message_short(void **state)
{
    (void)state;
    size_t size = 3000000;
    unsigned char *bytes = pattern(size);
    assert_non_null(bytes);
    kith_process *child = start(receive_pattern, &size, &with_theirs);
    alarms_seen = 0;
    alarms_on(count_alarm, 0);
    int code = kith_connection_send(mine, bytes, size, KITH_FOREVER);
    alarms_off();
    assert_code(code, 0);
    finish(child, 0);
    free(bytes);
}

/* ---- who has which end ---- */

static int use_what_was_not_handed(void *descriptor)
{
    kith_bytes message;
    const char *detail = "this connection was not handed to this process: name it in kith_process_options.connections";
    EXPECT(kith_connection_send(theirs, "x", 1, KITH_NOWAIT) == KITH_ECLOSED);
    EXPECT(strcmp(kith_error_detail(), detail) == 0);
    EXPECT(kith_connection_recv(theirs, &message, KITH_NOWAIT) == KITH_ECLOSED);
    EXPECT(kith_connection_poll(theirs, KITH_NOWAIT) == KITH_ECLOSED);
    EXPECT(kith_connection_fd(theirs) == KITH_ECLOSED);
    EXPECT(fcntl(*(int *)descriptor, F_GETFD) == -1);
    EXPECT(kith_process_start(NULL, return_it, NULL, &with_theirs) == KITH_ECLOSED);
    EXPECT(kith_connection_close(theirs) == 0);
    kith_connection_free(theirs);
    kith_connection_free(mine);
    return 0;
}

static void what_was_not_handed_is_closed(void **state)
{
    (void)state;
    int descriptor = kith_connection_fd(theirs);
    finish(start(use_what_was_not_handed, &descriptor, &none), 0);
}

static int say_hello(void *connection)
{
    return kith_connection_send(connection, "hello", 5, KITH_FOREVER) != 0;
}

static int hand_on(void *nothing)
{
    kith_process *child;
    int code = 1;
    EXPECT(kith_process_start(&child, say_hello, theirs, &with_theirs) == 0);
    EXPECT(kith_process_join(child, KITH_FOREVER) == 0);
    EXPECT(kith_process_exit_code(child, &code) == 0 && code == 0);
    EXPECT(kith_process_close(child) == 0);
    return nothing != NULL;
}

static void what_was_handed_can_be_handed_on(void **state)
{
    (void)state;
    kith_bytes message;
    finish(start(hand_on, NULL, &with_theirs), 0);
    assert_code(kith_connection_recv(mine, &message, KITH_NOWAIT), 0);
    assert_int_equal(message.size, 5);
    kith_bytes_free(&message);
}

static void two_ends_can_be_handed_and_one_twice(void **state)
{
    (void)state;
    kith_bytes message;
    kith_connection *const ends[] = { theirs, mine, theirs };
    kith_process_options options = { .connections = ends, .connection_count = 3 };
    finish(start(say_hello, theirs, &options), 0);
    finish(start(say_hello, mine, &options), 0);
    assert_code(kith_connection_recv(mine, &message, KITH_NOWAIT), 0);
    kith_bytes_free(&message);
    assert_code(kith_connection_recv(theirs, &message, KITH_NOWAIT), 0);
    kith_bytes_free(&message);
}

/* What came while the parent had the end belongs to the child that gets it. */
static int receive_the_rest(void *nothing)
{
    kith_bytes message;
    EXPECT(kith_connection_recv(theirs, &message, KITH_FOREVER) == 0);
    EXPECT(message.size == 4 && memcmp(message.data, "rest", 4) == 0);
    kith_bytes_free(&message);
    return nothing != NULL;
}

static void a_part_of_a_message_is_handed_on_with_its_end(void **state)
{
    (void)state;
    kith_bytes message;
    assert_int_equal(write(kith_connection_fd(mine), "\0\0\0\4re", 6), 6);
    assert_code(kith_connection_recv(theirs, &message, KITH_NOWAIT), -ETIMEDOUT);
    assert_int_equal(write(kith_connection_fd(mine), "st", 2), 2);
    finish(start(receive_the_rest, NULL, &with_theirs), 0);
}

static void the_end_comes_when_the_one_who_has_it_ends(void **state)
{
    (void)state;
    kith_bytes message;
    kith_process *with = start(wait_and_return, NULL, &with_theirs);
    kith_process *without = start(say_and_wait, NULL, &none);
    kith_connection_close(theirs);
    assert_int_equal(hear(), 'h');
    assert_code(kith_connection_recv(mine, &message, KITH_NOWAIT), -ETIMEDOUT);
    assert_code(kith_process_kill(with), 0);
    assert_explained(kith_connection_recv(mine, &message, KITH_FOREVER), KITH_EEOF);
    assert_explained(kith_connection_send(mine, "x", 1, KITH_FOREVER), -EPIPE);
    assert_int_equal(kith_process_is_alive(without), 1);
    finish(with, -SIGKILL);
    let_go();
    finish(without, 0);
}

static int send_endlessly(void *nothing)
{
    static const char bytes[10000000];
    EXPECT(kith_connection_send(theirs, bytes, sizeof bytes, KITH_FOREVER) == 0);
    return nothing != NULL;
}

static void a_sender_that_is_killed_truncates(void **state)
{
    (void)state;
    kith_bytes message;
    kith_process *child = start(send_endlessly, NULL, &with_theirs);
    kith_connection_close(theirs);
    assert_int_equal(kith_connection_poll(mine, KITH_FOREVER), 1); /* it is in the middle of its message */
    assert_code(kith_process_kill(child), 0);
    assert_explained(kith_connection_recv(mine, &message, KITH_FOREVER), KITH_ETRUNCATED);
    finish(child, -SIGKILL);
}

static int use_both(void)
{
    kith_bytes message;
    EXPECT(kith_connection_send(mine, "x", 1, KITH_FOREVER) == 0);
    EXPECT(kith_connection_recv(theirs, &message, KITH_FOREVER) == 0);
    kith_bytes_free(&message);
    return 0;
}

static void a_plain_fork_has_all(void **state)
{
    (void)state;
    assert_int_equal(apart(use_both), 0);
}

/* ---- forks while other threads make and free pipes ---- */

static _Atomic bool enough;

static void *make_and_free_pipes(void *nothing)
{
    while (!enough) {
        kith_connection *first, *second;
        if (kith_pipe(&first, &second, NULL) < 0)
            return &enough;
        kith_connection_free(first);
        kith_connection_free(second);
    }
    return nothing;
}

static int count_descriptors_and_make_a_pipe(void *expected)
{
    kith_connection *first, *second;
    EXPECT(descriptors() == *(int *)expected);
    EXPECT(kith_pipe(&first, &second, NULL) == 0);
    kith_connection_free(first);
    kith_connection_free(second);
    return 0;
}

static void no_child_inherits_what_is_just_made_or_freed(void **state)
{
    (void)state;
    pthread_t threads[2];
    void *failure;
    int expected = descriptors() - 2; /* without both ends of the test's own pipe */
    enough = false;
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_and_free_pipes, NULL), 0);
    int failures = 0;
    for (int i = 0; i < 100; i++)
        failures += run(count_descriptors_and_make_a_pipe, &expected) != 0;
    enough = true;
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], &failure);
        assert_null(failure);
    }
    assert_int_equal(failures, 0);
}

/* ---- at the limits ---- */

static int run_out_of_descriptors(void)
{
    enum { LIMIT = 64 };
    kith_connection *first = NULL, *second = NULL;
    int spare[LIMIT], count = 0;
    struct rlimit limit;
    EXPECT(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = LIMIT;
    EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    while (count < LIMIT && (spare[count] = dup(0)) >= 0)
        count++;
    EXPECT(errno == EMFILE && count > 2);
    for (int left = 0; left < 2; left++) {
        EXPECT(kith_pipe(&first, &second, NULL) == -EMFILE);
        EXPECT(strstr(kith_error_detail(), "file descriptor"));
        EXPECT(!first && !second);
        close(spare[--count]);
    }
    EXPECT(kith_pipe(&first, &second, NULL) == 0);
    kith_connection_free(first);
    kith_connection_free(second);
    return 0;
}

static int refuse_sockets(void)
{
    kith_connection *first = NULL, *second = NULL;
    EXPECT(refuse(SYS_socketpair, ENFILE) == 0);
    EXPECT(kith_pipe(&first, &second, NULL) == -ENFILE);
    EXPECT(kith_error_detail()[0] && !first && !second);
    return 0;
}

static void a_pipe_that_fails_leaves_nothing_behind(void **state)
{
    (void)state;
    assert_int_equal(apart(run_out_of_descriptors), 0);
    assert_int_equal(apart(refuse_sockets), 0);
}

/* Lets this process have a megabyte more than it has. */
static int limit_memory(struct rlimit *before)
{
    char text[100] = "";
    if (getrlimit(RLIMIT_AS, before) < 0)
        return -1;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || !fgets(text, sizeof text, file))
        return -1;
    fclose(file);
    rlim_t size = (rlim_t)(strtoul(text, NULL, 10) * (unsigned long)sysconf(_SC_PAGESIZE) + 1000000);
    return setrlimit(RLIMIT_AS, &(struct rlimit){ size, before->rlim_max });
}

static int send_pattern(void *size)
{
    unsigned char *bytes = pattern(*(size_t *)size);
    EXPECT(kith_connection_send(theirs, bytes, *(size_t *)size, KITH_FOREVER) == 0);
    free(bytes);
    return 0;
}

static int receive_without_memory(void)
{
    size_t size = 70000000; /* more than the C library keeps of what was freed before */
    struct rlimit before;
    kith_process *child;
    kith_bytes message;
    unsigned char *bytes = pattern(size);
    EXPECT(kith_process_start(&child, send_pattern, &size, &with_theirs) == 0);
    EXPECT(limit_memory(&before) == 0);
    EXPECT(kith_connection_recv(mine, &message, KITH_FOREVER) == -ENOMEM);
    EXPECT(kith_error_detail()[0]);
    EXPECT(setrlimit(RLIMIT_AS, &before) == 0);
    EXPECT(kith_connection_recv(mine, &message, KITH_FOREVER) == 0);
    EXPECT(message.size == size && memcmp(message.data, bytes, size) == 0);
    kith_bytes_free(&message);
    free(bytes);
    return 0;
}

static void a_message_waits_for_memory(void **state)
{
    (void)state;
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
    skip(); /* they have no use for limits of memory */
#endif
    assert_int_equal(apart(receive_without_memory), 0);
}

/* ---- killed between two instructions ---- */

static int receive_traced(void)
{
    kith_bytes message;
    EXPECT(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 && raise(SIGSTOP) == 0);
    return kith_connection_recv(mine, &message, KITH_NOWAIT);
}

/* Lets a traced process go on until it has taken bytes from a socket. */
static void run_until_taken(pid_t pid)
{
    struct __ptrace_syscall_info call;
    bool takes = false;
    for (;;) {
        int status;
        assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSTOPPED(status));
        assert_true(ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof call, &call) > 0);
        if (call.op == PTRACE_SYSCALL_INFO_ENTRY)
            takes = call.entry.nr == SYS_recvfrom && !(call.entry.args[3] & MSG_PEEK);
        else if (takes && call.op == PTRACE_SYSCALL_INFO_EXIT && call.exit.rval > 0)
            return;
    }
}

/* It could tell nobody that it has taken a message, of which we had seen how long it is. */
static void who_is_killed_with_a_message_takes_no_other_along(void **state)
{
    (void)state;
    const char *const texts[] = { "1", "22", "333", "4444" };
    kith_bytes message;
    int status;
    for (int i = 0; i < 4; i++)
        assert_code(kith_connection_send(theirs, texts[i], strlen(texts[i]), KITH_NOWAIT), 0);
    assert_code(kith_connection_recv(mine, &message, KITH_NOWAIT), 0);
    kith_bytes_free(&message);
    pid_t pid = apart_start(receive_traced);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    assert_int_equal(ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)), 0);
    run_until_taken(pid);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(apart_wait(pid), -SIGKILL);
    for (int i = 2; i < 4; i++) {
        assert_code(kith_connection_recv(mine, &message, KITH_NOWAIT), 0);
        assert_int_equal(message.size, strlen(texts[i]));
        assert_memory_equal(message.data, texts[i], message.size);
        kith_bytes_free(&message);
    }
}

#define PIPE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_pipe, tear_down_pipe)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PIPE_TEST(a_message_of_100_mb_goes_there_and_back),
        PIPE_TEST(sizes_around_those_of_buffers_arrive),
        PIPE_TEST(both_directions_work_at_the_same_time),
        PIPE_TEST(a_signal_handler_does_not_cut_a_message_short),
        PIPE_TEST(what_was_not_handed_is_closed),
        PIPE_TEST(what_was_handed_can_be_handed_on),
        PIPE_TEST(two_ends_can_be_handed_and_one_twice),
        PIPE_TEST(a_part_of_a_message_is_handed_on_with_its_end),
        PIPE_TEST(the_end_comes_when_the_one_who_has_it_ends),
        PIPE_TEST(a_sender_that_is_killed_truncates),
        PIPE_TEST(a_plain_fork_has_all),
        PIPE_TEST(who_is_killed_with_a_message_takes_no_other_along),
        PIPE_TEST(no_child_inherits_what_is_just_made_or_freed),
        PIPE_TEST(a_pipe_that_fails_leaves_nothing_behind),
        PIPE_TEST(a_message_waits_for_memory),
    };
    return cmocka_run_group_tests(tests, start_first, NULL);
}
