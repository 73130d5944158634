#include "memory/names.h"

#include "base/error.h"
#include "os/named.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

int names_check(const char *name)
{
    if (!name)
        return error_fail(-EINVAL, "name is NULL");
    size_t length = strlen(name);
    if (length == 0 || length > KITH_NAME_MAX || strchr(name, '/'))
        return error_fail(-EINVAL, "'%.40s' is no name: give 1 to %d bytes without '/'", name, KITH_NAME_MAX);
    return 0;
}

int names_check_how(kith_open how)
{
    if (how == KITH_OPEN || how == KITH_CREATE || how == KITH_OPEN_OR_CREATE)
        return 0;
    return error_fail(-EINVAL, "%d is no way to open: give KITH_OPEN, KITH_CREATE or KITH_OPEN_OR_CREATE", (int)how);
}

/** Says that the name is that of a link, a folder, a FIFO. @return -EINVAL */
static int no_file(const char *name)
{
    return error_fail(-EINVAL, "'%s' is no file of memory", name);
}

int names_open(const char *file, const char *name)
{
    int got = os_named_open(file);
    if (got == -ENOENT)
        return got;
    if (got == -EINVAL)
        return no_file(name);
    if (got < 0)
        return error_fail(got, "'%s' can't be opened: %s", name, kith_strerror(got));
    struct os_file facts;
    int code = os_file_look(got, &facts);
    if (code == 0 && !(facts.is_ours && facts.is_secret))
        code = -EACCES;
    if (code == 0)
        return got;
    close(got);
    if (code == -EACCES)
        return error_fail(code, "'%s' is not trusted: it belongs to another user, or others may open it", name);
    return code == -EINVAL ? no_file(name) : error_fail(code, "'%s' can't be looked at: %s", name, kith_strerror(code));
}

int names_remove(const char *file, const char *name)
{
    int code = os_named_remove(file);
    return code < 0 ? error_fail(code, "'%s' keeps its name: %s", name, kith_strerror(code)) : 0;
}
