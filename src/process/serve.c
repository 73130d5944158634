/* The forkserver itself. It has one thread, and does nothing but make copies of itself, each for a parcel.
 *
 * A copy is a child of the server's parent, and lives as any image does that has a parcel. The server ends when its
 * parent does, or closes the socket; it may be killed at any time.
 */
#include "process/serve.h"

#include "base/deadline.h"
#include "base/error.h"
#include "os/poll.h"
#include "os/process.h"
#include "process/call.h"
#include "process/entry.h"
#include "process/life.h"
#include "process/parcel.h"
#include "process/self.h"

#include <kith/codec.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- preload ---- */

static int read_preload(kith_call *call, kith_entry **preload, kith_value **args)
{
    const void *name, *pickle;
    size_t name_size, pickle_size;
    int code = kith_value_unpack(kith_call_args(call), "(y,y)", &name, &name_size, &pickle, &pickle_size);
    if (code < 0)
        return code;
    kith_pickle_read_options options = { .max_depth = KITH_VALUE_DEPTH_MAX, .borrow = 1 };
    if (pickle_size)
        code = kith_pickle_read(kith_call_arena(call), args, pickle, pickle_size, &options);
    else
        *args = kith_value_tuple(kith_call_arena(call), NULL, 0);
    if (code < 0 || !*(const char *)name)
        return code;
    *preload = entry_find(name);
    return *preload ? 0 : -EINVAL;
}

static int run_preload(kith_call *call)
{
    kith_entry *preload = NULL;
    kith_value *args = NULL;
    int code = read_preload(call, &preload, &args);
    if (code < 0 || !preload)
        return code;
    struct kith_call own = { .args = args, .arena = kith_call_arena(call), .attempt = 1 };
    code = preload(&own);
    life_flush(); /* else each child would write it again */
    return code;
}

/* ---- parcels ---- */

/* Ctrl-C is for the program, which knows what to do, and for the children. */
static struct sigaction on_interrupt;

static void ignore_interrupt(void)
{
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    sigaction(SIGINT, &ignore, &on_interrupt);
}

static _Noreturn void live(const struct parcel *parcel, int parcels)
{
    close(parcels);
    sigaction(SIGINT, &on_interrupt, NULL);
    parcel_live(parcel);
}

/* @return 0 or a negative code */
static int make_child(struct parcel *parcel, int parcels)
{
    pid_t pid = parcel_fork(parcel);
    if (pid == 0)
        live(parcel, parcels);
    parcel_discard(parcel);
    return pid < 0 ? pid : 0;
}

/* @return whether to go on */
static bool take_parcel(int parcels)
{
    struct parcel parcel;
    serve_answer answer = parcel_receive(&parcel, parcels);
    if (answer == -EINTR)
        return true;
    if (answer > 0)
        answer = make_child(&parcel, parcels);
    else if (answer != -EMFILE && answer != KITH_ELAYOUT) /* it may still be there, or none will come */
        return false;
    return os_packet_send(parcels, &answer, sizeof answer, NULL, 0) == 0;
}

static void take_parcels(int parcels)
{
    struct os_poll_one both[2];
    do {
        both[0] = (struct os_poll_one){ .descriptor = parcels, .what = OS_POLL_READ };
        both[1] = (struct os_poll_one){ .descriptor = process_parent->sentinel, .what = OS_POLL_READ };
        while (os_poll_many(both, 2, OS_FOREVER) == -EINTR)
            continue;
    } while (!both[1].ready && take_parcel(parcels));
}

static int serve(kith_call *call)
{
    int parcels = kith_call_fd(call, SERVE_SOCKET);
    process_self->daemon = true; /* it may not have children of its own */
    error_clear();
    struct serve_ready ready = { .code = run_preload(call) };
    if (ready.code != 0)
        snprintf(ready.detail, sizeof ready.detail, "%s", kith_error_detail());
    ignore_interrupt();
    ready.threads = os_process_threads();
    if (os_packet_send(parcels, &ready, sizeof ready, NULL, 0) < 0 || ready.code != 0 || ready.threads != 1)
        return EXIT_FAILURE;
    take_parcels(parcels);
    return 0;
}

__attribute__((constructor)) static void begin(void)
{
    static kith_entry_record record = { SERVE_ENTRY, serve, NULL };
    kith_entry_register(&record);
}
