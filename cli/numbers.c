#include "numbers.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* @param end  receives what is behind the digits */
static bool read_digits(const char *text, unsigned long long *number, char **end)
{
    errno = 0;
    unsigned long long read = strtoull(text, end, 10);
    if (errno != 0 || *text < '0' || *text > '9' || read == 0)
        return false;
    *number = read;
    return true;
}

bool read_count(const char *text, unsigned long max, unsigned long *number)
{
    char *end;
    unsigned long long read;
    if (!read_digits(text, &read, &end) || *end || read > max)
        return false;
    *number = (unsigned long)read;
    return true;
}

bool read_size(const char *text, uint64_t *size)
{
    static const char units[] = "KMG";
    char *end;
    unsigned long long read;
    if (!read_digits(text, &read, &end))
        return false;
    const char *unit = *end ? strchr(units, *end) : NULL;
    unsigned shift = unit ? 10 * ((unsigned)(unit - units) + 1) : 0;
    if ((*end && (!unit || end[1])) || read > UINT64_MAX >> shift)
        return false;
    *size = (uint64_t)read << shift;
    return true;
}

bool read_seconds(const char *text, kith_timeout *timeout)
{
    char *end;
    double seconds = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(seconds) || seconds <= 0 || seconds > 1e9)
        return false;
    *timeout = KITH_SECONDS(seconds);
    return true;
}
