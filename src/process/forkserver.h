/* The forkserver: a fresh image that makes children by copying itself. */
#ifndef KITH_SRC_PROCESS_FORKSERVER_H
#define KITH_SRC_PROCESS_FORKSERVER_H

#include "process/children.h"
#include "process/parcel.h"

/** Starts a child that is a copy of the server, and the server, when none runs.
 *  @return 0, or as kith_process_start_entry, with a detail */
int forkserver_start(struct kith_process **child, const struct errand *errand, enum children_holder holder);

/** In a new process: forgets the server of its parent. Under forks_block. */
void forkserver_forget(void);

#endif
