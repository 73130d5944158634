/* The kind set, with the methods of Python 3.14's SetProxy. What a method gives that makes a set is a value, as there;
 * operators take sets only, the methods of the same meaning anything that can be iterated over. */
#include "base/error.h"
#include "manager/contents.h"
#include "manager/items.h"
#include "manager/iterator.h"
#include "manager/kind.h"
#include "manager/splice.h"

#include <errno.h>
#include <stdlib.h>

static struct dictionary *set_of(const struct request *request)
{
    return request->object->state;
}

/* ---- one item ---- */

/** Makes a frozenset of a set's items. */
static int freeze(kith_arena *arena, const kith_value *set, kith_value **frozen)
{
    size_t count = kith_value_length(set);
    kith_value **items = calloc(count + 1, sizeof *items);
    if (!items)
        return error_fail(-ENOMEM, "no memory for a frozenset of %zu items", count);
    for (size_t i = 0; i < count; i++)
        items[i] = kith_value_at(set, i);
    kith_value *made = kith_value_frozenset(arena, items, count);
    free(items);
    if (!made)
        return kith_arena_error(arena);
    *frozen = made;
    return 0;
}

/** A set that is looked for in a set is taken for the frozenset of its items, as Python does. */
static int make_key(struct request *request, const kith_value *value, struct cell **cell)
{
    kith_value *frozen;
    if (kith_value_kind(value) != KITH_SET)
        return cell_new_key(request->server, cell, value);
    int code = freeze(request->arena, value, &frozen);
    return code < 0 ? code : cell_new_key(request->server, cell, frozen);
}

static int find_argument(struct request *request, const kith_value **value, struct entry **entry)
{
    struct cell *cell;
    int code = request_arguments(request, "item/", value);
    if (code == 0)
        code = make_key(request, *value, &cell);
    if (code < 0)
        return code;
    code = dictionary_find(set_of(request), cell, entry);
    cell_drop(request->server, cell);
    return code;
}

static int contains(struct request *request)
{
    const kith_value *value;
    struct entry *entry;
    int code = find_argument(request, &value, &entry);
    return code < 0 ? code : request_answer_bool(request, entry != NULL);
}

static int add(struct request *request)
{
    const kith_value *value;
    struct cell *cell;
    int code = request_arguments(request, "item/", &value);
    if (code == 0)
        code = cell_new_key(request->server, &cell, value);
    if (code == 0)
        code = dictionary_put(request->server, set_of(request), cell, NULL);
    return code < 0 ? code : request_answer_none(request);
}

static void take(struct request *request, struct entry *entry)
{
    cell_drop(request->server, dictionary_take(request->server, set_of(request), entry).key);
}

static int discard(struct request *request)
{
    const kith_value *value;
    struct entry *entry;
    int code = find_argument(request, &value, &entry);
    if (code == 0 && entry)
        take(request, entry);
    return code < 0 ? code : request_answer_none(request);
}

static int remove_item(struct request *request)
{
    const kith_value *value;
    struct entry *entry;
    int code = find_argument(request, &value, &entry);
    if (code < 0)
        return code;
    if (!entry)
        return request_raise_value(request, "KeyError", value);
    take(request, entry);
    return request_answer_none(request);
}

static int pop(struct request *request)
{
    int code = request_arguments(request, "");
    struct entry *last = dictionary_last(set_of(request));
    if (code < 0)
        return code;
    if (!last)
        return request_raise(request, "KeyError", "pop from an empty set");
    struct entry taken = dictionary_take(request->server, set_of(request), last);
    code = request_answer_cell(request, taken.key);
    cell_drop(request->server, taken.key);
    return code;
}

/* ---- the whole ---- */

static int length(struct request *request)
{
    int code = request_arguments(request, "");
    return code < 0 ? code : request_answer_int(request, (int64_t)set_of(request)->count);
}

static int iterate(struct request *request)
{
    int code = request_arguments(request, "");
    return code < 0 ? code : iterator_answer(request, set_of(request), "Set");
}

static int answer_set(struct request *request, const struct dictionary *set, bool frozen)
{
    kith_value *made = NULL;
    if (!frozen)
        return splice_dictionary(request, set, CONTENTS_SET);
    int code = contents_of_dictionary(request->arena, set, CONTENTS_SET, &made);
    if (code == 0)
        code = freeze(request->arena, made, &made);
    return contents_answer(request, code, made);
}

static int value(struct request *request)
{
    return answer_set(request, set_of(request), false);
}

static int copy(struct request *request)
{
    int code = request_arguments(request, "");
    return code < 0 ? code : value(request);
}

static int repr(struct request *request)
{
    kith_value *set;
    int code = contents_of_dictionary(request->arena, set_of(request), CONTENTS_SET, &set);
    return code < 0 ? code : contents_show(request, set);
}

static int clear(struct request *request)
{
    int code = request_arguments(request, "");
    if (code < 0)
        return code;
    dictionary_clear(request->server, set_of(request));
    return request_answer_none(request);
}

/* ---- operations on sets ---- */

static bool is_set_value(const kith_value *value)
{
    int kind = kith_value_kind(value);
    return kind == KITH_SET || kind == KITH_FROZENSET;
}

/** Puts all items of one set into another. */
static int put_all(struct server *server, struct dictionary *set, const struct dictionary *from)
{
    struct entry *entry;
    int code = 0;
    for (size_t place = 0; code == 0 && (entry = dictionary_next(from, &place));)
        code = dictionary_put(server, set, cell_hold(entry->key), NULL);
    return code;
}

/** Keeps in a set only the items that another has. Of two that are equal, and not the same, as 1 and True, the one that
 *  Python would keep: it goes through the smaller of two sets. */
static int intersect(struct server *server, struct dictionary *set, const struct dictionary *other, bool is_set)
{
    bool swap = is_set && other->count > set->count;
    const struct dictionary *through = swap ? set : other, *in = swap ? other : set;
    struct dictionary both = { 0 };
    struct entry *entry, *found;
    int code = 0;
    for (size_t place = 0; code == 0 && (entry = dictionary_next(through, &place));) {
        code = dictionary_find(in, entry->key, &found);
        if (code == 0 && found)
            code = dictionary_put(server, &both, cell_hold(entry->key), NULL);
    }
    if (code < 0) {
        dictionary_clear(server, &both);
        return code;
    }
    dictionary_replace(server, set, &both);
    return 0;
}

/** Takes out what another has. */
static int subtract_items(struct server *server, struct dictionary *set, const struct dictionary *other)
{
    struct entry *entry, *found;
    int code = 0;
    for (size_t place = 0; code == 0 && (entry = dictionary_next(set, &place));) {
        code = dictionary_find(other, entry->key, &found);
        if (code == 0 && found)
            cell_drop(server, dictionary_take(server, set, entry).key);
    }
    return code;
}

/** Takes out what both have, and puts in what only the other has. */
static int exchange(struct server *server, struct dictionary *set, const struct dictionary *other)
{
    struct entry *entry, *found;
    int code = 0;
    for (size_t place = 0; code == 0 && (entry = dictionary_next(other, &place));) {
        code = dictionary_find(set, entry->key, &found);
        if (code == 0 && found)
            cell_drop(server, dictionary_take(server, set, found).key);
        else if (code == 0)
            code = dictionary_put(server, set, cell_hold(entry->key), NULL);
    }
    return code;
}

enum operation { UNION, INTERSECTION, DIFFERENCE, SYMMETRIC };

/** @param is_set  the other one came as a set. */
static int operate(struct server *server, struct dictionary *set, enum operation operation,
                   const struct dictionary *other, bool is_set)
{
    switch (operation) {
    case UNION:
        return put_all(server, set, other);
    case INTERSECTION:
        return intersect(server, set, other, is_set);
    case DIFFERENCE:
        return subtract_items(server, set, other);
    default:
        return exchange(server, set, other);
    }
}

/** Reads what can be iterated over into a set. */
static int read_set(struct request *request, struct dictionary *set, const kith_value *from)
{
    struct items items;
    struct cell *cell;
    int code = items_begin(&items, request, from);
    if (code < 0)
        return code;
    while ((code = items_next_cell(&items, true, &cell)) == 1) {
        code = dictionary_put(request->server, set, cell, NULL);
        if (code < 0)
            return code;
    }
    return code;
}

/** Does an operation with each argument in turn. */
static int operate_with_arguments(struct request *request, struct dictionary *set, enum operation operation)
{
    int code = kith_value_length(request->kwargs) == 0 ? 0 : error_fail(KITH_ETYPE, "takes no keyword arguments");
    for (size_t i = 0; code == 0 && i < kith_value_length(request->args); i++) {
        struct dictionary other = { 0 };
        code = read_set(request, &other, kith_value_at(request->args, i));
        if (code == 0)
            code = operate(request->server, set, operation, &other, is_set_value(kith_value_at(request->args, i)));
        dictionary_clear(request->server, &other);
    }
    return code;
}

/** How many arguments symmetric_difference takes: just one. */
static int check_single(struct request *request, enum operation operation)
{
    const kith_value *other;
    return operation == SYMMETRIC ? request_arguments(request, "iterable/", &other) : 0;
}

static int answer_operation(struct request *request, enum operation operation)
{
    struct dictionary result = { 0 };
    int code = check_single(request, operation);
    if (code == 0)
        code = put_all(request->server, &result, set_of(request));
    if (code == 0)
        code = operate_with_arguments(request, &result, operation);
    if (code == 0)
        code = answer_set(request, &result, false);
    dictionary_clear(request->server, &result);
    return code;
}

static int change_by_operation(struct request *request, enum operation operation)
{
    int code = check_single(request, operation);
    if (code == 0)
        code = operate_with_arguments(request, set_of(request), operation);
    return code < 0 ? code : request_answer_none(request);
}

/** The one argument of an operator. @return 1; 0 when it is no set, and that is answered; a code */
static int read_operand(struct request *request, struct dictionary *other)
{
    const kith_value *operand;
    int code = request_arguments(request, "value/", &operand);
    if (code < 0)
        return code;
    if (!is_set_value(operand))
        return request_answer_value(request, kith_object_global(request->arena, "builtins", "NotImplemented"));
    code = read_set(request, other, operand);
    return code < 0 ? code : 1;
}

/** The result is what the left operand is. @param turned  the set is the right one */
static int answer_operator(struct request *request, enum operation operation, bool turned)
{
    struct dictionary other = { 0 }, result = { 0 };
    int code = read_operand(request, &other);
    bool is_set = code == 1;
    bool frozen = turned && kith_value_kind(kith_value_at(request->args, 0)) == KITH_FROZENSET;
    if (is_set)
        code = put_all(request->server, &result, turned ? &other : set_of(request));
    if (is_set && code == 0)
        code = operate(request->server, &result, operation, turned ? set_of(request) : &other, true);
    if (is_set && code == 0)
        code = answer_set(request, &result, frozen);
    dictionary_clear(request->server, &other);
    dictionary_clear(request->server, &result);
    return code;
}

/** An operator that changes the set, and gives it, as Python's do. */
static int change_by_operator(struct request *request, enum operation operation)
{
    struct dictionary other = { 0 };
    int code = read_operand(request, &other);
    if (code == 1) {
        code = operate(request->server, set_of(request), operation, &other, true);
        if (code == 0)
            code = value(request);
    }
    dictionary_clear(request->server, &other);
    return code;
}

/* ---- comparing ---- */

/** Whether all items of one set are in another. @return 1 or 0, or a code */
static int is_within(const struct dictionary *set, const struct dictionary *other)
{
    struct entry *entry, *found;
    for (size_t place = 0; (entry = dictionary_next(set, &place));) {
        int code = dictionary_find(other, entry->key, &found);
        if (code < 0 || !found)
            return code;
    }
    return 1;
}

/** Whether two sets have no item in common. @return 1 or 0, or a code */
static int is_apart(const struct dictionary *set, const struct dictionary *other)
{
    struct entry *entry, *found;
    for (size_t place = 0; (entry = dictionary_next(other, &place));) {
        int code = dictionary_find(set, entry->key, &found);
        if (code < 0 || found)
            return code;
    }
    return 1;
}

enum relation { BELOW, BELOW_OR_SAME, ABOVE, ABOVE_OR_SAME, APART };

static int relate(const struct dictionary *set, enum relation relation, const struct dictionary *other)
{
    switch (relation) {
    case BELOW:
        return set->count < other->count ? is_within(set, other) : 0;
    case BELOW_OR_SAME:
        return is_within(set, other);
    case ABOVE:
        return set->count > other->count ? is_within(other, set) : 0;
    case ABOVE_OR_SAME:
        return is_within(other, set);
    default:
        return is_apart(set, other);
    }
}

/** @param any  the argument may be anything that can be iterated over */
static int answer_relation(struct request *request, enum relation relation, bool any)
{
    struct dictionary other = { 0 };
    const kith_value *operand;
    int code = any ? request_arguments(request, "iterable/", &operand) : read_operand(request, &other);
    if (any && code == 0)
        code = read_set(request, &other, operand);
    bool is_set = any ? code == 0 : code == 1;
    if (is_set)
        code = relate(set_of(request), relation, &other);
    dictionary_clear(request->server, &other);
    return is_set && code >= 0 ? request_answer_bool(request, code) : code;
}

/* ---- the methods' names for all that ---- */

#define METHOD(name, expression)             \
    static int name(struct request *request) \
    {                                        \
        return expression;                   \
    }

METHOD(and, answer_operator(request, INTERSECTION, false))
METHOD(or, answer_operator(request, UNION, false))
METHOD(subtract, answer_operator(request, DIFFERENCE, false))
METHOD(exclusive_or, answer_operator(request, SYMMETRIC, false))
METHOD(and_turned, answer_operator(request, INTERSECTION, true))
METHOD(or_turned, answer_operator(request, UNION, true))
METHOD(subtract_turned, answer_operator(request, DIFFERENCE, true))
METHOD(exclusive_or_turned, answer_operator(request, SYMMETRIC, true))
METHOD(and_in_place, change_by_operator(request, INTERSECTION))
METHOD(or_in_place, change_by_operator(request, UNION))
METHOD(subtract_in_place, change_by_operator(request, DIFFERENCE))
METHOD(exclusive_or_in_place, change_by_operator(request, SYMMETRIC))
METHOD(union_with, answer_operation(request, UNION))
METHOD(intersection, answer_operation(request, INTERSECTION))
METHOD(difference, answer_operation(request, DIFFERENCE))
METHOD(symmetric_difference, answer_operation(request, SYMMETRIC))
METHOD(update, change_by_operation(request, UNION))
METHOD(intersection_update, change_by_operation(request, INTERSECTION))
METHOD(difference_update, change_by_operation(request, DIFFERENCE))
METHOD(symmetric_difference_update, change_by_operation(request, SYMMETRIC))
METHOD(less, answer_relation(request, BELOW, false))
METHOD(less_or_equal, answer_relation(request, BELOW_OR_SAME, false))
METHOD(greater, answer_relation(request, ABOVE, false))
METHOD(greater_or_equal, answer_relation(request, ABOVE_OR_SAME, false))
METHOD(is_subset, answer_relation(request, BELOW_OR_SAME, true))
METHOD(is_superset, answer_relation(request, ABOVE_OR_SAME, true))
METHOD(is_disjoint, answer_relation(request, APART, true))

/* ---- beginning and end ---- */

static void end(struct server *server, void *state)
{
    dictionary_free(server, state);
}

static int make(struct request *request, void **state)
{
    const kith_value *iterable;
    struct dictionary *set;
    int code = request_arguments(request, "iterable?/", &iterable);
    if (code == 0)
        code = dictionary_new(&set);
    if (code < 0)
        return code;
    code = iterable ? read_set(request, set, iterable) : 0;
    if (code < 0)
        dictionary_free(request->server, set);
    else
        *state = set;
    return code;
}

static int save(struct server *server, void *state, kith_arena *arena, kith_value **saved)
{
    return dictionary_save(server, state, arena, saved);
}

static int load(struct server *server, const kith_value *saved, void **state)
{
    struct dictionary *set;
    int code = dictionary_load(server, saved, false, &set);
    if (code == 0)
        *state = set;
    return code;
}

static const struct kind_method methods[] = {
    { "__and__", and, true },
    { "__contains__", contains, true },
    { "__ge__", greater_or_equal, true },
    { "__gt__", greater, true },
    { "__iand__", and_in_place, false },
    { "__ior__", or_in_place, false },
    { "__isub__", subtract_in_place, false },
    { "__iter__", iterate, true },
    { "__ixor__", exclusive_or_in_place, false },
    { "__le__", less_or_equal, true },
    { "__len__", length, true },
    { "__lt__", less, true },
    { "__or__", or, true },
    { "__rand__", and_turned, true },
    { "__ror__", or_turned, true },
    { "__rsub__", subtract_turned, true },
    { "__rxor__", exclusive_or_turned, true },
    { "__sub__", subtract, true },
    { "__xor__", exclusive_or, true },
    { "add", add, false },
    { "clear", clear, false },
    { "copy", copy, true },
    { "difference", difference, true },
    { "difference_update", difference_update, false },
    { "discard", discard, false },
    { "intersection", intersection, true },
    { "intersection_update", intersection_update, false },
    { "isdisjoint", is_disjoint, true },
    { "issubset", is_subset, true },
    { "issuperset", is_superset, true },
    { "pop", pop, false },
    { "remove", remove_item, false },
    { "symmetric_difference", symmetric_difference, true },
    { "symmetric_difference_update", symmetric_difference_update, false },
    { "union", union_with, true },
    { "update", update, false },
};

const struct kind kind_set = {
    .name = "set",
    .proxy = "SetProxy",
    .methods = methods,
    .method_count = sizeof methods / sizeof *methods,
    .make = make,
    .end = end,
    .value = value,
    .repr = repr,
    .save = save,
    .load = load,
};
