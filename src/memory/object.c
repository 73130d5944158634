#include "memory/object.h"

#include "base/error.h"
#include "os/clock.h"
#include "os/memory.h"
#include "os/named.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Before each object's name in the system's folder, so that they are told from bare segments. */
#define PREFIX "kith."

static const char *const nouns[OBJECT_KINDS] = {
    [OBJECT_QUEUE] = "queue", [OBJECT_LOCK] = "lock",           [OBJECT_SEMAPHORE] = "semaphore",
    [OBJECT_EVENT] = "event", [OBJECT_CONDITION] = "condition", [OBJECT_BARRIER] = "barrier",
    [OBJECT_ARRAY] = "array", [OBJECT_HEAP] = "heap",
};

static const char *noun(uint32_t kind)
{
    return kind > 0 && kind < OBJECT_KINDS ? nouns[kind] : "thing unknown to this version";
}

/* ---- making ---- */

static int map(struct object *object, const struct object_type *type, size_t size)
{
    int code = os_memory_map(&object->memory, object->file, 0, size);
    if (code < 0)
        return error_fail(code, "no address space to map a %s of %zu bytes: %s", noun(type->kind), size,
                          kith_strerror(code));
    object->size = size;
    return 0;
}

/** Gives the file, which is empty, memory, maps it, and makes it an object. */
static int build(struct object *object, const struct object_type *type, const struct object_plan *plan)
{
    int code = os_memory_back(object->file, 0, plan->size);
    if (code < 0)
        return error_fail(code, "no shared memory for a %s: %s", noun(type->kind), kith_strerror(code));
    code = map(object, type, plan->size);
    if (code < 0)
        return code;
    struct object_header *header = object->memory;
    header->kind = (uint32_t)type->kind;
    header->layout = type->layout;
    header->size = plan->size;
    if (plan->begin)
        plan->begin(object->memory, plan->argument);
    /* Last, so that a death before leaves something that is known to be unfinished. */
    memcpy(header->magic, OBJECT_MAGIC, sizeof header->magic);
    return 0;
}

int object_new(struct object *object, const struct object_type *type, const struct object_plan *plan)
{
    char label[48];
    snprintf(label, sizeof label, "kith-%s", noun(type->kind));
    *object = (struct object){ .file = os_memory_file(label) };
    if (object->file < 0)
        return error_fail(object->file, "no file of memory for a %s: %s", noun(type->kind),
                          kith_strerror(object->file));
    int code = build(object, type, plan);
    if (code < 0)
        close(object->file);
    return code;
}

void object_close(struct object *object)
{
    os_memory_unmap(object->memory, object->size);
    close(object->file);
}

/* ---- recognising ---- */

/** What a file holds. @return 0; -ENODATA when nothing was finished there; -EINVAL, KITH_ELAYOUT with the detail */
static int recognise(struct object_header *header, int file, const struct object_type *type)
{
    int code = os_file_read(file, header, sizeof *header);
    struct os_file facts;
    if (code == 0)
        code = os_file_look(file, &facts);
    if (code == 0 && header->magic[0] == '\0')
        code = -ENODATA;
    if (code == -ENODATA)
        return code;
    if (code == -EBADF)
        return error_fail(code, "descriptor %d is not open for reading and writing", file);
    if (code < 0 || memcmp(header->magic, OBJECT_MAGIC, sizeof header->magic) != 0)
        return error_fail(-EINVAL, "this is no object of kith's");
    if (header->kind != (uint32_t)type->kind)
        return error_fail(-EINVAL, "this is a %s, not a %s", noun(header->kind), noun(type->kind));
    if (header->layout != type->layout || header->size < sizeof *header || header->size > facts.size)
        return error_fail(KITH_ELAYOUT,
                          "this %s has layout %u, and this version of kith (" KITH_VERSION ") knows layout %u: use the "
                          "same version in all programs that share it",
                          noun(type->kind), header->layout, type->layout);
    return 0;
}

int object_from_fd(struct object *object, const struct object_type *type, int fd)
{
    struct object_header header;
    int code = recognise(&header, fd, type);
    if (code == -ENODATA)
        return error_fail(-EINVAL, "descriptor %d is no %s of kith's", fd, noun(type->kind));
    if (code < 0)
        return code;
    code = os_file_duplicate(fd);
    if (code < 0)
        return error_fail(code, "no descriptor for a %s: %s", noun(type->kind), kith_strerror(code));
    *object = (struct object){ .file = code };
    code = map(object, type, header.size);
    if (code < 0)
        close(object->file);
    return code;
}

/* ---- names ---- */

static int file_name(char file[OS_NAME_MAX + 1], const char *name)
{
    if (!name)
        return error_fail(-EINVAL, "name is NULL");
    size_t length = strlen(name);
    if (length == 0 || length > KITH_NAME_MAX || strchr(name, '/'))
        return error_fail(-EINVAL, "'%.40s' is no name: give 1 to %d bytes without '/'", name, KITH_NAME_MAX);
    snprintf(file, OS_NAME_MAX + 1, PREFIX "%s", name);
    return 0;
}

/** Opens the file, if nobody else can have had a hand in it. */
static int open_ours(const char *file, const char *name)
{
    int got = os_named_open(file);
    if (got == -ENOENT)
        return got;
    if (got < 0)
        return error_fail(got, "'%s' can't be opened: %s", name, kith_strerror(got));
    struct os_file facts;
    int code = os_file_look(got, &facts);
    if (code == 0 && !(facts.is_ours && facts.is_secret))
        code = -EACCES;
    if (code == 0)
        return got;
    close(got);
    return error_fail(code, "'%s' is not trusted: it belongs to another user, or others may open it", name);
}

/** Holds the file together with others. Whoever holds it alone does so for a moment. */
static int hold_with_others(int file)
{
    enum { PATIENCE = 1000000000, NAP = 1000000 };
    int64_t patience = os_clock_now() + PATIENCE;
    int code = os_file_hold(file, OS_HOLD_SHARED);
    while (code == -EAGAIN && os_clock_now() < patience) {
        os_clock_nap(NAP);
        code = os_file_hold(file, OS_HOLD_SHARED);
    }
    if (code == -EAGAIN)
        return error_fail(-EBUSY, "another process has been opening it for a second: is it stopped?");
    return code < 0 ? error_fail(code, "it can't be held: %s", kith_strerror(code)) : 0;
}

static int make_named(struct object *object, const struct object_type *type, const char *file, const char *name,
                      const struct object_plan *plan)
{
    *object = (struct object){ .file = os_named_make() };
    if (object->file < 0)
        return error_fail(object->file, "no file of memory for '%s': %s", name, kith_strerror(object->file));
    int code = build(object, type, plan);
    if (code == 0) {
        code = os_file_hold(object->file, OS_HOLD_SHARED);
        if (code == 0)
            code = os_named_publish(object->file, file);
        if (code == 0)
            return 0;
        os_memory_unmap(object->memory, object->size);
        if (code != -EEXIST)
            error_fail(code, "'%s' can't get its name: %s", name, kith_strerror(code));
    }
    close(object->file);
    return code;
}

/** A stale file, which we hold alone: keeps what it holds, or starts it anew. */
static int take_over(struct object *object, const struct object_type *type, kith_open how,
                     const struct object_plan *plan)
{
    struct object_header header;
    int code = recognise(&header, object->file, type);
    if (code == -ENODATA && how == KITH_OPEN)
        return -ENOENT; /* who began to renew it died */
    if (code < 0 && code != -ENODATA && !(code == KITH_ELAYOUT && how != KITH_OPEN))
        return code;
    if (code == 0 && how != KITH_CREATE && type->outlives)
        return map(object, type, header.size);
    code = os_file_clear(object->file);
    if (code < 0)
        return error_fail(code, "what processes that are gone left there can't be cleared: %s", kith_strerror(code));
    return build(object, type, plan);
}

static int join(struct object *object, const struct object_type *type)
{
    struct object_header header;
    int code = recognise(&header, object->file, type);
    if (code == -ENODATA)
        return error_fail(-EINVAL, "this is no object of kith's");
    return code < 0 ? code : map(object, type, header.size);
}

/** Opens what is there. @return 0; -ENOENT; -EAGAIN: it was renamed or renewed meanwhile, look again; else a code */
static int open_named(struct object *object, const struct object_type *type, kith_open how, const char *file,
                      const char *name, const struct object_plan *plan)
{
    *object = (struct object){ .file = open_ours(file, name) };
    if (object->file < 0)
        return object->file;
    int code = os_file_hold(object->file, OS_HOLD_ALONE);
    if (code == 0)
        code = take_over(object, type, how, plan);
    else if (code == -EAGAIN && how == KITH_CREATE)
        code = -EEXIST;
    else if (code == -EAGAIN)
        code = hold_with_others(object->file);
    if (code == 0 && !object->memory)
        code = join(object, type);
    else if (code == 0) /* from alone to shared: who comes in between finds what we left, and may renew it once more */
        code = hold_with_others(object->file);
    struct os_file facts = { 0 };
    if (code == 0)
        code = os_file_look(object->file, &facts);
    if (code == 0 && (!facts.is_named || ((struct object_header *)object->memory)->size != object->size))
        code = -EAGAIN;
    if (code == 0)
        return 0;
    if (object->memory)
        os_memory_unmap(object->memory, object->size);
    close(object->file);
    return code;
}

int object_open(struct object *object, const struct object_type *type, const char *name, kith_open how,
                const struct object_plan *plan)
{
    char file[OS_NAME_MAX + 1];
    int code = file_name(file, name);
    if (code < 0)
        return code;
    if (how != KITH_OPEN && how != KITH_CREATE && how != KITH_OPEN_OR_CREATE)
        return error_fail(-EINVAL, "%d is no way to open: give KITH_OPEN, KITH_CREATE or KITH_OPEN_OR_CREATE",
                          (int)how);
    do {
        code = open_named(object, type, how, file, name, plan);
        if (code == -ENOENT && how != KITH_OPEN)
            code = make_named(object, type, file, name, plan);
        /* Somebody was quicker, or took the name away under us. */
    } while (code == -EAGAIN || (code == -EEXIST && how == KITH_OPEN_OR_CREATE));
    if (code == -ENOENT)
        error_fail(code, "there is no %s '%s'", noun(type->kind), name);
    if (code == -EEXIST)
        error_fail(code, "'%s' exists, and a process has it open", name);
    return code;
}

int object_unlink(const struct object_type *type, const char *name)
{
    char file[OS_NAME_MAX + 1];
    int code = file_name(file, name);
    if (code < 0)
        return code;
    int got = open_ours(file, name);
    if (got == -ENOENT)
        return error_fail(got, "there is no %s '%s'", noun(type->kind), name);
    if (got < 0)
        return got;
    struct object_header header;
    code = recognise(&header, got, type);
    close(got);
    if (code == -EINVAL)
        return code;
    code = os_named_remove(file);
    return code < 0 ? error_fail(code, "'%s' keeps its name: %s", name, kith_strerror(code)) : 0;
}
