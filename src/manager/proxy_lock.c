/* Locks, semaphores, conditions, events and barriers. */
#include "manager/proxy_call.h"

int kith_proxy_acquire(kith_proxy *lock, kith_timeout timeout)
{
    struct patience patience;
    int code = patience_from(&patience, NULL, timeout);
    return code < 0 ? code
                    : call_in_time(lock, "acquire", patience.items, patience.count, timeout, "was not to be had");
}

int kith_proxy_release(kith_proxy *lock)
{
    return call_plain(lock, "release", GIVEN_NOTHING);
}

/* ---- waiting: all take a timeout, or None ---- */

static int check_timeout(kith_timeout timeout)
{
    deadline unused;
    return client_deadline(timeout, &unused);
}

static int wait_in_time(kith_proxy *proxy, kith_timeout timeout, const char *what)
{
    int code = check_timeout(timeout);
    if (code < 0)
        return code;
    kith_value seconds = argument_timeout(timeout);
    return call_in_time(proxy, "wait", GIVEN(&seconds), timeout, what);
}

/* ---- Condition ---- */

int kith_proxy_wait(kith_proxy *condition, kith_timeout timeout)
{
    return wait_in_time(condition, timeout, "was not notified");
}

int kith_proxy_wait_for(kith_proxy *condition, int (*predicate)(void *argument), void *argument, kith_timeout timeout)
{
    deadline until;
    int code = client_check(condition, "condition");
    if (code == 0 && !predicate)
        code = error_fail(-EINVAL, "predicate is NULL");
    if (code == 0)
        code = client_deadline(timeout, &until);
    while (code == 0 && !predicate(argument)) {
        if (deadline_passed(until))
            return call_too_late(condition, timeout, "did not have what was waited for");
        code = wait_in_time(condition, client_timeout(until), "was not notified");
        if (code == -ETIMEDOUT)
            code = 0; /* what it waits for may be true all the same */
    }
    return code;
}

int kith_proxy_notify(kith_proxy *condition, unsigned count)
{
    kith_value number = argument_int(count);
    return call_plain(condition, "notify", GIVEN(&number));
}

int kith_proxy_notify_all(kith_proxy *condition)
{
    return call_plain(condition, "notify_all", GIVEN_NOTHING);
}

/* ---- Event ---- */

int kith_proxy_event_set(kith_proxy *event)
{
    return call_plain(event, "set", GIVEN_NOTHING);
}

int kith_proxy_event_clear(kith_proxy *event)
{
    return call_plain(event, "clear", GIVEN_NOTHING);
}

int kith_proxy_event_is_set(kith_proxy *event)
{
    return call_count(event, "is_set", GIVEN_NOTHING);
}

int kith_proxy_event_wait(kith_proxy *event, kith_timeout timeout)
{
    return wait_in_time(event, timeout, "was not set");
}

/* ---- Barrier ---- */

int kith_proxy_barrier_wait(kith_proxy *barrier, kith_timeout timeout)
{
    int code = check_timeout(timeout);
    if (code < 0)
        return code;
    kith_value seconds = argument_timeout(timeout);
    return call_count(barrier, "wait", GIVEN(&seconds));
}

int kith_proxy_barrier_abort(kith_proxy *barrier)
{
    return call_plain(barrier, "abort", GIVEN_NOTHING);
}

int kith_proxy_barrier_reset(kith_proxy *barrier)
{
    return call_plain(barrier, "reset", GIVEN_NOTHING);
}

static int attribute(kith_proxy *barrier, const char *name)
{
    kith_value text = argument_text(name);
    return call_count(barrier, "__getattribute__", GIVEN(&text));
}

int kith_proxy_barrier_parties(kith_proxy *barrier)
{
    return attribute(barrier, "parties");
}

int kith_proxy_barrier_waiting(kith_proxy *barrier)
{
    return attribute(barrier, "n_waiting");
}

int kith_proxy_barrier_broken(kith_proxy *barrier)
{
    return attribute(barrier, "broken");
}
