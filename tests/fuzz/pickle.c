/* Fuzzes the reader of pickles, and with what it reads all that can be done with a value.
 *
 * What must hold, whatever the bytes: the reader's memory is in proportion to them. What was read can be written in
 * every protocol, copied, and shown, and is the same when it is read again. Only what is nested too deep, or holds
 * itself, is refused where the headers say so. */
#include "fuzz.h"

#include <kith/codec.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PROTOCOL_MIN = 2, PROTOCOL_MAX = 5, REPR_MAX = 1024, WALK_MAX = 2000, BUFFERS_MAX = 64 };

/* For what kith has written itself: its size is bounded already. */
static const kith_pickle_read_options own = { .max_depth = 1000000, .max_bytes = 1 << 28 };

/* ---- what a value holds ---- */

/* What is never equal to its copy, what is not always written as it was read, what has its buffers numbered anew. */
enum { NAN_FLOAT = 1, OBJECT_AS_KEY = 2, OBJECT = 4, BUFFER_ELSEWHERE = 8, TOO_LARGE = 16, BUFFERS_COUNTED = 32 };

static int traits_of(const kith_value *value, bool as_key, int *steps);

static int traits_of_object(const kith_value *object, bool as_key, int *steps)
{
    const void *data;
    size_t size;
    kith_value *key;
    kith_value *item;
    int traits = as_key ? OBJECT | OBJECT_AS_KEY : OBJECT;
    if (kith_object_get_form(object) == KITH_OBJECT_BUFFER && kith_value_as_bytes(object, &data, &size) < 0)
        traits |= BUFFER_ELSEWHERE;
    traits |= traits_of(kith_object_callable(object), false, steps);
    traits |= traits_of(kith_object_args(object), false, steps);
    traits |= traits_of(kith_object_kwargs(object), false, steps);
    for (size_t i = 0; *steps > 0 && kith_object_step_at(object, i, &key, &item); i++)
        traits |= traits_of(key, false, steps) | traits_of(item, false, steps);
    return traits;
}

/* @param as_key  whether the value is in a key. @param steps  how many values to look at; counted down */
static int traits_of(const kith_value *value, bool as_key, int *steps)
{
    double number;
    kith_value *key;
    kith_value *item;
    int traits = 0;
    if (--*steps < 0)
        return TOO_LARGE;
    switch (kith_value_kind(value)) {
    case KITH_FLOAT:
        REQUIRE_CODE(kith_value_as_float(value, &number), 0);
        return isnan(number) ? NAN_FLOAT : 0;
    case KITH_OBJECT:
        return traits_of_object(value, as_key, steps);
    case KITH_DICT:
        for (size_t i = 0; *steps > 0 && kith_value_pair_at(value, i, &key, &item); i++)
            traits |= traits_of(key, true, steps) | traits_of(item, as_key, steps);
        break;
    case KITH_SET:
    case KITH_FROZENSET:
        as_key = true;
        /* fall through */
    case KITH_LIST:
    case KITH_TUPLE:
        for (size_t i = 0; *steps > 0 && i < kith_value_length(value); i++)
            traits |= traits_of(kith_value_at(value, i), as_key, steps);
        break;
    default:
        break;
    }
    return *steps > 0 ? traits : traits | TOO_LARGE;
}

/* ---- whether two values are the same ---- */

/* A value, and what is known of it. */
struct known {
    const kith_value *value;
    int traits;
    kith_bytes text; /* its repr; nothing when it is nested too deep for that */
};

static kith_bytes show(const kith_value *value)
{
    kith_bytes text = { 0 };
    int code = kith_value_repr(value, &text, REPR_MAX);
    REQUIRE_CODE(code, 0, KITH_ELIMIT);
    REQUIRE(code < 0 || (text.size > 0 && text.size <= REPR_MAX && strlen(text.data) == text.size));
    return text;
}

static struct known know(const kith_value *value)
{
    int steps = WALK_MAX;
    return (struct known){ value, traits_of(value, false, &steps), show(value) };
}

/* Another one that must look the same, and be equal if anything like it can be. What has very many parts (or seems so:
 * where few are shared many times) is not compared: that may take long, which it may. */
static void require_same(const struct known *known, const kith_value *other)
{
    kith_bytes text = show(other);
    REQUIRE(kith_value_kind(known->value) == kith_value_kind(other));
    REQUIRE(!known->text.data == !text.data);
    if (text.data && strcmp(known->text.data, text.data) != 0) {
        fprintf(stderr, "it was:   %s\nand now is %s\n", (char *)known->text.data, (char *)text.data);
        fuzz_fail(__FILE__, __LINE__, "two that are the same look the same");
    }
    kith_bytes_free(&text);
    if (!(known->traits & (NAN_FLOAT | OBJECT_AS_KEY | TOO_LARGE | BUFFERS_COUNTED)))
        REQUIRE_CODE(kith_value_equal(known->value, other), 1);
}

/* ---- what can be done with a value ---- */

/* Whether something else may come back, which then stays as it is. Protocol 2 has Python 2's names, and not for all
 * that Python 3 has; below 4 there are no names with dots, so they are looked up part by part. Buffers that are not in
 * the pickle are counted, and some may be counted that no value has. */
static bool may_change(int traits, int protocol)
{
    return traits & (TOO_LARGE | (protocol < 4 ? OBJECT : BUFFER_ELSEWHERE));
}

/* @return the value when it was written, and read again; NULL when it can't be */
static kith_value *write_and_read(const struct known *known, int protocol, size_t longest, kith_arena *arena)
{
    kith_bytes pickle = { 0 };
    const kith_pickle_write_options options = { .protocol = protocol };
    int code = kith_pickle_write(known->value, &pickle, &options);
    if (protocol < 5)
        REQUIRE_CODE(code, 0, KITH_ELIMIT, -ENOTSUP);
    else
        REQUIRE_CODE(code, 0, KITH_ELIMIT);
    if (code < 0)
        return NULL;
    REQUIRE(pickle.size <= longest);
    kith_value *again = NULL;
    code = kith_pickle_read(arena, &again, pickle.data, pickle.size, &own);
    if (protocol == 2 && may_change(known->traits, protocol))
        REQUIRE_CODE(code, 0, KITH_EMALFORMED, KITH_ELIMIT); /* a call of Python 2's set is now one of Python 3's */
    else
        REQUIRE_CODE(code, 0);
    kith_bytes_free(&pickle);
    return again;
}

static void require_round_trip(const struct known *known, int protocol, size_t longest)
{
    kith_arena *arena = fuzz_arena();
    struct known changed = { .value = NULL };
    const kith_value *again = write_and_read(known, protocol, longest, arena);
    if (again && may_change(known->traits, protocol)) {
        changed = know(again);
        known = &changed;
        again = write_and_read(known, protocol, longest, arena);
        REQUIRE(again);
    }
    if (again)
        require_same(known, again);
    kith_bytes_free(&changed.text);
    kith_arena_free(arena);
}

static void copy(const struct known *known)
{
    kith_arena *arena = fuzz_arena();
    kith_value *copied = kith_value_copy(arena, known->value);
    if (copied)
        require_same(known, copied);
    else
        REQUIRE_CODE(kith_arena_error(arena), KITH_ELIMIT);
    kith_arena_free(arena);
}

/* What was written can be read again, but for ints of 64 bits without a sign, and names that hold NUL, which Jansson
 * does not take. */
static void write_json(const kith_value *value)
{
    kith_bytes text = { 0 };
    int code = kith_json_write(value, &text, 0);
    REQUIRE_CODE(code, 0, KITH_ETYPE, -ERANGE, KITH_ELIMIT);
    if (code < 0)
        return;
    kith_arena *arena = fuzz_arena();
    kith_value *again = NULL;
    code = kith_json_read(arena, &again, text.data, text.size);
    REQUIRE_CODE(code, 0, -ERANGE, KITH_EMALFORMED);
    REQUIRE(code != KITH_EMALFORMED || strstr(text.data, "\\u0000"));
    kith_arena_free(arena);
    kith_bytes_free(&text);
}

/* ---- buffers beside the pickle ---- */

struct gathered {
    kith_buffer buffers[BUFFERS_MAX];
    size_t count;
};

static int gather(void *context, const kith_value *buffer)
{
    struct gathered *gathered = context;
    if (gathered->count == BUFFERS_MAX)
        return -ENOBUFS;
    kith_buffer *next = &gathered->buffers[gathered->count++];
    REQUIRE_CODE(kith_value_as_bytes(buffer, &next->data, &next->size), 0);
    return 0;
}

/* Reads it with some buffers, writes it with its buffers left out, and reads it with these. */
static void go_out_of_band(const uint8_t *data, size_t size)
{
    static const kith_buffer given[] = { { "first", 5 }, { NULL, 0 }, { "third", 5 } };
    const kith_pickle_read_options with_given = { .buffers = given, .buffer_count = 3, .borrow = size & 1 };
    struct gathered gathered = { .count = 0 };
    const kith_pickle_write_options leave_out = { .protocol = 5, .on_buffer = gather, .context = &gathered };
    kith_arena *arena = fuzz_arena();
    kith_value *value = NULL;
    kith_bytes pickle = { 0 };
    int code = kith_pickle_read(arena, &value, data, size, &with_given);
    REQUIRE_CODE(code, 0, KITH_EMALFORMED, KITH_ELIMIT);
    if (code == 0) {
        code = kith_pickle_write(value, &pickle, &leave_out);
        REQUIRE_CODE(code, 0, KITH_ELIMIT, -ENOBUFS);
    }
    if (code == 0) {
        struct known known = { value, BUFFERS_COUNTED, show(value) };
        kith_pickle_read_options reading = own;
        reading.buffers = gathered.buffers;
        reading.buffer_count = gathered.count;
        kith_value *again = NULL;
        REQUIRE_CODE(kith_pickle_read(arena, &again, pickle.data, pickle.size, &reading), 0);
        require_same(&known, again);
        kith_bytes_free(&known.text);
    }
    kith_bytes_free(&pickle);
    kith_arena_free(arena);
}

/* ---- an input ---- */

/* With limits that most inputs exceed. */
static void read_within_limits(const uint8_t *data, size_t size)
{
    const kith_pickle_read_options options = {
        .max_depth = 1 + size % 8,
        .max_values = 1 + size % 32,
        .max_bytes = 2048 + 8 * size,
        .borrow = size & 1,
    };
    kith_arena *arena = fuzz_arena();
    kith_value *value = NULL;
    REQUIRE_CODE(kith_pickle_read(arena, &value, data, size, &options), 0, KITH_EMALFORMED, KITH_ELIMIT);
    REQUIRE(kith_arena_size(arena) <= options.max_bytes);
    kith_arena_free(arena);
}

static void do_all(const kith_value *value, size_t longest)
{
    struct known known = know(value);
    copy(&known);
    for (int protocol = PROTOCOL_MIN; protocol <= PROTOCOL_MAX; protocol++)
        require_round_trip(&known, protocol, longest);
    if (!(known.traits & TOO_LARGE))
        write_json(value); /* without what is shared: that may take a gigabyte */
    kith_bytes_free(&known.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_watch_memory();
    kith_arena *arena = fuzz_arena();
    kith_value *value = NULL;
    int code = kith_pickle_read(arena, &value, data, size, NULL);
    REQUIRE_CODE(code, 0, KITH_EMALFORMED, KITH_ELIMIT);
    REQUIRE(kith_arena_size(arena) <= 128 * size + 65536);
    REQUIRE(fuzz_memory_peak() <= 512 * size + 262144);
    REQUIRE((code == 0) == (value != NULL));
    if (value) {
        do_all(value, 64 * size + 1024);
        read_within_limits(data, size);
    }
    if (memchr(data, 0x97, size)) /* NEXT_BUFFER, as a rule */
        go_out_of_band(data, size);
    kith_arena_free(arena);
    return 0;
}
