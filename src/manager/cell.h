/* Cells: how a server keeps what clients store: the opcodes of a pickle of protocol 4, without PROTO, FRAME and STOP,
 * so that they are spliced into a reply as they are. The opcodes count their memo from 0: so a cell is whole in
 * itself, and one that refers to its memo stands at most once in a reply, and first of all that puts something there.
 *
 * Cells do not change, and may be held by several. They belong to the server's loop: no other thread counts them. */
#ifndef KITH_SRC_MANAGER_CELL_H
#define KITH_SRC_MANAGER_CELL_H

#include <kith/value.h>

#include "manager/object.h"

struct cell {
    unsigned holders;
    unsigned reference_count;
    uint32_t hash;              /* of one made by cell_new_key; else 0 */
    size_t size;                /* of body, in bytes */
    struct object **references; /* the objects of this server whose proxies are in it, each held; NULL: none */
    bool refers;                /* to its memo */
    unsigned char head[2];      /* and body, and a STOP behind it: a whole pickle */
    unsigned char body[];
};

/** Makes a cell of a value, held once. Proxies in it that are of this server's objects hold these; the memory is
 *  counted for the server.
 *  @return 0; -ENOMEM, also when the server may keep no more; KITH_ELIMIT, -ENOTSUP as kith_pickle_write; with the
 *          detail */
int cell_new(struct server *server, struct cell **cell, const kith_value *value);

/** The same for one that is to be a key: it has a hash, and equal keys have equal ones. What only Python understands is
 *  equal when it is written by the same bytes.
 *  @return also KITH_ETYPE when the value can change, and so is no key */
int cell_new_key(struct server *server, struct cell **cell, const kith_value *value);

struct cell *cell_hold(struct cell *cell);
/** NULL is fine. */
void cell_drop(struct server *server, struct cell *cell);

/** Reads a cell. @return 0; -ENOMEM, KITH_ELIMIT */
int cell_read(const struct cell *cell, kith_arena *arena, kith_value **value);

/** Whether two are equal, as Python's == has it: also two keys, whose hashes are looked at first. Most are compared
 *  without being read. @return 1 or 0; KITH_ELIMIT, -ENOMEM */
int cell_equal(const struct cell *one, const struct cell *other);

/** A cell that many are compared with: it is read once, and all of it may take as many steps as one comparison. */
struct cell_sought {
    struct cell *cell;
    kith_arena *arena; /* of value; NULL until it is wanted */
    kith_value *value;
    kith_arena *room; /* of the other ones */
    uint64_t steps;
    const struct cell *last; /* the one before, which often comes again: [x] * n */
    int last_equal;
};

/** Makes a cell of a value, to be sought. @return as cell_new */
int cell_sought_begin(struct server *server, struct cell_sought *sought, const kith_value *value);
void cell_sought_end(struct server *server, struct cell_sought *sought);

/** @param other  may not end while it is sought for. @return as cell_equal */
int cell_sought_equal(struct cell_sought *sought, const struct cell *other);

/** A cell as a value that a kind saves, and back: bytes, which are the cell's and live as long, not copied. The objects
 *  that it refers to become part of the snapshot that is being taken.
 *  @return 0; -ENOMEM; loading also KITH_ETYPE, KITH_EMALFORMED, and as cell_new or, where key is true, cell_new_key */
int cell_save(struct server *server, const struct cell *cell, kith_arena *arena, kith_value **value);
int cell_load(struct server *server, struct cell **cell, const kith_value *value, bool key);

/** The whole pickle, as kith_pickle_read takes it, and a cell of a message, as kith_message_read does: what came beside
 *  its pickle is in the cell. @return 0; -ENOMEM; KITH_EMALFORMED */
int cell_to_pickle(const struct cell *cell, kith_bytes *pickle);
int cell_from_message(struct server *server, struct cell **cell, const void *message, size_t size);

#endif
