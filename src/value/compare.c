/* Order, as Python's < has it. Lists and tuples stand to each other as their first items do that are not equal; so the
 * way goes down only once, with no need to come back. */
#include "base/error.h"
#include "value/equal.h"
#include "value/key.h"
#include "value/name.h"
#include "value/number.h"
#include "value/table.h"

#include <errno.h>

static bool is_sequence(const kith_value *value)
{
    return value->kind == KITH_LIST || value->kind == KITH_TUPLE;
}

static bool is_bytes(const kith_value *value)
{
    return value->kind == KITH_BYTES || value->kind == KITH_BYTEARRAY;
}

static bool is_set(const kith_value *value)
{
    return value->kind == KITH_SET || value->kind == KITH_FROZENSET;
}

/** Goes to the first items of two lists or tuples that are not equal.
 *  @return 1 when it went there; 0 when there are none, and order says which is longer; a code */
static int go_down(const kith_value **one, const kith_value **other, uint64_t *steps, int *order)
{
    const struct sequence *left = (*one)->sequence, *right = (*other)->sequence;
    for (size_t i = 0; i < left->count && i < right->count; i++) {
        int equal = value_equal_within(left->items[i], right->items[i], steps);
        if (equal < 0)
            return equal;
        if (!equal) {
            *one = left->items[i];
            *other = right->items[i];
            return 1;
        }
    }
    *order = (left->count > right->count) - (left->count < right->count);
    return 0;
}

static int compare_bytes(const kith_value *one, const kith_value *other, uint64_t *steps, int *order)
{
    size_t common = one->bytes.size < other->bytes.size ? one->bytes.size : other->bytes.size;
    if (!steps_take(steps, steps_of(common)))
        return steps_exceeded();
    int first = common ? memcmp(one->bytes.data, other->bytes.data, common) : 0;
    int longer = (one->bytes.size > other->bytes.size) - (one->bytes.size < other->bytes.size);
    *order = first ? (first > 0) - (first < 0) : longer;
    return 0;
}

/** Whether all items of a set are in another. @return 1 or 0, or a code */
static int is_part(const struct table *one, const struct table *other, uint64_t *steps)
{
    for (size_t i = 0; i < one->count; i++) {
        struct pair *pair;
        int code = steps_take(steps, 1) ? table_find(other, one->pairs[i].key, steps, &pair) : steps_exceeded();
        if (code < 0 || !pair)
            return code;
    }
    return 1;
}

/** A set is less than those that have all of its items and more. */
static int compare_sets(const kith_value *one, const kith_value *other, uint64_t *steps, int *order)
{
    bool less = one->table->count < other->table->count, differ = one->table->count != other->table->count;
    const struct table *small = less ? one->table : other->table, *large = less ? other->table : one->table;
    int code = differ ? is_part(small, large, steps) : 0;
    if (code < 0)
        return code;
    *order = code == 0 ? 0 : less ? -1 : 1;
    return 0;
}

static int compare_plain(const kith_value *one, const kith_value *other, uint64_t *steps, int *order)
{
    if (!steps_take(steps, 1))
        return steps_exceeded();
    if (number_is(one) && number_is(other)) {
        *order = number_order(one, other);
        return 0;
    }
    if ((one->kind == KITH_STR && other->kind == KITH_STR) || (is_bytes(one) && is_bytes(other)))
        return compare_bytes(one, other, steps, order);
    if (is_set(one) && is_set(other))
        return compare_sets(one, other, steps, order);
    bool is_object = one->kind == KITH_OBJECT || other->kind == KITH_OBJECT;
    return error_fail(KITH_ETYPE, "'<' not supported between instances of '%s' and '%s'%s", value_type_name(one),
                      value_type_name(other), is_object ? ": only Python knows the order of objects" : "");
}

int kith_value_compare(const kith_value *one, const kith_value *other, int *order)
{
    if (!one || !other || !order)
        return error_fail(-EINVAL, "%s is NULL", order ? "a value" : "order");
    uint64_t steps = COMPARE_STEPS_MAX;
    int went = 1, found = 0;
    while (went == 1 && is_sequence(one) && one->kind == other->kind)
        went = go_down(&one, &other, &steps, &found);
    int code = went == 1 ? compare_plain(one, other, &steps, &found) : went;
    if (code == 0)
        *order = found;
    return code;
}
