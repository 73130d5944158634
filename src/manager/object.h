/* Shared objects: what an id stands for, and what keeps it alive. */
#ifndef KITH_SRC_MANAGER_OBJECT_H
#define KITH_SRC_MANAGER_OBJECT_H

#include <kith/manager.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct server;
struct kind;
struct line;
struct tie;
struct lent;

#define OBJECT_ID_MAX 17 /* hexadecimal digits of 64 bits, and a NUL byte */

struct object {
    char id[OBJECT_ID_MAX];
    const struct kind *kind;
    void *state;      /* the kind's own */
    const char *type; /* the name by which it was made; lives as long as the server */
    uint64_t held;    /* by clients (holders.h), cells, the table of published names, calls in progress */
    uint64_t claimed; /* by clients, or on their behalf: what CPython calls its refcount */
    bool published;
    bool read_only;
    const char *const *allowed; /* methods; NULL: all */
    size_t allowed_count;
    uint64_t number;                     /* that the id stands for */
    struct object *next;                 /* in its slot of the table of ids */
    struct lent *lent;                   /* to those who got it in replies: loans.h */
    struct tie *claims, *last_claim;     /* who has references, the longest first: holders.h */
    uint64_t snapshot;                   /* the number of the last one that it is in */
    struct tie *holdings, *last_holding; /* who holds something of it, the longest first */
};

/** @return the object of an id; NULL */
struct object *object_find(struct server *server, const char *id);

/** Makes an object of a state, held once, by the caller.
 *  @return 0; -ENOMEM, also when the server may have no more; then the state is still the caller's */
int object_add(struct server *server, struct object **object, const struct kind *kind, const char *type, void *state);

/** The same under an id that it had before, of a snapshot. @return also -EEXIST; -EINVAL when it is no id */
int object_add_as(struct server *server, struct object **object, const struct kind *kind, const char *type, void *state,
                  const char *id);

/** Gives an object the id that it had before, of a snapshot. @return 0; -EEXIST; -EINVAL when it is no id */
int object_rename(struct server *server, struct object *object, const char *id);

struct object *object_hold(struct object *object);
/** The last one ends the object. NULL is fine. */
void object_drop(struct server *server, struct object *object);

/** Ends all objects. */
void objects_end(struct server *server);

#endif
