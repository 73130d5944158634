/* Copies. A walk makes each value without its parts, and then puts the copies of the parts in. What a walk may meet
 * again, a value that is shared or the root, is noted with its copy, so that it is the same in the copy, too. */
#include "base/error.h"
#include "value/key.h"
#include "value/table.h"
#include "value/walk.h"

#include <errno.h>
#include <stdlib.h>

struct note {
    const kith_value *value;
    kith_value *copy;
};

struct copying {
    kith_arena *arena;
    struct walk walk;
    struct note *notes; /* by the hash of the address, probed; never more than half of the slots used */
    size_t slots;
    size_t count;
    struct table **tables; /* to be settled when all keys are whole */
    size_t table_count;
    size_t table_capacity;
};

/* ---- notes ---- */

static struct note *find_note(const struct copying *copying, const kith_value *value)
{
    size_t slot = address_hash(value) & (copying->slots - 1);
    while (copying->notes[slot].value && copying->notes[slot].value != value)
        slot = (slot + 1) & (copying->slots - 1);
    return &copying->notes[slot];
}

static int grow_notes(struct copying *copying)
{
    struct copying grown = *copying;
    grown.slots = copying->slots ? copying->slots * 2 : 16;
    grown.notes = calloc(grown.slots, sizeof *grown.notes);
    if (!grown.notes)
        return error_fail(-ENOMEM, "no memory to note what was copied");
    for (size_t i = 0; i < copying->slots; i++) {
        if (copying->notes[i].value)
            *find_note(&grown, copying->notes[i].value) = copying->notes[i];
    }
    free(copying->notes);
    *copying = grown;
    return 0;
}

static int note(struct copying *copying, const kith_value *value, kith_value *copy)
{
    int code = copying->count * 2 < copying->slots ? 0 : grow_notes(copying);
    if (code < 0)
        return code;
    *find_note(copying, value) = (struct note){ value, copy };
    copying->count++;
    return 0;
}

/** @return the copy that was made already, or NULL */
static kith_value *noted(const struct copying *copying, const kith_value *value)
{
    return copying->slots ? find_note(copying, value)->copy : NULL;
}

/* ---- one value, without its parts ---- */

static kith_value *copy_tuple(kith_arena *arena, size_t count)
{
    kith_value *copy = value_tuple(arena, count);
    if (copy && count)
        memset(copy->sequence->items, 0, count * sizeof *copy->sequence->items);
    return copy;
}

static kith_value *copy_object(kith_arena *arena, const struct object *object)
{
    kith_value *copy = value_object(arena, object->form);
    if (!copy)
        return NULL;
    struct object *made = copy->object;
    made->module = object->module ? arena_copy(arena, object->module, strlen(object->module)) : NULL;
    made->name = object->name ? arena_copy(arena, object->name, strlen(object->name)) : NULL;
    made->data = object->data ? arena_copy(arena, object->data, object->size) : NULL;
    made->size = object->size;
    made->read_only = object->read_only;
    made->steps = object->count ? arena_take(arena, object->count * sizeof *made->steps) : NULL;
    made->count = made->capacity = object->count;
    if (!made->module != !object->module || !made->name != !object->name || !made->data != !object->data ||
        (object->count && !made->steps))
        return NULL;
    for (size_t i = 0; i < object->count; i++)
        made->steps[i] = (struct step){ .kind = object->steps[i].kind };
    return copy;
}

static kith_value *copy_plain(kith_arena *arena, const kith_value *value)
{
    kith_value *copy = value_new(arena, value->kind);
    if (!copy)
        return NULL;
    copy->marks = value->marks & VALUE_BIG;
    copy->bytes = value->bytes; /* the largest of what it may be. The hash is left out: a reader may be keeping it */
    bool has_bytes = value->kind == KITH_STR || value->kind == KITH_BYTES || value->kind == KITH_BYTEARRAY ||
                     value->marks & VALUE_BIG;
    if (!has_bytes)
        return copy;
    copy->bytes.data = arena_copy(arena, value->bytes.data, value->bytes.size);
    return copy->bytes.data ? copy : NULL;
}

static kith_value *copy_alone(kith_arena *arena, const kith_value *value)
{
    switch (value->kind) {
    case KITH_LIST:
        return value_list(arena, value->sequence->count);
    case KITH_TUPLE:
        return copy_tuple(arena, value->sequence->count);
    case KITH_DICT:
    case KITH_SET:
    case KITH_FROZENSET:
        return value_table(arena, value->kind, value->table->count);
    case KITH_OBJECT:
        return copy_object(arena, value->object);
    default:
        return copy_plain(arena, value);
    }
}

/* ---- parts ---- */

static int remember_table(struct copying *copying, struct table *table)
{
    if (copying->table_count == copying->table_capacity) {
        size_t capacity = copying->table_capacity ? copying->table_capacity * 2 : 16;
        struct table **tables = realloc(copying->tables, capacity * sizeof *tables);
        if (!tables)
            return error_fail(-ENOMEM, "no memory to note what was copied");
        copying->tables = tables;
        copying->table_capacity = capacity;
    }
    copying->tables[copying->table_count++] = table;
    return 0;
}

/** Copies a value that was not met yet, and goes into it. */
static int make(struct copying *copying, const kith_value *value, bool is_root, kith_value **copy)
{
    *copy = copy_alone(copying->arena, value);
    if (!*copy)
        return copying->arena->last;
    int code = is_root || value->marks & VALUE_SHARED ? note(copying, value, *copy) : 0;
    if (code == 0 && value_part_count(value))
        code = walk_enter(&copying->walk, value, *copy);
    if (code == 0 && value_is_table(value))
        code = remember_table(copying, (*copy)->table);
    return code;
}

static int put_part(kith_value *copy, size_t index, kith_value *part)
{
    if (copy->kind == KITH_LIST)
        return value_extend(copy, &part, 1);
    if (copy->kind == KITH_DICT ? index % 2 == 0 : value_is_table(copy))
        return table_append(copy->table, part, NULL);
    value_insert(part);
    *value_part_place(copy, index) = part;
    return 0;
}

/** A copy is filled when its container holds it already: that does not mean that it grew. */
static void keep_grew(kith_value *copy, const kith_value *value)
{
    copy->marks = (uint8_t)((copy->marks & ~VALUE_GREW) | (value->marks & VALUE_GREW));
}

static int copy_parts(struct copying *copying)
{
    for (struct frame *frame = walk_top(&copying->walk); frame; frame = walk_top(&copying->walk)) {
        size_t index = frame->next++;
        if (index == value_part_count(frame->value)) {
            keep_grew((kith_value *)frame->beside, frame->value);
            walk_leave(&copying->walk);
            continue;
        }
        const kith_value *part = value_part(frame->value, index);
        if (!part)
            continue;
        kith_value *into = (kith_value *)frame->beside, *copy = noted(copying, part);
        int code = copy ? 0 : make(copying, part, false, &copy);
        if (code == 0)
            code = put_part(into, index, copy);
        if (code < 0)
            return code;
    }
    for (size_t i = 0; i < copying->table_count; i++) {
        int code = table_settle(copying->tables[i]);
        if (code < 0)
            return code;
    }
    return 0;
}

kith_value *kith_value_copy(kith_arena *arena, const kith_value *value)
{
    if (!arena || !value)
        return arena_fail(arena, -EINVAL, "%s is NULL", arena ? "value" : "arena");
    struct copying copying = { .arena = arena };
    walk_begin(&copying.walk);
    kith_value *copy;
    int code = make(&copying, value, true, &copy);
    if (code == 0)
        code = copy_parts(&copying);
    walk_end(&copying.walk);
    free(copying.notes);
    free(copying.tables);
    return code < 0 ? arena_fail(arena, code, "%s", kith_error_detail()) : copy;
}
