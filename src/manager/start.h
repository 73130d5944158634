/* Servers that a manager has started. */
#ifndef KITH_SRC_MANAGER_START_H
#define KITH_SRC_MANAGER_START_H

#include "manager/client.h"

/** Ends manager->server, if this process has started it, and waits until it has ended. */
void start_undo(kith_manager *manager);

#endif
