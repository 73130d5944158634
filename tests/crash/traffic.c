#include "traffic.h"

#include "killing.h"

enum { PUTTERS = 2, GETTERS = 2, MESSAGES = 1 << 24 };

struct message {
    uint32_t putter;
    uint32_t number;
    uint64_t sum;
    unsigned char body[];
};

_Static_assert(sizeof(struct message) == TRAFFIC_HEADER, "what the header says");

struct getter {
    _Atomic bool receiving; /* from before get until the message is marked */
    uint32_t last[PUTTERS]; /* the number seen last, plus 1 */
    _Alignas(8) unsigned char hand[TRAFFIC_MESSAGE_MAX];
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

static struct ledger *ledger;
static const struct traffic_queue *queue;

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
    size_t body = random_below(&state, random_below(&state, 64) == 0 ? queue->big : 200);
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
    struct message *message = malloc(TRAFFIC_MESSAGE_MAX);
    if (!message)
        return 2;
    while (!atomic_load(&ledger->stop)) {
        uint32_t number = atomic_load(&ledger->begun[putter]);
        if (number == MESSAGES)
            break;
        size_t size = compose(message, putter, number);
        atomic_store(&ledger->begun[putter], number + 1);
        must(queue->put(message, size), "put");
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
        must(queue->get(getter->hand, sizeof getter->hand, &size), "get");
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

/** @return 0, or the kill after which nobody got on */
static int kill_some(kith_process *workers[], int kills, uint64_t *random)
{
    for (int i = 0; i < kills; i++) {
        if (!gets_on(&ledger->progress, queue->patience))
            return i + 1;
        pause_for(random_below(random, 300000));
        int worker = (int)random_below(random, PUTTERS + GETTERS);
        kill_and_close(workers[worker]);
        if (worker >= PUTTERS)
            note_what_was_in_hand(worker);
        workers[worker] = start(worker);
    }
    return 0;
}

static bool joined(kith_process *worker)
{
    return kith_process_join(worker, queue->patience * KITH_SECONDS(1)) == 0;
}

static int put_stop(void *nothing)
{
    for (int i = 0; i < GETTERS; i++)
        must(queue->put("", 0), "put");
    return nothing != NULL;
}

/** Lets the putters end, and then the getters. @return whether they did. The last messages are put by a process of its
 *  own: where the others hang, it would hang, too. */
static bool finish(kith_process *workers[])
{
    bool good = true;
    atomic_store(&ledger->stop, true);
    for (int i = 0; i < PUTTERS && good; i++)
        good = joined(workers[i]);
    if (!good)
        return false;
    kith_process *last;
    must(kith_process_start(&last, put_stop, NULL, NULL), "start");
    good = joined(last);
    kill_and_close(last);
    for (int i = PUTTERS; i < PUTTERS + GETTERS && good; i++)
        good = joined(workers[i]);
    return good;
}

static bool judge(void)
{
    uint32_t lost = 0, twice = 0;
    for (int p = 0; p < PUTTERS; p++) {
        for (uint32_t n = 0; n < atomic_load(&ledger->begun[p]); n++) {
            lost += ledger->confirmed[p][n] && !ledger->seen[p][n] && !ledger->in_hand[p][n];
            twice += ledger->seen[p][n] > 1;
        }
    }
    int left = queue->left();
    printf("# %u and %u messages begun, %u lost, %u twice, %u damaged, %u out of order, %d left\n", ledger->begun[0],
           ledger->begun[1], lost, twice, ledger->damaged, ledger->disordered, left);
    return !lost && !twice && !ledger->damaged && !ledger->disordered && left == 0;
}

bool traffic_torture(const struct traffic_queue *tortured, int kills, uint64_t *random, int *lethal)
{
    kith_process *workers[PUTTERS + GETTERS];
    queue = tortured;
    ledger = share(sizeof *ledger);
    for (int i = 0; i < PUTTERS + GETTERS; i++)
        workers[i] = start(i);
    *lethal = kill_some(workers, kills, random);
    if (*lethal == 0 && !finish(workers))
        *lethal = kills;
    for (int i = 0; i < PUTTERS + GETTERS; i++)
        kill_and_close(workers[i]);
    if (*lethal > 0)
        printf("# wedged: after kill %d nobody got on for %d seconds\n", *lethal, queue->patience);
    bool good = *lethal == 0 && judge();
    munmap(ledger, sizeof *ledger);
    return good;
}
