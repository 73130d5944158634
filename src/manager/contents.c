#include "manager/contents.h"

#include "base/error.h"
#include "manager/token.h"
#include "value/name.h"
#include "value/show.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { COPIES_MAX = 128 << 20 }; /* bytes of cells that are held more than once */

int contents_check(const struct cells *cells, const struct slice *slice, size_t times)
{
    struct slice all = { .step = 1, .count = cells->count };
    uint64_t copies = 0, most = times > 0 ? COPIES_MAX / times : UINT64_MAX;
    if (!slice)
        slice = &all;
    for (size_t i = 0; i < slice->count && copies <= most; i++) {
        const struct cell *cell = cells->items[slice_at(slice, i)];
        copies += times > 1 || cell->holders > 1 ? cell->size : 0;
    }
    return copies <= most
               ? 0
               : error_fail(-ENOMEM, "of what is kept once, copies of at most %d bytes are handed out", COPIES_MAX);
}

int contents_list(kith_arena *arena, const struct cells *cells, const struct slice *slice, kith_value **list)
{
    struct slice all = { .step = 1, .count = cells->count };
    kith_value *made = kith_value_list(arena);
    int code = made ? contents_check(cells, slice, 1) : kith_arena_error(arena);
    if (!slice)
        slice = &all;
    for (size_t i = 0; code == 0 && i < slice->count; i++) {
        kith_value *item;
        code = cell_read(cells->items[slice_at(slice, i)], arena, &item);
        if (code == 0)
            code = kith_value_append(made, item);
    }
    if (code == 0)
        *list = made;
    return code;
}

/** Puts what is wanted of an entry into what is made of all. */
static int put_entry(kith_arena *arena, const struct entry *entry, enum contents form, kith_value *made)
{
    kith_value *pair[2];
    int code = form == CONTENTS_ITEMS ? 0 : cell_read(entry->key, arena, &pair[0]);
    if (code == 0 && form != CONTENTS_KEYS && form != CONTENTS_SET)
        code = cell_read(entry->item, arena, &pair[1]);
    if (code < 0)
        return code;
    switch (form) {
    case CONTENTS_DICT:
        return kith_value_set_item(made, pair[0], pair[1]);
    case CONTENTS_SET:
        return kith_value_add(made, pair[0]);
    case CONTENTS_PAIRS:
        return kith_value_append(made, kith_value_tuple(arena, pair, 2));
    default:
        return kith_value_append(made, pair[form == CONTENTS_ITEMS]);
    }
}

int contents_of_dictionary(kith_arena *arena, const struct dictionary *dictionary, enum contents form,
                           kith_value **value)
{
    kith_value *made = form == CONTENTS_DICT  ? kith_value_dict(arena)
                       : form == CONTENTS_SET ? kith_value_new_set(arena)
                                              : kith_value_list(arena);
    int code = kith_arena_error(arena);
    struct entry *entry;
    for (size_t place = 0; code == 0 && (entry = dictionary_next(dictionary, &place));)
        code = put_entry(arena, entry, form, made);
    if (code == 0)
        *value = made;
    return code;
}

/** A proxy as Python shows it, at an address where Python might have it. */
static bool show_proxy(void *context, const kith_value *object, char text[VALUE_SHOWN_SIZE])
{
    (void)context;
    const char *type, *id, *class = "";
    const kith_value *address, *token = proxy_token(object);
    if (!token || token_read(token, &type, &address, &id) < 0)
        return false;
    kith_object_name(kith_value_at(kith_object_args(object), 0), NULL, &class);
    bool is_auto = strcmp(class, "AutoProxy") == 0;
    snprintf(text, VALUE_SHOWN_SIZE, "<%.80s%s%.80s%s object, typeid '%.80s' at 0x%.32s>", class, is_auto ? "[" : "",
             is_auto ? type : "", is_auto ? "]" : "", type, id);
    return true;
}

const char *contents_type_name(const kith_value *value)
{
    const char *class;
    bool named = proxy_token(value) && kith_object_name(kith_value_at(kith_object_args(value), 0), NULL, &class) == 0;
    return named ? class : value_type_name(value);
}

int contents_text(const kith_value *value, size_t max, kith_bytes *text)
{
    return value_show(value, text, max, show_proxy, NULL);
}

int contents_show(struct request *request, const kith_value *value)
{
    kith_bytes text;
    int code = contents_text(value, CONTENTS_TEXT_MAX, &text);
    if (code < 0)
        return code;
    kith_value *shown = kith_value_str_sized(request->arena, text.data, text.size);
    kith_bytes_free(&text);
    return shown ? request_answer_value(request, shown) : kith_arena_error(request->arena);
}

int contents_raise(struct request *request, const char *exception, const struct cell *cell)
{
    kith_value *value;
    int code = cell_read(cell, request->arena, &value);
    return code < 0 ? code : request_raise_value(request, exception, value);
}
