/* work.h: the sender and the receiver that sender_receiver.c and send_all.c share. */
#ifndef KITH_EXAMPLES_WORK_H
#define KITH_EXAMPLES_WORK_H

#include <kith/queue.h>

/** Puts a text. @param text  UTF-8 */
void send_text(kith_queue *queue, const char *text);

/** What a sender process runs: it sends one message, a dict, and ends. */
int send_one(void *queue);

/** What the receiver process runs: it prints what comes, for ever. */
int receive(void *queue);

#endif
