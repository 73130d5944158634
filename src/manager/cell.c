#include "manager/cell.h"

#include "base/error.h"
#include "manager/server.h"
#include "manager/snapshot.h"
#include "manager/token.h"
#include "value/content.h"
#include "value/equal.h"
#include "value/objects.h"
#include "value/pickle_opcodes.h"
#include "value/pickle_out.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD = 2, STOP = 1, PROTOCOL = 4, SMALL = 1024, FIRST_CAPACITY = 4 };

/* ---- what a body holds, without reading it ---- */

enum outlook { TEXT, BYTES, INT, NUMBER, NONE, OTHER };

/** Whether a body is an opcode, a length in so many bytes, and just so much. */
static bool is_counted(const unsigned char *body, size_t size, size_t width)
{
    if (size < 1 + width)
        return false;
    uint64_t count = 0;
    for (size_t i = width; i > 0; i--)
        count = count << 8 | body[i];
    return count == size - 1 - width;
}

/** What it is, if it is so plain that each value has one body only. NUMBER: floats and bools, which an int may equal.
 *  A tuple begins with its first item, and an object with the name of its module: so the size must be right, too. */
static enum outlook outlook_of(const unsigned char *body, size_t size)
{
    switch (body[0]) {
    case OP_SHORT_BINUNICODE:
        return is_counted(body, size, 1) ? TEXT : OTHER;
    case OP_BINUNICODE:
        return is_counted(body, size, 4) ? TEXT : OTHER;
    case OP_SHORT_BINBYTES:
        return is_counted(body, size, 1) ? BYTES : OTHER;
    case OP_BINBYTES:
        return is_counted(body, size, 4) ? BYTES : OTHER;
    case OP_BININT1:
        return size == 2 ? INT : OTHER;
    case OP_BININT2:
        return size == 3 ? INT : OTHER;
    case OP_BININT:
        return size == 5 ? INT : OTHER;
    case OP_LONG1:
        return is_counted(body, size, 1) ? INT : OTHER;
    case OP_BINFLOAT:
        return size == 9 ? NUMBER : OTHER;
    case OP_NEWTRUE:
    case OP_NEWFALSE:
        return size == 1 ? NUMBER : OTHER;
    case OP_NONE:
        return size == 1 ? NONE : OTHER;
    default:
        return OTHER;
    }
}

/** A text, or a big int, that was in a container is written with a place in the memo, which nothing in the cell refers
 *  to. */
static size_t without_place(const unsigned char *body, size_t size)
{
    enum outlook outlook = size > 1 && body[size - 1] == OP_MEMOIZE ? outlook_of(body, size - 1) : OTHER;
    return outlook == TEXT || outlook == BYTES || outlook == INT ? size - 1 : size;
}

/* ---- objects of this server that a value refers to ---- */

struct references {
    struct server *server;
    struct cell *cell;
    unsigned capacity;
};

static int note_reference(void *context, const kith_value *value)
{
    struct references *references = context;
    struct cell *cell = references->cell;
    struct object *object = proxy_object(references->server, value);
    if (!object)
        return 0;
    if (cell->reference_count == references->capacity) {
        unsigned capacity = references->capacity ? 2 * references->capacity : FIRST_CAPACITY;
        struct object **grown = realloc(cell->references, capacity * sizeof(struct object *));
        if (!grown)
            return error_fail(-ENOMEM, "no memory for a value that holds %u objects", capacity);
        cell->references = grown;
        references->capacity = capacity;
    }
    cell->references[cell->reference_count++] = object_hold(object);
    return 0;
}

/** Has the cell hold the objects whose proxies are in it. Without the name of what makes proxies there is none. */
static int note_references(struct server *server, struct cell *cell, const kith_value *value)
{
    static const char name[] = "RebuildProxy";
    struct references references = { .server = server, .cell = cell };
    if (!memmem(cell->body, cell->size, name, sizeof name - 1))
        return 0;
    return value_each_object(value, note_reference, &references);
}

/* ---- making ---- */

static size_t size_of(const struct cell *cell)
{
    return sizeof *cell + cell->size + STOP;
}

static void free_cell(struct server *server, struct cell *cell)
{
    for (unsigned i = 0; i < cell->reference_count; i++)
        object_drop(server, cell->references[i]);
    server_give_memory(server, size_of(cell));
    free(cell->references);
    free(cell);
}

/** A cell of a pickle as pickle_write_to makes it. */
static int cell_of_pickle(struct server *server, struct cell **cell, const struct pickle_out *pickle)
{
    const unsigned char *body = pickle->data + HEAD;
    size_t size = without_place(body, pickle->size - HEAD - STOP);
    struct cell *made = malloc(sizeof *made + size + STOP);
    if (!made)
        return error_fail(-ENOMEM, "no memory to keep a value of %zu bytes", size);
    *made = (struct cell){ .holders = 1, .size = size, .refers = pickle->fetched > 0, .head = { OP_PROTO, PROTOCOL } };
    memcpy(made->body, body, size);
    made->body[size] = OP_STOP;
    if (!server_take_memory(server, size_of(made))) {
        free(made);
        return error_fail(-ENOMEM, "the server may keep no more: its max_memory is reached");
    }
    *cell = made;
    return 0;
}

int cell_new(struct server *server, struct cell **cell, const kith_value *value)
{
    unsigned char small[SMALL];
    struct pickle_out out = { .data = small, .capacity = sizeof small, .lent = true };
    struct cell *made = NULL;
    int code = pickle_write_to(&out, value, &(kith_pickle_write_options){ .protocol = PROTOCOL });
    if (code == 0)
        code = cell_of_pickle(server, &made, &out);
    if (code == 0)
        code = note_references(server, made, value);
    pickle_out_free(&out);
    if (code == 0)
        *cell = made;
    else if (made)
        free_cell(server, made);
    return code;
}

int cell_new_key(struct server *server, struct cell **cell, const kith_value *value)
{
    uint32_t hash;
    struct cell *made;
    int code = value_content_hash(value, &hash);
    if (code == 0)
        code = cell_new(server, &made, value);
    if (code < 0)
        return code;
    made->hash = hash;
    *cell = made;
    return 0;
}

struct cell *cell_hold(struct cell *cell)
{
    cell->holders++;
    return cell;
}

void cell_drop(struct server *server, struct cell *cell)
{
    if (cell && --cell->holders == 0)
        free_cell(server, cell);
}

/* ---- reading ---- */

int cell_read(const struct cell *cell, kith_arena *arena, kith_value **value)
{
    return kith_pickle_read(arena, value, cell->head, HEAD + cell->size + STOP,
                            &(kith_pickle_read_options){ .max_depth = KITH_VALUE_DEPTH_MAX });
}

static bool same_bytes(const struct cell *one, const struct cell *other)
{
    return one->size == other->size && memcmp(one->body, other->body, one->size) == 0;
}

static int read_sought(struct cell_sought *sought)
{
    int code = sought->room ? 0 : kith_arena_new(&sought->room);
    if (code == 0 && !sought->arena)
        code = kith_arena_new(&sought->arena);
    if (code == 0 && !sought->value)
        code = cell_read(sought->cell, sought->arena, &sought->value);
    return code;
}

static int equal_as_values(struct cell_sought *sought, const struct cell *other)
{
    kith_value *value;
    int code = read_sought(sought);
    if (code < 0)
        return code;
    kith_arena_reset(sought->room);
    code = cell_read(other, sought->room, &value);
    return code < 0 ? code : value_equal_within(value, sought->value, &sought->steps);
}

/** Whether what bodies look like, and whether they are the same, tells if they are equal. */
static bool is_told(enum outlook left, enum outlook right)
{
    bool numbers = (left == INT || left == NUMBER) && (right == INT || right == NUMBER);
    if (left == OTHER ||
        right == OTHER) /* a bytearray is other, and may equal bytes; nothing else equals what is plain */
        return left != right && left != BYTES && right != BYTES;
    return !numbers || (left == INT && right == INT);
}

static int compare(struct cell_sought *sought, const struct cell *other)
{
    const struct cell *one = sought->cell;
    if (one->hash && other->hash && one->hash != other->hash)
        return 0;
    bool same = same_bytes(one, other);
    if (same && !memchr(one->body, OP_BINFLOAT, one->size)) /* a NaN is not equal to another one */
        return 1;
    return is_told(outlook_of(one->body, one->size), outlook_of(other->body, other->size))
               ? same
               : equal_as_values(sought, other);
}

static void end_reading(struct cell_sought *sought)
{
    kith_arena_free(sought->arena);
    kith_arena_free(sought->room);
}

int cell_equal(const struct cell *one, const struct cell *other)
{
    struct cell_sought sought = { .cell = (struct cell *)one, .steps = COMPARE_STEPS_MAX };
    int code = compare(&sought, other);
    end_reading(&sought);
    return code;
}

int cell_sought_begin(struct server *server, struct cell_sought *sought, const kith_value *value)
{
    *sought = (struct cell_sought){ .steps = COMPARE_STEPS_MAX };
    return cell_new(server, &sought->cell, value);
}

void cell_sought_end(struct server *server, struct cell_sought *sought)
{
    cell_drop(server, sought->cell);
    end_reading(sought);
}

int cell_sought_equal(struct cell_sought *sought, const struct cell *other)
{
    if (other != sought->last)
        sought->last_equal = compare(sought, other);
    sought->last = other;
    return sought->last_equal;
}

/* ---- whole pickles ---- */

int cell_to_pickle(const struct cell *cell, kith_bytes *pickle)
{
    size_t size = HEAD + cell->size + STOP;
    void *data = malloc(size);
    if (!data)
        return error_fail(-ENOMEM, "no memory for a pickle of %zu bytes", size);
    memcpy(data, cell->head, size);
    pickle->data = data;
    pickle->size = size;
    return 0;
}

static int from_message(struct server *server, struct cell **cell, const void *data, size_t size, bool key)
{
    kith_arena *arena;
    kith_value *value;
    int code = kith_arena_new(&arena);
    if (code < 0)
        return code;
    code =
        kith_message_read(arena, &value, data, size, &(kith_pickle_read_options){ .max_depth = KITH_VALUE_DEPTH_MAX });
    if (code == 0)
        code = key ? cell_new_key(server, cell, value) : cell_new(server, cell, value);
    kith_arena_free(arena);
    return code;
}

int cell_from_message(struct server *server, struct cell **cell, const void *message, size_t size)
{
    return from_message(server, cell, message, size, false);
}

/* ---- snapshots ---- */

int cell_save(struct server *server, const struct cell *cell, kith_arena *arena, kith_value **value)
{
    for (unsigned i = 0; i < cell->reference_count; i++) {
        int code = snapshot_add(server, cell->references[i]);
        if (code < 0)
            return code;
    }
    kith_value *made = kith_value_bytes_borrowed(arena, cell->head, HEAD + cell->size + STOP);
    if (!made)
        return kith_arena_error(arena);
    *value = made;
    return 0;
}

int cell_load(struct server *server, struct cell **cell, const kith_value *value, bool key)
{
    const void *pickle;
    size_t size;
    int code = kith_value_as_bytes(value, &pickle, &size);
    return code < 0 ? code : from_message(server, cell, pickle, size, key);
}
