/* Containers as pickles fill them: plain ones, and objects, which keep what was put into them as steps. */
#include "value/pickle_reader.h"

int reader_push_tuple(struct reader *reader, kith_value *const *items, size_t count)
{
    kith_value *tuple = value_tuple(reader->arena, count);
    for (size_t i = 0; tuple && i < count; i++) {
        value_insert(items[i]);
        tuple->sequence->items[i] = items[i];
    }
    return reader_push_container(reader, tuple);
}

/** TUPLE1 to TUPLE3. */
int read_short_tuple(struct reader *reader, size_t count)
{
    kith_value *items[3];
    for (size_t i = count; i > 0; i--) {
        items[i - 1] = reader_pop(reader);
        if (!items[i - 1])
            return reader_lacks_value(reader);
    }
    return reader_push_tuple(reader, items, count);
}

int read_tuple(struct reader *reader)
{
    size_t count;
    kith_value **items = reader_pop_mark(reader, &count);
    return items ? reader_push_tuple(reader, items, count) : KITH_EMALFORMED;
}

int reader_takes_no(const struct reader *reader, const kith_value *container, const char *what)
{
    return container ? reader_fail(reader, "a %s takes no %s", kith_kind_name(container->kind), what)
                     : reader_lacks_value(reader);
}

/** Steps without keys. */
static int add_steps(kith_value *object, kith_object_step step, kith_value *const *items, size_t count)
{
    int code = 0;
    for (size_t i = 0; i < count && code == 0; i++)
        code = value_add_step(object, step, NULL, items[i]);
    return code;
}

static int append(struct reader *reader, kith_value *const *items, size_t count)
{
    kith_value *list = reader_top(reader);
    if (list && list->kind == KITH_LIST)
        return value_extend(list, items, count);
    if (reader_takes_steps(list))
        return add_steps(list, KITH_STEP_APPEND, items, count);
    return reader_takes_no(reader, list, "items");
}

/** Puts a pair into a dict, or an item into a set. */
static int put_key(const struct reader *reader, kith_value *table, kith_value *key, kith_value *item)
{
    int code = value_table_put(table, key, item);
    return code == KITH_ETYPE ? reader_fail(reader, "a key is or holds what can change: a list, a dict, a set") : code;
}

static int set_items(struct reader *reader, kith_value *const *items, size_t count)
{
    kith_value *dict = reader_top(reader);
    bool plain = dict && dict->kind == KITH_DICT;
    if (!plain && !reader_takes_steps(dict))
        return reader_takes_no(reader, dict, "pairs");
    if (count % 2)
        return reader_fail(reader, "a key has no item");
    int code = 0;
    for (size_t i = 0; i < count && code == 0; i += 2) {
        code = plain ? put_key(reader, dict, items[i], items[i + 1])
                     : value_add_step(dict, KITH_STEP_SET_ITEM, items[i], items[i + 1]);
    }
    return code;
}

static int put_keys(const struct reader *reader, kith_value *set, kith_value *const *items, size_t count)
{
    int code = 0;
    for (size_t i = 0; i < count && code == 0; i++)
        code = put_key(reader, set, items[i], NULL);
    return code;
}

static int add(struct reader *reader, kith_value *const *items, size_t count)
{
    kith_value *set = reader_top(reader);
    if (set && set->kind == KITH_SET)
        return put_keys(reader, set, items, count);
    if (reader_takes_steps(set))
        return add_steps(set, KITH_STEP_ADD, items, count);
    return reader_takes_no(reader, set, "items to be added");
}

typedef int fill_with(struct reader *reader, kith_value *const *items, size_t count);

/** Fills what is below the mark with what is above it. */
static int read_many(struct reader *reader, fill_with *fill)
{
    size_t count;
    kith_value **items = reader_pop_mark(reader, &count);
    return items ? fill(reader, items, count) : KITH_EMALFORMED;
}

/** Fills what is below the last count values with these. */
static int read_few(struct reader *reader, fill_with *fill, size_t count)
{
    kith_value *items[2];
    for (size_t i = count; i > 0; i--) {
        items[i - 1] = reader_pop(reader);
        if (!items[i - 1])
            return reader_lacks_value(reader);
    }
    return fill(reader, items, count);
}

/** LIST and DICT: what they make is filled with what is above the mark. It is pushed to where the mark was, which
 *  leaves the items where they are. */
static int read_filled(struct reader *reader, kith_value *made, fill_with *fill)
{
    size_t count;
    kith_value **items = made ? reader_pop_mark(reader, &count) : NULL;
    if (!items)
        return made ? KITH_EMALFORMED : reader->arena->last;
    int code = reader_push_container(reader, made);
    return code < 0 ? code : fill(reader, items, count);
}

int read_frozenset(struct reader *reader)
{
    size_t count;
    kith_value **items = reader_pop_mark(reader, &count);
    if (!items)
        return KITH_EMALFORMED;
    kith_value *set = value_table(reader->arena, KITH_FROZENSET, count);
    int code = set ? put_keys(reader, set, items, count) : 0;
    return code < 0 ? code : reader_push_container(reader, set);
}

int read_list(struct reader *reader)
{
    return read_filled(reader, value_list(reader->arena, 0), append);
}

int read_dict(struct reader *reader)
{
    return read_filled(reader, value_table(reader->arena, KITH_DICT, 0), set_items);
}

int read_append(struct reader *reader)
{
    return read_few(reader, append, 1);
}

int read_appends(struct reader *reader)
{
    return read_many(reader, append);
}

int read_setitem(struct reader *reader)
{
    return read_few(reader, set_items, 2);
}

int read_setitems(struct reader *reader)
{
    return read_many(reader, set_items);
}

int read_additems(struct reader *reader)
{
    return read_many(reader, add);
}
