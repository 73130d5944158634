/* Forks, and what they must not catch half done.
 *
 * A child begins as a copy of this process, with the one thread that forked. A list that another thread was just
 * changing would stay half changed in it, and a lock that another thread held would stay locked. So whatever of this
 * floor, or of those above, a child finds in its copy is changed between forks_block and forks_allow; and every fork,
 * also one of the program's own, waits for that.
 */
#ifndef KITH_SRC_PROCESS_FORKS_H
#define KITH_SRC_PROCESS_FORKS_H

#include <sys/types.h>

struct kith_process;

/** Keeps forks out, and the other threads that called this. Not to be nested, not to be held while anything waits. */
void forks_block(void);
void forks_allow(void);

/** How many forks lie between the first process and this one: a record that carries another number was made by an
 *  ancestor. */
unsigned forks_generation(void);

/** How many forks this process and its ancestors have made, or begun: what has changed hands since. */
unsigned forks_count(void);

/** Forks a child that becomes the process of the record. forks_block must not be held.
 *  @return as os_process_fork; -ENOMEM also when the program began with too little memory to watch its forks */
pid_t forks_child(struct kith_process *child);

/** Forks a sibling of this process, which must have but one thread, and is no process of a record yet: that is what
 *  forks_become is for. @param id, @return  as os_process_fork_sibling */
pid_t forks_sibling(pid_t *id);

/** Makes this process, of one thread, that of a record, as if its parent had forked it.
 *  @param parent  what is known of that one */
void forks_become(struct kith_process *child, struct kith_process *parent);

#endif
