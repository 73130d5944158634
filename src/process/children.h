/* The children of this process: one list, in the order of their starts, that forks_block guards.
 *
 * A child is on it from before its fork until its handle is closed, or, when nobody holds a handle, until it is found
 * to have ended.
 */
#ifndef KITH_SRC_PROCESS_CHILDREN_H
#define KITH_SRC_PROCESS_CHILDREN_H

#include "base/deadline.h"
#include "process/record.h"

/** Whether this process may have children. @return 0, or -EPERM with a detail */
int children_allowed(void);

/** Who has a child's handle: nobody, the caller, or the library, of a child that nobody else sees, and that is killed
 *  at exit. */
enum children_holder { HOLDER_NONE, HOLDER_CALLER, HOLDER_LIBRARY };

/** Writes down a child that is about to be made, and opens its streams.
 *  @param reports  whether it will report of its settings
 *  @return 0; -ENOMEM, -EMFILE, -ENFILE, -ENOSYS, or what the system says of /dev/null, with a detail */
int children_add(struct kith_process **child, const kith_process_options *options, bool reports,
                 enum children_holder holder);

/** Has a file of memory, or the ends of a new pair for packets, in the luggage of a child that is being started.
 *  @return 0, -EMFILE, -ENFILE, -ENOMEM, without a detail */
int children_pack_file(struct kith_process *child, const char *label);
int children_pack_pair(struct kith_process *child);

/** Closes a piece of the luggage. */
void children_unpack(struct kith_process *child, int which);

/** Takes the child in, lets it go, and waits for its report when there is to be one; kills it when that fails.
 *  Only then it counts as started.
 *  @param stdio  receives the parent's ends of pipes
 *  @return 0; -EMFILE, -ENFILE, -ENOMEM with a detail; what the child reported */
int children_admit(struct kith_process *child, pid_t pid, kith_stdio *stdio);

/** Undoes children_add. */
void children_remove(struct kith_process *child);

/** Looks whether a child has ended. */
bool child_ended(struct kith_process *child);

/** Waits until a child has ended. @return 0; -ETIMEDOUT, -EINTR or -ENOMEM without a detail */
int child_wait(struct kith_process *child, deadline until);

/** How it ended. @return 0; -EAGAIN while it runs; -ECHILD when that is not known */
int child_exit_code(struct kith_process *child, int *code);

/** Gives the handle back. @return 0; -EBUSY while it runs */
int child_close(struct kith_process *child);

/** As kith_process_active_children. */
int children_active(struct kith_process **children, size_t capacity);

/** From now on no record is freed, until the process ends: so they can be gone through and waited for without
 *  forks_block. */
void children_keep(void);

/** Goes through the children that run and are daemons, or are none; after children_keep.
 *  @param child  the one before; NULL for the first
 *  @return the next one, or NULL */
struct kith_process *children_next(struct kith_process *child, bool daemon);

/** Has this process call children_end at exit. Under forks_block. @return 0 or -ENOMEM */
int children_register_end(void);

/** Calls the exit hooks, ends the daemons, and waits for the others, as a process does before it ends itself. */
void children_end(void);

/** In a new process: forgets the children of its parent.
 *  @param self  the one that this process has become; left to the caller. May be NULL */
void children_forget(struct kith_process *self);

#endif
