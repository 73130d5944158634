#include "sync/handle.h"

#include "base/error.h"

#include <errno.h>
#include <stdlib.h>

static int get_object(struct object *object, const struct origin *origin, const struct object_type *type,
                      const struct object_plan *plan)
{
    if (origin->way == ORIGIN_NAME)
        return object_open(object, type, origin->name, origin->how, plan);
    if (origin->way == ORIGIN_DESCRIPTOR)
        return object_from_fd(object, type, origin->descriptor);
    if (origin->way == ORIGIN_MEMORY)
        return object_in(object, type, origin->memory, origin->how, plan);
    return object_new(object, type, plan);
}

int handle_get(void **handle, size_t size, const struct origin *origin, const struct object_type *type,
               const struct object_plan *plan)
{
    void *made = calloc(1, size);
    if (!made)
        return error_fail(-ENOMEM, "no memory for a handle of %zu bytes", size);
    int code = get_object(made, origin, type, plan);
    if (code < 0) {
        free(made);
        return code;
    }
    *handle = made;
    return 0;
}

void handle_free(struct object *handle)
{
    object_close(handle);
    free(handle);
}

void handle_undo(struct object *handle, const struct origin *origin, const struct object_type *type)
{
    if (origin->way == ORIGIN_NAME && origin->how == KITH_CREATE)
        object_unlink(type, origin->name);
    handle_free(handle);
}
