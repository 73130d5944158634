/* See manager_work.h. */
#include "manager_work.h"

#include "killing.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

struct ledger *ledger;

static const char key[] = "torture";

enum { SENTINEL = -1, PATIENCE = 30 };

/* ---- the ledger ---- */

int ledger_new(void)
{
    int fd = memfd_create("ledger", 0); /* a program after exec has it, too */
    if (fd < 0 || ftruncate(fd, sizeof *ledger) < 0)
        must(-errno, "the ledger");
    ledger = mmap(NULL, sizeof *ledger, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (ledger == MAP_FAILED)
        must(-ENOMEM, "mmap");
    return fd;
}

void ledger_free(int fd)
{
    munmap(ledger, sizeof *ledger);
    close(fd);
}

/* ---- the server ---- */

/** Writes down what the server has. */
static void note(const kith_server *server)
{
    kith_server_stats stats;
    must(kith_server_get_stats(server, &stats), "stats");
    atomic_store(&ledger->waiting, stats.waiting);
    atomic_store(&ledger->objects, stats.objects);
    atomic_store(&ledger->snapshots, stats.snapshots);
    atomic_store(&ledger->given_back, stats.given_back);
    atomic_store(&ledger->page_calls, stats.page_calls);
    if (stats.shared_queues > atomic_load(&ledger->queues))
        atomic_store(&ledger->queues, stats.shared_queues);
}

static void *observe(void *argument)
{
    for (;;) {
        note(argument);
        pause_for(1000000);
    }
    return NULL;
}

static void publish_all(kith_server *server)
{
    static const struct {
        const char *name, *type, *args, *kwargs;
    } objects[] = {
        { "plain", "JoinableQueue", "(i)", NULL },
        { "again", "JoinableQueue", "(i)", "{s:b}" },
        { "the_lock", "Lock", "()", NULL },
        { "the_rlock", "RLock", "()", NULL },
        { "the_semaphore", "Semaphore", "(i)", NULL },
        { "the_bounded", "BoundedSemaphore", "(i)", NULL },
        { "the_condition", "Condition", "()", NULL },
        { "the_event", "Event", "()", NULL },
        { "the_barrier", "Barrier", "(i)", NULL },
        { "the_dict", "dict", "()", NULL },
        { "the_list", "list", "()", NULL },
    };
    kith_arena *arena;
    must(kith_arena_new(&arena), "arena");
    for (size_t i = 0; i < sizeof objects / sizeof *objects; i++) {
        int number = strcmp(objects[i].type, "JoinableQueue") == 0 ? 20 : UNITS;
        const kith_value *args = kith_value_pack(arena, objects[i].args, number);
        const kith_value *kwargs = objects[i].kwargs ? kith_value_pack(arena, objects[i].kwargs, "redeliver", 1) : NULL;
        must(kith_server_publish(server, objects[i].name, objects[i].type, args, kwargs, NULL), objects[i].name);
    }
    kith_arena_free(arena);
}

static int serve(void *argument)
{
    const struct setting *setting = argument;
    kith_server_options options = { .listener = { .authkey = key, .authkey_size = sizeof key - 1 },
                                    .no_shared_memory = setting->sockets,
                                    .snapshot = setting->snapshot,
                                    .snapshot_interval = KITH_MS(20) };
    kith_server *server;
    pthread_t observer;
    must(kith_server_new(&server, setting->address, &options), "server");
    publish_all(server);
    snprintf(ledger->address, sizeof ledger->address, "%s", kith_server_address(server));
    must(-pthread_create(&observer, NULL, observe, server), "thread");
    note(server);
    atomic_store(&ledger->ready, 1);
    must(kith_server_run(server), "run");
    return 0;
}

kith_process *server_start(const struct setting *setting)
{
    kith_process *process;
    atomic_store(&ledger->ready, 0);
    must(kith_process_start(&process, serve, (void *)setting, &(kith_process_options){ .death_signal = SIGKILL }),
         "start");
    while (!atomic_load(&ledger->ready) && kith_process_is_alive(process))
        pause_for(1000000);
    return process;
}

/* ---- clients ---- */

kith_manager *work_connect(const struct setting *setting)
{
    kith_manager *manager;
    kith_manager_options options = {
        .authkey = key, .authkey_size = sizeof key - 1, .retry = 1, .no_shared_memory = setting->sockets
    };
    must(kith_manager_connect(&manager, ledger->address, &options, KITH_SECONDS(PATIENCE)), "connect");
    return manager;
}

kith_proxy *work_find(kith_manager *manager, const char *name)
{
    kith_proxy *proxy;
    must(kith_manager_create(manager, &proxy, name, KITH_NO_ARGS, NULL), name);
    return proxy;
}

struct client {
    kith_manager *manager;
    kith_arena *arena;
    unsigned slot;
    uint32_t life, turns;
};

static bool goes_on(struct client *client)
{
    kith_arena_reset(client->arena);
    client->turns++;
    atomic_fetch_add(&ledger->progress[client->slot], 1);
    return !atomic_load(&ledger->stop);
}

static _Noreturn void wrong(const char *what)
{
    fprintf(stderr, "a client finds: %s\n", what);
    _exit(1);
}

/* ---- queues ---- */

unsigned work_queue_of(unsigned putter)
{
    return putter < PUTTERS / 2 ? PLAIN : AGAIN;
}

static void put_some(struct client *client, kith_proxy *queue, unsigned putter)
{
    uint32_t number = atomic_load(&ledger->begun[putter]);
    uint32_t count = client->turns % 3 == 0 ? BATCH : 1;
    kith_value *items = kith_value_list(client->arena);
    atomic_store(&ledger->begun[putter], number + count);
    for (uint32_t i = 0; i < count; i++)
        must(kith_value_append(items, kith_value_int(client->arena, (int64_t)putter << 24 | (number + i))), "append");
    if (count == 1) {
        must(kith_proxy_put(queue, kith_value_at(items, 0), KITH_FOREVER), "put");
    } else {
        int put = kith_proxy_put_many(queue, items, KITH_FOREVER);
        must(put, "put_many");
        count = (uint32_t)put;
    }
    for (uint32_t i = 0; i < count; i++)
        atomic_store(&ledger->confirmed[putter][number + i], 1);
}

static void put_until_stop(struct client *client)
{
    unsigned putter = work_putter(client->slot);
    kith_proxy *queue = work_find(client->manager, work_queue_of(putter) == PLAIN ? "plain" : "again");
    while (goes_on(client)) {
        if (atomic_load(&ledger->begun[putter]) + BATCH < atomic_load(&ledger->allowed))
            put_some(client, queue, putter);
        else
            pause_for(100000);
    }
    kith_proxy_free(queue);
}

bool work_mark(unsigned by, const kith_value *message)
{
    int64_t what;
    must(kith_value_as_int(message, &what), "a message");
    if (what == SENTINEL)
        return false;
    uint64_t putter = (uint64_t)what >> 24, number = (uint64_t)what & 0xffffff;
    if (putter >= PUTTERS || number >= MESSAGES)
        wrong("a message that nobody has put");
    atomic_fetch_add(&ledger->handled[by][putter][number], 1);
    return true;
}

/** @return false when it was told to end */
static bool get_some(struct client *client, kith_proxy *queue)
{
    uint32_t most = client->turns % 3 == 0 ? BATCH : 1;
    kith_value *values = kith_value_list(client->arena), *one;
    atomic_store(&ledger->getting[client->slot], most);
    if (most == 1) {
        must(kith_proxy_get(queue, client->arena, &one, KITH_FOREVER), "get");
        must(kith_value_append(values, one), "append");
    } else {
        must(kith_proxy_get_many(queue, client->arena, &values, most, KITH_FOREVER), "get_many");
    }
    bool go_on = true;
    for (size_t i = 0; i < kith_value_length(values); i++)
        go_on = work_mark(client->slot, kith_value_at(values, i)) && go_on;
    atomic_store(&ledger->getting[client->slot], 0);
    for (size_t i = 0; i < kith_value_length(values); i++)
        must(kith_proxy_task_done(queue), "task_done");
    return go_on;
}

static void get_until_told(struct client *client)
{
    kith_proxy *queue = work_find(client->manager, work_role(client->slot) == GET_PLAIN ? "plain" : "again");
    do
        goes_on(client);
    while (get_some(client, queue));
    must(kith_proxy_flush(queue), "flush");
    kith_proxy_free(queue);
}

/* ---- locks ---- */

static unsigned count_inside(const uint64_t *stamps)
{
    unsigned count = 0;
    for (unsigned slot = 0; slot < SLOTS; slot++)
        count += stamps[slot] && !atomic_load(&ledger->doomed[slot][stamps[slot] >> 32]);
    return count;
}

static void look(enum guard guard, uint64_t *stamps)
{
    for (unsigned slot = 0; slot < SLOTS; slot++)
        stamps[slot] = atomic_load(&ledger->stamps[guard][slot]);
}

/** Has the lock, or a unit. Seen twice, all stamps stood there at one instant. */
static void enter(struct client *client, enum guard guard)
{
    uint64_t before[SLOTS], after[SLOTS];
    atomic_store(&ledger->stamps[guard][client->slot], (uint64_t)client->life << 32 | client->turns);
    look(guard, before);
    look(guard, after);
    if (memcmp(before, after, sizeof before) == 0 &&
        count_inside(after) > (guard == SEMAPHORE || guard == BOUNDED ? UNITS : 1))
        wrong("more than may be have acquired it");
}

static void leave(struct client *client, enum guard guard)
{
    atomic_store(&ledger->stamps[guard][client->slot], 0);
}

static void use_locks(struct client *client)
{
    static const char *const names[] = { "the_lock", "the_rlock", "the_semaphore", "the_bounded" };
    kith_proxy *locks[4];
    for (int i = 0; i < 4; i++)
        locks[i] = work_find(client->manager, names[i]);
    while (goes_on(client)) {
        enum guard guard = client->turns % 4;
        int times = guard == RLOCK ? 2 : 1;
        for (int i = 0; i < times; i++)
            must(kith_proxy_acquire(locks[guard], KITH_FOREVER), "acquire");
        enter(client, guard);
        leave(client, guard);
        for (int i = 0; i < times; i++)
            must(kith_proxy_release(locks[guard]), "release");
    }
    for (int i = 0; i < 4; i++)
        kith_proxy_free(locks[i]);
}

/** Waits until there is a supply, but not long: who was notified may be killed then. Enters and leaves meanwhile. */
static void take_supply(struct client *client, kith_proxy *condition)
{
    for (int i = 0; i < 5 && atomic_load(&ledger->supply) == 0; i++) {
        leave(client, CONDITION_LOCK);
        int code = kith_proxy_wait(condition, KITH_MS(5));
        must(code == -ETIMEDOUT ? 0 : code, "wait");
        enter(client, CONDITION_LOCK);
    }
    if (atomic_load(&ledger->supply) > 0)
        atomic_fetch_sub(&ledger->supply, 1);
}

static void use_condition(struct client *client)
{
    kith_proxy *condition = work_find(client->manager, "the_condition");
    while (goes_on(client)) {
        must(kith_proxy_acquire(condition, KITH_FOREVER), "acquire");
        enter(client, CONDITION_LOCK);
        if (client->turns % 2 == 0) {
            take_supply(client, condition);
        } else {
            atomic_fetch_add(&ledger->supply, 1);
            must(kith_proxy_notify(condition, 1), "notify");
        }
        leave(client, CONDITION_LOCK);
        must(kith_proxy_release(condition), "release");
    }
    kith_proxy_free(condition);
}

/* ---- objects in objects ---- */

/** A list in a list in the dict; nobody has a proxy of either afterwards. */
static void make_nested(struct client *client, kith_proxy *dict, const kith_value *name)
{
    kith_proxy *outer, *inner;
    must(kith_manager_create(client->manager, &outer, "list", KITH_NO_ARGS, NULL), "list");
    must(kith_manager_create(client->manager, &inner, "list", KITH_NO_ARGS, NULL), "list");
    must(kith_proxy_append(outer, kith_proxy_value(inner, client->arena)), "append");
    must(kith_proxy_set_item(dict, name, kith_proxy_value(outer, client->arena)), "set_item");
    kith_proxy_free(inner);
    kith_proxy_free(outer);
}

static void use_nested(struct client *client, kith_proxy *dict, const kith_value *name)
{
    kith_value *value;
    kith_proxy *outer, *inner;
    must(kith_proxy_get_item(dict, name, client->arena, &value), "get_item");
    must(kith_proxy_from_value(client->manager, &outer, value), "the outer list");
    must(kith_proxy_at(outer, 0, client->arena, &value), "at");
    must(kith_proxy_from_value(client->manager, &inner, value), "the inner list");
    must(kith_proxy_append(inner, kith_value_int(client->arena, 1)), "append");
    if (kith_proxy_length(inner) != 1)
        wrong("a list that is only its own has other items");
    kith_proxy_free(inner);
    kith_proxy_free(outer);
}

static void use_objects(struct client *client)
{
    kith_proxy *dict = work_find(client->manager, "the_dict");
    while (goes_on(client)) {
        kith_value *name = kith_value_pack(client->arena, "(ii)", (int)client->slot, (int)client->life);
        make_nested(client, dict, name);
        use_nested(client, dict, name);
        if (client->turns % 2 == 0)
            must(kith_proxy_delete_item(dict, name), "delete_item");
    }
    kith_proxy_free(dict);
}

/* ---- who does what ---- */

static const unsigned char roles[SLOTS] = { PUT_PLAIN, PUT_PLAIN, PUT_AGAIN, PUT_AGAIN, GET_PLAIN, GET_PLAIN,
                                            GET_AGAIN, GET_AGAIN, LOCKS,     LOCKS,     LOCKS,     CONDITION,
                                            CONDITION, CONDITION, OBJECTS,   OBJECTS };

enum role work_role(unsigned slot)
{
    return roles[slot];
}

unsigned work_putter(unsigned slot)
{
    return slot;
}

int work_in_c(const struct setting *setting, unsigned slot)
{
    static void (*const works[ROLES])(struct client *) = {
        put_until_stop, get_until_told, put_until_stop, get_until_told, use_locks, use_condition, use_objects,
    };
    struct client client = { .slot = slot, .life = atomic_load(&ledger->life[slot]) };
    must(kith_arena_new(&client.arena), "arena");
    client.manager = work_connect(setting);
    works[roles[slot]](&client);
    kith_manager_free(client.manager);
    kith_arena_free(client.arena);
    return 0;
}

const char *work_find_python(const char *name)
{
    static char path[PATH_MAX];
    char command[PATH_MAX + 60];
    snprintf(command, sizeof command, "'%s' -c 'import sys; print(sys.executable)' 2>/dev/null", name);
    FILE *output = popen(command, "re");
    bool found = output && fgets(path, sizeof path, output);
    if (output && pclose(output) != 0)
        found = false;
    path[strcspn(path, "\n")] = '\0';
    return found ? path : NULL;
}

#define PLACE(member) #member, offsetof(struct ledger, member)

_Noreturn void work_in_python(const char *python, const char *script, const char *what, unsigned slot, int fd)
{
    static const struct {
        const char *name;
        size_t offset;
    } places[] = {
        { PLACE(stop) },   { PLACE(supply) }, { PLACE(life) },  { PLACE(progress) },  { PLACE(getting) },
        { PLACE(stamps) }, { PLACE(doomed) }, { PLACE(begun) }, { PLACE(confirmed) }, { PLACE(handled) },
    };
    char layout[600], slot_text[12], fd_text[12];
    size_t length = 0;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        length +=
            (size_t)snprintf(layout + length, sizeof layout - length, "%s=%zu ", places[i].name, places[i].offset);
    snprintf(layout + length, sizeof layout - length, "slots=%d lives=%d messages=%d putters=%d batch=%d units=%d",
             SLOTS, LIVES, MESSAGES, PUTTERS, BATCH, UNITS);
    snprintf(slot_text, sizeof slot_text, "%u", slot);
    snprintf(fd_text, sizeof fd_text, "%d", fd);
    execl(python, python, script, what, slot_text, ledger->address, fd_text, layout, (char *)NULL);
    fprintf(stderr, "%s: %s\n", python, strerror(errno));
    _exit(127);
}
