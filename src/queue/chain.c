#include "queue/chain.h"

#include "base/log.h"
#include "os/memory.h"

#include <stdlib.h>

/* The regions lie behind the shared fields, at offsets that are whole pages whatever the page size, up to 64 KiB. */
#define REGIONS_OFFSET ((uint64_t)64 * 1024)
_Static_assert(sizeof(struct queue_shared) <= REGIONS_OFFSET, "the regions begin behind the shared fields");

/* Memory is taken a chunk at a time as a region fills for the first time: what is never used is never there. */
#define BACK_MIN ((uint64_t)64 * 1024)
#define BACK_MAX ((uint64_t)1024 * 1024)

/* Putters look after so many bytes whether little enough is queued to begin a new lap. */
#define LAP_LOOK ((uint64_t)64 * 1024)

/* A region that getters drain and putters have left is given back in pieces of this many bytes. */
#define RELEASE_CHUNK ((uint64_t)1024 * 1024)

/* Regions up to this one, 1 MiB, are kept however little is in them. */
#define KEEP_MIN 2u

/* A region that needs new memory so soon, in nanoseconds, after some was given back is kept from then on, until a
 * getter finds nothing to do: new memory for the same messages again and again would cost more than moving them. */
#define REGRET 1000000000

static const struct object_type queue_type = { .kind = OBJECT_QUEUE, .layout = 2, .outlives = true };

static uint64_t region_bytes(uint32_t region)
{
    return REGION_BASE << region;
}

static uint64_t region_offset(uint32_t region)
{
    return REGIONS_OFFSET + region_bytes(region) - REGION_BASE; /* the sizes of all regions before it */
}

/* ---- a process's view ---- */

static void begin(void *memory, const void *argument)
{
    static const kith_queue_options unbounded;
    const kith_queue_options *options = argument ? argument : &unbounded;
    struct queue_shared *shared = memory;
    shared->max_items = options->max_items ? options->max_items : KITH_QUEUE_ITEMS_MAX;
    shared->max_units =
        options->max_bytes && options->max_bytes / UNIT < QUEUE_UNITS_MAX ? options->max_bytes / UNIT : QUEUE_UNITS_MAX;
    shared->bounded = options->max_items || options->max_bytes;
    shared->redeliver = options->redeliver;
    shared->max_deliveries = options->max_deliveries;
    shared->head_seen = shared->tail_seen = POSITION_START;
    atomic_init(&shared->tail, POSITION_START);
    atomic_init(&shared->head, POSITION_START);
    atomic_init(&shared->next, POSITION_START);
    shared->limit = shared->laps[0].begin = position_units(POSITION_START);
    atomic_init(&shared->laps[0].end, LAP_OPEN);
    atomic_init(&shared->keep, KEEP_MIN);
    atomic_init(&shared->given_at, -(int64_t)REGRET);
}

static struct object_plan plan(const kith_queue_options *options)
{
    return (struct object_plan){ .size = REGIONS_OFFSET, .begin = begin, .argument = options };
}

/** Takes the object, when there is one. */
static int chain_begin(struct chain *chain, int code)
{
    if (code < 0)
        return code;
    chain->shared = chain->object.memory;
    return 0;
}

int chain_new(struct chain *chain, const kith_queue_options *options)
{
    struct object_plan made = plan(options);
    return chain_begin(chain, object_new(&chain->object, &queue_type, &made));
}

int chain_open(struct chain *chain, const char *name, kith_open how, const kith_queue_options *options)
{
    struct object_plan made = plan(options);
    return chain_begin(chain, object_open(&chain->object, &queue_type, name, how, &made));
}

int chain_from_fd(struct chain *chain, int fd)
{
    return chain_begin(chain, object_from_fd(&chain->object, &queue_type, fd));
}

int chain_unlink(const char *name)
{
    return object_unlink(&queue_type, name);
}

void chain_close(struct chain *chain, bool all)
{
    for (uint32_t region = 0; region < REGIONS; region++) {
        char *memory = atomic_load_explicit(&chain->mapped[region], memory_order_relaxed);
        if (memory)
            os_memory_unmap(memory, region_bytes(region));
    }
    if (all)
        object_close(&chain->object);
}

char *chain_map(struct chain *chain, uint32_t region)
{
    void *memory;
    int code = os_memory_map(&memory, chain->object.file, region_offset(region), region_bytes(region));
    if (code < 0) {
        error_fail(code, "no address space to map %llu bytes of a queue: %s", (unsigned long long)region_bytes(region),
                   kith_strerror(code));
        return NULL;
    }
    /* A thread that puts and one that gets may both have come here. */
    char *other = NULL;
    if (atomic_compare_exchange_strong_explicit(&chain->mapped[region], &other, memory, memory_order_acq_rel,
                                                memory_order_acquire))
        return memory;
    os_memory_unmap(memory, region_bytes(region));
    return other;
}

uint64_t chain_memory(const struct chain *chain)
{
    uint64_t units = 0;
    for (uint32_t region = 0; region < REGIONS; region++)
        units += region_backed(chain->shared, region);
    return REGIONS_OFFSET + units * UNIT;
}

/* ---- putters: called by the owner of their side ---- */

/** The regions of the chain, a bit each. The region of a first lap that getters have just left may be among them. */
static uint32_t regions_in_use(const struct queue_shared *shared)
{
    uint32_t lap = atomic_load_explicit(&shared->first, memory_order_acquire);
    uint32_t used = 1u << lap_region(lap);
    while (atomic_load_explicit(&shared->laps[lap].end, memory_order_relaxed) != LAP_OPEN) {
        lap = shared->laps[lap].next;
        used |= 1u << lap_region(lap);
    }
    return used;
}

/** The smallest region that is free and holds so many units. @return REGIONS when there is none */
static uint32_t region_find(const struct queue_shared *shared, uint64_t units)
{
    uint32_t used = regions_in_use(shared);
    uint32_t region = 0;
    while (region < REGIONS && (used & 1u << region || region_units(region) < units))
        region++;
    return region;
}

/** Sees to it that the region has memory for so many units from its start. */
static int region_back(struct chain *chain, uint32_t region, uint64_t units)
{
    uint64_t have = region_backed(chain->shared, region) * UNIT;
    uint64_t want = units * UNIT;
    if (want <= have)
        return 0;
    uint64_t chunk = region_bytes(region) / 8;
    chunk = chunk < BACK_MIN ? BACK_MIN : chunk > BACK_MAX ? BACK_MAX : chunk;
    want = (want + chunk - 1) / chunk * chunk;
    if (want > region_bytes(region))
        want = region_bytes(region);
    int code = os_memory_back(chain->object.file, region_offset(region) + have, want - have);
    if (code < 0)
        return error_fail(code, "no memory to queue %llu more bytes: %s", (unsigned long long)(want - have),
                          kith_strerror(code));
    struct queue_shared *shared = chain->shared;
    atomic_store_explicit(&shared->backed[region], want / UNIT, memory_order_relaxed);
    if (region > atomic_load_explicit(&shared->keep, memory_order_relaxed) &&
        os_clock_now() - atomic_load_explicit(&shared->given_at, memory_order_relaxed) < REGRET)
        atomic_store_explicit(&shared->keep, region, memory_order_relaxed);
    return 0;
}

/** Makes a free lap ready to begin at the tail, with memory for so many units. Until it is linked nobody but us sees
 * it. */
static int lap_prepare(struct chain *chain, uint32_t lap, uint64_t units)
{
    struct queue_shared *shared = chain->shared;
    shared->laps[lap].begin = position_units(atomic_load_explicit(&shared->tail, memory_order_relaxed));
    atomic_store_explicit(&shared->laps[lap].end, LAP_OPEN, memory_order_relaxed);
    if (!chain_region(chain, lap_region(lap)))
        return -ENOMEM;
    return region_back(chain, lap_region(lap), units);
}

/** Makes lap "next" follow lap "last" at the tail. */
static void lap_link(struct queue_shared *shared, uint32_t last, uint32_t next)
{
    uint64_t at = position_units(atomic_load_explicit(&shared->tail, memory_order_relaxed));
    shared->limit = at; /* so that the next put looks where it is, whoever makes it */
    shared->laps[last].next = next;
    /* release: pairs with the acquires in chain_follow and chain_lap_at, who may read begin and next then. */
    atomic_store_explicit(&shared->laps[last].end, at, memory_order_release);
    shared->last = next;
}

/** Goes on in another region, which holds twice what is queued and so many units: the one of the last lap is full. */
static int chain_grow(struct chain *chain, uint32_t last, uint64_t queued, uint64_t units)
{
    struct queue_shared *shared = chain->shared;
    uint32_t region = region_find(shared, 2 * queued + units);
    if (region == REGIONS)
        region = region_find(shared, units);
    if (region == REGIONS)
        return error_fail(-ENOSPC, "the queue can't grow any more: all its regions are in use");
    int code = lap_prepare(chain, 2 * region, units);
    if (code < 0)
        return code;
    lap_link(shared, last, 2 * region);
    kith_log(KITH_LOG_DEBUG, "queue grows to a region of %llu KiB", (unsigned long long)region_bytes(region) / 1024);
    return 0;
}

/** Starts over at the beginning of the region, where getters have left room. The region's other lap is free: they are
 *  in this one. */
static int chain_start_over(struct chain *chain, uint32_t last)
{
    int code = lap_prepare(chain, last ^ 1, 0); /* it has memory there */
    if (code == 0)
        lap_link(chain->shared, last, last ^ 1);
    return code;
}

/** The last lap. An owner of the side that died may have linked one without saying so in "last". */
static uint32_t chain_last(struct queue_shared *shared)
{
    while (atomic_load_explicit(&shared->laps[shared->last].end, memory_order_relaxed) != LAP_OPEN)
        shared->last = shared->laps[shared->last].next;
    return shared->last;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/** Where the last lap can go, in units from its region's start. */
struct outlook {
    uint64_t at;    /* the tail */
    uint64_t reach; /* the lap can go up to here: to the region's end, or to what getters have not read yet */
    uint64_t freed; /* what getters have left at the region's start, for another lap; 0 when that is not to be had */
    uint64_t queued;
};

static struct outlook look_out(const struct queue_shared *shared, uint32_t last, uint32_t first, position head)
{
    uint32_t region = lap_region(last);
    uint64_t tail = position_units(atomic_load_explicit(&shared->tail, memory_order_relaxed));
    struct outlook out = { .at = units_between(shared->laps[last].begin, tail),
                           .reach = region_units(region),
                           .queued = units_between(position_units(head), tail) };
    uint64_t read = units_between(shared->laps[first].begin, position_units(head));
    if (first == last)
        out.freed = read;
    else if (lap_region(first) ==
             region) /* should getters have come to the last lap meanwhile, all of the region is free */
        out.reach = least(out.reach, read);
    return out;
}

/** Whether another lap in the same region is better than going on: what getters have left at its start is warm, and
 *  there is so much of it that we will not soon run into what they have not read yet. */
static bool lap_is_long_enough(const struct outlook *out, uint64_t units)
{
    return out->freed >= 2 * out->queued + units + LAP_LOOK / UNIT;
}

/** Gives the last lap memory for so many units more, or begins another. @return 0: look again; as chain_make_room */
static int chain_go_on(struct chain *chain, uint32_t last, const struct outlook *out, uint64_t units)
{
    bool can_start_over = out->freed >= units;
    if (can_start_over && (lap_is_long_enough(out, units) || out->freed >= out->at / 4))
        return chain_start_over(chain, last);
    int code = out->at + units <= out->reach ? region_back(chain, lap_region(last), out->at + units)
                                             : chain_grow(chain, last, out->queued, units);
    return code < 0 && can_start_over ? chain_start_over(chain, last) : code;
}

/** What getters have done, as putters see it; kept for statistics when it is worth it. */
static position see_head(struct queue_shared *shared, position tail)
{
    /* acquire: pairs with the getters' stores; they have copied out what lies before the head. */
    position head = shared->head_seen = atomic_load_explicit(&shared->head, memory_order_acquire);
    note_depth(shared, head, tail);
    count_note(&shared->puts, tail);
    return head;
}

int chain_make_room(struct chain *chain, uint64_t units)
{
    struct queue_shared *shared = chain->shared;
    position tail = atomic_load_explicit(&shared->tail, memory_order_relaxed);
    for (;;) {
        uint32_t last = chain_last(shared);
        uint32_t region = lap_region(last);
        /* In this order: when the first lap is the last one, the head that we see lies in it. */
        uint32_t first = atomic_load_explicit(&shared->first, memory_order_acquire);
        position head = see_head(shared, tail);
        struct outlook out = look_out(shared, last, first, head);
        if (items_between(head, tail) >= shared->max_items || out.queued + units > shared->max_units)
            return KITH_EFULL;
        uint64_t ready = least(out.reach, region_backed(shared, region));
        if (out.at + units > ready || lap_is_long_enough(&out, units)) {
            int code = chain_go_on(chain, last, &out, units);
            if (code < 0)
                return code;
            continue;
        }
        uint64_t room = least(ready - out.at, shared->max_units - out.queued);
        room = least(room, units + LAP_LOOK / UNIT);
        shared->limit = (position_units(tail) + room) & POSITION_UNITS_MASK;
        return 0;
    }
}

/* ---- getters: called by the owner of their side ---- */

/** Gives memory of a region back that no putter can touch now: it is closed, or free with the putters' side in our
 * hands. */
static void region_punch(struct chain *chain, uint32_t region, uint64_t offset, uint64_t size)
{
    /* first, so that a death in between leaves nothing that is thought to be there */
    atomic_store_explicit(&chain->shared->backed[region], 0, memory_order_relaxed);
    os_memory_punch(chain->object.file, region_offset(region) + offset, size);
    atomic_store_explicit(&chain->shared->given_at, os_clock_now(), memory_order_relaxed);
}

/** Whether a region's memory stays when it is left. Not if a part of it is gone already. */
static bool region_kept(const struct queue_shared *shared, uint32_t region)
{
    return region == 0 ||
           (region <= atomic_load_explicit(&shared->keep, memory_order_relaxed) && region_backed(shared, region) > 0);
}

void chain_follow(struct chain *chain)
{
    struct queue_shared *shared = chain->shared;
    uint64_t head = position_units(atomic_load_explicit(&shared->head, memory_order_relaxed));
    uint32_t lap = atomic_load_explicit(&shared->first, memory_order_relaxed);
    if (shared->redeliver) /* it must not stay behind in a lap that becomes the putters' */
        shared->next_lap =
            chain_lap_at(shared, shared->next_lap, atomic_load_explicit(&shared->next, memory_order_relaxed));
    /* acquire: pairs with lap_link. */
    while (atomic_load_explicit(&shared->laps[lap].end, memory_order_acquire) == head) {
        uint32_t next = shared->laps[lap].next;
        uint32_t region = lap_region(lap);
        /* While its lap still is the first no putter takes the region. */
        if (lap_region(next) != region && !region_kept(shared, region))
            region_punch(chain, region, 0, region_bytes(region));
        /* release: pairs with the acquire in regions_in_use; from here on the lap is the putters' again. */
        atomic_store_explicit(&shared->first, next, memory_order_release);
        lap = next;
    }
}

/** Gives back what was read of a lap, from one position to the next, chunk by chunk: no putter comes to its region
 *  before getters have left it. */
static void release_read(struct chain *chain, uint32_t lap, position from, position to)
{
    uint64_t begin = chain->shared->laps[lap].begin;
    uint64_t start = units_between(begin, position_units(from)) * UNIT / RELEASE_CHUNK * RELEASE_CHUNK;
    uint64_t stop = units_between(begin, position_units(to)) * UNIT / RELEASE_CHUNK * RELEASE_CHUNK;
    if (stop > start)
        region_punch(chain, lap_region(lap), start, stop - start);
}

/** Has putters go on in a smaller region, one that holds so many units, if there is one. The putters' side is in our
 * hands. */
static void chain_shrink(struct chain *chain, uint32_t lap, uint64_t units)
{
    struct queue_shared *shared = chain->shared;
    uint32_t smaller = region_find(shared, units);
    if (smaller >= lap_region(lap) || lap_prepare(chain, 2 * smaller, 0) < 0)
        return;
    lap_link(shared, lap, 2 * smaller);
    chain_follow(chain);
}

/** Takes the putters' side in hand if none of them is at it right now; else the next get tries again. Those who wait
 *  for room are not at it; and when the last of them has given up or died, the word may tell of them for long. */
static bool putters_hold(struct os_thread *self, struct queue_shared *shared)
{
    _Atomic uint32_t *word = &shared->put.word.value;
    uint32_t value = atomic_load_explicit(word, memory_order_relaxed);
    /* acquire: pairs with the release of the owner before, as in word_try_acquire. */
    return !(value & ROBUST_OWNER) &&
           atomic_compare_exchange_strong_explicit(word, &value, self->id | (value & ROBUST_WAITERS),
                                                   memory_order_acquire, memory_order_relaxed);
}

static void putters_let_go(struct os_thread *self, struct queue_shared *shared)
{
    if (!word_try_release(self, &shared->put.word))
        word_pass(&shared->put.word);
}

void chain_release(struct os_thread *self, struct chain *chain, position from, position to)
{
    struct queue_shared *shared = chain->shared;
    uint32_t lap = atomic_load_explicit(&shared->first, memory_order_relaxed);
    uint32_t region = lap_region(lap);
    uint64_t end = atomic_load_explicit(&shared->laps[lap].end, memory_order_acquire);
    if (end == position_units(to)) {
        chain_follow(chain);
        return;
    }
    if (end != LAP_OPEN) {
        if (lap_region(shared->laps[lap].next) != region && !region_kept(shared, region))
            release_read(chain, lap, from, to);
        return;
    }
    position tail = atomic_load_explicit(&shared->tail, memory_order_acquire);
    uint64_t queued = units_between(position_units(to), position_units(tail));
    if (region_kept(shared, region) || queued > region_units(region) / 8 || !putters_hold(self, shared))
        return;
    /* Four times what is queued and one message like this one: enough not to grow again for the next one. But nothing
     * at all for nothing queued, if that message filled most of the region. */
    uint64_t wanted = 4 * (queued + units_between(position_units(from), position_units(to)));
    if (chain_last(shared) == lap)
        chain_shrink(chain, lap, queued == 0 && wanted > region_units(region) / 2 ? 1 : wanted);
    putters_let_go(self, shared);
}

bool chain_has_grown(const struct chain *chain)
{
    for (uint32_t region = 1; region < REGIONS; region++) {
        if (region_backed(chain->shared, region) > 0)
            return true;
    }
    return false;
}

void chain_release_idle(struct os_thread *self, struct chain *chain)
{
    struct queue_shared *shared = chain->shared;
    if (!putters_hold(self, shared))
        return;
    uint32_t first = atomic_load_explicit(&shared->first, memory_order_relaxed);
    atomic_store_explicit(&shared->keep, 0, memory_order_relaxed);
    if (lap_region(first) > 0 && chain_last(shared) == first)
        chain_shrink(chain, first, 1);
    uint32_t used = regions_in_use(shared);
    for (uint32_t region = 1; region < REGIONS; region++) {
        if (!(used & 1u << region) && region_backed(shared, region) > 0)
            region_punch(chain, region, 0, region_bytes(region));
    }
    atomic_store_explicit(&shared->keep, KEEP_MIN, memory_order_relaxed);
    putters_let_go(self, shared);
}
