/* What an entry point can ask of its call. */
#include "process/call.h"

#include "base/error.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

kith_value *kith_call_args(const kith_call *call)
{
    return call ? call->args : NULL;
}

const void *kith_call_bytes(const kith_call *call, size_t *size)
{
    bool given = call && !call->args;
    if (size)
        *size = given ? call->size : 0;
    if (!given)
        return NULL;
    return call->bytes ? call->bytes : "";
}

kith_arena *kith_call_arena(kith_call *call)
{
    return call ? call->arena : NULL;
}

int kith_call_fd(const kith_call *call, const char *name)
{
    if (!call || !name)
        return error_fail(-EINVAL, "call or name is NULL");
    for (size_t i = 0; i < call->fd_count; i++) {
        if (strcmp(call->fds[i].name, name) == 0)
            return call->fds[i].fd;
    }
    return error_fail(-ENOENT, "no descriptor was handed over as \"%s\": name it in kith_process_options.fds", name);
}

static int give(kith_call *call, const kith_value *value, const void *data, size_t size)
{
    if (!call->take)
        return error_fail(-EPERM, "a process of its own has no result but its exit code: use a queue");
    return call->take(call->context, value, data, size);
}

int kith_call_return(kith_call *call, const kith_value *value)
{
    if (!call)
        return error_fail(-EINVAL, "call is NULL");
    if (!value)
        return error_refuse_null("value is NULL", ": it could not be made: ");
    return give(call, value, NULL, 0);
}

int kith_call_return_bytes(kith_call *call, const void *data, size_t size)
{
    if (!call || (!data && size))
        return error_fail(-EINVAL, "call or data is NULL");
    return give(call, NULL, data, size);
}

int kith_call_attempt(const kith_call *call)
{
    return call ? call->attempt : error_fail(-EINVAL, "call is NULL");
}
