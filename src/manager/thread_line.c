/* The lists, and who may change them: a thread's own, for its end, and the manager's, for its end, both under
 * forks_block. A thread finds its line without that, as long as it uses one manager: by what it used last, which is
 * good for the process and the manager that it says, since no other manager ever has its serial. */
#include "manager/thread_line.h"

#include "base/error.h"
#include "base/utf8.h"
#include "connection/connection.h"
#include "connection/send.h"
#include "manager/exception.h"
#include "manager/server_call.h"
#include "os/named.h"
#include "os/process.h"
#include "os/socket.h"
#include "os/stream.h"
#include "os/thread.h"
#include "process/forks.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How long a thread that ends waits for answers that it is owed. */
#define FAREWELL KITH_SECONDS(1)

/* Memory for questions beyond this is not kept, in bytes. */
#define REQUEST_KEPT ((size_t)1 << 16)

/* Frames that go together are not longer than this, in bytes; no longer one is copied for that. */
enum { GATHERED_MAX = 16384 };

static _Thread_local struct {
    unsigned generation;
    struct thread_line *first;
} mine;

static _Thread_local struct {
    uint64_t serial;
    unsigned generation;
    struct thread_line *line;
} last;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key; /* its destructor ends a thread's lines */
static int key_code;

/* ---- the lists: under forks_block ---- */

static void add(struct thread_line *line)
{
    kith_manager *manager = line->manager;
    if (mine.generation != line->generation)
        mine.first = NULL; /* lines of a parent, which thread_lines_adopt has */
    mine.generation = line->generation;
    line->next_of_thread = mine.first;
    line->link_of_thread = &mine.first;
    if (mine.first)
        mine.first->link_of_thread = &line->next_of_thread;
    mine.first = line;
    line->next_of_manager = manager->lines;
    line->link_of_manager = &manager->lines;
    if (manager->lines)
        manager->lines->link_of_manager = &line->next_of_manager;
    manager->lines = line;
}

static void take_off(struct thread_line *line)
{
    *line->link_of_manager = line->next_of_manager;
    if (line->next_of_manager)
        line->next_of_manager->link_of_manager = line->link_of_manager;
    *line->link_of_thread = line->next_of_thread;
    if (line->next_of_thread)
        line->next_of_thread->link_of_thread = line->link_of_thread;
}

static struct thread_line *take_first(struct thread_line **list)
{
    struct thread_line *line;
    forks_block();
    line = *list;
    if (line)
        take_off(line);
    forks_allow();
    return line;
}

/* ---- a line ---- */

void thread_line_drop(struct thread_line *line)
{
    page_client_end(&line->page);
    kith_connection_free(line->connection);
    line->connection = NULL;
    line->owed = 0;
    line->gathered_size = 0;
}

static void free_line(struct thread_line *line)
{
    thread_line_drop(line);
    kith_bytes_free(&line->mistake);
    pickle_out_free(&line->request);
    free(line->gathered);
    kith_arena_free(line->arena);
    free(line);
}

/* Answers that nobody has read would look to the server as if we had been killed. The manager may be gone by now: who
 * was told that a thread's work is done need not wait for its end. */
static void part(struct thread_line *line)
{
    deadline until = DEADLINE_PASSED;
    kith_bytes answer;
    int code = deadline_from(FAREWELL, &until);
    while (line->connection && line->owed > 0 && (code == 0 || code == -EINTR)) {
        code = kith_connection_recv(line->connection, &answer, client_timeout(until));
        if (code == 0) {
            kith_bytes_free(&answer);
            line->owed--;
        }
    }
    free_line(line);
}

static void end_thread(void *unused)
{
    struct thread_line *line;
    (void)unused;
    last.serial = 0;
    while (mine.generation == forks_generation() && (line = take_first(&mine.first)))
        part(line);
}

static void make_key(void)
{
    key_code = -pthread_key_create(&key, end_thread);
}

static struct thread_line *new_line(kith_manager *manager)
{
    struct thread_line *line = calloc(1, sizeof *line);
    if (line && kith_arena_new(&line->arena) < 0) {
        free(line);
        line = NULL;
    }
    if (line) {
        line->manager = manager;
        line->generation = atomic_load_explicit(&manager->generation, memory_order_relaxed);
    }
    return line;
}

static int no_memory(int code)
{
    return error_fail(code, "no memory for a line to a server");
}

static int make(kith_manager *manager, struct thread_line **line)
{
    pthread_once(&once, make_key);
    int code = key_code < 0 ? key_code : -pthread_setspecific(key, &mine);
    if (code < 0)
        return no_memory(code);
    struct thread_line *made = new_line(manager);
    if (!made)
        return no_memory(-ENOMEM);
    forks_block();
    add(made);
    forks_allow();
    *line = made;
    return 0;
}

void thread_lines_free(kith_manager *manager)
{
    struct thread_line *line;
    thread_lines_adopt(manager);
    while ((line = take_first(&manager->lines)))
        part(line);
    if (manager->keeper)
        free_line(manager->keeper);
    manager->keeper = NULL;
}

/* ---- finding it ---- */

/* Lines of threads that this process does not have: their memory may have been changing when it was forked. Nobody uses
 * it any more, and leak checkers find it here. Under forks_block. */
static struct thread_line *left;

static void leave(struct thread_line *line)
{
    /* It must not stay open here, or the server would not see the parent's end. */
    if (line->busy)
        connection_abandon(line->connection);
    else
        kith_connection_free(line->connection);
    line->connection = NULL;
    forks_block();
    line->next_of_manager = left;
    left = line;
    forks_allow();
}

/* Takes a line of the parent's off this thread's list. @return whether it was this thread's */
static bool take_off_mine(const struct thread_line *line)
{
    struct thread_line **at = &mine.first;
    while (mine.generation == line->generation && *at && *at != line)
        at = &(*at)->next_of_thread;
    bool found = mine.generation == line->generation && *at;
    if (found)
        *at = line->next_of_thread;
    return found;
}

static void forget_lines(struct thread_line *lines)
{
    struct thread_line *line;
    while ((line = lines)) {
        lines = line->next_of_manager;
        if (take_off_mine(line))
            free_line(line);
        else
            leave(line);
    }
}

static bool is_adopted(const kith_manager *manager)
{
    return atomic_load_explicit(&manager->generation, memory_order_acquire) == forks_generation();
}

void thread_lines_adopt(kith_manager *manager)
{
    struct thread_line *lines = NULL, *keeper = NULL;
    bool was_idle = false;
    if (is_adopted(manager))
        return;
    forks_block();
    if (!is_adopted(manager)) {
        lines = manager->lines;
        keeper = manager->keeper;
        manager->lines = NULL;
        manager->keeper = NULL;
        was_idle = pthread_mutex_trylock(&manager->keeping) == 0;
        if (was_idle)
            pthread_mutex_unlock(&manager->keeping);
        else
            pthread_mutex_init(&manager->keeping, NULL); /* a thread of the parent's has it for ever */
        atomic_fetch_add_explicit(&manager->life, 1, memory_order_relaxed);
        atomic_store_explicit(&manager->generation, forks_generation(), memory_order_release);
    }
    forks_allow();
    forget_lines(lines);
    if (keeper)
        (was_idle ? free_line : leave)(keeper);
}

static struct thread_line *find(const kith_manager *manager)
{
    struct thread_line *line;
    forks_block();
    line = mine.generation == forks_generation() ? mine.first : NULL;
    while (line && line->manager != manager)
        line = line->next_of_thread;
    forks_allow();
    return line;
}

static int find_or_make(kith_manager *manager, struct thread_line **line)
{
    thread_lines_adopt(manager);
    struct thread_line *found = find(manager);
    int code = found ? 0 : make(manager, &found);
    if (code < 0)
        return code;
    last.serial = manager->serial;
    last.generation = found->generation;
    last.line = found;
    *line = found;
    return 0;
}

/* ---- making the connection ---- */

/* Cuts it off where it is no text, as in the middle of a character: Python would not read it. */
static void keep_text(char *bytes)
{
    size_t size = 1;
    for (char *at = bytes; size > 0; at += size) {
        size = *at ? utf8_character(at, strlen(at), false) : 0;
        if (size == 0)
            *at = '\0';
    }
}

/* The name by which CPython's server knows it: "MainProcess", "MainProcess|Thread-17". */
static void name_of_thread(char name[128])
{
    const char *process = kith_process_name(kith_process_current());
    const struct os_thread *thread = os_thread_self();
    if (os_process_in_first_thread() || !thread)
        snprintf(name, 128, "%s", process);
    else
        snprintf(name, 128, "%.100s|Thread-%lu", process, (unsigned long)thread->id);
    keep_text(name);
}

static int connect_line(struct thread_line *line, deadline until)
{
    kith_connection *connection;
    char name[128];
    until = client_patience(line->manager, until);
    int code = client_connect(line->manager, &connection, until);
    if (code < 0)
        return code;
    line->connection = connection;
    name_of_thread(name);
    code = server_call_accept(line, name, until);
    if (code < 0)
        thread_line_drop(line);
    return code;
}

int thread_line_open(kith_manager *manager, struct thread_line **line, deadline until)
{
    struct thread_line *found = NULL;
    int code = 0;
    if (last.serial == manager->serial && last.generation == forks_generation())
        found = last.line;
    else
        code = find_or_make(manager, &found);
    if (code == 0 && !found->connection)
        code = connect_line(found, until);
    if (code == 0)
        *line = found;
    return code;
}

int thread_line_begin(kith_manager *manager, kith_connection **connection)
{
    struct thread_line *line;
    int code = find_or_make(manager, &line);
    if (code < 0)
        return code;
    line->connection = *connection;
    *connection = NULL;
    return 0;
}

int thread_line_keeper(kith_manager *manager, struct thread_line **line, deadline until)
{
    thread_lines_adopt(manager);
    pthread_mutex_lock(&manager->keeping);
    if (!manager->keeper)
        manager->keeper = new_line(manager);
    int code = manager->keeper ? 0 : no_memory(-ENOMEM);
    if (code == 0 && !manager->keeper->connection)
        code = connect_line(manager->keeper, until);
    if (code == 0)
        *line = manager->keeper;
    else
        pthread_mutex_unlock(&manager->keeping);
    return code;
}

/* ---- questions and answers ---- */

static bool is_end(int code)
{
    return code == KITH_EEOF || code == KITH_ETRUNCATED || code == -EPIPE || code == -ECONNRESET;
}

/* With the line that kept our references, they are gone. */
int thread_line_fail(struct thread_line *line, int code)
{
    kith_manager *manager = line->manager;
    thread_line_drop(line);
    if (manager->is_kith && line == manager->keeper)
        atomic_fetch_add_explicit(&manager->life, 1, memory_order_relaxed);
    if (is_end(code))
        return error_fail(KITH_ECLOSED,
                          "the server at %s is gone, or has closed this line, as for a message beyond its max_message",
                          manager->address);
    if (code == -ETIMEDOUT)
        return error_fail(code, "the server at %s has not answered in time: what became of the call is not known",
                          manager->address);
    return code;
}

int thread_line_send(struct thread_line *line, deadline until)
{
    int code;
    line->busy = true;
    do
        code = kith_connection_send(line->connection, line->request.data, line->request.size, client_timeout(until));
    while (code == -EINTR);
    if (line->request.capacity > REQUEST_KEPT)
        pickle_out_free(&line->request);
    line->busy = false;
    return code < 0 ? thread_line_fail(line, code) : 0;
}

int thread_line_send_gathered(struct thread_line *line, deadline until)
{
    int code = 0;
    line->busy = true;
    if (line->gathered_size > 0)
        do
            code = send_frames(line->connection, line->gathered, line->gathered_size, until);
        while (code == -EINTR);
    line->gathered_size = 0;
    line->busy = false;
    return code < 0 ? thread_line_fail(line, code) : 0;
}

int thread_line_gather(struct thread_line *line, deadline until)
{
    size_t size = line->request.size;
    bool alone = size > GATHERED_MAX - FRAME_HEADER_MAX;
    int code = 0;
    if (alone || line->gathered_size + FRAME_HEADER_MAX + size > GATHERED_MAX)
        code = thread_line_send_gathered(line, until);
    if (!line->gathered)
        line->gathered = malloc(GATHERED_MAX);
    if (code < 0 || alone || !line->gathered)
        return code < 0 ? code : thread_line_send(line, until);
    line->gathered_size += frame_encode(line->gathered + line->gathered_size, size);
    memcpy(line->gathered + line->gathered_size, line->request.data, size);
    line->gathered_size += size;
    return 0;
}

int thread_line_receive(struct thread_line *line, kith_bytes *answer, deadline until)
{
    int code;
    line->busy = true;
    do
        code = kith_connection_recv(line->connection, answer, client_timeout(until));
    while (code == -EINTR);
    line->busy = false;
    if (code < 0)
        return thread_line_fail(line, code);
    if (!line->manager->is_kith && !line->connection->is_unix)
        os_socket_acknowledge(line->connection->channel.socket); /* CPython's next answer may wait for that */
    return 0;
}

int thread_line_exchange(struct thread_line *line, kith_bytes *answer, deadline until)
{
    int code = line->owed == 0 ? page_client_exchange(line, answer, until) : 0;
    if (code != 0)
        return code < 0 ? code : 0;
    code = thread_line_send(line, until);
    if (code == 0)
        code = thread_line_settle(line, until);
    return code < 0 ? code : thread_line_receive(line, answer, until);
}

/* ---- descriptors ---- */

bool thread_line_takes_descriptors(const struct thread_line *line)
{
    const kith_manager *manager = line->manager;
    if (!manager->is_kith || manager->no_shared_memory || !line->connection->is_unix || line->connection->bound > 0)
        return false;
    int copy = os_stream_copy(line->connection->channel.socket);
    if (copy < 0)
        return false;
    bool room = os_file_leaves_room(copy);
    close(copy);
    return room;
}

int thread_line_receive_fd(struct thread_line *line, int *fd, deadline until)
{
    int code;
    line->busy = true;
    do
        code = kith_connection_recv_fd(line->connection, fd, client_timeout(until));
    while (code == -EINTR);
    line->busy = false;
    return code < 0 && code != -ENOMSG ? thread_line_fail(line, code) : code;
}

/* ---- answers that are owed ---- */

static int judge(struct thread_line *line, const kith_bytes *answer)
{
    kith_value *pair, *result;
    int code = kith_pickle_read(line->arena, &pair, answer->data, answer->size, NULL);
    if (code == 0)
        code = answer_judge(pair, &result);
    kith_arena_reset(line->arena);
    return code;
}

/* Looks at the answer of a call that nobody waited for; it is not the failure of the call that comes by. */
static void look(struct thread_line *line, kith_bytes *answer)
{
    if (judge(line, answer) < 0 && !line->mistake.data)
        line->mistake = *answer;
    else
        kith_bytes_free(answer);
    exception_forget();
}

int thread_line_settle(struct thread_line *line, deadline until)
{
    kith_bytes answer;
    while (line->owed > 0) {
        int code = thread_line_receive(line, &answer, until);
        if (code < 0)
            return code;
        line->owed--;
        look(line, &answer);
    }
    return 0;
}

int thread_line_post(struct thread_line *line, deadline until)
{
    kith_bytes answer;
    int code = line->owed == 0 ? page_client_post(line, &answer, until) : 0;
    if (code > 0)
        look(line, &answer);
    if (code != 0)
        return code < 0 ? code : 0;
    code = line->owed < THREAD_LINE_OWED_MAX ? 0 : thread_line_settle(line, until);
    if (code == 0)
        code = thread_line_send(line, until);
    if (code == 0)
        line->owed++;
    return code;
}

int thread_line_mistake(struct thread_line *line)
{
    int code = line->mistake.data ? judge(line, &line->mistake) : 0;
    kith_bytes_free(&line->mistake);
    return code;
}
