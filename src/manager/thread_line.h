/* The line of a thread to a server: a connection that lasts, and carries the thread's calls, as CPython's proxies have
 * it. It is made at the first call, and again after it was lost; it ends with the thread or the manager. What the
 * thread acquires is the line's at the server. A forked child makes lines of its own. */
#ifndef KITH_SRC_MANAGER_THREAD_LINE_H
#define KITH_SRC_MANAGER_THREAD_LINE_H

#include "manager/client.h"
#include "manager/page_client.h"
#include "manager/question.h"

/** How many answers may be owed at a time: all together they fit into the smallest socket's buffer, so a server that
 *  answers one question after the other does not wait for us while we wait for it. */
enum { THREAD_LINE_OWED_MAX = 64 };

struct thread_line {
    kith_manager *manager;
    kith_connection *connection; /* NULL: to be made */
    struct pickle_out request;   /* what thread_line_send sends; its memory stays */
    unsigned char *gathered;     /* frames of questions that go together; NULL until there are some */
    size_t gathered_size;
    kith_arena *arena;       /* for results that nobody keeps */
    struct page_client page; /* calls through shared memory */
    unsigned owed;           /* answers of calls that did not wait for them, and that come first */
    kith_bytes mistake;      /* the first of those answers that told of an exception; data NULL: none */
    bool busy;               /* in a call: a child that is forked now can't free it */

    /* Under forks_block. */
    unsigned generation;                                    /* of the process that it is of */
    struct thread_line *next_of_manager, **link_of_manager; /* link NULL: in no list, as the keeper */
    struct thread_line *next_of_thread, **link_of_thread;
};

/** This thread's line, connected. @return 0; as client_connect; -ENOMEM */
int thread_line_open(kith_manager *manager, struct thread_line **line, deadline until);

/** Makes a connection that has just been made this thread's line. @param connection  NULL afterwards
 *  @return 0; -ENOMEM, and then it is still the caller's */
int thread_line_begin(kith_manager *manager, kith_connection **connection);

/** The manager's own line, connected; in nobody else's hands until manager->keeping is given back, which this takes.
 *  @return as thread_line_open, and then manager->keeping is not held */
int thread_line_keeper(kith_manager *manager, struct thread_line **line, deadline until);

/** Sends line->request. @return 0; or, as thread_line_receive, a failure after which the connection is closed:
 *  KITH_ECLOSED when the server is gone; -ETIMEDOUT; -ENOMEM; KITH_ELIMIT when the answer is longer than the manager
 *  wants it; KITH_ETLS, KITH_EMALFORMED */
int thread_line_send(struct thread_line *line, deadline until);

/** The same, but it may go later, together with others: thread_line_send_gathered before an answer is waited for. */
int thread_line_gather(struct thread_line *line, deadline until);

/** Sends what was gathered, if there is something. @return as thread_line_send */
int thread_line_send_gathered(struct thread_line *line, deadline until);

/** Receives the next answer; free it with kith_bytes_free. Not while one is owed. */
int thread_line_receive(struct thread_line *line, kith_bytes *answer, deadline until);

/** Sends line->request and receives its answer, behind those that are owed; by the line's page if that is quicker. */
int thread_line_exchange(struct thread_line *line, kith_bytes *answer, deadline until);

/** Sends line->request, whose answer is read later: it has no result but a failure. */
int thread_line_post(struct thread_line *line, deadline until);

/** Reads the answers that are owed. @return 0; as thread_line_receive */
int thread_line_settle(struct thread_line *line, deadline until);

/** What the first answer that was owed, and told of an exception, says: once. @return 0; the exception's code */
int thread_line_mistake(struct thread_line *line);

/** Whether the server may send descriptors of shared memory: it is a kith server on this host, shared memory is wanted,
 *  there is no bound for answers, which shared memory keeps not, and this process has descriptors to spare. */
bool thread_line_takes_descriptors(const struct thread_line *line);

/** Receives a descriptor. @return 0; -ENOMSG when an answer comes next; as thread_line_receive */
int thread_line_receive_fd(struct thread_line *line, int *fd, deadline until);

/** What a failure of an exchange ends with, after which no answer would be the one that is waited for: closes the
 *  connection. @return the code, or KITH_ECLOSED, with the detail */
int thread_line_fail(struct thread_line *line, int code);

/** Closes the connection; the next call makes another. */
void thread_line_drop(struct thread_line *line);

/** In a child that was forked: the lines of its parent are not its own, nor are its parent's references. */
void thread_lines_adopt(kith_manager *manager);

/** Frees the lines of all threads: nobody uses the manager any more. */
void thread_lines_free(kith_manager *manager);

#endif
