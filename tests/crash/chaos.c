/* Chaos: processes with threads do whatever a queue can do, in any order and with any bounds: put and get in every way,
 * peek, reserve, give up, close and open again, join, poll. Threads end with what they hold. Signals interrupt
 * processes, stop and continue them, and kill them at random instants. Then
 *   - nobody hangs: no call lasts longer than the watchdog's patience, though two lanes always put and get;
 *   - what a put returned for is got, once; only those who were killed, or died, in a get may have taken some along;
 *   - with redelivery not even they: it is got again, and told so;
 *   - what a put failed for is not got; messages are whole; those of one putter come in order to a getter, unless they
 *     are redelivered;
 *   - no call fails for a reason that is not there, and the statistics are possible at any instant;
 *   - when all is got, all is given back: memory of the queue and the descriptors.
 *
 * usage: chaos [ROUNDS [SEED]]   the seed is printed, and replays the choices, as far as the scheduler lets it. Output
 * is TAP. */
#include "killing.h"

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

enum { WORKERS = 5, THREADS = 3, LANES = WORKERS * THREADS, NUMBERS = 1 << 17, BATCH = 9, KEPT = 6, PATIENCE = 20 };
enum {
    DISTURBANCES = 50,
    LARGEST = 3 << 20,
    ROOM = 4 << 20,
    QUEUED_MAX = 24 << 20,
    REST_MEMORY = 1 << 20,
    MEMORY_MAX = 1 << 30
};

enum phase { RUN, DRAIN };
enum state { NONE, BEGUN, PUT, FAILED };

/** A thread's number, and all that is to be known of it should it die. */
struct lane {
    const char *_Atomic call; /* that it is in; NULL for none */
    _Atomic int64_t since;
    _Atomic uint32_t taking; /* so many messages may have been taken that are not marked as seen yet */
    _Atomic uint32_t numbers;
    _Atomic bool closed; /* it was told that all is got */
    _Atomic uint8_t state[NUMBERS];
    _Atomic uint8_t seen[NUMBERS]; /* how often */
};

struct board {
    _Atomic int phase;
    _Atomic uint32_t wrong;
    char why[200];
    _Atomic uint64_t progress, lost_at_most, empty_begun, empty_put, empty_seen;
    struct lane lanes[LANES];
};

struct message {
    uint32_t lane, number;
    uint64_t size;
    uint64_t body[];
};

struct plan {
    const char *name;
    kith_queue_options options;
    size_t largest;
};

static struct board *board;
static const struct plan *plan;
static kith_queue *common; /* inherited by all */
static char name[64];

/** A thread at work. */
struct actor {
    struct lane *lane;
    int number;
    uint64_t random;
    kith_queue *own;   /* another handle of the same queue; or NULL */
    kith_queue *queue; /* in use: one of the two */
    unsigned kept;     /* messages not yet done */
    uint32_t last[LANES];
    unsigned char *in, *out;
    bool over;
};

static void wrong(const char *why, int code)
{
    if (atomic_fetch_add(&board->wrong, 1) == 0)
        snprintf(board->why, sizeof board->why, "%s: %s: %s", why, kith_strerror(code),
                 code ? kith_error_detail() : "");
}

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static void enter(struct actor *actor, const char *call)
{
    atomic_store(&actor->lane->since, now());
    atomic_store(&actor->lane->call, call);
}

/** A call is over. @return its code; whatever is not expected is written down */
static int leave(struct actor *actor, int code)
{
    static const int fine[] = { KITH_EFULL, KITH_EEMPTY, -EINTR, -EBUSY, -ETIMEDOUT, -EMSGSIZE };
    const char *call = atomic_exchange(&actor->lane->call, NULL);
    bool expected = code >= 0 || (code == KITH_ECLOSED && atomic_load(&board->phase) != RUN);
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++)
        expected = expected || code == fine[i];
    if (!expected)
        wrong(call, code);
    atomic_fetch_add(&board->progress, code >= 0);
    return code;
}

#define CALL(actor, call) (enter(actor, #call), leave(actor, call))

static uint64_t choose(struct actor *actor, uint64_t below)
{
    return random_below(&actor->random, below);
}

/** The first lanes of the first two workers never wait long, so what others wait for comes. */
static kith_timeout patience(struct actor *actor)
{
    switch (choose(actor, 4)) {
    case 0:
        return KITH_NOWAIT;
    case 1:
        /* nor does who has something that others may have to wait for */
        return actor->kept > 0 || actor->number == 0 || actor->number == THREADS ? KITH_MS(5) : KITH_FOREVER;
    default:
        return (kith_timeout)choose(actor, 3000000);
    }
}

/* ---- putting ---- */

static size_t choose_size(struct actor *actor)
{
    uint64_t kind = choose(actor, 256);
    size_t most = kind == 0 ? LARGEST : kind < 10 ? 200000 : kind < 40 ? 9000 : 300;
    if (kind > 240)
        return 0;
    return sizeof(struct message) + choose(actor, most < plan->largest ? most : plan->largest);
}

/** The next message of this lane. */
static void compose(struct actor *actor, void *room, size_t size)
{
    if (size == 0) {
        atomic_fetch_add(&board->empty_begun, 1);
        return;
    }
    struct message *message = room;
    uint32_t number = atomic_load(&actor->lane->numbers);
    *message = (struct message){ (uint32_t)actor->number, number, size };
    for (size_t i = 0; i < size / 8 - 2; i++)
        message->body[i] = number * 7919 + i;
    memset((char *)room + size / 8 * 8, (int)number, size % 8);
    atomic_store(&actor->lane->state[number], BEGUN);
    atomic_store(&actor->lane->numbers, number + 1);
}

static void confirm(const void *composed, size_t size, bool put)
{
    if (size == 0)
        atomic_fetch_add(&board->empty_put, put);
    else
        atomic_store(
            &board->lanes[((const struct message *)composed)->lane].state[((const struct message *)composed)->number],
            put ? PUT : FAILED);
}

static void put_one(struct actor *actor)
{
    size_t size = choose_size(actor);
    compose(actor, actor->out, size);
    kith_timeout timeout = patience(actor);
    int code = CALL(actor, kith_queue_put(actor->queue, actor->out, size, timeout));
    confirm(actor->out, size, code == 0);
}

static void put_many(struct actor *actor)
{
    kith_message messages[BATCH];
    unsigned count = 1 + (unsigned)choose(actor, BATCH);
    size_t at = 0;
    for (unsigned i = 0; i < count; i++) {
        size_t size = choose_size(actor);
        if (at + size + 8 > ROOM)
            size = 0;
        messages[i] = (kith_message){ actor->out + at, size };
        compose(actor, actor->out + at, size);
        at += (size + 7) / 8 * 8;
    }
    kith_timeout timeout = patience(actor);
    int code = CALL(actor, kith_queue_put_many(actor->queue, messages, count, timeout));
    for (unsigned i = 0; i < count; i++)
        confirm(messages[i].data, messages[i].size, code > (int)i);
}

static void get_one(struct actor *actor, kith_timeout timeout);
static void finish(struct actor *actor, unsigned left);

static void put_in_place(struct actor *actor)
{
    size_t size = choose_size(actor), more = choose(actor, 2) ? choose(actor, 500) : 0;
    if (plan->largest < size + more)
        more = 0;
    void *room;
    kith_timeout timeout = patience(actor);
    if (CALL(actor, kith_queue_reserve(actor->queue, size + more, &room, timeout)) < 0)
        return;
    if (choose(actor, 8) == 0 && CALL(actor, kith_queue_get_stats(actor->queue, &(kith_queue_stats){ 0 })) == 0)
        get_one(actor, KITH_NOWAIT);
    finish(actor, 0);
    if (choose(actor, 16) == 0 && kith_queue_put(actor->queue, "", 0, KITH_NOWAIT) != -EDEADLK)
        wrong("put within a reservation", 0);
    if (choose(actor, 400) == 0) { /* ends with it */
        actor->over = true;
        return;
    }
    if (choose(actor, 5) == 0) {
        CALL(actor, kith_queue_cancel(actor->queue));
        return;
    }
    compose(actor, room, size);
    struct message copy = { 0 };
    if (size > 0)
        copy = *(struct message *)room;
    confirm(&copy, size, CALL(actor, kith_queue_commit(actor->queue, size)) == 0);
}

/* ---- getting ---- */

/** @param last  whether it is the one that this thread got last */
static void see(struct actor *actor, const void *data, size_t size, bool last)
{
    const struct message *message = data;
    actor->kept++;
    if (size == 0) {
        atomic_fetch_add(&board->empty_seen, 1);
        return;
    }
    bool whole = size >= sizeof *message && message->size == size && message->lane < LANES && message->number < NUMBERS;
    for (size_t i = 0; whole && i < size / 8 - 2; i++)
        whole = message->body[i] == message->number * 7919 + i;
    for (size_t i = size / 8 * 8; whole && i < size; i++)
        whole = ((const unsigned char *)data)[i] == (unsigned char)message->number;
    if (!whole) {
        wrong("a message is torn", 0);
        return;
    }
    struct lane *lane = &board->lanes[message->lane];
    uint8_t before = atomic_fetch_add(&lane->seen[message->number], 1);
    if (atomic_load(&lane->state[message->number]) == FAILED)
        wrong("a message comes whose put failed", 0);
    if (!plan->options.redeliver) {
        if (before > 0)
            wrong("a message comes twice", 0);
        if (message->number + 1 <= actor->last[message->lane])
            wrong("messages of one putter come out of order", 0);
        actor->last[message->lane] = message->number + 1;
    } else if (before > 0 && last && kith_queue_deliveries(actor->queue) < 2) {
        wrong("a second delivery is not told of", 0);
    }
}

static void poison(void *context, const void *data, size_t size, unsigned deliveries)
{
    const struct message *message = data;
    if (deliveries != plan->options.max_deliveries)
        wrong("poison too early or late", 0);
    if (size == 0)
        atomic_fetch_add(&board->empty_seen, 1);
    else if (message->size != size)
        wrong("poison is torn", 0);
    else
        atomic_fetch_add(&board->lanes[message->lane].seen[message->number], 1);
    (void)context;
}

/** @return as the call */
static int get_somehow(struct actor *actor, kith_timeout timeout)
{
    static const size_t capacities[] = { 0, 64, 4096, 70000, ROOM, ROOM };
    size_t capacity = capacities[choose(actor, 6)], sizes[BATCH], size, at = 0;
    unsigned count = 1 + (unsigned)choose(actor, BATCH);
    kith_bytes bytes;
    int code;
    switch (choose(actor, 4)) {
    case 0:
        atomic_store(&actor->lane->taking, count);
        code = CALL(actor, kith_queue_get_many(actor->queue, actor->in, capacity, sizes, count, timeout));
        for (int i = 0; i < code; i++) {
            see(actor, actor->in + at, sizes[i], i == code - 1);
            at += (sizes[i] + 7) / 8 * 8;
        }
        break;
    case 1:
        atomic_store(&actor->lane->taking, 1);
        code = CALL(actor, kith_queue_get(actor->queue, actor->in, capacity, &size, timeout));
        if (code == 0)
            see(actor, actor->in, size, true);
        break;
    case 2:
        atomic_store(&actor->lane->taking, 1);
        code = CALL(actor, kith_queue_get(actor->queue, actor->in, ROOM, &size, timeout));
        if (code == 0)
            see(actor, actor->in, size, true);
        break;
    default:
        atomic_store(&actor->lane->taking, 1);
        code = CALL(actor, kith_queue_get_bytes(actor->queue, &bytes, timeout));
        if (code == 0) {
            see(actor, bytes.data, bytes.size, true);
            kith_bytes_free(&bytes);
        }
    }
    atomic_store(&actor->lane->taking, 0);
    return code;
}

static void finish(struct actor *actor, unsigned left)
{
    while (actor->kept > left && CALL(actor, kith_queue_task_done(actor->queue)) == 0)
        actor->kept--;
}

static void end_when_closed(struct actor *actor, int code)
{
    if (code != KITH_ECLOSED)
        return;
    if (actor->kept > 0)
        wrong("closed with something unfinished", 0);
    actor->over = true;
    atomic_store(&actor->lane->closed, true);
}

static void get_one(struct actor *actor, kith_timeout timeout)
{
    end_when_closed(actor, get_somehow(actor, timeout));
}

static void get_in_place(struct actor *actor, kith_timeout timeout)
{
    const void *data;
    size_t size;
    int code = CALL(actor, kith_queue_peek(actor->queue, &data, &size, timeout));
    if (code < 0) {
        end_when_closed(actor, code);
        return;
    }
    /* No put here: it would wait for one who has reserved, and may wait for us. */
    if (choose(actor, 16) == 0 &&
        kith_queue_get(actor->queue, actor->in, ROOM, &(size_t){ 0 }, KITH_NOWAIT) != -EDEADLK)
        wrong("get within a peek", 0);
    if (choose(actor, 400) == 0) {
        actor->over = true;
        return;
    }
    if (choose(actor, 3) == 0) {
        CALL(actor, kith_queue_release(actor->queue, 0));
        return;
    }
    memcpy(actor->in, data, size);
    atomic_store(&actor->lane->taking, 1);
    CALL(actor, kith_queue_release(actor->queue, 1));
    see(actor, actor->in, size, true);
    atomic_store(&actor->lane->taking, 0);
}

static void get_when_ready(struct actor *actor, int milliseconds)
{
    int fd = CALL(actor, kith_queue_fd(actor->queue));
    struct pollfd wait = { .fd = fd, .events = POLLIN };
    if (fd < 0 || CALL(actor, poll(&wait, 1, milliseconds) < 0 ? -EINTR : wait.revents & POLLIN) <= 0)
        return;
    int code = 0;
    for (int i = 0; i < 20 && code >= 0; i++) {
        code = get_somehow(actor, KITH_NOWAIT);
        finish(actor, 0);
    }
    end_when_closed(actor, code);
}

/* ---- what else there is ---- */

static void look(struct actor *actor)
{
    kith_queue_stats stats;
    const kith_queue_options *options = &plan->options;
    if (CALL(actor, kith_queue_get_stats(actor->queue, &stats)) < 0)
        return;
    bool sane = stats.gets <= stats.puts && stats.unfinished <= stats.puts && stats.poisoned <= stats.puts &&
                stats.items <= (options->max_items ? options->max_items : KITH_QUEUE_ITEMS_MAX) &&
                stats.bytes <= (options->max_bytes ? options->max_bytes : 2u * ROOM * LANES + QUEUED_MAX) &&
                stats.items_high <= stats.puts && stats.puts < (uint64_t)NUMBERS * LANES * 2;
    if (!sane)
        wrong("impossible statistics", 0);
    CALL(actor, kith_queue_qsize(actor->queue));
    CALL(actor, kith_queue_full(actor->queue));
    CALL(actor, kith_queue_empty(actor->queue));
}

static void reopen(struct actor *actor)
{
    if (actor->own) {
        enter(actor, "close");
        kith_queue_free(actor->own);
        leave(actor, 0);
        actor->own = NULL;
        actor->kept = 0; /* given back */
        actor->queue = common;
    } else {
        int fd = kith_queue_share_fd(common);
        int code = choose(actor, 2) ? CALL(actor, kith_queue_from_fd(&actor->own, fd))
                                    : CALL(actor, kith_queue_open(&actor->own, name, KITH_OPEN, NULL));
        if (code < 0)
            return;
        actor->queue = actor->own;
        if (plan->options.max_deliveries)
            must(kith_queue_set_poison(actor->own, poison, NULL), "set_poison");
    }
}

static void put_somehow(struct actor *actor)
{
    kith_queue_stats stats;
    if (atomic_load(&actor->lane->numbers) > NUMBERS - BATCH || kith_queue_get_stats(actor->queue, &stats) < 0 ||
        stats.bytes > QUEUED_MAX)
        return;
    static void (*const ways[])(struct actor *) = { put_one, put_one, put_many, put_in_place };
    ways[choose(actor, 4)](actor);
}

static void act(struct actor *actor)
{
    bool drain = atomic_load(&board->phase) == DRAIN;
    uint64_t what = choose(actor, 100);
    if (actor->number == 0)
        what = what % 40;
    else if (actor->number == THREADS)
        what = 40 + what % 40;
    if (drain) {
        what = 40 + what % 40;
        finish(actor, 0);
    }
    if (what < 40)
        put_somehow(actor);
    else if (drain)
        what % 2 ? get_when_ready(actor, -1) : get_one(actor, KITH_FOREVER);
    else if (what < 65)
        get_one(actor, patience(actor));
    else if (what < 75)
        get_in_place(actor, patience(actor));
    else if (what < 80)
        get_when_ready(actor, 3);
    else if (what < 85)
        look(actor);
    else if (what < 88)
        CALL(actor, kith_queue_join(actor->queue, (kith_timeout)choose(actor, 300000)));
    else if (what < 90)
        reopen(actor);
    else if (what < 91)
        actor->queue = actor->own && choose(actor, 2) ? actor->own : common;
    else if (what < 92)
        pause_for(choose(actor, 3000000));
    /* Without redelivery each is done at once: there is none to come for those that a thread leaves. */
    if (!actor->over)
        finish(actor, plan->options.redeliver && !drain ? (unsigned)choose(actor, KEPT) : 0);
}

static void *act_on(void *argument)
{
    struct actor actor = { .number = (int)(uintptr_t)argument };
    actor.lane = &board->lanes[actor.number];
    actor.random = (uint64_t)actor.number << 32 ^ (uint64_t)now();
    actor.queue = common;
    actor.in = malloc(ROOM);
    actor.out = malloc(ROOM);
    while (!actor.over && !board->wrong)
        act(&actor);
    free(actor.in);
    free(actor.out);
    return actor.own; /* to be closed when the thread is gone: what it holds lies in there */
}

/** A thread, and another one after it, until all is over. */
static void *act_again_and_again(void *argument)
{
    const int number = (int)(uintptr_t)argument;
    do {
        pthread_t thread;
        void *own;
        if (pthread_create(&thread, NULL, act_on, argument) != 0)
            return NULL;
        pthread_join(thread, &own);
        kith_queue_free(own);
    } while (!atomic_load(&board->lanes[number].closed) && !board->wrong);
    return NULL;
}

static void on_signal(int number)
{
    (void)number;
}

static int work(void *argument)
{
    int worker = (int)(uintptr_t)argument;
    struct sigaction action = { .sa_handler = on_signal };
    sigaction(SIGUSR1, &action, NULL);
    pthread_t threads[THREADS];
    int count = 1 + worker % THREADS;
    for (int i = 0; i < count; i++) {
        if (pthread_create(&threads[i], NULL, act_again_and_again, (void *)(uintptr_t)(worker * THREADS + i)) != 0)
            must(-EAGAIN, "pthread_create");
    }
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    return 0;
}

/* ---- the one who lets them ---- */

static bool somebody_hangs(void)
{
    bool hangs = false;
    for (int i = 0; i < LANES; i++) {
        const char *call = atomic_load(&board->lanes[i].call);
        if (!call || now() - atomic_load(&board->lanes[i].since) < PATIENCE * INT64_C(1000000000))
            continue;
        hangs = true;
        printf("# lane %d hangs in %s\n", i, call);
    }
    return hangs;
}

static kith_process *start(int worker)
{
    kith_process *process;
    must(kith_process_start(&process, work, (void *)(uintptr_t)worker, NULL), "start");
    return process;
}

static void replace(kith_process *workers[], int worker)
{
    kill_and_close(workers[worker]);
    for (int i = 0; i < THREADS; i++) {
        struct lane *lane = &board->lanes[worker * THREADS + i];
        atomic_fetch_add(&board->lost_at_most, atomic_exchange(&lane->taking, 0));
        atomic_store(&lane->call, NULL);
    }
    workers[worker] = start(worker);
}

static void disturb(kith_process *workers[], uint64_t *random, bool kills)
{
    int worker = (int)random_below(random, WORKERS);
    pid_t pid = kith_process_pid(workers[worker]);
    uint64_t what = random_below(random, 8);
    pause_for(random_below(random, 3000000));
    if (what < 4) {
        kill(pid, SIGUSR1);
    } else if (what < 6) {
        kill(pid, SIGSTOP);
        pause_for(random_below(random, 8000000) + (random_below(random, 400) == 0 ? 1300000000 : 0));
        kill(pid, SIGCONT);
    } else if (kills) {
        replace(workers, worker);
    }
}

static int descriptors(void)
{
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    while (directory && readdir(directory))
        count++;
    if (directory)
        closedir(directory);
    return count;
}

static bool all_ended(kith_process *workers[])
{
    for (int i = 0; i < WORKERS; i++) {
        while (kith_process_join(workers[i], KITH_MS(100)) < 0) {
            if (somebody_hangs() || board->wrong)
                return false;
        }
    }
    return true;
}

static bool judge(bool kills)
{
    uint64_t lost = 0, puts = 0;
    for (int l = 0; l < LANES; l++) {
        struct lane *lane = &board->lanes[l];
        for (uint32_t n = 0; n < lane->numbers; n++) {
            puts += lane->state[n] == PUT;
            lost += lane->state[n] == PUT && lane->seen[n] == 0;
            if (lane->state[n] == FAILED && lane->seen[n] > 0)
                wrong("a message came whose put failed", 0);
        }
    }
    if (board->empty_seen < board->empty_put)
        lost += board->empty_put - board->empty_seen;
    else if (!plan->options.redeliver && board->empty_seen > board->empty_begun)
        wrong("an empty message came twice", 0);
    kith_queue_stats stats;
    must(kith_queue_get_stats(common, &stats), "stats");
    printf(
        "# %llu calls, %llu messages and %llu empty ones, %llu lost of at most %llu, %llu redelivered, %llu poisoned, "
        "%llu KiB\n",
        (unsigned long long)board->progress, (unsigned long long)puts, (unsigned long long)board->empty_put,
        (unsigned long long)lost, (unsigned long long)board->lost_at_most, (unsigned long long)stats.redelivered,
        (unsigned long long)stats.poisoned, (unsigned long long)stats.memory / 1024);
    if (lost > (plan->options.redeliver ? 0 : board->lost_at_most))
        wrong("messages are lost", 0);
    if (stats.items > 0 || stats.bytes > 0)
        wrong("something is left", 0);
    if ((plan->options.redeliver || !kills) && (stats.unfinished > 0 || kith_queue_join(common, KITH_NOWAIT) < 0))
        wrong("something is unfinished", 0);
    return !board->wrong;
}

static bool play(bool kills, bool rest, uint64_t *random)
{
    int before = descriptors();
    board = share(sizeof *board);
    must(kith_queue_open(&common, name, KITH_CREATE, &plan->options), "open");
    if (plan->options.max_deliveries)
        must(kith_queue_set_poison(common, poison, NULL), "set_poison");
    kith_process *workers[WORKERS];
    for (int i = 0; i < WORKERS; i++)
        workers[i] = start(i);
    bool alive = true;
    for (int i = 0; i < DISTURBANCES && alive && !board->wrong; i++) {
        disturb(workers, random, kills);
        kith_queue_stats stats;
        must(kith_queue_get_stats(common, &stats), "stats");
        if (stats.memory > MEMORY_MAX)
            wrong("memory without end", 0);
        alive = !somebody_hangs();
    }
    atomic_store(&board->phase, DRAIN);
    if (rest && alive) {
        kith_queue_stats stats = { 0 };
        for (int i = 0; i < 60 && (i == 0 || stats.memory > REST_MEMORY || stats.bytes); i++) {
            pause_for(100000000);
            must(kith_queue_get_stats(common, &stats), "stats");
        }
        printf("# at rest: %llu KiB, %llu bytes queued\n", (unsigned long long)stats.memory / 1024,
               (unsigned long long)stats.bytes);
        if (stats.memory > REST_MEMORY + stats.bytes)
            wrong("memory is kept", 0);
    }
    int code;
    while ((code = kith_queue_shut(common)) == -EBUSY && !somebody_hangs())
        continue;
    must(code, "shut");
    alive = alive && all_ended(workers);
    bool good = judge(kills) && alive;
    for (int i = 0; i < WORKERS; i++)
        kill_and_close(workers[i]);
    if (board->wrong)
        printf("# %u times wrong; first: %s\n", board->wrong, board->why);
    kith_queue_free(common);
    must(kith_queue_unlink(name), "unlink");
    munmap(board, sizeof *board);
    if (descriptors() != before) {
        printf("# descriptors are left\n");
        good = false;
    }
    return good;
}

int main(int count, char **arguments)
{
    static const struct plan plans[] = {
        { "unbounded", { 0 }, LARGEST },
        { "3 items", { .max_items = 3 }, LARGEST },
        { "100 items", { .max_items = 100 }, LARGEST },
        { "64 KiB", { .max_bytes = 65536 }, 60000 },
        { "4 MiB", { .max_bytes = 4 << 20 }, LARGEST },
        { "redelivering", { .redeliver = 1 }, LARGEST },
        { "redelivering, 20 items, 3 times", { .max_items = 20, .redeliver = 1, .max_deliveries = 3 }, 300000 },
        { "redelivering, 4 MiB, twice", { .max_bytes = 4 << 20, .redeliver = 1, .max_deliveries = 2 }, LARGEST },
    };
    enum { PLANS = sizeof plans / sizeof *plans };
    int rounds = (int)number_of(count, arguments, 1, 1), failed = 0;
    uint64_t seed = number_of(count, arguments, 2, (uint64_t)time(NULL));
    setvbuf(stdout, NULL, _IOLBF, 0);
    start_first();
    snprintf(name, sizeof name, "chaos-%d", (int)getpid());
    printf("1..%d\n# seed %llu\n", rounds * PLANS, (unsigned long long)seed);
    for (int i = 0; i < rounds * PLANS; i++) {
        uint64_t random = seed + (uint64_t)i;
        bool kills = random_below(&random, 3) > 0;
        plan = &plans[i % PLANS];
        bool good = play(kills, rounds > 1 && i % 2 == 0, &random);
        printf("%sok %d - %s, %s\n", good ? "" : "not ", i + 1, plan->name, kills ? "kills" : "no kills");
        failed += !good;
    }
    return failed > 0;
}
