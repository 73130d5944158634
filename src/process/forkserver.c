/* The forkserver as its parent sees it.
 *
 * It is a child like others, but hidden. One thread at a time asks it for a child: sends it a parcel, and waits for the
 * answer, or for the server's end. When that came before it had made the child, the parent begins anew with another
 * server. One that is stopped says nothing: it is killed after a while.
 */
#include "process/forkserver.h"

#include "base/error.h"
#include "os/clock.h"
#include "os/poll.h"
#include "os/process.h"
#include "process/begin.h"
#include "process/entry.h"
#include "process/forks.h"
#include "process/self.h"
#include "process/serve.h"
#include "process/spawn.h"

#include <kith/codec.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/* So often a start begins anew when servers die. */
#define ATTEMPTS 3

/* How long a server may take for what it does in a moment, in nanoseconds. After that it is stopped, or worse. */
#define PATIENCE ((int64_t)10 * 1000000000)

/* Under the mutex; changed under forks_block, too. */
static struct {
    struct kith_process *process; /* NULL: there is none */
    int near;                     /* our end of its socket; -1: none */
    int far;                      /* its end, while it is started */
    bool by_first_thread;         /* whether it was started by this process's first thread */
    const char *preload;          /* what each server preloads, by name; "": nothing */
    kith_bytes args;              /* and its arguments, as a pickle */
} server = { .near = -1, .far = -1, .preload = "" };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static _Atomic bool used; /* else a new process need not write to its copy of all this */

static void enter(void)
{
    atomic_store(&used, true);
    pthread_mutex_lock(&mutex);
}

static void leave(void)
{
    pthread_mutex_unlock(&mutex);
}

/* ---- its socket ---- */

static int open_socket(void)
{
    int ends[2];
    forks_block();
    int code = os_packet_pair(ends);
    if (code == 0) {
        server.near = ends[0];
        server.far = ends[1];
    }
    forks_allow();
    return code < 0 ? error_fail(code, "no socket for a forkserver: %s", kith_strerror(code)) : 0;
}

static void close_end(int *end)
{
    if (*end >= 0)
        close(*end);
    *end = -1;
}

static void close_far(void)
{
    forks_block();
    close_end(&server.far);
    forks_allow();
}

/* ---- its life ---- */

static void end_server(void)
{
    struct kith_process *process = server.process;
    forks_block();
    close_end(&server.near);
    close_end(&server.far);
    server.process = NULL;
    forks_allow();
    if (!process)
        return;
    /* It has nothing that needs an orderly end. */
    os_process_signal(process->sentinel, SIGKILL);
    while (child_wait(process, OS_FOREVER) == -EINTR)
        continue;
    child_close(process);
}

static bool receive(void *word, size_t size)
{
    int descriptors[OS_PACKET_DESCRIPTORS];
    size_t count;
    ptrdiff_t got;
    do {
        got = os_packet_receive(server.near, word, size, descriptors, &count);
    } while (got == -EINTR);
    return got == (ptrdiff_t)size;
}

/* Waits for what the server says, or for its end, which its socket need not tell: its children have a copy at first.
 * @return whether it has said something */
static bool await_word(void *word, size_t size, int64_t until)
{
    struct os_poll_one both[] = {
        { .descriptor = server.near, .what = OS_POLL_READ },
        { .descriptor = server.process->sentinel, .what = OS_POLL_READ },
    };
    while (os_poll_many(both, 2, until) == -EINTR)
        continue;
    return both[0].ready && receive(word, size);
}

static int await_ready(void)
{
    struct serve_ready ready;
    if (!await_word(&ready, sizeof ready, *server.preload ? OS_FOREVER : os_clock_now() + PATIENCE))
        return error_fail(KITH_EWORKERLOST, "the forkserver ended while it began, or was stopped%s%s",
                          *server.preload ? ", in " : "", server.preload);
    if (ready.threads > 1)
        return error_fail(-EBUSY, "%s has left the forkserver with %d threads: it can be copied with one only",
                          server.preload, (int)ready.threads);
    if (ready.code != 0)
        return error_fail(ready.code > 0 ? KITH_ETASK : ready.code, "the forkserver could not begin: %s gave %d%s%s",
                          *server.preload ? server.preload : "it", (int)ready.code, *ready.detail ? ": " : "",
                          ready.detail);
    return 0;
}

static int spawn_server(void)
{
    kith_arena *arena = NULL;
    struct kith_process *process = NULL;
    kith_process_fd fd = { SERVE_SOCKET, server.far };
    kith_process_options options = { .name = "kith-forkserver", .method = KITH_SPAWN, .fds = &fd, .fd_count = 1 };
    struct errand errand = { .entry = SERVE_ENTRY, .options = &options };
    int code = kith_arena_new(&arena);
    if (code == 0) {
        errand.args = kith_value_pack(arena, "(y,y)", (const void *)server.preload, strlen(server.preload) + 1,
                                      (const void *)server.args.data, server.args.size);
        code = errand.args ? spawn_start(&process, &errand, HOLDER_LIBRARY) : kith_arena_error(arena);
    }
    kith_arena_free(arena);
    if (code < 0)
        return code;
    forks_block();
    server.process = process;
    server.by_first_thread = os_process_in_first_thread();
    forks_allow();
    return 0;
}

static int start_server(void)
{
    int code = open_socket();
    if (code == 0)
        code = spawn_server();
    close_far();
    if (code == 0)
        code = await_ready();
    if (code != 0)
        end_server();
    return code;
}

static bool is_running(void)
{
    if (server.process && !child_ended(server.process))
        return true;
    end_server();
    return false;
}

/* ---- its children ---- */

/* A server that has not answered in time is stopped, or worse: it is ended. Whether it has made the child, the parcel
 * tells, also of one that has ended.
 * @return the child's id; KITH_EWORKERLOST when nobody will make it; a negative code */
static pid_t await_answer(const struct parcel *parcel)
{
    serve_answer answer;
    bool answered = await_word(&answer, sizeof answer, os_clock_now() + PATIENCE);
    if (answered && answer < 0)
        return answer;
    if (!answered)
        end_server();
    pid_t made = parcel_made(parcel);
    return made > 0 ? made : KITH_EWORKERLOST;
}

/* @return as await_answer, with a detail */
static pid_t ask(const struct parcel *parcel)
{
    int code = parcel_send(parcel, server.near);
    pid_t pid = code == 0 ? await_answer(parcel) : code == -EPIPE ? KITH_EWORKERLOST : code;
    if (pid == KITH_EWORKERLOST) {
        end_server(); /* it may still be on the way to its end */
        return error_fail(pid, "one forkserver after the other ended before it had made a child");
    }
    return pid < 0 ? error_fail(pid, "the forkserver can't make a child: %s", kith_strerror(pid)) : pid;
}

static pid_t make(struct kith_process *child, struct parcel *parcel, const struct errand *errand,
                  char *const *environment)
{
    (void)child;
    (void)errand;
    (void)environment; /* the settings tell the child */
    pid_t pid = KITH_EWORKERLOST;
    enter();
    for (int i = 0; pid == KITH_EWORKERLOST && i < ATTEMPTS; i++) {
        pid = is_running() ? 0 : start_server();
        if (pid < 0)
            continue;
        /* When the first thread has ended, its children, such as the server, are any other one's. */
        parcel->head.by_first_thread = server.by_first_thread && os_process_in_first_thread();
        pid = ask(parcel);
    }
    leave();
    return pid;
}

int forkserver_start(struct kith_process **child, const struct errand *errand, enum children_holder holder)
{
    return spawn_by(make, child, errand, holder);
}

/* ---- the public calls ---- */

static void set_preload(const char *preload, const kith_bytes *args)
{
    kith_bytes before = server.args;
    forks_block();
    server.preload = preload;
    server.args = *args;
    forks_allow();
    kith_bytes_free(&before);
}

static int start_with(const char *preload, const kith_value *args)
{
    kith_bytes pickle = { NULL, 0 };
    int code = args ? kith_pickle_write(args, &pickle, NULL) : 0;
    if (code < 0)
        return code;
    set_preload(preload, &pickle);
    code = start_server();
    if (code != 0)
        set_preload("", &(kith_bytes){ NULL, 0 });
    return code;
}

int kith_forkserver_start(kith_entry *preload, const kith_value *args)
{
    const char *name = "";
    int code = begin_check();
    if (code == 0)
        code = children_allowed();
    if (code == 0 && preload)
        code = entry_for_image(preload, args, &name);
    if (code < 0)
        return code;
    enter();
    code = is_running() ? 0 : start_with(name, args);
    leave();
    return code;
}

int kith_forkserver_stop(void)
{
    enter();
    end_server();
    set_preload("", &(kith_bytes){ NULL, 0 });
    leave();
    return 0;
}

void forkserver_forget(void)
{
    if (!atomic_load(&used))
        return;
    mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    close_end(&server.near);
    close_end(&server.far);
    if (server.process)
        record_free(server.process);
    server.process = NULL;
}
