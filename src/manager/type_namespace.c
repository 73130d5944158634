/* The kind Namespace: attributes by name, in a dictionary. Its value is an object of Python's
 * multiprocessing.managers.Namespace. */
#include "base/error.h"
#include "manager/contents.h"
#include "manager/dictionary.h"
#include "manager/kind.h"
#include "manager/splice.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct dictionary *attributes_of(const struct request *request)
{
    return request->object->state;
}

/* ---- attributes ---- */

/** The key that a name is. */
static int read_name(struct request *request, const kith_value *name, struct cell **key)
{
    if (kith_value_kind(name) != KITH_STR)
        return error_fail(KITH_ETYPE, "attribute name must be string, not '%s'", contents_type_name(name));
    return cell_new_key(request->server, key, name);
}

static int find(struct request *request, const kith_value *name, struct entry **entry)
{
    struct cell *key;
    int code = read_name(request, name, &key);
    if (code < 0)
        return code;
    code = dictionary_find(attributes_of(request), key, entry);
    cell_drop(request->server, key);
    return code;
}

static int no_attribute(struct request *request, const kith_value *name)
{
    const char *text;
    size_t size;
    int code = kith_value_as_str(name, &text, &size);
    return code < 0 ? code
                    : request_raise(request, "AttributeError", "'Namespace' object has no attribute '%.*s'", (int)size,
                                    text);
}

static bool is_dict_itself(const kith_value *name)
{
    const char *text;
    return kith_value_as_str(name, &text, NULL) == 0 && strcmp(text, "__dict__") == 0;
}

static int get_attribute(struct request *request)
{
    const kith_value *name;
    struct entry *entry;
    int code = request_arguments(request, "name/", &name);
    if (code == 0)
        code = find(request, name, &entry);
    if (code < 0)
        return code;
    if (entry)
        return request_answer_cell(request, entry->item);
    if (!is_dict_itself(name))
        return no_attribute(request, name);
    return splice_dictionary(request, attributes_of(request), CONTENTS_DICT);
}

static int set(struct request *request, struct dictionary *attributes, const kith_value *name, const kith_value *value)
{
    struct cell *key, *cell;
    int code = read_name(request, name, &key);
    if (code < 0)
        return code;
    code = cell_new(request->server, &cell, value);
    if (code == 0)
        return dictionary_put(request->server, attributes, key, cell);
    cell_drop(request->server, key);
    return code;
}

static int set_attribute(struct request *request)
{
    const kith_value *name, *value;
    int code = request_arguments(request, "name/ value/", &name, &value);
    if (code == 0)
        code = set(request, attributes_of(request), name, value);
    return code < 0 ? code : request_answer_none(request);
}

static int delete_attribute(struct request *request)
{
    const kith_value *name;
    struct entry *entry;
    int code = request_arguments(request, "name/", &name);
    if (code == 0)
        code = find(request, name, &entry);
    if (code < 0)
        return code;
    if (!entry)
        return no_attribute(request, name);
    struct entry taken = dictionary_take(request->server, attributes_of(request), entry);
    cell_drop(request->server, taken.key);
    cell_drop(request->server, taken.item);
    return request_answer_none(request);
}

/* ---- the whole ---- */

static int value(struct request *request)
{
    kith_arena *arena = request->arena;
    kith_value *dict;
    int code = contents_of_dictionary(arena, attributes_of(request), CONTENTS_DICT, &dict);
    if (code < 0)
        return code;
    kith_value *class = kith_object_global(arena, "multiprocessing.managers", "Namespace");
    kith_value *made = kith_object_new(arena, class, kith_value_tuple(arena, NULL, 0), NULL);
    code = kith_value_length(dict) > 0 ? kith_object_add_step(made, KITH_STEP_STATE, NULL, dict) : 0;
    return contents_answer(request, code, made);
}

/** "name=value", as Python shows an attribute. @param text  receives it; NULL for one that is hidden */
static int show_attribute(const kith_value *pair, char **text)
{
    const char *name;
    kith_bytes shown;
    int code = kith_value_as_str(kith_value_at(pair, 0), &name, &(size_t){ 0 });
    *text = NULL;
    if (code < 0 || *name == '_')
        return code;
    code = contents_text(kith_value_at(pair, 1), CONTENTS_TEXT_MAX, &shown);
    if (code < 0)
        return code;
    size_t size = strlen(name) + 1 + shown.size + 1;
    *text = malloc(size);
    if (*text)
        snprintf(*text, size, "%s=%s", name, (const char *)shown.data);
    else
        code = error_fail(-ENOMEM, "no memory to show a Namespace");
    kith_bytes_free(&shown);
    return code;
}

static int by_text(const void *one, const void *other)
{
    return strcmp(*(char *const *)one, *(char *const *)other);
}

/** Joins what was shown. */
static int answer_joined(struct request *request, char **texts, size_t count)
{
    size_t size = sizeof "Namespace()";
    for (size_t i = 0; i < count; i++)
        size += strlen(texts[i]) + strlen(", ");
    char *all = malloc(size), *at = all;
    if (!all)
        return error_fail(-ENOMEM, "no memory to show a Namespace");
    at = stpcpy(at, "Namespace(");
    for (size_t i = 0; i < count; i++)
        at = stpcpy(stpcpy(at, i > 0 ? ", " : ""), texts[i]);
    stpcpy(at, ")");
    int code = request_answer_value(request, kith_value_str(request->arena, all));
    free(all);
    return code;
}

static int repr(struct request *request)
{
    kith_value *pairs;
    int code = contents_of_dictionary(request->arena, attributes_of(request), CONTENTS_PAIRS, &pairs);
    char **texts = code == 0 ? calloc(kith_value_length(pairs) + 1, sizeof *texts) : NULL;
    size_t count = 0;
    if (!texts)
        return code < 0 ? code : error_fail(-ENOMEM, "no memory to show a Namespace");
    for (size_t i = 0; code == 0 && i < kith_value_length(pairs); i++) {
        code = show_attribute(kith_value_at(pairs, i), &texts[count]);
        count += texts[count] != NULL;
    }
    if (code == 0) {
        qsort(texts, count, sizeof *texts, by_text);
        code = answer_joined(request, texts, count);
    }
    for (size_t i = 0; i < count; i++)
        free(texts[i]);
    free(texts);
    return code;
}

/* ---- beginning and end ---- */

static void end(struct server *server, void *state)
{
    dictionary_free(server, state);
}

static int make(struct request *request, void **state)
{
    struct dictionary *attributes;
    kith_value *name, *value_of;
    int code = kith_value_length(request->args) == 0
                   ? dictionary_new(&attributes)
                   : error_fail(KITH_ETYPE, "Namespace.__init__() takes 1 positional argument but %zu were given",
                                kith_value_length(request->args) + 1);
    if (code < 0)
        return code;
    for (size_t i = 0; code == 0 && kith_value_pair_at(request->kwargs, i, &name, &value_of); i++)
        code = set(request, attributes, name, value_of);
    if (code < 0)
        dictionary_free(request->server, attributes);
    else
        *state = attributes;
    return code;
}

static int save(struct server *server, void *state, kith_arena *arena, kith_value **saved)
{
    return dictionary_save(server, state, arena, saved);
}

static int load(struct server *server, const kith_value *saved, void **state)
{
    struct dictionary *attributes;
    int code = dictionary_load(server, saved, true, &attributes);
    if (code == 0)
        *state = attributes;
    return code;
}

static const struct kind_method methods[] = {
    { "__delattr__", delete_attribute, false },
    { "__getattribute__", get_attribute, true },
    { "__setattr__", set_attribute, false },
};

const struct kind kind_namespace = {
    .name = "Namespace",
    .proxy = "NamespaceProxy",
    .methods = methods,
    .method_count = sizeof methods / sizeof *methods,
    .make = make,
    .end = end,
    .value = value,
    .repr = repr,
    .save = save,
    .load = load,
};
