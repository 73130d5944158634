/* Kill torture of a manager's clients: programs in C and in stock Python that use its queues, locks, semaphores,
 * condition, dict and lists in lists are killed by SIGKILL at random instants and replaced. At the end
 *   - every message whose put returned was got once, or was on its way to a client that was killed before it could mark
 *     it; of the queue that redelivers, every one was got, and join returns;
 *   - no more than may be have ever had a lock, or units of a semaphore;
 *   - every lock can be acquired, semaphores have their units, and no more;
 *   - no object is left but what is published;
 *   - nobody hung, in any role, and nobody died but those who were killed.
 * What clients do, and note, is in manager_work.h.
 *
 * usage: manager_kills SCRIPT PYTHON [KILLS [SEED]]   SCRIPT is manager_work.py; where PYTHON does not run, all clients
 * are in C. KILLS a setting; the seed is printed, and replays the choices (who, when), as far as the scheduler lets it.
 * Output is TAP. */
#include "manager_work.h"

#include "killing.h"

#include <signal.h>
#include <string.h>

enum { PATIENCE = 30, WARM_UP = 5, LENT_FOR = 60, LONG = 200 };

static const char *script, *python;
static int ledger_fd;
static bool is_long;
static unsigned slots;     /* so many of the first ones are used */
static uint32_t allowance; /* what a putter may put between two kills */

/* What became of a setting. */
struct tally {
    uint32_t kills, doubt[QUEUES], kills_of_getters[QUEUES];
    const char *wrong; /* the first thing that was */
};

static struct tally tally;

static void expect(bool truth, const char *what)
{
    if (!truth && !tally.wrong)
        tally.wrong = what;
}

/* ---- clients ---- */

struct order {
    const struct setting *setting;
    unsigned slot;
};

static bool is_tcp(const struct setting *setting)
{
    return strncmp(setting->address, "tcp:", 4) == 0;
}

/** Whether there is no shared memory. */
static bool is_remote(const struct setting *setting)
{
    return setting->sockets || is_tcp(setting);
}

/** What stock Python refers to over TCP is nobody's, and is not given back when it is killed. */
static bool refers_to_nobody(const struct setting *setting)
{
    return setting->python && is_tcp(setting);
}

static bool is_python(const struct setting *setting, unsigned slot)
{
    return setting->python && slot % 2 == 1 && !(work_role(slot) == OBJECTS && refers_to_nobody(setting));
}

static int work(void *argument)
{
    const struct order *order = argument;
    char role[12];
    if (!is_python(order->setting, order->slot))
        return work_in_c(order->setting, order->slot);
    snprintf(role, sizeof role, "%d", (int)work_role(order->slot));
    work_in_python(python, script, role, order->slot, ledger_fd);
}

static kith_process *start(const struct setting *setting, unsigned slot)
{
    kith_process *process;
    atomic_fetch_add(&ledger->life[slot], 1);
    must(kith_process_start(&process, work, &(struct order){ setting, slot },
                            &(kith_process_options){ .death_signal = SIGKILL }),
         "start");
    return process;
}

/** Settles what a dead client has left in the ledger. */
static void settle(unsigned slot)
{
    int queue = work_role(slot) == GET_PLAIN ? PLAIN : AGAIN;
    tally.doubt[queue] += atomic_exchange(&ledger->getting[slot], 0);
    for (int guard = 0; guard < GUARDS; guard++)
        atomic_store(&ledger->stamps[guard][slot], 0);
}

static void kill_client(kith_process *process, unsigned slot)
{
    expect(kith_process_is_alive(process), "a client ended by itself");
    atomic_store(&ledger->doomed[slot][atomic_load(&ledger->life[slot])], 1);
    kill_and_close(process);
    tally.kills++;
    tally.kills_of_getters[PLAIN] += work_role(slot) == GET_PLAIN;
    tally.kills_of_getters[AGAIN] += work_role(slot) == GET_AGAIN;
    settle(slot);
}

/** Lets putters go on for a while, and their getters. */
static void allow_more(void)
{
    atomic_fetch_add(&ledger->allowed, allowance);
}

static bool all_get_on(void)
{
    for (unsigned slot = 0; slot < slots; slot++) {
        allow_more();
        if (!gets_on(&ledger->progress[slot], PATIENCE)) {
            printf("# nobody gets on in slot %u, role %d, life %u\n", slot, (int)work_role(slot),
                   atomic_load(&ledger->life[slot]));
            return false;
        }
    }
    return true;
}

/** How long a client may go on, in nanoseconds: Python is slower; and it takes some hundred calls until a client uses a
 *  queue in shared memory. */
static uint64_t longest_pause(const struct setting *setting, unsigned slot)
{
    return setting->only_queues ? 10000000 : is_python(setting, slot) ? 3000000 : 300000;
}

/** Whether calls go the ways that the setting is about. Shared memory is for clients that call quickly. */
static bool goes_its_ways(const struct setting *setting)
{
    if (is_remote(setting))
        return atomic_load(&ledger->page_calls) == 0 && atomic_load(&ledger->queues) == 0;
    return atomic_load(&ledger->page_calls) > 0 && (!setting->only_queues || atomic_load(&ledger->queues) > 0);
}

/** On a machine that is busy with other things nobody calls quickly; then sockets are killed at, and it is told. */
static void warm_up(const struct setting *setting)
{
    for (int i = 0; i < WARM_UP * 1000 && !goes_its_ways(setting); i++)
        pause_for(1000000);
    if (!goes_its_ways(setting))
        printf("# no shared memory: %llu calls by pages, %u queues\n", (unsigned long long)ledger->page_calls,
               atomic_load(&ledger->queues));
    expect(goes_its_ways(setting) || (!is_long && !is_remote(setting)), "calls do not go the ways that they should");
}

/** Those that have begun meet live traffic: of its role, some get on. */
static bool kill_some(const struct setting *setting, kith_process *clients[], int kills, uint64_t *random)
{
    for (int i = 0; i < kills && !tally.wrong; i++) {
        unsigned slot = (unsigned)random_below(random, slots);
        allow_more();
        if (!gets_on(&ledger->progress[slot], PATIENCE))
            return all_get_on();
        pause_for(random_below(random, longest_pause(setting, slot)));
        kill_client(clients[slot], slot);
        clients[slot] = start(setting, slot);
    }
    return all_get_on();
}

/* ---- the end ---- */

static void join_all(kith_process *clients[], bool getters)
{
    for (unsigned slot = 0; slot < slots; slot++) {
        bool is_getter = work_role(slot) == GET_PLAIN || work_role(slot) == GET_AGAIN;
        int code = 0;
        if (is_getter != getters)
            continue;
        expect(kith_process_join(clients[slot], KITH_SECONDS(PATIENCE)) == 0, "a client hangs at the end");
        if (kith_process_exit_code(clients[slot], &code) < 0 || code != 0)
            expect(false, "a client failed");
    }
}

/** A getter takes up to BATCH of these: there are enough for both. */
static void tell_to_end(kith_proxy *queue, kith_arena *arena)
{
    for (int i = 0; i < 2 * BATCH; i++)
        must(kith_proxy_put(queue, kith_value_int(arena, -1), KITH_SECONDS(PATIENCE)), "put");
}

static void drain(kith_proxy *queue, kith_arena *arena)
{
    kith_value *message;
    int code;
    while ((code = kith_proxy_get(queue, arena, &message, KITH_NOWAIT)) == 0) {
        work_mark(SLOTS, message);
        must(kith_proxy_task_done(queue), "task_done");
        kith_arena_reset(arena);
    }
    must(code == KITH_EEMPTY ? 0 : code, "get");
    must(kith_proxy_flush(queue), "flush");
}

static void end_clients(kith_process *clients[], kith_proxy *queues[], kith_arena *arena)
{
    atomic_store(&ledger->stop, 1);
    join_all(clients, false);
    for (int i = 0; i < QUEUES; i++)
        tell_to_end(queues[i], arena);
    join_all(clients, true);
    for (int i = 0; i < QUEUES; i++)
        drain(queues[i], arena);
    expect(kith_proxy_join(queues[AGAIN], KITH_SECONDS(PATIENCE)) == 0, "join does not return");
}

/** What others have in the ledger is not even looked at: it would become memory. */
static bool may_get(unsigned by)
{
    return by == SLOTS || work_role(by) == GET_PLAIN || work_role(by) == GET_AGAIN;
}

static void judge_messages(void)
{
    uint32_t lost[QUEUES] = { 0 }, twice[QUEUES] = { 0 }, put[QUEUES] = { 0 };
    for (unsigned putter = 0; putter < PUTTERS; putter++) {
        unsigned queue = work_queue_of(putter);
        for (uint32_t number = 0; number < atomic_load(&ledger->begun[putter]); number++) {
            unsigned times = 0;
            for (unsigned by = 0; by <= SLOTS; by++)
                times += may_get(by) ? ledger->handled[by][putter][number] : 0;
            put[queue] += ledger->confirmed[putter][number];
            lost[queue] += ledger->confirmed[putter][number] && times == 0;
            twice[queue] += times > 1 ? times - 1 : 0;
        }
    }
    printf("# plain: %u put, %u not got, %u of which it can't be known, %u got twice\n", put[PLAIN], lost[PLAIN],
           tally.doubt[PLAIN], twice[PLAIN]);
    printf("# redelivering: %u put, %u not got, %u got again, %u getters killed\n", put[AGAIN], lost[AGAIN],
           twice[AGAIN], tally.kills_of_getters[AGAIN]);
    expect(lost[PLAIN] <= tally.doubt[PLAIN], "messages are lost");
    expect(twice[PLAIN] == 0, "messages came twice");
    expect(lost[AGAIN] == 0, "messages are lost that should have come again");
    expect(twice[AGAIN] <= tally.kills_of_getters[AGAIN] * 2 * BATCH, "messages came again without a reason");
}

/** All of its units are there, and no more. */
static void judge_lock(kith_manager *manager, const char *name, int units)
{
    kith_proxy *lock = work_find(manager, name);
    for (int i = 0; i < units; i++)
        expect(kith_proxy_acquire(lock, KITH_SECONDS(PATIENCE)) == 0, "a lock, or a unit, has not come back");
    if (strcmp(name, "the_rlock") != 0 && strcmp(name, "the_condition") != 0)
        expect(kith_proxy_acquire(lock, KITH_NOWAIT) == -ETIMEDOUT, "there are more units than before");
    for (int i = 0; i < units; i++)
        expect(kith_proxy_release(lock) == 0, "release fails");
    if (strcmp(name, "the_bounded") == 0)
        expect(kith_proxy_release(lock) == -EINVAL, "a bounded semaphore has not all of its units");
    kith_proxy_free(lock);
}

static void judge_locks(kith_manager *manager)
{
    judge_lock(manager, "the_lock", 1);
    judge_lock(manager, "the_rlock", 1);
    judge_lock(manager, "the_semaphore", UNITS);
    judge_lock(manager, "the_bounded", UNITS);
    judge_lock(manager, "the_condition", 1);
}

/** Waits until a number is as it was. */
static bool comes_back(int (*count)(kith_manager *manager), kith_manager *manager, int before, int seconds)
{
    int now = count(manager);
    for (int i = 0; i < seconds * 100 && now != before; i++) {
        pause_for(10000000);
        now = count(manager);
    }
    must(now, "a count");
    if (now != before)
        printf("# %d of what were %d\n", now, before);
    return now == before;
}

static int count_claimed(kith_manager *manager)
{
    return kith_manager_number_of_objects(manager);
}

static int count_objects(kith_manager *manager)
{
    (void)manager;
    return (int)atomic_load(&ledger->objects);
}

/** When what is in the dict is given up, nothing may be left. The server keeps what it has handed out for a minute:
 *  only the long form waits for that. */
static void judge_objects(kith_manager *manager, const struct setting *setting, int objects)
{
    kith_proxy *dict = work_find(manager, "the_dict");
    must(kith_proxy_clear(dict), "clear");
    kith_proxy_free(dict);
    if (!refers_to_nobody(setting))
        expect(comes_back(count_claimed, manager, 0, PATIENCE), "references are left");
    if (is_long)
        expect(comes_back(count_objects, manager, objects, LENT_FOR + PATIENCE), "objects are left");
}

/* ---- a setting ---- */

static void judge(const struct setting *setting, kith_process *clients[], int objects)
{
    kith_manager *manager = work_connect(setting);
    kith_proxy *queues[QUEUES] = { work_find(manager, "plain"), work_find(manager, "again") };
    kith_arena *arena;
    must(kith_arena_new(&arena), "arena");
    end_clients(clients, queues, arena);
    judge_messages();
    judge_locks(manager);
    for (int i = 0; i < QUEUES; i++)
        kith_proxy_free(queues[i]);
    judge_objects(manager, setting, objects);
    kith_manager_free(manager);
    kith_arena_free(arena);
}

static bool torture(const struct setting *setting, int kills, uint64_t *random)
{
    tally = (struct tally){ 0 };
    slots = setting->only_queues ? WORK_QUEUE_SLOTS : SLOTS;
    allowance = MESSAGES / (uint32_t)(kills + 2 * SLOTS + 2);
    ledger_fd = ledger_new();
    kith_process *server = server_start(setting), *clients[SLOTS];
    int objects = count_objects(NULL);
    for (unsigned slot = 0; slot < slots; slot++)
        clients[slot] = start(setting, slot);
    allow_more();
    warm_up(setting);
    expect(kill_some(setting, clients, kills, random), "somebody hangs");
    if (!tally.wrong)
        judge(setting, clients, objects);
    expect(kith_process_is_alive(server), "the server has ended");
    printf("# %u kills; the server gave back %llu\n", tally.kills, (unsigned long long)ledger->given_back);
    if (tally.wrong)
        printf("# %s\n", tally.wrong);
    for (unsigned slot = 0; slot < slots; slot++)
        kill_and_close(clients[slot]);
    kill_and_close(server);
    ledger_free(ledger_fd);
    return !tally.wrong;
}

int main(int count, char **arguments)
{
    char address[60];
    int kills = (int)number_of(count, arguments, 3, 40), failed = 0;
    uint64_t seed = number_of(count, arguments, 4, (uint64_t)time(NULL));
    is_long = kills >= LONG;
    script = count > 2 ? arguments[1] : "";
    python = count > 2 ? work_find_python(arguments[2]) : NULL;
    snprintf(address, sizeof address, "unix:@kith-manager-kills-%d", (int)getpid());
    const struct setting settings[] = {
        { "queues in shared memory", address, .only_queues = true },
        { "shared memory", address, .python = false },
        { "shared memory, and stock Python", address, .python = python },
        { "sockets, and stock Python", address, .sockets = 1, .python = python },
        { "TCP, and stock Python", "tcp:127.0.0.1:0", .python = python },
    };
    enum { SETTINGS = sizeof settings / sizeof *settings };
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("1..%d\n# seed %llu%s\n", SETTINGS, (unsigned long long)seed, python ? "" : ", without Python");
    for (int i = 0; i < SETTINGS; i++) {
        uint64_t random = seed + (uint64_t)i;
        char what[100];
        bool good = torture(&settings[i], kills, &random);
        snprintf(what, sizeof what, "%d kills of clients, %s", kills, settings[i].name);
        failed += verdict(i + 1, good, what);
    }
    return failed > 0;
}
