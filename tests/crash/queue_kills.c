/* Kill torture of the queue: see traffic.h for what is checked.
 *
 * usage: queue_kills [KILLS [SEED]]   KILLS a configuration; the seed is printed, and replays the choices (who, when),
 * as far as the scheduler lets it. Output is TAP. */
#include "traffic.h"

#include "killing.h"

static kith_queue *queue;

static int put(const void *data, size_t size)
{
    return kith_queue_put(queue, data, size, KITH_FOREVER);
}

static int get(void *buffer, size_t capacity, size_t *size)
{
    return kith_queue_get(queue, buffer, capacity, size, KITH_FOREVER);
}

static int left(void)
{
    return kith_queue_qsize(queue);
}

static bool torture(const kith_queue_options *options, size_t big, int kills, uint64_t random)
{
    int lethal;
    must(kith_queue_new(&queue, options), "new");
    bool good =
        traffic_torture(&(struct traffic_queue){ put, get, left, big, .patience = 30 }, kills, &random, &lethal);
    kith_queue_free(queue);
    return good;
}

int main(int count, char **arguments)
{
    static const struct {
        const char *name;
        kith_queue_options options;
        size_t big;
    } configurations[] = {
        { "bounded to 8 messages", { .max_items = 8 }, 4096 },
        { "bounded to 64 KiB", { .max_bytes = 64 * 1024 }, 32 * 1024 },
        { "bounded to 1,000 messages, some big", { .max_items = 1000 }, TRAFFIC_MESSAGE_MAX - 1024 },
        { "not bounded", { 0 }, 8 * 1024 },
    };
    enum { CONFIGURATIONS = sizeof configurations / sizeof *configurations };
    int kills = (int)number_of(count, arguments, 1, 50);
    uint64_t seed = number_of(count, arguments, 2, (uint64_t)time(NULL));
    int failed = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("1..%d\n# seed %llu\n", CONFIGURATIONS, (unsigned long long)seed);
    for (int i = 0; i < CONFIGURATIONS; i++) {
        bool good = torture(&configurations[i].options, configurations[i].big, kills, seed + (uint64_t)i);
        printf("%sok %d - %d kills, %s\n", good ? "" : "not ", i + 1, kills, configurations[i].name);
        failed += !good;
    }
    return failed > 0;
}
