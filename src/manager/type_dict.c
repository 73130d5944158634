/* The kind dict. Views go as lists, as CPython's server pickles them. */
#include "base/error.h"
#include "manager/contents.h"
#include "manager/items.h"
#include "manager/iterator.h"
#include "manager/kind.h"
#include "manager/loans.h"
#include "manager/splice.h"
#include "manager/token.h"

#include <errno.h>

static struct dictionary *dict_of(const struct request *request)
{
    return request->object->state;
}

/* ---- one key ---- */

/** The entry of a key. @param entry  receives it, NULL when there is none */
static int find(struct request *request, const kith_value *key, struct entry **entry)
{
    struct cell *cell;
    int code = cell_new_key(request->server, &cell, key);
    if (code < 0)
        return code;
    code = dictionary_find(dict_of(request), cell, entry);
    cell_drop(request->server, cell);
    return code;
}

/** The entry of the one argument. */
static int find_argument(struct request *request, const kith_value **key, struct entry **entry)
{
    int code = request_arguments(request, "key/", key);
    return code < 0 ? code : find(request, *key, entry);
}

static int put(struct request *request, const kith_value *key, const kith_value *value)
{
    struct cell *key_cell, *cell;
    int code = cell_new_key(request->server, &key_cell, key);
    if (code < 0)
        return code;
    code = cell_new(request->server, &cell, value);
    if (code == 0)
        return dictionary_put(request->server, dict_of(request), key_cell, cell);
    cell_drop(request->server, key_cell);
    return code;
}

static int contains(struct request *request)
{
    const kith_value *key;
    struct entry *entry;
    int code = find_argument(request, &key, &entry);
    return code < 0 ? code : request_answer_bool(request, entry != NULL);
}

static int get_item(struct request *request)
{
    const kith_value *key;
    struct entry *entry;
    int code = find_argument(request, &key, &entry);
    if (code < 0)
        return code;
    return entry ? request_answer_cell(request, entry->item) : request_raise_value(request, "KeyError", key);
}

static int set_item(struct request *request)
{
    const kith_value *key, *value;
    int code = request_arguments(request, "key/ value/", &key, &value);
    if (code == 0)
        code = put(request, key, value);
    return code < 0 ? code : request_answer_none(request);
}

/** Drops what dictionary_take gave. */
static void drop_entry(struct server *server, struct entry entry)
{
    cell_drop(server, entry.key);
    cell_drop(server, entry.item);
}

static int delete_item(struct request *request)
{
    const kith_value *key;
    struct entry *entry;
    int code = find_argument(request, &key, &entry);
    if (code < 0)
        return code;
    if (!entry)
        return request_raise_value(request, "KeyError", key);
    drop_entry(request->server, dictionary_take(request->server, dict_of(request), entry));
    return request_answer_none(request);
}

/* The entry of the first argument, NULL when there is none; and what is to be taken then. */
static int find_or_default(struct request *request, const kith_value **key, const kith_value **other,
                           struct entry **entry)
{
    int code = request_arguments(request, "key/ default?/", key, other);
    return code < 0 ? code : find(request, *key, entry);
}

static int get(struct request *request)
{
    const kith_value *key, *other;
    struct entry *entry;
    int code = find_or_default(request, &key, &other, &entry);
    if (code < 0)
        return code;
    if (entry)
        return request_answer_cell(request, entry->item);
    return other ? request_answer_value(request, other) : request_answer_none(request);
}

static int pop(struct request *request)
{
    const kith_value *key, *other;
    struct entry *entry = NULL;
    int code = request_arguments(request, "key/ default?/", &key, &other);
    if (code == 0 && dict_of(request)->count > 0) /* of an empty one, Python does not ask whether it could be a key */
        code = find(request, key, &entry);
    if (code < 0)
        return code;
    if (!entry)
        return other ? request_answer_value(request, other) : request_raise_value(request, "KeyError", key);
    struct entry taken = dictionary_take(request->server, dict_of(request), entry);
    code = request_answer_cell(request, taken.item);
    drop_entry(request->server, taken);
    return code;
}

static int set_default(struct request *request)
{
    const kith_value *key, *other;
    struct entry *entry;
    int code = find_or_default(request, &key, &other, &entry);
    if (code < 0)
        return code;
    if (entry)
        return request_answer_cell(request, entry->item);
    if (!other)
        other = kith_value_none(request->arena);
    code = put(request, key, other);
    return code < 0 ? code : request_answer_value(request, other);
}

static int pop_item(struct request *request)
{
    struct dictionary *dict = dict_of(request);
    kith_value *pair[2];
    int code = request_arguments(request, "");
    struct entry *last = dictionary_last(dict);
    if (code == 0 && !last)
        return request_raise(request, "KeyError", "popitem(): dictionary is empty");
    if (code == 0)
        code = cell_read(last->key, request->arena, &pair[0]);
    if (code == 0)
        code = cell_read(last->item, request->arena, &pair[1]);
    if (code < 0)
        return code;
    struct entry taken = dictionary_take(request->server, dict, last);
    code = request_answer_value(request, kith_value_tuple(request->arena, pair, 2));
    if (code == REQUEST_ANSWERED) {
        lend_all(request->server, request->line, taken.key);
        lend_all(request->server, request->line, taken.item);
    }
    drop_entry(request->server, taken);
    return code;
}

/* ---- the whole ---- */

static int length(struct request *request)
{
    int code = request_arguments(request, "");
    return code < 0 ? code : request_answer_int(request, (int64_t)dict_of(request)->count);
}

static int answer_contents(struct request *request, enum contents form)
{
    int code = request_arguments(request, "");
    return code < 0 ? code : splice_dictionary(request, dict_of(request), form);
}

static int keys(struct request *request)
{
    return answer_contents(request, CONTENTS_KEYS);
}

static int values(struct request *request)
{
    return answer_contents(request, CONTENTS_ITEMS);
}

static int items(struct request *request)
{
    return answer_contents(request, CONTENTS_PAIRS);
}

static int iterate(struct request *request)
{
    int code = request_arguments(request, "");
    return code < 0 ? code : iterator_answer(request, dict_of(request), "dictionary");
}

/** An iterator over the keys from the last to the first, as Python pickles one. */
static int reversed(struct request *request)
{
    kith_value *list = NULL, *back = kith_value_list(request->arena);
    int code = request_arguments(request, "");
    if (code == 0)
        code = contents_of_dictionary(request->arena, dict_of(request), CONTENTS_KEYS, &list);
    for (size_t i = kith_value_length(list); code == 0 && i > 0; i--)
        code = kith_value_append(back, kith_value_at(list, i - 1));
    if (code < 0)
        return code;
    kith_value *callable = kith_object_global(request->arena, "builtins", "iter");
    kith_value *iterator = kith_object_call(request->arena, callable, kith_value_tuple(request->arena, &back, 1));
    return contents_answer(request, kith_arena_error(request->arena), iterator);
}

static int value(struct request *request)
{
    return splice_dictionary(request, dict_of(request), CONTENTS_DICT);
}

static int copy(struct request *request)
{
    int code = request_arguments(request, "");
    return code < 0 ? code : value(request);
}

static int repr(struct request *request)
{
    kith_value *dict;
    int code = contents_of_dictionary(request->arena, dict_of(request), CONTENTS_DICT, &dict);
    return code < 0 ? code : contents_show(request, dict);
}

static int clear(struct request *request)
{
    int code = request_arguments(request, "");
    if (code < 0)
        return code;
    dictionary_clear(request->server, dict_of(request));
    return request_answer_none(request);
}

/* ---- with others ---- */

/** The two of a pair that is given as something to iterate over. */
static int read_pair(struct request *request, size_t number, const kith_value *value, kith_value *pair[2])
{
    struct items items;
    kith_value *item;
    size_t count = 0;
    int code = items_begin(&items, request, value);
    if (code == KITH_ETYPE)
        return error_fail(code, "cannot convert dictionary update sequence element #%zu to a sequence", number);
    while (code >= 0 && (code = items_next(&items, &item)) == 1) {
        if (count < 2)
            pair[count] = item;
        count++;
    }
    if (code == 0 && count != 2)
        code =
            error_fail(-EINVAL, "dictionary update sequence element #%zu has length %zu; 2 is required", number, count);
    return code;
}

static int put_pairs(struct request *request, struct dictionary *dict, struct items *items)
{
    kith_value *item, *pair[2];
    size_t number = 0;
    int code;
    while ((code = items_next(items, &item)) == 1) {
        struct cell *key, *cell;
        code = read_pair(request, number++, item, pair);
        if (code == 0)
            code = cell_new_key(request->server, &key, pair[0]);
        if (code < 0)
            return code;
        code = cell_new(request->server, &cell, pair[1]);
        if (code < 0)
            cell_drop(request->server, key);
        else
            code = dictionary_put(request->server, dict, key, cell);
        if (code < 0)
            return code;
    }
    return code;
}

static int put_entries(struct request *request, struct dictionary *dict, struct items *items)
{
    struct cell *key, *cell;
    int code;
    while ((code = items_next_pair(items, &key, &cell)) == 1) {
        code = dictionary_put(request->server, dict, key, cell);
        if (code < 0)
            return code;
    }
    return code;
}

/** Sets all pairs of a value. What is put may take the place of the last proxy of the object that it comes from. */
static int put_all(struct request *request, struct dictionary *dict, const kith_value *from)
{
    struct items items;
    int code = items_begin(&items, request, from);
    if (code < 0)
        return code;
    struct object *source = items.object;
    if (source && source->state == dict)
        return 0; /* all of it is there */
    if (source)
        object_hold(source);
    code = (items_are_pairs(request, from) ? put_entries : put_pairs)(request, dict, &items);
    object_drop(request->server, source);
    return code;
}

/** Sets what a constructor or update was given: one argument or none, and keywords. */
static int put_arguments(struct request *request, struct dictionary *dict, const char *function)
{
    size_t given = kith_value_length(request->args);
    if (given > 1)
        return error_fail(KITH_ETYPE, "%s expected at most 1 argument, got %zu", function, given);
    int code = given ? put_all(request, dict, kith_value_at(request->args, 0)) : 0;
    return code < 0 || kith_value_length(request->kwargs) == 0 ? code : put_all(request, dict, request->kwargs);
}

static int update(struct request *request)
{
    int code = put_arguments(request, dict_of(request), "update");
    return code < 0 ? code : request_answer_none(request);
}

static bool is_dict(struct request *request, const kith_value *value)
{
    return items_are_pairs(request, value) && !proxy_object(request->server, value);
}

/** Both together, those of the other side's pairs last. @param turned  the dict is the right side */
static int answer_union(struct request *request, bool turned)
{
    const kith_value *other;
    struct dictionary all = { 0 };
    int code = request_arguments(request, "value/", &other);
    if (code < 0)
        return code;
    if (!is_dict(request, other))
        return request_answer_value(request, kith_object_global(request->arena, "builtins", "NotImplemented"));
    if (turned)
        code = put_all(request, &all, other);
    struct entry *entry;
    for (size_t place = 0; code == 0 && (entry = dictionary_next(dict_of(request), &place));)
        code = dictionary_put(request->server, &all, cell_hold(entry->key), cell_hold(entry->item));
    if (code == 0 && !turned)
        code = put_all(request, &all, other);
    if (code == 0)
        code = splice_dictionary(request, &all, CONTENTS_DICT);
    dictionary_clear(request->server, &all);
    return code;
}

static int or (struct request * request)
{
    return answer_union(request, false);
}

static int or_turned(struct request *request)
{
    return answer_union(request, true);
}

static int or_in_place(struct request *request)
{
    const kith_value *other;
    int code = request_arguments(request, "value/", &other);
    if (code == 0)
        code = put_all(request, dict_of(request), other);
    return code < 0 ? code : value(request);
}

/** A new dict, as Python's class method gives it. */
static int from_keys(struct request *request)
{
    const kith_value *iterable, *other;
    struct items source;
    kith_value *key, *dict = kith_value_dict(request->arena), *item = kith_value_none(request->arena);
    int code = request_arguments(request, "iterable/ value?/", &iterable, &other);
    if (code == 0 && other)
        item = kith_value_copy(request->arena, other);
    if (code == 0)
        code = items_begin(&source, request, iterable);
    while (code == 0 && (code = items_next(&source, &key)) == 1) {
        struct cell *cell; /* told so because keys of Python's are not those of a value */
        code = cell_new_key(request->server, &cell, key);
        if (code < 0)
            break;
        cell_drop(request->server, cell);
        code = kith_value_set_item(dict, key, item);
    }
    return contents_answer(request, code, dict);
}

/* ---- beginning and end ---- */

static void end(struct server *server, void *state)
{
    dictionary_free(server, state);
}

static int make(struct request *request, void **state)
{
    struct dictionary *dict;
    int code = dictionary_new(&dict);
    if (code < 0)
        return code;
    code = put_arguments(request, dict, "dict");
    if (code < 0)
        dictionary_free(request->server, dict);
    else
        *state = dict;
    return code;
}

static int save(struct server *server, void *state, kith_arena *arena, kith_value **saved)
{
    return dictionary_save(server, state, arena, saved);
}

static int load(struct server *server, const kith_value *saved, void **state)
{
    struct dictionary *dict;
    int code = dictionary_load(server, saved, true, &dict);
    if (code == 0)
        *state = dict;
    return code;
}

static const struct kind_method methods[] = {
    { "__contains__", contains, true },
    { "__delitem__", delete_item, false },
    { "__getitem__", get_item, true },
    { "__ior__", or_in_place, false },
    { "__iter__", iterate, true },
    { "__len__", length, true },
    { "__or__", or, true },
    { "__reversed__", reversed, true },
    { "__ror__", or_turned, true },
    { "__setitem__", set_item, false },
    { "clear", clear, false },
    { "copy", copy, true },
    { "fromkeys", from_keys, true },
    { "get", get, true },
    { "items", items, true },
    { "keys", keys, true },
    { "pop", pop, false },
    { "popitem", pop_item, false },
    { "setdefault", set_default, false },
    { "update", update, false },
    { "values", values, true },
};

const struct kind kind_dict = {
    .name = "dict",
    .proxy = "DictProxy",
    .methods = methods,
    .method_count = sizeof methods / sizeof *methods,
    .make = make,
    .end = end,
    .value = value,
    .repr = repr,
    .save = save,
    .load = load,
};
