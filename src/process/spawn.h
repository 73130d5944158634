/* Children that are told by a parcel who they are. */
#ifndef KITH_SRC_PROCESS_SPAWN_H
#define KITH_SRC_PROCESS_SPAWN_H

#include "process/children.h"
#include "process/parcel.h"

/** Starts one that is a fresh image of the program.
 *  @param child  receives its record
 *  @return 0, or as kith_process_start_entry, with a detail */
int spawn_start(struct kith_process **child, const struct errand *errand, enum children_holder holder);

/** Makes the process for a child that is written down, and for which a parcel is packed.
 *  @param environment  a whole one; NULL: as this process's
 *  @return its id, or a negative code with a detail */
typedef pid_t spawn_make(struct kith_process *child, struct parcel *parcel, const struct errand *errand,
                         char *const *environment);

/** As spawn_start, of a process that is made in another way. */
int spawn_by(spawn_make *make, struct kith_process **child, const struct errand *errand, enum children_holder holder);

#endif
