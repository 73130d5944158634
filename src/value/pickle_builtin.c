/* Calls that stand for plain values. Protocols below 4 have no word for a set, those below 3 none for bytes, and those
 * below 5 none for a bytearray, so the pickle says: call set with this list. What such a call makes is known, and has
 * no identity but its own, so it can be made here. Where the arguments are not those that a pickler writes, the call is
 * left as it is. */
#include "value/pickle.h"

static int fail(const char **fault, const char *what)
{
    *fault = what;
    return KITH_EMALFORMED;
}

static int made(kith_arena *arena, kith_value *value, kith_value **out)
{
    if (!value)
        return arena->last;
    *out = value;
    return 1;
}

/** set() and set([...]). */
static int make_set(kith_arena *arena, kith_kind kind, const struct sequence *args, kith_value **value,
                    const char **fault)
{
    if (args->count > 1 || (args->count == 1 && args->items[0]->kind != KITH_LIST))
        return 0;
    size_t count = args->count == 1 ? args->items[0]->sequence->count : 0;
    /* With all its room at once: who has one long list made a set again and again is stopped by the memory, even if all
     * items are equal. */
    kith_value *set = value_table(arena, kind, count);
    for (size_t i = 0; set && i < count; i++) {
        int code = value_table_put(set, args->items[0]->sequence->items[i], NULL);
        if (code < 0)
            return code == KITH_ETYPE ? fail(fault, "a set holds what can change") : code;
    }
    return made(arena, set, value);
}

/** The bytes that a text stands for in Latin-1. */
static int encode(kith_arena *arena, kith_kind kind, const kith_value *text, kith_value **value, const char **fault)
{
    const unsigned char *at = (const unsigned char *)text->bytes.data, *end = at + text->bytes.size;
    unsigned char *bytes = arena_take(arena, text->bytes.size + 1), *out = bytes;
    if (!bytes)
        return arena->last;
    while (at < end) {
        unsigned char c = *at++;
        if (c > 0xc3)
            return fail(fault, "bytes are written as a text that is not Latin-1");
        *out++ = (unsigned char)(c < 0x80 ? c : c << 6 | (*at++ & 0x3f));
    }
    return made(arena, value_borrow(arena, kind, bytes, (size_t)(out - bytes)), value);
}

static bool is_latin(const kith_value *value)
{
    return value->kind == KITH_STR &&
           (strcmp(value->bytes.data, "latin1") == 0 || strcmp(value->bytes.data, "latin-1") == 0);
}

/** bytearray(), bytearray(b'...') and bytearray('...', 'latin-1'). */
static int make_bytearray(kith_arena *arena, const struct sequence *args, kith_value **value, const char **fault)
{
    if (args->count == 0)
        return made(arena, kith_value_bytearray(arena, NULL, 0), value);
    const kith_value *from = args->items[0];
    if (args->count == 1 && from->kind == KITH_BYTES)
        return made(arena, kith_value_bytearray(arena, from->bytes.data, from->bytes.size), value);
    if (args->count == 2 && from->kind == KITH_STR && is_latin(args->items[1]))
        return encode(arena, KITH_BYTEARRAY, from, value, fault);
    return 0;
}

/** copyreg.__newobj_ex__(class, args, kwargs): how protocols 2 and 3 say NEWOBJ_EX. */
static int make_new(kith_arena *arena, const struct sequence *args, kith_value **value)
{
    if (args->count != 3 || args->items[0]->kind != KITH_OBJECT || args->items[1]->kind != KITH_TUPLE ||
        args->items[2]->kind != KITH_DICT)
        return 0;
    return made(arena, kith_object_new(arena, args->items[0], args->items[1], args->items[2]), value);
}

int pickle_builtin(kith_arena *arena, const kith_value *callable, const kith_value *args, kith_value **value,
                   const char **fault)
{
    /* Steps of the callable count for nothing: when it is read again they may come before the call, or behind it. */
    if (callable->object->form != KITH_OBJECT_GLOBAL || args->kind != KITH_TUPLE)
        return 0;
    const char *module = callable->object->module, *name = callable->object->name;
    const struct sequence *sequence = args->sequence;
    if (strcmp(module, "builtins") == 0) {
        if (strcmp(name, "set") == 0)
            return make_set(arena, KITH_SET, sequence, value, fault);
        if (strcmp(name, "frozenset") == 0)
            return make_set(arena, KITH_FROZENSET, sequence, value, fault);
        if (strcmp(name, "bytearray") == 0)
            return make_bytearray(arena, sequence, value, fault);
        if (strcmp(name, "bytes") == 0 && sequence->count == 0)
            return made(arena, kith_value_bytes(arena, NULL, 0), value);
    } else if (strcmp(module, "_codecs") == 0) {
        if (strcmp(name, "encode") == 0 && sequence->count == 2 && sequence->items[0]->kind == KITH_STR &&
            is_latin(sequence->items[1]))
            return encode(arena, KITH_BYTES, sequence->items[0], value, fault);
    } else if (strcmp(module, "copyreg") == 0 && strcmp(name, "__newobj_ex__") == 0) {
        return make_new(arena, sequence, value);
    }
    return 0;
}
