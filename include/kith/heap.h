/* kith/heap.h: memory that processes share and allocate from, for lists, trees and tables of their own.
 *
 * A heap is a run of shared memory of a fixed size. Any process that has it allocates a block, another reads it, a
 * third frees it. The heap lies at another address in each of them, so blocks are known by offsets; a structure refers
 * to another by its offset, or by a kith_relative. From the heap's root a process that comes later finds the first one.
 *
 * kill -9 of any process at any instant leaves a heap that works for the others. What the dead one had allocated stays
 * allocated: kith does not know whose a block is. Of the call that it was in:
 *  - a block that it was allocating is either free, or allocated and known to nobody: it is lost until the heap goes;
 *  - a block that it was freeing is either free or still allocated;
 *  - a block that it was resizing in place has its old size or its new one; moved to another place, either block may
 *    stay. Bytes beyond the new size may have been overwritten, no others.
 * To note that a block is allocated and to tell somebody of it are two steps, so some such loss can't be avoided. It is
 * never more than one block a death.
 *
 * The heap's bookkeeping lies between the blocks. A program that writes outside its blocks destroys it for all.
 *
 * Anonymous, named, handed on: see kith/memory.h. When all who used a named heap are gone, what it holds stays.
 */
#ifndef KITH_HEAP_H
#define KITH_HEAP_H

#include <kith/memory.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A heap. The handle belongs to the process; the heap to all that have it. */
typedef struct kith_heap kith_heap;

/** The smallest and the largest heap, in bytes. */
#define KITH_HEAP_MIN 4096
#define KITH_HEAP_MAX ((uint64_t)1 << 40)

/* ---- the heap ---- */

/** Makes an anonymous heap. All its memory is there from the start, and stays.
 *  @param heap  receives it; give it back with kith_heap_free
 *  @param size  in bytes, KITH_HEAP_MIN to KITH_HEAP_MAX. Some 2,500 of them are the heap's own; each block takes 16
 *               bytes more than it holds, and at least 32
 *  @return 0; -EINVAL when heap is NULL or there can be no heap of that size; -ENOMEM or -ENOSPC when there is not so
 *          much memory; -EFBIG when the file size limit (ulimit -f) forbids it; -EMFILE or -ENFILE when no file
 *          descriptor is left (a heap has one); -ENOTSUP when the C library registers no robust list */
KITH_API KITH_MUST_USE int kith_heap_new(kith_heap **heap, size_t size);

/** Makes or opens a heap that has a name.
 *  @param heap  receives it; give it back with kith_heap_free
 *  @param name  1 to KITH_NAME_MAX bytes without '/'
 *  @param how   see kith_open
 *  @param size  of a new one, as for kith_heap_new. For one that is found it is not used
 *  @return 0, or as kith_heap_new and kith_open say */
KITH_API KITH_MUST_USE int kith_heap_open(kith_heap **heap, const char *name, kith_open how, size_t size);

/** Makes or opens a heap inside other shared memory: a segment, or a part of one. That must stay mapped for as long as
 *  the heap is open, and is not freed with it.
 *  @param heap    receives it; give it back with kith_heap_free
 *  @param memory  its first byte, at a multiple of 64
 *  @param size    how many bytes there are, as for kith_heap_new
 *  @param how     KITH_CREATE lays a heap out, whatever was there; KITH_OPEN finds one. Nobody keeps two processes from
 *                 creating at the same time, so let the one do it that made the memory
 *  @return 0; -EINVAL when there is no heap for KITH_OPEN, an argument is NULL or not as said here, or how is another;
 *          KITH_ELAYOUT; -ENOMEM; -ENOTSUP */
KITH_API KITH_MUST_USE int kith_heap_in(kith_heap **heap, void *memory, size_t size, kith_open how);

/** Takes a heap's name away; those who have it keep it.
 *  @return 0; -ENOENT, -EACCES, -EINVAL as kith_open says */
KITH_API int kith_heap_unlink(const char *name);

/** The descriptor that stands for the heap, closed on exec. It is the heap's own: do not close it.
 *  @return the descriptor; -EINVAL when heap is NULL or lies inside other memory: share that */
KITH_API int kith_heap_share_fd(const kith_heap *heap);

/** Takes the heap that a descriptor stands for.
 *  @param heap  receives it; give it back with kith_heap_free
 *  @param fd    of kith_heap_share_fd, here or in another process. It stays the caller's
 *  @return 0; -EINVAL when it is no heap's, or heap is NULL; -EBADF; KITH_ELAYOUT; -EMFILE; -ENOMEM; -ENOTSUP */
KITH_API KITH_MUST_USE int kith_heap_from_fd(kith_heap **heap, int fd);

/** Gives this process's handle back: the blocks are at no address here any more. They stay allocated, and others keep
 *  their handles. No other thread of this process may be in a call on it. NULL is fine. */
KITH_API void kith_heap_free(kith_heap *heap);

/* ---- blocks ---- */

/** Allocates a block. Waits while another process is in the middle of its call, as the following calls do: one that is
 *  stopped there holds the others up until it goes on or ends.
 *  @param heap  a heap
 *  @param size  in bytes; 0 gives a block, too
 *  @return the block's offset, which is the same in all processes; its address is a multiple of 16, and what it holds
 *          is undefined. 0 when there is none: kith_error_detail tells why. That is as a rule that no free block is
 *          large enough */
KITH_API KITH_MUST_USE uint64_t kith_heap_allocate(kith_heap *heap, size_t size);

/** Changes a block's size. What it holds stays, up to the smaller of both sizes. Where there is no room behind it, it
 *  moves.
 *  @param heap    a heap
 *  @param offset  a block's; 0: allocates one
 *  @param size    in bytes; 0 gives a block, too
 *  @return the block's offset, the same or another; then the old one is free. 0 when there is no room, or the offset is
 *          no block's: then nothing has changed, and kith_error_detail tells why */
KITH_API KITH_MUST_USE uint64_t kith_heap_reallocate(kith_heap *heap, uint64_t offset, size_t size);

/** Frees a block, of whichever process.
 *  @param heap    a heap
 *  @param offset  a block's; 0 is fine
 *  @return 0; -EINVAL when it is no block's offset, or the block is free already (that is noticed as long as it was not
 *          allocated again), or heap is NULL; -ENOTRECOVERABLE when a program has written outside its blocks, so that
 *          after a death nobody could tell where they are: the heap gives and takes no more, what is in it can be
 *          read */
KITH_API int kith_heap_deallocate(kith_heap *heap, uint64_t offset);

/** Where a block is in this process.
 *  @return its address; NULL for 0, an offset beyond the heap, or when heap is NULL. That a block is there is not
 *          checked */
KITH_API void *kith_heap_at(const kith_heap *heap, uint64_t offset);

/** The opposite. @return the offset of any byte of the heap's blocks; 0 for NULL and what is not in the heap */
KITH_API uint64_t kith_heap_offset(const kith_heap *heap, const void *pointer);

/** The offset that kith_heap_set_root left: all that was written to memory before that is seen.
 *  @return it; 0 when there is none yet, or heap is NULL */
KITH_API uint64_t kith_heap_root(const kith_heap *heap);

/** Makes an offset the root, if the root is still what the caller takes it for. So when two processes find none and
 *  each makes one, the second learns that it was too late.
 *  @param heap    a heap
 *  @param before  what kith_heap_root gave
 *  @param offset  the new one; 0 for none
 *  @return 0; -EAGAIN when the root is another one by now; -EINVAL when heap is NULL or the offset is beyond it */
KITH_API KITH_MUST_USE int kith_heap_set_root(kith_heap *heap, uint64_t before, uint64_t offset);

/** How full a heap is. All in bytes, without the 16 that each block takes. */
typedef struct kith_heap_stats {
    uint64_t used;    /**< in allocated blocks; they are as long as asked for, or up to 31 bytes longer */
    uint64_t free;    /**< in free blocks */
    uint64_t largest; /**< in the largest free block: that much can be allocated in one piece */
    uint64_t blocks;  /**< how many are allocated: a number, no bytes */
} kith_heap_stats;

/** Tells how full the heap is, by walking over all its blocks: it takes time in proportion to their number, and others
 *  wait meanwhile.
 *  @return 0; -EINVAL when heap or stats is NULL; -ENOTRECOVERABLE as kith_heap_deallocate; -ENOTSUP */
KITH_API int kith_heap_get_stats(kith_heap *heap, kith_heap_stats *stats);

/* ---- pointers ---- */

/** A pointer for structures in shared memory, that holds good wherever the memory lies: it says how far its target is
 *  from itself. Both must be in the same heap, segment or array. All zero, it points nowhere. It is bound to its place:
 *  to copy one, set the copy to what kith_relative_get gives; a structure copied by assignment has pointers that lead
 *  astray. Reading and writing it takes no lock. */
typedef struct kith_relative {
    int64_t distance; /**< to the target, plus 1, so that 0 is free to mean nowhere */
} kith_relative;

/** @return the target's address in this process, or NULL */
static inline void *kith_relative_get(const kith_relative *pointer)
{
    return pointer->distance ? (char *)pointer + (pointer->distance - 1) : NULL;
}

/** Makes it point to the target; nowhere when that is NULL. */
static inline void kith_relative_set(kith_relative *pointer, const void *target)
{
    pointer->distance = target ? (int64_t)((intptr_t)target - (intptr_t)pointer) + 1 : 0;
}

#ifdef __cplusplus
}
#endif

#endif
