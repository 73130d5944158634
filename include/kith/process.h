/* kith/process.h: child processes that run a function.
 *
 * A child is made by fork: it begins as a copy of its parent and runs the function given; what that returns is its exit
 * code. It has the queues, locks and semaphores that its parent had, the connections that are named for it, and no
 * claim on its parent's children: the handles of those answer -ECHILD in it, and are only good for their names and ids.
 * A child that the program forks itself has no claim on them either; it has all connections, the name of its parent,
 * and no kith_process_parent.
 *
 * At exit (when main returns or exit is called), a process first ends its daemons, then waits for its other children,
 * as Python's multiprocessing does. A child does the same when its function returns. _exit and death by a signal wait
 * for nobody: the daemons are ended all the same, by the kernel; the other children live on.
 *
 * The calls may be made from any thread. Two threads may join the same child. A process of which several threads run
 * may start children, with fork's own rule: the child has but the one thread, and locks of other libraries that another
 * thread held stay held.
 */
#ifndef KITH_PROCESS_H
#define KITH_PROCESS_H

#include <kith/base.h>

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct kith_connection;

/** A process: a child, this process itself, or its parent. */
typedef struct kith_process kith_process;

/** What a child runs. It is left by return or exit, never by longjmp or a C++ exception: where that would lead is the
 *  parent's.
 *  @param argument  the one given to kith_process_start; the child's own copy, as all memory that is not shared
 *  @return the child's exit code, 0 to 255: only the low 8 bits are kept */
typedef int (*kith_process_main)(void *argument);

/** Options of a child; all zero is the default. */
typedef struct kith_process_options {
    /** For logs and listings; copied. NULL: "Process-1", "Process-2", and "Process-1:1" for a child's child. A name
     *  that is given also becomes the kernel's name of the process (its first 15 bytes), which ps shows. */
    const char *name;
    /** Ends when its parent ends: by SIGTERM at the parent's exit, and SIGKILL when it does not heed it within two
     *  seconds; by SIGKILL at once when the parent is killed. In one that the first thread started the kernel sees to
     *  that, and sends the signal also when that thread ends by pthread_exit and others go on; in one that another
     *  thread started, a thread of the library's own watches the parent. */
    int daemon;
    /** The connections that the child keeps: connection_count of them. All others of this process are closed in the
     *  child. May be NULL when connection_count is 0. */
    struct kith_connection *const *connections;
    size_t connection_count; /**< in elements */
} kith_process_options;

/** Starts a child that runs main(argument) and ends.
 *
 *  stdout and stderr are flushed before, so that the child does not write the parent's text again, and flushed in the
 *  child when main returns. The child then ends by _exit: functions registered with atexit before the fork do not run
 *  in it (they do when main calls exit). A stream that the child opened is the child's to close.
 *
 *  When the result is not 0, main has not run, not even for a moment.
 *
 *  @param process   receives the handle; release it with kith_process_close after it ended. NULL: no handle is wanted;
 *                   the child is reaped and freed by the library
 *  @param main      what to run
 *  @param argument  handed to main
 *  @param options   NULL for the defaults
 *  @return 0; -EINVAL when main is NULL, a connection is NULL or connections is NULL and connection_count is not 0;
 *          KITH_ECLOSED when a connection is closed; -EAGAIN when the system allows no more processes; -ENOMEM; -EMFILE
 *          or -ENFILE when no file descriptor is left: a child takes one, its start one more, and the first child a
 *          third; -EPERM in a daemon, which may not have children of its own (nobody would end them); -ENOSYS on Linux
 *          before 5.3 (it takes 5.4) */
KITH_API KITH_MUST_USE int kith_process_start(kith_process **process, kith_process_main main, void *argument,
                                              const kith_process_options *options);

/** The process's name. @return a string that lives as long as the handle, and no longer than the next
 *  kith_process_set_name; "" when process is NULL */
KITH_API const char *kith_process_name(const kith_process *process);

/** Changes the name that this process uses for another or for itself. The name is copied. Neither what ps shows follows
 *  it, nor the lines that this process logs.
 *  @return 0; -EINVAL when process or name is NULL; -ENOMEM */
KITH_API int kith_process_set_name(kith_process *process, const char *name);

/** The process's id. @return the id, also after it ended; -EINVAL when process is NULL */
KITH_API pid_t kith_process_pid(const kith_process *process);

/** The id of the process that started it. @return the id, also after that one ended; -EINVAL when process is NULL */
KITH_API pid_t kith_process_parent_pid(const kith_process *process);

/** @return 1 when it is a daemon, else 0; -EINVAL when process is NULL */
KITH_API int kith_process_is_daemon(const kith_process *process);

/** Waits until the process has ended.
 *  @param process  a child, or the parent; may be joined many times
 *  @param timeout  how long to wait
 *  @return 0 when it has ended; -ETIMEDOUT when it has not in time; -EDEADLK for this process itself; -ECHILD for a
 *          handle that a child inherited: only the process that started it can join it; -EINTR when a signal handler
 *          ran while waiting, with SA_RESTART or without; -EINVAL when process is NULL or the timeout is negative */
KITH_API KITH_MUST_USE int kith_process_join(kith_process *process, kith_timeout timeout);

/** @return 1 when the process still runs, else 0; -ECHILD for a handle that a child inherited; -EINVAL when process is
 * NULL */
KITH_API int kith_process_is_alive(kith_process *process);

/** How the process ended.
 *  @param code  receives what its main returned or it gave to exit, 0 to 255; or the negative number of the signal that
 *               killed it
 *  @return 0; -EAGAIN while it runs; -ECHILD when it can't be known: it is no child of this process, or somebody else
 *          has reaped it (a handler of SIGCHLD, or SIGCHLD is ignored); -EINVAL when process or code is NULL */
KITH_API KITH_MUST_USE int kith_process_exit_code(kith_process *process, int *code);

/** Sends SIGTERM to a child, which ends it unless it handles or ignores that.
 *  @return 0, also when it has ended already; -ECHILD when it is no child of this process; -EPERM; -EINVAL */
KITH_API int kith_process_terminate(kith_process *process);

/** Sends SIGKILL to a child. @return as kith_process_terminate */
KITH_API int kith_process_kill(kith_process *process);

/** A file descriptor that becomes readable when the process ends, for poll, select and epoll. It stays the process's:
 *  do not close it.
 *  @return the descriptor; -ECHILD for this process itself or a handle that a child inherited; -EINVAL */
KITH_API int kith_process_sentinel(const kith_process *process);

/** Releases the handle of a child that has ended. NULL is fine. kith_process_current and kith_process_parent are not to
 *  be closed, and no other thread may use the handle any more.
 *  @return 0, also for a sibling's handle that a child inherited: it frees its copy; -EBUSY while the child runs: join
 *          it first; -EPERM for the current process, its parent, and theirs */
KITH_API int kith_process_close(kith_process *process);

/** The children of this process that still run; those that have ended are reaped on the way.
 *  @param children  receives up to capacity handles. Those that kith_process_start gave out stay their holders' to
 *                   close; those of children that were started without a handle become the caller's to close.
 *                   May be NULL when capacity is 0
 *  @param capacity  in elements
 *  @return how many there are, which may be more than capacity, in the order of their starts; -EINVAL when children is
 *          NULL and capacity is not 0 */
KITH_API int kith_process_active_children(kith_process **children, size_t capacity);

/** This process. @return its handle, which lives as long as the process; never NULL. The first process's name is
 *  "MainProcess". In a child, the handle that its parent had of itself is that of kith_process_parent */
KITH_API kith_process *kith_process_current(void);

/** The process that started this one by kith_process_start: its name, pid, sentinel; it can be joined.
 *  @return its handle, which lives as long as the process; NULL in a process that kith did not start */
KITH_API kith_process *kith_process_parent(void);

/** How many CPUs this process may use at the same time (its affinity mask, not what the machine has).
 *  @return 1 or more */
KITH_API int kith_cpu_count(void);

#ifdef __cplusplus
}
#endif

#endif
