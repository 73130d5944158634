/* Processes, as the floors above see them: a child is known by its id and by a handle that is a pollable descriptor. */
#ifndef KITH_SRC_OS_PROCESS_H
#define KITH_SRC_OS_PROCESS_H
#endif
