/* bench/peers/aeron.c: Aeron over ipc, by its C client: an exclusive publication to one subscription. Aeron needs a
 * media driver, which moves the publisher's limit on as the subscriber proceeds: it is a process of its own here,
 * with its defaults. There is no call that waits; who wants to put or get tries again and again, and yields its
 * processor in between. Each worker has a client of its own, made after the fork, as it has a thread.
 */
#include "leftovers.h"
#include "reason.h"
#include "transport.h"

#include <aeron/aeronc.h>
#include <aeron/aeronmd.h>

#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* One for all channels of this program. */
static struct {
    char folder[64];
    pid_t process;
    unsigned channels; /* that use it */
} driver;

struct channel {
    struct workload workload;
    int32_t stream;
    char uri[64];
    aeron_exclusive_publication_t *publication;
    aeron_subscription_t *subscription;
    aeron_fragment_assembler_t *assembler; /* puts together what came in pieces */
    void *buffer;                          /* of the get under way */
    ssize_t got;                           /* length of the message that came; 0: none yet */
};

static int because_aeron(const char *what)
{
    return because(FAILED, "%s: %s", what, aeron_errmsg());
}

/* ---- the driver ---- */

/* Returns when that fails. */
static void run_driver(void)
{
    aeron_driver_context_t *context;
    aeron_driver_t *running;
    if (aeron_driver_context_init(&context) < 0 || aeron_driver_context_set_dir(context, driver.folder) < 0 ||
        aeron_driver_context_set_dir_delete_on_start(context, true) < 0 ||
        aeron_driver_context_set_threading_mode(context, AERON_THREADING_MODE_SHARED) < 0 ||
        aeron_driver_context_set_term_buffer_sparse_file(context, false) < 0 ||
        aeron_driver_init(&running, context) < 0 || aeron_driver_start(running, true) < 0) {
        because_aeron("starting the media driver");
        return;
    }
    for (;;)
        aeron_driver_main_idle_strategy(running, aeron_driver_main_do_work(running));
}

static int start_driver(void)
{
    snprintf(driver.folder, sizeof driver.folder, "/dev/shm/kith-bench-%ld-XXXXXX", (long)getpid());
    if (!mkdtemp(driver.folder))
        return because_errno("mkdtemp");
    driver.process = fork();
    if (driver.process == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        run_driver();
        _exit(1);
    }
    if (driver.process > 0)
        return 0;
    because_errno("fork");
    remove_folder(driver.folder);
    return FAILED;
}

static void stop_driver(void)
{
    kill(driver.process, SIGKILL);
    waitpid(driver.process, NULL, 0);
    remove_folder(driver.folder);
}

/* ---- channels ---- */

/* A term holds an eighth of itself as one message, and half of itself is under way at most. */
static size_t length_of_term(const struct workload *workload)
{
    size_t wanted = 2 * workload->capacity * (workload->size + 64), length = 64 * 1024;
    while (length < wanted || length < 8 * workload->size)
        length *= 2;
    return length;
}

static int ipc_open(void **result, const struct workload *workload)
{
    if (workload->getters > 1)
        return because(CANNOT, "with several getters each would get every message");
    struct channel *channel = calloc(1, sizeof *channel);
    if (!channel)
        return because(FAILED, "no memory");
    if (driver.channels == 0 && start_driver() < 0) {
        free(channel);
        return FAILED;
    }
    channel->workload = *workload;
    channel->stream = (int32_t)++driver.channels;
    snprintf(channel->uri, sizeof channel->uri, "aeron:ipc?term-length=%zu", length_of_term(workload));
    *result = channel;
    return 0;
}

static aeron_t *make_client(void)
{
    aeron_context_t *context;
    aeron_t *client;
    if (aeron_context_init(&context) < 0 || aeron_context_set_dir(context, driver.folder) < 0 ||
        aeron_init(&client, context) < 0 || aeron_start(client) < 0)
        return NULL;
    return client;
}

/* Takes a message, or the last of its pieces with all that came before. */
static void take(void *opened, const uint8_t *buffer, size_t length, aeron_header_t *header)
{
    (void)header;
    struct channel *channel = opened;
    memcpy(channel->buffer, buffer, length);
    channel->got = (ssize_t)length;
}

static int subscribe(struct channel *channel, aeron_t *client)
{
    aeron_async_add_subscription_t *adding;
    int done = aeron_async_add_subscription(&adding, client, channel->uri, channel->stream, NULL, NULL, NULL, NULL);
    while (done == 0 && (done = aeron_async_add_subscription_poll(&channel->subscription, adding)) == 0)
        sched_yield();
    if (done < 0 || aeron_fragment_assembler_create(&channel->assembler, take, channel) < 0)
        return because_aeron("adding a subscription");
    return 0;
}

static int publish(struct channel *channel, aeron_t *client)
{
    aeron_async_add_exclusive_publication_t *adding;
    int done = aeron_async_add_exclusive_publication(&adding, client, channel->uri, channel->stream);
    while (done == 0 && (done = aeron_async_add_exclusive_publication_poll(&channel->publication, adding)) == 0)
        sched_yield();
    if (done < 0)
        return because_aeron("adding a publication");
    while (!aeron_exclusive_publication_is_connected(channel->publication))
        sched_yield();
    return 0;
}

static int ipc_join(void *opened, enum role role, unsigned index)
{
    (void)index;
    aeron_t *client = make_client();
    if (!client)
        return because_aeron("starting a client");
    return role == ROLE_GETTER ? subscribe(opened, client) : publish(opened, client);
}

static int ipc_put(void *opened, const void *message)
{
    const struct channel *channel = opened;
    for (;;) {
        int64_t position =
            aeron_exclusive_publication_offer(channel->publication, message, channel->workload.size, NULL, NULL);
        if (position > 0)
            return 0;
        if (position != AERON_PUBLICATION_BACK_PRESSURED && position != AERON_PUBLICATION_ADMIN_ACTION)
            return because(FAILED, "offer: %ld %s", (long)position, aeron_errmsg());
        sched_yield();
    }
}

static ssize_t ipc_get(void *opened, void *buffer, const void **message)
{
    (void)message;
    struct channel *channel = opened;
    channel->buffer = buffer;
    channel->got = 0;
    while (channel->got == 0) {
        int pieces =
            aeron_subscription_poll(channel->subscription, aeron_fragment_assembler_handler, channel->assembler, 1);
        if (pieces < 0)
            return because_aeron("poll");
        if (pieces == 0)
            sched_yield();
    }
    return channel->got;
}

static void ipc_close(void *opened)
{
    free(opened);
    if (--driver.channels == 0)
        stop_driver();
}

const struct transport aeron_transport = {
    .version = aeron_version_text,
    .open = ipc_open,
    .join = ipc_join,
    .put = ipc_put,
    .get = ipc_get,
    .close = ipc_close,
    .polls = true,
};
