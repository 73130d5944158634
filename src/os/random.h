/* Numbers that nobody can guess. */
#ifndef KITH_SRC_OS_RANDOM_H
#define KITH_SRC_OS_RANDOM_H

#include <stddef.h>

/** Fills a buffer of at most 256 bytes. */
void os_random(void *buffer, size_t size);

#endif
