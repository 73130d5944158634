/* Kill torture of the queue: putters and getters are killed by SIGKILL at random instants and replaced, and at the end
 * every message is accounted for.
 *
 * All that is checked lies in shared memory, which outlives the killed. A putter notes which message it is about to put
 * ("begun") and which put has returned ("confirmed"). A getter receives into shared memory and then marks the message
 * seen, so that of a getter killed in a call it is known which message it may have taken along. At the end
 *   - every message whose put returned was seen once, or is the one that a killed getter had in hand;
 *   - no message was seen twice, none was damaged;
 *   - messages of one putter reached each getter in order;
 *   - nobody hung: someone always got on within the watchdog's patience.
 *
 * usage: queue_kills [KILLS [SEED]]   KILLS a configuration; the seed is printed, and replays the choices (who, when),
 * as far as the scheduler lets it. Output is TAP. */
#include "random.h"

#include <kith/kith.h>

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { PUTTERS = 2, GETTERS = 2, MESSAGES = 1 << 24, SIZE_MAX_BIG = 300 * 1024, IN_HAND = 4096, PATIENCE = 30 };

struct message {
    uint32_t putter;
    uint32_t number;
    uint64_t sum;
    unsigned char body[];
};

struct getter {
    _Atomic bool receiving; /* from before get until the message is marked */
    uint32_t last[PUTTERS]; /* the number seen last, plus 1 */
    _Alignas(8) unsigned char hand[SIZE_MAX_BIG];
};

struct ledger {
    _Atomic uint32_t begun[PUTTERS];              /* messages whose put was called */
    _Atomic uint8_t confirmed[PUTTERS][MESSAGES]; /* its put returned */
    _Atomic uint8_t seen[PUTTERS][MESSAGES];      /* how often it was received */
    uint8_t in_hand[PUTTERS][MESSAGES];           /* a getter was killed that had it */
    _Atomic uint64_t progress;
    _Atomic bool stop; /* putters: put no more */
    _Atomic uint32_t damaged, disordered;
    struct getter getters[GETTERS];
};

struct configuration {
    const char *name;
    kith_queue_options options;
    size_t big; /* one message of 64 has up to so many bytes */
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

static uint64_t checksum(const struct message *message, size_t body)
{
    uint64_t sum = 14695981039346656037u + message->putter * 31u + message->number;
    for (size_t i = 0; i < body; i++)
        sum = (sum ^ message->body[i]) * 1099511628211u;
    return sum;
}

/* ---- the workers ---- */

static size_t compose(struct message *message, uint32_t putter, uint32_t number)
{
    uint64_t state = (uint64_t)putter << 32 | number;
    size_t body = random_below(&state, random_below(&state, 64) == 0 ? big : 200);
    message->putter = putter;
    message->number = number;
    for (size_t i = 0; i < body; i++)
        message->body[i] = (unsigned char)(number + i);
    message->sum = checksum(message, body);
    return sizeof *message + body;
}

static int put_all(void *argument)
{
    uint32_t putter = (uint32_t)(uintptr_t)argument;
    struct message *message = malloc(SIZE_MAX_BIG);
    if (!message)
        return 2;
    while (!atomic_load(&ledger->stop)) {
        uint32_t number = atomic_load(&ledger->begun[putter]);
        if (number == MESSAGES)
            break;
        size_t size = compose(message, putter, number);
        atomic_store(&ledger->begun[putter], number + 1);
        must(kith_queue_put(queue, message, size, KITH_FOREVER), "put");
        atomic_store(&ledger->confirmed[putter][number], 1);
        atomic_fetch_add(&ledger->progress, 1);
    }
    free(message);
    return 0;
}

static void mark(struct getter *getter, const struct message *message, size_t size)
{
    if (size < sizeof *message || message->putter >= PUTTERS || message->number >= MESSAGES ||
        message->sum != checksum(message, size - sizeof *message)) {
        atomic_fetch_add(&ledger->damaged, 1);
        return;
    }
    if (message->number < getter->last[message->putter])
        atomic_fetch_add(&ledger->disordered, 1);
    getter->last[message->putter] = message->number + 1;
    atomic_fetch_add(&ledger->seen[message->putter][message->number], 1);
    atomic_fetch_add(&ledger->progress, 1);
}

/** An empty message is the sign to stop. */
static int get_all(void *argument)
{
    struct getter *getter = &ledger->getters[(uintptr_t)argument];
    for (;;) {
        size_t size;
        atomic_store(&getter->receiving, true);
        must(kith_queue_get(queue, getter->hand, sizeof getter->hand, &size, KITH_FOREVER), "get");
        if (size == 0)
            return 0;
        mark(getter, (struct message *)getter->hand, size);
        atomic_store(&getter->receiving, false);
    }
}

/* ---- the killer ---- */

static kith_process *start(int worker)
{
    kith_process *process;
    if (worker < PUTTERS)
        must(kith_process_start(&process, put_all, (void *)(uintptr_t)worker, NULL), "start");
    else
        must(kith_process_start(&process, get_all, (void *)(uintptr_t)(worker - PUTTERS), NULL), "start");
    return process;
}

/** What a getter that was killed in its call had received may be gone with it. */
static void note_what_was_in_hand(int worker)
{
    struct getter *getter = &ledger->getters[worker - PUTTERS];
    const struct message *message = (struct message *)getter->hand;
    if (atomic_load(&getter->receiving) && message->putter < PUTTERS && message->number < MESSAGES)
        ledger->in_hand[message->putter][message->number] = 1;
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

static bool kill_some(kith_process *workers[], int kills, uint64_t *random)
{
    for (int i = 0; i < kills; i++) {
        uint64_t since = atomic_load(&ledger->progress);
        if (!gets_on(since))
            return false;
        pause_for(random_below(random, 300000));
        int worker = (int)random_below(random, PUTTERS + GETTERS);
        must(kith_process_kill(workers[worker]), "kill");
        must(kith_process_join(workers[worker], KITH_FOREVER), "join");
        must(kith_process_close(workers[worker]), "close");
        if (worker >= PUTTERS)
            note_what_was_in_hand(worker);
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
    for (int i = 0; i < GETTERS; i++)
        must(kith_queue_put(queue, NULL, 0, KITH_FOREVER), "put");
    for (int i = PUTTERS; i < PUTTERS + GETTERS; i++) {
        if (kith_process_join(workers[i], KITH_SECONDS(PATIENCE)) < 0)
            return false;
    }
    return true;
}

static int judge(void)
{
    uint32_t lost = 0, twice = 0;
    for (int p = 0; p < PUTTERS; p++) {
        for (uint32_t n = 0; n < atomic_load(&ledger->begun[p]); n++) {
            lost += ledger->confirmed[p][n] && !ledger->seen[p][n] && !ledger->in_hand[p][n];
            twice += ledger->seen[p][n] > 1;
        }
    }
    printf("# %u and %u messages begun, %u lost, %u twice, %u damaged, %u out of order, %d left\n", ledger->begun[0],
           ledger->begun[1], lost, twice, ledger->damaged, ledger->disordered, kith_queue_qsize(queue));
    return !lost && !twice && !ledger->damaged && !ledger->disordered && kith_queue_qsize(queue) == 0;
}

static bool torture(const struct configuration *configuration, int kills, uint64_t *random)
{
    ledger = mmap(NULL, sizeof *ledger, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (ledger == MAP_FAILED)
        return false;
    must(kith_queue_new(&queue, &configuration->options), "new");
    big = configuration->big;
    kith_process *workers[PUTTERS + GETTERS];
    for (int i = 0; i < PUTTERS + GETTERS; i++)
        workers[i] = start(i);
    bool alive = kill_some(workers, kills, random) && finish(workers);
    if (!alive)
        printf("# wedged: nobody got on for %d seconds\n", PATIENCE);
    for (int i = 0; i < PUTTERS + GETTERS; i++) {
        must(kith_process_kill(workers[i]), "kill");
        must(kith_process_join(workers[i], KITH_FOREVER), "join");
        must(kith_process_close(workers[i]), "close");
    }
    bool good = judge() && alive;
    kith_queue_free(queue);
    munmap(ledger, sizeof *ledger);
    return good;
}

int main(int count, char **arguments)
{
    static const struct configuration configurations[] = {
        { "bounded to 8 messages", { .max_items = 8 }, 4096 },
        { "bounded to 64 KiB", { .max_bytes = 64 * 1024 }, 32 * 1024 },
        { "bounded to 1,000 messages, some big", { .max_items = 1000 }, SIZE_MAX_BIG - 1024 },
        { "not bounded", { 0 }, 8 * 1024 },
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
        printf("%sok %d - %d kills, %s\n", good ? "" : "not ", i + 1, kills, configurations[i].name);
        failed += !good;
    }
    return failed > 0;
}
