/* Ints of any size, and numbers of all kinds together. An int that fits 64 bits is always kept as such; a larger one in
 * two's complement, the least significant byte first, with no byte more than it needs. So equal ints look equal. */
#include "value/number.h"

#include "base/error.h"

#include <errno.h>
#include <math.h>

enum { SMALL = sizeof(int64_t) };

/** The byte that would follow: all ones for negative numbers. */
static unsigned char sign_of(const unsigned char *bytes, size_t size)
{
    return size > 0 && bytes[size - 1] & 0x80 ? 0xff : 0;
}

/** How many of the bytes an int needs; 0 for the int 0. */
static size_t needed(const unsigned char *bytes, size_t size)
{
    unsigned char sign = sign_of(bytes, size);
    while (size > 1 && bytes[size - 1] == sign && (bytes[size - 2] & 0x80) == (sign & 0x80))
        size--;
    return size == 1 && bytes[0] == 0 ? 0 : size;
}

/* ---- making ---- */

kith_value *kith_value_int_from_bytes(kith_arena *arena, const void *bytes, size_t size)
{
    if (!arena || (!bytes && size))
        return arena_fail(arena, -EINVAL, "%s is NULL", arena ? "bytes" : "arena");
    kith_value *value = value_new(arena, KITH_INT);
    if (!value)
        return NULL;
    size_t length = needed(bytes, size);
    if (length <= SMALL) {
        unsigned char whole[SMALL];
        memset(whole, sign_of(bytes, size), SMALL);
        memcpy(whole, length ? bytes : whole, length);
        value->integer = 0;
        for (size_t i = 0; i < SMALL; i++)
            value->integer |= (int64_t)((uint64_t)whole[i] << (8 * i));
        return value;
    }
    value->marks |= VALUE_BIG;
    value->bytes.data = arena_copy(arena, bytes, length);
    value->bytes.size = length;
    return value->bytes.data ? value : NULL;
}

kith_value *kith_value_unsigned(kith_arena *arena, uint64_t number)
{
    if (number <= INT64_MAX)
        return kith_value_int(arena, (int64_t)number);
    unsigned char bytes[SMALL + 1] = { 0 };
    for (size_t i = 0; i < SMALL; i++)
        bytes[i] = (unsigned char)(number >> (8 * i));
    return kith_value_int_from_bytes(arena, bytes, sizeof bytes);
}

/* ---- reading ---- */

static bool is_whole(const kith_value *value)
{
    int kind = kith_value_kind(value);
    return kind == KITH_INT || kind == KITH_BOOL;
}

static bool is_big(const kith_value *value)
{
    return value->kind == KITH_INT && value->marks & VALUE_BIG;
}

static int64_t small(const kith_value *value)
{
    return value->kind == KITH_BOOL ? value->truth : value->integer;
}

int kith_value_as_int(const kith_value *value, int64_t *number)
{
    if (!number)
        return error_fail(-EINVAL, "number is NULL: give where to store it");
    if (!is_whole(value))
        return value_is_no(value, "int");
    if (is_big(value))
        return error_fail(-ERANGE, "the int has %zu bytes, and an int64_t 8", value->bytes.size);
    *number = small(value);
    return 0;
}

int kith_value_as_unsigned(const kith_value *value, uint64_t *number)
{
    if (!number)
        return error_fail(-EINVAL, "number is NULL: give where to store it");
    if (!is_whole(value))
        return value_is_no(value, "int");
    if (!is_big(value) && small(value) >= 0) {
        *number = (uint64_t)small(value);
        return 0;
    }
    const unsigned char *bytes = is_big(value) ? (const unsigned char *)value->bytes.data : NULL;
    if (!bytes || value->bytes.size > SMALL + 1 || bytes[value->bytes.size - 1] != 0)
        return error_fail(-ERANGE, "the int does not fit a uint64_t: it is %s",
                          bytes && !sign_of(bytes, value->bytes.size) ? "too large" : "negative");
    *number = 0;
    for (size_t i = 0; i < SMALL; i++)
        *number |= (uint64_t)bytes[i] << (8 * i);
    return 0;
}

int kith_value_as_int_bytes(const kith_value *value, void *buffer, size_t capacity, size_t *size)
{
    if (!size || (!buffer && capacity))
        return error_fail(-EINVAL, "%s is NULL", size ? "buffer" : "size");
    if (kith_value_kind(value) != KITH_INT)
        return value_is_no(value, "int");
    unsigned char whole[SMALL];
    const void *bytes = whole;
    if (value->marks & VALUE_BIG) {
        bytes = value->bytes.data;
        *size = value->bytes.size;
    } else {
        for (size_t i = 0; i < SMALL; i++)
            whole[i] = (unsigned char)((uint64_t)value->integer >> (8 * i));
        *size = needed(whole, SMALL);
    }
    if (*size > capacity)
        return error_fail(-EMSGSIZE, "the int needs %zu bytes, and there is room for %zu", *size, capacity);
    if (buffer)
        memcpy(buffer, bytes, *size);
    return 0;
}

int kith_value_as_float(const kith_value *value, double *number)
{
    if (!number)
        return error_fail(-EINVAL, "number is NULL: give where to store it");
    if (kith_value_kind(value) == KITH_FLOAT) {
        *number = value->real;
        return 0;
    }
    if (!is_whole(value))
        return value_is_no(value, "float, int or bool");
    if (!is_big(value)) {
        *number = (double)small(value);
        return 0;
    }
    if (number_big_as_double(value, number) == NUMBER_BEYOND)
        return error_fail(-ERANGE, "an int of %zu bytes is beyond all floats", value->bytes.size);
    return 0;
}

/* ---- a big int as a double ---- */

/** Eight bytes of the absolute value, from one byte on. */
static uint64_t word_at(const kith_value *value, size_t from)
{
    const unsigned char *bytes = (const unsigned char *)value->bytes.data;
    unsigned char sign = sign_of(bytes, value->bytes.size);
    bool carry = sign; /* minus a number is its complement and one, which goes up as far as there are zeros */
    for (size_t i = 0; carry && i < from; i++)
        carry = bytes[i] == 0;
    uint64_t word = 0;
    for (size_t i = 0; i < 8; i++)
        word |= (uint64_t)(unsigned char)(bytes[from + i] ^ sign) << (8 * i);
    return word + carry;
}

/** Whether the absolute value has a bit in its first count bytes: a number and minus it have the last one in common. */
static bool any_below(const kith_value *value, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (value->bytes.data[i])
            return true;
    }
    return false;
}

enum number_rounding number_big_as_double(const kith_value *value, double *real)
{
    enum { BYTES_OF_MAX = 1024 / 8 };
    size_t size = value->bytes.size;
    if (size > BYTES_OF_MAX + 1)
        return NUMBER_BEYOND;
    /* The upper 57 bits or more make a word. What is below them leaves a trace in its last bit, which is too low for
     * the double, but has it rounded rightly. */
    size_t from = size - 8;
    uint64_t word = word_at(value, from);
    if (word >> 56 == 0)
        word = word_at(value, --from);
    bool trace = any_below(value, from);
    double magnitude = (double)(word | trace);
    bool exact = !trace && magnitude < 0x1p64 && (uint64_t)magnitude == word;
    while (from--)
        magnitude *= 256;
    if (isinf(magnitude))
        return NUMBER_BEYOND;
    *real = sign_of((const unsigned char *)value->bytes.data, size) ? -magnitude : magnitude;
    return exact ? NUMBER_EXACT : NUMBER_ROUNDED;
}

/* ---- equality ---- */

bool number_float_as_int(double real, int64_t *number)
{
    const double beyond = 9223372036854775808.0; /* two to the 63rd */
    if (!(real >= -beyond && real < beyond))
        return false;
    *number = (int64_t)real;
    return (double)*number == real;
}

static bool equals_float(const kith_value *whole, double real)
{
    double other;
    if (is_big(whole))
        return number_big_as_double(whole, &other) == NUMBER_EXACT && other == real;
    int64_t number;
    return number_float_as_int(real, &number) && number == small(whole);
}

bool number_equal(const kith_value *one, const kith_value *other)
{
    if (one->kind == KITH_FLOAT && other->kind == KITH_FLOAT)
        return one->real == other->real;
    if (one->kind == KITH_FLOAT)
        return equals_float(other, one->real);
    if (other->kind == KITH_FLOAT)
        return equals_float(one, other->real);
    if (is_big(one) || is_big(other))
        return is_big(one) && is_big(other) && one->bytes.size == other->bytes.size &&
               memcmp(one->bytes.data, other->bytes.data, one->bytes.size) == 0;
    return small(one) == small(other);
}

/* ---- order ---- */

static bool is_negative(const kith_value *big)
{
    return sign_of((const unsigned char *)big->bytes.data, big->bytes.size);
}

static int order_bytes(const kith_value *one, const unsigned char *other, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)one->bytes.data;
    bool negative = is_negative(one);
    if (negative != (sign_of(other, size) != 0))
        return negative ? -1 : 1;
    if (one->bytes.size != size) /* neither has more than it needs: the longer one is farther from 0 */
        return (one->bytes.size < size) != negative ? -1 : 1;
    while (size-- > 0) {
        if (bytes[size] != other[size])
            return bytes[size] < other[size] ? -1 : 1;
    }
    return 0;
}

/** The bytes of a float of 64 bits or more, which all stand for a whole number. @return how many it needs */
static size_t float_bytes(double real, unsigned char bytes[1024 / 8 + 1])
{
    enum { SIZE = 1024 / 8 + 1, MANTISSA = 53 };
    int exponent;
    uint64_t mantissa = (uint64_t)ldexp(frexp(fabs(real), &exponent), MANTISSA);
    memset(bytes, 0, SIZE);
    for (size_t bit = 0; bit < MANTISSA; bit++) {
        size_t at = bit + (size_t)(exponent - MANTISSA);
        bytes[at / 8] |= (unsigned char)((mantissa >> bit & 1) << at % 8);
    }
    bool carry = true;
    for (size_t i = 0; real < 0 && i < SIZE; i++) { /* minus a number is its complement and one */
        bytes[i] = (unsigned char)~bytes[i];
        carry = carry && ++bytes[i] == 0;
    }
    return needed(bytes, SIZE);
}

static int order_big_and_float(const kith_value *big, double real)
{
    if (isnan(real))
        return 0;
    if (isinf(real) || fabs(real) < 0x1p63)
        return isinf(real) ? (real > 0 ? -1 : 1) : is_negative(big) ? -1 : 1;
    unsigned char bytes[1024 / 8 + 1];
    size_t size = float_bytes(real, bytes);
    return order_bytes(big, bytes, size);
}

static int order_small_and_float(int64_t number, double real)
{
    const double beyond = 9223372036854775808.0; /* two to the 63rd */
    if (isnan(real))
        return 0;
    if (real >= beyond || real < -beyond)
        return real > 0 ? -1 : 1;
    int64_t whole = (int64_t)real;
    double rest = real - (double)whole;
    if (number != whole)
        return number < whole ? -1 : 1;
    return (rest < 0) - (rest > 0);
}

static int order_int_and_float(const kith_value *whole, double real)
{
    return is_big(whole) ? order_big_and_float(whole, real) : order_small_and_float(small(whole), real);
}

int number_order(const kith_value *one, const kith_value *other)
{
    if (one->kind == KITH_FLOAT && other->kind == KITH_FLOAT)
        return (one->real > other->real) - (one->real < other->real);
    if (one->kind == KITH_FLOAT)
        return -order_int_and_float(other, one->real);
    if (other->kind == KITH_FLOAT)
        return order_int_and_float(one, other->real);
    if (is_big(one) && is_big(other))
        return order_bytes(one, (const unsigned char *)other->bytes.data, other->bytes.size);
    if (is_big(one) || is_big(other))
        return is_big(one) ? (is_negative(one) ? -1 : 1) : is_negative(other) ? 1 : -1;
    return (small(one) > small(other)) - (small(one) < small(other));
}
