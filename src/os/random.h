/* Numbers that nobody can guess. */
#ifndef KITH_SRC_OS_RANDOM_H
#define KITH_SRC_OS_RANDOM_H

#include <stddef.h>

/** Fills a buffer of at most 256 bytes. @return 0, or a negated errno where the system has no such numbers */
int os_random(void *buffer, size_t size);

#endif
