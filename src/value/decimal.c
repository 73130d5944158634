/* Floats: the shortest digits that give the same double when they are read again, and of these the nearest; then
 * Python's rules where to put the point. Digits are all that is taken from printf, and given to strtod, so that no
 * locale has a say. */
#include "value/decimal.h"

#include "base/error.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { DIGITS_MAX = 17 };

/** 0.d1d2d3... times ten to the exponent. */
struct digits {
    char digits[DIGITS_MAX + 1];
    int count;
    int exponent;
};

/** The nearest number of so many digits. */
static struct digits round_to(double magnitude, int count)
{
    char text[DECIMAL_FLOAT_SIZE];
    snprintf(text, sizeof text, "%.*e", count - 1, magnitude);
    const char *exponent = strchr(text, 'e');
    struct digits digits = { .exponent = atoi(exponent + 1) + 1 };
    for (const char *at = text; at < exponent; at++) {
        if (*at >= '0' && *at <= '9')
            digits.digits[digits.count++] = *at;
    }
    return digits;
}

static double value_of(const struct digits *digits)
{
    char text[DECIMAL_FLOAT_SIZE];
    snprintf(text, sizeof text, "%.*se%d", digits->count, digits->digits, digits->exponent - digits->count);
    return strtod(text, NULL);
}

/** The next greater number of as many digits. */
static struct digits next_after(struct digits digits)
{
    int at = digits.count - 1;
    while (at >= 0 && digits.digits[at] == '9')
        digits.digits[at--] = '0';
    if (at >= 0) {
        digits.digits[at]++;
    } else {
        digits.digits[0] = '1';
        digits.exponent++;
    }
    return digits;
}

static struct digits shortest(double magnitude)
{
    /* A normal double gives back any 15 digits that it was made of, so fewer are those without the zeros behind. */
    for (int count = magnitude < DBL_MIN ? 1 : DBL_DIG; count < DIGITS_MAX; count++) {
        struct digits digits = round_to(magnitude, count);
        if (value_of(&digits) == magnitude)
            return digits;
        /* Below a power of two doubles are closer together than above it: what is rounded up may do. */
        digits = next_after(digits);
        if (count == DIGITS_MAX - 1 && value_of(&digits) == magnitude)
            return digits;
    }
    return round_to(magnitude, DIGITS_MAX);
}

/** Puts the point where Python does: as 0.0001 and as 1234567890123456.0 without an exponent, else with one. */
static size_t lay_out(const struct digits *digits, char *text, size_t size)
{
    int count = digits->count, exponent = digits->exponent;
    const char *all = digits->digits;
    int length;
    if (exponent < -3 || exponent > 16)
        length = snprintf(text, size, "%c%s%.*se%+.2d", all[0], count > 1 ? "." : "", count - 1, all + 1, exponent - 1);
    else if (exponent <= 0)
        length = snprintf(text, size, "0.%.*s%.*s", -exponent, "000", count, all);
    else if (count <= exponent)
        length = snprintf(text, size, "%.*s%.*s.0", count, all, exponent - count, "0000000000000000");
    else
        length = snprintf(text, size, "%.*s.%.*s", exponent, all, count - exponent, all + exponent);
    return (size_t)length;
}

size_t decimal_float(double real, char text[DECIMAL_FLOAT_SIZE])
{
    if (isnan(real))
        return (size_t)snprintf(text, DECIMAL_FLOAT_SIZE, "nan");
    size_t sign = signbit(real) ? 1 : 0;
    text[0] = '-';
    double magnitude = sign ? -real : real;
    if (isinf(magnitude))
        return sign + (size_t)snprintf(text + sign, DECIMAL_FLOAT_SIZE - sign, "inf");
    if (magnitude == 0)
        return sign + (size_t)snprintf(text + sign, DECIMAL_FLOAT_SIZE - sign, "0.0");
    struct digits digits = shortest(magnitude);
    while (digits.count > 1 && digits.digits[digits.count - 1] == '0')
        digits.count--;
    return sign + lay_out(&digits, text + sign, DECIMAL_FLOAT_SIZE - sign);
}

/* ---- ints ---- */

/** The absolute value, the most significant byte first. @return NULL: no memory */
static unsigned char *magnitude_of(const kith_value *value, bool negative)
{
    size_t size = value->bytes.size;
    unsigned char *magnitude = malloc(size);
    if (!magnitude)
        return NULL;
    unsigned carry = negative;
    for (size_t i = 0; i < size; i++) {
        unsigned byte = (unsigned char)value->bytes.data[i];
        byte = negative ? (~byte & 0xff) + carry : byte;
        carry = byte >> 8;
        magnitude[size - 1 - i] = (unsigned char)byte;
    }
    return magnitude;
}

/** Divides by 10 to the 9th. @return the rest */
static uint32_t next_digits(unsigned char *magnitude, size_t size)
{
    uint64_t rest = 0;
    for (size_t i = 0; i < size; i++) {
        rest = rest << 8 | magnitude[i];
        magnitude[i] = (unsigned char)(rest / 1000000000);
        rest %= 1000000000;
    }
    return (uint32_t)rest;
}

static char *in_decimal(unsigned char *magnitude, size_t size, bool negative)
{
    size_t room = size * 5 / 2 + 16, at = room - 1; /* a byte has not quite 2.41 digits */
    char *text = malloc(room);
    if (!text)
        return NULL;
    text[at] = '\0';
    for (size_t first = 0; first < size;) {
        uint32_t digits = next_digits(magnitude + first, size - first);
        while (first < size && magnitude[first] == 0)
            first++;
        for (int i = 0; i < 9 && (digits || first < size); i++, digits /= 10)
            text[--at] = (char)('0' + digits % 10);
    }
    if (negative)
        text[--at] = '-';
    memmove(text, text + at, room - at);
    return text;
}

static char *in_hexadecimal(unsigned char *magnitude, size_t size, bool negative)
{
    static const char hex[] = "0123456789abcdef";
    char *text = malloc(size * 2 + 4);
    if (!text)
        return NULL;
    char *at = text;
    if (negative)
        *at++ = '-';
    *at++ = '0';
    *at++ = 'x';
    size_t first = magnitude[0] ? 0 : 1; /* of two's complement that needs no byte more, only the first may be 0 */
    for (size_t i = first; i < size; i++) {
        if (i > first || magnitude[i] >> 4)
            *at++ = hex[magnitude[i] >> 4];
        *at++ = hex[magnitude[i] & 15];
    }
    *at = '\0';
    return text;
}

int decimal_int(const kith_value *value, char **text)
{
    char *made;
    if (!(value->marks & VALUE_BIG)) {
        made = malloc(DECIMAL_FLOAT_SIZE);
        if (made)
            snprintf(made, DECIMAL_FLOAT_SIZE, "%lld", (long long)value->integer);
    } else {
        size_t size = value->bytes.size;
        bool negative = value->bytes.data[size - 1] & 0x80;
        unsigned char *magnitude = magnitude_of(value, negative);
        bool small = size <= DECIMAL_BITS_MAX / 8;
        made = magnitude ? (small ? in_decimal : in_hexadecimal)(magnitude, size, negative) : NULL;
        free(magnitude);
    }
    if (!made)
        return error_fail(-ENOMEM, "no memory for the digits of an int");
    *text = made;
    return 0;
}
