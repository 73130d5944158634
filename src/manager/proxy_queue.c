/* Queues. What travels in numbers is sent ahead of its answers: put_many, get_many, and task_done, whose answer is read
 * with the next call. A server answers in order, so the n-th answer is the n-th question's. */
#include "manager/exception.h"
#include "manager/proxy_call.h"

#include <limits.h>

/* How many questions of get_many are sent ahead at first: as long as all find something, twice as many each time. */
enum { AHEAD_FIRST = 8 };

/* ---- one at a time ---- */

int kith_proxy_put(kith_proxy *queue, const kith_value *value, kith_timeout timeout)
{
    struct patience patience;
    int code = patience_from(&patience, value, timeout);
    if (code == 0 && !value)
        code = error_refuse_null("value is NULL: the call that should have made it failed", "; before: ");
    if (code == 0)
        code = near_queue_put(queue, value, timeout);
    return code != NEAR_NOT ? code : call_plain(queue, "put", patience.items, patience.count);
}

int kith_proxy_get(kith_proxy *queue, kith_arena *arena, kith_value **value, kith_timeout timeout)
{
    struct patience patience;
    int code = patience_from(&patience, NULL, timeout);
    if (code == 0 && arena && value)
        code = near_queue_get(queue, arena, value, timeout);
    return code < 0 || (code == 0 && arena && value)
               ? code
               : call_value(queue, "get", patience.items, patience.count, arena, value);
}

/* ---- answers that are read later ---- */

int kith_proxy_task_done(kith_proxy *queue)
{
    struct thread_line *line = NULL;
    int code = near_queue_task_done(queue);
    if (code != NEAR_NOT)
        return code;
    code = proxy_begin(queue, &line, OS_FOREVER);
    if (code == 0)
        code = proxy_write(queue, line, "task_done", GIVEN_NOTHING);
    if (code == 0)
        code = thread_line_post(line, OS_FOREVER);
    return code < 0 ? code : thread_line_mistake(line);
}

int kith_proxy_flush(kith_proxy *proxy)
{
    struct thread_line *line = NULL;
    int code = client_check(proxy, "proxy");
    if (code == 0)
        code = thread_line_open(proxy->manager, &line, OS_FOREVER);
    if (code == 0)
        code = thread_line_settle(line, OS_FOREVER);
    return code < 0 ? code : thread_line_mistake(line);
}

/* ---- many ---- */

/* Questions under way, one like the other. They go in groups, each in one piece. */
struct convoy {
    kith_proxy *queue;
    struct thread_line *line;
    size_t ahead; /* so many may be under way */
    size_t sent;
    size_t answered;
    bool filling; /* a group is being put together */
    int code;     /* the first failure: nothing is sent any more, and what is under way is still received */
};

static int convoy_begin(struct convoy *convoy, kith_proxy *queue, size_t ahead)
{
    *convoy = (struct convoy){ .queue = queue, .ahead = ahead };
    int code = proxy_begin(queue, &convoy->line, OS_FOREVER);
    return code < 0 ? code : thread_line_settle(convoy->line, OS_FOREVER);
}

static void convoy_fail(struct convoy *convoy, int code)
{
    if (code < 0 && convoy->code == 0)
        convoy->code = code;
}

/* Whether one more of so many in all is to be sent now. The next group begins when half of what may be under way is
 * answered: so the server is not left without work. */
static bool convoy_wants(struct convoy *convoy, size_t count)
{
    size_t under_way = convoy->sent - convoy->answered;
    if (under_way <= convoy->ahead / 2)
        convoy->filling = true;
    if (under_way >= convoy->ahead)
        convoy->filling = false;
    return convoy->filling && convoy->sent < count && convoy->code == 0;
}

static void convoy_send(struct convoy *convoy, const char *method, const struct patience *patience)
{
    int code = proxy_write(convoy->queue, convoy->line, method, patience->items, patience->count);
    if (code == 0) {
        code = thread_line_gather(convoy->line, OS_FOREVER);
        convoy->sent = code == 0 ? convoy->sent + 1 : convoy->answered; /* else nothing is under way any more */
    }
    convoy_fail(convoy, code);
}

/* @return 0 and the answer's value; the answer's failure; or the line's, and then nothing is under way any more */
static int convoy_receive(struct convoy *convoy, kith_arena *arena, kith_value **value)
{
    kith_bytes answer;
    int code = thread_line_send_gathered(convoy->line, OS_FOREVER);
    if (code == 0)
        code = thread_line_receive(convoy->line, &answer, OS_FOREVER);
    if (code < 0) {
        convoy->sent = convoy->answered;
        return code;
    }
    convoy->answered++;
    code = answer_read(&answer, arena, value);
    kith_bytes_free(&answer);
    return code;
}

/* How many may be under way. With a timeout one at a time: when there is no room for one in time, those behind it must
 * not find some. */
static size_t put_ahead(kith_timeout timeout)
{
    return timeout == KITH_FOREVER ? THREAD_LINE_OWED_MAX : 1;
}

/* Puts those from *done on. @param done  is counted up. @return 0; the first failure */
static int put_by_server(kith_proxy *queue, const kith_value *items, size_t *done, kith_timeout timeout)
{
    struct convoy convoy;
    struct patience patience;
    kith_value *none;
    size_t first = *done, count = kith_value_length(items) - first;
    int code = convoy_begin(&convoy, queue, put_ahead(timeout));
    if (code < 0)
        return code;
    while (convoy.answered < convoy.sent || (convoy.sent < count && convoy.code == 0)) {
        if (convoy_wants(&convoy, count)) {
            (void)patience_from(&patience, kith_value_at(items, first + convoy.sent), timeout);
            convoy_send(&convoy, "put", &patience);
            continue;
        }
        convoy_fail(&convoy, convoy_receive(&convoy, convoy.line->arena, &none));
        kith_arena_reset(convoy.line->arena);
        *done += convoy.code == 0;
    }
    return convoy.code;
}

int kith_proxy_put_many(kith_proxy *queue, const kith_value *items, kith_timeout timeout)
{
    deadline unused;
    size_t count = kith_value_length(items), done = 0;
    int kind = kith_value_kind(items), code = client_deadline(timeout, &unused);
    if (code == 0)
        code = client_check(queue, "queue");
    if (code == 0 && ((kind != KITH_LIST && kind != KITH_TUPLE) || count > INT_MAX))
        code = error_fail(-EINVAL, "items are %s: give a list or tuple, not too long", kith_kind_name(kind));
    while (code == 0 && done < count) {
        code = near_queue_put(queue, kith_value_at(items, done), timeout);
        done += code == 0;
    }
    if (code == NEAR_NOT)
        code = put_by_server(queue, items, &done, timeout);
    return done == 0 && code < 0 ? code : (int)done;
}

/* Takes what there is, up to max; the first one is waited for. @return 0; the first failure */
static int get_by_server(kith_proxy *queue, kith_arena *arena, kith_value *list, size_t max, kith_timeout timeout)
{
    struct convoy convoy;
    struct patience first, others;
    size_t round = AHEAD_FIRST;
    kith_value *value;
    (void)patience_from(&first, NULL, timeout);
    (void)patience_from(&others, NULL, KITH_NOWAIT);
    int code = convoy_begin(&convoy, queue, AHEAD_FIRST);
    if (code < 0)
        return code;
    while (convoy.answered < convoy.sent || (convoy.sent < max && convoy.code == 0)) {
        if (convoy_wants(&convoy, max)) {
            convoy_send(&convoy, "get", convoy.sent == 0 ? &first : &others);
            continue;
        }
        code = convoy_receive(&convoy, arena, &value);
        convoy_fail(&convoy, code < 0 ? code : kith_value_append(list, value));
        if (convoy.answered == round && convoy.ahead < THREAD_LINE_OWED_MAX) {
            convoy.ahead *= 2;
            round += convoy.ahead;
        }
    }
    return convoy.code;
}

/* The same from a queue that this process has. @return also NEAR_NOT, and then nothing has happened */
static int get_by_self(kith_proxy *queue, kith_arena *arena, kith_value *list, size_t max, kith_timeout timeout)
{
    kith_value *value;
    int code = 0;
    for (size_t got = 0; code == 0 && got < max; got++) {
        code = near_queue_get(queue, arena, &value, got == 0 ? timeout : KITH_NOWAIT);
        if (code == 0)
            code = kith_value_append(list, value);
        else if (code == NEAR_NOT && got > 0)
            return 0;
    }
    return code;
}

int kith_proxy_get_many(kith_proxy *queue, kith_arena *arena, kith_value **values, unsigned max, kith_timeout timeout)
{
    deadline unused;
    kith_value *list = NULL;
    int code = client_deadline(timeout, &unused);
    if (code == 0)
        code = client_check(queue, "queue");
    if (code == 0)
        code = client_check(arena, "arena");
    if (code == 0)
        code = client_check(values, "values");
    if (code == 0 && (max == 0 || max > INT_MAX))
        code = error_fail(-EINVAL, "max is %u", max);
    if (code == 0 && !(list = kith_value_list(arena)))
        code = kith_arena_error(arena);
    if (code == 0)
        code = get_by_self(queue, arena, list, max, timeout);
    if (code == NEAR_NOT)
        code = get_by_server(queue, arena, list, max, timeout);
    size_t got = kith_value_length(list);
    if (got == 0)
        return code;
    exception_forget(); /* of the queue.Empty that said that there were no more */
    *values = list;
    return (int)got;
}

/* ---- the rest ---- */

int kith_proxy_qsize(kith_proxy *queue)
{
    return call_count(queue, "qsize", GIVEN_NOTHING);
}

int kith_proxy_empty(kith_proxy *queue)
{
    return call_count(queue, "empty", GIVEN_NOTHING);
}

int kith_proxy_full(kith_proxy *queue)
{
    return call_count(queue, "full", GIVEN_NOTHING);
}

int kith_proxy_join(kith_proxy *queue, kith_timeout timeout)
{
    deadline until;
    int code = client_check(queue, "queue");
    if (code == 0)
        code = client_deadline(timeout, &until);
    if (code < 0)
        return code;
    if (!queue->manager->is_kith || timeout == KITH_FOREVER)
        return proxy_call(queue, &(struct question){ .method = "join" }, NULL, NULL, until);
    kith_value seconds = argument_timeout(timeout);
    return call_plain(queue, "join", GIVEN(&seconds));
}
