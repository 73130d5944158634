/* The heap: blocks (data/blocks.h) behind one robust lock, in a shared object or in memory of the caller's. Who
 * acquires the lock after an owner's death repairs the blocks first, so nobody else ever sees them half changed. */
#include <kith/heap.h>

#include "base/error.h"
#include "data/blocks.h"
#include "memory/object.h"
#include "sync/owned.h"

#include <stdlib.h>
#include <string.h>

struct shared_heap {
    struct object_header header;
    _Alignas(64) struct owned_word lock;
    uint64_t broken; /* the headers of the blocks were overwritten; under the lock */
    _Atomic uint64_t root;
    _Alignas(64) struct blocks blocks;
};

struct kith_heap {
    struct object object;
    bool inside; /* the memory is the caller's, and there is no file */
};

static const struct object_type type = { .kind = OBJECT_HEAP, .layout = 1, .outlives = true };

static struct shared_heap *shared(const kith_heap *heap)
{
    return heap->object.memory;
}

/* ---- making ---- */

static void begin(void *memory, const void *size)
{
    struct shared_heap *made = memory;
    blocks_begin(&made->blocks, *(const size_t *)size - offsetof(struct shared_heap, blocks));
}

static int make_plan(const size_t *size, struct object_plan *plan)
{
    if (*size < KITH_HEAP_MIN || *size > KITH_HEAP_MAX)
        return error_fail(-EINVAL, "a heap of %zu bytes: give %d to %llu", *size, KITH_HEAP_MIN,
                          (unsigned long long)KITH_HEAP_MAX);
    *plan = (struct object_plan){ .size = *size, .begin = begin, .argument = size };
    return 0;
}

/** Makes a handle. @param heap where the caller wants it in the end */
static int handle_new(kith_heap **heap, kith_heap **made)
{
    if (!heap)
        return error_fail(-EINVAL, "heap is NULL: give the address of a kith_heap pointer");
    if (!word_thread())
        return -ENOTSUP;
    *made = calloc(1, sizeof **made);
    return *made ? 0 : error_fail(-ENOMEM, "no memory for a heap's handle");
}

/** Gives the caller the handle, or gives it back after a failure. */
static int settle(kith_heap **heap, kith_heap *made, int code)
{
    if (code == 0)
        *heap = made;
    else
        free(made);
    return code;
}

int kith_heap_new(kith_heap **heap, size_t size)
{
    struct object_plan plan;
    kith_heap *made = NULL;
    int code = make_plan(&size, &plan);
    if (code == 0)
        code = handle_new(heap, &made);
    return code < 0 ? code : settle(heap, made, object_new(&made->object, &type, &plan));
}

int kith_heap_open(kith_heap **heap, const char *name, kith_open how, size_t size)
{
    struct object_plan plan = { 0 };
    kith_heap *made = NULL;
    int code = how == KITH_OPEN ? 0 : make_plan(&size, &plan);
    if (code == 0)
        code = handle_new(heap, &made);
    return code < 0 ? code : settle(heap, made, object_open(&made->object, &type, name, how, &plan));
}

/** The heap that is in memory that we have mapped already. */
static int find_in(const void *memory, size_t size)
{
    struct object_header header;
    memcpy(&header, memory, sizeof header);
    atomic_thread_fence(memory_order_acquire); /* pairs with the release in object_lay_out */
    int code = object_recognise(&header, size, &type);
    return code == -ENODATA ? error_fail(-EINVAL, "there is no heap at %p", memory) : code;
}

static void make_in(void *memory, const struct object_plan *plan)
{
    /* No half-made heap is to be found here, whatever was here before. */
    memset(memory, 0, sizeof(struct object_header));
    atomic_thread_fence(memory_order_release);
    memset(memory, 0, sizeof(struct shared_heap));
    object_lay_out(memory, &type, plan);
}

int kith_heap_in(kith_heap **heap, void *memory, size_t size, kith_open how)
{
    struct object_plan plan;
    kith_heap *made = NULL;
    if (!memory || (uintptr_t)memory % 64)
        return error_fail(-EINVAL, "memory is %p: give an address that is a multiple of 64", memory);
    if (how != KITH_OPEN && how != KITH_CREATE)
        return error_fail(-EINVAL, "%d is no way to open a heap inside memory: give KITH_OPEN or KITH_CREATE",
                          (int)how);
    int code = make_plan(&size, &plan);
    if (code == 0 && how == KITH_OPEN)
        code = find_in(memory, size);
    if (code == 0)
        code = handle_new(heap, &made);
    if (code < 0)
        return code;
    if (how == KITH_CREATE)
        make_in(memory, &plan);
    *made = (kith_heap){ .object = { .memory = memory, .size = size, .file = -1 }, .inside = true };
    return settle(heap, made, 0);
}

int kith_heap_unlink(const char *name)
{
    return object_unlink(&type, name);
}

int kith_heap_share_fd(const kith_heap *heap)
{
    if (!heap)
        return error_fail(-EINVAL, "heap is NULL: make one with kith_heap_new");
    if (heap->inside)
        return error_fail(-EINVAL, "this heap lies inside other memory: share that, and open the heap in it");
    return heap->object.file;
}

int kith_heap_from_fd(kith_heap **heap, int fd)
{
    kith_heap *made = NULL;
    int code = handle_new(heap, &made);
    return code < 0 ? code : settle(heap, made, object_from_fd(&made->object, &type, fd));
}

void kith_heap_free(kith_heap *heap)
{
    if (!heap)
        return;
    if (!heap->inside)
        object_close(&heap->object);
    free(heap);
}

/* ---- blocks ---- */

/** Enters the heap, where one thread at a time may be. @return 0; -ENOTRECOVERABLE, -EINVAL, -ENOTSUP with the
 *  detail */
static int enter(kith_heap *heap)
{
    if (!heap)
        return error_fail(-EINVAL, "heap is NULL: make one with kith_heap_new");
    struct os_thread *self = word_thread();
    if (!self)
        return -ENOTSUP;
    struct shared_heap *entered = shared(heap);
    int code;
    do {
        code = owned_acquire(self, &entered->lock, OS_FOREVER, false);
    } while (code == -EINTR);
    if (code == KITH_EOWNERDEAD)
        entered->broken = !blocks_repair(&entered->blocks);
    else if (code < 0)
        return error_fail(code, "this thread is in a call on this heap already: was that made in a signal handler?");
    if (!entered->broken)
        return 0;
    owned_release(self, &entered->lock);
    return error_fail(-ENOTRECOVERABLE, "a program has written outside its blocks, and another died in its call: where "
                                        "the blocks are is not known any more");
}

static void leave(kith_heap *heap)
{
    owned_release(os_thread_self(), &shared(heap)->lock);
}

/** After entering. @return how much fits into the block; 0 with the detail when there is none */
static uint64_t capacity(kith_heap *heap, uint64_t offset)
{
    uint64_t size = blocks_capacity(&shared(heap)->blocks, offset);
    if (!size)
        error_fail(-EINVAL, "%llu is the offset of no allocated block of this heap: was it freed already?",
                   (unsigned long long)offset);
    return size;
}

uint64_t kith_heap_allocate(kith_heap *heap, size_t size)
{
    if (enter(heap) < 0)
        return 0;
    uint64_t offset = blocks_take(&shared(heap)->blocks, size);
    leave(heap);
    if (!offset)
        error_fail(-ENOMEM, "no free block of %zu bytes in a heap of %llu", size,
                   (unsigned long long)shared(heap)->header.size);
    return offset;
}

int kith_heap_deallocate(kith_heap *heap, uint64_t offset)
{
    if (heap && !offset)
        return 0;
    int code = enter(heap);
    if (code < 0)
        return code;
    if (capacity(heap, offset))
        blocks_give(&shared(heap)->blocks, offset);
    else
        code = -EINVAL;
    leave(heap);
    return code;
}

/** The block is the caller's all the time, so it is copied without keeping the others out. */
static uint64_t move(kith_heap *heap, uint64_t offset, uint64_t holds, size_t size)
{
    uint64_t moved = kith_heap_allocate(heap, size);
    if (!moved)
        return 0;
    memcpy(kith_heap_at(heap, moved), kith_heap_at(heap, offset), holds < size ? (size_t)holds : size);
    kith_heap_deallocate(heap, offset);
    return moved;
}

uint64_t kith_heap_reallocate(kith_heap *heap, uint64_t offset, size_t size)
{
    if (!offset)
        return kith_heap_allocate(heap, size);
    if (enter(heap) < 0)
        return 0;
    uint64_t holds = capacity(heap, offset);
    bool resized = holds && blocks_resize(&shared(heap)->blocks, offset, size);
    leave(heap);
    if (!holds)
        return 0;
    return resized ? offset : move(heap, offset, holds, size);
}

int kith_heap_get_stats(kith_heap *heap, kith_heap_stats *stats)
{
    kith_heap_stats seen;
    if (!stats)
        return error_fail(-EINVAL, "stats is NULL");
    int code = enter(heap);
    if (code < 0)
        return code;
    bool whole = blocks_count(&shared(heap)->blocks, &seen);
    leave(heap);
    if (!whole)
        return error_fail(-ENOTRECOVERABLE, "a program has written outside its blocks");
    *stats = seen;
    return 0;
}

/* ---- where blocks are ---- */

void *kith_heap_at(const kith_heap *heap, uint64_t offset)
{
    if (!heap || offset < shared(heap)->blocks.first || offset >= shared(heap)->blocks.end)
        return NULL;
    return (char *)&shared(heap)->blocks + offset;
}

uint64_t kith_heap_offset(const kith_heap *heap, const void *pointer)
{
    if (!heap)
        return 0;
    /* What lies below gives a huge number, as unsigned ones do. */
    uint64_t offset = (uint64_t)((uintptr_t)pointer - (uintptr_t)&shared(heap)->blocks);
    return kith_heap_at(heap, offset) ? offset : 0;
}

uint64_t kith_heap_root(const kith_heap *heap)
{
    /* Pairs with the release in kith_heap_set_root. */
    return heap ? atomic_load_explicit(&shared(heap)->root, memory_order_acquire) : 0;
}

int kith_heap_set_root(kith_heap *heap, uint64_t before, uint64_t offset)
{
    if (!heap)
        return error_fail(-EINVAL, "heap is NULL: make one with kith_heap_new");
    if (offset && !kith_heap_at(heap, offset))
        return error_fail(-EINVAL, "%llu is no offset in this heap", (unsigned long long)offset);
    /* Pairs with the acquire in kith_heap_root. */
    if (atomic_compare_exchange_strong_explicit(&shared(heap)->root, &before, offset, memory_order_acq_rel,
                                                memory_order_acquire))
        return 0;
    return error_fail(-EAGAIN, "the heap's root is %llu by now: another process was quicker",
                      (unsigned long long)before);
}
