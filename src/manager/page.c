#include "manager/page.h"

#include "base/error.h"

#include <string.h>

/** Moves on from a state where the other side may move on, too. @return whether it was still in it */
static bool move_on(struct page *page, enum page_state from, enum page_state to)
{
    uint32_t expected = from;
    /* acq_rel: what this side has written goes along, and what the other one has may be read. */
    return atomic_compare_exchange_strong_explicit(&page->word, &expected, to, memory_order_acq_rel,
                                                   memory_order_acquire);
}

/* ---- the client ---- */

void page_send(struct page *page, const void *request, size_t size)
{
    memcpy(page->data, request, size);
    page->size = (uint32_t)size;
    /* An exchange, so that no later look at attended is made before it; see page_is_attended. Releases the request:
     * pairs with page_take. */
    atomic_exchange_explicit(&page->word, PAGE_REQUEST, memory_order_seq_cst);
}

void page_await(struct page *page)
{
    /* The request, which goes to the server after it, carries it along. */
    atomic_store_explicit(&page->word, PAGE_TAKEN, memory_order_release);
}

enum page_state page_stop(struct page *page)
{
    if (move_on(page, PAGE_REQUEST, PAGE_FREE))
        return PAGE_FREE;
    if (move_on(page, PAGE_TAKEN, PAGE_SOCKET))
        return PAGE_SOCKET;
    return page_state(page);
}

const void *page_reply(const struct page *page, size_t *size)
{
    size_t told = page->size;
    if (told > PAGE_MESSAGE_MAX)
        return NULL;
    *size = told;
    return page->data;
}

void page_free(struct page *page)
{
    /* release: what was read of the reply was read before. Pairs with page_is_unread. */
    atomic_store_explicit(&page->word, PAGE_FREE, memory_order_release);
}

/* ---- the server ---- */

void page_attend(struct page *page)
{
    atomic_store_explicit(&page->attended, 1, memory_order_release);
}

void page_leave(struct page *page)
{
    atomic_store_explicit(&page->attended, 0, memory_order_relaxed);
}

int page_take(struct page *page, void *copy, size_t *size)
{
    /* First a look: to try would take the cache line from a client that is about to write. */
    if (page_state(page) != PAGE_REQUEST || !move_on(page, PAGE_REQUEST, PAGE_TAKEN))
        return 0;
    /* Once: a hostile client may change it between two looks. */
    uint32_t told = *(const volatile uint32_t *)&page->size;
    if (told > PAGE_MESSAGE_MAX)
        return error_fail(KITH_EMALFORMED, "a client's page has a request of %u bytes, and room for %zu", told,
                          PAGE_MESSAGE_MAX);
    memcpy(copy, page->data, told);
    *size = told;
    return 1;
}

bool page_answer(struct page *page, const void *reply, size_t size)
{
    if (size > PAGE_MESSAGE_MAX) {
        move_on(page, PAGE_TAKEN, PAGE_SOCKET); /* if not, the client has said so already */
        return false;
    }
    if (page_state(page) != PAGE_TAKEN)
        return false;
    memcpy(page->data, reply, size); /* also when the client goes to the socket by now: it does not look here then */
    page->size = (uint32_t)size;
    return move_on(page, PAGE_TAKEN, PAGE_REPLY);
}

bool page_is_unread(const struct page *page)
{
    return page_state(page) == PAGE_REPLY;
}
