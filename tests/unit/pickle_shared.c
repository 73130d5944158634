/* Pickles of what is shared and of what holds itself; and the bytes that kith_pickle_write makes. */
#include "pickles.h"

#define EACH_PROTOCOL(protocol) for (int protocol = 2; protocol <= 5; protocol++)

static kith_value *list_of(kith_value *item)
{
    kith_value *list = kith_value_list(arena);
    assert_code(kith_value_append(list, item), 0);
    return list;
}

static kith_value *tuple_of(kith_value *one, kith_value *other)
{
    return kith_value_tuple(arena, (kith_value *[]){ one, other }, other ? 2 : 1);
}

static kith_value *global(const char *name)
{
    return kith_object_global(arena, "m", name);
}

static kith_value *call_of(kith_value *args)
{
    return kith_object_call(arena, global("f"), args);
}

static void add_step(kith_value *object, kith_object_step step, kith_value *item)
{
    assert_code(kith_object_add_step(object, step, NULL, item), 0);
}

static kith_value *arg(const kith_value *object)
{
    return kith_value_at(kith_object_args(object), 0);
}

static kith_value *step_item(const kith_value *object, size_t index)
{
    kith_value *item = NULL;
    kith_object_step_at(object, index, NULL, &item);
    return item;
}

/* ---- bytes ---- */

static void what_is_not_shared_has_no_place_in_the_memo(void **state)
{
    (void)state;
    kith_value *value =
        kith_value_pack(arena, "{s:s, s:i, s:f, s:[s,s]}", "name", "kith", "size", 3, "ratio", 2.5, "tags", "a", "b");
    assert_pickle(value, 4,
                  "\x80\x04}(\x8c\x04name\x8c\x04kith\x8c\x04sizeK\x03\x8c\x05ratioG@\x04\x00\x00\x00\x00\x00\x00"
                  "\x8c\x04tags](\x8c\x01"
                  "a\x8c\x01"
                  "beu.");
}

static void plain_values_have_the_shortest_opcodes(void **state)
{
    (void)state;
    kith_value *numbers = kith_value_pack(arena, "(nbbiiiiI)", 0, 1, 255, 256, 65536, -1, INT64_C(0x80000000));
    assert_pickle(numbers, 4,
                  "\x80\x04(N\x89\x88K\xffM\x00\x01J\x00\x00\x01\x00J\xff\xff\xff\xff\x8a\x05\x00\x00\x00\x80\x00t.");
    assert_pickle(kith_value_int(arena, INT64_MIN), 2, "\x80\x02\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80.");
    assert_pickle(kith_value_unsigned(arena, UINT64_MAX), 2, "\x80\x02\x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff\x00.");
    assert_pickle(kith_value_str(arena, "z"), 2, "\x80\x02X\x01\x00\x00\x00z.");
    assert_pickle(kith_value_bytes(arena, "z\xff", 2), 3,
                  "\x80\x03"
                  "C\x02z\xff.");
    assert_pickle(kith_value_bytes(arena, "z\xff", 2), 2,
                  "\x80\x02"
                  "c_codecs\nencode\nX\x03\x00\x00\x00z\xc3\xbfX\x06\x00\x00\x00latin1\x86R.");
    assert_pickle(kith_value_bytes(arena, "", 0), 2,
                  "\x80\x02"
                  "c__builtin__\nbytes\n)R.");
    assert_pickle(kith_value_bytearray(arena, "z", 1), 5, "\x80\x05\x96\x01\x00\x00\x00\x00\x00\x00\x00z.");
    assert_pickle(kith_value_bytearray(arena, "z", 1), 3,
                  "\x80\x03"
                  "cbuiltins\nbytearray\nC\x01z\x85R.");
    assert_pickle(kith_value_pack(arena, "<i>", 1), 4, "\x80\x04\x8f(K\x01\x90.");
    assert_pickle(kith_value_pack(arena, "<i>", 1), 2,
                  "\x80\x02"
                  "c__builtin__\nset\n]K\x01"
                  "a\x85R.");
    assert_pickle(kith_value_frozenset(arena, (kith_value *[]){ integer(1) }, 1), 4, "\x80\x04(K\x01\x91.");
    assert_pickle(kith_value_frozenset(arena, NULL, 0), 3,
                  "\x80\x03"
                  "cbuiltins\nfrozenset\n]\x85R.");
}

static void arguments_with_names_need_a_function_below_protocol_4(void **state)
{
    (void)state;
    kith_value *kwargs = kith_value_pack(arena, "{s:i}", "k", 1);
    kith_value *value = kith_object_new(arena, global("C"), kith_value_tuple(arena, NULL, 0), kwargs);
    assert_pickle(value, 4,
                  "\x80\x04\x8c\x01m\x8c\x01"
                  "C\x93)}\x8c\x01kK\x01s\x92.");
    assert_pickle(value, 3,
                  "\x80\x03"
                  "ccopyreg\n__newobj_ex__\ncm\nC\n)}X\x01\x00\x00\x00kK\x01s\x87R.");
}

static void many_items_go_in_batches(void **state)
{
    (void)state;
    const size_t counts[] = { 999, 1000, 1001, 2002 }, batches[] = { 1, 1, 1, 3 };
    for (size_t i = 0; i < 4; i++) {
        kith_value *list = kith_value_list(arena), *dict = kith_value_dict(arena), *set = kith_value_new_set(arena);
        for (size_t j = 0; j < counts[i]; j++) {
            assert_code(kith_value_append(list, kith_value_none(arena)), 0);
            assert_code(kith_value_set_item(dict, integer((int64_t)j), kith_value_none(arena)), 0);
            assert_code(kith_value_add(set, integer((int64_t)j)), 0);
        }
        kith_bytes pickle = pickled(list, 4);
        size_t marks = 0;
        for (size_t j = 2; j < pickle.size; j++)
            marks += ((char *)pickle.data)[j] == '(';
        kith_bytes_free(&pickle);
        assert_int_equal(marks, batches[i]);
        EACH_PROTOCOL(protocol)
        {
            assert_int_equal(kith_value_length(back(list, protocol)), counts[i]);
            assert_int_equal(kith_value_equal(back(dict, protocol), dict), 1);
            assert_int_equal(kith_value_equal(back(set, protocol), set), 1);
        }
    }
}

static void a_pickle_has_a_longest_length(void **state)
{
    (void)state;
    static char data[5000];
    kith_value *value = kith_value_bytes(arena, data, sizeof data);
    kith_bytes whole = pickled(value, 4), pickle = { NULL, 0 };
    assert_int_equal(whole.size, 2 + 5 + sizeof data + 1);
    for (size_t max = 1; max <= whole.size; max = max == 1 || max == whole.size ? max + whole.size - 2 : max + 1) {
        kith_pickle_write_options options = { .max_bytes = max };
        int code = kith_pickle_write(value, &pickle, &options);
        if (max < whole.size)
            assert_explained(code, KITH_ELIMIT);
        else
            assert_code(code, 0);
        kith_bytes_free(&pickle);
    }
    kith_bytes_free(&whole);
}

static void nesting_has_a_limit(void **state)
{
    (void)state;
    kith_value *value = kith_value_list(arena);
    for (int i = 1; i < KITH_VALUE_DEPTH_MAX; i++)
        value = i % 2 ? list_of(value) : tuple_of(value, NULL);
    kith_bytes pickle = pickled(value, 4);
    kith_bytes_free(&pickle);
    assert_explained(kith_pickle_write(list_of(value), &pickle, NULL), KITH_ELIMIT);
}

/* ---- shared ---- */

static void what_is_shared_is_so_again(void **state)
{
    (void)state;
    kith_value *shared[] = {
        text("some"),
        kith_value_bytes(arena, "some", 4),
        kith_value_bytearray(arena, "some", 4),
        list_of(integer(1)),
        tuple_of(integer(1), NULL),
        kith_value_pack(arena, "{s:i}", "a", 1),
        kith_value_pack(arena, "<i>", 1),
        kith_value_frozenset(arena, (kith_value *[]){ integer(1) }, 1),
        global("C"),
        call_of(tuple_of(integer(1), NULL)),
    };
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++) {
        kith_value *value = tuple_of(shared[i], list_of(shared[i]));
        EACH_PROTOCOL(protocol)
        {
            kith_value *read = back(value, protocol);
            assert_int_equal(kith_value_kind(kith_value_at(read, 0)), kith_value_kind(shared[i]));
            assert_ptr_equal(kith_value_at(read, 0), kith_value_at(kith_value_at(read, 1), 0));
        }
    }
}

static void many_may_be_shared(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    kith_value *items[COUNT];
    for (int i = 0; i < COUNT; i++)
        items[i] = list_of(integer(i));
    kith_value *one = kith_value_tuple(arena, items, COUNT), *other = kith_value_tuple(arena, items, COUNT);
    EACH_PROTOCOL(protocol)
    {
        kith_value *read = back(tuple_of(one, other), protocol);
        for (size_t i = 0; i < COUNT; i++) {
            kith_value *item = kith_value_at(kith_value_at(read, 0), i);
            int64_t number;
            assert_ptr_equal(item, kith_value_at(kith_value_at(read, 1), i));
            assert_code(kith_value_as_int(kith_value_at(item, 0), &number), 0);
            assert_int_equal(number, i);
        }
    }
}

/* ---- what holds itself ---- */

static void a_list_in_itself(void **state)
{
    (void)state;
    kith_value *list = kith_value_list(arena);
    assert_code(kith_value_append(list, list), 0);
    assert_pickle(list, 4,
                  "\x80\x04]\x94h\x00"
                  "a.");
    assert_pickle(list, 2,
                  "\x80\x02]q\x00h\x00"
                  "a.");
}

static void a_dict_among_its_own_items(void **state)
{
    (void)state;
    kith_value *dict = kith_value_dict(arena);
    assert_code(kith_value_set(dict, "me", dict), 0);
    EACH_PROTOCOL(protocol)
    {
        kith_value *read = back(dict, protocol);
        assert_ptr_equal(kith_value_get(read, "me"), read);
    }
}

static void a_tuple_in_its_own_list(void **state)
{
    (void)state;
    for (size_t more = 0; more <= 3; more++) {
        kith_value *list = kith_value_list(arena), *items[] = { list, text("a"), list_of(text("b")), integer(1) };
        kith_value *tuple = kith_value_tuple(arena, items, 1 + more);
        assert_code(kith_value_append(list, tuple), 0);
        EACH_PROTOCOL(protocol)
        {
            kith_value *read = back(tuple, protocol), *inner = kith_value_at(read, 0);
            assert_int_equal(kith_value_length(read), 1 + more);
            assert_int_equal(kith_value_length(inner), 1);
            assert_ptr_equal(kith_value_at(inner, 0), read);
            read = back(list, protocol);
            assert_ptr_equal(kith_value_at(kith_value_at(read, 0), 0), read);
            /* Also when it is not the root. */
            read = kith_value_at(kith_value_at(back(list_of(list_of(tuple)), protocol), 0), 0);
            assert_ptr_equal(kith_value_at(kith_value_at(read, 0), 0), read);
        }
    }
    kith_value *list = kith_value_list(arena), *tuple = tuple_of(list, NULL);
    assert_code(kith_value_append(list, tuple), 0);
    assert_pickle(tuple, 4,
                  "\x80\x04]\x94h\x00\x85\x94"
                  "a\x85"
                  "0h\x01.");
}

/** The way back leads through containers that nothing else shares. */
static void a_tuple_far_within_itself(void **state)
{
    (void)state;
    kith_value *last = kith_value_list(arena);
    kith_value *dict = kith_value_pack(arena, "{s:v}", "k", tuple_of(integer(1), last));
    kith_value *outer = tuple_of(list_of(dict), text("t"));
    assert_code(kith_value_append(last, outer), 0);
    EACH_PROTOCOL(protocol)
    {
        kith_value *read = back(outer, protocol);
        kith_value *inner = kith_value_get(kith_value_at(kith_value_at(read, 0), 0), "k");
        assert_ptr_equal(kith_value_at(kith_value_at(inner, 1), 0), read);
        assert_repr(kith_value_at(read, 1), "'t'");
    }
}

static void tuples_within_each_other(void **state)
{
    (void)state;
    kith_value *list = kith_value_list(arena);
    kith_value *inner = tuple_of(list, NULL), *outer = tuple_of(inner, list);
    assert_code(kith_value_append(list, outer), 0);
    assert_code(kith_value_append(list, inner), 0);
    kith_value *roots[] = { list, inner, outer };
    for (int i = 0; i < 3; i++) {
        EACH_PROTOCOL(protocol)
        {
            kith_value *read = back(roots[i], protocol);
            kith_value *found = i == 0 ? read : i == 1 ? kith_value_at(read, 0) : kith_value_at(read, 1);
            assert_int_equal(kith_value_length(found), 2);
            kith_value *found_outer = kith_value_at(found, 0), *found_inner = kith_value_at(found, 1);
            assert_ptr_equal(kith_value_at(found_outer, 0), found_inner);
            assert_ptr_equal(kith_value_at(found_outer, 1), found);
            assert_ptr_equal(kith_value_at(found_inner, 0), found);
            assert_ptr_equal(read, i == 0 ? found : i == 1 ? found_inner : found_outer);
        }
    }
}

static void an_object_in_its_own_state(void **state)
{
    (void)state;
    kith_value *object = call_of(kith_value_tuple(arena, NULL, 0));
    add_step(object, KITH_STEP_STATE, kith_value_pack(arena, "{s:v}", "me", object));
    add_step(object, KITH_STEP_APPEND, object);
    EACH_PROTOCOL(protocol)
    {
        kith_value *read = back(object, protocol);
        assert_int_equal(kith_object_step_count(read), 2);
        assert_ptr_equal(kith_value_get(kith_object_state(read), "me"), read);
        assert_ptr_equal(step_item(read, 1), read);
    }
}

static void an_object_among_its_own_arguments(void **state)
{
    (void)state;
    kith_value *list = kith_value_list(arena), *object = call_of(tuple_of(list, NULL));
    add_step(object, KITH_STEP_STATE, text("state"));
    assert_code(kith_value_append(list, object), 0);
    EACH_PROTOCOL(protocol)
    {
        kith_value *read = back(object, protocol);
        assert_int_equal(kith_object_step_count(read), 1); /* not once more for each time it was written */
        assert_ptr_equal(kith_value_at(arg(read), 0), read);
        read = kith_value_at(back(list_of(object), protocol), 0);
        assert_ptr_equal(kith_value_at(arg(read), 0), read);
    }
}

static void objects_in_each_other(void **state)
{
    (void)state;
    kith_value *one = call_of(kith_value_tuple(arena, NULL, 0)), *other = call_of(tuple_of(one, NULL));
    add_step(one, KITH_STEP_STATE, other);
    kith_value *key = tuple_of(other, NULL), *dict = kith_value_dict(arena);
    assert_code(kith_value_set_item(dict, key, key), 0);
    add_step(other, KITH_STEP_STATE, dict);
    kith_value *roots[] = { one, other, key, dict };
    for (int i = 0; i < 4; i++) {
        EACH_PROTOCOL(protocol)
        {
            kith_value *read = back(roots[i], protocol), *found_key;
            assert_true(i != 3 || kith_value_pair_at(read, 0, &found_key, NULL));
            kith_value *found = i == 0   ? kith_object_state(read)
                                : i == 1 ? read
                                         : kith_value_at(i == 2 ? read : found_key, 0);
            assert_ptr_equal(kith_object_state(arg(found)), found);
            kith_value *key_in_state, *item;
            assert_true(kith_value_pair_at(kith_object_state(found), 0, &key_in_state, &item));
            assert_ptr_equal(kith_value_at(key_in_state, 0), found);
            assert_ptr_equal(item, key_in_state);
            assert_ptr_equal(read, i == 0 ? arg(found) : i == 1 ? found : i == 2 ? item : kith_object_state(found));
        }
    }
}

static void sets_of_objects_that_hold_them(void **state)
{
    (void)state;
    kith_value *object = call_of(kith_value_tuple(arena, NULL, 0));
    kith_value *frozen = kith_value_frozenset(arena, (kith_value *[]){ object }, 1), *set = kith_value_new_set(arena);
    assert_code(kith_value_add(set, object), 0);
    add_step(object, KITH_STEP_STATE, tuple_of(frozen, set));
    kith_value *roots[] = { object, frozen, set };
    for (int i = 0; i < 3; i++) {
        EACH_PROTOCOL(protocol)
        {
            kith_value *read = back(roots[i], protocol), *found = i == 0 ? read : kith_value_at(read, 0);
            kith_value *found_state = kith_object_state(found);
            assert_int_equal(kith_object_step_count(found), 1);
            assert_int_equal(kith_value_kind(kith_value_at(found_state, 0)), KITH_FROZENSET);
            assert_int_equal(kith_value_kind(kith_value_at(found_state, 1)), KITH_SET);
            for (size_t j = 0; j < 2; j++) {
                assert_int_equal(kith_value_length(kith_value_at(found_state, j)), 1);
                assert_ptr_equal(kith_value_at(kith_value_at(found_state, j), 0), found);
            }
            assert_ptr_equal(read, i == 0 ? found : kith_value_at(found_state, (size_t)i - 1));
        }
    }
}

/** Where a set is made of its items, and they of the set, there is no first thing to make. */
static void a_set_of_what_is_made_of_it_needs_protocol_4(void **state)
{
    (void)state;
    kith_value *set = kith_value_new_set(arena);
    assert_code(kith_value_add(set, call_of(tuple_of(set, NULL))), 0);
    EACH_PROTOCOL(protocol)
    {
        kith_bytes pickle;
        if (protocol < 4) {
            kith_pickle_write_options options = { .protocol = protocol };
            assert_explained(kith_pickle_write(set, &pickle, &options), KITH_ELIMIT);
        } else {
            kith_value *read = back(set, protocol);
            assert_ptr_equal(arg(kith_value_at(read, 0)), read);
        }
    }
}

/** Several tuples, each in the list that it has in common with the others: each is written once more inside, not once
 *  more for each way that leads to it. */
static void tuples_in_a_circle_do_not_make_long_pickles(void **state)
{
    (void)state;
    enum { COUNT = 50 };
    kith_value *lists[COUNT], *tuples[COUNT];
    for (int i = 0; i < COUNT; i++) {
        lists[i] = kith_value_list(arena);
        tuples[i] = i ? tuple_of(lists[i], tuples[i - 1]) : tuple_of(lists[i], NULL);
    }
    for (int i = 0; i < COUNT; i++)
        assert_code(kith_value_append(lists[i], tuples[COUNT - 1]), 0);
    kith_bytes pickle = pickled(tuples[COUNT - 1], 4);
    assert_in_range(pickle.size, COUNT * 4, COUNT * COUNT * 4);
    kith_value *read = unpickled(pickle.data, pickle.size);
    kith_value *at = read;
    for (int i = COUNT - 1; i >= 0; i--, at = kith_value_at(at, 1))
        assert_ptr_equal(kith_value_at(kith_value_at(at, 0), 0), read);
    kith_bytes_free(&pickle);
}

/* ---- what must be whole when it is copied ---- */

/* These were pickled by CPython, in protocols 0 and 1: lists, dicts and sets of classes of their own, which are made by
 * calls that copy a list or dict. Where that leads back to the call, the inner call has one of its own, as full. */

/** Fails unless a pickle is written so in protocol 4; also when it was copied, and what comes back. */
static void assert_written(const char *pickle, size_t size, const char *wanted, size_t wanted_size)
{
    kith_value *read = unpickled(pickle, size);
    kith_value *values[] = { read, kith_value_copy(arena, read), unpickled(wanted, wanted_size) };
    for (int i = 0; i < 3; i++)
        assert_pickle_at(values[i], 4, wanted, wanted_size, __FILE__, __LINE__);
}

/** x = []; l = L([1, x]); x.append(l) */
static void a_list_of_a_class_in_its_own_item(void **state)
{
    (void)state;
    static const char wanted[] = "\x80\x04\x8c\x07"
                                 "copyreg\x8c\x0e_reconstructor\x93\x94\x8c\x01m\x8c\x01L\x93\x94\x8c\x08"
                                 "builtins\x8c\x04list\x93\x94](K\x01]\x94h\x00h\x01h\x02](K\x01h\x03"
                                 "e\x94\x87\x94R\x94"
                                 "ae0h\x04\x87"
                                 "0h\x05R0h\x06.";
    assert_written(PICKLE("ccopy_reg\n_reconstructor\np0\n(cm\nL\np1\nc__builtin__\nlist\np2\n(lp3\nI1\na(lp4\ng0\n("
                          "g1\ng2\n(lp5\nI1\nag4\natp6\nRp7\naatp8\nR0g7\n."),
                   PICKLE(wanted));
    assert_written(PICKLE("ccopy_reg\n_reconstructor\nq\x00(cm\nL\nq\x01"
                          "c__builtin__\nlist\nq\x02]q\x03(K\x01]q\x04h\x00(h\x01h\x02]q\x05(K\x01h\x04"
                          "etq\x06Rq\x07"
                          "aetq\x08R0h\x07."),
                   PICKLE(wanted));
}

/** x = []; l = L([L([x])]); x.append(l) */
static void lists_of_a_class_in_each_other(void **state)
{
    (void)state;
    static const char wanted[] =
        "\x80\x04\x8c\x07"
        "copyreg\x8c\x0e_reconstructor\x93\x94\x8c\x01m\x8c\x01L\x93\x94\x8c\x08"
        "builtins\x8c\x04list\x93\x94]h\x00h\x01h\x02]]\x94h\x00h\x01h\x02]h\x00h\x01h\x02]h\x03"
        "a\x94\x87\x94R\x94"
        "a\x94\x87\x94R\x94"
        "aa0h\x04\x87"
        "0h\x05R0h\x06"
        "a0h\x07\x87"
        "0h\x08R0h\x09.";
    assert_written(
        PICKLE("ccopy_reg\n_reconstructor\np0\n(cm\nL\np1\nc__builtin__\nlist\np2\n(lp3\ng0\n(g1\ng2\n(lp4\n(lp5\ng0\n("
               "g1\ng2\n(lp6\ng0\n(g1\ng2\n(lp7\ng5\natp8\nRp9\natp10\nRp11\naatp12\nR0g9\natp13\nR0g11\n."),
        PICKLE(wanted));
    assert_written(PICKLE("ccopy_reg\n_reconstructor\nq\x00(cm\nL\nq\x01"
                          "c__builtin__\nlist\nq\x02]q\x03h\x00(h\x01h\x02]q\x04]q\x05h\x00(h\x01h\x02]q\x06h\x00("
                          "h\x01h\x02]q\x07h\x05"
                          "atq\x08Rq\x09"
                          "atq\nRq\x0b"
                          "aatq\x0cR0h\x09"
                          "atq\x0dR0h\x0b."),
                   PICKLE(wanted));
}

/** x = []; d = D(k=x); x.append(d) */
static void a_dict_of_a_class_in_its_own_item(void **state)
{
    (void)state;
    static const char wanted[] = "\x80\x04\x8c\x07"
                                 "copyreg\x8c\x0e_reconstructor\x93\x94\x8c\x01m\x8c\x01"
                                 "D\x93\x94\x8c\x08"
                                 "builtins\x8c\x04"
                                 "dict\x93\x94}\x8c\x01k\x94]\x94h\x00h\x01h\x02}h\x03h\x04s\x94\x87\x94R\x94"
                                 "as0h\x05\x87"
                                 "0h\x06R0h\x07.";
    assert_written(PICKLE("ccopy_reg\n_reconstructor\np0\n(cm\nD\np1\nc__builtin__\ndict\np2\n(dp3\nVk\np4\n(lp5\ng0\n("
                          "g1\ng2\n(dp6\ng4\ng5\nstp7\nRp8\nastp9\nR0g8\n."),
                   PICKLE(wanted));
    assert_written(
        PICKLE(
            "ccopy_reg\n_reconstructor\nq\x00(cm\nD\nq\x01"
            "c__builtin__\ndict\nq\x02}q\x03X\x01\x00\x00\x00kq\x04]q\x05h\x00(h\x01h\x02}q\x06h\x04h\x05stq\x07Rq\x08"
            "astq\x09R0h\x08."),
        PICKLE(wanted));
}

/** c = C(); s = S([c]); c.s = s */
static void a_set_of_a_class_in_its_own_item(void **state)
{
    (void)state;
    static const char wanted[] = "\x80\x04\x8c\x01m\x8c\x01S\x93\x94]\x8c\x07"
                                 "copyreg\x8c\x0e_reconstructor\x93\x94\x8c\x01m\x8c\x01"
                                 "C\x93\x94\x8c\x08"
                                 "builtins\x8c\x06object\x93\x94N\x87\x94R\x94}\x8c\x01s\x94h\x00]h\x05"
                                 "a\x94\x85\x94R\x94s\x94"
                                 "ba0h\x07\x85"
                                 "0h\x08R0h\x09.";
    assert_written(PICKLE("cm\nS\np0\n((lp1\nccopy_reg\n_reconstructor\np2\n(cm\nC\np3\nc__builtin__"
                          "\nobject\np4\nNtp5\nRp6\n(dp7\nVs\np8\ng0\n((lp9\ng6\natp10\nRp11\nsbatp12\nR0g11\n."),
                   PICKLE(wanted));
    assert_written(PICKLE("cm\nS\nq\x00(]q\x01"
                          "ccopy_reg\n_reconstructor\nq\x02(cm\nC\nq\x03"
                          "c__builtin__\nobject\nq\x04Ntq\x05Rq\x06}q\x07X\x01\x00\x00\x00sq\x08h\x00(]q\x09h\x06"
                          "atq\nRq\x0bsbatq\x0cR0h\x0b."),
                   PICKLE(wanted));
}

/** A call that had its list when that was empty wants that one, and does not get another one for each item. */
static void an_object_that_all_items_of_its_list_have(void **state)
{
    (void)state;
    enum { COUNT = 2000 };
    kith_value *list = kith_value_list(arena), *object = call_of(tuple_of(list, NULL));
    for (int i = 0; i < COUNT; i++)
        assert_code(kith_value_append(list, list_of(object)), 0);
    kith_value *values[] = { object, kith_value_copy(arena, object) };
    for (int i = 0; i < 2; i++) {
        kith_bytes pickle = pickled(values[i], 4);
        assert_in_range(pickle.size, COUNT, COUNT * 8);
        kith_value *read = unpickled(pickle.data, pickle.size);
        kith_bytes_free(&pickle);
        assert_int_equal(kith_value_length(arg(read)), COUNT);
        for (size_t j = 0; j < COUNT; j++)
            assert_ptr_equal(kith_value_at(kith_value_at(arg(read), j), 0), read);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VALUE_TEST(what_is_not_shared_has_no_place_in_the_memo),
        VALUE_TEST(plain_values_have_the_shortest_opcodes),
        VALUE_TEST(arguments_with_names_need_a_function_below_protocol_4),
        VALUE_TEST(many_items_go_in_batches),
        VALUE_TEST(a_pickle_has_a_longest_length),
        VALUE_TEST(nesting_has_a_limit),
        VALUE_TEST(what_is_shared_is_so_again),
        VALUE_TEST(many_may_be_shared),
        VALUE_TEST(a_list_in_itself),
        VALUE_TEST(a_dict_among_its_own_items),
        VALUE_TEST(a_tuple_in_its_own_list),
        VALUE_TEST(a_tuple_far_within_itself),
        VALUE_TEST(tuples_within_each_other),
        VALUE_TEST(an_object_in_its_own_state),
        VALUE_TEST(an_object_among_its_own_arguments),
        VALUE_TEST(objects_in_each_other),
        VALUE_TEST(sets_of_objects_that_hold_them),
        VALUE_TEST(a_set_of_what_is_made_of_it_needs_protocol_4),
        VALUE_TEST(tuples_in_a_circle_do_not_make_long_pickles),
        VALUE_TEST(a_list_of_a_class_in_its_own_item),
        VALUE_TEST(lists_of_a_class_in_each_other),
        VALUE_TEST(a_dict_of_a_class_in_its_own_item),
        VALUE_TEST(a_set_of_a_class_in_its_own_item),
        VALUE_TEST(an_object_that_all_items_of_its_list_have),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
