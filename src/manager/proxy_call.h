/* Calls by a proxy, in the shapes that they come in: the methods of proxy.h are one of these each. */
#ifndef KITH_SRC_MANAGER_PROXY_CALL_H
#define KITH_SRC_MANAGER_PROXY_CALL_H

#include <kith/proxy.h>

#include "base/error.h"
#include "manager/thread_line.h"
#include "value/value.h"

/* ---- arguments: values that live as long as the call, on the stack ---- */

/** What a method is given by place: `given` is the array of them, and its length. */
#define GIVEN(...)                              \
    (const kith_value *const[]){ __VA_ARGS__ }, \
        sizeof((const kith_value *const[]){ __VA_ARGS__ }) / sizeof(const kith_value *)
#define GIVEN_NOTHING NULL, 0

static inline kith_value argument_int(int64_t number)
{
    return (kith_value){ .kind = KITH_INT, .integer = number };
}

static inline kith_value argument_bool(bool truth)
{
    return (kith_value){ .kind = KITH_BOOL, .truth = truth };
}

static inline kith_value argument_text(const char *text)
{
    return (kith_value){ .kind = KITH_STR, .bytes = { text, strlen(text) } };
}

/** A timeout as Python has it: seconds, or None. */
kith_value argument_timeout(kith_timeout timeout);

/** The arguments of what may wait: (), (False,), (True, seconds), behind others. */
struct patience {
    kith_value block, seconds;
    const kith_value *items[3];
    size_t count;
};

/** @param first  what comes before; NULL: nothing. @return 0; -EINVAL */
int patience_from(struct patience *patience, const kith_value *first, kith_timeout timeout);

/* ---- calls ---- */

/** This thread's line, and the reference. @return 0; as kith_proxy_call */
int proxy_begin(kith_proxy *proxy, struct thread_line **line, deadline until);

/** Writes a call into the line's request. @return 0; as kith_pickle_write */
int proxy_write(const kith_proxy *proxy, struct thread_line *line, const char *method, const kith_value *const *items,
                size_t count);

/** Asks for the proxy's object by a line of proxy_begin; the question's id does not count.
 *  @return an answer_kind; as kith_proxy_call */
int proxy_ask(kith_proxy *proxy, struct thread_line *line, const struct question *question, kith_arena *arena,
              kith_value **result, deadline until);

/** A call with all that there is. @param arena  NULL: the result is not wanted. @return as kith_proxy_call */
int proxy_call(kith_proxy *proxy, const struct question *question, kith_arena *arena, kith_value **result,
               deadline until);

/** What kith_proxy_call and the like are given. @return 0; -EINVAL */
int proxy_check_call(const char *name, const kith_value *args, const kith_value *kwargs);

/** A call whose result is None, or not wanted. All of these wait as long as it takes. */
int call_plain(kith_proxy *proxy, const char *method, const kith_value *const *items, size_t count);

/** A call whose result is a number. @return 0; KITH_ETYPE */
int call_number(kith_proxy *proxy, const char *method, const kith_value *const *items, size_t count, int64_t *number);

/** A call whose result is a count or a truth value. @return it, 0 or more; -EOVERFLOW, KITH_ETYPE */
int call_count(kith_proxy *proxy, const char *method, const kith_value *const *items, size_t count);

/** A call whose result says whether it came to pass in time.
 *  @param what  what did not, for the detail: "was not to be had"
 *  @return 0; -ETIMEDOUT */
int call_in_time(kith_proxy *proxy, const char *method, const kith_value *const *items, size_t count,
                 kith_timeout timeout, const char *what);

/** @return -ETIMEDOUT, with a detail: "the Lock was not to be had in 350 ms" */
int call_too_late(const kith_proxy *proxy, kith_timeout timeout, const char *what);

/** A call whose result is the caller's. */
int call_value(kith_proxy *proxy, const char *method, const kith_value *const *items, size_t count, kith_arena *arena,
               kith_value **value);

/** The same where it is a list, which Python may say in other words: list(...), array.array(...). */
int call_list(kith_proxy *proxy, const char *method, const kith_value *const *items, size_t count, kith_arena *arena,
              kith_value **list);

/** Puts a list in the place of an array of Python's. @return 0; -ENOMEM and as array_read */
int value_from_array(kith_arena *arena, kith_value **value);

/** Whether the last call raised just this exception. */
bool call_raised(int code, const char *exception);

#endif
