#include "process/environment.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static size_t count_of(char *const *texts)
{
    size_t count = 0;
    while (texts && texts[count])
        count++;
    return count;
}

static size_t name_length(const char *change)
{
    return strcspn(change, "=");
}

/* @return how many are left */
static size_t without(char **whole, size_t count, const char *change)
{
    size_t length = name_length(change), left = 0;
    for (size_t i = 0; i < count; i++) {
        if (strncmp(whole[i], change, length) != 0 || whole[i][length] != '=')
            whole[left++] = whole[i];
    }
    return left;
}

int environment_make(const char *const *changes, bool clean, char ***whole)
{
    /* The strings that are new lie behind the array. */
    size_t count = clean ? 0 : count_of(environ), slots = count + 1, bytes = 0;
    for (const char *const *change = changes; change && *change; change++) {
        slots++;
        bytes += strlen(*change) + 1;
    }
    char **made = malloc(slots * sizeof *made + bytes);
    if (!made)
        return -ENOMEM;
    if (count)
        memcpy(made, environ, count * sizeof *made);
    char *text = (char *)(made + slots);
    for (const char *const *change = changes; change && *change; change++) {
        count = without(made, count, *change);
        if ((*change)[name_length(*change)] == '=') {
            made[count++] = text;
            text = stpcpy(text, *change) + 1;
        }
    }
    made[count] = NULL;
    *whole = made;
    return 0;
}

void environment_use(char **whole)
{
    environ = whole;
}
