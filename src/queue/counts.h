/* A queue's counts, for those who keep account of it beside, and the patience of its calls: what a manager's server has
 * of one that it shares. */
#ifndef KITH_SRC_QUEUE_COUNTS_H
#define KITH_SRC_QUEUE_COUNTS_H

#include <kith/queue.h>

#include <stdbool.h>

/** How many messages have been put, and got, since it was made. With redelivery, done is what got is without. */
uint64_t queue_count_puts(const kith_queue *queue);
uint64_t queue_count_gets(const kith_queue *queue);

/** As kith_queue_task_done. @return also 1, when with that all are done that were put; not with redelivery */
int queue_finish(kith_queue *queue);

/** Whether all messages are done, or once were, when at least so many had been put: what kith_queue_join waits for. */
bool queue_was_done(const kith_queue *queue, uint64_t least);

/** How long calls by this handle, when their own time is over, wait for who is in the middle of a call, and perhaps
 *  stopped there, before they give -EBUSY. In nanoseconds; 0: a second, as it is at first. */
void queue_set_patience(kith_queue *queue, int64_t patience);

#endif
