/* Kill torture of a queue that redelivers: putters and getters are killed by SIGKILL at random instants and replaced;
 * putters put one by one, in batches and in place, getters get in all these ways, or take, and finish each message.
 *
 * A getter marks a message handled before it says that it is done. So at the end, when the queue was shut and drained,
 *   - every message whose put returned was handled, once or more: none is lost, whoever died;
 *   - one that was handled more than once had been delivered to one who was killed before;
 *   - messages are whole, and kith_queue_deliveries tells every second delivery from a first one;
 *   - nothing is unfinished, and join returns;
 *   - nobody hung: someone always got on within the watchdog's patience.
 *
 * usage: redeliver_kills [KILLS [SEED]]   KILLS a configuration; the seed is printed, and replays the choices (who,
 * when), as far as the scheduler lets it. Output is TAP. */
#include "random.h"

#include <kith/kith.h>

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { PUTTERS = 2, GETTERS = 3, MESSAGES = 1 << 22, BATCH = 5, HELD = 3, SIZE_MOST = 60000, PATIENCE = 30 };

struct message {
    uint32_t putter;
    uint32_t number;
    unsigned char body[];
};

struct ledger {
    _Atomic uint32_t begun[PUTTERS];              /* messages whose put was called */
    _Atomic uint8_t confirmed[PUTTERS][MESSAGES]; /* its put returned */
    _Atomic uint8_t handled[PUTTERS][MESSAGES];   /* how often */
    _Atomic uint64_t progress;
    _Atomic bool stop; /* putters: put no more */
    _Atomic uint32_t damaged, untold;
};

struct configuration {
    const char *name;
    kith_queue_options options;
    size_t big; /* one message of 32 has up to so many bytes */
};

static struct ledger *ledger;
static kith_queue *queue;
static size_t big;

static void must(int code, const char *what)
{
    if (code < 0) {
        fprintf(stderr, "%s: %s: %s\n", what, kith_strerror(code), kith_error_detail());
        _exit(2);
    }
}

/* ---- messages: size and content follow from the putter and the number ---- */

static size_t size_of(uint32_t putter, uint32_t number)
{
    uint64_t state = (uint64_t)putter << 32 | number;
    return sizeof(struct message) + random_below(&state, random_below(&state, 32) == 0 ? big : 100);
}

static size_t compose(void *room, uint32_t putter, uint32_t number)
{
    struct message *message = room;
    size_t size = size_of(putter, number);
    *message = (struct message){ putter, number };
    memset(message->body, (int)(number % 251), size - sizeof *message);
    return size;
}

static bool is_whole(const struct message *message, size_t size)
{
    if (size < sizeof *message || message->putter >= PUTTERS || message->number >= MESSAGES ||
        size != size_of(message->putter, message->number))
        return false;
    for (size_t i = 0; i < size - sizeof *message; i++) {
        if (message->body[i] != message->number % 251)
            return false;
    }
    return true;
}

/* ---- putters ---- */

static unsigned put_one(uint32_t putter, uint32_t number)
{
    static unsigned char room[SIZE_MOST];
    must(kith_queue_put(queue, room, compose(room, putter, number), KITH_FOREVER), "put");
    return 1;
}

static unsigned put_in_place(uint32_t putter, uint32_t number)
{
    void *room;
    must(kith_queue_reserve(queue, SIZE_MOST, &room, KITH_FOREVER), "reserve");
    must(kith_queue_commit(queue, compose(room, putter, number)), "commit");
    return 1;
}

static unsigned put_batch(uint32_t putter, uint32_t number)
{
    static unsigned char rooms[BATCH][SIZE_MOST];
    kith_message messages[BATCH];
    for (uint32_t i = 0; i < BATCH; i++)
        messages[i] = (kith_message){ rooms[i], compose(rooms[i], putter, number + i) };
    int code = kith_queue_put_many(queue, messages, BATCH, KITH_FOREVER);
    must(code, "put_many");
    return (unsigned)code;
}

static int put_all(void *argument)
{
    uint32_t putter = (uint32_t)(uintptr_t)argument;
    static unsigned (*const ways[])(uint32_t, uint32_t) = { put_one, put_batch, put_in_place };
    while (!atomic_load(&ledger->stop)) {
        uint32_t number = atomic_load(&ledger->begun[putter]);
        if (number > MESSAGES - BATCH)
            break;
        unsigned way = number / 7 % 3;
        atomic_store(&ledger->begun[putter], number + (way == 1 ? BATCH : 1));
        unsigned count = ways[way](putter, number);
        for (unsigned i = 0; i < count; i++)
            atomic_store(&ledger->confirmed[putter][number + i], 1);
        atomic_fetch_add(&ledger->progress, 1);
    }
    return 0;
}

/* ---- getters ---- */

/** @param last  whether this is the message that was got last: then the queue tells how often it was delivered */
static void handle(const struct message *message, size_t size, bool last)
{
    if (!is_whole(message, size)) {
        atomic_fetch_add(&ledger->damaged, 1);
        return;
    }
    uint8_t before = atomic_fetch_add(&ledger->handled[message->putter][message->number], 1);
    if (last && before > 0 && kith_queue_deliveries(queue) < 2)
        atomic_fetch_add(&ledger->untold, 1);
    atomic_fetch_add(&ledger->progress, 1);
}

static int get_one(void)
{
    static _Alignas(8) unsigned char room[SIZE_MOST];
    size_t size;
    int code = kith_queue_get(queue, room, sizeof room, &size, KITH_FOREVER);
    if (code == 0)
        handle((struct message *)(void *)room, size, true);
    return code < 0 ? code : 1;
}

static int get_batch(void)
{
    static _Alignas(8) unsigned char room[BATCH * SIZE_MOST];
    size_t sizes[BATCH], at = 0;
    int code = kith_queue_get_many(queue, room, sizeof room, sizes, BATCH, KITH_FOREVER);
    for (int i = 0; i < code; i++) {
        handle((struct message *)(void *)(room + at), sizes[i], i == code - 1);
        at += (sizes[i] + 7) / 8 * 8;
    }
    return code;
}

static int get_in_place(void)
{
    const void *data;
    size_t size;
    int code = kith_queue_peek(queue, &data, &size, KITH_FOREVER);
    if (code < 0)
        return code;
    must(kith_queue_release(queue, 1), "release");
    handle(data, size, true); /* until it is done, its memory stays */
    return 1;
}

/** Holds what is there, up to HELD messages, and finishes them in one order or the other.
 *  @return 0: no task_done is for them */
static int take_in_place(void)
{
    static unsigned turn;
    const void *held[HELD];
    int code = 0, count = 0;
    while (count < HELD && code == 0) {
        size_t size;
        code = kith_queue_take(queue, &held[count], &size, count > 0 ? KITH_AT_ONCE : KITH_FOREVER);
        if (code == 0)
            handle(held[count++], size, false);
    }
    bool backwards = turn++ % 2;
    for (int i = 0; i < count; i++)
        must(kith_queue_finish(queue, held[backwards ? count - 1 - i : i]), "finish");
    return count > 0 ? 0 : code;
}

static int get_all(void *argument)
{
    static int (*const ways[])(void) = { get_one, get_batch, get_in_place, take_in_place };
    for (unsigned turn = (unsigned)(uintptr_t)argument;; turn++) {
        int code = ways[turn % 4]();
        if (code == KITH_ECLOSED)
            return 0;
        must(code, "get");
        for (int i = 0; i < code; i++)
            must(kith_queue_task_done(queue), "task_done");
    }
}

static int join_again_and_again(void *nothing)
{
    int code = 0;
    while (code == 0 || code == -ETIMEDOUT)
        code = kith_queue_join(queue, KITH_MS(1));
    must(code, "join");
    return nothing != NULL;
}

/* ---- the killer ---- */

enum { WORKERS = PUTTERS + GETTERS + 1 };

static kith_process *start(int worker)
{
    kith_process *process;
    kith_process_main body = worker < PUTTERS ? put_all : worker < PUTTERS + GETTERS ? get_all : join_again_and_again;
    must(kith_process_start(&process, body, (void *)(uintptr_t)worker, NULL), "start");
    return process;
}

static void pause_for(uint64_t nanoseconds)
{
    nanosleep(&(struct timespec){ .tv_nsec = (long)nanoseconds }, NULL);
}

/** Waits until the workers get on, so that each kill meets live traffic. @return false when they do not: wedged */
static bool gets_on(uint64_t since)
{
    for (int i = 0; i < PATIENCE * 10000; i++) {
        if (atomic_load(&ledger->progress) > since)
            return true;
        pause_for(100000);
    }
    return false;
}

static void end(kith_process *process)
{
    must(kith_process_kill(process), "kill");
    must(kith_process_join(process, KITH_FOREVER), "join");
    must(kith_process_close(process), "close");
}

static bool kill_some(kith_process *workers[], int kills, uint64_t *random)
{
    for (int i = 0; i < kills; i++) {
        if (!gets_on(atomic_load(&ledger->progress)))
            return false;
        pause_for(random_below(random, 300000));
        int worker = (int)random_below(random, WORKERS);
        end(workers[worker]);
        workers[worker] = start(worker);
    }
    return true;
}

static bool finish(kith_process *workers[])
{
    atomic_store(&ledger->stop, true);
    for (int i = 0; i < PUTTERS; i++) {
        if (kith_process_join(workers[i], KITH_SECONDS(PATIENCE)) < 0)
            return false;
    }
    if (kith_queue_shut(queue) < 0 || kith_queue_join(queue, KITH_SECONDS(PATIENCE)) < 0)
        return false;
    for (int i = PUTTERS; i < PUTTERS + GETTERS; i++) {
        if (kith_process_join(workers[i], KITH_SECONDS(PATIENCE)) < 0)
            return false;
    }
    return true;
}

static bool judge(void)
{
    uint32_t lost = 0;
    uint64_t again = 0;
    kith_queue_stats stats;
    for (int p = 0; p < PUTTERS; p++) {
        for (uint32_t n = 0; n < atomic_load(&ledger->begun[p]); n++) {
            lost += ledger->confirmed[p][n] && !ledger->handled[p][n];
            again += ledger->handled[p][n] > 1 ? ledger->handled[p][n] - 1u : 0;
        }
    }
    must(kith_queue_get_stats(queue, &stats), "stats");
    printf("# %u and %u messages begun, %u lost, %u damaged, %llu handled again of %llu delivered again, %u untold, "
           "%llu unfinished\n",
           ledger->begun[0], ledger->begun[1], lost, ledger->damaged, (unsigned long long)again,
           (unsigned long long)stats.redelivered, ledger->untold, (unsigned long long)stats.unfinished);
    return !lost && !ledger->damaged && !ledger->untold && again <= stats.redelivered && stats.unfinished == 0;
}

static bool torture(const struct configuration *configuration, int kills, uint64_t *random)
{
    ledger = mmap(NULL, sizeof *ledger, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (ledger == MAP_FAILED)
        return false;
    must(kith_queue_new(&queue, &configuration->options), "new");
    big = configuration->big;
    kith_process *workers[WORKERS];
    for (int i = 0; i < WORKERS; i++)
        workers[i] = start(i);
    bool alive = kill_some(workers, kills, random) && finish(workers);
    if (!alive)
        printf("# wedged: nobody got on for %d seconds\n", PATIENCE);
    for (int i = 0; i < WORKERS; i++)
        end(workers[i]);
    bool good = judge() && alive;
    kith_queue_free(queue);
    munmap(ledger, sizeof *ledger);
    return good;
}

int main(int count, char **arguments)
{
    static const struct configuration configurations[] = {
        { "bounded to 8 messages", { .max_items = 8, .redeliver = 1 }, 4096 },
        { "bounded to 128 KiB", { .max_bytes = 128 * 1024, .redeliver = 1 }, SIZE_MOST - 1024 },
        { "not bounded", { .redeliver = 1 }, SIZE_MOST - 1024 },
    };
    enum { CONFIGURATIONS = sizeof configurations / sizeof *configurations };
    int kills = count > 1 ? atoi(arguments[1]) : 50;
    uint64_t seed = count > 2 ? strtoull(arguments[2], NULL, 0) : (uint64_t)time(NULL);
    int failed = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("1..%d\n# seed %llu\n", CONFIGURATIONS, (unsigned long long)seed);
    for (int i = 0; i < CONFIGURATIONS; i++) {
        uint64_t random = seed + (uint64_t)i;
        bool good = torture(&configurations[i], kills, &random);
        printf("%sok %d - %d kills, redelivering, %s\n", good ? "" : "not ", i + 1, kills, configurations[i].name);
        failed += !good;
    }
    return failed > 0;
}
