/* What the tests of processes are made of.
 *
 * Children and test wait for each other by pipes: the test lets a child go on through `go`, and hears what it has to
 * say through `said`. The third, `living`, tells when the last of several processes has ended: they have its writing
 * end, and the test gives its own away. Whatever a test leaves behind, the teardown ends, or takes for a mistake:
 * children, zombies, descriptors.
 */
#ifndef KITH_TESTS_UNIT_FAMILY_H
#define KITH_TESTS_UNIT_FAMILY_H

#include "apart.h"
#include "cmocka_kith.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>

static int go[2];
static int said[2];
static int living[2];
static int descriptors_before;

enum { PIPES = 6 }; /* the descriptors of these three */

/* ---- words and bytes ---- */

static inline void say(char word)
{
    if (write(said[1], &word, 1) != 1)
        perror("say");
}

/* So long a test waits for what must come, before it says that it did not. */
enum { PATIENCE = 60000 };

static inline bool readable(int descriptor, int milliseconds)
{
    struct pollfd one = { .fd = descriptor, .events = POLLIN };
    return poll(&one, 1, milliseconds) == 1;
}

/** Waits for a word. */
static inline char hear(void)
{
    char word;
    return readable(said[0], PATIENCE) && read(said[0], &word, 1) == 1 ? word : 0;
}

/** The word that was said already, or 0. */
static inline char heard(void)
{
    return readable(said[0], 0) ? hear() : 0;
}

static inline void let_go(void)
{
    assert_int_equal(write(go[1], "", 1), 1);
}

static inline void wait_to_go(void)
{
    char byte;
    while (read(go[0], &byte, 1) < 0 && errno == EINTR)
        continue;
}

/** Bytes to send, that make a difference when they are mixed up. @return memory to free, or NULL */
static inline unsigned char *pattern(size_t size)
{
    unsigned char *bytes = malloc(size);
    for (size_t i = 0; bytes && i < size; i++)
        bytes[i] = (unsigned char)(i * 31 + (i >> 8));
    return bytes;
}

/* ---- who lives ---- */

static inline void give_living_away(void)
{
    close(living[1]);
    living[1] = -1;
}

/** Whether nobody has the writing end any more. What was written to it must have been read. */
static inline bool all_dead(void)
{
    struct pollfd one = { .fd = living[0], .events = POLLIN };
    return poll(&one, 1, 0) == 1 && one.revents == POLLHUP;
}

/** Reads what they write to it until they are dead. */
static inline void read_until_dead(char *text, size_t size)
{
    size_t length = 0;
    for (ssize_t got = 1; got > 0 && length < size - 1; length += (size_t)got) {
        assert_true(readable(living[0], PATIENCE));
        got = read(living[0], text + length, size - 1 - length);
        assert_true(got >= 0);
    }
    text[length] = 0;
}

static inline void wait_until_dead(void)
{
    char text[2];
    read_until_dead(text, sizeof text);
    assert_string_equal(text, "");
}

/* ---- what children run ---- */

static inline int return_it(void *number)
{
    return number ? *(int *)number : 0;
}

static inline int wait_and_return(void *number)
{
    wait_to_go();
    return return_it(number);
}

static inline int say_and_wait(void *number)
{
    say('h');
    return wait_and_return(number);
}

static inline int sleep_forever(void *nothing)
{
    say('s');
    for (;;)
        pause();
    return nothing != NULL;
}

static inline int say_that_it_ran(void *nothing)
{
    say('!');
    return nothing != NULL;
}

/* ---- starting and ending them ---- */

/** Starts a child, joins it, and returns its exit code, or the negative code of what failed. For any process. */
static inline int run(kith_process_main body, void *argument)
{
    kith_process *child;
    int exit_code = 0;
    int code = kith_process_start(&child, body, argument, NULL);
    if (code < 0)
        return code;
    code = kith_process_join(child, KITH_FOREVER);
    if (code == 0)
        code = kith_process_exit_code(child, &exit_code);
    kith_process_close(child);
    return code < 0 ? code : exit_code;
}

static inline kith_process *start(kith_process_main body, void *argument, const kith_process_options *options)
{
    kith_process *child = NULL;
    assert_code(kith_process_start(&child, body, argument, options), 0);
    assert_non_null(child);
    return child;
}

/** Joins, compares the exit code, closes. */
static inline void finish(kith_process *child, int expected)
{
    int exit_code = -1000;
    assert_code(kith_process_join(child, KITH_FOREVER), 0);
    assert_code(kith_process_exit_code(child, &exit_code), 0);
    assert_int_equal(exit_code, expected);
    assert_code(kith_process_close(child), 0);
}

/* ---- before and after ---- */

/** Once a process, the library opens a descriptor that stays. */
static inline int start_first(void **state)
{
    (void)state;
    return run(return_it, NULL);
}

static inline int set_up(void **state)
{
    (void)state;
    descriptors_before = descriptors();
    return pipe2(go, O_CLOEXEC) < 0 || pipe2(said, O_CLOEXEC) < 0 || pipe2(living, O_CLOEXEC) < 0 ? -1 : 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    kith_process *left[16];
    int count = kith_process_active_children(left, 16);
    if (apart_running && kill(apart_running, SIGKILL) == 0)
        apart_wait(apart_running);
    for (int i = 0; i < count && i < 16; i++) {
        kith_process_kill(left[i]);
        if (kith_process_join(left[i], KITH_FOREVER) < 0 || kith_process_close(left[i]) < 0)
            return -1;
    }
    for (int i = 0; i < 2; i++) {
        close(go[i]);
        close(said[i]);
        if (living[i] >= 0)
            close(living[i]);
    }
    assert_int_equal(count, 0);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nor are there zombies */
    assert_int_equal(descriptors(), descriptors_before);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
