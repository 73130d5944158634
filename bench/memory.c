/* bench/memory.c: what a queue takes: mapped memory that was touched, shared and private, and descriptors. It is
 * asked for several queues at once and divided, as the kernel counts in pages. Where the kernel or a thread of the
 * library keeps messages, nobody can be asked.
 */
#include "measure.h"

#include "message.h"
#include "reason.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUEUES 8

struct queues {
    const struct transport *transport;
    const struct workload *workload;
    void *message;
    unsigned messages; /* to fill one */
    unsigned opened;
    void *channels[QUEUES + 1];
};

struct footprint {
    double shared, private;
    double descriptors;
};

/* The kilobytes that /proc/self/smaps_rollup tells for a name, as bytes; 0 when it does not. */
static double find_bytes(FILE *file, const char *name)
{
    char line[256];
    size_t length = strlen(name);
    rewind(file);
    while (fgets(line, sizeof line, file))
        if (strncmp(line, name, length) == 0)
            return strtod(line + length, NULL) * 1024;
    return 0;
}

static double count_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    double count = 0;
    while (directory && readdir(directory))
        count++;
    if (directory)
        closedir(directory);
    return count;
}

static int look(struct footprint *footprint)
{
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    if (!file)
        return because(CANNOT, "this kernel has no /proc/self/smaps_rollup");
    footprint->shared = find_bytes(file, "Pss_Shmem:");
    footprint->private = find_bytes(file, "Pss_Anon:");
    fclose(file);
    footprint->descriptors = count_descriptors();
    return 0;
}

/* This process is getter and putter both. */
static int open_one(const struct transport *transport, const struct workload *workload, void **channel)
{
    int opened = transport->open(channel, workload);
    if (opened < 0 || !transport->join)
        return opened;
    if (transport->join(*channel, ROLE_GETTER, 0) == 0 && transport->join(*channel, ROLE_PUTTER, 0) == 0)
        return 0;
    transport->close(*channel);
    return FAILED;
}

static int open_more(struct queues *queues, unsigned count)
{
    int code = 0;
    for (unsigned i = 0; i < count && code == 0; i++) {
        code = open_one(queues->transport, queues->workload, &queues->channels[queues->opened]);
        queues->opened += code == 0;
    }
    return code;
}

/* Fills all but those before the first given. */
static int fill(const struct queues *queues, unsigned first)
{
    for (unsigned nth = first; nth < queues->opened; nth++) {
        for (unsigned number = 0; number < queues->messages; number++) {
            message_stamp(queues->message, queues->workload->size, 0, number);
            if (queues->transport->put(queues->channels[nth], queues->message) < 0)
                return FAILED;
        }
    }
    return 0;
}

/* Before, empty, and full. One queue is there before: what its library makes once for all came with it. */
static int look_thrice(struct queues *queues, struct footprint looks[3])
{
    int code = open_more(queues, 1);
    if (code == 0)
        code = fill(queues, 0);
    if (code == 0)
        code = look(&looks[0]);
    if (code == 0)
        code = open_more(queues, QUEUES);
    if (code == 0)
        code = look(&looks[1]);
    if (code == 0)
        code = fill(queues, 1);
    return code == 0 ? look(&looks[2]) : code;
}

int measure_memory(const struct transport *transport, const struct workload *workload, unsigned messages,
                   struct memory *result)
{
    if (!transport->mapped)
        return because(CANNOT, "not all that it takes lies in mappings of the process");
    if (transport->most && messages > transport->most)
        messages = transport->most;
    struct queues queues = { .transport = transport, .workload = workload, .messages = messages };
    struct footprint looks[3];
    queues.message = message_new(workload->size);
    if (!queues.message)
        return because(FAILED, "no memory for a message");
    int code = look_thrice(&queues, looks);
    while (queues.opened > 0)
        transport->close(queues.channels[--queues.opened]);
    free(queues.message);
    if (code < 0)
        return code;
    *result = (struct memory){
        .messages = messages,
        .shared_empty = (looks[1].shared - looks[0].shared) / QUEUES,
        .private_empty = (looks[1].private - looks[0].private) / QUEUES,
        .shared_full = (looks[2].shared - looks[0].shared) / QUEUES,
        .private_full = (looks[2].private - looks[0].private) / QUEUES,
        .descriptors = (looks[1].descriptors - looks[0].descriptors) / QUEUES,
    };
    return 0;
}
