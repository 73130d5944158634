/* kith/array.h: values and arrays of any C type that processes share, each with a lock of its own.
 *
 * They are what CPython's multiprocessing calls Value (an array of one), Array, RawValue and RawArray (unlocked):
 *
 *     kith_array *counter;
 *     kith_array_new(&counter, sizeof(long), 1, NULL);
 *     long *count = kith_array_data(counter);
 *     ...
 *     kith_array_acquire(counter, KITH_FOREVER);
 *     ++*count;
 *     kith_array_release(counter);
 *
 * The elements are plain memory: kith neither reads nor writes them, but for zeroing them at the start. The lock is the
 * user's to take. A pointer stored in an element means nothing in another process: store indices, or the pointers of
 * kith/heap.h.
 *
 * Anonymous, named, handed on: see kith/memory.h. When all who used a named array are gone, what it holds stays.
 */
#ifndef KITH_ARRAY_H
#define KITH_ARRAY_H

#include <kith/memory.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An array. The handle belongs to the process; the array to all that have it. */
typedef struct kith_array kith_array;

/** Options of an array; all zero is the default. */
typedef struct kith_array_options {
    int unlocked; /**< it has no lock: for those who need none, or have another */
} kith_array_options;

/** Makes an anonymous array, all zero.
 *  @param array         receives it; free it with kith_array_free
 *  @param element_size  sizeof the type, 1 or more
 *  @param count         how many, 0 or more
 *  @param options       NULL for the defaults
 *  @return 0; -EINVAL when array is NULL, element_size is 0, or both together are more than any memory; -ENOMEM or
 *          -ENOSPC when there is not so much; -EFBIG when the file size limit (ulimit -f) forbids it; -EMFILE or
 *          -ENFILE when no file descriptor is left (an array has one) */
KITH_API KITH_MUST_USE int kith_array_new(kith_array **array, size_t element_size, size_t count,
                                          const kith_array_options *options);

/** Makes or opens an array that has a name.
 *  @param array    receives it; free it with kith_array_free
 *  @param name     1 to KITH_NAME_MAX bytes without '/'
 *  @param how      see kith_open. With KITH_OPEN, what follows is not used: the array is what it was made as
 *  @param element_size, count, options  as for kith_array_new
 *  @return 0, or as kith_array_new and kith_open say; -EINVAL also when KITH_OPEN_OR_CREATE finds an array of another
 *          shape: elements of another size, more or fewer, or the one with a lock and the other without */
KITH_API KITH_MUST_USE int kith_array_open(kith_array **array, const char *name, kith_open how, size_t element_size,
                                           size_t count, const kith_array_options *options);

/** Takes an array's name away; those who have it keep it.
 *  @return 0; -ENOENT, -EACCES, -EINVAL as kith_open says */
KITH_API int kith_array_unlink(const char *name);

/** The descriptor that stands for the array, closed on exec. It is the array's own: do not close it.
 *  @return the descriptor; -EINVAL when array is NULL */
KITH_API int kith_array_share_fd(const kith_array *array);

/** Takes the array that a descriptor stands for.
 *  @param array  receives it; free it with kith_array_free
 *  @param fd     of kith_array_share_fd, here or in another process. It stays the caller's
 *  @return 0; -EINVAL when it is no array's, or array is NULL; -EBADF; KITH_ELAYOUT; -EMFILE; -ENOMEM */
KITH_API KITH_MUST_USE int kith_array_from_fd(kith_array **array, int fd);

/** The first element, at an address that is a multiple of 64; the others follow as in a C array. At another address in
 *  each process; the same in a child made by fork. @return NULL when array is NULL */
KITH_API void *kith_array_data(const kith_array *array);

/** @return how many elements it has; 0 when array is NULL */
KITH_API size_t kith_array_count(const kith_array *array);

/** @return the size of an element in bytes; 0 when array is NULL */
KITH_API size_t kith_array_element_size(const kith_array *array);

/** Acquires the array's lock, waiting while another thread or process owns it. A thread that owns it may acquire it
 *  again, and then releases it as often. A child made by fork owns nothing.
 *
 *  KITH_EOWNERDEAD means acquired: the owner before ended without releasing, so the elements may be half changed.
 *  Repair them if need be, and release as always; the next owner gets 0.
 *
 *  @param array    an array with a lock
 *  @param timeout  how long to wait
 *  @return 0 or KITH_EOWNERDEAD: this thread owns it now. -ETIMEDOUT: another owned it all that time (with KITH_NOWAIT:
 *          now). -EINTR: a signal handler ran while waiting (one installed with SA_RESTART only if there is a timeout).
 *          -EOVERFLOW: this thread has acquired it 4,294,967,296 times already. -EINVAL: array is NULL or unlocked, or
 *          the timeout is negative. -ENOTSUP: the C library registers no robust list for this thread */
KITH_API KITH_MUST_USE int kith_array_acquire(kith_array *array, kith_timeout timeout);

/** Releases the array's lock once; when that was as often as it was acquired, lets one waiter have it.
 *  @return 0; -EPERM when this thread does not own it; -EINVAL when array is NULL or unlocked */
KITH_API int kith_array_release(kith_array *array);

/** Gives this process's handle back: the elements are at no address here any more. Others keep theirs. The calling
 *  thread releases the lock first when it owns it; no other thread of this process may own it or wait for it. NULL is
 *  fine. */
KITH_API void kith_array_free(kith_array *array);

#ifdef __cplusplus
}
#endif

#endif
