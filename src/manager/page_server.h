/* The pages of a server's lines (page.h): which of them it looks at, when it stays awake for them, and calls through
 * them. A client asks for its page by a call of the server, "kith_page". */
#ifndef KITH_SRC_MANAGER_PAGE_SERVER_H
#define KITH_SRC_MANAGER_PAGE_SERVER_H

#include "manager/request.h"

struct line;
struct message;

/** The call that gives a line its page: True, and the page's descriptor has been sent; or False. */
int page_server_give(struct request *request);

/** A request of the line has come by the socket: its page, if it has one, may be worth looking at. */
void page_server_attend(struct line *line);

/** Answers the line's request, one frame, by its page, if the client awaits it there. @return false: it is the
 *  socket's */
bool page_server_answer(struct line *line, const struct message *reply);

/** The line ends. */
void page_server_end(struct line *line);

/** Ends what the server has for all pages: there are no lines any more. */
void pages_free(struct server *server);

#endif
