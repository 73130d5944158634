/* bench/peers/mailbox.c: two ceilings for latency: one place for one message in shared memory, and a word that counts
 * the messages. "Cache line": the getter looks at the word again and again. "Futex": it sleeps until the putter wakes
 * it, and each message costs that call, awake or not. Nothing keeps a putter from the next message, so these are for
 * messages in turn only.
 */
#include "processors.h"
#include "reason.h"
#include "transport.h"

#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct box {
    _Alignas(128) _Atomic uint32_t count; /* stored by the putter after the message; read by the getter before it */
    char message[];
};

struct channel {
    size_t size;
    size_t bytes;      /* of the mapping */
    uint32_t got, put; /* by this process */
    struct box *box;
};

static int mailbox_open(void **result, const struct workload *workload)
{
    if (!workload->in_turn)
        return because(CANNOT, "for one message at a time only");
    struct channel *channel = calloc(1, sizeof *channel);
    if (!channel)
        return because(FAILED, "no memory");
    channel->size = workload->size;
    channel->bytes = sizeof *channel->box + workload->size;
    channel->box = mmap(NULL, channel->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (channel->box == MAP_FAILED) {
        free(channel);
        return because_errno("mmap");
    }
    *result = channel;
    return 0;
}

static int cache_line_open(void **result, const struct workload *workload)
{
    if (processors() < 2)
        return because(CANNOT, "spins, and there is one processor only");
    return mailbox_open(result, workload);
}

static void mailbox_close(void *opened)
{
    struct channel *channel = opened;
    munmap(channel->box, channel->bytes);
    free(channel);
}

static int cache_line_put(void *opened, const void *message)
{
    struct channel *channel = opened;
    memcpy(channel->box->message, message, channel->size);
    atomic_store_explicit(&channel->box->count, ++channel->put,
                          memory_order_release); /* pairs with is_full's acquire */
    return 0;
}

static bool is_full(const struct channel *channel)
{
    return atomic_load_explicit(&channel->box->count, memory_order_acquire) != channel->got;
}

/* Takes the message that is there. */
static ssize_t take(struct channel *channel, void *buffer)
{
    memcpy(buffer, channel->box->message, channel->size);
    channel->got++;
    return (ssize_t)channel->size;
}

static ssize_t cache_line_get(void *opened, void *buffer, const void **message)
{
    (void)message;
    struct channel *channel = opened;
    while (!is_full(channel))
        continue;
    return take(channel, buffer);
}

static int futex_put(void *opened, const void *message)
{
    struct channel *channel = opened;
    cache_line_put(channel, message);
    return syscall(SYS_futex, &channel->box->count, FUTEX_WAKE, 1) < 0 ? because_errno("FUTEX_WAKE") : 0;
}

static ssize_t futex_get(void *opened, void *buffer, const void **message)
{
    (void)message;
    struct channel *channel = opened;
    while (!is_full(channel))
        syscall(SYS_futex, &channel->box->count, FUTEX_WAIT, channel->got, NULL); /* EAGAIN: it came meanwhile */
    return take(channel, buffer);
}

const struct transport cache_line_transport = {
    .open = cache_line_open,
    .put = cache_line_put,
    .get = cache_line_get,
    .close = mailbox_close,
    .polls = true,
};

const struct transport futex_transport = {
    .open = mailbox_open,
    .put = futex_put,
    .get = futex_get,
    .close = mailbox_close,
};
