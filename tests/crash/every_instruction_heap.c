/* Kill after every instruction of a heap's calls: see rounds.h for what is proved, and how to call it. Here, after each
 * kill: the blocks that the dead one did not touch hold what they held; the block of its call is as it was before or
 * after the call; nothing overlaps; and when all is freed that is known, at most one block is missing. */
#include "rounds.h"

#include <kith/heap.h>

enum { SIZE = 8192, BLOCKS = 6 };

struct setting {
    size_t sizes[BLOCKS];  /* of the blocks that are there, in their order; 0: there is a free one of 80 bytes */
    int block;             /* the one that the call is about */
    size_t size;           /* the size that the call asks for */
    bool in_place;         /* the block has its offset afterwards, if it was resized */
    long death_before;     /* another one has died in an alloc after so many instructions; 0: nobody has */
    uint64_t lost_at_most; /* blocks that nobody knows, when the call was killed */
};

static kith_heap *heap;
static uint64_t offsets[BLOCKS];
static kith_heap_stats fresh;

static void fill(uint64_t offset, int number, size_t size)
{
    memset(kith_heap_at(heap, offset), 0x10 + number, size);
}

static bool holds(uint64_t offset, int number, size_t size)
{
    const unsigned char *bytes = kith_heap_at(heap, offset);
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0x10 + number)
            return false;
    }
    return true;
}

static uint64_t allocate(size_t size)
{
    uint64_t offset = kith_heap_allocate(heap, size);
    must(offset ? 0 : -12, "kith_heap_allocate");
    return offset;
}

/* ---- the calls ---- */

static int act_alloc(struct call *call)
{
    (void)call;
    return kith_heap_allocate(heap, scenario->setting->size) ? 0 : -1;
}

static int act_free(struct call *call)
{
    (void)call;
    return kith_heap_deallocate(heap, offsets[scenario->setting->block]);
}

static int act_realloc(struct call *call)
{
    const struct setting *setting = scenario->setting;
    uint64_t offset = kith_heap_reallocate(heap, offsets[setting->block], setting->size);
    call->size = offset;
    return offset && (offset == offsets[setting->block]) == setting->in_place ? 0 : -1;
}

/* ---- before ---- */

/** Another one dies in its call, so that the actor, whose call comes next, finds the lock's owner dead. */
static void die_before(void)
{
    actor_start(do_nothing, act_alloc);
    actor_go(scenario->setting->death_before, &(struct events){ 0 });
    expect(!atomic_load(&actor_call()->over), "the one before does not die in its call");
    actor_kill();
}

static void heap_begin(void)
{
    const struct setting *setting = scenario->setting;
    must(kith_heap_new(&heap, SIZE), "kith_heap_new");
    must(kith_heap_get_stats(heap, &fresh), "kith_heap_get_stats");
    for (int i = 0; i < BLOCKS; i++) {
        offsets[i] = allocate(setting->sizes[i] ? setting->sizes[i] : 80);
        fill(offsets[i], i, setting->sizes[i]);
    }
    for (int i = 0; i < BLOCKS; i++) {
        if (!setting->sizes[i])
            must(kith_heap_deallocate(heap, offsets[i]), "kith_heap_deallocate");
    }
    if (setting->death_before)
        die_before();
}
/* ---- afterwards ---- */

static bool is_act(role *act)
{
    return scenario->act == act;
}

/** The blocks of others are whole, and can be freed, all of them. */
static void judge_others(void)
{
    const struct setting *setting = scenario->setting;
    for (int i = 0; i < BLOCKS; i++) {
        if (!setting->sizes[i] || (i == setting->block && !is_act(act_alloc)))
            continue;
        expect(holds(offsets[i], i, setting->sizes[i]), "another block does not hold what it held");
        expect(kith_heap_deallocate(heap, offsets[i]) == 0, "another block can't be freed");
        expect(kith_heap_deallocate(heap, offsets[i]) < 0, "another block can be freed twice");
    }
}

/** The block of the call is there, or it is not, as the call allows. */
static void judge_block(void)
{
    const struct setting *setting = scenario->setting;
    const struct call *dead = actor_call();
    uint64_t offset = offsets[setting->block];
    size_t kept = setting->sizes[setting->block];
    if (is_act(act_alloc))
        return;
    if (is_act(act_realloc)) {
        kept = setting->size < kept ? setting->size : kept;
        offset = atomic_load(&dead->over) ? dead->size : offset;
        /* While it moves, there is an instant when the old one is free already and the new one not yet told. */
        bool there = holds(offset, setting->block, kept);
        expect(there || !setting->in_place, "the block does not hold what it held");
    }
    int code = kith_heap_deallocate(heap, offset);
    expect(!atomic_load(&dead->over) || (code == 0) == is_act(act_realloc), "the call returned, but did not happen");
    expect(code == 0 || !is_act(act_realloc) || !setting->in_place, "the block is gone");
}

/** What is left is whole, and serves as ever: blocks that are taken from it do not overlap. */
static void judge_rest(void)
{
    kith_heap_stats now;
    uint64_t taken[SIZE / 32];
    int count = 0;
    expect(kith_heap_get_stats(heap, &now) == 0, "the blocks can't be walked over");
    expect(now.blocks <= scenario->setting->lost_at_most, "more blocks are lost than the call had");
    expect(now.blocks > 0 || memcmp(&now, &fresh, sizeof now) == 0, "free memory is not joined, or is lost");
    uint64_t largest = kith_heap_allocate(heap, (size_t)now.largest);
    expect(largest && kith_heap_deallocate(heap, largest) == 0, "the largest block can't be had");
    while (count < SIZE / 32 && (taken[count] = kith_heap_allocate(heap, 60)))
        fill(taken[count], count % 100, 60), count++;
    expect((uint64_t)count >= (fresh.free - now.used) / 80 - 2, "free memory can't be had");
    for (int i = 0; i < count; i++) {
        expect(holds(taken[i], i % 100, 60), "blocks overlap");
        expect(kith_heap_deallocate(heap, taken[i]) == 0, "a block can't be freed");
    }
    kith_heap_stats again;
    expect(kith_heap_get_stats(heap, &again) == 0 && memcmp(&now, &again, sizeof now) == 0, "memory is lost or made");
}

static void heap_judge(void)
{
    judge_block();
    judge_others();
    judge_rest();
}

static void heap_end(void)
{
    kith_heap_free(heap);
}

/* ---- scenarios ---- */

static const struct setting split = { { 40, 40, 40, 40, 40, 40 }, .size = 100, .lost_at_most = 1 };
static const struct setting fitting = { { 40, 0, 40, 40, 0, 40 }, .size = 80, .lost_at_most = 1 };
static const struct setting alone = { { 40, 40, 40, 40, 40, 40 }, .block = 2, .lost_at_most = 1 };
static const struct setting join_after = { { 40, 40, 40, 0, 40, 40 }, .block = 2, .lost_at_most = 1 };
static const struct setting join_before = { { 40, 0, 40, 40, 40, 40 }, .block = 2, .lost_at_most = 1 };
static const struct setting join_both = { { 40, 0, 40, 0, 40, 40 }, .block = 2, .lost_at_most = 1 };
static const struct setting grow = { { 40, 40, 40, 0, 40, 40 }, .block = 2, .size = 80, .in_place = true };
static const struct setting grow_over_all = { { 40, 40, 40, 0, 40, 40 }, .block = 2, .size = 130, .in_place = true };
static const struct setting shrink = { { 40, 40, 200, 40, 40, 40 }, .block = 2, .size = 90, .in_place = true };
static const struct setting shrink_and_join = { { 40, 40, 200, 0, 40, 40 }, .block = 2, .size = 90, .in_place = true };
static const struct setting move = { { 40, 40, 60, 40, 40, 40 }, .block = 2, .size = 90, .lost_at_most = 1 };

static const struct setting repair = { { 40, 0, 40, 0, 40, 40 }, .size = 100, .death_before = 150, .lost_at_most = 2 };
static const struct setting repair_and_free = {
    { 40, 0, 40, 0, 40, 40 }, .block = 2, .size = 10, .death_before = 150, .lost_at_most = 2
};

static const struct scenario heap_scenarios[] = {
    { "alloc that splits a free block", &split, .act = act_alloc },
    { "alloc that takes a whole free block", &fitting, .act = act_alloc },
    { "free between used blocks", &alone, .act = act_free },
    { "free before a free block", &join_after, .act = act_free },
    { "free behind a free block", &join_before, .act = act_free },
    { "free between free blocks", &join_both, .act = act_free },
    { "realloc that grows into a free block", &grow, .act = act_realloc },
    { "realloc that grows over a free block", &grow_over_all, .act = act_realloc },
    { "realloc that shrinks", &shrink, .act = act_realloc },
    { "realloc that shrinks before a free block", &shrink_and_join, .act = act_realloc },
    { "realloc that moves", &move, .act = act_realloc },
    { "alloc that repairs what a death has left", &repair, .act = act_alloc },
    { "free that repairs what a death has left", &repair_and_free, .act = act_free },
};

int main(int count, char **arguments)
{
    static const struct family families[] = {
        FAMILY(heap_scenarios, heap_begin, heap_judge, heap_end),
    };
    return play_families(families, sizeof families / sizeof *families, count, arguments);
}
