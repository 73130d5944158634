/* crew.h: the workers, seen from the parent. */
#ifndef DIGEST_TREE_CREW_H
#define DIGEST_TREE_CREW_H

#include "files.h"
#include "report.h"

#include <stdbool.h>
#include <stdint.h>

/** Starts the workers. Ends the program with a complaint when that fails. @param files  the list that grows */
struct crew *crew_start(unsigned workers, struct files *files);

/** Makes a batch of the files from first on, which were just added to the list. */
void crew_add(struct crew *crew, size_t first, size_t count);

/** Hands out batches as long as there are some and the queue takes them, without waiting.
 *  Then takes the results that are there; when there are none, waits for one a short while if it may.
 *  Workers that died are remarked on, and their batches handed out again.
 *  @return false when no worker is left */
bool crew_drive(struct crew *crew, bool may_wait);

/** True when all batches that were added are done. */
bool crew_idle(const struct crew *crew);

/** How much is done, with what is known of the batches in hand. */
struct amount crew_done(const struct crew *crew);

/** Tells the workers to end, waits until they have, and prints the table. */
void crew_finish(struct crew *crew, double seconds);

#endif
