#include "process/life.h"

#include "base/error.h"
#include "os/process.h"
#include "os/stream.h"
#include "process/children.h"
#include "process/inherit.h"
#include "process/report.h"
#include "process/self.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A stream that can't be flushed keeps that in its ferror, for its owner to see. */
void life_flush(void)
{
    os_stream_flush(stdout);
    os_stream_flush(stderr);
}

static _Noreturn void end(int exit_code)
{
    children_end();
    kith_log(KITH_LOG_INFO, "process exiting with exitcode %d", exit_code);
    life_flush();
    _Exit(exit_code);
}

/* A connection that was handed over by its descriptor is closed in a forked child as all others are: so the child needs
 * a descriptor of its own. */
static int copy_fds(struct life *life)
{
    struct kith_call *call = &life->call;
    for (size_t i = 0; i < call->fd_count; i++) {
        int copy = os_stream_copy(call->fds[i].fd);
        if (copy < 0)
            return error_fail(copy, "%s: descriptor %d can't be copied: %s", call->fds[i].name, call->fds[i].fd,
                              kith_strerror(copy));
        life->copies[i] = (kith_process_fd){ call->fds[i].name, copy };
    }
    call->fds = life->copies;
    return 0;
}

/* Without settings nobody waits for a word. */
static void settle(struct life *life)
{
    struct settings *settings = &life->settings;
    memcpy(settings->streams, process_self->streams.child, sizeof settings->streams);
    int code = life->copies ? copy_fds(life) : 0;
    if (code == 0)
        code = settings_apply(settings);
    if (process_self->report[1] >= 0)
        report_send(process_self->report[1], code);
    if (code < 0)
        _Exit(EXIT_FAILURE);
    record_close_passing(process_self);
}

static int call_main(const struct life *life)
{
    kith_log(KITH_LOG_INFO, "child process calling main");
    return life->main(life->argument);
}

static int call_entry(struct life *life)
{
    static kith_arena *arena; /* lives as long as the process */
    struct kith_call *call = &life->call;
    int code = kith_arena_new(&arena);
    if (code < 0) {
        kith_log(KITH_LOG_ERROR, "no memory for what an entry point is given");
        return EXIT_FAILURE;
    }
    call->arena = arena;
    kith_log(KITH_LOG_INFO, "child process calling its entry point");
    return life->entry(call);
}

_Noreturn void life_lead(struct life *life)
{
    if (life->title)
        os_process_set_title(life->title);
    /* When the parent died in the middle of the start, this child was never started. */
    if (!gate_pass(&process_self->gate, process_parent->sentinel))
        _Exit(EXIT_FAILURE);
    settle(life);
    inherit_only(life->connections, life->connection_count);
    end((life->main ? call_main(life) : call_entry(life)) & 0xff);
}
