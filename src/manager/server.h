/* The server inside: what its loop owns, and what its parts have of each other.
 *
 * loop.h has descriptors and timers, line.h the clients' connections, dispatch.h the way from a request's bytes to a
 * reply's, object.h the objects, workers.h the threads for what waits. All of it but workers' jobs, kith_server_stop
 * and the counters runs on the thread of kith_server_run. */
#ifndef KITH_SRC_MANAGER_SERVER_H
#define KITH_SRC_MANAGER_SERVER_H

#include <kith/manager.h>

#include "manager/kind.h"
#include "manager/loop.h"
#include "process/inherit.h"

#include <stdatomic.h>

/** A name that clients create objects by: a type, or a published object. */
struct name {
    char *text;
    const struct kind *kind; /* of a type; of one that the program has: own.c's */
    const kith_type *type;   /* the program's; NULL: built in */
    struct object *object;   /* a published one, held; NULL: a type */
    struct name *next;       /* in the order of their coming */
};

enum { HOLDER_SLOTS = 256 };

struct objects {
    struct object **slots; /* by number; a power of two of them */
    size_t slot_count;     /* 0 until there is one */
    size_t count;
    size_t claimed;       /* those that a client has a reference to */
    uint64_t next;        /* the number of the next one */
    struct object *ended; /* those that nobody holds any more, while one is being freed */
    bool ending;          /* one is: it may hold the last of many others, one in the other, which no stack would take */
};

/** Objects that are held for those who got them in replies: loans.h. */
struct loans {
    struct lent *first, **end; /* the one that ends first, first */
    int64_t patience;
    struct timer timer;
};

/** Any thread reads them; the loop counts, and so does not need to count at once. */
struct counters {
    _Atomic unsigned clients, objects, waiting, pages, shared_queues;
    _Atomic uint64_t memory, calls, page_calls, given_back, snapshots;
};

/** For a counter that only the loop changes. */
#define count_up(counter, by)                                                                        \
    atomic_store_explicit(&(counter), atomic_load_explicit(&(counter), memory_order_relaxed) + (by), \
                          memory_order_relaxed)

struct server {
    struct heirloom heirloom;
    unsigned generation; /* of the process that made it */
    kith_listener *listener;
    const char *address;         /* the listener's */
    char *place;                 /* the same, with an absolute path: the one in tokens */
    kith_server_options options; /* defaults filled in; its listener's pointers are not kept */

    /* ---- the loop ---- */
    int events;
    void **ready; /* tags that the loop has taken and not looked at yet */
    size_t ready_count;
    struct watch door;        /* the listener */
    struct timer door_closed; /* while no descriptor is left for one more client */
    struct watch bell;        /* a flag: wakes the loop from other threads; see server_on_bell */
    struct timers timers;
    _Atomic bool stopping;
    int64_t serial; /* no other server at this address has it, nor this one in another kith_server_run */

    /* ---- lines ---- */
    struct line *lines;
    unsigned line_count;
    struct line *due, **due_end; /* those that go on without their sockets saying so */
    uint64_t turn;               /* how many times they have gone on */
    uint64_t line_number;        /* of the last one */
    unsigned char *room;         /* SERVER_ROOM bytes, into which lines receive */
    kith_arena *arena;           /* of the request that is carried out */

    /* ---- objects ---- */
    struct objects objects;
    struct name *types;
    struct name *published;
    struct loans awaited, claimed; /* objects in replies: those that somebody is to say incref of, or has said it of */
    struct holder *holders[HOLDER_SLOTS]; /* processes that have references */

    struct workers *workers; /* NULL until the first job */
    struct counters counters;

    /* ---- what others hook in ---- */

    /** Called in each turn of the loop, when it is not NULL, before it waits: for what no descriptor tells of, as calls
     *  in shared memory. @return whether it found something to do: then the loop does not sleep in this turn */
    bool (*poll)(struct server *server);
    struct pages *pages;                /* NULL until the first */
    struct shared_queue *shared_queues; /* all that are in shared memory */
    uint64_t snapshot_number;           /* of the last one that was taken */
    void *snapshot;                     /* of what writes snapshots; NULL while the loop does not run */
    int snapshot_lock;                  /* held from snapshot_load to the end; -1 */
    bool restored;                      /* the snapshot was read, or is not there */
};

enum { SERVER_ROOM = 65536 };

/** Counts bytes of what objects keep. @return false when the server may not keep so many more: nothing is counted */
bool server_take_memory(struct server *server, size_t size);
void server_give_memory(struct server *server, size_t size);

/** Of a public handle, and back. */
struct server *server_of(kith_server *handle);

/** Finds a type; types are found by clients unless a published object has the name. @return NULL when there is none */
const struct name *server_find_type(const struct server *server, const char *name);
const struct name *server_find_published(const struct server *server, const char *name);

/** Publishes an object: the caller's hold becomes the table's. @return 0; -EEXIST; -ENOENT when access names a method
 *  that its kind does not have; -ENOMEM; and then the hold is still the caller's */
int server_publish_object(struct server *server, const char *name, struct object *object, const kith_access *access);

/** Makes an object of a type by its constructor, as create does. @param line  NULL: no client
 *  @return 0; -ENOENT when there is no such type; the code of the constructor; with the detail */
int server_make(struct server *server, struct object **object, const char *type, const kith_value *args,
                const kith_value *kwargs);

#endif
