#include "manager/page_client.h"

#include "base/error.h"
#include "manager/page.h"
#include "manager/question.h"
#include "manager/thread_line.h"
#include "os/memory.h"
#include "os/named.h"
#include "os/thread.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* So many calls within so many nanoseconds: a client that a page is worth it for. */
enum { BUSY_CALLS = 32, BUSY_TIME = 50000000 };

/* How long to spin for an answer, in nanoseconds: about what it takes to sleep and to be woken instead. Every few looks
 * at the page comes one at the clock, and others may have the CPU: the server may be waiting for this very one. */
enum { PATIENCE = 50000, LOOKS = 32 };

enum { REST_MAX = 4096 };

/* ---- asking for one ---- */

/* Maps what the server has sent. No page is no failure. */
static struct page *map(int file)
{
    struct os_file facts;
    void *memory = NULL;
    if (os_file_look(file, &facts) < 0 || facts.size < PAGE_BYTES || os_memory_map(&memory, file, 0, PAGE_BYTES) < 0)
        return NULL;
    return memory;
}

/* The descriptor comes before the answer; when the server refuses, the answer comes alone. */
static int receive_page(struct thread_line *line, deadline until)
{
    int file;
    kith_bytes answer;
    int code = thread_line_receive_fd(line, &file, until);
    if (code == 0) {
        line->page.page = map(file);
        close(file);
    } else if (code != -ENOMSG) {
        return code;
    }
    line->page.refused = !line->page.page;
    code = thread_line_receive(line, &answer, until);
    if (code == 0)
        kith_bytes_free(&answer);
    return code;
}

static int ask(struct thread_line *line, deadline until)
{
    static const struct question question = { .id = "", .method = "kith_page" };
    struct pickle_out request = line->request; /* which the caller wants to send */
    line->request = (struct pickle_out){ 0 };
    int code = question_write(&line->request, &question);
    if (code == 0)
        code = thread_line_send(line, until);
    if (code == 0)
        code = receive_page(line, until);
    pickle_out_free(&line->request);
    line->request = request;
    return code;
}

/* Counts a call, and asks for a page after a run of them. */
static int count_call(struct thread_line *line, deadline until)
{
    struct page_client *client = &line->page;
    if (client->refused || ++client->calls % BUSY_CALLS != 0)
        return 0;
    int64_t before = client->since;
    client->since = os_clock_now();
    if (before == 0 || client->since - before > BUSY_TIME)
        return 0;
    /* With one CPU, to spin is to keep the server from answering. */
    client->refused = os_cpu_count() == 1 || !thread_line_takes_descriptors(line);
    return client->refused ? 0 : ask(line, until);
}

/* ---- calls ---- */

/* Waits for the answer, awake. @return the state in which that ended: PAGE_FREE, PAGE_REPLY, PAGE_SOCKET; else it is
 * broken */
static enum page_state spin(struct page *page)
{
    int64_t end = 0;
    for (unsigned looks = 1;; looks++) {
        enum page_state state = page_state(page);
        if (state != PAGE_REQUEST && state != PAGE_TAKEN)
            return state;
        if (state == PAGE_REQUEST && !page_is_attended(page))
            break;
        if (looks % LOOKS == 0) {
            int64_t now = os_clock_now();
            if (end == 0)
                end = now + PATIENCE;
            else if (now >= end)
                break;
            os_thread_yield();
        }
        os_cpu_relax();
    }
    return page_stop(page);
}

/* Copies the answer, and then says that it has it: a message that a dead client has not received goes back. */
static int receive_reply(struct thread_line *line, kith_bytes *answer)
{
    size_t size;
    const void *reply = page_reply(line->page.page, &size);
    void *copy = reply ? malloc(size ? size : 1) : NULL;
    if (!copy) {
        int code = reply ? error_fail(-ENOMEM, "no memory for an answer of %zu bytes", size)
                         : error_fail(KITH_EMALFORMED, "the server's page is broken");
        return thread_line_fail(line, code);
    }
    memcpy(copy, reply, size);
    page_free(line->page.page);
    *answer = (kith_bytes){ copy, size };
    return 1;
}

static int receive_by_socket(struct thread_line *line, kith_bytes *answer, deadline until)
{
    int code = thread_line_receive(line, answer, until);
    if (code < 0)
        return code;
    page_free(line->page.page);
    return 1;
}

/* The server was in time, or not: then the next calls leave the page alone, more of them each time. */
static void learn(struct page_client *client, bool in_time)
{
    if (in_time) {
        client->rest /= 2;
    } else {
        client->rest = client->rest < REST_MAX / 2 ? client->rest * 2 + 2 : REST_MAX;
        client->resting = client->rest;
    }
}

static int receive(struct thread_line *line, kith_bytes *answer, enum page_state state, deadline until)
{
    if (state == PAGE_REPLY)
        return receive_reply(line, answer);
    if (state == PAGE_SOCKET)
        return receive_by_socket(line, answer, until);
    return thread_line_fail(line, error_fail(KITH_EMALFORMED, "the server's page is broken"));
}

/* The request by the page. A server that has taken it was in time, also when the method takes long.
 * @return as page_client_exchange */
static int send_by_page(struct thread_line *line, kith_bytes *answer, deadline until)
{
    struct page_client *client = &line->page;
    page_send(client->page, line->request.data, line->request.size);
    enum page_state state = spin(client->page);
    if (state == PAGE_FREE)
        return 0;
    learn(client, true);
    return receive(line, answer, state, until);
}

/* The request by the socket, as the server is asleep, and the answer by the page, if it is awake soon enough. */
static int send_by_socket(struct thread_line *line, kith_bytes *answer, deadline until)
{
    struct page_client *client = &line->page;
    page_await(client->page);
    int code = thread_line_send(line, until);
    if (code < 0)
        return code;
    enum page_state state = spin(client->page);
    learn(client, state == PAGE_REPLY);
    return receive(line, answer, state, until);
}

/* Whether the line has a page that it may use now. Asks for one when it is time to.
 * @return 1; 0; a failure of the line */
static int begin(struct thread_line *line, deadline until)
{
    struct page_client *client = &line->page;
    if (!client->page) {
        int code = count_call(line, until);
        if (code < 0 || !client->page)
            return code;
    }
    if (client->resting > 0) {
        client->resting--;
        return 0;
    }
    return 1;
}

static bool is_for_page(const struct thread_line *line)
{
    return line->request.size <= PAGE_MESSAGE_MAX && page_is_attended(line->page.page);
}

int page_client_exchange(struct thread_line *line, kith_bytes *answer, deadline until)
{
    int code = begin(line, until);
    if (code <= 0)
        return code;
    code = is_for_page(line) ? send_by_page(line, answer, until) : 0;
    return code != 0 ? code : send_by_socket(line, answer, until);
}

int page_client_post(struct thread_line *line, kith_bytes *answer, deadline until)
{
    int code = begin(line, until);
    return code > 0 && is_for_page(line) ? send_by_page(line, answer, until) : code < 0 ? code : 0;
}

void page_client_end(struct page_client *client)
{
    if (client->page)
        os_memory_unmap(client->page, PAGE_BYTES);
    *client = (struct page_client){ 0 };
}
