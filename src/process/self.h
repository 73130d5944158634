/* This process and the one that started it. */
#ifndef KITH_SRC_PROCESS_SELF_H
#define KITH_SRC_PROCESS_SELF_H

#include "process/record.h"

/** This process's record. Its next ones are those of its ancestors, which the program may still have handles of. */
extern struct kith_process *process_self;

/** The parent's record; NULL in a process that kith did not start. */
extern struct kith_process *process_parent;

/** Opens this process's own sentinel, which its children inherit as their parent's; once. Under forks_block.
 *  @return 0, or as os_process_open */
int self_open_sentinel(void);

/** Puts another one in this process's place: what its parent is to be in the process that self_become makes of it. */
void self_adopt(struct kith_process *parent);

/** Makes the records tell of the process that has just begun.
 *  @param child  what its parent wrote down of it; NULL when kith did not start it */
void self_become(struct kith_process *child);

#endif
