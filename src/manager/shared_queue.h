/* A managed queue that is in shared memory, seen from the server, which is one of its users: the others are clients
 * (near_queue.h), who got its descriptor by a call of the server, "kith_share". docs/design/near.md has all of it.
 *
 * Nothing here waits, but for some microseconds for a client that is in the middle of its call. One may be stopped
 * there: then puts and gets give -EBUSY, are parked as well, and shared_queue_try_again has them tried again every few
 * milliseconds.
 *
 * Who has to wait at the server is parked; shared_queue_expect says so to the clients before the
 * last look, and whoever of them changes the queue then says "kith_changed". */
#ifndef KITH_SRC_MANAGER_SHARED_QUEUE_H
#define KITH_SRC_MANAGER_SHARED_QUEUE_H

#include "manager/note.h"
#include "manager/request.h"

struct shared_queue;

/** Makes an empty one. @param max_items  0: no bound
 *  @return 0; as kith_queue_new, with the detail */
int shared_queue_new(struct server *server, struct shared_queue **shared, struct object *object, uint64_t max_items);

/** Has so many messages be got and not done, that were so before the queue was shared: before anything is put.
 *  @return 0; -ENOMEM */
int shared_queue_begin_unfinished(struct shared_queue *shared, uint64_t count);

void shared_queue_free(struct shared_queue *shared);

/** Nothing can be put any more. @return as kith_queue_shut; -EBUSY when a client has been in the middle of its put for
 *  100 ms */
int shared_queue_shut(struct shared_queue *shared);

/** @return 0; KITH_EFULL; -EBUSY: a client is in the middle of its put; another code of kith_queue_put, with the detail.
 *          The cell stays the caller's */
int shared_queue_put(struct shared_queue *shared, struct cell *cell);

/** @param cell  receives the message, held once
 *  @return 0; KITH_EEMPTY; -EBUSY: a client is in the middle of its get; a code of kith_queue_get or cell_from_message,
 *          with the detail: it stays in the queue, unless that is KITH_EMALFORMED */
int shared_queue_get(struct shared_queue *shared, struct cell **cell);

/** Takes a message back that was got, as the next one. @return 0; -ENOMEM, and the hold is still the caller's */
int shared_queue_return(struct shared_queue *shared, struct cell *cell);

/** @return 0; -EPERM when all that were got are done */
int shared_queue_done(struct shared_queue *shared);

/** How many messages have been put; and whether since so many had been put all were done at some instant. */
uint64_t shared_queue_puts(const struct shared_queue *shared);
bool shared_queue_was_done(const struct shared_queue *shared, uint64_t least);

uint64_t shared_queue_unfinished(const struct shared_queue *shared);
size_t shared_queue_length(const struct shared_queue *shared);

/** Says to clients whether somebody is parked. When somebody is to be: before the last look. @param whom  NOTE_... */
void shared_queue_expect(struct shared_queue *shared, uint32_t whom, bool waits);

/** Shows each message, the next one first, until a visit fails; none is taken. @return 0; what that returned; -ENOMEM,
 *  KITH_EMALFORMED; a code of kith_queue_walk; -EBUSY when a client has been in the middle of its get for 100 ms, or
 *  for a second when the server has ended */
int shared_queue_walk(struct shared_queue *shared, int (*visit)(void *context, const struct cell *cell), void *context);

/** Sends the descriptors of the queue and of its note. @return 0; a code of os_socket_send_descriptor */
int shared_queue_send(const struct shared_queue *shared, int socket);

/** Has those try who wait at the server: clients have changed the queue, or may have. type_queue.c has it. */
void shared_queue_changed(struct server *server, struct object *object);

/** Has all try who wait at the server, also those who wait for no more than a client that is in the middle of its call.
 *  type_queue.c has it. */
void shared_queue_try_again(struct server *server, struct object *object);

/** As shared_queue_changed, of all: a client is gone that may have changed one and not said so. */
void shared_queues_changed(struct server *server);

/** Whether clients have put or got anything since it was asked last. */
bool shared_queues_have_changed(struct server *server);

/** Moves a queue's messages to shared memory, if they are not there and may be. type_queue.c has it.
 *  @return it; NULL when it stays at the server */
struct shared_queue *shared_queue_of(struct server *server, struct object *object);

/** "kith_share", with an object's id: True, and the two descriptors have been sent; or False.
 *  "kith_changed", with its id: shared_queue_changed. */
int shared_queue_run_share(struct request *request);
int shared_queue_run_changed(struct request *request);

/** The server's thread begins and ceases to serve: clients see by the notes whether it does. */
void shared_queues_begin(struct server *server);
void shared_queues_cease(struct server *server);

#endif
