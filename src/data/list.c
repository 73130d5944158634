/* The list, laid out as Lib/multiprocessing/shared_memory.py of CPython 3.9 and later has it, all in the machine's byte
 * order:
 *
 *     the number of items                            8 bytes
 *     where each item's place begins, and the end    8 bytes each, counted from the first place
 *     the places                                     multiples of 8 bytes
 *     the items' formats, of Python's struct module  8 bytes each, NULs behind: q d xxxxxxx? xxxxxx?x 16s
 *     what the items are                             1 byte each, enum kind
 *
 * In CPython 3.8 the second part has the sizes of the places, and no end. The first place begins at 0 and no place has
 * the size 0, so the two are told apart. */
#include <kith/list.h>

#include "base/error.h"
#include "base/utf8.h"
#include "memory/segment.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD 8 /* the size of what is not text or bytes, and of a format */

enum kind { PLAIN = 0, TEXT = 1, BYTES = 2, NONE = 3 };

struct kith_list {
    kith_segment *segment;
    size_t length;
    size_t *places; /* where each begins, and where the last ends, counted from the segment's start */
    char *formats;
    char *kinds;
};

/* ---- items ---- */

static bool has_data(const kith_list_item *item)
{
    return item->type == KITH_LIST_STR || item->type == KITH_LIST_BYTES;
}

static int check_item(const kith_list_item *item)
{
    if (!item)
        return error_fail(-EINVAL, "item is NULL");
    if ((int)item->type < KITH_LIST_NONE || item->type > KITH_LIST_BYTES)
        return error_fail(-EINVAL, "%d is no type of an item: give one of kith_list_type", (int)item->type);
    if (!has_data(item))
        return 0;
    if (!item->data && item->size > 0)
        return error_fail(-EINVAL, "an item's data is NULL, but its size is %zu", item->size);
    if (item->size > KITH_LIST_ITEM_MAX)
        return error_fail(-EMSGSIZE, "an item of %zu bytes: a list holds up to %d", item->size, KITH_LIST_ITEM_MAX);
    if (item->type == KITH_LIST_STR && !utf8_is_text(item->data, item->size))
        return error_fail(-EILSEQ, "a text is not in UTF-8: make it KITH_LIST_BYTES, or convert it");
    return 0;
}

/** The size of the place that a new item gets: for texts and bytes always more than they need, as in CPython. */
static size_t place_for(const kith_list_item *item)
{
    return has_data(item) ? (item->size / WORD + 1) * WORD : WORD;
}

static char kind_of(const kith_list_item *item)
{
    switch (item->type) {
    case KITH_LIST_STR:
        return TEXT;
    case KITH_LIST_BYTES:
        return BYTES;
    case KITH_LIST_NONE:
        return NONE;
    default:
        return PLAIN;
    }
}

/** Writes the format of an item. @return false when the place is so long that CPython has no format for it */
static bool put_format(char format[WORD], const kith_list_item *item, size_t place)
{
    static const char *const plain[] = {
        [KITH_LIST_NONE] = "xxxxxx?x",
        [KITH_LIST_BOOL] = "xxxxxxx?",
        [KITH_LIST_INT] = "q",
        [KITH_LIST_FLOAT] = "d",
    };
    char text[24] = "";
    int length = has_data(item) ? snprintf(text, sizeof text, "%zus", place)
                                : snprintf(text, sizeof text, "%s", plain[item->type]);
    if (length > WORD)
        return false;
    memcpy(format, text, WORD);
    return true;
}

static void put_value(char *at, const kith_list_item *item, size_t place)
{
    const char boolean[WORD] = { [WORD - 1] = item->boolean != 0 };
    switch (item->type) {
    case KITH_LIST_STR:
    case KITH_LIST_BYTES:
        if (item->size > 0)
            memcpy(at, item->data, item->size);
        memset(at + item->size, 0, place - item->size);
        break;
    case KITH_LIST_INT:
        memcpy(at, &item->integer, WORD);
        break;
    case KITH_LIST_FLOAT:
        memcpy(at, &item->real, WORD);
        break;
    case KITH_LIST_BOOL:
        memcpy(at, boolean, WORD);
        break;
    case KITH_LIST_NONE:
        memset(at, 0, WORD);
        break;
    }
}

/* ---- making ---- */

/** What a new list holds, and how long each part is. */
struct content {
    const kith_list_item *items;
    size_t count;
    size_t places; /* in bytes, all together */
};

static size_t places_begin(size_t count)
{
    return (count + 2) * WORD;
}

static int measure(const kith_list_item *items, size_t count, struct content *content)
{
    if (!items && count > 0)
        return error_fail(-EINVAL, "items is NULL, but count is %zu", count);
    if (count > PTRDIFF_MAX / (KITH_LIST_ITEM_MAX + 4 * WORD))
        return error_fail(-EINVAL, "%zu items are more than any memory", count);
    *content = (struct content){ .items = items, .count = count };
    for (size_t i = 0; i < count; i++) {
        int code = check_item(&items[i]);
        if (code < 0)
            return code;
        content->places += place_for(&items[i]);
    }
    return 0;
}

static void put_number(char *at, size_t number)
{
    memcpy(at, &(int64_t){ (int64_t)number }, WORD);
}

static void begin(void *memory, const void *argument)
{
    const struct content *content = argument;
    char *start = memory, *places = start + places_begin(content->count);
    char *formats = places + content->places, *kinds = formats + content->count * WORD;
    size_t at = 0;
    put_number(start, content->count);
    for (size_t i = 0; i < content->count; i++) {
        const kith_list_item *item = &content->items[i];
        size_t place = place_for(item);
        put_number(start + (1 + i) * WORD, at);
        put_value(places + at, item, place);
        put_format(formats + i * WORD, item, place);
        kinds[i] = kind_of(item);
        at += place;
    }
    put_number(start + (1 + content->count) * WORD, at);
}

static struct segment_plan plan_of(const struct content *content)
{
    return (struct segment_plan){
        .size = places_begin(content->count) + content->places + content->count * (WORD + 1),
        .begin = begin,
        .argument = content,
    };
}

/* ---- opening ---- */

static size_t number_at(const kith_list *list, size_t index)
{
    int64_t number;
    memcpy(&number, (const char *)kith_segment_data(list->segment) + index * WORD, WORD);
    return number < 0 ? SIZE_MAX : (size_t)number;
}

/** Reads where the places are. @return false when they are not in the segment */
static bool find_places(kith_list *list, size_t size)
{
    bool old = list->length > 0 && number_at(list, 1) != 0;
    size_t start = places_begin(list->length) - old * WORD;
    if (start > size)
        return false;
    list->places[0] = start;
    for (size_t i = 0; i < list->length; i++) {
        size_t number = number_at(list, old ? 1 + i : 2 + i);
        size_t end = (old ? list->places[i] : start) + number;
        if (number > size || end < list->places[i] + WORD || end > size || number % WORD)
            return false;
        list->places[i + 1] = end;
    }
    return true;
}

/** Finds the parts of the list that a segment holds. @return 0; -EINVAL, -ENOMEM */
static int find_parts(kith_list *list)
{
    size_t size = kith_segment_size(list->segment);
    list->length = size < WORD ? SIZE_MAX : number_at(list, 0);
    if (list->length >= size / WORD)
        return -EINVAL;
    list->places = calloc(list->length + 1, sizeof *list->places);
    if (!list->places)
        return -ENOMEM;
    /* An empty list of CPython 3.8 is its length alone. */
    if (list->length == 0)
        return 0;
    if (!find_places(list, size) || list->length * (WORD + 1) > size - list->places[list->length])
        return -EINVAL;
    list->formats = (char *)kith_segment_data(list->segment) + list->places[list->length];
    list->kinds = list->formats + list->length * WORD;
    return 0;
}

/** Makes a handle of a segment, which it takes over, also when it fails. */
static int take(kith_list **list, kith_segment *segment)
{
    kith_list *made = calloc(1, sizeof *made);
    int code = made ? 0 : -ENOMEM;
    if (made) {
        made->segment = segment;
        code = find_parts(made);
    }
    if (code == 0) {
        *list = made;
        return 0;
    }
    if (made)
        free(made->places);
    free(made);
    kith_segment_free(segment);
    return error_fail(code, code == -ENOMEM ? "no memory for a list's handle" : "this segment holds no list");
}

/** Where a new handle is to go. */
static int check_place(kith_list *const *list)
{
    return list ? 0 : error_fail(-EINVAL, "list is NULL: give the address of a kith_list pointer");
}

static int check_list(const kith_list *list)
{
    return list ? 0 : error_fail(-EINVAL, "list is NULL: make one with kith_list_new");
}

int kith_list_new(kith_list **list, const kith_list_item *items, size_t count)
{
    struct content content;
    kith_segment *segment = NULL;
    int code = check_place(list);
    if (code == 0)
        code = measure(items, count, &content);
    if (code < 0)
        return code;
    struct segment_plan plan = plan_of(&content);
    code = segment_new(&segment, &plan);
    return code < 0 ? code : take(list, segment);
}

int kith_list_open(kith_list **list, const char *name, kith_open how, const kith_list_item *items, size_t count)
{
    struct content content = { 0 };
    kith_segment *segment = NULL;
    int code = check_place(list);
    if (code == 0 && how != KITH_OPEN)
        code = measure(items, count, &content);
    if (code < 0)
        return code;
    struct segment_plan plan = plan_of(&content);
    code = segment_open(&segment, name, how, &plan);
    if (code < 0)
        return code;
    code = take(list, segment);
    if (code < 0 && how == KITH_CREATE)
        kith_segment_unlink(name);
    return code;
}

int kith_list_unlink(const char *name)
{
    return kith_segment_unlink(name);
}

int kith_list_share_fd(const kith_list *list)
{
    int code = check_list(list);
    return code < 0 ? code : kith_segment_share_fd(list->segment);
}

int kith_list_from_fd(kith_list **list, int fd)
{
    kith_segment *segment = NULL;
    int code = check_place(list);
    if (code == 0)
        code = kith_segment_from_fd(&segment, fd);
    return code < 0 ? code : take(list, segment);
}

const char *kith_list_name(const kith_list *list)
{
    return list ? kith_segment_name(list->segment) : NULL;
}

size_t kith_list_length(const kith_list *list)
{
    return list ? list->length : 0;
}

void kith_list_free(kith_list *list)
{
    if (!list)
        return;
    kith_segment_free(list->segment);
    free(list->places);
    free(list);
}

/* ---- getting and setting ---- */

static char *value_at(const kith_list *list, size_t index)
{
    return (char *)kith_segment_data(list->segment) + list->places[index];
}

static size_t place_at(const kith_list *list, size_t index)
{
    return list->places[index + 1] - list->places[index];
}

static int check_index(const kith_list *list, size_t index)
{
    int code = check_list(list);
    if (code == 0 && index >= list->length)
        return error_fail(-EINVAL, "index %zu of a list of %zu items", index, list->length);
    return code;
}

/** Of a text or bytes, what is not NUL at the end. @return false when the format is none of such, or too long */
static bool view_data(const kith_list *list, size_t index, const char *format, kith_list_item *item)
{
    char *end;
    unsigned long size = strtoul(format, &end, 10);
    if (end == format || strcmp(end, "s") != 0 || size > place_at(list, index))
        return false;
    const char *data = value_at(list, index);
    while (size > 0 && data[size - 1] == '\0')
        size--;
    item->data = data;
    item->size = size;
    return true;
}

static bool view_plain(const char *value, const char *format, kith_list_item *item)
{
    if (strcmp(format, "q") == 0) {
        item->type = KITH_LIST_INT;
        memcpy(&item->integer, value, WORD);
    } else if (strcmp(format, "d") == 0) {
        item->type = KITH_LIST_FLOAT;
        memcpy(&item->real, value, WORD);
    } else if (strcmp(format, "xxxxxxx?") == 0) {
        item->type = KITH_LIST_BOOL;
        item->boolean = value[WORD - 1] != 0;
    } else {
        return false;
    }
    return true;
}

/** An item whose data is still in the list. */
static int view(const kith_list *list, size_t index, kith_list_item *item)
{
    char format[WORD + 1] = "";
    memcpy(format, list->formats + index * WORD, WORD);
    char kind = list->kinds[index];
    bool known = kind == NONE;
    *item = (kith_list_item){ .type = KITH_LIST_NONE };
    if (kind == PLAIN) {
        known = view_plain(value_at(list, index), format, item);
    } else if (kind == TEXT || kind == BYTES) {
        item->type = kind == TEXT ? KITH_LIST_STR : KITH_LIST_BYTES;
        known = view_data(list, index, format, item);
    }
    if (known)
        return 0;
    return error_fail(-EBADMSG, "item %zu has the format '%s' and the kind %d, which do not go together", index, format,
                      kind);
}

int kith_list_get(const kith_list *list, size_t index, kith_list_item *item)
{
    kith_list_item seen;
    int code = check_index(list, index);
    if (code == 0 && !item)
        code = error_fail(-EINVAL, "item is NULL");
    if (code == 0)
        code = view(list, index, &seen);
    if (code == 0 && has_data(&seen)) {
        char *copy = malloc(seen.size + 1);
        if (!copy)
            return error_fail(-ENOMEM, "no memory for an item of %zu bytes", seen.size);
        memcpy(copy, seen.data, seen.size);
        copy[seen.size] = '\0';
        seen.data = copy;
    }
    if (code == 0)
        *item = seen;
    return code;
}

int kith_list_set(kith_list *list, size_t index, const kith_list_item *item)
{
    char format[WORD];
    int code = check_index(list, index);
    if (code == 0)
        code = check_item(item);
    if (code < 0)
        return code;
    size_t place = place_at(list, index);
    if ((has_data(item) && item->size > place) || !put_format(format, item, place))
        return error_fail(-EMSGSIZE, "an item of %zu bytes does not fit into a place of %zu", item->size, place);
    memcpy(list->formats + index * WORD, format, WORD);
    list->kinds[index] = kind_of(item);
    put_value(value_at(list, index), item, place);
    return 0;
}

void kith_list_item_free(kith_list_item *item)
{
    if (!item)
        return;
    if (has_data(item))
        free((void *)item->data);
    *item = (kith_list_item){ .type = KITH_LIST_NONE };
}

/* ---- finding ---- */

static bool is_number(const kith_list_item *item)
{
    return item->type == KITH_LIST_BOOL || item->type == KITH_LIST_INT || item->type == KITH_LIST_FLOAT;
}

static int64_t whole(const kith_list_item *item)
{
    return item->type == KITH_LIST_BOOL ? item->boolean != 0 : item->integer;
}

/** By value, not as the one looks in the type of the other: 2^53 + 1 is no float's. */
static bool equal_to_float(int64_t integer, double real)
{
    const double beyond = 9223372036854775808.0; /* the first that is no int64_t */
    return real >= -beyond && real < beyond && (int64_t)real == integer && (double)(int64_t)real == real;
}

static bool equal_numbers(const kith_list_item *a, const kith_list_item *b)
{
    if (a->type == KITH_LIST_FLOAT && b->type == KITH_LIST_FLOAT)
        return a->real == b->real;
    if (a->type == KITH_LIST_FLOAT)
        return equal_to_float(whole(b), a->real);
    if (b->type == KITH_LIST_FLOAT)
        return equal_to_float(whole(a), b->real);
    return whole(a) == whole(b);
}

static bool equal(const kith_list_item *a, const kith_list_item *b)
{
    if (is_number(a) && is_number(b))
        return equal_numbers(a, b);
    if (a->type != b->type)
        return false;
    return !has_data(a) || (a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0));
}

/** Looks for items that equal one, from an index on. @return 0; -ENOENT, without a detail, when none is left;
 *  -EBADMSG */
static int find(const kith_list *list, const kith_list_item *item, size_t *index)
{
    kith_list_item seen;
    for (; *index < list->length; ++*index) {
        int code = view(list, *index, &seen);
        if (code < 0)
            return code;
        if (equal(&seen, item))
            return 0;
    }
    return -ENOENT;
}

static int check_find(const kith_list *list, const kith_list_item *item, const size_t *result)
{
    int code = check_list(list);
    if (code == 0)
        code = check_item(item);
    if (code == 0 && !result)
        return error_fail(-EINVAL, "what is to receive the result is NULL");
    return code;
}

int kith_list_count(const kith_list *list, const kith_list_item *item, size_t *count)
{
    size_t seen = 0;
    int code = check_find(list, item, count);
    for (size_t index = 0; code == 0; index++) {
        code = find(list, item, &index);
        seen += code == 0;
    }
    if (code != -ENOENT)
        return code;
    *count = seen;
    return 0;
}

int kith_list_index(const kith_list *list, const kith_list_item *item, size_t *index)
{
    size_t at = 0;
    int code = check_find(list, item, index);
    if (code == 0)
        code = find(list, item, &at);
    if (code == -ENOENT)
        return error_fail(code, "no item of the list equals this one");
    if (code == 0)
        *index = at;
    return code;
}
