#include "manager/splice.h"

#include "manager/answer.h"
#include "manager/loans.h"
#include "value/pickle_opcodes.h"

static void put(struct message *message, const struct cell *cell)
{
    message_put(message, cell->body, cell->size);
}

/* ---- lists ---- */

static bool can_splice_list(const struct cells *cells, const struct slice *slice)
{
    for (size_t i = 0; i < slice->count; i++) {
        if (cells->items[slice_at(slice, i)]->refers)
            return false;
    }
    return true;
}

static int put_list(struct request *request, const struct cells *cells, const struct slice *slice)
{
    struct message *message = answer_begin(request);
    message_put_byte(message, OP_EMPTY_LIST);
    if (slice->count > 0)
        message_put_byte(message, OP_MARK);
    for (size_t i = 0; i < slice->count; i++)
        put(message, cells->items[slice_at(slice, i)]);
    if (slice->count > 0)
        message_put_byte(message, OP_APPENDS);
    return answer_end(request);
}

static int read_list(struct request *request, const struct cells *cells, const struct slice *slice)
{
    kith_value *list = NULL;
    int code = contents_list(request->arena, cells, slice, &list);
    return contents_answer(request, code, list);
}

int splice_list(struct request *request, const struct cells *cells, const struct slice *slice)
{
    struct slice all = { .step = 1, .count = cells->count };
    if (!slice)
        slice = &all;
    int code = contents_check(cells, slice, 1);
    if (code == 0)
        code = (can_splice_list(cells, slice) ? put_list : read_list)(request, cells, slice);
    for (size_t i = 0; code == REQUEST_ANSWERED && i < slice->count; i++)
        lend_all(request->server, request->line, cells->items[slice_at(slice, i)]);
    return code;
}

/* ---- dictionaries ---- */

/** What of an entry is in the answer. */
static const struct cell *key_of(const struct entry *entry, enum contents form)
{
    return form == CONTENTS_ITEMS ? NULL : entry->key;
}

static const struct cell *item_of(const struct entry *entry, enum contents form)
{
    return form == CONTENTS_KEYS || form == CONTENTS_SET ? NULL : entry->item;
}

static bool can_splice(const struct dictionary *dictionary, enum contents form)
{
    const struct entry *entry;
    for (size_t place = 0; (entry = dictionary_next(dictionary, &place));) {
        const struct cell *key = key_of(entry, form), *item = item_of(entry, form);
        if ((key && key->refers) || (item && item->refers))
            return false;
    }
    return true;
}

static int put_dictionary(struct request *request, const struct dictionary *dictionary, enum contents form)
{
    bool is_dict = form == CONTENTS_DICT, is_set = form == CONTENTS_SET;
    const struct entry *entry;
    struct message *message = answer_begin(request);
    message_put_byte(message, is_dict ? OP_EMPTY_DICT : is_set ? OP_EMPTY_SET : OP_EMPTY_LIST);
    if (dictionary->count > 0)
        message_put_byte(message, OP_MARK);
    for (size_t place = 0; (entry = dictionary_next(dictionary, &place));) {
        if (key_of(entry, form))
            put(message, entry->key);
        if (item_of(entry, form))
            put(message, entry->item);
        if (form == CONTENTS_PAIRS)
            message_put_byte(message, OP_TUPLE2);
    }
    if (dictionary->count > 0)
        message_put_byte(message, is_dict ? OP_SETITEMS : is_set ? OP_ADDITEMS : OP_APPENDS);
    return answer_end(request);
}

static int read_dictionary(struct request *request, const struct dictionary *dictionary, enum contents form)
{
    kith_value *value = NULL;
    int code = contents_of_dictionary(request->arena, dictionary, form, &value);
    return contents_answer(request, code, value);
}

int splice_dictionary(struct request *request, const struct dictionary *dictionary, enum contents form)
{
    const struct entry *entry;
    int code = (can_splice(dictionary, form) ? put_dictionary : read_dictionary)(request, dictionary, form);
    for (size_t place = 0; code == REQUEST_ANSWERED && (entry = dictionary_next(dictionary, &place));) {
        if (key_of(entry, form))
            lend_all(request->server, request->line, entry->key);
        if (item_of(entry, form))
            lend_all(request->server, request->line, entry->item);
    }
    return code;
}
