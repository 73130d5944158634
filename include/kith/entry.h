/* kith/entry.h: entry points: functions that a child can begin at, however it is made.
 *
 * A child made by fork is a copy of its parent, and can run any function of it. A child that begins as a fresh image of
 * the program has other addresses, and nothing of its parent's memory; so it is told a name, and the function's
 * arguments as values. A function that is to be found by its name is made with KITH_ENTRY:
 *
 *     KITH_ENTRY(greet)
 *     {
 *         const char *name;
 *         int code = kith_value_unpack(kith_call_args(call), "(s)", &name);
 *         if (code == 0)
 *             printf("hello, %s\n", name);
 *         return code < 0;
 *     }
 *
 *     int main(int argc, char **argv)
 *     {
 *         int code = kith_begin(argc, argv); // a fresh image goes to its entry point from here
 *         ...
 *         code = kith_process_start_entry(&process, greet, kith_value_pack(arena, "(s)", "kith"),
 *                                         &(kith_process_options){ .method = KITH_SPAWN });
 *
 * The same function is what workers of a pool run (kith/pool.h).
 */
#ifndef KITH_ENTRY_H
#define KITH_ENTRY_H

#include <kith/base.h>
#include <kith/value.h>

#ifdef __cplusplus
extern "C" {
#define KITH_C_NAME extern "C"
#else
#define KITH_C_NAME
#endif

/** One call of an entry point: what it was given, and where its result goes. It lives until the function returns, and
 *  so does all that the following calls hand out. */
typedef struct kith_call kith_call;

/** An entry point.
 *  It is left by return, or ends its process by exit; never by longjmp, pthread_exit or a C++ exception.
 *  @param call  the arguments
 *  @return in a process of its own: its exit code, 0 to 255, of which only the low 8 bits are kept. As a task of a
 *          pool: 0; anything else says that the task failed: see kith_outcome in kith/pool.h */
typedef int kith_entry(kith_call *call);

/** Begins an entry point of that name: KITH_ENTRY(work) { ... return 0; }. Its one parameter is called `call`.
 *
 *  It is a function, int work(kith_call *call), which other files may declare, and registers itself when the program,
 *  or the library that it is in, is loaded. Two of one name can't be linked. In a library that is loaded by dlopen, it
 *  is found by fresh images that have loaded that library before they call kith_begin; and must not be unloaded. */
#define KITH_ENTRY(name)                                                \
    KITH_C_NAME int name(kith_call *call);                              \
    static kith_entry_record name##_kith_entry = { #name, name, NULL }; \
    __attribute__((constructor)) static void name##_kith_register(void) \
    {                                                                   \
        kith_entry_register(&name##_kith_entry);                        \
    }                                                                   \
    int name(__attribute__((unused)) kith_call *call)

/** What is known of an entry point; KITH_ENTRY makes it. */
typedef struct kith_entry_record {
    const char *name;
    kith_entry *function;
    struct kith_entry_record *next; /**< the library's */
} kith_entry_record;

/** Registers an entry point; KITH_ENTRY does it. @param record  must live as long as the program. Of two with the same
 *  name the first counts */
KITH_API void kith_entry_register(kith_entry_record *record);

/** To be called at the head of main by programs that start children as fresh images (KITH_SPAWN, KITH_FORKSERVER): such
 *  an image leaves main here, for its entry point, and never comes back; atexit functions that were registered in it
 *  do not run when the entry point returns (they do when it calls exit). What the program does before, its children do
 *  as well; so do nothing before it but what they need, too. Without it such children are refused.
 *
 *  @param argc, argv  as main has them; argv[0] must stay as it is
 *  @return 0: this is no such image: go on. -EINVAL: argv says that this is one, but nothing is there to begin with:
 *          somebody typed it; or argv is NULL. -EPERM: argv says so, and the program runs with rights that its user
 *          does not have (set-user-id): nobody may choose where it begins. Such a program can't start images either */
KITH_API KITH_MUST_USE int kith_begin(int argc, char **argv);

/* ---- what an entry point was given ---- */

/** @return the arguments: a tuple, empty when none were given; NULL when the call was given bytes */
KITH_API kith_value *kith_call_args(const kith_call *call);

/** @param size  receives the length in bytes
 *  @return the bytes; NULL, and size 0, when the call was given values */
KITH_API const void *kith_call_bytes(const kith_call *call, size_t *size);

/** @return an arena for values that are needed until the function returns, such as its result */
KITH_API kith_arena *kith_call_arena(kith_call *call);

/** A descriptor that was handed over under this name (kith_process_options.fds), for kith_queue_from_fd and its kin.
 *  It is closed on exec, and when the process ends; do not close it.
 *  @return the descriptor; -ENOENT when there is none of that name; -EINVAL for NULL */
KITH_API int kith_call_fd(const kith_call *call, const char *name);

/* ---- and what it gives ---- */

/** Makes a value the result of a task. The last one counts; without one the result is None.
 *  @param value  copied, as a pickle. NULL is refused; when a call that failed gave it, the detail keeps why
 *  @return 0; -EPERM in a process of its own: it has no result but its exit code, so use a queue; KITH_ELIMIT, -ENOTSUP
 *          as for kith_pickle_write; -ENOMEM; -EINVAL for NULL */
KITH_API KITH_MUST_USE int kith_call_return(kith_call *call, const kith_value *value);

/** Makes bytes the result of a task. @param data  size bytes; copied. May be NULL when size is 0
 *  @return as kith_call_return */
KITH_API KITH_MUST_USE int kith_call_return_bytes(kith_call *call, const void *data, size_t size);

/** How often this task has been begun, this time included: more than 1 when it was retried, because the worker before
 *  died of it, or was killed at its time limit. @return 1 or more; in a process of its own 1 */
KITH_API int kith_call_attempt(const kith_call *call);

#ifdef __cplusplus
}
#endif

#endif
