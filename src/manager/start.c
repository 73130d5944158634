/* kith_manager_start: a server in a child of its own. The child tells by a pipe whether it could begin, and serves
 * until it is told to end, or its parent ends. It is no daemon: such a one may not have children, as the workers of
 * pools are. */
#include "manager/start.h"

#include "base/error.h"
#include "manager/server_call.h"
#include "os/random.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { KEY_SIZE = 32, NAME_SIZE = 8, ADDRESS_MAX = 80 };

/* How long the server may take to end when it is told to. */
#define GRACE KITH_SECONDS(2)

/* Everything that the child is to know: its own copy. */
struct beginning {
    char address[ADDRESS_MAX];
    unsigned char key[KEY_SIZE];
    kith_server_options options;
    int (*set_up)(kith_server *server, void *context);
    void *context;
    kith_connection *report;
};

/* What it tells. */
struct report {
    int code;
    char detail[256];
};

/* ---- the child ---- */

static int prepare(struct beginning *beginning, kith_server **server)
{
    int code = kith_server_new(server, beginning->address, &beginning->options);
    if (code == 0 && beginning->set_up) {
        unsigned before = error_count();
        code = beginning->set_up(*server, beginning->context);
        if (code < 0)
            return error_fail(code, "%s", error_reason(code, before));
    }
    /* The snapshot already now: what is wrong with it is this call's failure. */
    return code < 0 ? code : kith_server_load(*server);
}

static int serve(void *argument)
{
    struct beginning *beginning = argument;
    kith_server *server = NULL;
    signal(SIGINT, SIG_IGN); /* a Ctrl-C is for the parent, which still has calls to make */
    struct report report = { .code = prepare(beginning, &server) };
    if (report.code < 0)
        snprintf(report.detail, sizeof report.detail, "%s", kith_error_detail());
    int code = kith_connection_send(beginning->report, &report, sizeof report, KITH_FOREVER);
    kith_connection_free(beginning->report);
    if (code == 0 && report.code == 0)
        code = kith_server_run(server);
    kith_server_free(server);
    return code < 0 || report.code < 0;
}

/* ---- the parent ---- */

static int make_up(struct beginning *beginning)
{
    unsigned char name[NAME_SIZE];
    char digits[2 * NAME_SIZE + 1] = "";
    int code = os_random(name, sizeof name);
    if (code == 0)
        code = os_random(beginning->key, sizeof beginning->key);
    if (code < 0)
        return error_fail(code, "no random numbers for a key: %s", kith_strerror(code));
    for (size_t i = 0; i < sizeof name; i++)
        snprintf(digits + 2 * i, 3, "%02x", name[i]);
    snprintf(beginning->address, sizeof beginning->address, "unix:@kith-manager-%ld-%s", (long)getpid(), digits);
    if (!beginning->options.listener.authkey) {
        beginning->options.listener.authkey = beginning->key;
        beginning->options.listener.authkey_size = sizeof beginning->key;
    }
    return 0;
}

/* Waits until the child can serve, or says why it can't. */
static int hear(kith_connection *from)
{
    struct report report;
    size_t size;
    int code;
    do
        code = kith_connection_recv_into(from, &report, sizeof report, &size, KITH_FOREVER);
    while (code == -EINTR);
    if (code < 0)
        return error_fail(KITH_ECLOSED, "the server's process has ended before it could serve");
    return report.code < 0 ? error_fail(report.code, "%s", report.detail) : 0;
}

/* Waits for a child that ends, or ends it. */
static void reap(kith_process *process)
{
    int code;
    do
        code = kith_process_join(process, GRACE);
    while (code == -EINTR);
    while (kith_process_stop(process, KITH_NOWAIT) == -EINTR)
        ;
    (void)kith_process_close(process);
}

/* The parent ends without having freed its manager: it would wait for the server for ever. */
static void end_with_parent(void *process)
{
    if (kith_process_stop(process, GRACE) < 0)
        kith_process_kill(process);
}

static int start(struct beginning *beginning, kith_process **process)
{
    kith_connection *mine;
    int code = kith_pipe(&mine, &beginning->report, &(kith_pipe_options){ .one_way = 1 });
    if (code < 0)
        return code;
    code = kith_process_start(process, serve, beginning,
                              &(kith_process_options){
                                  .name = "kith-manager",
                                  .death_signal = SIGKILL,
                                  .connections = &beginning->report,
                                  .connection_count = 1,
                              });
    kith_connection_free(beginning->report);
    if (code == 0) {
        code = hear(mine);
        if (code == 0)
            code = kith_process_at_exit(end_with_parent, *process);
        if (code < 0)
            reap(*process);
    }
    kith_connection_free(mine);
    return code;
}

int kith_manager_start(kith_manager **manager, int (*set_up)(kith_server *server, void *context), void *context,
                       const kith_server_options *options)
{
    struct beginning beginning = { .set_up = set_up, .context = context };
    kith_process *process;
    int code = client_check(manager, "manager");
    if (options)
        beginning.options = *options;
    if (code == 0)
        code = make_up(&beginning);
    if (code == 0)
        code = start(&beginning, &process);
    if (code < 0)
        return code;
    kith_manager *made;
    code = kith_manager_connect(&made, beginning.address,
                                &(kith_manager_options){
                                    .authkey = beginning.options.listener.authkey,
                                    .authkey_size = beginning.options.listener.authkey_size,
                                    .no_shared_memory = beginning.options.no_shared_memory,
                                },
                                KITH_FOREVER);
    if (code < 0) {
        (void)kith_process_not_at_exit(end_with_parent, process);
        kith_process_kill(process);
        reap(process);
        return code;
    }
    made->server = process;
    *manager = made;
    return 0;
}

void start_undo(kith_manager *manager)
{
    kith_process *server = manager->server;
    int alive = kith_process_is_alive(server);
    if (alive < 0) {
        (void)kith_process_close(server); /* it is the parent's: this is a child's copy of the handle */
        return;
    }
    deadline until;
    if (alive && deadline_from(GRACE, &until) == 0 && server_call_for(manager, "shutdown", NULL, until) < 0)
        kith_process_terminate(server);
    (void)kith_process_not_at_exit(end_with_parent, server);
    reap(server);
}
