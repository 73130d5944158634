/* bench/peers/iceoryx2.c: iceoryx2, by its C binding: publish and subscribe, from one publisher to one subscriber. A
 * message is written to a loaned sample and read where it lies. There is no call that waits for a message; who wants
 * one asks again and again, and yields its processor in between. Each worker has a node of its own, made after the
 * fork. All files of a channel have one prefix or lie in one folder, by which they are removed.
 *
 * A subscriber connects to a publisher when it asks for a message. What was sent before is lost when the buffer is
 * full, though the publisher is to wait for room. So putters here wait until the getter has asked once.
 */
#include "leftovers.h"
#include "reason.h"
#include "transport.h"

#include <iox2/iceoryx2.h>

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct channel {
    struct workload workload;
    char prefix[64];
    char root[96];          /* folder of its own */
    atomic_bool *connected; /* shared: set by the getter, read by the putters */
    iox2_publisher_h publisher;
    iox2_subscriber_h subscriber;
    iox2_sample_mut_h loaned; /* reserved and not committed */
    iox2_sample_h got;        /* the message got before, the getter's until it gets the next */
};

static int check(int code, const char *what)
{
    return code == IOX2_OK ? 0 : because(FAILED, "%s: error %d", what, code);
}

static int iceoryx_open(void **result, const struct workload *workload)
{
    static unsigned channels;
    if (workload->getters > 1)
        return because(CANNOT, "with several getters each would get every message");
    struct channel *channel = calloc(1, sizeof *channel);
    if (!channel)
        return because(FAILED, "no memory");
    channel->workload = *workload;
    snprintf(channel->prefix, sizeof channel->prefix, "kith-bench-%ld-%u_", (long)getpid(), channels++);
    snprintf(channel->root, sizeof channel->root, "/tmp/%sXXXXXX", channel->prefix);
    size_t bytes = sizeof *channel->connected;
    channel->connected = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (channel->connected == MAP_FAILED) {
        because_errno("mmap");
        goto no_memory;
    }
    if (!mkdtemp(channel->root)) {
        because_errno("mkdtemp");
        goto no_root;
    }
    *result = channel;
    return 0;
no_root:
    munmap(channel->connected, bytes);
no_memory:
    free(channel);
    return FAILED;
}

static int make_node(const struct channel *channel, iox2_node_h *node)
{
    iox2_config_h config;
    iox2_set_log_level(iox2_log_level_e_FATAL);
    if (check(iox2_config_default(NULL, &config), "iox2_config_default") < 0)
        return FAILED;
    int code = iox2_config_global_set_prefix(&config, channel->prefix);
    if (code == IOX2_OK)
        code = iox2_config_global_set_root_path(&config, channel->root);
    if (code == IOX2_OK) {
        iox2_node_builder_h builder = iox2_node_builder_new(NULL);
        iox2_node_builder_set_config(&builder, &config);
        code = iox2_node_builder_create(builder, NULL, iox2_service_type_e_IPC, node);
    }
    iox2_config_drop(config);
    return check(code, "making a node");
}

/* The service of the channel, which the first worker makes. */
static int open_service(const struct channel *channel, iox2_node_h *node, iox2_port_factory_pub_sub_h *service)
{
    static const char name[] = "kith-bench", type[] = "message";
    iox2_service_name_h service_name;
    if (check(iox2_service_name_new(NULL, name, strlen(name), &service_name), "iox2_service_name_new") < 0)
        return FAILED;
    iox2_service_builder_h any = iox2_node_service_builder(node, NULL, iox2_cast_service_name_ptr(service_name));
    iox2_service_builder_pub_sub_h builder = iox2_service_builder_pub_sub(any);
    iox2_service_builder_pub_sub_set_max_publishers(&builder, channel->workload.putters);
    iox2_service_builder_pub_sub_set_max_subscribers(&builder, 1);
    iox2_service_builder_pub_sub_set_subscriber_max_buffer_size(&builder, channel->workload.capacity);
    iox2_service_builder_pub_sub_set_history_size(&builder, 0);
    iox2_service_builder_pub_sub_set_enable_safe_overflow(&builder, false); /* a publisher waits for room */
    int code = iox2_service_builder_pub_sub_set_payload_type_details(&builder, iox2_type_variant_e_FIXED_SIZE, type,
                                                                     strlen(type), channel->workload.size, 8);
    if (code == IOX2_OK)
        code = iox2_service_builder_pub_sub_open_or_create(builder, NULL, service);
    iox2_service_name_drop(service_name);
    return check(code, "opening the service");
}

static int iceoryx_join(void *opened, enum role role, unsigned index)
{
    (void)index;
    struct channel *channel = opened;
    iox2_node_h node;
    iox2_port_factory_pub_sub_h service;
    if (make_node(channel, &node) < 0 || open_service(channel, &node, &service) < 0)
        return FAILED;
    if (role == ROLE_GETTER)
        return check(iox2_port_factory_subscriber_builder_create(
                         iox2_port_factory_pub_sub_subscriber_builder(&service, NULL), NULL, &channel->subscriber),
                     "making a subscriber");
    iox2_port_factory_publisher_builder_h builder = iox2_port_factory_pub_sub_publisher_builder(&service, NULL);
    iox2_port_factory_publisher_builder_backpressure_strategy(&builder,
                                                              iox2_backpressure_strategy_e_RETRY_UNTIL_DELIVERED);
    return check(iox2_port_factory_publisher_builder_create(builder, NULL, &channel->publisher), "making a publisher");
}

static void *iceoryx_reserve(void *opened)
{
    struct channel *channel = opened;
    void *message;
    /* Where this process is the getter, too, nobody will ask meanwhile. */
    while (!channel->subscriber && !atomic_load_explicit(channel->connected, memory_order_acquire))
        sched_yield();
    if (check(iox2_publisher_loan_slice_uninit(&channel->publisher, NULL, &channel->loaned, 1), "loaning") < 0)
        return NULL;
    iox2_sample_mut_payload_mut(&channel->loaned, &message, NULL);
    return message;
}

static int iceoryx_commit(void *opened, void *message)
{
    (void)message;
    struct channel *channel = opened;
    size_t receivers = 0;
    if (check(iox2_sample_mut_send(channel->loaned, &receivers), "iox2_sample_mut_send") < 0)
        return FAILED;
    return receivers == 1 ? 0 : because(FAILED, "a message was sent to nobody");
}

static int iceoryx_put(void *opened, const void *message)
{
    const struct channel *channel = opened;
    void *place = iceoryx_reserve(opened);
    if (!place)
        return FAILED;
    memcpy(place, message, channel->workload.size);
    return iceoryx_commit(opened, place);
}

static int iceoryx_release(void *opened, const void *message)
{
    (void)message;
    struct channel *channel = opened;
    if (channel->got)
        iox2_sample_drop(channel->got);
    channel->got = NULL;
    return 0;
}

static ssize_t iceoryx_peek(void *opened, const void **message)
{
    struct channel *channel = opened;
    for (;;) {
        if (check(iox2_subscriber_receive(&channel->subscriber, NULL, &channel->got), "iox2_subscriber_receive") < 0)
            return FAILED;
        if (!atomic_load_explicit(channel->connected, memory_order_relaxed))
            atomic_store_explicit(channel->connected, true, memory_order_release); /* pairs with the putters' acquire */
        if (channel->got)
            break;
        sched_yield();
    }
    iox2_sample_payload(&channel->got, message, NULL);
    return (ssize_t)channel->workload.size;
}

static ssize_t iceoryx_get(void *opened, void *buffer, const void **message)
{
    (void)buffer;
    iceoryx_release(opened, NULL);
    return iceoryx_peek(opened, message);
}

static void iceoryx_close(void *opened)
{
    struct channel *channel = opened;
    remove_shared_memory(channel->prefix);
    remove_folder(channel->root);
    munmap(channel->connected, sizeof *channel->connected);
    free(channel);
}

const struct transport iceoryx2_transport = {
    .open = iceoryx_open,
    .join = iceoryx_join,
    .put = iceoryx_put,
    .get = iceoryx_get,
    .close = iceoryx_close,
    .reserve = iceoryx_reserve,
    .commit = iceoryx_commit,
    .peek = iceoryx_peek,
    .release = iceoryx_release,
    .mapped = true,
    .polls = true,
};
