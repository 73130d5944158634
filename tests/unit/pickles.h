/* What the tests of pickles have in common: pickles as literals, and the way there and back. */
#ifndef KITH_TESTS_UNIT_PICKLES_H
#define KITH_TESTS_UNIT_PICKLES_H

#include "values.h"

#include <stdbool.h>

/** A pickle as a literal, with its length: it may hold NUL bytes. */
#define PICKLE(literal) (literal), sizeof(literal) - 1

/** Reads with the defaults, and fails unless that goes well. */
static inline kith_value *unpickled(const void *data, size_t size)
{
    kith_value *value = NULL;
    assert_code(kith_pickle_read(arena, &value, data, size, NULL), 0);
    assert_non_null(value);
    return value;
}

/** Writes a value in a protocol. @return it; free it */
static inline kith_bytes pickled(const kith_value *value, int protocol)
{
    kith_bytes pickle = { NULL, 0 };
    assert_code(kith_pickle_write(value, &pickle, &(kith_pickle_write_options){ .protocol = protocol }), 0);
    return pickle;
}

/** What comes back when a value is written in a protocol and read again. */
static inline kith_value *back(const kith_value *value, int protocol)
{
    kith_bytes pickle = pickled(value, protocol);
    kith_value *read = unpickled(pickle.data, pickle.size);
    kith_bytes_free(&pickle);
    return read;
}

/** Fails unless the value is written so. */
#define assert_pickle(value, protocol, literal) \
    assert_pickle_at((value), (protocol), PICKLE(literal), __FILE__, __LINE__)

static inline void assert_pickle_at(const kith_value *value, int protocol, const char *wanted, size_t size,
                                    const char *file, int line)
{
    kith_bytes pickle = pickled(value, protocol);
    bool same = pickle.size == size && memcmp(pickle.data, wanted, size) == 0;
    if (!same) {
        print_error("the pickle is ");
        for (size_t i = 0; i < pickle.size; i++)
            print_error("%02x", ((unsigned char *)pickle.data)[i]);
        print_error("\n");
    }
    kith_bytes_free(&pickle);
    if (!same)
        _fail(file, line);
}

#endif
