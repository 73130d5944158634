/* What the fuzzers share. Each is one file that defines LLVMFuzzerTestOneInput, and it is built twice: with libFuzzer,
 * which makes inputs up and looks which of them reach new code (tools/fuzz), and as an ordinary program, which runs
 * once each input that is kept in corpus/ (run.c; the suite "fuzz").
 *
 * An invariant that does not hold ends the program by abort, which either takes for a find. */
#ifndef KITH_TESTS_FUZZ_FUZZ_H
#define KITH_TESTS_FUZZ_FUZZ_H

#include <kith/value.h>

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Deals with one input. @return 0 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** Ends the program when something does not hold. */
#define REQUIRE(holds) ((holds) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #holds))
_Noreturn void fuzz_fail(const char *file, int line, const char *what);

/** Ends the program when a code is none of those that are listed behind it. */
#define REQUIRE_CODE(code, ...)                                                      \
    fuzz_require_code(__FILE__, __LINE__, #code, code, (const int[]){ __VA_ARGS__ }, \
                      sizeof((const int[]){ __VA_ARGS__ }) / sizeof(int))
void fuzz_require_code(const char *file, int line, const char *what, int code, const int *allowed, size_t count);

/** A new arena, always. */
kith_arena *fuzz_arena(void);

/** Reads a number as frames have it, the most significant byte first. */
uint64_t fuzz_number_at(const uint8_t *bytes, size_t count);

/** Starts to watch what the program has from malloc. Only AddressSanitizer can tell: without it there is no peak. */
void fuzz_watch_memory(void);

/** @return the most bytes that it had at a time since, beyond what it had then */
size_t fuzz_memory_peak(void);

#endif
