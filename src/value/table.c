/* Dicts, sets and frozensets: pairs in the order of their coming. Up to LINEAR of them are searched one by one, which
 * for the small dicts that messages are made of is quicker than any hash. More have an index: slots of a power of two,
 * never more than half of them used, each 0 or 1 + the place of a pair, and probed one after the other from where the
 * hash points.
 *
 * The index is made by who puts, never by who searches, so that several threads may search. Nothing is ever taken out.
 */
#include "value/table.h"

#include "base/error.h"
#include "value/key.h"

#include <errno.h>

enum { LINEAR = 8, FIRST_CAPACITY = 8, SHORT_TEXT = 256 };

#define MOST_PAIRS (UINT32_MAX / 2)

/* ---- searching ---- */

static inline bool is_text(const kith_value *key, const char *text, size_t size)
{
    /* The first byte, of an empty text the NUL behind it, spares most calls. */
    return key->kind == KITH_STR && key->bytes.size == size && *key->bytes.data == *text &&
           memcmp(key->bytes.data, text, size) == 0;
}

/** The slot of the first pair from here on whose key has this hash, or the first empty one. */
static size_t probe(const struct table *table, size_t slot, uint32_t hash)
{
    while (table->index[slot] && key_kept_hash(table->pairs[table->index[slot] - 1].key) != hash)
        slot = (slot + 1) & (table->slots - 1);
    return slot;
}

static int find_by_index(const struct table *table, const kith_value *key, uint64_t *steps, struct pair **pair)
{
    uint32_t hash;
    int code = key_hash(key, &hash);
    if (code < 0)
        return code;
    size_t slot = probe(table, hash & (table->slots - 1), hash);
    for (; table->index[slot]; slot = probe(table, (slot + 1) & (table->slots - 1), hash)) {
        struct pair *found = &table->pairs[table->index[slot] - 1];
        code = key_equal(found->key, key, steps);
        if (code < 0)
            return code;
        if (code == 1) {
            *pair = found;
            return 0;
        }
    }
    *pair = NULL;
    return 0;
}

static int find_by_looking(const struct table *table, const kith_value *key, uint64_t *steps, struct pair **pair)
{
    /* A tuple is hashed also where no index wants it: this tells whether it can be a key, and which it can't equal. */
    uint32_t hash;
    int code = key->kind >= KITH_BYTEARRAY && key->kind != KITH_OBJECT ? key_hash(key, &hash) : 0;
    if (code < 0)
        return code;
    for (size_t i = 0; i < table->count; i++) {
        code = key_equal(table->pairs[i].key, key, steps);
        if (code < 0)
            return code;
        if (code == 1) {
            *pair = &table->pairs[i];
            return 0;
        }
    }
    *pair = NULL;
    return 0;
}

int table_find(const struct table *table, const kith_value *key, uint64_t *steps, struct pair **pair)
{
    return (table->index ? find_by_index : find_by_looking)(table, key, steps, pair);
}

/** Searches for a key that is a text, of which there is no value. @return NULL when it is not there */
static struct pair *find_text(const struct table *table, const char *text, size_t size)
{
    if (!table->index) {
        for (size_t i = 0; i < table->count; i++) {
            if (is_text(table->pairs[i].key, text, size))
                return &table->pairs[i];
        }
        return NULL;
    }
    uint32_t hash = text_hash(text, size);
    size_t slot = probe(table, hash & (table->slots - 1), hash);
    while (table->index[slot] && !is_text(table->pairs[table->index[slot] - 1].key, text, size))
        slot = probe(table, (slot + 1) & (table->slots - 1), hash);
    return table->index[slot] ? &table->pairs[table->index[slot] - 1] : NULL;
}

/* ---- putting ---- */

static void index_pair(struct table *table, size_t place)
{
    size_t slot = key_kept_hash(table->pairs[place].key) & (table->slots - 1);
    while (table->index[slot])
        slot = (slot + 1) & (table->slots - 1);
    table->index[slot] = (uint32_t)(place + 1);
}

/** Makes an index with room for twice the pairs. */
static int make_index(struct table *table)
{
    size_t slots = 4 * LINEAR;
    while (slots < table->count * 4)
        slots *= 2;
    uint32_t *index = arena_take(table->arena, slots * sizeof *index);
    if (!index)
        return table->arena->last;
    memset(index, 0, slots * sizeof *index);
    for (size_t i = 0; i < table->count; i++) {
        uint32_t hash;
        int code = key_hash(table->pairs[i].key, &hash);
        if (code < 0)
            return code;
    }
    table->index = index;
    table->slots = slots;
    for (size_t i = 0; i < table->count; i++)
        index_pair(table, i);
    return 0;
}

static int reserve(struct table *table)
{
    if (table->count < table->capacity)
        return 0;
    if (table->count >= MOST_PAIRS) {
        arena_fail(table->arena, KITH_ELIMIT, "a dict or set has at most %u entries", MOST_PAIRS);
        return KITH_ELIMIT;
    }
    size_t capacity = table->capacity ? table->capacity * 2 : FIRST_CAPACITY;
    struct pair *pairs =
        arena_grow(table->arena, table->pairs, table->capacity * sizeof *pairs, capacity * sizeof *pairs);
    if (!pairs)
        return table->arena->last;
    table->pairs = pairs;
    table->capacity = capacity;
    return 0;
}

int table_append(struct table *table, kith_value *key, kith_value *item)
{
    int code = reserve(table);
    if (code < 0)
        return code;
    value_insert(key);
    if (item)
        value_insert(item);
    table->pairs[table->count++] = (struct pair){ key, item };
    return 0;
}

/** Appends a pair whose key is known to be new. */
static int put_new(struct table *table, kith_value *key, kith_value *item)
{
    uint32_t hash;
    int code = table->index ? key_hash(key, &hash) : 0;
    if (code == 0)
        code = table_append(table, key, item);
    if (code < 0)
        return code;
    if (table->index && table->count * 2 <= table->slots) {
        index_pair(table, table->count - 1);
        return 0;
    }
    if (table->count <= LINEAR)
        return 0;
    code = make_index(table);
    if (code < 0)
        table->count--;
    return code;
}

int table_settle(struct table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        uint32_t hash;
        int code = key_hash(table->pairs[i].key, &hash);
        if (code < 0)
            return code;
    }
    return table->count > LINEAR ? make_index(table) : 0;
}

static void replace(struct pair *pair, kith_value *item)
{
    if (!item)
        return;
    value_insert(item);
    pair->item = item;
}

/** Searches, and counts what that took for the arena, whose limit is for all searches together. */
static int find_for_put(struct table *table, const kith_value *key, struct pair **pair)
{
    kith_arena *arena = table->arena;
    uint64_t most = arena->work < COMPARE_STEPS_MAX ? arena->work : COMPARE_STEPS_MAX, steps = most;
    int code = table_find(table, key, &steps, pair);
    if (arena->work != UINT64_MAX)
        arena->work -= most - steps;
    return code;
}

int value_table_put(kith_value *value, kith_value *key, kith_value *item)
{
    struct table *table = value->table;
    struct pair *pair = NULL;
    int code = 0;
    if (key->kind == KITH_STR && key->bytes.size <= SHORT_TEXT && !table->index)
        pair = find_text(table, key->bytes.data, key->bytes.size);
    else
        code = find_for_put(table, key, &pair);
    if (code == 0 && !pair)
        code = put_new(table, key, item);
    else if (code == 0)
        replace(pair, item);
    if (code < 0)
        arena_fail(table->arena, code, "%s", kith_error_detail());
    else
        value_grow(value);
    return code;
}

/* ---- making ---- */

kith_value *value_table(kith_arena *arena, kith_kind kind, size_t capacity)
{
    struct whole {
        kith_value value;
        struct table table;
        struct pair pairs[];
    } * whole;
    if (capacity > MOST_PAIRS)
        return arena_fail(arena, KITH_ELIMIT, "a dict or set has at most %u entries", MOST_PAIRS);
    whole = arena_take(arena, sizeof *whole + capacity * sizeof *whole->pairs);
    if (!whole)
        return NULL;
    whole->value = (kith_value){ .kind = (uint8_t)kind, .table = &whole->table };
    whole->table = (struct table){ .pairs = whole->pairs, .capacity = capacity, .arena = arena };
    return &whole->value;
}

static kith_value *make(kith_arena *arena, kith_kind kind, size_t capacity)
{
    if (!arena)
        return arena_fail(NULL, -EINVAL, "arena is NULL: give the one that will own the %s", kith_kind_name((int)kind));
    return value_table(arena, kind, capacity);
}

kith_value *kith_value_dict(kith_arena *arena)
{
    return make(arena, KITH_DICT, 0);
}

kith_value *kith_value_new_set(kith_arena *arena)
{
    return make(arena, KITH_SET, 0);
}

/** Refuses a container that is none of this kind. @return 0, -EINVAL, KITH_ETYPE */
static int check(const kith_value *container, kith_kind kind)
{
    if (!container)
        return value_refuse_nothing(NULL, kith_kind_name((int)kind));
    if (container->kind == kind)
        return 0;
    arena_fail(value_arena(container), KITH_ETYPE, "put into a %s: it is no %s", kith_kind_name(container->kind),
               kith_kind_name((int)kind));
    return KITH_ETYPE;
}

int kith_value_set_item(kith_value *dict, kith_value *key, kith_value *item)
{
    int code = check(dict, KITH_DICT);
    if (code < 0)
        return code;
    if (!key || !item)
        return value_refuse_nothing(dict->table->arena, key ? "item" : "key");
    return value_table_put(dict, key, item);
}

int kith_value_set(kith_value *dict, const char *key, kith_value *item)
{
    int code = check(dict, KITH_DICT);
    if (code < 0)
        return code;
    struct table *table = dict->table;
    if (!key || !item)
        return value_refuse_nothing(table->arena, key ? "item" : "key");
    size_t size = strlen(key);
    struct pair *pair = find_text(table, key, size);
    if (pair) {
        replace(pair, item);
    } else {
        kith_value *text = kith_value_str_sized(table->arena, key, size);
        code = text ? put_new(table, text, item) : table->arena->last;
    }
    if (code == 0)
        value_grow(dict);
    return code;
}

int kith_value_add(kith_value *set, kith_value *item)
{
    int code = check(set, KITH_SET);
    if (code < 0)
        return code;
    return item ? value_table_put(set, item, NULL) : value_refuse_nothing(set->table->arena, "item");
}

kith_value *kith_value_frozenset(kith_arena *arena, kith_value *const *items, size_t count)
{
    if (!items && count)
        return arena_fail(arena, -EINVAL, "items is NULL");
    kith_value *set = make(arena, KITH_FROZENSET, count);
    for (size_t i = 0; set && i < count; i++) {
        int code = items[i] ? value_table_put(set, items[i], NULL) : value_refuse_nothing(arena, "an item");
        if (code < 0)
            return NULL;
    }
    return set;
}

/* ---- reading ---- */

int kith_value_pair_at(const kith_value *value, size_t index, kith_value **key, kith_value **item)
{
    if (kith_value_kind(value) != KITH_DICT || index >= value->table->count)
        return 0;
    if (key)
        *key = value->table->pairs[index].key;
    if (item)
        *item = value->table->pairs[index].item;
    return 1;
}

kith_value *kith_value_get(const kith_value *dict, const char *key)
{
    if (kith_value_kind(dict) != KITH_DICT || !key)
        return NULL;
    struct pair *pair = find_text(dict->table, key, strlen(key));
    return pair ? pair->item : NULL;
}

kith_value *kith_value_find(const kith_value *value, const kith_value *key)
{
    uint64_t steps = COMPARE_STEPS_MAX;
    struct pair *pair;
    if (!value || !value_is_table(value) || !key || table_find(value->table, key, &steps, &pair) < 0 || !pair)
        return NULL;
    return pair->item ? pair->item : pair->key;
}
