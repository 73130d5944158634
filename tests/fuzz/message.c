/* Fuzzes the reading of messages that have buffers beside their pickle (kith/codec.h, "queues"). The input is the
 * message. What can be read is read in two ways, where it lies and copied, and each part of it is looked at. */
#include "fuzz.h"

#include <kith/codec.h>
#include <string.h>

/* @return what the value is written as, which takes a look at all of it; nothing when it can't be */
static kith_bytes write_all(const kith_value *value)
{
    kith_bytes pickle = { 0 };
    int code = kith_pickle_write(value, &pickle, NULL);
    REQUIRE_CODE(code, 0, KITH_ELIMIT, -ENOTSUP); /* buffers that did not come can't be written */
    return pickle;
}

static void read_in_place(const uint8_t *data, size_t size, const kith_bytes *expected)
{
    const kith_pickle_read_options borrow = { .borrow = 1 };
    kith_arena *arena = fuzz_arena();
    kith_value *value = NULL;
    REQUIRE_CODE(kith_message_read(arena, &value, data, size, &borrow), 0);
    kith_bytes pickle = write_all(value);
    REQUIRE(pickle.size == expected->size &&
            (pickle.size == 0 || memcmp(pickle.data, expected->data, pickle.size) == 0));
    kith_bytes_free(&pickle);
    kith_arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_watch_memory();
    kith_arena *arena = fuzz_arena();
    kith_value *value = NULL;
    int code = kith_message_read(arena, &value, data, size, NULL);
    REQUIRE_CODE(code, 0, KITH_EMALFORMED, KITH_ELIMIT);
    REQUIRE(kith_arena_size(arena) <= 129 * size + 65536);
    REQUIRE(fuzz_memory_peak() <= 512 * size + 262144);
    REQUIRE((code == 0) == (value != NULL));
    if (value) {
        kith_bytes pickle = write_all(value);
        read_in_place(data, size, &pickle);
        kith_bytes_free(&pickle);
    }
    kith_arena_free(arena);
    return 0;
}
