/* The array: a shared object that begins with its shape and a lock, and then has the elements. */
#include <kith/array.h>

#include "base/error.h"
#include "memory/object.h"
#include "sync/owned.h"

#include <stdlib.h>

struct shared_array {
    struct object_header header;
    /* Its shape: written when it is made. */
    uint64_t element_size;
    uint64_t count;
    uint64_t unlocked; /* 0 or 1 */
    _Alignas(64) struct owned_word lock;
    _Alignas(64) unsigned char data[];
};

struct kith_array {
    struct object object;
};

static const struct object_type type = { .kind = OBJECT_ARRAY, .layout = 1, .outlives = true };

static struct shared_array *shared(const kith_array *array)
{
    return array->object.memory;
}

/* ---- making ---- */

/** What an array is, without what it holds. */
struct shape {
    size_t element_size;
    size_t count;
    bool unlocked;
};

static void begin(void *memory, const void *argument)
{
    const struct shape *shape = argument;
    struct shared_array *made = memory;
    made->element_size = shape->element_size;
    made->count = shape->count;
    made->unlocked = shape->unlocked;
}

/** @return 0; -EINVAL when there can be no such array */
static int make_plan(const struct shape *shape, struct object_plan *plan)
{
    const size_t most = PTRDIFF_MAX - sizeof(struct shared_array);
    if (shape->element_size == 0)
        return error_fail(-EINVAL, "elements of 0 bytes: give the size of their type");
    if (shape->count > most / shape->element_size)
        return error_fail(-EINVAL, "%zu elements of %zu bytes are more than any memory", shape->count,
                          shape->element_size);
    *plan = (struct object_plan){
        .size = sizeof(struct shared_array) + shape->count * shape->element_size,
        .begin = begin,
        .argument = shape,
    };
    return 0;
}

/** Makes a handle. @param array where the caller wants it in the end */
static int handle_new(kith_array **array, kith_array **made)
{
    if (!array)
        return error_fail(-EINVAL, "array is NULL: give the address of a kith_array pointer");
    *made = calloc(1, sizeof **made);
    return *made ? 0 : error_fail(-ENOMEM, "no memory for an array's handle");
}

/** Gives the caller the handle, or gives it back after a failure. */
static int settle(kith_array **array, kith_array *made, int code)
{
    if (code == 0)
        *array = made;
    else
        free(made);
    return code;
}

int kith_array_new(kith_array **array, size_t element_size, size_t count, const kith_array_options *options)
{
    const struct shape shape = { element_size, count, options && options->unlocked };
    struct object_plan plan;
    kith_array *made = NULL;
    int code = make_plan(&shape, &plan);
    if (code == 0)
        code = handle_new(array, &made);
    if (code < 0)
        return code;
    return settle(array, made, object_new(&made->object, &type, &plan));
}

/** Whether an array that was found is what the caller will take it for. */
static int compare(const kith_array *array, const struct shape *shape)
{
    const struct shared_array *found = shared(array);
    if (found->element_size == shape->element_size && found->count == shape->count &&
        found->unlocked == shape->unlocked)
        return 0;
    return error_fail(-EINVAL, "there is one of %zu elements of %zu bytes, %s a lock, and not %zu of %zu, %s",
                      (size_t)found->count, (size_t)found->element_size, found->unlocked ? "without" : "with",
                      shape->count, shape->element_size, shape->unlocked ? "without" : "with");
}

int kith_array_open(kith_array **array, const char *name, kith_open how, size_t element_size, size_t count,
                    const kith_array_options *options)
{
    const struct shape shape = { element_size, count, options && options->unlocked };
    struct object_plan plan = { 0 };
    kith_array *made = NULL;
    int code = how == KITH_OPEN ? 0 : make_plan(&shape, &plan);
    if (code == 0)
        code = handle_new(array, &made);
    if (code < 0)
        return code;
    code = object_open(&made->object, &type, name, how, &plan);
    if (code == 0 && how == KITH_OPEN_OR_CREATE) {
        code = compare(made, &shape);
        if (code < 0)
            object_close(&made->object);
    }
    return settle(array, made, code);
}

int kith_array_unlink(const char *name)
{
    return object_unlink(&type, name);
}

int kith_array_share_fd(const kith_array *array)
{
    return array ? array->object.file : error_fail(-EINVAL, "array is NULL: make one with kith_array_new");
}

int kith_array_from_fd(kith_array **array, int fd)
{
    kith_array *made = NULL;
    int code = handle_new(array, &made);
    return code < 0 ? code : settle(array, made, object_from_fd(&made->object, &type, fd));
}

/* ---- what it is ---- */

void *kith_array_data(const kith_array *array)
{
    return array ? shared(array)->data : NULL;
}

size_t kith_array_count(const kith_array *array)
{
    return array ? (size_t)shared(array)->count : 0;
}

size_t kith_array_element_size(const kith_array *array)
{
    return array ? (size_t)shared(array)->element_size : 0;
}

/* ---- its lock ---- */

static int check_lock(const kith_array *array)
{
    if (!array)
        return error_fail(-EINVAL, "array is NULL: make one with kith_array_new");
    if (shared(array)->unlocked)
        return error_fail(-EINVAL, "this array has no lock: it was made with the option unlocked");
    return 0;
}

int kith_array_acquire(kith_array *array, kith_timeout timeout)
{
    deadline until;
    int code = check_lock(array);
    if (code == 0)
        code = deadline_from(timeout, &until);
    if (code < 0)
        return code;
    struct os_thread *self = word_thread();
    if (!self)
        return -ENOTSUP;
    code = owned_acquire(self, &shared(array)->lock, until, true);
    return code == -EOVERFLOW ? error_fail(code, "this thread has acquired the array's lock too many times") : code;
}

int kith_array_release(kith_array *array)
{
    int code = check_lock(array);
    if (code < 0)
        return code;
    struct os_thread *self = word_thread();
    if (!self)
        return -ENOTSUP;
    code = owned_release(self, &shared(array)->lock);
    return code < 0 ? error_fail(code, "this thread (%u) does not own the array's lock", self->id) : 0;
}

void kith_array_free(kith_array *array)
{
    if (!array)
        return;
    struct os_thread *self = os_thread_self();
    while (self && owned_is_mine(self, &shared(array)->lock))
        owned_release(self, &shared(array)->lock);
    object_close(&array->object);
    free(array);
}
