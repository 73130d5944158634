#include "manager/page_server.h"

#include "connection/frame.h"
#include "manager/dispatch.h"
#include "manager/line.h"
#include "manager/page.h"
#include "manager/server.h"
#include "manager/taken.h"
#include "os/memory.h"
#include "os/socket.h"
#include "os/thread.h"
#include "process/forks.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    /* After the last call by a page the server stays awake so long, in nanoseconds: about what it takes to sleep and to
     * be woken instead. */
    AWAKE = 30000,
    /* Between two looks at the sockets, while calls come by pages: so many nanoseconds at most. */
    TURN = 10000,
    /* A page without a call for so long is left, though others keep the server awake. */
    IDLE = 1000000,
    /* Looks at all pages, or requests, between two looks at the clock. */
    LOOKS = 16,
    /* Requests by the socket after which a page is attended again that was so in vain, at most. */
    VAIN_MAX = 1024
};

/* A line's. */
struct page_server {
    struct page *page;
    struct line *line;
    struct page_server *next, **link; /* among those that are attended; link NULL: it is not */
    unsigned calls;                   /* since the last sweep, or since it is attended */
    unsigned vain;                    /* so many requests by the socket it takes to attend to it, */
    unsigned come;                    /* and so many have come */
};

/* The server's. */
struct pages {
    struct page_server *attended;
    struct page_server *next; /* the one to be looked at next, in the middle of a look at all */
    int64_t last;             /* when the last call came */
    int64_t swept;
};

/* ---- attending ---- */

static void add(struct pages *pages, struct page_server *own)
{
    own->next = pages->attended;
    own->link = &pages->attended;
    if (own->next)
        own->next->link = &own->next;
    pages->attended = own;
}

static void take_off(struct pages *pages, struct page_server *own)
{
    if (!own->link)
        return;
    if (pages->next == own)
        pages->next = own->next;
    *own->link = own->next;
    if (own->next)
        own->next->link = own->link;
    own->link = NULL;
}

void page_server_attend(struct line *line)
{
    struct page_server *own = line->page;
    if (!own || own->link || own->come++ < own->vain)
        return;
    struct pages *pages = line->server->pages;
    own->come = 0;
    own->calls = 0;
    add(pages, own);
    page_attend(own->page);
    pages->last = os_clock_now();
}

/* Leaves a page. A look at it is to follow, behind the fence. */
static void leave(struct pages *pages, struct page_server *own)
{
    take_off(pages, own);
    page_leave(own->page);
    if (own->calls > 0)
        own->vain /= 2;
    else
        own->vain = own->vain < VAIN_MAX / 2 ? own->vain * 2 + 1 : VAIN_MAX;
}

/* ---- calls ---- */

bool page_server_answer(struct line *line, const struct message *reply)
{
    struct page_server *own = line->page;
    if (!own || reply->size < FRAME_HEADER_MIN || line->last || line->out.bytes)
        return false;
    return page_answer(own->page, reply->data + FRAME_HEADER_MIN, reply->size - FRAME_HEADER_MIN);
}

/* Carries out the request in a page, if there is one and it is this line's turn. @return whether there was */
static bool serve(struct server *server, struct page_server *own)
{
    struct line *line = own->line;
    if (page_state(own->page) != PAGE_REQUEST || !line_is_idle(line))
        return false;
    size_t size;
    int code = page_take(own->page, server->room, &size);
    if (code <= 0) {
        if (code < 0)
            line_hang_up(line, "its page is broken"), line_is_due(line);
        return false;
    }
    own->calls++;
    taken_end(server, line, false); /* who asks anew has all that was answered before */
    count_up(server->counters.page_calls, 1);
    line_serve(line, server->room, size);
    return true;
}

/* Looks at all attended pages. @return how many requests there were */
static unsigned look(struct server *server, struct pages *pages)
{
    unsigned found = 0;
    for (struct page_server *own = pages->attended; own; own = pages->next) {
        pages->next = own->next;
        found += serve(server, own);
    }
    return found;
}

/* Leaves the pages that had no call since the last time, or all. */
static void sweep(struct server *server, struct pages *pages, bool all)
{
    struct page_server *left = NULL;
    for (struct page_server *own = pages->attended; own; own = pages->next) {
        pages->next = own->next;
        if (all || own->calls == 0) {
            leave(pages, own);
            own->next = left;
            left = own;
        } else {
            own->calls = 0;
        }
    }
    page_leave_fence();
    while (left) {
        struct page_server *own = left;
        left = own->next;
        serve(server, own);
    }
}

/* Looks until something else is to be done, or nothing more comes. */
static bool poll(struct server *server)
{
    struct pages *pages = server->pages;
    if (!pages->attended)
        return false;
    int64_t begun = os_clock_now(), now = begun;
    do {
        unsigned found = 0;
        for (int i = 0; i < LOOKS && found < LOOKS; i++) {
            unsigned more = look(server, pages);
            if (more == 0)
                os_cpu_relax();
            found += more;
        }
        if (found == 0)
            os_thread_yield(); /* a client may be waiting for this very CPU */
        now = os_clock_now();
        if (found > 0)
            pages->last = now;
    } while (now - begun < TURN && now - pages->last < AWAKE && !server->due && pages->attended);
    bool over = now - pages->last >= AWAKE;
    if (over || now - pages->swept > IDLE) {
        sweep(server, pages, over);
        pages->swept = now;
    }
    return pages->attended;
}

/* ---- giving and ending ---- */

static struct pages *pages_begin(struct server *server)
{
    if (!server->pages && (server->pages = calloc(1, sizeof(struct pages))))
        server->poll = poll;
    return server->pages;
}

/* Makes a page and sends its descriptor. @return 0; a negative code */
static int make(struct line *line, struct page **page)
{
    void *memory = NULL;
    int file = os_memory_file("kith-page");
    int code = file < 0 ? file : os_memory_back(file, 0, PAGE_BYTES);
    if (code == 0)
        code = os_memory_map(&memory, file, 0, PAGE_BYTES);
    if (code == 0)
        code = os_socket_send_descriptor(line->channel.socket, file);
    if (file >= 0)
        close(file);
    if (code < 0 && memory)
        os_memory_unmap(memory, PAGE_BYTES);
    if (code == 0)
        *page = memory;
    return code;
}

static int give(struct server *server, struct line *line)
{
    struct page_server *own = calloc(1, sizeof *own);
    int code = own && pages_begin(server) ? 0 : -ENOMEM;
    if (code == 0) {
        forks_block(); /* no child is to keep the descriptor */
        code = make(line, &own->page);
        forks_allow();
    }
    if (code < 0) {
        free(own);
        return code;
    }
    own->line = line;
    line->page = own;
    page_server_attend(line);
    count_up(server->counters.pages, 1);
    return 0;
}

int page_server_give(struct request *request)
{
    bool given = !request->line->page && os_cpu_count() > 1 && line_takes_descriptors(request->line) &&
                 give(request->server, request->line) == 0;
    return request_answer_bool(request, given);
}

void page_server_end(struct line *line)
{
    struct page_server *own = line->page;
    struct server *server = line->server;
    if (!own)
        return;
    take_off(server->pages, own);
    line->lost |= page_is_unread(own->page);
    os_memory_unmap(own->page, PAGE_BYTES);
    free(own);
    line->page = NULL;
    count_up(server->counters.pages, -1U);
}

void pages_free(struct server *server)
{
    free(server->pages);
    server->pages = NULL;
    server->poll = NULL;
}
