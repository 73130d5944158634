/* Bare shared memory: a file of memory, anonymous or named, and nothing in it but what its users put there. A named one
 * is a file of the system's folder under its own name, as shm_open(3) makes it, and CPython through that. */
#include "memory/segment.h"

#include "base/error.h"
#include "memory/names.h"
#include "os/clock.h"
#include "os/memory.h"
#include "os/named.h"
#include "os/random.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct kith_segment {
    void *data;
    size_t size;
    int file;
    char name[KITH_NAME_MAX + 1]; /* "": it has none */
};

/* ---- making ---- */

static kith_segment *handle_new(int file)
{
    kith_segment *segment = calloc(1, sizeof *segment);
    if (segment)
        segment->file = file;
    return segment;
}

static int map(kith_segment *segment, size_t size)
{
    int code = os_memory_map(&segment->data, segment->file, 0, size);
    if (code < 0)
        return error_fail(code, "a segment of %zu bytes can't be mapped: %s", size, kith_strerror(code));
    segment->size = size;
    return 0;
}

/** Gives the file, which is empty, memory, maps it, and fills it in. */
static int build(kith_segment *segment, const struct segment_plan *plan)
{
    int code = os_memory_back(segment->file, 0, plan->size);
    if (code < 0)
        return error_fail(code, "no shared memory for a segment of %zu bytes: %s", plan->size, kith_strerror(code));
    code = map(segment, plan->size);
    if (code == 0 && plan->begin)
        plan->begin(segment->data, plan->argument);
    return code;
}

/** Makes a handle of a file, which it takes over, also when it fails; and a segment of it, when there is a plan. */
static int take(kith_segment **segment, int file, const struct segment_plan *plan, size_t size)
{
    kith_segment *made = handle_new(file);
    int code = 0;
    if (!made)
        code = error_fail(-ENOMEM, "no memory for a segment's handle");
    else
        code = plan ? build(made, plan) : map(made, size);
    if (code == 0) {
        *segment = made;
        return 0;
    }
    free(made);
    close(file);
    return code;
}

static int check(kith_segment **segment, const struct segment_plan *plan)
{
    if (!segment)
        return error_fail(-EINVAL, "segment is NULL: give the address of a kith_segment pointer");
    if (plan && (plan->size == 0 || plan->size > PTRDIFF_MAX))
        return error_fail(-EINVAL, "a segment of %zu bytes: give 1 to %td", plan->size, (ptrdiff_t)PTRDIFF_MAX);
    return 0;
}

int segment_new(kith_segment **segment, const struct segment_plan *plan)
{
    int code = check(segment, plan);
    if (code < 0)
        return code;
    int file = os_memory_file("kith-segment");
    if (file < 0)
        return error_fail(file, "no file of memory for a segment: %s", kith_strerror(file));
    return take(segment, file, plan, 0);
}

/* ---- names ---- */

static int check_name(const char **name)
{
    if (*name && **name == '/')
        ++*name; /* as shm_open has it */
    int code = names_check(*name);
    if (code < 0)
        return code;
    if (strncmp(*name, NAMES_OF_OBJECTS, strlen(NAMES_OF_OBJECTS)) == 0)
        return error_fail(-EINVAL, "'%.40s' is the name of an object of kith's: segments have others", *name);
    if (strcmp(*name, ".") == 0 || strcmp(*name, "..") == 0)
        return error_fail(-EINVAL, "'%s' is no name", *name);
    return 0;
}

/** Makes the segment, and gives it its name at one instant. @return 0; -EEXIST without a detail; another code with
 *  it */
static int make_named(kith_segment **segment, const char *name, const struct segment_plan *plan)
{
    int file = os_named_make();
    if (file < 0)
        return error_fail(file, "no file of memory for '%s': %s", name, kith_strerror(file));
    kith_segment *made;
    int code = take(&made, file, plan, 0);
    if (code < 0)
        return code;
    code = os_named_publish(file, name);
    if (code == 0) {
        memcpy(made->name, name, strlen(name) + 1);
        *segment = made;
        return 0;
    }
    kith_segment_free(made);
    return code == -EEXIST ? code : error_fail(code, "'%s' can't get its name: %s", name, kith_strerror(code));
}

/** Makes one whose name must be new. Looks first: to get memory for gigabytes and then find the name taken is dear. */
static int make_new(kith_segment **segment, const char *name, const struct segment_plan *plan)
{
    int file = names_open(name, name);
    if (file == -ENOENT)
        return make_named(segment, name, plan);
    if (file < 0)
        return file;
    close(file);
    return -EEXIST;
}

/** Under a name that nobody has, and that is like CPython's. */
static int make_named_somehow(kith_segment **segment, const struct segment_plan *plan)
{
    int code;
    do {
        uint32_t number;
        char name[16];
        code = os_random(&number, sizeof number);
        if (code < 0)
            return error_fail(code, "no random number to make up a name: %s", kith_strerror(code));
        snprintf(name, sizeof name, "psm_%08x", (unsigned)number);
        code = make_named(segment, name, plan);
    } while (code == -EEXIST);
    return code;
}

/** Other programs make segments in two steps: empty, then as long as they shall be. @return 0, -EBUSY; -EINVAL */
static int wait_for_size(int file, const char *name, struct os_file *facts)
{
    enum { PATIENCE = 1000000000, NAP = 1000000 };
    int64_t patience = os_clock_now() + PATIENCE;
    int code = os_file_look(file, facts);
    while (code == 0 && facts->size == 0 && os_clock_now() < patience) {
        os_clock_nap(NAP);
        code = os_file_look(file, facts);
    }
    if (code == 0 && facts->size == 0)
        return error_fail(-EBUSY, "'%s' has been empty for a second: did the process that was making it die?", name);
    return code;
}

static int open_named(kith_segment **segment, const char *name)
{
    struct os_file facts;
    int file = names_open(name, name);
    if (file < 0)
        return file;
    int code = wait_for_size(file, name, &facts);
    if (code < 0) {
        close(file);
        return code;
    }
    code = take(segment, file, NULL, (size_t)facts.size);
    if (code == 0)
        memcpy((*segment)->name, name, strlen(name) + 1);
    return code;
}

int segment_open(kith_segment **segment, const char *name, kith_open how, const struct segment_plan *plan)
{
    int code = names_check_how(how);
    if (code == 0)
        code = check(segment, how == KITH_OPEN ? NULL : plan);
    if (code == 0 && !name && how == KITH_CREATE)
        return make_named_somehow(segment, plan);
    if (code == 0)
        code = check_name(&name);
    if (code < 0)
        return code;
    do {
        code = how == KITH_CREATE ? make_new(segment, name, plan) : open_named(segment, name);
        if (code == -ENOENT && how == KITH_OPEN_OR_CREATE)
            code = make_named(segment, name, plan);
        /* Somebody was quicker. */
    } while (code == -EEXIST && how == KITH_OPEN_OR_CREATE);
    if (code == -ENOENT)
        error_fail(code, "there is no segment '%s'", name);
    if (code == -EEXIST)
        error_fail(code, "'%s' exists; whether anybody uses it can't be known: unlink it if nobody does", name);
    return code;
}

/* ---- the public face ---- */

int kith_segment_new(kith_segment **segment, size_t size)
{
    return segment_new(segment, &(struct segment_plan){ .size = size });
}

int kith_segment_open(kith_segment **segment, const char *name, kith_open how, size_t size)
{
    return segment_open(segment, name, how, &(struct segment_plan){ .size = size });
}

int kith_segment_unlink(const char *name)
{
    int code = check_name(&name);
    if (code < 0)
        return code;
    int file = names_open(name, name);
    if (file == -ENOENT)
        return error_fail(file, "there is no segment '%s'", name);
    if (file < 0)
        return file;
    close(file);
    return names_remove(name, name);
}

int kith_segment_share_fd(const kith_segment *segment)
{
    return segment ? segment->file : error_fail(-EINVAL, "segment is NULL: make one with kith_segment_new");
}

int kith_segment_from_fd(kith_segment **segment, int fd)
{
    struct os_file facts;
    int code = check(segment, NULL);
    if (code < 0)
        return code;
    code = os_file_look(fd, &facts);
    if (code == 0 && facts.size == 0)
        code = -EINVAL;
    if (code < 0)
        return error_fail(code, "descriptor %d is no shared memory", fd);
    int file = os_file_duplicate(fd);
    if (file < 0)
        return error_fail(file, "no descriptor for a segment: %s", kith_strerror(file));
    return take(segment, file, NULL, (size_t)facts.size);
}

void *kith_segment_data(const kith_segment *segment)
{
    return segment ? segment->data : NULL;
}

size_t kith_segment_size(const kith_segment *segment)
{
    return segment ? segment->size : 0;
}

const char *kith_segment_name(const kith_segment *segment)
{
    return segment && segment->name[0] ? segment->name : NULL;
}

void kith_segment_free(kith_segment *segment)
{
    if (!segment)
        return;
    os_memory_unmap(segment->data, segment->size);
    close(segment->file);
    free(segment);
}
