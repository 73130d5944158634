/* kith/process.h: child processes that run a function.
 *
 * There are three ways to make one:
 *  - fork, the default: the child is a copy of its parent, and begins at any function. It has the queues, locks and
 *    semaphores that its parent had, the connections that are named for it, and no claim on its parent's children: the
 *    handles of those answer -ECHILD in it, and are only good for their names and ids. A child that the program forks
 *    itself has no claim on them either; it has all connections, the name of its parent, and no kith_process_parent.
 *  - spawn: the child is a fresh image of the program, and begins at an entry point (kith/entry.h) with values and the
 *    descriptors that are named for it, and nothing else. For parents with threads, whose locks a copy would find held.
 *    It costs an exec, and does not need its parent any more once kith_process_start_entry has returned.
 *  - forkserver: the child is a copy of a small fresh image, the server, which does nothing but to be copied. As clean
 *    as spawn, and quick also when the parent is large. It is the parent's own child all the same.
 *
 * At exit (when main returns or exit is called), a process calls its exit hooks, then ends its daemons, then waits for
 * its other children, as Python's multiprocessing does. A child does the same when its function returns. _exit and
 * death by a signal wait for nobody: the daemons are ended all the same, by the kernel; the other children live on, as
 * orphans, and can know that they are (kith_process_is_orphan).
 *
 * Children that ended are reaped when they are joined or looked at, and all of them at the next start: so no zombies
 * gather. The library never handles SIGCHLD, and never waits for children that it did not start.
 *
 * The calls may be made from any thread, but not be left by pthread_cancel or a jump out of a signal handler: locks
 * would stay held. Two threads may join the same child. A process of which several threads run may start children, with
 * fork's own rule: the child has but the one thread, and locks of other libraries that another thread held stay held.
 * Spawn and forkserver know no such rule.
 */
#ifndef KITH_PROCESS_H
#define KITH_PROCESS_H

#include <kith/base.h>
#include <kith/entry.h>

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

/** How a child is made: see the head of this file. */
typedef enum kith_start_method {
    KITH_FORK = 0,
    KITH_SPAWN,
    KITH_FORKSERVER,
} kith_start_method;

/** A descriptor that a child is handed. */
typedef struct kith_process_fd {
    const char *name; /**< under which kith_call_fd finds it */
    int fd;           /**< any open one, and still the caller's: of kith_queue_share_fd, kith_lock_share_fd,
                           kith_segment_share_fd, kith_connection_fd and the like, of a file, of a socket */
} kith_process_fd;

/** The most descriptors that a child is handed. */
#define KITH_PROCESS_FDS_MAX 200

/** Where a standard stream of a child goes. */
typedef enum kith_stdio_kind {
    KITH_STDIO_INHERIT = 0, /**< where its parent's goes; with KITH_FORKSERVER, where it went when the server began */
    KITH_STDIO_PIPE,        /**< through a pipe to or from the parent */
    KITH_STDIO_NULL,        /**< to /dev/null */
    KITH_STDIO_FD,          /**< to a descriptor of the parent's */
    KITH_STDIO_STDOUT       /**< stderr only: where the child's stdout goes */
} kith_stdio_kind;

typedef struct kith_stdio {
    kith_stdio_kind kind;
    int fd; /**< KITH_STDIO_FD: the descriptor, still the caller's. KITH_STDIO_PIPE: receives the parent's end, closed
                 on exec; the caller closes it. Children that are forked later inherit it, so with a pipe to the
                 child's stdin, close it before you start another one, or use a method that hands nothing on unasked */
} kith_stdio;

/** A limit of the system's on what a process may use. */
typedef struct kith_process_limit {
    int resource;  /**< RLIMIT_NOFILE and the like, of <sys/resource.h> */
    uint64_t soft; /**< what counts; RLIM_INFINITY for none. Units as setrlimit(2) has them */
    uint64_t hard; /**< how far the child may raise it again: the soft one, or more */
} kith_process_limit;

/** Options of a child; all zero is the default.
 *
 *  With KITH_FORKSERVER the child begins with the environment, working directory, umask, signal mask and limits that
 *  the parent had when its server began; with the other methods, with those that it has now. What is said here comes on
 *  top. When something of it can't be had, main does not run and the start fails; but a child that is stopped
 *  meanwhile, or waits for a disk, counts as started after ten seconds, and its exit code will tell. */
typedef struct kith_process_options {
    /** For logs and listings; copied. NULL: "Process-1", "Process-2", and "Process-1:1" for a child's child. A name
     *  that is given also becomes the kernel's name of the process (its first 15 bytes), which ps shows. */
    const char *name;
    /** Ends when its parent ends: by SIGTERM at the parent's exit, and SIGKILL when it does not heed it within two
     *  seconds; by SIGKILL at once when the parent is killed. In one that the first thread started the kernel sees to
     *  that, and sends the signal also when that thread ends by pthread_exit and others go on; in one that another
     *  thread started, a thread of the library's own watches the parent. A child that becomes another user has cut
     *  itself loose from the kernel's signal (prctl(2)), and one that calls exec from the library's thread. */
    int daemon;
    /** The connections that the child keeps: connection_count of them. All others of this process are closed in the
     *  child. May be NULL when connection_count is 0. For KITH_FORK; in other children, hand the descriptor of
     *  kith_connection_fd over, and use kith_connection_from_fd. */
    struct kith_connection *const *connections;
    size_t connection_count; /**< in elements */

    kith_start_method method; /**< KITH_FORK */
    /** Descriptors that kith_process_start_entry hands over: fd_count of them. A child made otherwise than by fork has
     *  no other ones but stdin, stdout and stderr. May be NULL when fd_count is 0. */
    const kith_process_fd *fds;
    size_t fd_count; /**< in elements, up to KITH_PROCESS_FDS_MAX */

    /** Changes of the environment: "NAME=value" sets, "NAME" takes away; the last one is NULL. NULL: none. */
    const char *const *environment;
    int clean_environment; /**< not 0: the child's has nothing but what environment sets */
    const char *directory; /**< its working directory; NULL: its parent's */
    /** Three: of stdin, stdout and stderr. NULL: all three are inherited. Not const: receives the ends of pipes. */
    kith_stdio *stdio;
    const kith_process_limit *limits; /**< limit_count of them; NULL for none */
    size_t limit_count;               /**< in elements */
    /** The most memory of its own that the child may have, in bytes: its heap, stacks, private mappings (RLIMIT_DATA).
     *  Beyond it, malloc and mmap fail in it. Memory shared with others does not count. 0: no cap. A forked child
     *  begins with what its parent has. */
    uint64_t max_memory;
    int nice;             /**< how much nicer it is than its parent, -40 to 39: see nice(2) */
    const unsigned *cpus; /**< cpu_count of them, the only ones that it may run on, numbered from 0; NULL: no change */
    size_t cpu_count;     /**< in elements */
    /** The signal that the child gets when its parent ends, in whatever way: how an orphan is told. 0: none; in a
     *  daemon always SIGKILL. As for daemons, from the kernel or from a thread of the library's own. */
    int death_signal;
} kith_process_options;

/** Starts a child that runs main(argument) and ends. It is made by fork: another method takes an entry point, and
 *  kith_process_start_entry.
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
 *  @return 0; -EINVAL when main is NULL, a connection is NULL, an array of the options is NULL and its count is not
 *          0, an option is out of range, or it is for kith_process_start_entry (method, fds); KITH_ECLOSED when a
 *          connection is closed; -EBADF when a descriptor for a stream is not open; -EAGAIN when the system allows no
 *          more processes, or no thread to watch the parent with; -ENOMEM; -EMFILE or -ENFILE when no file descriptor
 *          is left: a child takes one, the first child one more, and while it starts, settings take two and each pipe
 *          two; -EPERM in a daemon, which may not have children of its own (nobody would end them); -ENOSYS on Linux
 *          before 5.3 (it takes 5.4); or what the system said when the child set its options: -ENOENT, -ENOTDIR,
 *          -EACCES of its directory, -EPERM of a limit or nice, -EINVAL of its cpus. The detail says which */
KITH_API KITH_MUST_USE int kith_process_start(kith_process **process, kith_process_main main, void *argument,
                                              const kith_process_options *options);

/** Starts a child that runs an entry point, and ends. What kith_process_start says holds here, too, and:
 *
 *  With KITH_SPAWN and KITH_FORKSERVER the child has nothing of this process but the descriptors that are handed over,
 *  the signals that are ignored, and, when it is spawned, the signals that this thread blocks. The arguments lie in
 *  memory of their own, so they may be large; and once the call has returned, this process may end at any time. The
 *  first child with KITH_FORKSERVER starts the server: see kith_forkserver_start. Starts with KITH_FORKSERVER take
 *  turns, and wait for the server, also when somebody has stopped it.
 *
 *  @param entry    a function that KITH_ENTRY has made; with KITH_FORK any of that type
 *  @param args     a tuple, which the child reads by kith_call_args; KITH_NO_ARGS for none. NULL, which is what
 *                  kith_value_pack gives when it fails, is refused, and the detail keeps why. Handed over as a pickle;
 *                  with KITH_FORK, as the child's own copy. It is not used after the call
 *  @return 0; as kith_process_start; -EINVAL also when entry is no entry point that a fresh image would find, args is
 *          no tuple, or there are connections and the method is not KITH_FORK; -EPERM also when this program has not
 *          called kith_begin: then a fresh image would run main all over; or has rights that its user does not have
 *          (set-user-id, or another effective user or group than the real one); -EBADF when a descriptor is not open;
 *          -EMFILE and -ENFILE also when there is none for the way: a start takes three more, and the server one;
 *          KITH_ELIMIT, -ENOTSUP when args can't be pickled; -ENOTSUP, with KITH_FORKSERVER, also when the kernel was
 *          built without what the server needs (CONFIG_CHECKPOINT_RESTORE); KITH_EWORKERLOST when one server after the
 *          other was killed, or ended in what it preloads; -ETOOMANYREFS when this user has too many descriptors on
 *          their way; -EFBIG when RLIMIT_FSIZE is less than what the child is told; -ENOENT when the system has no
 *          /proc; another negated errno of execve(2), as -E2BIG for the environment of a spawned child */
KITH_API KITH_MUST_USE int kith_process_start_entry(kith_process **process, kith_entry *entry, const kith_value *args,
                                                    const kith_process_options *options);

/** Starts this process's forkserver, unless it runs: a fresh image of the program that does nothing but make children.
 *  The first start with KITH_FORKSERVER does the same, without preload. It ends with this process, or by
 *  kith_forkserver_stop; a child made by fork has none, and starts its own. When it is killed, its children live on,
 *  and the next start makes another one, which preloads the same. It ignores SIGINT, which its children do not, and is
 *  none of kith_process_active_children. Functions that others gave to pthread_atfork are not called in its
 *  children: what is preloaded must not rely on them, as for other random numbers in each.
 *
 *  @param preload  an entry point that runs in it once, before it makes children: what it loads into memory, they all
 *                  have. It must leave the server with one thread. NULL: none
 *  @param args     its arguments, as for kith_process_start_entry; may be NULL when preload is
 *  @return 0, also when it runs already, whatever it has preloaded; as kith_process_start_entry; KITH_EWORKERLOST when
 *          the server ended while it began; -EBUSY when preload has left it with other threads; what preload returned,
 *          when that is negative; KITH_ETASK when it is above 0: the detail tells the number, and what preload left as
 *          its detail (kith_fail) */
KITH_API KITH_MUST_USE int kith_forkserver_start(kith_entry *preload, const kith_value *args);

/** Ends this process's forkserver. Its children live on. @return 0, also when there is none */
KITH_API int kith_forkserver_stop(void);

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

/** Sends SIGINT to a child, as Ctrl-C would. @return as kith_process_terminate */
KITH_API int kith_process_interrupt(kith_process *process);

/** Sends SIGTERM to a child, which ends it unless it handles or ignores that.
 *  @return 0, also when it has ended already; -ECHILD when it is no child of this process; -EPERM; -EINVAL */
KITH_API int kith_process_terminate(kith_process *process);

/** Sends SIGKILL to a child. @return as kith_process_terminate */
KITH_API int kith_process_kill(kith_process *process);

/** Ends a child: sends SIGTERM, waits, sends SIGKILL when it has not ended by then, and waits until it has. A child
 *  that is stopped does not heed SIGTERM.
 *  @param grace  how long it may take to heed SIGTERM; KITH_NOWAIT: kill it at once; KITH_FOREVER: never
 *  @return 0 when it has ended; -ECHILD when it is no child of this process; -EINTR as for kith_process_join: it may
 *          still run; -EPERM; -EINVAL */
KITH_API KITH_MUST_USE int kith_process_stop(kith_process *process, kith_timeout grace);

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

/** Whether the process that started this one has ended. For a loop that should not go on for nobody; to be told at
 *  once, wait for kith_process_parent, or have a death_signal.
 *  @return 1 when it has ended; 0 while it runs, and in a process that kith did not start */
KITH_API int kith_process_is_orphan(void);

/** An exit hook. @param context  as given to kith_process_at_exit */
typedef void kith_exit_hook(void *context);

/** Has a function called when this process ends: at exit, or when a child's main or entry point has returned; before
 *  its daemons are ended and its other children waited for. The last one first. A hook may add another, which is
 *  called next. Not at _exit, nor at death by a signal; and not in children made by fork, which have none of their
 *  parent's hooks.
 *  @return 0; -EINVAL when hook is NULL; -ENOMEM */
KITH_API KITH_MUST_USE int kith_process_at_exit(kith_exit_hook *hook, void *context);

/** Takes back what kith_process_at_exit was last told of this hook and context. When another thread is calling the hook
 *  just now, this waits until it has returned: then its context can be freed.
 *  @return 0; -ENOENT, also when it has been called */
KITH_API int kith_process_not_at_exit(kith_exit_hook *hook, void *context);

/** Has this process get a signal when another one ends, in whatever way: for a child that the program made itself, as
 *  kith_process_options.death_signal for those of kith_process_start. A later call takes the place of an earlier one,
 *  and of death_signal. Children made by fork have none. To be called by one thread at a time.
 *
 *  The kernel sees to it when the other one is this process's parent, the thread of it that forked this one was its
 *  first (which the caller says), and so is the calling thread; else a thread of the library's own watches, which costs
 *  a descriptor. What the kernel sees to, only the first thread takes back.
 *
 *  @param pid        the other process
 *  @param by_kernel  whether its first thread forked this process
 *  @param signal     which; 0: none any more, whoever ends
 *  @return 0: when it ends, or has just ended, the signal comes. -ESRCH: it has ended already, so no signal comes.
 *          -EINVAL: no such signal, or pid is no other process's; -EAGAIN when no thread can be started; -EMFILE,
 *          -ENFILE, -ENOMEM; -ENOSYS on Linux before 5.3 */
KITH_API KITH_MUST_USE int kith_process_end_with(pid_t pid, int by_kernel, int signal);

/** How many CPUs this process may use at the same time (its affinity mask, not what the machine has).
 *  @return 1 or more */
KITH_API int kith_cpu_count(void);

#ifdef __cplusplus
}
#endif

#endif
