/* readings: the C end of a queue that a Python program has at the other end, examples/python/readings.py: it takes
 * arrays of numbers where they lie in shared memory, and puts what it finds.
 *
 * usage: readings IN OUT    the names of two queues, which are there */
#include "must.h"

#include <kith/codec.h>
#include <kith/queue.h>

/** The mean and the maximum of the doubles in a buffer, as a dict. */
static kith_value *look_at(kith_arena *arena, const double *numbers, size_t count)
{
    double sum = 0, most = numbers[0];
    for (size_t i = 0; i < count; i++) {
        sum += numbers[i];
        most = numbers[i] > most ? numbers[i] : most;
    }
    return kith_value_pack(arena, "{s:I, s:f, s:f}", "count", (int64_t)count, "mean", sum / (double)count, "most",
                           most);
}

int main(int count, char **arguments)
{
    kith_queue *in, *out;
    kith_arena *arena;
    const void *message;
    size_t size;
    int code;
    if (count != 3) {
        fprintf(stderr, "usage: readings IN OUT\n");
        return 2;
    }
    MUST(kith_queue_open(&in, arguments[1], KITH_OPEN, NULL));
    MUST(kith_queue_open(&out, arguments[2], KITH_OPEN, NULL));
    MUST(kith_arena_new(&arena));
    while ((code = kith_queue_take(in, &message, &size, KITH_FOREVER)) == 0) {
        kith_value *reading, *buffer;
        const char *sensor;
        const void *numbers;
        size_t bytes;
        /* {"sensor": str, "numbers": pickle.PickleBuffer}: nothing of it is copied but the name */
        MUST(kith_message_read(arena, &reading, message, size, &(kith_pickle_read_options){ .borrow = 1 }));
        MUST(kith_value_unpack(reading, "{s:s, s:v}", "sensor", &sensor, "numbers", &buffer));
        MUST(kith_value_as_bytes(buffer, &numbers, &bytes));
        kith_value *found = look_at(arena, numbers, bytes / sizeof(double));
        MUST(kith_queue_put_value(out, kith_value_pack(arena, "(sv)", sensor, found), KITH_FOREVER));
        MUST(kith_queue_finish(in, message)); /* from here on its room is the queue's again */
        kith_arena_reset(arena);
    }
    kith_arena_free(arena);
    kith_queue_free(out);
    kith_queue_free(in);
    return code == KITH_ECLOSED ? 0 : 1; /* Python has shut the queue */
}
