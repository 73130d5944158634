/* bench/bare.h: the start and the end of a process by the system's own means, and what all starts are measured with.
 * Links without kith. */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H

/** A way to start a process that does nothing, and to wait until it has ended. */
struct start_way {
    const char *name;
    int (*start)(void); /**< returns 0 or a negative code */
};

/** fork, _exit and waitpid. */
int bare_fork(void);

/** What a fresh image costs at the least: glibc's vfork and exec, of a small program; and waitpid. */
int bare_exec(void);

/** Measures one of these ways, by turns.
 *  @param ways  the last one has no name
 *  @param name  of the one that is wanted
 *  @param mib   memory that is to be resident, in small pages, whatever this system prefers: so a heap looks that has
 *               grown by and by
 *  @return 0 or a negative code; -ENOENT when there is no such way */
int starts_take_turns(const struct start_way *ways, const char *name, const char *mib);

#endif
