/* Fuzzes kith_value_unpack: a format against a value, both of the input, which is the format, a NUL byte, and a pickle.
 *
 * What must hold, whatever the bytes: it ends with a code that it may give, looks at nothing that the value does not
 * have, and stores nothing unless all fits. */
#include "fuzz.h"

#include <kith/codec.h>

#include <string.h>

/* A letter wants two arguments at most. Each is room for anything that is stored, and as it comes a text, which a key
 * in a format may want. */
enum { LETTERS_MAX = 16, PLACES = 2 * LETTERS_MAX };

union place {
    char text[16];
    void *pointer;
    double number;
};

#define FOUR(places) &(places)[0], &(places)[1], &(places)[2], &(places)[3]
#define SIXTEEN(places) FOUR(places), FOUR((places) + 4), FOUR((places) + 8), FOUR((places) + 12)

static void unpack(const kith_value *value, const char *format)
{
    static const union place fresh[4] = { { "a" }, { "key" }, { "name" }, { "" } };
    union place places[PLACES];
    union place before[PLACES];
    for (size_t i = 0; i < PLACES; i++)
        places[i] = fresh[i % 4];
    memcpy(before, places, sizeof places);
    int code = kith_value_unpack(value, format, SIXTEEN(places), SIXTEEN(places + 16));
    REQUIRE_CODE(code, 0, KITH_ETYPE, -ERANGE, -EILSEQ, -EINVAL);
    REQUIRE(code == 0 || memcmp(before, places, sizeof places) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t length = strnlen((const char *)data, size);
    if (length == size || length > LETTERS_MAX)
        return 0;
    kith_arena *arena = fuzz_arena();
    kith_value *value = NULL;
    if (kith_pickle_read(arena, &value, data + length + 1, size - length - 1, NULL) == 0)
        unpack(value, (const char *)data);
    kith_arena_free(arena);
    return 0;
}
