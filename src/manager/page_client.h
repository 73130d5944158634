/* A thread line's page: calls through memory that the server has in common with this process (page.h). It is asked for
 * by itself after some dozens of calls in a short time, and never when the server is not on this host, or refuses. */
#ifndef KITH_SRC_MANAGER_PAGE_CLIENT_H
#define KITH_SRC_MANAGER_PAGE_CLIENT_H

#include "base/deadline.h"

#include <kith/base.h>
#include <stdbool.h>

struct page;
struct thread_line;

/** All zero is a line without a page. */
struct page_client {
    struct page *page; /* NULL: none */
    bool refused;      /* there will be none */
    unsigned calls;    /* by the socket, since */
    int64_t since;
    unsigned resting; /* so many calls go by the socket, because the server did not answer one in time; */
    unsigned rest;    /* and so many did, the last time */
};

/** Sends line->request by the page, and receives its answer, if it can. Not while an answer is owed. Asks for a page
 *  when it is time to.
 *  @return 1; 0 when nothing was sent: it must go by the socket; a failure as thread_line_send, thread_line_receive */
int page_client_exchange(struct thread_line *line, kith_bytes *answer, deadline until);

/** The same for a question whose answer nobody waits for: only when the server is awake. */
int page_client_post(struct thread_line *line, kith_bytes *answer, deadline until);

/** Gives the page up, with the line's connection. */
void page_client_end(struct page_client *client);

#endif
