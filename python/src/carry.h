/* carry.h: messages into and out of the queues of a board, without copies on the way that are not needed, and with the
 * GIL held for what is short. Whoever waits does not hold it, and hears of signals.
 */
#ifndef KITH_PYTHON_CARRY_H
#define KITH_PYTHON_CARRY_H

#include "module.h"

#define AT_ONCE_MAX ((size_t)64 << 10) /* more bytes than these are copied without the GIL */
#define BATCH 256U

/* Memory that grows. All zero: none. */
struct memory {
    char *data;
    size_t size, capacity;
};

/* Sees to it that there is room for so many bytes in all; adds some. Returns 0, or -1 with an exception. */
int memory_reserve(struct memory *memory, size_t capacity);
int memory_append(struct memory *memory, const void *data, size_t size);
void memory_free(struct memory *memory);

/* What a large message took is not kept. */
void memory_give_back(struct memory *memory);

/* A message that is laid together in the queue's room. */
struct laying {
    kith_queue *queue;
    size_t size;
    void (*copy)(const void *what, char *room);
    const void *what;
};

/* Puts it. Returns 0, or -1 with an exception. */
int laying_put(struct state *state, struct laying laying);

/* Messages to be put, or got, at once. */
struct batch {
    kith_queue *queue;
    kith_message messages[BATCH];
    unsigned count;
};

/* Puts the messages, which lie one behind the other. Returns how many, or -1 with an exception. */
int batch_put(struct state *state, struct batch *batch, const struct memory *memory);

struct getting {
    kith_queue *queue;
    struct memory *memory; /* where they are got to */
    size_t room;           /* so much of it may be used in a call */
    size_t sizes[BATCH];
    unsigned most;
};

/* Gets up to getting->most messages. Returns how many, or -1 with an exception, of which KITH_ECLOSED is 0. */
int batch_get(struct state *state, struct getting *getting);

#endif
