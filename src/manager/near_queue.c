#include "manager/near_queue.h"

#include "manager/client.h"
#include "manager/exception.h"
#include "manager/note.h"
#include "manager/proxy_call.h"
#include "manager/thread_line.h"
#include "os/memory.h"
#include "os/named.h"
#include "queue/counts.h"
#include "value/pickle_out.h"

#include <kith/codec.h>
#include <kith/queue.h>
#include <stdlib.h>
#include <unistd.h>

/* So many calls within so many nanoseconds: a client that a queue of its own is worth it for. */
enum { BUSY_CALLS = 64, BUSY_TIME = 100000000 };

/* How long to wait at the queue before the server is asked to tell, in nanoseconds. */
enum { PATIENCE = 50000 };

struct near_queue {
    kith_queue *queue;
    const struct note *note;
    unsigned life; /* of the manager, in which the proxy's reference keeps it */
    struct near_queue *next;
};

static unsigned life_of(const kith_proxy *proxy)
{
    return atomic_load_explicit(&proxy->manager->life, memory_order_relaxed);
}

/* ---- having one ---- */

static void near_free(struct near_queue *near)
{
    kith_queue_free(near->queue);
    if (near->note)
        os_memory_unmap(near->note, sizeof *near->note);
    free(near);
}

void near_client_end(struct near_client *client)
{
    struct near_queue *near = atomic_load_explicit(&client->now, memory_order_acquire);
    if (near)
        near_free(near);
    struct near_queue *old = atomic_load_explicit(&client->old, memory_order_acquire);
    while (old) {
        near = old;
        old = old->next;
        near_free(near);
    }
}

/* Takes it out of use. It is freed with the proxy: another thread may be in a call on it. */
static void retire(struct near_client *client, struct near_queue *near)
{
    struct near_queue *expected = near;
    if (!atomic_compare_exchange_strong_explicit(&client->now, &expected, NULL, memory_order_acq_rel,
                                                 memory_order_relaxed))
        return;
    near->next = atomic_load_explicit(&client->old, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&client->old, &near->next, near, memory_order_acq_rel,
                                                  memory_order_relaxed))
        continue;
}

static const struct note *map_note(int file)
{
    struct os_file facts;
    const void *memory = NULL;
    if (os_file_look(file, &facts) < 0 || facts.size < sizeof(struct note) ||
        os_memory_map_to_read(&memory, file, 0, sizeof(struct note)) < 0)
        return NULL;
    return memory;
}

/* Makes one of the two descriptors. No queue is no failure: the server goes on serving. */
static struct near_queue *near_new(const kith_proxy *proxy, const int files[2])
{
    struct near_queue *near = calloc(1, sizeof *near);
    if (!near)
        return NULL;
    near->life = life_of(proxy);
    near->note = map_note(files[1]);
    if (near->note && kith_queue_from_fd(&near->queue, files[0]) == 0)
        return near;
    near_free(near);
    return NULL;
}

/* The two descriptors come before the answer; when the server refuses, the answer comes alone.
 * @return 0; a failure of the line. files: -1 for what did not come */
static int receive(struct thread_line *line, int files[2])
{
    int code = thread_line_receive_fd(line, &files[0], OS_FOREVER);
    if (code == 0)
        code = thread_line_receive_fd(line, &files[1], OS_FOREVER);
    if (code < 0 && code != -ENOMSG)
        return code;
    kith_bytes answer;
    code = thread_line_receive(line, &answer, OS_FOREVER);
    if (code == 0)
        kith_bytes_free(&answer);
    return code;
}

static int share(kith_proxy *proxy, struct thread_line *line)
{
    struct near_client *client = &proxy->near;
    int files[2] = { -1, -1 };
    int code = thread_line_settle(line, OS_FOREVER);
    if (code == 0)
        code =
            question_write(&line->request, &(struct question){ .id = "", .method = "kith_share", .text = proxy->id });
    if (code == 0)
        code = thread_line_send(line, OS_FOREVER);
    if (code == 0)
        code = receive(line, files);
    struct near_queue *made = code == 0 && files[1] >= 0 ? near_new(proxy, files) : NULL;
    for (int i = 0; i < 2; i++) {
        if (files[i] >= 0)
            close(files[i]);
    }
    struct near_queue *none = NULL;
    if (code == 0 && !made)
        atomic_store_explicit(&client->refused, true, memory_order_relaxed);
    else if (made && !atomic_compare_exchange_strong_explicit(&client->now, &none, made, memory_order_acq_rel,
                                                              memory_order_relaxed))
        near_free(made); /* another thread was first */
    return code;
}

/* Counts a call without a queue, and asks for it after a run of them. @return 0; a failure of the line */
static int count_call(kith_proxy *proxy, struct thread_line *line)
{
    struct near_client *client = &proxy->near;
    if (atomic_load_explicit(&client->refused, memory_order_relaxed) ||
        (atomic_fetch_add_explicit(&client->calls, 1, memory_order_relaxed) + 1) % BUSY_CALLS != 0)
        return 0;
    int64_t now = os_clock_now();
    int64_t before = atomic_exchange_explicit(&client->since, now, memory_order_relaxed);
    if (before == 0 || now - before > BUSY_TIME || !thread_line_takes_descriptors(line))
        return 0;
    return share(proxy, line);
}

/* This thread's line, and the proxy's queue. A thread that uses the queue has a line: when it dies in the middle, the
 * line's end has the server look after those who wait. @return 0; NEAR_NOT; a failure of the line */
static int begin(kith_proxy *proxy, struct thread_line **line, struct near_queue **near)
{
    int code = proxy_begin(proxy, line, OS_FOREVER);
    if (code < 0)
        return code;
    struct near_client *client = &proxy->near;
    *near = atomic_load_explicit(&client->now, memory_order_acquire);
    if (!*near) {
        code = count_call(proxy, *line);
        return code < 0 ? code : NEAR_NOT;
    }
    if ((*near)->life == life_of(proxy) && note_has_server((*near)->note))
        return 0;
    retire(client, *near); /* the server is gone, or the line was lost: a call says so, or begins anew */
    return NEAR_NOT;
}

/* ---- calls ---- */

/* Tells the server that the queue has changed, if somebody waits there for that. Whether it arrives is of no interest:
 * if not, the server is gone. */
static void tell(const kith_proxy *proxy, struct thread_line *line, const struct near_queue *near, uint32_t whom)
{
    if (!note_has(near->note, whom))
        return;
    const struct question question = { .id = "", .method = "kith_changed", .text = proxy->id };
    if (question_write(&line->request, &question) == 0)
        (void)thread_line_post(line, OS_FOREVER);
}

static kith_timeout patience_of(kith_timeout timeout)
{
    return timeout == KITH_FOREVER || timeout > PATIENCE ? PATIENCE : timeout;
}

/* Whether a pickle has a proxy in it: the server must know of its references. */
static bool mentions_proxy(const struct pickle_out *pickle)
{
    static const char name[] = "RebuildProxy";
    return memmem(pickle->data, pickle->size, name, sizeof name - 1) != NULL;
}

/* What a failure at the queue comes to: the time was over, or the server is to try. */
static int outcome(int code, int late, kith_timeout timeout)
{
    if (code == late && timeout == KITH_NOWAIT)
        return exception_stand_for(late);
    return code == 0 ? 0 : NEAR_NOT;
}

int near_queue_put(kith_proxy *proxy, const kith_value *value, kith_timeout timeout)
{
    enum { SMALL = 1024 };
    unsigned char small[SMALL];
    struct pickle_out pickle = { .data = small, .capacity = sizeof small, .lent = true };
    struct thread_line *line;
    struct near_queue *near;
    int code = begin(proxy, &line, &near);
    if (code != 0)
        return code;
    code = pickle_write_to(&pickle, value, NULL);
    if (code == 0 && mentions_proxy(&pickle)) {
        code = NEAR_NOT;
    } else if (code == 0) {
        code =
            outcome(kith_queue_put(near->queue, pickle.data, pickle.size, patience_of(timeout)), KITH_EFULL, timeout);
        if (code == 0)
            tell(proxy, line, near, NOTE_GETTERS);
    }
    pickle_out_free(&pickle);
    return code;
}

int near_queue_get(kith_proxy *proxy, kith_arena *arena, kith_value **value, kith_timeout timeout)
{
    struct thread_line *line;
    struct near_queue *near;
    int code = begin(proxy, &line, &near);
    if (code != 0)
        return code;
    if (note_has_returned(near->note))
        return NEAR_NOT;
    code = kith_queue_get_value(near->queue, arena, value, patience_of(timeout));
    if (code == KITH_EMALFORMED || code == KITH_ELIMIT)
        return code; /* it was got, and can't be read */
    code = outcome(code, KITH_EEMPTY, timeout);
    if (code == 0)
        tell(proxy, line, near, NOTE_PUTTERS);
    return code;
}

int near_queue_task_done(kith_proxy *proxy)
{
    struct thread_line *line;
    struct near_queue *near;
    int code = begin(proxy, &line, &near);
    if (code != 0)
        return code;
    code = queue_finish(near->queue);
    if (code < 0)
        return NEAR_NOT; /* the server has the words for it */
    if (code > 0)
        tell(proxy, line, near, NOTE_JOINERS);
    return 0;
}
