/* sender_receiver: one process sends a message, another receives.
 *
 * Nobody joins them here. At its end the program waits for its children, as Python does; the receiver waits for
 * messages for ever; so the program does not end by itself: press Ctrl-C. send_all.c shows a way to end it. */
#include "must.h"
#include "work.h"

#include <kith/process.h>

int main(void)
{
    print_whole_lines();
    kith_queue *queue;
    MUST(kith_queue_new(&queue, NULL));
    MUST(kith_process_start(NULL, send_one, queue, NULL));
    MUST(kith_process_start(NULL, receive, queue, NULL));
    kith_queue_free(queue); /* this process's handle: the children have theirs */
    return 0;
}
