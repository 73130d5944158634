#include "memory/object.h"

#include "base/error.h"
#include "memory/names.h"
#include "os/clock.h"
#include "os/memory.h"
#include "os/named.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const nouns[OBJECT_KINDS] = {
    [OBJECT_QUEUE] = "queue", [OBJECT_LOCK] = "lock",           [OBJECT_SEMAPHORE] = "semaphore",
    [OBJECT_EVENT] = "event", [OBJECT_CONDITION] = "condition", [OBJECT_BARRIER] = "barrier",
    [OBJECT_ARRAY] = "array", [OBJECT_HEAP] = "heap",
};

static const char *noun(uint32_t kind)
{
    return kind > 0 && kind < OBJECT_KINDS ? nouns[kind] : "thing unknown to this version";
}

/** What goes before the noun. */
static const char *article(uint32_t kind)
{
    return strchr("aeiou", noun(kind)[0]) ? "an" : "a";
}

/* ---- making ---- */

static int map(struct object *object, const struct object_type *type, size_t size)
{
    int code = os_memory_map(&object->memory, object->file, 0, size);
    if (code < 0)
        return error_fail(code, "no address space to map %s %s of %zu bytes: %s", article(type->kind), noun(type->kind),
                          size, kith_strerror(code));
    object->size = size;
    return 0;
}

void object_lay_out(void *memory, const struct object_type *type, const struct object_plan *plan)
{
    struct object_header *header = memory;
    header->kind = (uint32_t)type->kind;
    header->layout = type->layout;
    header->size = plan->size;
    if (plan->begin)
        plan->begin(memory, plan->argument);
    /* Last, so that a death before leaves something that is known to be unfinished. Pairs with the acquire of who looks
     * for an object in memory that both have mapped already. */
    atomic_thread_fence(memory_order_release);
    memcpy(header->magic, OBJECT_MAGIC, sizeof header->magic);
}

/** Gives the file, which is empty, memory, maps it, and makes it an object. */
static int build(struct object *object, const struct object_type *type, const struct object_plan *plan)
{
    int code = os_memory_back(object->file, 0, plan->size);
    if (code < 0)
        return error_fail(code, "no shared memory for %s %s: %s", article(type->kind), noun(type->kind),
                          kith_strerror(code));
    code = map(object, type, plan->size);
    if (code < 0)
        return code;
    object_lay_out(object->memory, type, plan);
    return 0;
}

int object_new(struct object *object, const struct object_type *type, const struct object_plan *plan)
{
    char label[48];
    snprintf(label, sizeof label, "kith-%s", noun(type->kind));
    *object = (struct object){ .file = os_memory_file(label) };
    if (object->file < 0)
        return error_fail(object->file, "no file of memory for %s %s: %s", article(type->kind), noun(type->kind),
                          kith_strerror(object->file));
    int code = build(object, type, plan);
    if (code < 0)
        close(object->file);
    return code;
}

int object_share_fd(const struct object *object)
{
    if (object->file >= 0)
        return object->file;
    return error_fail(-EINVAL, "it has no descriptor, for it lies in memory of the program's: share that");
}

void object_close(struct object *object)
{
    if (object->file < 0)
        return;
    os_memory_unmap(object->memory, object->size);
    close(object->file);
}

/* ---- recognising ---- */

int object_recognise(const struct object_header *header, uint64_t size, const struct object_type *type)
{
    if (header->magic[0] == '\0')
        return -ENODATA;
    if (memcmp(header->magic, OBJECT_MAGIC, sizeof header->magic) != 0)
        return error_fail(-EINVAL, "this is no object of kith's");
    if (header->kind != (uint32_t)type->kind)
        return error_fail(-EINVAL, "this is %s %s, not %s %s", article(header->kind), noun(header->kind),
                          article(type->kind), noun(type->kind));
    if (header->layout != type->layout || header->size < sizeof *header || header->size > size)
        return error_fail(KITH_ELAYOUT,
                          "this %s has layout %u, and this version of kith (" KITH_VERSION ") knows layout %u: use the "
                          "same version in all programs that share it",
                          noun(type->kind), header->layout, type->layout);
    return 0;
}

static int find_in(const struct object_header *header, const struct object_type *type, const struct object_plan *plan)
{
    int code = object_recognise(header, UINT64_MAX, type);
    if (code == -ENODATA)
        return error_fail(-EINVAL, "there is no %s at %p", noun(type->kind), (const void *)header);
    if (code == 0 && header->size != plan->size)
        return error_fail(-EINVAL, "the %s at %p has a file of its own: open it by its name or descriptor",
                          noun(type->kind), (const void *)header);
    return code;
}

int object_in(struct object *object, const struct object_type *type, void *memory, kith_open how,
              const struct object_plan *plan)
{
    enum { ALIGNMENT = 64 };
    if (!memory || (uintptr_t)memory % ALIGNMENT != 0)
        return error_fail(-EINVAL, "memory is %p: give shared memory at a multiple of %d", memory, ALIGNMENT);
    if (how != KITH_CREATE && how != KITH_OPEN)
        return error_fail(-EINVAL, "how is %d: give KITH_CREATE or KITH_OPEN", (int)how);
    if (how == KITH_CREATE) {
        memset(memory, 0, plan->size);
        object_lay_out(memory, type, plan);
    } else {
        int code = find_in(memory, type, plan);
        if (code < 0)
            return code;
    }
    *object = (struct object){ .memory = memory, .size = plan->size, .file = -1 };
    return 0;
}

/** The same, of what a file holds, whose header is read. */
static int recognise(struct object_header *header, int file, const struct object_type *type)
{
    int code = os_file_read(file, header, sizeof *header);
    struct os_file facts;
    if (code == -ENODATA)
        return code;
    if (code == 0)
        code = os_file_look(file, &facts);
    return code < 0 ? error_fail(-EINVAL, "this is no object of kith's") : object_recognise(header, facts.size, type);
}

int object_from_fd(struct object *object, const struct object_type *type, int fd)
{
    struct object_header header;
    int code = os_file_duplicate(fd);
    if (code < 0)
        return error_fail(code, "no descriptor for %s %s: %s", article(type->kind), noun(type->kind),
                          kith_strerror(code));
    *object = (struct object){ .file = code };
    code = recognise(&header, object->file, type);
    if (code == -ENODATA)
        code = error_fail(-EINVAL, "descriptor %d is no %s of kith's", fd, noun(type->kind));
    if (code == 0)
        code = map(object, type, header.size);
    if (code < 0)
        close(object->file);
    return code;
}

/* ---- names ---- */

static int file_name(char file[OS_NAME_MAX + 1], const char *name)
{
    int code = names_check(name);
    if (code == 0)
        snprintf(file, OS_NAME_MAX + 1, NAMES_OF_OBJECTS "%s", name);
    return code;
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
    if (code == 0 && how == KITH_OPEN && type->restart) {
        code = map(object, type, header.size);
        if (code == 0)
            type->restart(object->memory); /* a death in the middle leaves it stale, and the next one does it again */
        return code;
    }
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
    *object = (struct object){ .file = names_open(file, name) };
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
    /* Who renewed it in between may have died over it: then it is shorter than what we mapped. */
    if (code == 0 && (!facts.is_named || facts.size < object->size ||
                      ((struct object_header *)object->memory)->size != object->size))
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
    code = names_check_how(how);
    if (code < 0)
        return code;
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
    int got = names_open(file, name);
    if (got == -ENOENT)
        return error_fail(got, "there is no %s '%s'", noun(type->kind), name);
    if (got < 0)
        return got;
    struct object_header header;
    code = recognise(&header, got, type);
    close(got);
    if (code == -EINVAL)
        return code;
    return names_remove(file, name);
}
