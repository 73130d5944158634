/* Errors inside the library: a code for the caller, and a sentence of particulars for kith_error_detail. */
#ifndef KITH_SRC_BASE_ERROR_H
#define KITH_SRC_BASE_ERROR_H

#include <kith/base.h>

/** Keeps the sentence as this thread's detail.
 *  @return the code, so that a failing line reads `return error_fail(...)` */
int error_fail(int code, const char *format, ...) KITH_PRINTF(2, 3) __attribute__((cold));

/** Forgets this thread's detail, so that what is there later is of what failed later. */
void error_clear(void);

#endif
