/* Plain values: made, and read. The numbers of any size are in number.c. */
#include "value/value.h"

#include "base/error.h"
#include "base/utf8.h"
#include "value/few.h"

#include <errno.h>

bool value_is_text(const void *bytes, size_t size)
{
    const char *at = bytes, *end = at + size;
    while (at != end) {
        /* Most is ASCII: eight at once. */
        uint64_t word;
        if ((size_t)(end - at) >= sizeof word && (memcpy(&word, at, sizeof word), !(word & 0x8080808080808080))) {
            at += sizeof word;
            continue;
        }
        size_t length = !(*at & 0x80) ? 1 : utf8_character(at, (size_t)(end - at), true);
        if (length == 0)
            return false;
        at += length;
    }
    return true;
}

kith_arena *value_arena(const kith_value *value)
{
    switch (kith_value_kind(value)) {
    case KITH_LIST:
    case KITH_TUPLE:
        return value->sequence->arena;
    case KITH_DICT:
    case KITH_SET:
    case KITH_FROZENSET:
        return value->table->arena;
    case KITH_OBJECT:
        return value->object->arena;
    default:
        return NULL;
    }
}

int value_refuse_nothing(kith_arena *arena, const char *what)
{
    if (!arena || !arena->error)
        arena_fail(arena, -EINVAL, "%s is NULL: the call that should have made it failed", what);
    return -EINVAL;
}

/* ---- kinds ---- */

int kith_value_kind(const kith_value *value)
{
    return value ? value->kind : 0;
}

const char *kith_kind_name(int kind)
{
    static const char *const names[] = {
        "nothing",   "None", "bool",  "int",  "float", "str",       "bytes",
        "bytearray", "list", "tuple", "dict", "set",   "frozenset", "object",
    };
    return names[kind > 0 && kind <= KITH_OBJECT ? kind : 0];
}

/* ---- making ---- */

/** A node without content, for who may have given no arena. */
static kith_value *make(kith_arena *arena, kith_kind kind)
{
    if (!arena)
        return arena_fail(NULL, -EINVAL, "arena is NULL: give the one that will own the value");
    return value_new(arena, kind);
}

kith_value *kith_value_none(kith_arena *arena)
{
    return make(arena, KITH_NONE);
}

kith_value *kith_value_bool(kith_arena *arena, int truth)
{
    kith_value *value = make(arena, KITH_BOOL);
    if (value)
        value->truth = truth != 0;
    return value;
}

kith_value *kith_value_int(kith_arena *arena, int64_t number)
{
    kith_value *value = make(arena, KITH_INT);
    if (value)
        value->integer = number;
    return value;
}

kith_value *kith_value_float(kith_arena *arena, double number)
{
    kith_value *value = make(arena, KITH_FLOAT);
    if (value)
        value->real = number;
    return value;
}

static kith_value *with_bytes(kith_value *value, const char *data, size_t size)
{
    if (!value || !data)
        return NULL;
    value->bytes.data = data;
    value->bytes.size = size;
    return value;
}

kith_value *value_str(kith_arena *arena, const char *text, size_t size)
{
    struct whole {
        kith_value value;
        char text[];
    } *whole = arena_take(arena, sizeof *whole + size + 1);
    if (!whole)
        return NULL;
    few_copy(whole->text, text, size);
    whole->text[size] = '\0';
    whole->value = (kith_value){ .kind = KITH_STR, .bytes = { whole->text, size } };
    return &whole->value;
}

kith_value *value_borrow(kith_arena *arena, kith_kind kind, const void *data, size_t size)
{
    return with_bytes(value_new(arena, kind), data ? data : "", size);
}

kith_value *kith_value_str_sized(kith_arena *arena, const char *text, size_t size)
{
    if (!arena || (!text && size))
        return arena_fail(arena, -EINVAL, "%s is NULL", arena ? "text" : "arena");
    if (!value_is_text(text, size))
        return arena_fail(arena, -EILSEQ, "a text is not in UTF-8: make it bytes, or convert it");
    return value_str(arena, text, size);
}

kith_value *kith_value_str(kith_arena *arena, const char *text)
{
    if (!text)
        return arena_fail(arena, -EINVAL, "text is NULL");
    return kith_value_str_sized(arena, text, strlen(text));
}

/** Whether the arguments of a maker of bytes are good. */
static bool are_bytes(kith_arena *arena, const void *data, size_t size)
{
    if (arena && (data || !size))
        return true;
    arena_fail(arena, -EINVAL, "%s is NULL", arena ? "data" : "arena");
    return false;
}

static kith_value *copy_bytes(kith_arena *arena, kith_kind kind, const void *data, size_t size)
{
    if (!are_bytes(arena, data, size))
        return NULL;
    return with_bytes(value_new(arena, kind), arena_copy(arena, data, size), size);
}

kith_value *kith_value_bytes(kith_arena *arena, const void *data, size_t size)
{
    return copy_bytes(arena, KITH_BYTES, data, size);
}

kith_value *kith_value_bytearray(kith_arena *arena, const void *data, size_t size)
{
    return copy_bytes(arena, KITH_BYTEARRAY, data, size);
}

kith_value *kith_value_bytes_borrowed(kith_arena *arena, const void *data, size_t size)
{
    return are_bytes(arena, data, size) ? value_borrow(arena, KITH_BYTES, data, size) : NULL;
}

/* ---- reading ---- */

int kith_value_as_bool(const kith_value *value, int *truth)
{
    if (!truth)
        return error_fail(-EINVAL, "truth is NULL: give where to store it");
    if (kith_value_kind(value) != KITH_BOOL)
        return value_is_no(value, "bool");
    *truth = value->truth;
    return 0;
}

int kith_value_as_str(const kith_value *value, const char **text, size_t *size)
{
    if (!text)
        return error_fail(-EINVAL, "text is NULL: give where to store it");
    if (kith_value_kind(value) != KITH_STR)
        return value_is_no(value, "str");
    if (!size && memchr(value->bytes.data, '\0', value->bytes.size))
        return error_fail(-EILSEQ, "the str holds NUL bytes: ask for its size, too");
    *text = value->bytes.data;
    if (size)
        *size = value->bytes.size;
    return 0;
}

int kith_value_as_bytes(const kith_value *value, const void **data, size_t *size)
{
    if (!data || !size)
        return error_fail(-EINVAL, "%s is NULL: give where to store it", data ? "size" : "data");
    if (kith_object_get_form(value) == KITH_OBJECT_BUFFER && value->object->data) {
        *data = value->object->data;
        *size = value->object->size;
        return 0;
    }
    if (kith_value_kind(value) != KITH_BYTES && kith_value_kind(value) != KITH_BYTEARRAY)
        return value_is_no(value, "bytes, bytearray or buffer with its data");
    *data = value->bytes.data;
    *size = value->bytes.size;
    return 0;
}

size_t kith_value_length(const kith_value *value)
{
    switch (kith_value_kind(value)) {
    case KITH_STR:
    case KITH_BYTES:
    case KITH_BYTEARRAY:
        return value->bytes.size;
    case KITH_LIST:
    case KITH_TUPLE:
        return value->sequence->count;
    case KITH_DICT:
    case KITH_SET:
    case KITH_FROZENSET:
        return value->table->count;
    default:
        return 0;
    }
}

kith_value *kith_value_at(const kith_value *value, size_t index)
{
    if (index >= kith_value_length(value))
        return NULL;
    switch (value->kind) {
    case KITH_LIST:
    case KITH_TUPLE:
        return value->sequence->items[index];
    case KITH_SET:
    case KITH_FROZENSET:
        return value->table->pairs[index].key;
    default:
        return NULL;
    }
}

int value_is_no(const kith_value *value, const char *wanted)
{
    return error_fail(KITH_ETYPE, "the value is of the kind %s, and no %s", kith_kind_name(kith_value_kind(value)),
                      wanted);
}
