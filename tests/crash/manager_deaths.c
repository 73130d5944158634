/* A manager's server is killed by SIGKILL while clients, in C and in stock Python, wait for all that can be waited for,
 * or call as fast as they can: each must be told at once, by KITH_ECLOSED, EOFError or ConnectionResetError. And what a
 * server has kept by a snapshot is there when the next one begins, under the same ids.
 *
 * usage: manager_deaths SCRIPT PYTHON   SCRIPT is manager_work.py; where PYTHON does not run, all clients are in C.
 * Output is TAP. */
#include "manager_work.h"

#include "killing.h"

#include <signal.h>
#include <string.h>

enum { PATIENCE = 30, MESSAGES_KEPT = 5 };

static const char *script, *python;
static int ledger_fd;

/* ---- clients that wait ---- */

static int wait_get(kith_manager *manager, kith_arena *arena)
{
    kith_value *value;
    return kith_proxy_get(work_find(manager, "plain"), arena, &value, KITH_FOREVER);
}

static int wait_put(kith_manager *manager, kith_arena *arena)
{
    kith_proxy *queue = work_find(manager, "again");
    int code = 0;
    while (code == 0)
        code = kith_proxy_put(queue, kith_value_int(arena, 1), KITH_FOREVER);
    return code;
}

static int wait_join(kith_manager *manager, kith_arena *arena)
{
    (void)arena;
    return kith_proxy_join(work_find(manager, "again"), KITH_FOREVER);
}

static int wait_acquire(kith_manager *manager, const char *name)
{
    return kith_proxy_acquire(work_find(manager, name), KITH_FOREVER);
}

static int wait_lock(kith_manager *manager, kith_arena *arena)
{
    (void)arena;
    return wait_acquire(manager, "the_lock");
}

static int wait_rlock(kith_manager *manager, kith_arena *arena)
{
    (void)arena;
    return wait_acquire(manager, "the_rlock");
}

static int wait_semaphore(kith_manager *manager, kith_arena *arena)
{
    (void)arena;
    return wait_acquire(manager, "the_semaphore");
}

static int wait_condition(kith_manager *manager, kith_arena *arena)
{
    (void)arena;
    kith_proxy *condition = work_find(manager, "the_condition");
    int code = kith_proxy_acquire(condition, KITH_FOREVER);
    return code < 0 ? code : kith_proxy_wait(condition, KITH_FOREVER);
}

static int wait_event(kith_manager *manager, kith_arena *arena)
{
    (void)arena;
    return kith_proxy_event_wait(work_find(manager, "the_event"), KITH_FOREVER);
}

static int wait_barrier(kith_manager *manager, kith_arena *arena)
{
    (void)arena;
    return kith_proxy_barrier_wait(work_find(manager, "the_barrier"), KITH_FOREVER);
}

/** Never waits for long. */
static int call_and_call(kith_manager *manager, kith_arena *arena)
{
    kith_proxy *dict = work_find(manager, "the_dict");
    int code = 0;
    while (code == 0) {
        code = kith_proxy_set_item(dict, kith_value_int(arena, 1), kith_value_int(arena, 1));
        kith_arena_reset(arena);
    }
    return code;
}

struct client {
    const char *what;
    int (*work)(kith_manager *manager, kith_arena *arena); /* NULL: in Python */
};

static const struct client clients[] = {
    { "get", wait_get },
    { "put", wait_put },
    { "join", wait_join },
    { "acquire of a lock", wait_lock },
    { "acquire of an rlock", wait_rlock },
    { "acquire of a semaphore", wait_semaphore },
    { "wait for a condition", wait_condition },
    { "wait for an event", wait_event },
    { "wait for a barrier", wait_barrier },
    { "get", NULL },
    { "join", NULL },
    { "acquire", NULL },
    { "event", NULL },
    { "calls", call_and_call }, /* the last one */
};

enum { CLIENTS = sizeof clients / sizeof *clients };

struct order {
    const struct setting *setting;
    const struct client *client;
};

static int work(void *argument)
{
    const struct order *order = argument;
    kith_arena *arena;
    if (!order->client->work)
        work_in_python(python, script, order->client->what, 0, ledger_fd);
    must(kith_arena_new(&arena), "arena");
    int code = order->client->work(work_connect(order->setting), arena);
    if (code != KITH_ECLOSED)
        fprintf(stderr, "%s gave %s: %s\n", order->client->what, kith_strerror(code), kith_error_detail());
    _exit(code == KITH_ECLOSED ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* ---- their server is killed ---- */

static kith_process *start(const struct setting *setting, const struct client *client)
{
    kith_process *process;
    must(kith_process_start(&process, work, &(struct order){ setting, client },
                            &(kith_process_options){ .death_signal = SIGKILL }),
         "start");
    return process;
}

static bool eventually(const _Atomic uint32_t *number, uint32_t wanted)
{
    for (int i = 0; i < PATIENCE * 1000 && atomic_load(number) < wanted; i++)
        pause_for(1000000);
    return atomic_load(number) >= wanted;
}

/** Has what those who acquire wait for, until the process ends; and there is something to join. */
static kith_manager *take_all(const struct setting *setting, kith_arena *arena)
{
    kith_manager *manager = work_connect(setting);
    must(kith_proxy_put(work_find(manager, "again"), kith_value_none(arena), KITH_FOREVER), "put");
    must(kith_proxy_acquire(work_find(manager, "the_lock"), KITH_FOREVER), "acquire");
    must(kith_proxy_acquire(work_find(manager, "the_rlock"), KITH_FOREVER), "acquire");
    for (int i = 0; i < UNITS; i++)
        must(kith_proxy_acquire(work_find(manager, "the_semaphore"), KITH_FOREVER), "acquire");
    return manager;
}

/** The one who has the locks is a client, too; it finds out by its next call. */
static int hold_all(void *argument)
{
    kith_arena *arena;
    must(kith_arena_new(&arena), "arena");
    kith_manager *manager = take_all(argument, arena);
    atomic_store(&ledger->supply, 1);
    return call_and_call(manager, arena) != KITH_ECLOSED;
}

static kith_process *start_holder(const struct setting *setting)
{
    kith_process *holder;
    must(kith_process_start(&holder, hold_all, (void *)setting, &(kith_process_options){ .death_signal = SIGKILL }),
         "start");
    return holder;
}

static bool ends_well(kith_process *process, const char *what)
{
    int code = -1;
    bool good = kith_process_join(process, KITH_SECONDS(PATIENCE)) == 0 &&
                kith_process_exit_code(process, &code) == 0 && code == 0;
    if (!good)
        printf("# %s: %s\n", what, code < 0 ? "hangs" : "was not told");
    kill_and_close(process);
    return good;
}

static bool server_dies(const struct setting *setting)
{
    kith_process *processes[CLIENTS] = { NULL };
    uint32_t waiting = 0;
    ledger_fd = ledger_new();
    kith_process *server = server_start(setting), *holder = start_holder(setting);
    bool good = eventually(&ledger->supply, 1);
    for (int i = 0; i < CLIENTS; i++) {
        if (!clients[i].work && !setting->python)
            continue;
        processes[i] = start(setting, &clients[i]);
        waiting += i < CLIENTS - 1;
    }
    if (!eventually(&ledger->waiting, waiting)) {
        printf("# %u of %u calls wait\n", atomic_load(&ledger->waiting), waiting);
        good = false;
    }
    kill_and_close(server);
    for (int i = 0; i < CLIENTS; i++) {
        if (processes[i])
            good = ends_well(processes[i], clients[i].what) && good;
    }
    good = ends_well(holder, "who had the locks") && good;
    ledger_free(ledger_fd);
    return good;
}

/* ---- and another one begins ---- */

/** Puts something into all that is kept. @param list  receives a nested list, as a value */
static void fill(kith_manager *manager, kith_arena *arena, kith_value **list)
{
    kith_proxy *dict = work_find(manager, "the_dict"), *queue = work_find(manager, "plain"), *nested;
    must(kith_manager_create(manager, &nested, "list", KITH_NO_ARGS, NULL), "list");
    must(kith_proxy_append(nested, kith_value_str(arena, "kept")), "append");
    *list = kith_proxy_value(nested, arena);
    must(kith_proxy_set_item(dict, kith_value_str(arena, "list"), *list), "set_item");
    for (int i = 0; i < MESSAGES_KEPT; i++)
        must(kith_proxy_put(queue, kith_value_int(arena, i), KITH_FOREVER), "put");
    kith_proxy_free(nested);
    kith_proxy_free(queue);
    kith_proxy_free(dict);
}

static bool is_there(kith_manager *manager, kith_arena *arena, const kith_value *list)
{
    kith_proxy *queue = work_find(manager, "plain"), *nested;
    kith_value *value;
    const char *text = "";
    int64_t number = -1;
    must(kith_proxy_from_value(manager, &nested, list), "the list that was in the dict, by its old id");
    must(kith_proxy_at(nested, 0, arena, &value), "at");
    bool good = kith_value_as_str(value, &text, NULL) == 0 && strcmp(text, "kept") == 0;
    for (int i = 0; i < MESSAGES_KEPT; i++) {
        must(kith_proxy_get(queue, arena, &value, KITH_NOWAIT), "get");
        good = kith_value_as_int(value, &number) == 0 && number == i && good;
    }
    good = kith_proxy_empty(queue) == 1 && good;
    kith_proxy_free(nested);
    kith_proxy_free(queue);
    return good;
}

/** A snapshot that is told of may have begun before the last change; the one after it has all. */
static bool is_written(kith_manager *manager, kith_arena *arena)
{
    kith_proxy *list = work_find(manager, "the_list");
    bool good = true;
    for (int i = 0; i < 2; i++) {
        uint64_t before = atomic_load(&ledger->snapshots);
        must(kith_proxy_append(list, kith_value_int(arena, i)), "append"); /* nothing is written when nothing changes */
        for (int j = 0; j < PATIENCE * 1000 && atomic_load(&ledger->snapshots) == before; j++)
            pause_for(1000000);
        good = good && atomic_load(&ledger->snapshots) > before;
    }
    kith_proxy_free(list);
    return good;
}

static bool server_comes_back(const struct setting *setting)
{
    kith_arena *arena;
    kith_value *list;
    ledger_fd = ledger_new();
    must(kith_arena_new(&arena), "arena");
    kith_process *server = server_start(setting);
    kith_manager *manager = work_connect(setting);
    fill(manager, arena, &list);
    bool good = is_written(manager, arena);
    kill_and_close(server);
    kith_manager_free(manager);
    server = server_start(setting);
    manager = work_connect(setting);
    good = is_there(manager, arena, list) && good;
    kith_manager_free(manager);
    kith_arena_free(arena);
    kill_and_close(server);
    ledger_free(ledger_fd);
    unlink(setting->snapshot);
    char lock[80];
    snprintf(lock, sizeof lock, "%s.lock", setting->snapshot);
    unlink(lock);
    return good;
}

int main(int count, char **arguments)
{
    char address[60], file[60], what[100];
    script = count > 2 ? arguments[1] : "";
    python = count > 2 ? work_find_python(arguments[2]) : NULL;
    snprintf(address, sizeof address, "unix:@kith-manager-deaths-%d", (int)getpid());
    snprintf(file, sizeof file, "/tmp/kith-manager-deaths-%d", (int)getpid());
    const struct setting settings[] = {
        { "shared memory", address, .python = python },         { "sockets", address, .sockets = 1, .python = python },
        { "TCP", "tcp:127.0.0.1:0", .python = python },         { "shared memory", address, .snapshot = file },
        { "sockets", address, .sockets = 1, .snapshot = file },
    };
    enum { SETTINGS = sizeof settings / sizeof *settings };
    int failed = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("1..%d\n", SETTINGS);
    for (int i = 0; i < SETTINGS; i++) {
        bool comes_back = settings[i].snapshot;
        bool good = comes_back ? server_comes_back(&settings[i]) : server_dies(&settings[i]);
        snprintf(what, sizeof what, "%s, %s",
                 comes_back ? "a new server has what the dead one had" : "clients are told that the server was killed",
                 settings[i].name);
        failed += verdict(i + 1, good, what);
    }
    return failed > 0;
}
