#include "manager/server_call.h"

#include "base/error.h"
#include "value/value.h"

#include <string.h>

int server_call_on(struct thread_line *line, const struct question *question, const char *id, kith_arena *arena,
                   kith_value **result, deadline until)
{
    struct question whole = *question;
    kith_bytes answer;
    whole.id = id;
    int code = question_write(&line->request, &whole);
    if (code == 0)
        code = thread_line_exchange(line, &answer, until);
    if (code < 0)
        return code;
    code = answer_read(&answer, arena, result);
    kith_bytes_free(&answer);
    return code;
}

/* Asks on a connection that is for this alone, and is closed. */
static int ask_apart(kith_manager *manager, kith_connection *connection, const struct question *question,
                     kith_arena *arena, kith_value **result, deadline until)
{
    struct thread_line line = { .manager = manager, .connection = connection };
    int code = server_call_on(&line, question, NULL, arena, result, until);
    thread_line_drop(&line);
    pickle_out_free(&line.request);
    return code;
}

static int ask_stock(kith_manager *manager, const struct question *question, kith_arena *arena, kith_value **result,
                     deadline until)
{
    kith_connection *connection;
    int code = client_connect(manager, &connection, client_patience(manager, until));
    return code < 0 ? code : ask_apart(manager, connection, question, arena, result, until);
}

/* The line for calls to a kith server itself; over TCP, manager->keeping is held from then on. */
static int open_line(kith_manager *manager, struct thread_line **line, deadline until)
{
    return manager->is_tcp ? thread_line_keeper(manager, line, until) : thread_line_open(manager, line, until);
}

static void leave_line(kith_manager *manager)
{
    if (manager->is_tcp)
        pthread_mutex_unlock(&manager->keeping);
}

int server_call(kith_manager *manager, const struct question *question, kith_arena *arena, kith_value **result,
                deadline until)
{
    struct thread_line *line;
    if (!manager->is_kith)
        return ask_stock(manager, question, arena, result, until);
    int code = open_line(manager, &line, until);
    if (code < 0)
        return code;
    code = server_call_on(line, question, "", arena, result, until);
    leave_line(manager);
    return code;
}

int server_call_for(kith_manager *manager, const char *method, const char *id, deadline until)
{
    kith_arena *arena;
    kith_value *result;
    int code = kith_arena_new(&arena);
    if (code < 0)
        return code;
    code = server_call(manager, &(struct question){ .method = method, .text = id }, arena, &result, until);
    kith_arena_free(arena);
    return code;
}

int server_call_post(kith_manager *manager, const char *method, const char *id, deadline until)
{
    struct thread_line *line;
    if (!manager->is_kith)
        return server_call_for(manager, method, id, until);
    int code = open_line(manager, &line, until);
    if (code < 0)
        return code;
    code = question_write(&line->request, &(struct question){ .method = method, .text = id, .id = "" });
    if (code == 0)
        code = thread_line_post(line, client_patience(manager, OS_FOREVER));
    leave_line(manager);
    return code;
}

/* Another server than before knows nothing of our references. Who connects first after that finds it. */
static void meet(kith_manager *manager, const kith_value *hello)
{
    int64_t serial = 0;
    (void)kith_value_as_int(kith_value_get(hello, "serial"), &serial);
    int64_t known = atomic_exchange_explicit(&manager->known, serial, memory_order_relaxed);
    if (known != 0 && known != serial)
        atomic_fetch_add_explicit(&manager->life, 1, memory_order_relaxed);
}

int server_call_hello(kith_manager *manager, kith_connection *connection, deadline until)
{
    struct thread_line line = { .manager = manager, .connection = connection };
    kith_value *result;
    int code = kith_arena_new(&line.arena);
    if (code == 0)
        code = server_call_on(&line, &(struct question){ .method = "kith_hello" }, NULL, line.arena, &result, until);
    if (code == 0)
        meet(manager, result);
    kith_arena_free(line.arena);
    pickle_out_free(&line.request);
    if (code == 0)
        code = thread_line_begin(manager, &line.connection);
    thread_line_drop(&line);
    return code == KITH_EREMOTE ? 0 : code < 0 ? code : 1;
}

int server_call_accept(struct thread_line *line, const char *name, deadline until)
{
    kith_value *result;
    struct question question = { .method = "accept_connection", .text = name };
    if (line->manager->is_kith) /* the same, and it learns whose references are given back with the line */
        question = (struct question){ .method = "kith_hello" };
    int code = server_call_on(line, &question, NULL, line->arena, &result, until);
    if (code == 0 && line->manager->is_kith)
        meet(line->manager, result);
    kith_arena_reset(line->arena);
    return code;
}
