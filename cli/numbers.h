/* Numbers as options have them. Each reads all of the text, and writes its number only when it is one.
 *
 * @return false when it is none, or not such a one */
#ifndef KITH_CLI_NUMBERS_H
#define KITH_CLI_NUMBERS_H

#include <kith/base.h>

#include <stdbool.h>

/** How many: 1 or more, in decimal digits. @param max  and no more */
bool read_count(const char *text, unsigned long max, unsigned long *number);

/** A size in bytes: digits, and behind them K, M or G for 1,024 bytes, its square, its cube; 1 or more. */
bool read_size(const char *text, uint64_t *size);

/** Seconds that a timeout can have: above 0, up to 1e9, maybe with a fraction. */
bool read_seconds(const char *text, kith_timeout *timeout);

#endif
