/* Handles: what a process has of a shared object. Memory of its own, which begins with the struct object.
 *
 * Each kind offers the same three ways to get one: it is made, opened by its name, or taken from a descriptor. Objects
 * of some kinds also lie in memory of the caller's. */
#ifndef KITH_SRC_SYNC_HANDLE_H
#define KITH_SRC_SYNC_HANDLE_H

#include "memory/object.h"

/** Where the object of a new handle comes from. */
struct origin {
    enum { ORIGIN_NEW, ORIGIN_NAME, ORIGIN_DESCRIPTOR, ORIGIN_MEMORY } way;
    const char *name; /* ORIGIN_NAME */
    kith_open how;    /* ORIGIN_NAME, ORIGIN_MEMORY */
    int descriptor;   /* ORIGIN_DESCRIPTOR */
    void *memory;     /* ORIGIN_MEMORY */
};

#define FROM_NOTHING (&(struct origin){ .way = ORIGIN_NEW })
#define FROM_NAME(called, opened) (&(struct origin){ .way = ORIGIN_NAME, .name = (called), .how = (opened) })
#define FROM_DESCRIPTOR(fd) (&(struct origin){ .way = ORIGIN_DESCRIPTOR, .descriptor = (fd) })
#define FROM_MEMORY(there, opened) (&(struct origin){ .way = ORIGIN_MEMORY, .memory = (there), .how = (opened) })

/** Gets an object and a handle around it, zeros behind its struct object.
 *  @param handle  receives it; free it with handle_free
 *  @param size    of the handle, in bytes
 *  @return 0, or a code with its detail */
int handle_get(void **handle, size_t size, const struct origin *origin, const struct object_type *type,
               const struct object_plan *plan);

/** Gives handle and object back. */
void handle_free(struct object *handle);

/** The same, for a handle that could not be finished: if its object was made under a name for it, that goes, too. */
void handle_undo(struct object *handle, const struct origin *origin, const struct object_type *type);

#endif
