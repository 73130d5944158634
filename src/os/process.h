/* Processes, as the floors above see them: a child is known by its sentinel, a descriptor that becomes readable when it
 * ends. Unlike an id, it never comes to mean another process. */
#ifndef KITH_SRC_OS_PROCESS_H
#define KITH_SRC_OS_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/** Forks. @return 0 in the child; its id in the parent; -EAGAIN or -ENOMEM */
pid_t os_process_fork(void);

/** Forks a sibling: its parent is this process's parent. For processes of one thread, which holds no lock.
 *  @param id  receives the sibling's id, in the same instant in which there is one: also when this process is killed
 *  @return as os_process_fork; -ENOTSUP where the kernel does not tell what the C library has registered with it */
pid_t os_process_fork_sibling(pid_t *id);

/** How many threads this process has. */
int os_process_threads(void);

/** Has functions called around every fork of this process: before it, in the parent after it, and in the child. To be
 *  called before there are threads. Each may be NULL.
 *  @return 0 or -ENOMEM */
int os_process_around_fork(void (*before)(void), void (*in_parent)(void), void (*in_child)(void));

/** Opens the sentinel of a process: of this one, or of a child that nobody can have reaped. Closed on exec.
 *  @return a descriptor, or -EMFILE, -ENFILE, -ENOMEM; -ENOSYS on Linux before 5.3 */
int os_process_open(pid_t pid);

/** Sends a signal. @return 0, also when the process has ended; -EPERM */
int os_process_signal(int sentinel, int number);

/** Whether a child is stopped, as by SIGSTOP, and nobody else was told of that; not by a debugger. */
bool os_process_is_stopped(int sentinel);

/** Looks whether a child has ended and, if so, lets the kernel forget it.
 *  @param exit_code  receives what it gave to exit, or the negative number of the signal that killed it
 *  @return 1 when it has ended; 0 while it runs; -ECHILD when it has ended but somebody else was told of it */
int os_process_reap(int sentinel, int *exit_code);

/** Kills a child that is known by nothing but its id, and reaps it. */
void os_process_discard(pid_t pid);

/** Sets the name that ps shows; the system may cut it. */
void os_process_set_title(const char *title);

/** The process that a thread belongs to. @return its id; 0 when there is no such thread */
pid_t os_process_of_thread(pid_t thread);

/* A process in 31 bits: its id, and 9 bits drawn from the instant in which it began. Of those that are given the same
 * id later, one in 511 is taken for it. The 9 bits are 0 where processes can't be looked at: then the id has to do. */
#define OS_PROCESS_ID 0x003fffffu
#define OS_PROCESS_STAMP 0x7fffffffu

/** This process's stamp; never 0. */
uint32_t os_process_stamp(void);

/** Whether a process is still there, of which nothing but its stamp is known; a zombie is not. When it can't be found
 *  out, for want of descriptors or rights, it counts as being there.
 *  @param own  the caller's stamp: it tells whether this process can look at others */
bool os_process_lives(uint32_t stamp, uint32_t own);

/** Whether the calling thread is the one that this process began with. */
bool os_process_in_first_thread(void);

/* ---- ending with another process ---- */

/** Another process: as a rule the parent. */
struct os_process_other {
    int sentinel;
    pid_t id;
    bool is_parent;   /* or has been */
    bool passes_over; /* the sentinel is closed when it is needed no more; else it stays open as long as this process */
};

/** Whether os_process_signal_with needs a thread, and so may fail. */
bool os_process_signal_needs_thread(bool by_first_thread);

/** Has the kernel, or a thread of its own, send this process a signal when another one ends; at once when it has ended
 *  already. Takes the place of an earlier call. Neither this nor the next two are to be called by two threads at once.
 *  @param by_first_thread  whether the other one is the parent, its first thread forked us, and ours calls this
 *  @return 0; -EAGAIN, -ENOMEM when a thread was needed and could not be had: then all is as before */
int os_process_signal_with(const struct os_process_other *other, bool by_first_thread, int number);

/** No signal any more. */
void os_process_signal_no_more(void);

/** In the child of a fork: what it has copied of its parent's watching. */
void os_process_signal_forget(void);

#endif
