/* Kill after every instruction of put and get, of queues: see rounds.h for what is proved, and how to call it. */
#include "rounds.h"

#include <kith/queue.h>

/* The messages have MESSAGE bytes, and 1 KiB in the queue; where it is said, LONG. */
enum { MESSAGE = 1016, LONG = 1500, NUMBERS = 4096 };

struct setting {
    kith_queue_options bounds;
    size_t big;   /* a message of so many bytes goes first through the queue, while the others are put */
    uint32_t put; /* so many messages are put then */
    uint32_t got; /* and so many of them got */
};

static kith_queue *queue;

/* ---- messages ---- */

static uint32_t numbers;       /* of the messages so far; they count from 1 */
static uint8_t seen[NUMBERS];  /* how often each was got */
static uint32_t drained;       /* the first that the test itself got after the kill */
static uint32_t drained_after; /* the last */

static void compose(unsigned char message[MESSAGE_MAX], uint32_t number)
{
    for (size_t i = 0; i < MESSAGE_MAX; i++)
        message[i] = (unsigned char)(number * 7 + i);
    memcpy(message, &number, sizeof number);
}

/** @return the message's number */
static uint32_t see(const unsigned char *message, size_t size)
{
    unsigned char whole[MESSAGE_MAX];
    uint32_t number;
    memcpy(&number, message, sizeof number);
    compose(whole, number);
    expect((size == MESSAGE || size == LONG) && memcmp(message, whole, size) == 0, "a message is torn");
    expect(number >= 1 && number <= numbers, "a message comes that nobody put");
    if (number < NUMBERS)
        seen[number]++;
    return number;
}

static int put_waiting(struct call *call)
{
    return kith_queue_put(queue, call->message, MESSAGE, KITH_FOREVER);
}

static int put_long(struct call *call)
{
    return kith_queue_put(queue, call->message, LONG, KITH_FOREVER);
}

static int put_at_once(struct call *call)
{
    return kith_queue_put(queue, call->message, MESSAGE, KITH_NOWAIT);
}

static int get_waiting(struct call *call)
{
    return kith_queue_get(queue, call->message, MESSAGE_MAX, &call->size, KITH_FOREVER);
}

static int get_at_once(struct call *call)
{
    return kith_queue_get(queue, call->message, MESSAGE_MAX, &call->size, KITH_NOWAIT);
}

/* What the test itself does. */

static void put_one(void)
{
    struct call call;
    compose(call.message, ++numbers);
    expect(put_at_once(&call) == 0, "nothing can be put");
}

static uint32_t get_one(void)
{
    struct call call = { 0 };
    int code = get_at_once(&call);
    expect(code == 0, "nothing can be got");
    return code == 0 ? see(call.message, call.size) : 0;
}

/** Gets one, and sees to the order of those that the test put before. */
static void drain_one(void)
{
    uint32_t number = get_one();
    expect(number > drained_after || number > scenario->setting->put, "messages of one putter come in another order");
    drained_after = number;
    if (!drained)
        drained = number;
}

/* ---- who waits ---- */

static bool nothing_queued(void)
{
    return kith_queue_qsize(queue) == 0;
}

static bool queue_full(void)
{
    return kith_queue_full(queue) == 1;
}

static void put_for_all(int sleeping)
{
    for (int i = 0; i < sleeping; i++)
        put_one();
}

static void get_for_one(int sleeping)
{
    (void)sleeping;
    drain_one();
}

static void give_message(struct call *call)
{
    compose(call->message, call->number = ++numbers);
}

static const struct crowd getters = { get_waiting, NULL, nothing_queued, put_for_all };
static const struct crowd putters = { put_waiting, give_message, queue_full, get_for_one };

/* ---- a round ---- */

static void queue_begin(void)
{
    const struct setting *setting = scenario->setting;
    numbers = drained = drained_after = 0;
    memset(seen, 0, sizeof seen);
    must(kith_queue_new(&queue, &setting->bounds), "kith_queue_new");
    char *big = setting->big ? calloc(1, setting->big) : NULL;
    if (big)
        must(kith_queue_put(queue, big, setting->big, KITH_NOWAIT), "kith_queue_put");
    while (numbers < setting->put)
        put_one();
    size_t size;
    if (big)
        must(kith_queue_get(queue, big, setting->big, &size, KITH_NOWAIT), "kith_queue_get");
    free(big);
    for (uint32_t i = 0; i < setting->got; i++)
        get_one();
    if (scenario->act == put_waiting || scenario->act == put_at_once || scenario->act == put_long)
        give_message(actor_call());
}

/** Each message was seen once. Of a call that did not return: its own may be missing, or the one that it got. */
static void judge_messages(void)
{
    const struct call *dead = actor_call();
    bool over = atomic_load(&dead->over);
    uint32_t missing = 0;
    for (int i = -1; i < round_now.count; i++) {
        const struct call *call = i < 0 ? dead : bystander_call(i);
        if (atomic_load(&call->over) && call->code == 0 && call->size > 0)
            see(call->message, call->size);
    }
    for (uint32_t number = 1; number <= numbers; number++) {
        bool put_by_dead = number == dead->number;
        expect(seen[number] <= 1, "a message comes twice");
        if (seen[number] > 0 || (put_by_dead && (!over || dead->code < 0)))
            continue;
        expect(!over && !dead->number && ++missing == 1, "a message is lost");
        expect(!drained || number < drained, "a message is lost from the middle");
    }
}

static void queue_judge(void)
{
    int queued = kith_queue_qsize(queue);
    for (int i = 0; i < queued && !round_now.wrong; i++)
        drain_one();
    expect(kith_queue_empty(queue) == 1, "the queue is not empty after as many gets as qsize said");
    judge_messages();
    put_one();
    expect(get_one() == numbers, "what is put is not got");
}

static void queue_end(void)
{
    kith_queue_free(queue);
}

/* ---- meanwhile ---- */

static void put_two(void)
{
    put_one();
    put_one();
}

static void another_and_put(void)
{
    another();
    put_one();
}

/** As a rule the message is gone before the one who was woken for it has moved. */
static void another_and_put_in_vain(void)
{
    struct call call = { 0 };
    another_and_put();
    if (get_at_once(&call) == 0)
        see(call.message, call.size);
}

static void get_two(void)
{
    get_one();
    expect(eventually(all_over), "room is made, and a putter sleeps");
    get_one();
}

static void another_and_get(void)
{
    another();
    get_one();
}

/* ---- scenarios ---- */

#define RING 256 /* messages fill the first ring; each ring that follows has twice the size */

static const struct setting empty = { .put = 1, .got = 1 };
static const struct setting two = { .put = 2 };
static const struct setting one_fits = { .bounds = { .max_items = 1 } };
static const struct setting full = { .bounds = { .max_items = 1 }, .put = 1 };
static const struct setting full_of_two = { .bounds = { .max_items = 2 }, .put = 2 };
static const struct setting full_of_bytes = { .bounds = { .max_bytes = 1024 }, .put = 1 };
/* Here the sizes of rings matter, and of the pieces in which they take and give memory. */
static const struct setting at_piece_end = { .put = RING / 4 };
static const struct setting at_ring_end = { .put = RING };
static const struct setting at_last_place_in_ring = { .put = RING - 1 };
static const struct setting first_ring_drained = { .put = RING + 2, .got = RING };
static const struct setting piece_nearly_drained = { .big = 2 << 20, .put = 8 * RING + 2, .got = 4 * RING - 1 };
static const struct setting ring_nearly_drained = { .big = 2 << 20, .put = 8 * RING + 2, .got = 8 * RING - 2 };
static const struct setting an_eighth_left = { .big = 3 << 20, .put = 2 * RING };

static const struct scenario scenarios[] = {
    { "put, nobody waits", &empty, .act = put_waiting },
    { "put, a getter sleeps", &empty, .act = put_waiting, .crowd = &getters, .asleep = 1 },
    { "put, two getters sleep", &empty, .act = put_waiting, .crowd = &getters, .asleep = 2 },
    { "put, a getter is about to sleep", &empty, .act = put_waiting, .crowd = &getters, .held = true },
    { "put, a getter sleeps, another is about to", &empty, .act = put_waiting, .crowd = &getters, .asleep = 1,
      .held = true },
    { "put, a getter comes", &empty, .act = put_waiting, .crowd = &getters, .arrival = true },
    { "put, a getter sleeps, another comes", &empty, .act = put_waiting, .crowd = &getters, .asleep = 1,
      .arrival = true },
    { "put, another putter comes", &empty, .act = put_waiting, .crowd = &putters, .arrival = true },
    { "put of the one message that fits", &one_fits, .act = put_waiting },
    { "put of the one message that fits, another putter comes", &one_fits, .act = put_at_once, .beaten = KITH_EFULL,
      .crowd = &putters, .arrival = true },
    { "put that finds no room, a putter sleeps", &full, .act = put_at_once, .code = KITH_EFULL, .crowd = &putters,
      .asleep = 1 },
    { "put that finds no room, another putter comes", &full, .act = put_at_once, .code = KITH_EFULL, .crowd = &putters,
      .arrival = true },
    { "put that sleeps behind another putter", &full, .act = put_waiting, .crowd = &putters, .asleep = 1,
      .meanwhile = get_two },
    { "put that sleeps and is woken, another putter sleeps", &full, .act = put_waiting, .crowd = &putters,
      .meanwhile = another_and_get },
    { "get, nobody waits", &two, .act = get_waiting },
    { "get, another getter comes", &two, .act = get_waiting, .crowd = &getters, .arrival = true },
    { "get of the only message, another getter comes", &full, .act = get_at_once, .beaten = KITH_EEMPTY,
      .crowd = &getters, .arrival = true },
    { "get from a full queue, a putter sleeps", &full, .act = get_waiting, .crowd = &putters, .asleep = 1 },
    { "get from a full queue, a putter is about to sleep", &full, .act = get_waiting, .crowd = &putters, .held = true },
    { "get from a full queue, two putters sleep", &full_of_two, .act = get_waiting, .crowd = &putters, .asleep = 2 },
    { "get from a full queue, a putter sleeps, another comes", &full, .act = get_waiting, .crowd = &putters,
      .asleep = 1, .arrival = true },
    { "get from a queue full of bytes, a putter sleeps", &full_of_bytes, .act = get_waiting, .crowd = &putters,
      .asleep = 1 },
    { "get that finds nothing, a getter sleeps", &empty, .act = get_at_once, .code = KITH_EEMPTY, .crowd = &getters,
      .asleep = 1 },
    { "get that finds nothing, another getter comes", &empty, .act = get_at_once, .code = KITH_EEMPTY,
      .crowd = &getters, .arrival = true },
    { "get that sleeps behind another getter", &empty, .act = get_waiting, .crowd = &getters, .asleep = 1,
      .meanwhile = put_two },
    { "get that sleeps and is woken, another getter sleeps", &empty, .act = get_waiting, .crowd = &getters,
      .meanwhile = another_and_put },
    { "get that sleeps, is woken and finds nothing, another getter sleeps", &empty, .act = get_waiting,
      .crowd = &getters, .meanwhile = another_and_put_in_vain, .again = put_two },
    { "put that takes more memory", &at_piece_end, .act = put_waiting },
    { "put that grows the queue", &at_ring_end, .act = put_waiting },
    { "put that grows the queue, another putter comes", &at_ring_end, .act = put_waiting, .crowd = &putters,
      .arrival = true },
    { "put of a long message that grows the queue, where a short one fits", &at_last_place_in_ring, .act = put_long },
    { "get that moves to the next ring", &first_ring_drained, .act = get_waiting },
    { "get that gives a ring back", &ring_nearly_drained, .act = get_waiting },
    { "get that gives a part of a ring back", &piece_nearly_drained, .act = get_waiting },
    { "get that shrinks the queue", &an_eighth_left, .act = get_waiting },
    { "get that shrinks the queue, a putter comes", &an_eighth_left, .act = get_waiting, .crowd = &putters,
      .arrival = true },
};

int main(int count, char **arguments)
{
    const struct family queues = FAMILY(scenarios, queue_begin, queue_judge, queue_end);
    return play_families(&queues, 1, count, arguments);
}
