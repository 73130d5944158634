/* work.h: the sender and the receiver that sender_receiver.c and send_all.c share. */
#ifndef KITH_EXAMPLES_WORK_H
#define KITH_EXAMPLES_WORK_H

#include <kith/queue.h>

enum kind {
    TEXT = 't',
    DICTIONARY = 'd' /* of one entry: {'message': text} */
};

/** Puts one message. @param text  UTF-8, at most 126 bytes: the rest is cut */
void send_message(kith_queue *queue, enum kind kind, const char *text);

/** What a sender process runs: it sends one message, and ends. */
int send_one(void *queue);

/** What the receiver process runs: it prints what comes, for ever. */
int receive(void *queue);

#endif
