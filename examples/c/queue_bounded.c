/* queue_bounded: a queue that holds two messages at most. One process puts five random numbers, waiting whenever the
 * queue is full; another gets until nothing has come for ten seconds.
 *
 *     queue_bounded [SECONDS]     how long the getter waits for a message; 10 when not given */
#include "must.h"

#include <kith/process.h>
#include <kith/queue.h>

#include <time.h>

struct work {
    kith_queue *queue;
    double timeout; /* of the getter, in seconds */
};

static void introduce(const char *name)
{
    printf("subprocess %s : %d\n", name, (int)kith_process_pid(kith_process_current()));
}

static int getter(void *argument)
{
    const struct work *work = argument;
    introduce("getter");
    for (;;) {
        /* KITH_FOREVER would wait as long as it takes. With KITH_NOWAIT, KITH_EEMPTY is returned at once when nothing
         * is queued; with a number, when nothing has come in that time. */
        double value;
        size_t size;
        int result = kith_queue_get(work->queue, &value, sizeof value, &size, KITH_SECONDS(work->timeout));
        if (result == KITH_EEMPTY)
            return 0;
        must(result, "kith_queue_get");
        printf("subprocess getter : get value %f\n", value);
    }
}

static int putter(void *argument)
{
    const struct work *work = argument;
    introduce("putter");
    srand48((long)time(NULL) ^ kith_process_pid(kith_process_current()));
    for (int i = 0; i < 5; i++) {
        /* The timeouts are the same here, for a queue that is full, with KITH_EFULL. */
        double value = drand48();
        MUST(kith_queue_put(work->queue, &value, sizeof value, KITH_FOREVER));
        printf("subprocess putter : put value %f\n", value);
    }
    return 0;
}

int main(int count, char **arguments)
{
    print_whole_lines();
    struct work work = { .timeout = seconds_argument(count, arguments, 10) };
    printf("parent process run %d \n", (int)kith_process_pid(kith_process_current()));

    MUST(kith_queue_new(&work.queue, &(kith_queue_options){ .max_items = 2 }));
    MUST(kith_process_start(NULL, getter, &work, NULL));
    MUST(kith_process_start(NULL, putter, &work, NULL));
    kith_queue_free(work.queue); /* this process's handle; the children have theirs, and kith waits for both */
    return 0;
}
