/* What the tests of entry points are made of, beside family.h: an image of the program has none of its parent's
 * variables, so the pipes are handed to it. */
#ifndef KITH_TESTS_UNIT_ENTRIES_H
#define KITH_TESTS_UNIT_ENTRIES_H

#include "family.h"

static const kith_start_method methods[] = { KITH_FORK, KITH_SPAWN, KITH_FORKSERVER };

/** The three pipes' ends that a child needs. */
static kith_process_fd pipes[3];

static kith_arena *arena;

static inline int set_up_entries(void **state)
{
    if (set_up(state) < 0 || kith_arena_new(&arena) < 0)
        return -1;
    pipes[0] = (kith_process_fd){ "go", go[0] };
    pipes[1] = (kith_process_fd){ "said", said[1] };
    pipes[2] = (kith_process_fd){ "living", living[1] };
    return 0;
}

static inline int tear_down_entries(void **state)
{
    kith_arena_free(arena);
    return kith_forkserver_stop() == 0 ? tear_down(state) : -1;
}

/** One test, and one by each method, which the state tells. */
#define ENTRY_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_entries, tear_down_entries)
#define ENTRY_TEST_BY(name, method, number)                                                  \
    {                                                                                        \
#name "/" #method, name, set_up_entries, tear_down_entries, (void *)&methods[number] \
    }
#define ENTRY_TESTS(name) \
    ENTRY_TEST_BY(name, fork, 0), ENTRY_TEST_BY(name, spawn, 1), ENTRY_TEST_BY(name, forkserver, 2)

/** Starts an entry point that says '!' when it is called, and waits for its end. @return 0, or why it could not be
 *  started; -EPROTO when it did not say so, or did not return 0 */
static inline int call_and_wait(kith_entry *entry, const kith_process_options *options)
{
    kith_process *child;
    int exit_code;
    int code = kith_process_start_entry(&child, entry, kith_value_pack(arena, "(i)", 1), options);
    if (code < 0)
        return code;
    code = kith_process_join(child, KITH_FOREVER);
    if (code == 0)
        code = kith_process_exit_code(child, &exit_code);
    kith_process_close(child);
    return code < 0 ? code : exit_code == 0 && heard() == '!' ? 0 : -EPROTO;
}

static inline kith_process_options by(void **state)
{
    return (kith_process_options){ .method = *(const kith_start_method *)*state, .fds = pipes, .fd_count = 3 };
}

static inline kith_process *start_entry(kith_entry *entry, const kith_value *args, const kith_process_options *options)
{
    kith_process *child = NULL;
    assert_code(kith_process_start_entry(&child, entry, args, options), 0);
    assert_non_null(child);
    return child;
}

/** Starts a child, and waits for its end. */
static inline void run_entry(kith_entry *entry, const kith_value *args, const kith_process_options *options,
                             int expected)
{
    finish(start_entry(entry, args, options), expected);
}

/* ---- what children do with the pipes ---- */

static inline int say_by(const kith_call *call, char word)
{
    return write(kith_call_fd(call, "said"), &word, 1) == 1 ? 0 : 1;
}

static inline void wait_by(const kith_call *call)
{
    char byte;
    while (read(kith_call_fd(call, "go"), &byte, 1) < 0 && errno == EINTR)
        continue;
}

KITH_ENTRY(say_and_wait_to_go)
{
    say_by(call, 'h');
    wait_by(call);
    return 0;
}

KITH_ENTRY(return_first)
{
    int number;
    EXPECT(kith_value_unpack(kith_call_args(call), "(i,*)", &number) == 0);
    return number;
}

#endif
