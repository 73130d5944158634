/* What protocol 0 writes as lines of text: numbers in decimal, strings with escapes. */
#include "base/utf8.h"
#include "value/pickle.h"

#include <openssl/bn.h>
#include <openssl/err.h>

#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>

static int wrong(const char **fault, const char *what)
{
    *fault = what;
    return KITH_EMALFORMED;
}

/** Hands a value over. @return 0, or why there is none */
static int made(kith_arena *arena, kith_value *value, kith_value **out)
{
    if (!value)
        return arena->last;
    *out = value;
    return 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* ---- ints ---- */

/** Turns the bytes of a number, the least significant first, into those of its negative. */
static void negate(unsigned char *bytes, size_t size)
{
    unsigned carry = 1;
    for (size_t i = 0; i < size; i++) {
        carry += (unsigned char)~bytes[i];
        bytes[i] = (unsigned char)carry;
        carry >>= CHAR_BIT;
    }
}

/** @param digits  decimal ones only; behind them is something else */
static int big_int(kith_arena *arena, const char *digits, bool negative, kith_value **value)
{
    unsigned char bytes[PICKLE_DIGITS_MAX / 2]; /* 2.4 digits to a byte */
    BIGNUM *number = NULL;
    ERR_set_mark(); /* a failure is told by the code; left in libcrypto's queue it would be the next TLS call's */
    int read = BN_dec2bn(&number, digits);
    ERR_pop_to_mark();
    if (!read) {
        arena_fail(arena, -ENOMEM, "no memory for a long int");
        return -ENOMEM;
    }
    int size = BN_num_bits(number) / CHAR_BIT + 1; /* with the sign */
    BN_bn2lebinpad(number, bytes, size);
    BN_free(number);
    if (negative)
        negate(bytes, (size_t)size);
    return made(arena, kith_value_int_from_bytes(arena, bytes, (size_t)size), value);
}

static int decimal(kith_arena *arena, const char *line, size_t size, kith_value **value, const char **fault)
{
    enum { FIT_64_BITS = 18 };
    bool negative = size > 0 && *line == '-';
    const char *digits = line + negative;
    size_t count = size - negative;
    if (count == 0 || (*digits == '0' && count > 1))
        return wrong(fault, "this is no decimal number");
    for (size_t i = 0; i < count; i++) {
        if (!is_digit(digits[i]))
            return wrong(fault, "this is no decimal number");
    }
    if (count > PICKLE_DIGITS_MAX) {
        arena_fail(arena, KITH_ELIMIT, "an int of %zu decimal digits: %d are allowed", count, PICKLE_DIGITS_MAX);
        return KITH_ELIMIT;
    }
    if (count > FIT_64_BITS)
        return big_int(arena, digits, negative, value);
    int64_t number = 0;
    for (size_t i = 0; i < count; i++)
        number = number * 10 + (digits[i] - '0');
    return made(arena, value_int(arena, negative ? -number : number), value);
}

int pickle_text_int(kith_arena *arena, const char *line, size_t size, kith_value **value, const char **fault)
{
    if (size == 2 && line[0] == '0' && (line[1] == '0' || line[1] == '1'))
        return made(arena, kith_value_bool(arena, line[1] == '1'), value);
    return decimal(arena, line, size, value, fault);
}

int pickle_text_long(kith_arena *arena, const char *line, size_t size, kith_value **value, const char **fault)
{
    if (size > 0 && line[size - 1] == 'L')
        size--;
    return decimal(arena, line, size, value, fault);
}

/* ---- floats ---- */

/** Reads digits, a point, an exponent, whatever the program's locale says of points. @return false when it is something
 *  else, or beyond all doubles */
static bool finite_of(const char *text, double *number)
{
    if (text[strspn(text, "0123456789.eE+-")] != '\0')
        return false; /* strtod knows more: hexadecimal, blanks, names */
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!plain)
        return false;
    char *end;
    *number = strtod_l(text, &end, plain);
    freelocale(plain);
    return end != text && *end == '\0' && isfinite(*number);
}

int pickle_text_float(kith_arena *arena, const char *line, size_t size, kith_value **value, const char **fault)
{
    enum { LONGEST = 400 }; /* repr makes up to 24 characters, and "%f" of a double 317 */
    char text[LONGEST + 1];
    if (size > LONGEST)
        return wrong(fault, "a float is not that long");
    memcpy(text, line, size);
    text[size] = '\0';

    const char *name = text + (*text == '-' || *text == '+');
    double number;
    if (strcmp(name, "inf") == 0)
        number = INFINITY;
    else if (strcmp(name, "nan") == 0)
        number = NAN;
    else if (!finite_of(text, &number))
        return wrong(fault, "this is no float");
    else
        name = text;
    return made(arena, value_float(arena, name != text && *text == '-' ? -number : number), value);
}

/* ---- strings ---- */

static kith_value *str_in_place(kith_arena *arena, const char *text, size_t size)
{
    kith_value *value = value_new(arena, KITH_STR);
    if (value) {
        value->bytes.data = text;
        value->bytes.size = size;
    }
    return value;
}

/** @param data  in the arena, with a NUL byte behind it */
static kith_value *old_string_in_place(kith_arena *arena, const char *data, size_t size)
{
    return few_are_ascii(data, size) ? str_in_place(arena, data, size) : value_borrow(arena, KITH_BYTES, data, size);
}

kith_value *pickle_old_string(kith_arena *arena, const void *data, size_t size)
{
    const char *copy = arena_copy(arena, data, size);
    return copy ? old_string_in_place(arena, copy, size) : NULL;
}

static int hex_digit(char c)
{
    return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/** Reads exactly so many hexadecimal digits. @return whether they are there */
static bool hex(const char *at, const char *end, int count, uint32_t *number)
{
    if (end - at < count)
        return false;
    *number = 0;
    for (int i = 0; i < count; i++) {
        int digit = hex_digit(at[i]);
        if (digit < 0)
            return false;
        *number = *number << 4 | (uint32_t)digit;
    }
    return true;
}

/** One escape of Python 2's repr of a str.
 *  @param at   behind the backslash; moved behind the escape. @param out  moved behind what it stands for
 *  @return false when there is none */
static bool unescape(const char **at, const char *end, char **out)
{
    static const char letters[] = "\\'\"abfnrtv", meanings[] = "\\'\"\a\b\f\n\r\t\v";
    if (*at == end)
        return false;
    char c = *(*at)++;
    const char *letter = c ? strchr(letters, c) : NULL;
    uint32_t number;
    if (letter) {
        *(*out)++ = meanings[letter - letters];
    } else if (c == 'x') {
        if (!hex(*at, end, 2, &number))
            return false;
        *at += 2;
        *(*out)++ = (char)number;
    } else if (c >= '0' && c <= '7') {
        number = (uint32_t)(c - '0');
        for (int i = 0; i < 2 && *at < end && **at >= '0' && **at <= '7'; i++)
            number = number << 3 | (uint32_t)(*(*at)++ - '0');
        *(*out)++ = (char)number;
    } else { /* none that Python knows: it means itself */
        *(*out)++ = '\\';
        *(*out)++ = c;
    }
    return true;
}

int pickle_text_string(kith_arena *arena, const char *line, size_t size, kith_value **value, const char **fault)
{
    if (size < 2 || (*line != '\'' && *line != '"') || line[size - 1] != *line)
        return wrong(fault, "a STRING must stand in quotes");
    char *text = arena_copy(arena, line + 1, size - 2);
    if (!text)
        return arena->last;
    char *out = text;
    for (const char *at = text, *end = text + size - 2; at < end;) {
        char c = *at++;
        if (c != '\\')
            *out++ = c;
        else if (!unescape(&at, end, &out))
            return wrong(fault, "a STRING has an escape that is not complete");
    }
    *out = '\0';
    return made(arena, old_string_in_place(arena, text, (size_t)(out - text)), value);
}

int pickle_text_unicode(kith_arena *arena, const char *line, size_t size, kith_value **value, const char **fault)
{
    size_t high = 0; /* Latin-1 beyond ASCII, which takes two bytes. No escape takes more than it is long */
    for (size_t i = 0; i < size; i++)
        high += (unsigned char)line[i] >> 7;
    char *text = arena_take(arena, size + high + 1);
    if (!text)
        return arena->last;
    char *out = text;
    for (const char *at = line, *end = line + size; at < end;) {
        uint32_t character = (unsigned char)*at++;
        if (character == '\\' && at < end) {
            char kind = *at++;
            int digits = kind == 'u' ? 4 : kind == 'U' ? 8 : 0;
            if (digits == 0) {
                *out++ = '\\';
                character = (unsigned char)kind;
            } else if (!hex(at, end, digits, &character) || character > 0x10ffff) {
                return wrong(fault, "a UNICODE has an escape that is no character");
            }
            at += digits;
        }
        out = utf8_put(out, character);
    }
    *out = '\0';
    return made(arena, str_in_place(arena, text, (size_t)(out - text)), value);
}
