/* pool_crew.h: the same job by a pool. */
#ifndef DIGEST_TREE_POOL_CREW_H
#define DIGEST_TREE_POOL_CREW_H

#include "files.h"
#include "report.h"

/** Walks the directories, has a pool digest what is found, adds it to the list, and prints the table. Ends the program
 *  with a complaint when the pool fails. @param roots  as for walk_begin */
void pool_digest(char **roots, struct files *files, unsigned workers);

#endif
