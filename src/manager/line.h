/* A client's connection, on the server. It never waits; while nothing comes, it has no buffer.
 *
 * It serves one request at a time, and one a turn of the loop. Requests that have come behind one that is being carried
 * out wait in its buffer, up to a bound; replies that the client does not take in wait in another, and until they are
 * gone nothing more is read. When the other side ends, what it had sent whole is carried out, and then all that it
 * held is given back. */
#ifndef KITH_SRC_MANAGER_LINE_H
#define KITH_SRC_MANAGER_LINE_H

#include <kith/connection.h>

#include "connection/channel.h"
#include "manager/loop.h"
#include "manager/message.h"
#include "process/inherit.h"

struct waiter;
struct job;
struct tie;
struct holder;
struct taken;
struct page_server;

struct line_buffer {
    unsigned char *bytes; /* NULL while there is none */
    size_t at, have, capacity;
};

struct line {
    struct watch watch;
    struct server *server;
    struct channel channel;
    struct heirloom heirloom;
    struct line *next, **link; /* among all */
    struct line *next_due;
    uint64_t due_since;   /* the turn in which it became due */
    uint64_t number;      /* as kith_call_client says */
    struct timer silence; /* set until its first request is there */

    bool lasting; /* it calls methods; before accept_connection or kith_hello it has one server call */
    bool is_due;
    bool busy;    /* a request is being carried out: it is parked, or at a worker */
    bool last;    /* it ends when the reply is sent */
    bool ended;   /* the other side has gone, and nothing more comes */
    bool lost;    /* and has left replies unread */
    bool gone;    /* the other side has gone; something may be left to be read */
    bool blocked; /* replies wait for room in the socket */
    bool mute;    /* nothing more can be sent */
    bool is_kith; /* its client is kith's, and says so: it keeps its references by this line */
    bool is_unix;
    char watched; /* 0: not; 'r', 'w', or 'e' for the end */

    struct line_buffer in;  /* bytes of requests */
    struct line_buffer out; /* bytes of replies */

    struct waiter *waiters;           /* calls of this line that are parked */
    struct job *job;                  /* the one that a worker has */
    struct tie *holdings;             /* locks and the like */
    struct holder *keeper;            /* has the line, which has ended: holders_keep_line */
    struct tie *claims;               /* references, of a kith client over TCP */
    struct taken *taken, *last_taken; /* messages in replies that may not have been read yet, the oldest first */
    unsigned taken_count;
    pid_t pid; /* of the other side, where the kernel tells; 0 */
    uid_t uid;
    struct page_server *page; /* carries calls through shared memory; NULL: none */
};

/** Makes a line of a connection, which it frees in any case. @return 0; -ENOMEM */
int line_new(struct server *server, kith_connection *connection);

/** The answer to the request that was being carried out, whole frames; sent at once or when there is room. The line may
 *  then go on with its next request. It is not freed in here. */
void line_answer(struct line *line, const struct message *reply);

/** Whether nothing of what has come by its socket is left to be done: a request may come by its page. */
bool line_is_idle(const struct line *line);

/** Whether its client may have descriptors of shared memory, and they can be sent now, before the reply: a program of
 *  the same user on this host, at a bare Unix socket. */
bool line_takes_descriptors(const struct line *line);

/** Carries out a request that came by the page of an idle line. The line is not freed in here. */
void line_serve(struct line *line, const void *request, size_t size);

/** Reads no more from it, as from one whose other side has gone: it ends in its next turn. */
void line_hang_up(struct line *line, const char *why);

/** Has the line have a turn though its socket says nothing. */
void line_is_due(struct line *line);

/** Gives those that are due a turn. */
void lines_run_due(struct server *server);

/** The line calls methods from now on. */
void line_make_lasting(struct line *line);

/** Has each line end when it is done with the call that it has sent; those that wait, at once. */
void lines_drain(struct server *server);

/** Ends all lines. */
void lines_end(struct server *server);

#endif
