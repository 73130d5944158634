/* Kill torture of a pipe through shared memory. Two processes send on one of its ends; on the other, one receives, and
 * one only waits for something to receive. They are killed by SIGKILL at random instants, and replaced.
 *
 *   - What was sent comes, once, whole, and in its sender's order. A receiver that is killed loses at most the message
 *     that it was receiving; a sender, the one that it was sending.
 *   - Nobody sleeps while there is something for it: every now and then a sender waits until all that it has sent is
 *     received, and sends nothing meanwhile that would wake others.
 *   - When the senders are gone, the end is told, behind all that was sent. When the receivers are gone, that is told.
 *
 * usage: pipe_kills [KILLS [SEED]]   KILLS a part; the seed is printed, and replays the choices. Output is TAP. */
#include "killing.h"

#include <string.h>

enum { SENDERS = 2, RECEIVER = SENDERS, WATCHER, WORKERS, LIVES_MAX = 20000, PATIENCE = 30, SIZE_MAX_SENT = 400000 };

struct message {
    uint32_t life;
    uint32_t number;
    uint32_t size;
    unsigned char pattern[];
};

struct ledger {
    _Atomic uint64_t progress;
    _Atomic bool stop;
    _Atomic uint32_t wrong;
    _Atomic uint32_t receivers_killed; /* before each kill */
    _Atomic uint32_t deaths;           /* after each kill */
    _Atomic uint32_t lost;
    _Atomic uint32_t sent[LIVES_MAX];     /* of each sender that has lived: how many sends have returned */
    _Atomic uint32_t received[LIVES_MAX]; /* the number that comes next */
};

static struct ledger *ledger;
static kith_connection *sending;
static kith_connection *receiving;

static void expect(bool good, const char *what)
{
    if (good)
        return;
    printf("# process %d: %s\n", (int)getpid(), what);
    atomic_fetch_add(&ledger->wrong, 1);
}

/* ---- what the workers do ---- */

/* A receiver that is killed may have taken the last one along. */
static void wait_until_received(uint32_t life)
{
    uint32_t deaths = atomic_load(&ledger->deaths);
    while (atomic_load(&ledger->received[life]) < atomic_load(&ledger->sent[life]) &&
           atomic_load(&ledger->deaths) == deaths && !atomic_load(&ledger->stop))
        pause_for(20000);
}

static uint32_t any_size(uint64_t *random)
{
    switch (random_below(random, 20)) {
    case 0:
        return (uint32_t)random_below(random, SIZE_MAX_SENT);
    case 1:
        return (uint32_t)random_below(random, 20000);
    default:
        return (uint32_t)random_below(random, 100);
    }
}

static int send_on(void *argument)
{
    uint32_t life = (uint32_t)(uintptr_t)argument;
    uint64_t random = life;
    struct message *message = malloc(sizeof *message + SIZE_MAX_SENT);
    int code = message ? 0 : -ENOMEM;
    for (uint32_t number = 0; code == 0 && !atomic_load(&ledger->stop); number++) {
        *message = (struct message){ .life = life, .number = number, .size = any_size(&random) };
        memset(message->pattern, (int)(life + number), message->size);
        code = kith_connection_send(sending, message, sizeof *message + message->size, KITH_FOREVER);
        if (code == 0)
            atomic_store(&ledger->sent[life], number + 1);
        if (random_below(&random, 50) == 0)
            wait_until_received(life);
    }
    free(message);
    if (code == -EPIPE && atomic_load(&ledger->stop))
        return 0;
    must(code, "send");
    return 0;
}

static void judge(const struct message *message, size_t size)
{
    bool whole = size >= sizeof *message && size == sizeof *message + message->size && message->life < LIVES_MAX;
    expect(whole, "a message is not whole");
    if (!whole)
        return;
    for (uint32_t i = 0; i < message->size && whole; i++)
        whole = message->pattern[i] == (unsigned char)(message->life + message->number);
    expect(whole, "a message is another one than was sent");
    uint32_t next = atomic_load(&ledger->received[message->life]);
    expect(message->number >= next, "a message comes twice, or out of order");
    atomic_fetch_add(&ledger->lost, message->number - next);
    atomic_store(&ledger->received[message->life], message->number + 1);
    atomic_fetch_add(&ledger->progress, 1);
}

/* Waits in one of three ways. @return as kith_connection_recv */
static int receive(kith_bytes *message, uint64_t *random)
{
    kith_waitable item = { .connection = receiving };
    int code = 1;
    switch (random_below(random, 3)) {
    case 0:
        return kith_connection_recv(receiving, message, KITH_FOREVER);
    case 1:
        code = kith_connection_poll(receiving, KITH_FOREVER);
        break;
    default:
        code = kith_wait(&item, 1, KITH_FOREVER);
    }
    return code < 0 ? code : kith_connection_recv(receiving, message, KITH_NOWAIT);
}

static int receive_on(void *argument)
{
    uint64_t random = (uintptr_t)argument;
    for (;;) {
        kith_bytes message;
        int code = receive(&message, &random);
        if (code == KITH_EEOF)
            return 0;
        must(code, "receive");
        judge(message.data, message.size);
        kith_bytes_free(&message);
        if (random_below(&random, 2000) == 0)
            pause_for(2000000); /* until senders wait for room */
    }
}

/* Is woken, and takes the bells off the socket, but receives nothing. */
static int watch_on(void *life)
{
    (void)life;
    while (!atomic_load(&ledger->stop)) {
        must(kith_connection_poll(receiving, KITH_FOREVER), "poll");
        pause_for(10000);
    }
    return 0;
}

/* ---- the torture ---- */

static kith_process *workers[WORKERS];
static uint32_t lives;

static void begin(int worker)
{
    static const kith_process_main bodies[WORKERS] = { send_on, send_on, receive_on, watch_on };
    bool sends = worker < SENDERS;
    kith_process_options options = { .connections = sends ? &sending : &receiving, .connection_count = 1 };
    if (lives >= LIVES_MAX)
        must(-ENOMEM, "too many kills");
    must(kith_process_start(&workers[worker], bodies[worker], (void *)(uintptr_t)lives++, &options), "start");
}

static void slay(int worker)
{
    if (worker == RECEIVER)
        atomic_fetch_add(&ledger->receivers_killed, 1);
    kill_and_close(workers[worker]);
    atomic_fetch_add(&ledger->deaths, 1);
}

/* @return whether it ended by itself, and well */
static bool finish(int worker)
{
    int exit_code = -1;
    bool ended = kith_process_join(workers[worker], KITH_SECONDS(PATIENCE)) == 0;
    if (!ended)
        kill_and_close(workers[worker]);
    else
        must(kith_process_exit_code(workers[worker], &exit_code), "exit code");
    if (ended)
        must(kith_process_close(workers[worker]), "close");
    return ended && exit_code == 0;
}

/* What was sent and has not come; a receiver that was killed may have taken a message along. */
static void judge_losses(void)
{
    uint32_t lost = atomic_load(&ledger->lost);
    for (uint32_t life = 0; life < lives; life++) {
        uint32_t sent = atomic_load(&ledger->sent[life]), received = atomic_load(&ledger->received[life]);
        lost += sent > received ? sent - received : 0;
    }
    printf("# %u of %llu messages lost by %u receivers\n", lost, (unsigned long long)atomic_load(&ledger->progress),
           atomic_load(&ledger->receivers_killed));
    expect(lost <= atomic_load(&ledger->receivers_killed), "messages are lost");
}

static void end_with_senders(void)
{
    kith_connection_close(sending);
    atomic_store(&ledger->stop, true);
    for (int i = 0; i < SENDERS; i++)
        expect(finish(i), "a sender does not end");
    expect(finish(RECEIVER), "a receiver is not told the end");
    expect(finish(WATCHER), "a watcher is not told the end");
    judge_losses();
}

static void end_with_receivers(void)
{
    kith_connection_close(receiving);
    atomic_store(&ledger->stop, true);
    slay(RECEIVER);
    slay(WATCHER);
    for (int i = 0; i < SENDERS; i++)
        expect(finish(i), "a sender is not told that nobody receives");
}

static bool torture(int kills, uint64_t random, void (*end)(void))
{
    ledger = share(sizeof *ledger);
    lives = 0;
    must(kith_pipe(&receiving, &sending, &(kith_pipe_options){ .one_way = 1, .shared_memory = 1 }), "pipe");
    for (int i = 0; i < WORKERS; i++)
        begin(i);
    bool alive = true;
    for (int i = 0; i < kills && alive; i++) {
        alive = gets_on(&ledger->progress, PATIENCE);
        pause_for(random_below(&random, 1000000));
        int victim = (int)random_below(&random, WORKERS);
        slay(victim);
        begin(victim);
    }
    expect(alive && gets_on(&ledger->progress, PATIENCE), "nobody gets on");
    end();
    kith_connection_free(sending);
    kith_connection_free(receiving);
    bool good = atomic_load(&ledger->wrong) == 0;
    munmap(ledger, sizeof *ledger);
    return good;
}

int main(int count, char **arguments)
{
    int kills = (int)number_of(count, arguments, 1, 100);
    uint64_t seed = number_of(count, arguments, 2, (uint64_t)time(NULL));
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("1..2\n# seed %llu\n", (unsigned long long)seed);
    start_first();
    int failed = verdict(1, torture(kills, seed, end_with_senders), "kills, and the senders end");
    failed += verdict(2, torture(kills, seed + 1, end_with_receivers), "kills, and the receivers end");
    return failed > 0;
}
