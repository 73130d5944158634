/* queue: a child puts one message into a queue, and its parent gets it.
 *
 * A kith queue carries bytes; what they mean is agreed by both sides. Here that is a struct, printed the way Python
 * prints a list of the same three values. */
#include "must.h"

#include <kith/process.h>
#include <kith/queue.h>

struct message {
    char text[8];
    int number;
    char bytes[8];
};

/* The child inherited the queue: the pointer is as good here as in the parent. */
static int f(void *argument)
{
    kith_queue *queue = argument;
    struct message message = { "hello", 88, "World!" };
    MUST(kith_queue_put(queue, &message, sizeof message, KITH_FOREVER));
    return 0;
}

int main(void)
{
    kith_queue *queue;
    kith_process *child;
    MUST(kith_queue_new(&queue, NULL));
    MUST(kith_process_start(&child, f, queue, NULL));

    struct message message;
    size_t size;
    MUST(kith_queue_get(queue, &message, sizeof message, &size, KITH_FOREVER));
    printf("['%s', %d, b'%s']\n", message.text, message.number, message.bytes);

    MUST(kith_process_join(child, KITH_FOREVER));
    kith_process_close(child);
    kith_queue_free(queue);
    return 0;
}
