/* Kill after every instruction of put and get, of queues: see rounds.h for what is proved, and how to call it. */
#include "queue_rounds.h"

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

#define REGION 256 /* messages fill the first region; each region that follows has twice the size */

static const struct setting empty = { .put = 1, .got = 1 };
static const struct setting two = { .put = 2 };
static const struct setting one_fits = { .bounds = { .max_items = 1 } };
static const struct setting full = { .bounds = { .max_items = 1 }, .put = 1 };
static const struct setting full_of_two = { .bounds = { .max_items = 2 }, .put = 2 };
static const struct setting full_of_bytes = { .bounds = { .max_bytes = 1024 }, .put = 1 };
/* Here the sizes of regions matter, and of the pieces in which they take and give memory. */
static const struct setting at_piece_end = { .put = REGION / 4 };
static const struct setting at_region_end = { .put = REGION };
static const struct setting at_last_place_in_region = { .put = REGION - 1 };
static const struct setting first_region_drained = { .put = REGION + 2, .got = REGION };
static const struct setting piece_nearly_drained = { .big = 2 << 20, .put = 8 * REGION + 2, .got = 4 * REGION - 1 };
static const struct setting region_nearly_drained = { .big = 2 << 20, .put = 8 * REGION + 2, .got = 8 * REGION - 2 };
static const struct setting an_eighth_left = { .big = 3 << 20, .put = 2 * REGION };

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
    { "put that grows the queue", &at_region_end, .act = put_waiting },
    { "put that grows the queue, another putter comes", &at_region_end, .act = put_waiting, .crowd = &putters,
      .arrival = true },
    { "put of a long message that grows the queue, where a short one fits", &at_last_place_in_region, .act = put_long },
    { "get that moves to the next region", &first_region_drained, .act = get_waiting },
    { "get that gives a region back", &region_nearly_drained, .act = get_waiting },
    { "get that gives a part of a region back", &piece_nearly_drained, .act = get_waiting },
    { "get that shrinks the queue", &an_eighth_left, .act = get_waiting },
    { "get that shrinks the queue, a putter comes", &an_eighth_left, .act = get_waiting, .crowd = &putters,
      .arrival = true },
};

int main(int count, char **arguments)
{
    const struct family queues = FAMILY(scenarios, queue_begin, queue_judge, queue_end);
    return play_families(&queues, 1, count, arguments);
}
