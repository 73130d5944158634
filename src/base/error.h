/* Errors inside the library: a code for the caller, and a sentence of particulars for kith_error_detail. */
#ifndef KITH_SRC_BASE_ERROR_H
#define KITH_SRC_BASE_ERROR_H

#include <kith/base.h>

/** Keeps the sentence as this thread's detail. What was the detail before may be an argument.
 *  @return the code, so that a failing line reads `return error_fail(...)` */
int error_fail(int code, const char *format, ...) KITH_PRINTF(2, 3) __attribute__((cold));

/** Refuses an argument that is NULL where a value is needed: the call that should have made it may have failed, and
 *  then its detail says why. That is kept: it follows the sentence, after the link.
 *  @return -EINVAL */
int error_refuse_null(const char *sentence, const char *link) __attribute__((cold));

/** How often this thread has had a detail. */
unsigned error_count(void);

/** Why a function of the program failed, which need not have left a detail.
 *  @param before  what error_count gave before it was called
 *  @return the detail since then; when there is none, the code's sentence */
const char *error_reason(int code, unsigned before);

/** Forgets this thread's detail, so that what is there later is of what failed later. */
void error_clear(void);

#endif
