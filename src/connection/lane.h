/* A lane: one direction of a pipe that goes through shared memory. docs/design/pipes.md says why it is like this.
 *
 * Messages go through a queue (kith/queue.h), as they are. The socket of the pipe tells the end, and wakes: a receiver
 * that finds nothing says, while it holds the senders' side of the queue, that it is watching, and sleeps at the
 * socket; who sends a message then rings, by a byte that begins no frame, before the message can be seen, and also
 * inside. So a message that can be seen has been rung for, whoever was killed; and what lies in the socket while nobody
 * is inside and the queue is empty are bells that have done their work.
 *
 * To shut the queue ends the lane, for all processes: when it is drained, frames come by the socket, and no bell is
 * rung any more. */
#ifndef KITH_SRC_CONNECTION_LANE_H
#define KITH_SRC_CONNECTION_LANE_H

#include "base/deadline.h"
#include "queue/record.h"

#include <kith/queue.h>

#include <stdbool.h>

/** Beside the queue, for all processes. */
struct lane_words {
    _Alignas(64) _Atomic uint32_t watched; /* 1: who sends is to ring. By who is on the senders' side */
    _Atomic uint32_t departures;           /* how many handles of receivers were closed. By these; read by senders */
    _Alignas(64) _Atomic uint32_t full; /* 1: a sender sleeps on it for room. By senders; 0: by receivers, who wake */
    _Atomic uint64_t turns;             /* for the outlook, once frames come by the socket: see outlook.h */
};

struct lane {
    kith_queue *queue;
    struct lane_words *words;
    unsigned holders; /* ends of this process. Under forks_block */
};

/** What a sender has seen. */
struct lane_sight {
    position head;
    uint32_t departures;
    int64_t looked_at; /* when the other side was there for certain; a clock's reading */
};

/** Makes a lane with one holder. Under forks_block. @return as kith_queue_new, with the detail */
int lane_new(struct lane **made);

/** The lane that a descriptor stands for. Under forks_block. @return as kith_queue_from_fd, with the detail */
int lane_from_fd(struct lane **made, int fd);

/** One holder more. Under forks_block. @return the lane */
struct lane *lane_hold(struct lane *lane);

/** One holder less; the last one closes it. NULL is fine. Under forks_block. */
void lane_let_go(struct lane *lane);

/** The descriptor that stands for it, which is its own. */
int lane_fd(const struct lane *lane);

/** Tells senders that a receiver's handle was closed, after its socket was: they look whether there is another. */
void lane_depart(struct lane *lane);

/** Ends the lane: from now on senders are told KITH_ECLOSED, and nobody rings. What is in it can be received.
 *  @return 0; -EBUSY, with the detail */
int lane_shut(struct lane *lane);

/** Whether it was ended, by whomever. */
bool lane_is_shut(const struct lane *lane);

/** Sends a message.
 *  @param socket  this end's
 *  @return 0; KITH_ECLOSED when the lane is shut; -EPIPE when the other side is gone; -ETIMEDOUT when there was no room
 *          in time; -EAGAIN when somebody is in the middle of a call, at once; -EINTR, -EBUSY, -EMSGSIZE, -ENOMEM */
int lane_send(struct lane *lane, struct lane_sight *sight, int socket, const void *data, size_t size, deadline until);

/** Whether there is something to receive. @return 1; 0; KITH_ECLOSED when the lane is shut, and drained */
int lane_look(const struct lane *lane);

/** Receives a message that is there, into memory that it allocates.
 *  @param until  DEADLINE_AT_ONCE, or it is the same
 *  @return 0; KITH_EEMPTY; KITH_ECLOSED when the lane is shut, and drained; -EAGAIN, -EBUSY, -ENOMEM */
int lane_get_bytes(struct lane *lane, kith_bytes *message, deadline until);

/** The same, into memory of the caller's. @return also -EMSGSIZE: it is still there, and size tells its length */
int lane_get(struct lane *lane, void *buffer, size_t capacity, size_t *size, deadline until);

/** The length of the next message. @return as lane_get_bytes */
int lane_size(struct lane *lane, size_t *size, deadline until);

/** Waits until there is something to receive. For who has found nothing.
 *  @param socket  this end's
 *  @return 0: look again; KITH_EEOF; KITH_ECLOSED as lane_look; -ETIMEDOUT, -EAGAIN, -EINTR, -ENOMEM */
int lane_await(struct lane *lane, int socket, deadline until);

/** Has senders ring, for who is about to wait for the socket until it is readable.
 *  @return 0; 1 when there is something to receive; KITH_ECLOSED as lane_look; -ETIMEDOUT when a sender was in the
 *          middle of its call until then, and longer; -EAGAIN, -EINTR, -ENOMEM */
int lane_watch(struct lane *lane, int socket, deadline until);

/** After that, when the socket is readable: what it tells.
 *  @return 1: there is something to receive; 0: nothing, watch again; KITH_EEOF; KITH_ECLOSED as lane_look */
int lane_confirm(const struct lane *lane, int socket);

/** Takes what bells have left off the socket of a lane that is shut: now it begins with a frame. */
void lane_clear(int socket);

#endif
