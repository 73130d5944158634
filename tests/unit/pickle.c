/* kith_pickle_read and kith_pickle_write of kith/codec.h: what each opcode makes, and the way back in each protocol. */
#include "pickles.h"

#include <stdio.h>
#include <unistd.h>

struct sample {
    const char *pickle;
    size_t size;
    const char *repr;
};

/** Reads each; and what it is in repr is the same after the way through each protocol. */
static void check_samples(const struct sample *samples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        kith_value *value = unpickled(samples[i].pickle, samples[i].size);
        assert_repr(value, samples[i].repr);
        for (int protocol = 2; protocol <= 5; protocol++)
            assert_repr(back(value, protocol), samples[i].repr);
        assert_int_equal(kith_arena_error(arena), 0);
        kith_arena_reset(arena);
    }
}

#define CHECK(samples) check_samples((samples), sizeof(samples) / sizeof *(samples))

/* ---- plain values ---- */

static void numbers(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        { PICKLE("N."), "None" },
        { PICKLE("\x88."), "True" },
        { PICKLE("\x89."), "False" },
        { PICKLE("I01\n."), "True" },
        { PICKLE("I00\n."), "False" },
        { PICKLE("I0\n."), "0" },
        { PICKLE("I-12\n."), "-12" },
        { PICKLE("I999999999999999999\n."), "999999999999999999" },
        { PICKLE("I9223372036854775807\n."), "9223372036854775807" },
        { PICKLE("I-9223372036854775808\n."), "-9223372036854775808" },
        { PICKLE("I9223372036854775808\n."), "9223372036854775808" },
        { PICKLE("L5L\n."), "5" },
        { PICKLE("L7\n."), "7" },
        { PICKLE("L-340282366920938463463374607431768211456L\n."), "-340282366920938463463374607431768211456" },
        { PICKLE("K\xff."), "255" },
        { PICKLE("M\xff\xfe."), "65279" },
        { PICKLE("J\xff\xff\xff\xff."), "-1" },
        { PICKLE("J\xff\xff\xff\x7f."), "2147483647" },
        { PICKLE("\x8a\x00."), "0" },
        { PICKLE("\x8a\x01\xff."), "-1" },
        { PICKLE("\x8a\x02\x00\x80."), "-32768" },
        { PICKLE("\x8a\x05\x00\x00\x00\x80\x00."), "2147483648" },
        { PICKLE("\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80."), "-9223372036854775808" },
        { PICKLE("\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01."), "18446744073709551616" },
        { PICKLE("\x8b\x01\x00\x00\x00\x7f."), "127" },
        { PICKLE("F1.5\n."), "1.5" },
        { PICKLE("F-0.0\n."), "-0.0" },
        { PICKLE("F1e-05\n."), "1e-05" },
        { PICKLE("F5e-324\n."), "5e-324" },
        { PICKLE("Finf\n."), "inf" },
        { PICKLE("F-inf\n."), "-inf" },
        { PICKLE("Fnan\n."), "nan" },
        { PICKLE("G\x3f\xf8\x00\x00\x00\x00\x00\x00."), "1.5" },
    };
    CHECK(samples);
}

static void strings(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        { PICKLE("\x8c\x00."), "''" },
        { PICKLE("\x8c\x01z."), "'z'" },
        { PICKLE("X\x03\x00\x00\x00\xe2\x82\xac."), "'€'" },
        { PICKLE("\x8d\x04\x00\x00\x00\x00\x00\x00\x00z\x00z\n."), "'z\\x00z\\n'" },
        { PICKLE("\x8c\x03\xed\xa0\x80."), "'\\ud800'" },
        { PICKLE("\x8c\x09"
                 "12345678\x01."),
          "'12345678\\x01'" },
        { PICKLE("\x8c\x0a"
                 "12345678\xc3\xa4."),
          "'12345678ä'" },
        { PICKLE("\x8c\x12\xc3\xa4"
                 "1234567890123456."),
          "'ä1234567890123456'" },
        { PICKLE("Vz\\u20ac\xe4\\\n."), "'z€ä\\\\'" },
        { PICKLE("V\\U0001f600\\\\u0041\\\\\n."), "'😀\\\\\\\\u0041\\\\\\\\'" },
        { PICKLE("V\\ud83d\\ude00\n."), "'\\ud83d\\ude00'" },
        { PICKLE("V\n."), "''" },
        { PICKLE("S'z\\n\\x41\\101\\0\\\\\\q'\n."), "'z\\nAA\\x00\\\\\\\\q'" },
        { PICKLE("S\"it's\"\n."), "\"it's\"" },
        { PICKLE("S'\\xff'\n."), "b'\\xff'" },
        { PICKLE("T\x02\x00\x00\x00zy."), "'zy'" },
        { PICKLE("U\x02z\xff."), "b'z\\xff'" },
        { PICKLE("C\x00."), "b''" },
        { PICKLE("C\x02z\xff."), "b'z\\xff'" },
        { PICKLE("B\x01\x00\x00\x00\x00."), "b'\\x00'" },
        { PICKLE("\x8e\x01\x00\x00\x00\x00\x00\x00\x00z."), "b'z'" },
        { PICKLE("\x96\x00\x00\x00\x00\x00\x00\x00\x00."), "bytearray(b'')" },
        { PICKLE("\x96\x02\x00\x00\x00\x00\x00\x00\x00z\xc4."), "bytearray(b'z\\xc4')" },
    };
    CHECK(samples);
}

static void containers(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        { PICKLE(")."), "()" },
        { PICKLE("K\x01\x85."), "(1,)" },
        { PICKLE("K\x01K\x02\x86."), "(1, 2)" },
        { PICKLE("K\x01K\x02K\x03\x87."), "(1, 2, 3)" },
        { PICKLE("(K\x01K\x02K\x03K\x04t."), "(1, 2, 3, 4)" },
        { PICKLE("(t."), "()" },
        { PICKLE("]."), "[]" },
        { PICKLE("]K\x01"
                 "a."),
          "[1]" },
        { PICKLE("](K\x01K\x02"
                 "e."),
          "[1, 2]" },
        { PICKLE("](e."), "[]" },
        { PICKLE("(l."), "[]" },
        { PICKLE("(K\x01K\x02lK\x03"
                 "a."),
          "[1, 2, 3]" },
        { PICKLE("}."), "{}" },
        { PICKLE("}K\x01K\x02s."), "{1: 2}" },
        { PICKLE("}(K\x01K\x02K\x03K\x04u."), "{1: 2, 3: 4}" },
        { PICKLE("}(K\x01K\x02K\x01K\x04u."), "{1: 4}" },
        { PICKLE("(K\x01K\x02"
                 "d."),
          "{1: 2}" },
        { PICKLE("(d."), "{}" },
        { PICKLE("\x8f."), "set()" },
        { PICKLE("\x8f(K\x01K\x02\x90."), "{1, 2}" },
        { PICKLE("(K\x01K\x02\x91."), "frozenset({1, 2})" },
        { PICKLE("(\x91."), "frozenset()" },
    };
    CHECK(samples);
}

static void stack_and_memo(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        { PICKLE("\x80\x04\x95\x02\x00\x00\x00\x00\x00\x00\x00K\x01."), "1" },
        { PICKLE("K\x01."
                 "what follows is not looked at"),
          "1" },
        { PICKLE("K\x01K\x02"
                 "0."),
          "1" },
        { PICKLE("K\x01(0."), "1" },
        { PICKLE("K\x01(K\x02K\x03"
                 "1."),
          "1" },
        { PICKLE("K\x01"
                 "2\x86."),
          "(1, 1)" },
        { PICKLE("(K\x01p0\n0g0\ng0\nt."), "(1, 1)" },
        { PICKLE("(K\x01q\x03"
                 "0h\x03h\x03t."),
          "(1, 1)" },
        { PICKLE("(K\x01r\x01\x00\x00\x00"
                 "0j\x01\x00\x00\x00j\x01\x00\x00\x00t."),
          "(1, 1)" },
        { PICKLE("(K\x01\x94K\x02\x94h\x00h\x01t."), "(1, 2, 1, 2)" },
        { PICKLE("(K\x01q\x01K\x02\x94h\x01t."), "(1, 2, 2)" }, /* a MEMOIZE counts what was put, wherever */
        { PICKLE("K\x01(K\x02."), "2" },
    };
    CHECK(samples);
}

/* ---- objects ---- */

static void globals_and_calls_look_like_python(void **state)
{
    (void)state;
    assert_repr(unpickled(PICKLE("cos\nsystem\n.")), "os.system");
    assert_repr(unpickled(PICKLE("\x8c\x05outer\x8c\x03"
                                 "A.B\x93.")),
                "outer.A.B");
    assert_repr(unpickled(PICKLE("cdatetime\ndate\nC\x04\x07\xe6\x01\x02\x85R.")),
                "datetime.date(b'\\x07\\xe6\\x01\\x02')");
}

/** Fails unless the object has this form and these parts, in repr; also after the way through each protocol. */
static void check_object(kith_value *object, kith_object_form form, const char *callable, const char *args,
                         const char *kwargs)
{
    for (int protocol = 1; protocol <= 5; protocol++) {
        kith_value *seen = protocol == 1 ? object : back(object, protocol);
        assert_int_equal(kith_object_get_form(seen), form);
        const char *const wanted[] = { callable, args, kwargs };
        kith_value *const parts[] = { kith_object_callable(seen), kith_object_args(seen), kith_object_kwargs(seen) };
        for (int i = 0; i < 3; i++) {
            if (wanted[i])
                assert_repr(parts[i], wanted[i]);
            else
                assert_null(parts[i]);
        }
    }
}

static void what_python_would_call_is_kept(void **state)
{
    (void)state;
    check_object(unpickled(PICKLE("cmodule\nname\n(K\x01"
                                  "tR.")),
                 KITH_OBJECT_CALL, "module.name", "(1,)", NULL);
    check_object(unpickled(PICKLE("cmodule\nname\n)\x81.")), KITH_OBJECT_NEW, "module.name", "()", NULL);
    check_object(unpickled(PICKLE("cmodule\nname\nK\x01\x85}K\x02K\x03s\x92.")), KITH_OBJECT_NEW, "module.name", "(1,)",
                 "{2: 3}");
    check_object(unpickled(PICKLE("(cmodule\nname\nK\x01o.")), KITH_OBJECT_INSTANCE, "module.name", "(1,)", NULL);
    check_object(unpickled(PICKLE("(K\x01imodule\nname\n.")), KITH_OBJECT_INSTANCE, "module.name", "(1,)", NULL);
    check_object(unpickled(PICKLE("Pthis one\n.")), KITH_OBJECT_PERSISTENT, NULL, "'this one'", NULL);
    check_object(unpickled(PICKLE("K\x07Q.")), KITH_OBJECT_PERSISTENT, NULL, "7", NULL);
    check_object(unpickled(PICKLE("\x82\x07.")), KITH_OBJECT_EXTENSION, NULL, "7", NULL);
    check_object(unpickled(PICKLE("\x83\x01\x02.")), KITH_OBJECT_EXTENSION, NULL, "513", NULL);
    check_object(unpickled(PICKLE("\x84\x01\x02\x03\x04.")), KITH_OBJECT_EXTENSION, NULL, "67305985", NULL);
}

static void arguments_may_be_an_object(void **state)
{
    (void)state;
    kith_value *value = unpickled(PICKLE("cm\nf\ncm\nTuple\n)\x81R."));
    assert_int_equal(kith_object_get_form(value), KITH_OBJECT_CALL);
    assert_true(kith_object_is(kith_object_args(value), "m", "Tuple"));
    assert_true(kith_object_is(kith_object_args(back(value, 4)), "m", "Tuple"));
}

static void a_pickle_that_would_run_a_command_is_data(void **state)
{
    (void)state;
    char pickle[200], mark[] = "/tmp/kith-XXXXXX";
    int file = mkstemp(mark);
    assert_true(file >= 0);
    close(file);
    int size = snprintf(pickle, sizeof pickle, "cos\nsystem\n(S'rm %s'\ntR.", mark);
    kith_value *value = unpickled(pickle, (size_t)size);
    assert_true(kith_object_is(value, "os", "system"));
    kith_bytes again = pickled(value, 4);
    assert_int_equal(access(mark, F_OK), 0);
    unlink(mark);
    kith_bytes_free(&again);
}

static void check_step(const kith_value *object, size_t index, kith_object_step step, const char *key, const char *item)
{
    kith_value *found_key, *found_item;
    assert_int_equal(kith_object_step_at(object, index, &found_key, &found_item), step);
    if (key)
        assert_repr(found_key, key);
    else
        assert_null(found_key);
    assert_repr(found_item, item);
}

static void steps_keep_their_order(void **state)
{
    (void)state;
    kith_value *value = unpickled(PICKLE("cm\nC\n)\x81K\x01"
                                         "a(K\x02K\x03"
                                         "eK\x04K\x05s(K\x06K\x07K\x08K\x09u(K\x0a\x90"
                                         "}b(e(u(\x90Nb."));
    for (int protocol = 1; protocol <= 5; protocol++) {
        kith_value *seen = protocol == 1 ? value : back(value, protocol);
        assert_int_equal(kith_object_step_count(seen), 9);
        check_step(seen, 0, KITH_STEP_APPEND, NULL, "1");
        check_step(seen, 1, KITH_STEP_APPEND, NULL, "2");
        check_step(seen, 2, KITH_STEP_APPEND, NULL, "3");
        check_step(seen, 3, KITH_STEP_SET_ITEM, "4", "5");
        check_step(seen, 4, KITH_STEP_SET_ITEM, "6", "7");
        check_step(seen, 5, KITH_STEP_SET_ITEM, "8", "9");
        check_step(seen, 6, KITH_STEP_ADD, NULL, "10");
        check_step(seen, 7, KITH_STEP_STATE, NULL, "{}");
        check_step(seen, 8, KITH_STEP_STATE, NULL, "None");
    }
}

/** A class may have a function that sets the state: the pickle calls it with the object, and drops what it returns. */
static void a_call_for_its_effect_is_a_step(void **state)
{
    (void)state;
    kith_value *value = unpickled(PICKLE("cm\nC\n)\x81\x94"
                                         "cm\nset_state\nh\x00K\x05\x86R0."));
    for (int protocol = 1; protocol <= 5; protocol++) {
        kith_value *seen = protocol == 1 ? value : back(value, protocol), *call;
        assert_int_equal(kith_object_get_form(seen), KITH_OBJECT_NEW);
        assert_int_equal(kith_object_step_count(seen), 1);
        assert_int_equal(kith_object_step_at(seen, 0, NULL, &call), KITH_STEP_CALL);
        assert_true(kith_object_is(call, "m", "set_state"));
        assert_ptr_equal(kith_value_at(kith_object_args(call), 0), seen);
        assert_repr(kith_value_at(kith_object_args(call), 1), "5");
    }
}

static void a_call_for_its_effect_is_copied_and_added(void **state)
{
    (void)state;
    kith_value *object =
        kith_object_new(arena, kith_object_global(arena, "m", "C"), kith_value_tuple(arena, NULL, 0), NULL);
    kith_value *args = kith_value_tuple(arena, (kith_value *[]){ object, integer(5) }, 2);
    kith_value *call = kith_object_call(arena, kith_object_global(arena, "m", "set_state"), args);
    assert_code(kith_object_add_step(object, KITH_STEP_CALL, NULL, call), 0);
    static const char wanted[] = "\x80\x03"
                                 "cm\nC\nq\x00)\x81q\x01"
                                 "cm\nset_state\nh\x01K\x05\x86R0.";
    assert_pickle(object, 3, wanted);
    assert_pickle(kith_value_copy(arena, object), 3, wanted);
    assert_repr(object, "m.C().then(m.set_state(..., 5))");
}

static void other_values_that_are_dropped_are_no_steps(void **state)
{
    (void)state;
    assert_int_equal(kith_object_step_count(unpickled(PICKLE("cm\nC\n)\x81"
                                                             "cm\nf\n)R0."))),
                     0);
    assert_int_equal(kith_object_step_count(unpickled(PICKLE("cm\nC\n)\x81"
                                                             "cm\nf\nK\x01\x85R0."))),
                     0);
    assert_int_equal(kith_object_step_count(unpickled(PICKLE("cm\nC\n)\x81\x94h\x00\x85"
                                                             "0."))),
                     0);
    /* It is kept elsewhere, or was a step already: it is fetched and dropped, and nobody called again. */
    assert_int_equal(kith_object_step_count(unpickled(PICKLE("cm\nC\n)\x81q\x00"
                                                             "cm\nf\nh\x00\x85Rq\x01\x85"
                                                             "0h\x01"
                                                             "0."))),
                     0);
    assert_int_equal(kith_object_step_count(unpickled(PICKLE("cm\nC\n)\x81q\x00"
                                                             "cm\nf\nh\x00\x85Rq\x01"
                                                             "0h\x01"
                                                             "0."))),
                     1);
}

static void what_has_no_state_takes_none(void **state)
{
    (void)state;
    assert_repr(unpickled(PICKLE("]Nb.")), "[]");
    assert_repr(unpickled(PICKLE("cbuiltins\nset\n)RNb.")), "set()");
}

/* ---- calls that stand for plain values ---- */

static void calls_of_builtins_are_plain_values(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        { PICKLE("c__builtin__\nset\n(lp0\nK\x01"
                 "aK\x02"
                 "a\x85R."),
          "{1, 2}" },
        { PICKLE("cbuiltins\nset\n)R."), "set()" },
        { PICKLE("cbuiltins\nfrozenset\n](K\x01K\x01"
                 "e\x85R."),
          "frozenset({1})" },
        { PICKLE("cbuiltins\nbytearray\n)R."), "bytearray(b'')" },
        { PICKLE("cbuiltins\nbytearray\nC\x02z\xff\x85R."), "bytearray(b'z\\xff')" },
        { PICKLE("c__builtin__\nbytearray\n(Vz\xff\nS'latin-1'\ntR."), "bytearray(b'z\\xff')" },
        { PICKLE("cbuiltins\nbytes\n)R."), "b''" },
        { PICKLE("c_codecs\nencode\nX\x03\x00\x00\x00z\xc3\xbf\x8c\x06latin1\x86R."), "b'z\\xff'" },
    };
    CHECK(samples);
}

static void other_calls_of_them_are_left(void **state)
{
    (void)state;
    static const struct sample calls[] = {
        { PICKLE("cbuiltins\nset\nK\x01\x85R."), "builtins" },
        { PICKLE("cbuiltins\nset\n]]\x86R."), "builtins" },
        { PICKLE("cbuiltins\nbytearray\nK\x05\x85R."), "builtins" },
        { PICKLE("cbuiltins\nbytes\nK\x05\x85R."), "builtins" },
        { PICKLE("cbuiltins\nlist\n)R."), "builtins" },
        { PICKLE("c_codecs\nencode\n\x8c\x01z\x8c\x05utf-8\x86R."), "_codecs" },
        { PICKLE("c_codecs\ndecode\n\x8c\x01z\x8c\x06latin1\x86R."), "_codecs" },
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        const char *module;
        kith_value *value = unpickled(calls[i].pickle, calls[i].size);
        assert_int_equal(kith_object_get_form(value), KITH_OBJECT_CALL);
        assert_code(kith_object_name(value, &module, NULL), 0);
        assert_string_equal(module, calls[i].repr);
    }
}

/* ---- names ---- */

static void check_names(kith_value *value, const char *module, const char *name)
{
    const char *found_module, *found_name;
    assert_code(kith_object_name(value, &found_module, &found_name), 0);
    assert_string_equal(found_module, module);
    assert_string_equal(found_name, name);
}

static void names_of_python_2_are_those_of_python_3(void **state)
{
    (void)state;
    check_names(unpickled(PICKLE("ccopy_reg\n_reconstructor\n.")), "copyreg", "_reconstructor");
    check_names(unpickled(PICKLE("\x80\x02"
                                 "c__builtin__\nxrange\n.")),
                "builtins", "range");
    check_names(unpickled(PICKLE("cexceptions\nKeyError\n.")), "builtins", "KeyError");
    check_names(unpickled(PICKLE("cexceptions\nStandardError\n.")), "builtins", "Exception");
    check_names(unpickled(PICKLE("cmultiprocessing\nTimeoutError\n.")), "multiprocessing.context", "TimeoutError");
    check_names(unpickled(PICKLE("cmultiprocessing\nQueue\n.")), "multiprocessing", "Queue");
    check_names(unpickled(PICKLE("(icopy_reg\nC\n.")), "copyreg", "C");
    check_names(unpickled(PICKLE("\x80\x03"
                                 "ccopy_reg\n_reconstructor\n.")),
                "copy_reg", "_reconstructor");
    check_names(unpickled(PICKLE("\x80\x04\x8c\x08"
                                 "copy_reg\x8c\x01"
                                 "C\x93.")),
                "copy_reg", "C");
}

static void protocol_2_has_the_names_of_python_2(void **state)
{
    (void)state;
    assert_pickle(kith_object_global(arena, "builtins", "range"), 2,
                  "\x80\x02"
                  "c__builtin__\nxrange\n.");
    assert_pickle(kith_object_global(arena, "copyreg", "C"), 2,
                  "\x80\x02"
                  "ccopy_reg\nC\n.");
    assert_pickle(kith_object_global(arena, "builtins", "KeyError"), 2,
                  "\x80\x02"
                  "cexceptions\nKeyError\n.");
    assert_pickle(kith_object_global(arena, "multiprocessing.context", "TimeoutError"), 2,
                  "\x80\x02"
                  "cmultiprocessing\nTimeoutError\n.");
    assert_pickle(kith_object_global(arena, "builtins", "TimeoutError"), 2,
                  "\x80\x02"
                  "cexceptions\nOSError\n.");
    assert_pickle(kith_object_global(arena, "copyreg", "C"), 3,
                  "\x80\x03"
                  "ccopyreg\nC\n.");
    assert_pickle(kith_object_global(arena, "copyreg", "C"), 4,
                  "\x80\x04\x8c\x07"
                  "copyreg\x8c\x01"
                  "C\x93.");
}

static void names_in_classes_are_asked_for_where_they_have_to(void **state)
{
    (void)state;
    kith_value *inner = kith_object_global(arena, "m", "A.B.C");
    assert_pickle(inner, 4,
                  "\x80\x04\x8c\x01m\x8c\x05"
                  "A.B.C\x93.");
    assert_pickle(inner, 3,
                  "\x80\x03"
                  "cbuiltins\ngetattr\ncbuiltins\ngetattr\ncm\nA\n"
                  "X\x01\x00\x00\x00"
                  "B\x86RX\x01\x00\x00\x00"
                  "C\x86R.");
}

static void a_name_can_not_smuggle_opcodes_in(void **state)
{
    (void)state;
    kith_bytes pickle;
    kith_value *value = kith_object_global(arena, "m", "name\ncos\nsystem");
    assert_explained(kith_pickle_write(value, &pickle, &(kith_pickle_write_options){ .protocol = 3 }), -ENOTSUP);
    check_names(back(value, 4), "m", "name\ncos\nsystem");
}

/* ---- buffers ---- */

static void buffers_come_beside(void **state)
{
    (void)state;
    char data[3000] = "first";
    const kith_buffer buffers[] = { { data, sizeof data }, { NULL, 0 } };
    kith_pickle_read_options options = { .buffers = buffers, .buffer_count = 2, .max_depth = 2 };
    for (options.borrow = 0; options.borrow <= 1; options.borrow++) {
        kith_value *value;
        assert_code(kith_pickle_read(arena, &value, PICKLE("\x80\x05\x97\x97\x98\x86."), &options), 0);
        for (size_t i = 0; i < 2; i++) {
            kith_value *buffer = kith_value_at(value, i);
            const void *found;
            size_t size;
            assert_int_equal(kith_object_get_form(buffer), KITH_OBJECT_BUFFER);
            assert_repr(kith_object_args(buffer), i ? "1" : "0");
            assert_code(kith_value_as_bytes(buffer, &found, &size), 0);
            assert_int_equal(size, buffers[i].size);
            if (size)
                assert_memory_equal(found, data, size);
            assert_int_equal(found == data, i == 0 && options.borrow);
        }
        kith_value *plain = back(value, 4);
        assert_int_equal(kith_value_kind(kith_value_at(plain, 0)), KITH_BYTEARRAY);
        assert_int_equal(kith_value_kind(kith_value_at(plain, 1)), KITH_BYTES);
        assert_int_equal(kith_value_length(kith_value_at(plain, 0)), sizeof data);
    }
}

static void a_buffer_that_did_not_come_is_kept_as_a_place(void **state)
{
    (void)state;
    kith_value *value = unpickled(PICKLE("\x97\x97\x98\x86."));
    const void *data;
    size_t size;
    kith_bytes pickle;
    assert_code(kith_value_as_bytes(kith_value_at(value, 0), &data, &size), KITH_ETYPE);
    assert_pickle(value, 5, "\x80\x05\x97\x97\x98\x86.");
    assert_explained(kith_pickle_write(value, &pickle, NULL), -ENOTSUP);
}

static int take_buffer(void *context, const kith_value *buffer)
{
    int *left = context;
    assert_int_equal(kith_object_get_form(buffer), KITH_OBJECT_BUFFER);
    return --*left < 0 ? -ENOBUFS : 0;
}

static void buffers_are_left_out_when_somebody_takes_them(void **state)
{
    (void)state;
    kith_value *value;
    const kith_buffer buffers[] = { { "one", 3 }, { "two", 3 } };
    assert_code(kith_pickle_read(arena, &value, PICKLE("\x97\x97\x98\x94h\x00\x87."),
                                 &(kith_pickle_read_options){ .buffers = buffers, .buffer_count = 2 }),
                0);
    int left = 2;
    kith_bytes pickle;
    kith_pickle_write_options options = { .protocol = 5, .on_buffer = take_buffer, .context = &left };
    assert_code(kith_pickle_write(value, &pickle, &options), 0);
    assert_int_equal(left, 0);
    assert_int_equal(pickle.size, sizeof "\x80\x05\x97\x97\x98\x94h\x00\x87." - 1);
    assert_memory_equal(pickle.data, "\x80\x05\x97\x97\x98\x94h\x00\x87.", pickle.size);
    kith_bytes_free(&pickle);
    left = 1;
    assert_code(kith_pickle_write(value, &pickle, &options), -ENOBUFS);
    options.protocol = 4;
    assert_explained(kith_pickle_write(value, &pickle, &options), -EINVAL);
}

static void long_bytes_may_be_borrowed(void **state)
{
    (void)state;
    static char pickle[5 + 5000 + 1] = "B\x88\x13\x00\x00";
    pickle[sizeof pickle - 1] = '.';
    const void *data;
    size_t size;
    kith_value *value;
    assert_code(kith_pickle_read(arena, &value, pickle, sizeof pickle, &(kith_pickle_read_options){ .borrow = 1 }), 0);
    assert_code(kith_value_as_bytes(value, &data, &size), 0);
    assert_ptr_equal(data, pickle + 5);
    assert_int_equal(size, 5000);
    assert_code(kith_value_as_bytes(unpickled(pickle, sizeof pickle), &data, &size), 0);
    assert_true(data != pickle + 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VALUE_TEST(numbers),
        VALUE_TEST(strings),
        VALUE_TEST(containers),
        VALUE_TEST(stack_and_memo),
        VALUE_TEST(globals_and_calls_look_like_python),
        VALUE_TEST(what_python_would_call_is_kept),
        VALUE_TEST(arguments_may_be_an_object),
        VALUE_TEST(a_pickle_that_would_run_a_command_is_data),
        VALUE_TEST(steps_keep_their_order),
        VALUE_TEST(a_call_for_its_effect_is_a_step),
        VALUE_TEST(a_call_for_its_effect_is_copied_and_added),
        VALUE_TEST(other_values_that_are_dropped_are_no_steps),
        VALUE_TEST(what_has_no_state_takes_none),
        VALUE_TEST(calls_of_builtins_are_plain_values),
        VALUE_TEST(other_calls_of_them_are_left),
        VALUE_TEST(names_of_python_2_are_those_of_python_3),
        VALUE_TEST(protocol_2_has_the_names_of_python_2),
        VALUE_TEST(names_in_classes_are_asked_for_where_they_have_to),
        VALUE_TEST(a_name_can_not_smuggle_opcodes_in),
        VALUE_TEST(buffers_come_beside),
        VALUE_TEST(a_buffer_that_did_not_come_is_kept_as_a_place),
        VALUE_TEST(buffers_are_left_out_when_somebody_takes_them),
        VALUE_TEST(long_bytes_may_be_borrowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
