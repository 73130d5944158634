/* Fuzzes the reader of JSON, and both writers with what it reads.
 *
 * What must hold, whatever the bytes: memory is in proportion to them. What was read can be written, as JSON and as a
 * pickle, and is the same when it is read again. */
#include "fuzz.h"

#include <kith/codec.h>

#include <string.h>

/* Reads it again, and compares. */
static void require_json(const kith_bytes *text, const kith_value *value)
{
    kith_arena *arena = fuzz_arena();
    kith_value *again = NULL;
    REQUIRE(strlen(text->data) == text->size);
    REQUIRE_CODE(kith_json_read(arena, &again, text->data, text->size), 0);
    REQUIRE_CODE(kith_value_equal(value, again), 1);
    kith_arena_free(arena);
}

static void write_json(const kith_value *value, int indent)
{
    kith_bytes text = { 0 };
    REQUIRE_CODE(kith_json_write(value, &text, indent), 0);
    require_json(&text, value);
    kith_bytes_free(&text);
}

static void write_pickle(const kith_value *value)
{
    kith_bytes pickle = { 0 };
    REQUIRE_CODE(kith_pickle_write(value, &pickle, NULL), 0);
    kith_arena *arena = fuzz_arena();
    kith_value *again = NULL;
    const kith_pickle_read_options options = { .max_depth = 2000, .max_bytes = 1 << 28 };
    REQUIRE_CODE(kith_pickle_read(arena, &again, pickle.data, pickle.size, &options), 0);
    REQUIRE_CODE(kith_value_equal(value, again), 1);
    kith_arena_free(arena);
    kith_bytes_free(&pickle);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_watch_memory();
    kith_arena *arena = fuzz_arena();
    kith_value *value = NULL;
    int code = kith_json_read(arena, &value, data, size);
    REQUIRE_CODE(code, 0, KITH_EMALFORMED, KITH_ELIMIT, -ERANGE);
    REQUIRE(fuzz_memory_peak() <= 256 * size + 262144);
    REQUIRE((code == 0) == (value != NULL));
    if (value) {
        write_json(value, 0);
        write_json(value, (int)(size % 3)); /* what is nested deep gets long by it */
        write_pickle(value);
    }
    kith_arena_free(arena);
    return 0;
}
