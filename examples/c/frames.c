/* frames: two programs that are no relatives share a queue by its name, and pictures of 8 MiB without copying them.
 *
 *     frames show NAME         makes the queue, shows what comes, and takes its name away at the end
 *     frames take NAME COUNT   puts so many pictures, and shuts the queue */
#include "must.h"

#include <kith/queue.h>

#include <string.h>

enum { WIDTH = 2048, HEIGHT = 4096 };

struct frame {
    unsigned number;
    unsigned char pixels[HEIGHT][WIDTH];
};

static int show(const char *name)
{
    kith_queue *queue;
    MUST(kith_queue_open(&queue, name, KITH_OPEN_OR_CREATE, &(kith_queue_options){ .max_items = 4 }));
    for (;;) {
        const void *data;
        size_t size;
        int result = kith_queue_peek(queue, &data, &size, KITH_SECONDS(60));
        if (result == KITH_ECLOSED)
            break;
        must(result, "kith_queue_peek");
        const struct frame *frame = data; /* in shared memory: read it here, and release it then */
        printf("frame %u, the middle is %u\n", frame->number, frame->pixels[HEIGHT / 2][WIDTH / 2]);
        MUST(kith_queue_release(queue, 1));
    }
    kith_queue_free(queue);
    MUST(kith_queue_unlink(name));
    return 0;
}

static int take(const char *name, unsigned count)
{
    kith_queue *queue;
    MUST(kith_queue_open(&queue, name, KITH_OPEN_OR_CREATE, &(kith_queue_options){ .max_items = 4 }));
    for (unsigned number = 1; number <= count; number++) {
        void *room;
        MUST(kith_queue_reserve(queue, sizeof(struct frame), &room, KITH_SECONDS(60)));
        struct frame *frame = room;
        frame->number = number;
        memset(frame->pixels, (int)(number % 256), sizeof frame->pixels);
        MUST(kith_queue_commit(queue, sizeof(struct frame)));
    }
    MUST(kith_queue_shut(queue));
    kith_queue_free(queue);
    return 0;
}

int main(int count, char **arguments)
{
    print_whole_lines();
    if (count == 3 && strcmp(arguments[1], "show") == 0)
        return show(arguments[2]);
    if (count == 4 && strcmp(arguments[1], "take") == 0)
        return take(arguments[2], (unsigned)strtoul(arguments[3], NULL, 10));
    fprintf(stderr, "usage: %s show NAME | take NAME COUNT\n", arguments[0]);
    return 2;
}
