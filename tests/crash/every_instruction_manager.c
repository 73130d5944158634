/* Kill after every instruction of a manager's client that takes a short way: its puts, gets and task_done on a queue
 * that the server shares with it, while others wait at the server for what these bring about; and its calls by a page.
 *
 * The server is a child of this process; so is the client, the actor, which this process traces. Who waits is a thread
 * of this process, at a socket. After each kill,
 *   - nobody waits for what is there, once the server has seen the end of the dead one's line;
 *   - the call has happened, whole, or has not; if it had returned, it has;
 *   - all others go on.
 *
 * usage: every_instruction_manager [STRIDE [OFFSET]]   as rounds.h says. Output is TAP. */
#include "killing.h"
#include "random.h"
#include "stepper.h"

#include <kith/kith.h>
#include <pthread.h>

enum { BUDGET = 600000000, FAILURES_MAX = 3, WARM_CALLS = 200, HELP = 1000000, OLD = 1, NEW = 2 };

/** What the server tells of itself. */
static struct board {
    _Atomic unsigned clients, waiting;
    _Atomic uint64_t calls, looks;
} * board;

static const char key[] = "torture";
static char address[60];

/* ---- the server ---- */

static void *observe(void *server)
{
    kith_server_stats stats;
    for (;;) {
        must(kith_server_get_stats(server, &stats), "stats");
        atomic_store(&board->calls, stats.calls);
        atomic_store(&board->waiting, stats.waiting);
        atomic_store(&board->clients, stats.clients);
        atomic_fetch_add(&board->looks, 1);
        pause_for(100000);
    }
    return NULL;
}

static _Noreturn void serve(void)
{
    kith_server *server;
    kith_arena *arena;
    pthread_t thread;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    must(kith_arena_new(&arena), "arena");
    must(kith_server_new(&server, address,
                         &(kith_server_options){ .listener = { .authkey = key, .authkey_size = strlen(key) } }),
         "server_new");
    must(kith_server_publish(server, "queue", "JoinableQueue", KITH_NO_ARGS, NULL, NULL), "publish");
    must(kith_server_publish(server, "bounded", "JoinableQueue", kith_value_pack(arena, "(i)", 1), NULL, NULL),
         "publish");
    must(kith_server_publish(server, "again", "JoinableQueue", KITH_NO_ARGS,
                             kith_value_pack(arena, "{s:b}", "redeliver", 1), NULL),
         "publish");
    must(kith_server_publish(server, "dict", "dict", KITH_NO_ARGS, NULL, NULL), "publish");
    must(-pthread_create(&thread, NULL, observe, server), "thread");
    must(kith_server_run(server), "server_run");
    exit(0);
}

/* ---- clients ---- */

struct client {
    kith_manager *manager;
    kith_proxy *queue, *bounded, *again, *dict;
    kith_arena *arena;
};

static struct client actor; /* in the actor's process */
static struct client judge; /* in this one: by sockets alone */

static void connect_client(struct client *client, bool far)
{
    const kith_manager_options options = {
        .authkey = key, .authkey_size = strlen(key), .no_shared_memory = far, .retry = 1
    };
    must(kith_arena_new(&client->arena), "arena");
    must(kith_manager_connect(&client->manager, address, &options, KITH_SECONDS(30)), "connect");
    must(kith_manager_create(client->manager, &client->queue, "queue", KITH_NO_ARGS, NULL), "queue");
    must(kith_manager_create(client->manager, &client->bounded, "bounded", KITH_NO_ARGS, NULL), "bounded");
    must(kith_manager_create(client->manager, &client->again, "again", KITH_NO_ARGS, NULL), "again");
    must(kith_manager_create(client->manager, &client->dict, "dict", KITH_NO_ARGS, NULL), "dict");
}

static int put(struct client *client, kith_proxy *queue, int64_t number)
{
    return kith_proxy_put(queue, kith_value_int(client->arena, number), KITH_FOREVER);
}

/** @return the number; 0 when there is none; a code */
static int get(struct client *client, kith_proxy *queue)
{
    kith_value *value;
    int64_t number = 0;
    int code = kith_proxy_get(queue, client->arena, &value, KITH_NOWAIT);
    if (code == 0)
        code = kith_value_as_int(value, &number);
    return code == KITH_EEMPTY ? 0 : code < 0 ? code : (int)number;
}

static int set_number(struct client *client, int number)
{
    return kith_proxy_set_item(client->dict, kith_value_str(client->arena, "number"),
                               kith_value_int(client->arena, number));
}

static int get_number(struct client *client)
{
    kith_value *value;
    int64_t number = 0;
    must(kith_proxy_get_item(client->dict, kith_value_str(client->arena, "number"), client->arena, &value), "get_item");
    must(kith_value_as_int(value, &number), "as_int");
    return (int)number;
}

/* ---- the actor ---- */

/** Uses a queue until it is shared with this process. */
static int warm(kith_proxy *queue)
{
    for (int i = 0; i < WARM_CALLS; i++) {
        int code = put(&actor, queue, OLD);
        if (code < 0 || get(&actor, queue) != OLD || kith_proxy_task_done(queue) < 0)
            return code < 0 ? code : -EPROTO;
    }
    return 0;
}

static int ready_queue(struct call *call)
{
    (void)call;
    connect_client(&actor, false);
    return warm(actor.queue);
}

static int ready_bounded(struct call *call)
{
    (void)call;
    connect_client(&actor, false);
    int code = warm(actor.bounded);
    return code < 0 ? code : put(&actor, actor.bounded, OLD);
}

static int ready_got(struct call *call)
{
    int code = ready_queue(call);
    if (code == 0)
        code = put(&actor, actor.queue, OLD);
    return code < 0 ? code : get(&actor, actor.queue) == OLD ? 0 : -EPROTO;
}

static int ready_two(struct call *call)
{
    int code = ready_queue(call);
    if (code == 0)
        code = put(&actor, actor.queue, OLD);
    return code < 0 ? code : put(&actor, actor.queue, NEW);
}

/** Has a page: with more than one CPU. */
static int ready_page(struct call *call)
{
    cpu_set_t all;
    (void)call;
    memset(&all, 0xff, sizeof all);
    (void)sched_setaffinity(0, sizeof all, &all);
    connect_client(&actor, false);
    int code = 0;
    for (int i = 0; i < WARM_CALLS && code == 0; i++)
        code = set_number(&actor, OLD);
    return code < 0 ? code : put(&actor, actor.again, OLD);
}

static int act_put(struct call *call)
{
    (void)call;
    return put(&actor, actor.queue, NEW);
}

static int act_get(struct call *call)
{
    (void)call;
    return get(&actor, actor.queue);
}

static int act_get_bounded(struct call *call)
{
    (void)call;
    return get(&actor, actor.bounded);
}

static int act_done(struct call *call)
{
    (void)call;
    return kith_proxy_task_done(actor.queue);
}

static int act_set(struct call *call)
{
    (void)call;
    return set_number(&actor, NEW);
}

static int act_get_again(struct call *call)
{
    (void)call;
    return get(&actor, actor.again);
}

/* ---- who waits ---- */

static int got_by_waiter;

static void *wait_to_get(void *unused)
{
    kith_arena *arena;
    kith_value *value;
    int64_t number = 0;
    must(kith_arena_new(&arena), "arena");
    must(kith_proxy_get(judge.queue, arena, &value, KITH_FOREVER), "get");
    must(kith_value_as_int(value, &number), "as_int");
    got_by_waiter = (int)number;
    kith_arena_free(arena);
    return unused;
}

static void *wait_to_put(void *unused)
{
    kith_arena *arena;
    must(kith_arena_new(&arena), "arena");
    must(kith_proxy_put(judge.bounded, kith_value_int(arena, HELP), KITH_FOREVER), "put");
    kith_arena_free(arena);
    return unused;
}

static void *wait_to_join(void *unused)
{
    must(kith_proxy_join(judge.queue, KITH_FOREVER), "join");
    return unused;
}

static bool is_waiting(void)
{
    return atomic_load(&board->waiting) == 1;
}

static bool waits_no_more(void)
{
    return atomic_load(&board->waiting) == 0;
}

static unsigned clients_awaited;
static uint64_t looks_before;

/** Looked at twice: what the board tells is not of one instant. */
static bool clients_are_right(void)
{
    uint64_t looks = atomic_load(&board->looks);
    if (atomic_load(&board->clients) != clients_awaited + atomic_load(&board->waiting))
        looks_before = looks;
    return looks > looks_before + 2;
}

/** Waits until the server has so many clients, but for one who waits. */
static void await_clients(unsigned count)
{
    clients_awaited = count;
    looks_before = atomic_load(&board->looks);
    expect(eventually(clients_are_right), "the server does not see who comes and goes");
}

/* ---- judging ---- */

/** Whether who waited still does, now that the server has seen the end of the dead one. */
static bool still_waits;

static void judge_put(bool over)
{
    (void)over;
    expect(get(&judge, judge.queue) <= NEW, "a message of nobody's is there");
}

static void judge_put_waited(bool over)
{
    expect(!over || !still_waits, "a message was put, and who waits for it is not woken");
    if (still_waits) {
        expect(kith_proxy_qsize(judge.queue) == 0, "a message is there, and who waits for it is not woken");
        must(put(&judge, judge.queue, HELP), "put");
    }
}

static void see_waiter_of_put(void)
{
    expect(got_by_waiter == (still_waits ? HELP : NEW), "who waited got something else");
    expect(get(&judge, judge.queue) == 0, "a message came twice");
}

static void judge_get(bool over)
{
    int left = get(&judge, judge.queue);
    expect(left == NEW || (left == OLD && !over), "the messages that are left are not right");
    expect(left == NEW || get(&judge, judge.queue) == NEW, "a message is lost");
    expect(get(&judge, judge.queue) == 0, "a message came twice");
}

static void judge_get_waited(bool over)
{
    expect(!over || !still_waits, "there is room, and who waits for it is not woken");
    if (still_waits)
        expect(get(&judge, judge.bounded) == OLD, "there is room, and who waits for it is not woken");
}

static void see_waiter_of_room(void)
{
    expect(get(&judge, judge.bounded) == HELP, "what who waited has put is lost");
    expect(get(&judge, judge.bounded) == 0, "a message came twice");
}

static void judge_done(bool over)
{
    expect(!over || !still_waits, "all is done, and who joins is not woken");
    if (still_waits) {
        must(kith_proxy_task_done(judge.queue), "task_done");
        expect(kith_proxy_flush(judge.queue) == 0, "all is done, and who joins is not woken");
    }
}

static void judge_set(bool over)
{
    int number = get_number(&judge);
    expect(number == NEW || (number == OLD && !over), "an item is neither the old one nor the new one");
    must(set_number(&judge, OLD), "set_item");
}

static void judge_again(bool over)
{
    (void)over;
    expect(get(&judge, judge.again) == OLD, "a message that was not done did not come back");
    must(kith_proxy_task_done(judge.again), "task_done");
    must(kith_proxy_flush(judge.again), "flush");
    expect(get(&judge, judge.again) == 0, "a message came twice");
}

static void drain(kith_proxy *queue)
{
    while (get(&judge, queue) > 0)
        continue;
    int code = 0;
    while (code == 0) {
        code = kith_proxy_task_done(queue);
        if (code == 0)
            code = kith_proxy_flush(queue);
    }
}

/* ---- rounds ---- */

struct scenario {
    const char *name;
    role *ready, *act;
    void *(*wait)(void *); /* NULL: nobody waits */
    void (*judge)(bool over);
    void (*see_waiter)(void); /* when it has come through */
    bool near;                /* the call is none of the server's */
};

static const struct scenario scenarios[] = {
    { "put", ready_queue, act_put, NULL, judge_put, NULL, true },
    { "put, a getter waits at the server", ready_queue, act_put, wait_to_get, judge_put_waited, see_waiter_of_put,
      true },
    { "get", ready_two, act_get, NULL, judge_get, NULL, true },
    { "get, a putter waits at the server", ready_bounded, act_get_bounded, wait_to_put, judge_get_waited,
      see_waiter_of_room, true },
    { "task_done, somebody joins at the server", ready_got, act_done, wait_to_join, judge_done, NULL, true },
    { "a call by a page", ready_page, act_set, NULL, judge_set, NULL, false },
    { "a get by a page, of a queue that redelivers", ready_page, act_get_again, NULL, judge_again, NULL, false },
};
enum { SCENARIOS = sizeof scenarios / sizeof *scenarios };

static const struct scenario *scenario;

/** The waiter's own calls, and those that tell the server of the change, are not counted. */
static void check_near(uint64_t before)
{
    await_clients(2);
    expect(!scenario->near || atomic_load(&board->calls) <= before, "the queue is not shared with the client");
}

/** One kill, after so many steps. */
static void play(long steps)
{
    pthread_t thread;
    round_begin();
    await_clients(1);
    actor_start(scenario->ready, scenario->act);
    await_clients(2);
    if (scenario->wait) {
        must(-pthread_create(&thread, NULL, scenario->wait, NULL), "thread");
        expect(eventually(is_waiting), "who is to wait does not");
    }
    uint64_t calls = atomic_load(&board->calls);
    actor_go(steps, &(struct events){ .arrival_step = -1 });
    bool over = atomic_load(&actor_call()->over);
    if (over)
        check_near(calls);
    expect(!over || actor_call()->code >= 0, "the call under test fails");
    actor_kill();
    await_clients(1);
    still_waits = scenario->wait && !waits_no_more();
    scenario->judge(over);
    if (scenario->wait) {
        expect(eventually(waits_no_more), "who waited is not woken by what was brought to it");
        if (round_now.wrong)
            return;
        pthread_join(thread, NULL);
    }
    if (scenario->see_waiter)
        scenario->see_waiter();
    drain(judge.queue);
    drain(judge.bounded);
    drain(judge.again);
    kith_arena_reset(judge.arena);
}

static int play_all(int test, long stride, long offset)
{
    int kills = 0;
    int64_t begun = now();
    play(STEPS_MAX);
    long length = round_now.steps;
    expect(length < STEPS_MAX, "the call under test does not end");
    stride = stride > 0 ? stride : (long)(1 + length * (now() - begun) / 2 / BUDGET);
    for (long k = offset % stride; !round_now.wrong && k < length; k += stride, kills++)
        play(k);
    if (round_now.wrong)
        printf("# killed after %ld instructions, %s: %s\n", round_now.steps, round_now.where, round_now.wrong);
    printf("%sok %d - %s\n# %ld instructions, %d kills\n", round_now.wrong ? "not " : "", test, scenario->name, length,
           kills);
    return round_now.wrong != NULL;
}

int main(int count, char **arguments)
{
    /* Else the first call of each function would go through the dynamic linker, step by step. */
    if (!getenv("LD_BIND_NOW") && setenv("LD_BIND_NOW", "1", 1) == 0)
        execv("/proc/self/exe", arguments);
    setvbuf(stdout, NULL, _IOLBF, 0);
    snprintf(address, sizeof address, "unix:@kith-every-instruction-%d", (int)getpid());
    board = share(sizeof *board);
    pid_t server = fork(); /* before this process has but one CPU */
    if (server == 0)
        serve();
    const char *unable = stepper_open();
    if (unable) {
        printf("1..0 # SKIP %s\n", unable);
        kill(server, SIGKILL);
        return 0;
    }
    long stride = count > 1 ? atol(arguments[1]) : 0;
    long offset = count > 2 ? atol(arguments[2]) : (long)(time(NULL) % 1000);
    int failed = 0;
    connect_client(&judge, true);
    must(set_number(&judge, OLD), "set_item");
    printf("1..%d\n# stride %ld, offset %ld\n", SCENARIOS, stride, offset);
    for (int i = 0; i < SCENARIOS && failed == 0; i++) {
        scenario = &scenarios[i];
        failed += play_all(i + 1, stride, offset);
    }
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    return failed > 0;
}
