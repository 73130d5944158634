/* A value as Python's repr shows it. A walk writes what opens a container, goes into each part, and writes what is
 * between them and what closes it. */
#include "value/show.h"

#include "base/error.h"
#include "base/utf8.h"
#include "value/decimal.h"
#include "value/walk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct writing {
    struct walk walk;
    char *text;
    size_t size;
    size_t capacity;
    size_t max;
    bool full;                 /* nothing more is written */
    int code;                  /* why no text comes of it */
    value_show_function *show; /* NULL: nobody else shows objects */
    void *context;
};

/* ---- the text ---- */

static bool reserve(struct writing *writing, size_t size)
{
    if (size < writing->capacity - writing->size)
        return true;
    size_t capacity = writing->capacity * 2 + size;
    char *text = realloc(writing->text, capacity);
    if (!text) {
        writing->code = error_fail(-ENOMEM, "no memory for a text of %zu bytes", capacity);
        return false;
    }
    writing->text = text;
    writing->capacity = capacity;
    return true;
}

/** Cuts the text to its longest, "..." included, and not within a character. */
static void cut(struct writing *writing)
{
    size_t dots = writing->max < 3 ? writing->max : 3, size = writing->max - dots;
    while (size > 0 && (writing->text[size] & 0xc0) == 0x80)
        size--;
    memcpy(writing->text + size, "...", dots);
    writing->size = size + dots;
    writing->full = true;
}

static void put_sized(struct writing *writing, const char *text, size_t size)
{
    if (writing->full || writing->code < 0)
        return;
    bool over = size > writing->max - writing->size;
    if (over)
        size = writing->max - writing->size + 1 < size ? writing->max - writing->size + 1 : size;
    if (!reserve(writing, size + 1))
        return;
    memcpy(writing->text + writing->size, text, size);
    writing->size += size;
    if (over)
        cut(writing);
}

static void put(struct writing *writing, const char *text)
{
    put_sized(writing, text, strlen(text));
}

/* ---- plain values ---- */

/** Beyond ASCII, what is no letter and no sign: controls, formats, spaces, surrogates, for private use. As Unicode 15
 *  has it; what it has not assigned is shown. */
static bool is_printable(uint32_t character)
{
    static const uint32_t hidden[][2] = {
        { 0x7f, 0xa0 },       { 0xad, 0xad },        { 0x600, 0x605 },     { 0x61c, 0x61c },     { 0x6dd, 0x6dd },
        { 0x70f, 0x70f },     { 0x890, 0x891 },      { 0x8e2, 0x8e2 },     { 0x1680, 0x1680 },   { 0x180e, 0x180e },
        { 0x2000, 0x200f },   { 0x2028, 0x202f },    { 0x205f, 0x2064 },   { 0x2066, 0x206f },   { 0x3000, 0x3000 },
        { 0xd800, 0xf8ff },   { 0xfdd0, 0xfdef },    { 0xfeff, 0xfeff },   { 0xfff9, 0xfffb },   { 0x110bd, 0x110bd },
        { 0x110cd, 0x110cd }, { 0x13430, 0x1343f },  { 0x1bca0, 0x1bca3 }, { 0x1d173, 0x1d17a }, { 0xe0001, 0xe0001 },
        { 0xe0020, 0xe007f }, { 0xf0000, 0x10ffff },
    };
    if (character < 0x7f)
        return character >= 0x20;
    if ((character & 0xfffe) == 0xfffe)
        return false;
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++) {
        if (character <= hidden[i][1])
            return character < hidden[i][0];
    }
    return true;
}

/** The code point of a character of so many bytes. */
static uint32_t code_point(const char *at, size_t length)
{
    uint32_t point = (unsigned char)*at;
    if (length > 1)
        point &= 0x7fu >> length;
    for (size_t i = 1; i < length; i++)
        point = point << 6 | ((unsigned char)at[i] & 0x3f);
    return point;
}

static void put_escaped(struct writing *writing, uint32_t character)
{
    char text[12];
    if (character == '\n' || character == '\r' || character == '\t')
        snprintf(text, sizeof text, "\\%c", character == '\n' ? 'n' : character == '\r' ? 'r' : 't');
    else if (character <= 0xff)
        snprintf(text, sizeof text, "\\x%02x", (unsigned)character);
    else if (character <= 0xffff)
        snprintf(text, sizeof text, "\\u%04x", (unsigned)character);
    else
        snprintf(text, sizeof text, "\\U%08x", (unsigned)character);
    put(writing, text);
}

/** @param characters  whether it is text; else bytes */
static void put_quoted(struct writing *writing, const char *data, size_t size, bool characters)
{
    bool single = size && memchr(data, '\'', size), twice = size && memchr(data, '"', size);
    const char *quote = single && !twice ? "\"" : "'";
    put(writing, quote);
    for (size_t at = 0, length; at < size && !writing->full && writing->code == 0; at += length) {
        length = characters ? utf8_character(data + at, size - at, true) : 1;
        uint32_t character = code_point(data + at, length);
        if (character == '\\' || character == (unsigned char)*quote)
            put(writing, "\\");
        if (is_printable(character) && (characters || character < 0x80))
            put_sized(writing, data + at, length);
        else
            put_escaped(writing, character);
    }
    put(writing, quote);
}

static void put_int(struct writing *writing, const kith_value *value)
{
    char *text;
    int code = decimal_int(value, &text);
    if (code < 0) {
        writing->code = code;
        return;
    }
    put(writing, text);
    free(text);
}

static void put_bytes(struct writing *writing, const char *open, const void *data, size_t size, const char *close)
{
    put(writing, open);
    put_quoted(writing, data, size, false);
    put(writing, close);
}

static void put_name(struct writing *writing, const struct object *global)
{
    put(writing, global->module);
    put(writing, ".");
    put(writing, global->name);
}

static void put_plain(struct writing *writing, const kith_value *value)
{
    char number[DECIMAL_FLOAT_SIZE];
    switch (value->kind) {
    case KITH_NONE:
        put(writing, "None");
        break;
    case KITH_BOOL:
        put(writing, value->truth ? "True" : "False");
        break;
    case KITH_INT:
        put_int(writing, value);
        break;
    case KITH_FLOAT:
        put_sized(writing, number, decimal_float(value->real, number));
        break;
    case KITH_STR:
        put_quoted(writing, value->bytes.data, value->bytes.size, true);
        break;
    case KITH_BYTES:
        put_bytes(writing, "b", value->bytes.data, value->bytes.size, "");
        break;
    case KITH_BYTEARRAY:
        put_bytes(writing, "bytearray(b", value->bytes.data, value->bytes.size, ")");
        break;
    default: /* an object without parts to show */
        if (value->object->form == KITH_OBJECT_BUFFER)
            put_bytes(writing, "buffer(b", value->object->data, value->object->size, ")");
        else
            put_name(writing, value->object);
    }
}

/* ---- containers ---- */

/** What stands at the beginning, the end, and instead of what the walk is in already, or has nothing in it. */
struct form {
    const char *open;
    const char *close;
    const char *again;
    const char *empty;
};

static const struct form *form_of(const kith_value *value)
{
    static const struct form list = { "[", "]", "[...]", "[]" }, tuple = { "(", ")", "(...)", "()" },
                             dict = { "{", "}", "{...}", "{}" }, set = { "{", "}", "set(...)", "set()" },
                             frozenset = { "frozenset({", "})", "frozenset(...)", "frozenset()" },
                             object = { "", "", "...", "" };
    switch (value->kind) {
    case KITH_LIST:
        return &list;
    case KITH_TUPLE:
        return &tuple;
    case KITH_DICT:
        return &dict;
    case KITH_SET:
        return &set;
    case KITH_FROZENSET:
        return &frozenset;
    default:
        return &object;
    }
}

/** Whether a tuple is the arguments of the object that is written: the object writes the parentheses. */
static bool is_args(const kith_value *outer, size_t index)
{
    return outer->kind == KITH_OBJECT && index == 1 && kith_value_kind(outer->object->args) == KITH_TUPLE;
}

/** What stands before what is called; or instead of it, where nothing is. */
static void put_form(struct writing *writing, const struct object *object)
{
    static const char *const forms[] = {
        [KITH_OBJECT_PERSISTENT] = "persistent",
        [KITH_OBJECT_EXTENSION] = "extension",
        [KITH_OBJECT_BUFFER] = "buffer",
    };
    if (object->form == KITH_OBJECT_GLOBAL)
        put_name(writing, object);
    else if (!object->callable)
        put(writing, forms[object->form]);
}

/** What stands between the arguments or a step and the next step, or the end. */
static void put_before_step(struct writing *writing, const struct object *object, size_t step)
{
    static const char *const steps[] = {
        [KITH_STEP_STATE] = ".__setstate__(",
        [KITH_STEP_APPEND] = ".append(",
        [KITH_STEP_SET_ITEM] = ".__setitem__(",
        [KITH_STEP_ADD] = ".add(",
        [KITH_STEP_CALL] = ".then(", /* in which the object stands as ... */
    };
    if (step > 0 || object->form != KITH_OBJECT_GLOBAL)
        put(writing, ")");
    if (step < object->count)
        put(writing, steps[object->steps[step].kind]);
}

/** What stands before a part of an object, or, behind the last one, at its end. */
static void put_before_object_part(struct writing *writing, const struct object *object, size_t index)
{
    size_t step = index > 2 ? (index - 3) / 2 : 0;
    bool unpacked = object->callable && kith_value_kind(object->args) != KITH_TUPLE; /* by Python: *args */
    if (index == 0)
        put_form(writing, object);
    else if (index == 1 && object->form != KITH_OBJECT_GLOBAL)
        put(writing, unpacked ? "(*" : "(");
    else if (index == 2 && object->kwargs)
        put(writing, unpacked || kith_value_length(object->args) > 0 ? ", **" : "**");
    else if (index > 2 && index % 2)
        put_before_step(writing, object, step);
    else if (index > 2 && object->steps[step].key)
        put(writing, ", ");
}

static void put_before_part(struct writing *writing, const kith_value *value, size_t index)
{
    if (value->kind == KITH_OBJECT)
        put_before_object_part(writing, value->object, index);
    else if (index > 0)
        put(writing, value->kind == KITH_DICT && index % 2 ? ": " : ", ");
}

/** Whether the walk is in a value already. Only what is shared, or the root, can be in itself. */
static bool is_in(const struct walk *walk, const kith_value *value)
{
    if (!(value->marks & VALUE_SHARED))
        return walk->count > 0 && walk->frames[0].value == value;
    for (size_t i = 0; i < walk->count; i++) {
        if (walk->frames[i].value == value)
            return true;
    }
    return false;
}

/** Has somebody else show an object. @return whether that is done */
static bool put_shown(struct writing *writing, const kith_value *value)
{
    char text[VALUE_SHOWN_SIZE];
    if (value->kind != KITH_OBJECT || !writing->show || !writing->show(writing->context, value, text))
        return false;
    put(writing, text);
    return true;
}

/** Writes a value, or what it begins with, and goes into it. */
static int put_value(struct writing *writing, const kith_value *value, bool args)
{
    if (put_shown(writing, value))
        return writing->code;
    bool is_plain = value->kind < KITH_LIST;
    if (value->kind == KITH_OBJECT)
        is_plain = (value->object->form == KITH_OBJECT_GLOBAL && !value->object->count) || value->object->data;
    if (is_plain)
        put_plain(writing, value);
    else if (is_in(&writing->walk, value))
        put(writing, form_of(value)->again);
    else if (value_part_count(value) == 0)
        put(writing, args ? "" : form_of(value)->empty);
    else {
        put(writing, args ? "" : form_of(value)->open);
        return walk_enter(&writing->walk, value, NULL);
    }
    return writing->code;
}

static void put_end(struct writing *writing, const kith_value *value)
{
    size_t depth = writing->walk.count;
    const struct frame *outer = depth ? &writing->walk.frames[depth - 1] : NULL;
    if (outer && is_args(outer->value, outer->next - 1))
        return;
    if (value->kind == KITH_TUPLE && value->sequence->count == 1)
        put(writing, ",");
    put(writing, form_of(value)->close);
}

static int put_all(struct writing *writing, const kith_value *root)
{
    int code = put_value(writing, root, false);
    for (struct frame *frame = walk_top(&writing->walk); frame && code == 0 && !writing->full;
         frame = walk_top(&writing->walk)) {
        const kith_value *value = frame->value;
        size_t index = frame->next++;
        bool at_end = index == value_part_count(value);
        if (!at_end || value->kind == KITH_OBJECT)
            put_before_part(writing, value, index);
        code = writing->code;
        if (at_end) {
            walk_leave(&writing->walk);
            put_end(writing, value);
        } else if (code == 0 && value_part(value, index)) {
            code = put_value(writing, value_part(value, index), is_args(value, index));
        }
    }
    return code < 0 ? code : writing->code;
}

int kith_value_repr(const kith_value *value, kith_bytes *text, size_t max)
{
    return value_show(value, text, max, NULL, NULL);
}

int value_show(const kith_value *value, kith_bytes *text, size_t max, value_show_function *show, void *context)
{
    if (!value || !text)
        return error_fail(-EINVAL, "%s is NULL", value ? "text" : "value");
    struct writing writing = { .max = max ? max : PTRDIFF_MAX, .show = show, .context = context };
    walk_begin(&writing.walk);
    int code = reserve(&writing, 64) ? put_all(&writing, value) : writing.code;
    walk_end(&writing.walk);
    if (code < 0) {
        free(writing.text);
        return code;
    }
    writing.text[writing.size] = '\0';
    *text = (kith_bytes){ writing.text, writing.size };
    return 0;
}
