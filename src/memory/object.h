/* Shared objects: what a queue, a lock and all the others have in common. Each lives at the start of a file of memory,
 * behind a header that says what it is. The file is anonymous, and goes with the last process that has it; or it has a
 * name, by which processes that are no relatives find it. Either can be handed on as a descriptor.
 *
 * A name is given to a finished object at one instant, so nobody finds half of one. Who has a named object open holds
 * its file (os_file_hold), and the system lets go for those that die: so a file that nobody holds is stale, and whoever
 * finds it may hold it alone and start it anew.
 */
#ifndef KITH_SRC_MEMORY_OBJECT_H
#define KITH_SRC_MEMORY_OBJECT_H

#include <kith/memory.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** At the start of each object. Written when it is made, then never again. */
struct object_header {
    char magic[8];   /* OBJECT_MAGIC; zeros while the object is not finished */
    uint32_t kind;   /* an object_kind */
    uint32_t layout; /* the version of all that follows */
    uint64_t size;   /* of what is mapped at the start, in bytes, this header included */
    char reserved[40];
};

#define OBJECT_MAGIC "kithobj"

enum object_kind {
    OBJECT_QUEUE = 1,
    OBJECT_LOCK,
    OBJECT_SEMAPHORE,
    OBJECT_EVENT,
    OBJECT_CONDITION,
    OBJECT_BARRIER,
    OBJECT_ARRAY,
    OBJECT_HEAP,
    OBJECT_KINDS
};

/** What is the same for all objects of a kind. */
struct object_type {
    enum object_kind kind;
    uint32_t layout; /* counts up whenever a field moves or changes its meaning */
    bool outlives;   /* what it holds is worth something when all who used it are gone; else it then starts anew */
    /** Starts a stale one anew, as KITH_OPEN does, with what was said when it was made; NULL for what outlives. */
    void (*restart)(void *memory);
};

/** How to make one. */
struct object_plan {
    size_t size; /* of the whole object in bytes, its header included */
    /** Fills in what is not zero. Behind the header, all is zero. */
    void (*begin)(void *memory, const void *argument);
    const void *argument;
};

/** A process's view of an object. */
struct object {
    void *memory; /* the header, and the object around it */
    size_t size;  /* of the mapping, in bytes */
    int file;     /* -1: it lies in memory of the caller's */
};

/** Makes an anonymous object.
 *  @return 0; -EMFILE, -ENFILE, -ENOMEM, -ENOSPC, -EFBIG with the detail, and then there is nothing to undo */
int object_new(struct object *object, const struct object_type *type, const struct object_plan *plan);

/** Makes or opens one that has a name.
 *  @param plan  not used for what is found, but for a stale one that KITH_CREATE or KITH_OPEN_OR_CREATE replace
 *  @return 0, or what kith/memory.h says about names, with the detail */
int object_open(struct object *object, const struct object_type *type, const char *name, kith_open how,
                const struct object_plan *plan);

/** Makes or finds an object in memory of the caller's, of which it takes the plan's size.
 *  @param how  KITH_CREATE or KITH_OPEN
 *  @return 0; -EINVAL; KITH_ELAYOUT */
int object_in(struct object *object, const struct object_type *type, void *memory, kith_open how,
              const struct object_plan *plan);

/** Makes an object of memory that is there already. What the plan's begin relies on to be zero must be so. */
void object_lay_out(void *memory, const struct object_type *type, const struct object_plan *plan);

/** What a header says. @param size of the memory or the file that it was found in
 *  @return 0; -ENODATA, without a detail, when nothing was finished there; -EINVAL when it is no object of this kind;
 *          KITH_ELAYOUT */
int object_recognise(const struct object_header *header, uint64_t size, const struct object_type *type);

/** Takes the object that a descriptor stands for. The descriptor stays the caller's.
 *  @return 0; -EBADF; -EINVAL when it is no object of this kind; KITH_ELAYOUT; -EMFILE, -ENOMEM */
int object_from_fd(struct object *object, const struct object_type *type, int fd);

/** Takes a name away. @return 0, or what kith/memory.h says about names */
int object_unlink(const struct object_type *type, const char *name);

/** The descriptor that stands for an object. @return it; -EINVAL when it lies in memory of the caller's */
int object_share_fd(const struct object *object);

/** Unmaps and closes; memory of the caller's stays as it is. What the object held of other memory is the caller's
 *  affair. */
void object_close(struct object *object);

#endif
