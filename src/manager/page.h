/* The page: a room that a client and the server have in common, for one request at a time or its reply, and a word that
 * says whose it is. docs/design/near.md has the way of a call through it.
 *
 * Nobody sleeps on a page, and nothing in it must be repaired: who has spun enough moves the call to the socket. The
 * server believes nothing that it finds here: it copies a request, once, and checks the copy.
 *
 *     FREE -> REQUEST -> TAKEN -> REPLY -> FREE       all is well
 *             REQUEST -> FREE                         the client takes it back, and sends it by the socket
 *     FREE -> TAKEN                                   the client sends it by the socket, and awaits the reply here
 *                        TAKEN -> SOCKET -> FREE      either side: the reply comes by the socket */
#ifndef KITH_SRC_MANAGER_PAGE_H
#define KITH_SRC_MANAGER_PAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum page_state {
    PAGE_FREE,    /* the client's: it may write a request */
    PAGE_REQUEST, /* there is one, and nobody has it */
    PAGE_TAKEN,   /* the server's: it has the request, and may write the reply */
    PAGE_REPLY,   /* the client's: it may copy the reply */
    PAGE_SOCKET   /* the client's, once the reply has come by the socket */
};

#define PAGE_BYTES 8192
#define PAGE_LINE 64 /* bytes of a cache line: what is written by turns lies apart from what is written seldom */

/** The longest request, and reply, in bytes. */
#define PAGE_MESSAGE_MAX ((size_t)(PAGE_BYTES - PAGE_LINE - 2 * sizeof(uint32_t)))

/** The memory itself; all zero is a free page. */
struct page {
    _Alignas(PAGE_LINE) _Atomic uint32_t attended; /* 1: the server looks here. Written by it, read by the client */
    _Alignas(PAGE_LINE) _Atomic uint32_t word;     /* an enum page_state */
    uint32_t size;                                 /* of what is in data; by who writes that */
    unsigned char data[PAGE_MESSAGE_MAX];
};
_Static_assert(sizeof(struct page) == PAGE_BYTES, "no holes");

/** What a page is in now. acquire: what the other side has written before may be read then. */
static inline enum page_state page_state(const struct page *page)
{
    return (enum page_state)atomic_load_explicit(&page->word, memory_order_acquire);
}

/* ---- the client ---- */

/** Whether the server looks here. seq_cst: after page_send, either this says no, or the server's next look after it has
 *  said no finds the request. Pairs with page_leave. */
static inline bool page_is_attended(const struct page *page)
{
    return atomic_load_explicit(&page->attended, memory_order_seq_cst);
}

/** Writes a request in a free page. @param size  at most PAGE_MESSAGE_MAX */
void page_send(struct page *page, const void *request, size_t size);

/** Awaits the reply of a request in a free page; the request is then to be sent by the socket. */
void page_await(struct page *page);

/** Ends waiting. @return PAGE_FREE: the request was not taken, and is the caller's again; PAGE_REPLY: it is there;
 *  PAGE_SOCKET: it comes by the socket; another one when the page is broken */
enum page_state page_stop(struct page *page);

/** The reply in a page that has one, as long as the page is not freed. @param size  receives its length
 *  @return it; NULL when the page is broken */
const void *page_reply(const struct page *page, size_t *size);

/** Frees a page whose reply was copied, or has come by the socket: from here on it counts as received. */
void page_free(struct page *page);

/* ---- the server ---- */

/** Says that it looks at the page in each turn. */
void page_attend(struct page *page);

/** Says that it does not. Behind a call of this for each page a page_leave_fence, and then another look at each. */
void page_leave(struct page *page);

/** Orders the looks behind it after each page_leave before it. Pairs with page_send and page_is_attended. */
static inline void page_leave_fence(void)
{
    atomic_thread_fence(memory_order_seq_cst);
}

/** Takes a request, if there is one.
 *  @param copy  receives it, PAGE_MESSAGE_MAX bytes at most
 *  @param size  receives its length
 *  @return 1; 0 when there is none; KITH_EMALFORMED when the page is broken */
int page_take(struct page *page, void *copy, size_t *size);

/** Writes the reply, and hands it over: to a request that came by the page, or by the socket.
 *  @return false: it does not fit, or the client awaits it at the socket */
bool page_answer(struct page *page, const void *reply, size_t size);

/** Whether a client that is gone has not received the reply that was handed over. */
bool page_is_unread(const struct page *page);

#endif
