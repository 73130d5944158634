/* kith_value_pack: a format, read letter by letter, each of which takes its arguments and makes a value. */
#include "value/format.h"
#include "value/value.h"

#include "base/error.h"

#include <errno.h>

struct packing {
    kith_arena *arena;
    const char *format;
    const char *at;
    unsigned depth;
    va_list arguments;
};

static kith_value *pack(struct packing *packing);

static kith_value *refuse_format(const struct packing *packing, const char *what)
{
    size_t place = (size_t)(packing->at - packing->format);
    return arena_fail(packing->arena, -EINVAL, "the format \"%.60s\" is wrong at %zu: %s", packing->format, place,
                      what);
}

/** Refuses an argument that made no value, where nobody has said why. */
static kith_value *check(struct packing *packing, kith_value *value)
{
    if (!value)
        value_refuse_nothing(packing->arena, "an argument of kith_value_pack");
    return value;
}

static kith_value *pack_str(struct packing *packing)
{
    const char *text = va_arg(packing->arguments, const char *);
    if (*packing->at != '#')
        return kith_value_str(packing->arena, text);
    packing->at++;
    return kith_value_str_sized(packing->arena, text, va_arg(packing->arguments, size_t));
}

static kith_value *pack_bytes(struct packing *packing, kith_kind kind)
{
    const void *data = va_arg(packing->arguments, const void *);
    size_t size = va_arg(packing->arguments, size_t);
    return (kind == KITH_BYTES ? kith_value_bytes : kith_value_bytearray)(packing->arena, data, size);
}

/** Puts values into a list, a dict or a set until the bracket closes. */
static kith_value *pack_into(struct packing *packing, kith_value *container, char close)
{
    while (container && !format_take(&packing->at, close)) {
        kith_value *key = pack(packing), *item = key;
        int code = -EINVAL;
        if (key && container->kind == KITH_DICT) {
            packing->at = format_skip(packing->at);
            if (*packing->at == close)
                return refuse_format(packing, "a key has no value");
            item = pack(packing);
        }
        if (!key || !item)
            return NULL;
        if (container->kind == KITH_LIST)
            code = value_extend(container, &item, 1);
        else
            code = value_table_put(container, key, container->kind == KITH_DICT ? item : NULL);
        if (code < 0)
            return NULL;
    }
    return container;
}

/** A tuple gets its items when all are there: they are gathered in a list. */
static kith_value *pack_tuple(struct packing *packing)
{
    kith_value *list = pack_into(packing, kith_value_list(packing->arena), ')');
    kith_value *tuple = list ? value_tuple(packing->arena, list->sequence->count) : NULL;
    for (size_t i = 0; tuple && i < list->sequence->count; i++)
        tuple->sequence->items[i] = list->sequence->items[i];
    return tuple;
}

static kith_value *pack_container(struct packing *packing, char open)
{
    switch (open) {
    case '[':
        return pack_into(packing, kith_value_list(packing->arena), ']');
    case '(':
        return pack_tuple(packing);
    case '{':
        return pack_into(packing, kith_value_dict(packing->arena), '}');
    default:
        return pack_into(packing, kith_value_new_set(packing->arena), '>');
    }
}

static kith_value *pack_letter(struct packing *packing, char letter)
{
    kith_arena *arena = packing->arena;
    switch (letter) {
    case 'n':
        return kith_value_none(arena);
    case 'b':
        return kith_value_bool(arena, va_arg(packing->arguments, int));
    case 'i':
        return kith_value_int(arena, va_arg(packing->arguments, int));
    case 'I':
        return kith_value_int(arena, va_arg(packing->arguments, int64_t));
    case 'U':
        return kith_value_unsigned(arena, va_arg(packing->arguments, uint64_t));
    case 'f':
        return kith_value_float(arena, va_arg(packing->arguments, double));
    case 's':
        return pack_str(packing);
    case 'y':
        return pack_bytes(packing, KITH_BYTES);
    case 'a':
        return pack_bytes(packing, KITH_BYTEARRAY);
    case 'v':
        return check(packing, va_arg(packing->arguments, kith_value *));
    default:
        packing->at -= letter != '\0';
        return refuse_format(packing, letter ? "there is no such letter" : "it ends too early");
    }
}

static kith_value *pack(struct packing *packing)
{
    packing->at = format_skip(packing->at);
    char letter = *packing->at;
    if (!format_closing(letter)) {
        packing->at += letter != '\0';
        return pack_letter(packing, letter);
    }
    if (packing->depth == FORMAT_DEPTH_MAX)
        return refuse_format(packing, "brackets are nested too deep");
    packing->at++;
    packing->depth++;
    kith_value *value = pack_container(packing, letter);
    packing->depth--;
    return value;
}

kith_value *kith_value_vpack(kith_arena *arena, const char *format, va_list arguments)
{
    if (!arena || !format)
        return arena_fail(arena, -EINVAL, "%s is NULL", arena ? "format" : "arena");
    struct packing packing = { .arena = arena, .format = format, .at = format };
    va_copy(packing.arguments, arguments);
    kith_value *value = pack(&packing);
    va_end(packing.arguments);
    packing.at = format_skip(packing.at);
    if (value && *packing.at)
        return refuse_format(&packing, "more than one value: put them into brackets");
    return value;
}

kith_value *kith_value_pack(kith_arena *arena, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    kith_value *value = kith_value_vpack(arena, format, arguments);
    va_end(arguments);
    return value;
}
