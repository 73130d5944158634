/* cmocka, and what the tests of every header use of kith. */
#ifndef KITH_TESTS_UNIT_CMOCKA_KITH_H
#define KITH_TESTS_UNIT_CMOCKA_KITH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <kith/kith.h>

#include <string.h>

/** Fails with both codes by name, and the detail. */
#define assert_code(got, wanted) assert_code_at((got), (wanted), #got, __FILE__, __LINE__)

static inline void assert_code_at(int got, int wanted, const char *call, const char *file, int line)
{
    if (got == wanted)
        return;
    print_error("%s gave %s (%d), not %s (%d); the detail: %s\n", call, kith_error_name(got), got,
                kith_error_name(wanted), wanted, kith_error_detail());
    _fail(file, line);
}

/** A failing call has to say what to do: the code, and a sentence about it. */
#define assert_explained(got, wanted) assert_explained_at((got), (wanted), #got, __FILE__, __LINE__)

static inline void assert_explained_at(int got, int wanted, const char *call, const char *file, int line)
{
    assert_code_at(got, wanted, call, file, line);
    if (strlen(kith_error_detail()) < 10) {
        print_error("%s gave no detail\n", call);
        _fail(file, line);
    }
}

#endif
