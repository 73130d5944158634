/* Fuzzes the reader of pickles, and with what it reads all that can be done with a value.
 *
 * What must hold, whatever the bytes: the reader's memory is in proportion to them. What was read can be written in
 * every protocol, copied, and shown, and is the same when it is read again. Only what is nested too deep, or holds
 * itself, is refused where the headers say so. */
#include "fuzz.h"

#include <kith/codec.h>

#include <math.h>
#include <string.h>

enum { PROTOCOL_MIN = 2, PROTOCOL_MAX = 5, REPR_MAX = 16384, WALK_MAX = 10000 };

/* For what kith has written itself: its size is bounded already. */
static const kith_pickle_read_options own = { .max_depth = 1000000, .max_bytes = 1 << 28 };

static kith_arena *new_arena(void)
{
    kith_arena *arena;
    REQUIRE_CODE(kith_arena_new(&arena), 0);
    return arena;
}

/* ---- whether two values are the same ---- */

static bool is_unlike_itself(const kith_value *value, bool as_key, int *steps);

static bool is_object_unlike_itself(const kith_value *object, int *steps)
{
    if (is_unlike_itself(kith_object_callable(object), false, steps) ||
        is_unlike_itself(kith_object_args(object), false, steps) ||
        is_unlike_itself(kith_object_kwargs(object), false, steps))
        return true;
    kith_value *key;
    kith_value *item;
    for (size_t i = 0; kith_object_step_at(object, i, &key, &item); i++) {
        if (is_unlike_itself(key, false, steps) || is_unlike_itself(item, false, steps))
            return true;
    }
    return false;
}

/* Whether a value holds what is never equal to its copy: a NaN, or an object as a key. Or it is too large to tell. */
static bool is_unlike_itself(const kith_value *value, bool as_key, int *steps)
{
    double number;
    kith_value *key;
    kith_value *item;
    if (--*steps < 0)
        return true;
    switch (kith_value_kind(value)) {
    case KITH_FLOAT:
        REQUIRE_CODE(kith_value_as_float(value, &number), 0);
        return isnan(number);
    case KITH_OBJECT:
        return as_key || is_object_unlike_itself(value, steps);
    case KITH_DICT:
        for (size_t i = 0; kith_value_pair_at(value, i, &key, &item); i++) {
            if (is_unlike_itself(key, true, steps) || is_unlike_itself(item, as_key, steps))
                return true;
        }
        return false;
    case KITH_SET:
    case KITH_FROZENSET:
        as_key = true;
        /* fall through */
    case KITH_LIST:
    case KITH_TUPLE:
        for (size_t i = 0; i < kith_value_length(value); i++) {
            if (is_unlike_itself(kith_value_at(value, i), as_key, steps))
                return true;
        }
        return false;
    default:
        return false;
    }
}

/* @return the code of kith_value_repr, which writes text when it is 0 */
static int show(const kith_value *value, kith_bytes *text)
{
    int code = kith_value_repr(value, text, REPR_MAX);
    REQUIRE_CODE(code, 0, KITH_ELIMIT);
    if (code == 0) {
        REQUIRE(text->size > 0 && text->size <= REPR_MAX);
        REQUIRE(strlen(text->data) == text->size);
    }
    return code;
}

/* Two that must look the same, and be equal if anything like them can be. What has very many parts (or seems so: where
 * few are shared many times) is not compared: that may take long, which it may. */
static void require_same(const kith_value *one, const kith_value *other)
{
    kith_bytes text = { 0 };
    kith_bytes other_text = { 0 };
    REQUIRE(kith_value_kind(one) == kith_value_kind(other));
    REQUIRE(show(one, &text) == show(other, &other_text));
    REQUIRE(text.size == other_text.size && (text.size == 0 || memcmp(text.data, other_text.data, text.size) == 0));
    kith_bytes_free(&text);
    kith_bytes_free(&other_text);
    int steps = WALK_MAX;
    if (!is_unlike_itself(one, false, &steps))
        REQUIRE_CODE(kith_value_equal(one, other), 1);
}

/* ---- what can be done with a value ---- */

/* @return the value when it was written, and read again; NULL when it can't be written */
static kith_value *write_and_read(const kith_value *value, int protocol, size_t longest, kith_arena *arena)
{
    kith_bytes pickle = { 0 };
    const kith_pickle_write_options options = { .protocol = protocol };
    int code = kith_pickle_write(value, &pickle, &options);
    if (protocol < 5)
        REQUIRE_CODE(code, 0, KITH_ELIMIT, -ENOTSUP);
    else
        REQUIRE_CODE(code, 0, KITH_ELIMIT);
    if (code < 0)
        return NULL;
    REQUIRE(pickle.size <= longest);
    kith_value *again = NULL;
    REQUIRE_CODE(kith_pickle_read(arena, &again, pickle.data, pickle.size, &own), 0);
    kith_bytes_free(&pickle);
    return again;
}

/* Protocol 2 has Python 2's names, and not for all that Python 3 has: then another object comes back, but that stays. */
static bool may_be_renamed(const kith_value *value, int protocol)
{
    int steps = WALK_MAX;
    return protocol == 2 && is_unlike_itself(value, true, &steps);
}

static void require_round_trip(const kith_value *value, int protocol, size_t longest)
{
    kith_arena *arena = new_arena();
    const kith_value *again = write_and_read(value, protocol, longest, arena);
    if (again && may_be_renamed(value, protocol)) {
        value = again;
        again = write_and_read(value, protocol, longest, arena);
        REQUIRE(again);
    }
    if (again)
        require_same(value, again);
    kith_arena_free(arena);
}

static void copy(const kith_value *value)
{
    kith_arena *arena = new_arena();
    kith_value *copied = kith_value_copy(arena, value);
    if (copied)
        require_same(value, copied);
    else
        REQUIRE_CODE(kith_arena_error(arena), KITH_ELIMIT);
    kith_arena_free(arena);
}

static void write_json(const kith_value *value)
{
    kith_bytes text = { 0 };
    int code = kith_json_write(value, &text, 0);
    REQUIRE_CODE(code, 0, KITH_ETYPE, -ERANGE, KITH_ELIMIT);
    if (code < 0)
        return;
    kith_arena *arena = new_arena();
    kith_value *again = NULL;
    REQUIRE_CODE(kith_json_read(arena, &again, text.data, text.size), 0);
    kith_arena_free(arena);
    kith_bytes_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_watch_memory();
    kith_arena *arena = new_arena();
    kith_value *value = NULL;
    int code = kith_pickle_read(arena, &value, data, size, NULL);
    REQUIRE_CODE(code, 0, KITH_EMALFORMED, KITH_ELIMIT);
    REQUIRE(kith_arena_size(arena) <= 128 * size + 65536);
    REQUIRE(fuzz_memory_peak() <= 512 * size + 262144);
    REQUIRE((code == 0) == (value != NULL));
    if (value) {
        copy(value);
        for (int protocol = PROTOCOL_MIN; protocol <= PROTOCOL_MAX; protocol++)
            require_round_trip(value, protocol, 64 * size + 1024);
        write_json(value);
    }
    kith_arena_free(arena);
    return 0;
}
