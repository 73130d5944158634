#include "manager/items.h"

#include "base/error.h"
#include "base/utf8.h"
#include "manager/array.h"
#include "manager/dictionary.h"
#include "manager/kind.h"
#include "manager/token.h"
#include "value/name.h"

#include <errno.h>
#include <string.h>

enum { RANGE_MAX = 1 << 22 }; /* a request of a few bytes must not hold up the server for long */

/* ---- what is iterated over ---- */

static bool is_builtin(const kith_value *value, const char *name)
{
    return kith_object_get_form(value) == KITH_OBJECT_CALL &&
           (kith_object_is(value, "builtins", name) || kith_object_is(value, "__builtin__", name));
}

/** list(x) and its like, which is how managers pickle the views of a dict. @return x; NULL when it is no such call */
static const kith_value *inside(const kith_value *value)
{
    static const char *const names[] = { "list", "tuple", "set", "frozenset", "iter" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (is_builtin(value, names[i]) && kith_value_length(kith_object_args(value)) == 1 &&
            kith_object_step_count(value) == 0)
            return kith_value_at(kith_object_args(value), 0);
    }
    return NULL;
}

/** Objects that are filled item by item as they are unpickled: deques, and what people derive from list, set, dict. */
static bool is_filled(const kith_value *value)
{
    static const char *const empty[] = { "deque", "OrderedDict", "defaultdict" };
    int step = kith_object_step_at(value, kith_object_step_count(value) - 1, NULL, NULL);
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
        if (kith_object_is(value, "collections", empty[i]) && kith_object_get_form(value) != KITH_OBJECT_GLOBAL)
            return true;
    }
    return step == KITH_STEP_APPEND || step == KITH_STEP_SET_ITEM || step == KITH_STEP_ADD;
}

static int no_items(const kith_value *value)
{
    return error_fail(KITH_ETYPE, "'%s' object is not iterable", value_type_name(value));
}

static int begin_range(struct items *items)
{
    const kith_value *args = kith_object_args(items->source);
    int64_t stop;
    if (kith_value_as_int(kith_value_at(args, 0), &items->first) < 0 ||
        kith_value_as_int(kith_value_at(args, 1), &stop) < 0 ||
        kith_value_as_int(kith_value_at(args, 2), &items->step) < 0 || items->step == 0)
        return no_items(items->source);
    bool up = items->step > 0;
    uint64_t stride = up ? (uint64_t)items->step : (uint64_t)0 - (uint64_t)items->step;
    uint64_t span = up ? (uint64_t)stop - (uint64_t)items->first : (uint64_t)items->first - (uint64_t)stop;
    bool any = up ? stop > items->first : stop < items->first;
    items->count = any ? (size_t)((span - 1) / stride + 1) : 0;
    return items->count <= RANGE_MAX ? 0 : error_fail(-ENOMEM, "a range of %zu items is too long", items->count);
}

static bool has_items(const struct object *object)
{
    return object->kind == &kind_list || object->kind == &kind_dict || object->kind == &kind_set ||
           object->kind == &kind_array;
}

int items_begin(struct items *items, struct request *request, const kith_value *value)
{
    *items = (struct items){ .request = request };
    const kith_value *in;
    while ((in = inside(value)))
        value = in;
    struct object *object = proxy_object(request->server, value);
    if (object && has_items(object)) {
        items->object = object;
        return 0;
    }
    items->source = value;
    int kind = kith_value_kind(value);
    if (kind >= KITH_STR && kind < KITH_OBJECT)
        return 0;
    if (kind != KITH_OBJECT)
        return no_items(value);
    if (is_builtin(value, "range"))
        return begin_range(items);
    if (array_is(value))
        return array_begin(&items->source, request->arena, value);
    return is_filled(value) ? 0 : no_items(value);
}

/* ---- one after the other ---- */

/** Something that was just made. */
static int made(struct items *items, kith_value *value, kith_value **item)
{
    if (!value)
        return kith_arena_error(items->request->arena);
    *item = value;
    return 1;
}

static int next_character(struct items *items, kith_value **item)
{
    const char *text;
    size_t size;
    if (kith_value_as_str(items->source, &text, &size) < 0 || items->next == size)
        return 0;
    const char *at = text + items->next;
    size_t length = utf8_character(at, size - items->next, true);
    items->next += length;
    return made(items, kith_value_str_sized(items->request->arena, at, length), item);
}

static int next_byte(struct items *items, kith_value **item)
{
    const void *data;
    size_t size;
    if (kith_value_as_bytes(items->source, &data, &size) < 0 || items->next == size)
        return 0;
    return made(items, kith_value_int(items->request->arena, ((const unsigned char *)data)[items->next++]), item);
}

static int next_step(struct items *items, kith_value **item)
{
    kith_value *key, *value;
    int step;
    while ((step = kith_object_step_at(items->source, items->next++, &key, &value)) != 0) {
        if (step == KITH_STEP_APPEND || step == KITH_STEP_ADD || step == KITH_STEP_SET_ITEM) {
            *item = step == KITH_STEP_SET_ITEM ? key : value;
            return 1;
        }
    }
    return 0;
}

static int next_number(struct items *items, kith_value **item)
{
    if (items->next == items->count)
        return 0;
    uint64_t way = (uint64_t)items->next++ * (uint64_t)items->step; /* more than an int64_t, maybe */
    int64_t number = (int64_t)((uint64_t)items->first + way);
    return made(items, kith_value_int(items->request->arena, number), item);
}

static int next_value(struct items *items, kith_value **item)
{
    switch (kith_value_kind(items->source)) {
    case KITH_STR:
        return next_character(items, item);
    case KITH_BYTES:
    case KITH_BYTEARRAY:
        return next_byte(items, item);
    case KITH_DICT:
        return kith_value_pair_at(items->source, items->next++, item, NULL);
    case KITH_OBJECT:
        return is_builtin(items->source, "range") ? next_number(items, item) : next_step(items, item);
    default:
        *item = kith_value_at(items->source, items->next++);
        return *item != NULL;
    }
}

/** The next cell of an object of this server. @return it, not held; NULL at the end */
static struct cell *next_kept(struct items *items)
{
    if (items->object->kind == &kind_list) {
        const struct cells *cells = items->object->state;
        return items->next < cells->count ? cells->items[items->next++] : NULL;
    }
    struct entry *entry = dictionary_next(items->object->state, &items->next);
    return entry ? entry->key : NULL;
}

int items_next(struct items *items, kith_value **item)
{
    if (!items->object)
        return next_value(items, item);
    if (items->object->kind == &kind_array)
        return array_next(items->object->state, items->request->arena, items->next++, item);
    const struct cell *cell = next_kept(items);
    int code = cell ? cell_read(cell, items->request->arena, item) : 0;
    return code < 0 ? code : cell != NULL;
}

int items_next_cell(struct items *items, bool key, struct cell **cell)
{
    if (items->object && items->object->kind != &kind_array && (!key || items->object->kind != &kind_list)) {
        struct cell *kept = next_kept(items);
        *cell = kept ? cell_hold(kept) : NULL;
        return kept != NULL;
    }
    kith_value *item;
    int code = items_next(items, &item);
    if (code != 1)
        return code;
    code = (key ? cell_new_key : cell_new)(items->request->server, cell, item);
    return code < 0 ? code : 1;
}

int items_gather(struct request *request, const kith_value *value, bool keys, struct cells *cells)
{
    struct items items;
    struct cell *cell;
    int code = items_begin(&items, request, value);
    if (code < 0)
        return code;
    while ((code = items_next_cell(&items, keys, &cell)) == 1) {
        code = cells_append(request->server, cells, cell);
        if (code < 0)
            return code;
    }
    return code;
}

/* ---- pairs ---- */

bool items_are_pairs(struct request *request, const kith_value *value)
{
    if (kith_value_kind(value) != KITH_OBJECT)
        return kith_value_kind(value) == KITH_DICT;
    const struct object *object = proxy_object(request->server, value);
    if (object)
        return object->kind == &kind_dict;
    return is_filled(value) && !kith_object_is(value, "collections", "deque") &&
           (kith_object_step_count(value) == 0 ||
            kith_object_step_at(value, kith_object_step_count(value) - 1, NULL, NULL) == KITH_STEP_SET_ITEM);
}

static int next_pair_of_values(struct items *items, kith_value **key, kith_value **item)
{
    if (kith_value_kind(items->source) == KITH_DICT)
        return kith_value_pair_at(items->source, items->next++, key, item);
    int step;
    while ((step = kith_object_step_at(items->source, items->next++, key, item)) != 0) {
        if (step == KITH_STEP_SET_ITEM)
            return 1;
    }
    return 0;
}

int items_next_pair(struct items *items, struct cell **key, struct cell **item)
{
    if (items->object) {
        struct entry *entry = dictionary_next(items->object->state, &items->next);
        if (!entry)
            return 0;
        *key = cell_hold(entry->key);
        *item = cell_hold(entry->item);
        return 1;
    }
    kith_value *key_value, *item_value;
    if (next_pair_of_values(items, &key_value, &item_value) == 0)
        return 0;
    int code = cell_new_key(items->request->server, key, key_value);
    if (code < 0)
        return code;
    code = cell_new(items->request->server, item, item_value);
    if (code < 0)
        cell_drop(items->request->server, *key);
    return code < 0 ? code : 1;
}
