#include "manager/dictionary.h"

#include "base/error.h"
#include "manager/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Of hashes of 32 bits with a secret nobody finds so many that are the same, unless what Python alone understands differs
 * only where it nests so deep that its hash does not tell. To compare it with all the others would hold up the server. */
enum { FIRST_CAPACITY = 8, ALIKE_MAX = 64 };

#define MOST_ENTRIES (UINT32_MAX / 2)

/** What so many entries and their slots take. */
static size_t memory_of(size_t capacity)
{
    return capacity * (sizeof(struct entry) + 2 * sizeof(uint32_t));
}

static size_t first_slot(const struct dictionary *dictionary, uint32_t hash)
{
    return hash & (2 * dictionary->capacity - 1);
}

static size_t next_slot(const struct dictionary *dictionary, size_t slot)
{
    return (slot + 1) & (2 * dictionary->capacity - 1);
}

int dictionary_find(const struct dictionary *dictionary, const struct cell *key, struct entry **entry)
{
    unsigned alike = 0;
    *entry = NULL;
    if (dictionary->count == 0)
        return 0;
    for (size_t slot = first_slot(dictionary, key->hash); dictionary->slots[slot]; slot = next_slot(dictionary, slot)) {
        struct entry *found = &dictionary->entries[dictionary->slots[slot] - 1];
        int equal = found->key ? cell_equal(found->key, key) : 0;
        if (!equal && found->key && found->key->hash == key->hash && ++alike == ALIKE_MAX)
            return error_fail(KITH_ELIMIT, "there are %u keys already that can hardly be told from this one", alike);
        if (equal < 0)
            return equal;
        if (equal) {
            *entry = found;
            return 0;
        }
    }
    return 0;
}

static void index_entry(struct dictionary *dictionary, size_t place)
{
    size_t slot = first_slot(dictionary, dictionary->entries[place].key->hash);
    while (dictionary->slots[slot])
        slot = next_slot(dictionary, slot);
    dictionary->slots[slot] = (uint32_t)(place + 1);
    dictionary->filled++;
}

/** Gives the dictionary room for so many entries, and closes the holes. */
static int rebuild(struct server *server, struct dictionary *dictionary, size_t capacity)
{
    if (capacity > MOST_ENTRIES)
        return error_fail(-ENOMEM, "a dict or set has at most %u entries", MOST_ENTRIES);
    if (!server_take_memory(server, memory_of(capacity)))
        return error_fail(-ENOMEM, "the server may keep no more: its max_memory is reached");
    struct entry *entries = malloc(capacity * sizeof *entries);
    uint32_t *slots = calloc(2 * capacity, sizeof *slots);
    if (!entries || !slots) {
        free(entries);
        free(slots);
        server_give_memory(server, memory_of(capacity));
        return error_fail(-ENOMEM, "no memory for a dict or set of %zu entries", capacity);
    }
    struct dictionary made = {
        .entries = entries, .capacity = capacity, .slots = slots, .closed = dictionary->closed + 1
    };
    for (size_t place = 0; place < dictionary->used; place++) {
        if (!dictionary->entries[place].key)
            continue;
        entries[made.used] = dictionary->entries[place];
        index_entry(&made, made.used++);
    }
    made.count = made.used;
    free(dictionary->entries);
    free(dictionary->slots);
    server_give_memory(server, memory_of(dictionary->capacity));
    *dictionary = made;
    return 0;
}

/** Makes room for one more: twice as many, or the same where half of them are holes. */
static int reserve(struct server *server, struct dictionary *dictionary)
{
    if (dictionary->used < dictionary->capacity && dictionary->filled < dictionary->capacity)
        return 0;
    size_t capacity = FIRST_CAPACITY;
    while (capacity < 2 * dictionary->count)
        capacity *= 2;
    return rebuild(server, dictionary, capacity);
}

int dictionary_put(struct server *server, struct dictionary *dictionary, struct cell *key, struct cell *item)
{
    struct entry *found, old = { key, item };
    int code = dictionary_find(dictionary, key, &found);
    if (code == 0 && found) {
        old = (struct entry){ key, found->item };
        found->item = item;
    } else if (code == 0) {
        code = reserve(server, dictionary);
        if (code == 0) {
            dictionary->entries[dictionary->used] = old;
            index_entry(dictionary, dictionary->used++);
            dictionary->count++;
            old = (struct entry){ 0 };
        }
    }
    cell_drop(server, old.key);
    cell_drop(server, old.item);
    return code;
}

struct entry dictionary_take(struct server *server, struct dictionary *dictionary, struct entry *entry)
{
    struct entry taken = *entry;
    *entry = (struct entry){ 0 };
    dictionary->count--;
    while (dictionary->used > 0 && !dictionary->entries[dictionary->used - 1].key)
        dictionary->used--; /* their slots stay, and may come to point to other entries: that does no harm */
    if (dictionary->count == 0)
        dictionary_clear(server, dictionary);
    return taken;
}

struct entry *dictionary_next(const struct dictionary *dictionary, size_t *place)
{
    while (*place < dictionary->used) {
        struct entry *entry = &dictionary->entries[(*place)++];
        if (entry->key)
            return entry;
    }
    return NULL;
}

struct entry *dictionary_last(const struct dictionary *dictionary)
{
    for (size_t place = dictionary->used; place > 0; place--) {
        if (dictionary->entries[place - 1].key)
            return &dictionary->entries[place - 1];
    }
    return NULL;
}

void dictionary_replace(struct server *server, struct dictionary *dictionary, struct dictionary *by)
{
    struct dictionary old = *dictionary;
    *dictionary = *by;
    dictionary->closed = old.closed + 1;
    *by = (struct dictionary){ 0 };
    dictionary_clear(server, &old);
}

void dictionary_clear(struct server *server, struct dictionary *dictionary)
{
    struct dictionary old = *dictionary;
    *dictionary = (struct dictionary){ .closed = old.closed + 1 };
    for (size_t place = 0; place < old.used; place++) {
        cell_drop(server, old.entries[place].key);
        cell_drop(server, old.entries[place].item);
    }
    server_give_memory(server, memory_of(old.capacity));
    free(old.entries);
    free(old.slots);
}

/* ---- on the heap ---- */

int dictionary_new(struct dictionary **dictionary)
{
    struct dictionary *made = calloc(1, sizeof *made);
    if (!made)
        return error_fail(-ENOMEM, "no memory for a dict or set");
    *dictionary = made;
    return 0;
}

void dictionary_free(struct server *server, struct dictionary *dictionary)
{
    dictionary_clear(server, dictionary);
    free(dictionary);
}

/* ---- snapshots ---- */

static int save_entry(struct server *server, const struct entry *entry, kith_arena *arena, kith_value *list)
{
    kith_value *saved[2];
    int code = cell_save(server, entry->key, arena, &saved[0]);
    if (code == 0 && entry->item)
        code = cell_save(server, entry->item, arena, &saved[1]);
    if (code < 0)
        return code;
    kith_value *one = entry->item ? kith_value_tuple(arena, saved, 2) : saved[0];
    return one ? kith_value_append(list, one) : kith_arena_error(arena);
}

int dictionary_save(struct server *server, const struct dictionary *dictionary, kith_arena *arena, kith_value **list)
{
    kith_value *made = kith_value_list(arena);
    int code = made ? 0 : kith_arena_error(arena);
    struct entry *entry;
    for (size_t place = 0; code == 0 && (entry = dictionary_next(dictionary, &place));)
        code = save_entry(server, entry, arena, made);
    if (code == 0)
        *list = made;
    return code;
}

static int load_entry(struct server *server, struct dictionary *dictionary, const kith_value *key,
                      const kith_value *item)
{
    struct cell *key_cell, *item_cell = NULL;
    int code = cell_load(server, &key_cell, key, true);
    if (code < 0)
        return code;
    code = item ? cell_load(server, &item_cell, item, false) : 0;
    if (code == 0)
        return dictionary_put(server, dictionary, key_cell, item_cell);
    cell_drop(server, key_cell);
    return code;
}

int dictionary_load(struct server *server, const kith_value *list, bool pairs, struct dictionary **dictionary)
{
    struct dictionary *made = NULL;
    kith_value *key, *item = NULL;
    if (kith_value_kind(list) != KITH_LIST)
        return error_fail(KITH_EMALFORMED, "a dict or set is kept as a list");
    int code = dictionary_new(&made);
    if (code < 0)
        return code;
    for (size_t i = 0; code == 0 && i < kith_value_length(list); i++) {
        key = kith_value_at(list, i);
        if (pairs)
            code = kith_value_unpack(key, "(vv)", &key, &item);
        if (code == 0)
            code = load_entry(server, made, key, item);
    }
    if (code == 0)
        *dictionary = made;
    else
        dictionary_free(server, made);
    return code;
}
