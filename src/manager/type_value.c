/* The kind Value: a typecode, which is only kept, and any value, as CPython's server has it. */
#include "base/error.h"
#include "manager/contents.h"
#include "manager/kind.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct content {
    struct cell *typecode;
    struct cell *value;
};

static struct content *content_of(const struct request *request)
{
    return request->object->state;
}

static int get(struct request *request)
{
    int code = request_arguments(request, "");
    return code < 0 ? code : request_answer_cell(request, content_of(request)->value);
}

static int set(struct request *request)
{
    const kith_value *value;
    struct cell *cell;
    int code = request_arguments(request, "value", &value);
    if (code == 0)
        code = cell_new(request->server, &cell, value);
    if (code < 0)
        return code;
    struct cell *old = content_of(request)->value;
    content_of(request)->value = cell;
    cell_drop(request->server, old);
    return request_answer_none(request);
}

static int read_content(const struct content *content, kith_arena *arena, kith_value *parts[2])
{
    int code = cell_read(content->typecode, arena, &parts[0]);
    return code < 0 ? code : cell_read(content->value, arena, &parts[1]);
}

static int value(struct request *request)
{
    kith_arena *arena = request->arena;
    kith_value *parts[2];
    int code = read_content(content_of(request), arena, parts);
    if (code < 0)
        return code;
    kith_value *class = kith_object_global(arena, "multiprocessing.managers", "Value");
    kith_value *made = kith_object_new(arena, class, kith_value_tuple(arena, NULL, 0), NULL);
    kith_value *state = kith_value_pack(arena, "{s:v, s:v}", "_typecode", parts[0], "_value", parts[1]);
    code = kith_object_add_step(made, KITH_STEP_STATE, NULL, state);
    return contents_answer(request, code, made);
}

static int repr(struct request *request)
{
    kith_value *parts[2], *shown;
    kith_bytes text;
    int code = read_content(content_of(request), request->arena, parts);
    if (code == 0)
        code = contents_text(kith_value_tuple(request->arena, parts, 2), CONTENTS_TEXT_MAX, &text); /* ('i', 3) */
    if (code < 0)
        return code;
    size_t size = sizeof "Value" + text.size;
    char *all = malloc(size);
    if (all)
        snprintf(all, size, "Value%s", (const char *)text.data);
    shown = all ? kith_value_str(request->arena, all) : NULL;
    free(all);
    kith_bytes_free(&text);
    return shown ? request_answer_value(request, shown) : error_fail(-ENOMEM, "no memory to show a Value");
}

/* ---- beginning and end ---- */

static void end(struct server *server, void *state)
{
    struct content *content = state;
    cell_drop(server, content->typecode);
    cell_drop(server, content->value);
    free(content);
}

static int make_of(struct server *server, const kith_value *typecode, const kith_value *value_of, void **state)
{
    struct content *content = calloc(1, sizeof *content);
    if (!content)
        return error_fail(-ENOMEM, "no memory for a Value");
    int code = cell_new(server, &content->typecode, typecode);
    if (code == 0)
        code = cell_new(server, &content->value, value_of);
    if (code == 0)
        *state = content;
    else
        end(server, content);
    return code;
}

static int make(struct request *request, void **state)
{
    const kith_value *typecode, *first, *lock;
    int code = request_arguments(request, "typecode value lock?", &typecode, &first, &lock);
    return code < 0 ? code : make_of(request->server, typecode, first, state);
}

static int save(struct server *server, void *state, kith_arena *arena, kith_value **saved)
{
    kith_value *parts[2];
    int code = read_content(state, arena, parts);
    (void)server;
    if (code < 0)
        return code;
    kith_value *both = kith_value_tuple(arena, parts, 2);
    if (!both)
        return kith_arena_error(arena);
    *saved = both;
    return 0;
}

static int load(struct server *server, const kith_value *saved, void **state)
{
    kith_value *typecode, *kept;
    int code = kith_value_unpack(saved, "(vv)", &typecode, &kept);
    return code < 0 ? code : make_of(server, typecode, kept, state);
}

static const struct kind_method methods[] = {
    { "get", get, true },
    { "set", set, false },
};

const struct kind kind_value = {
    .name = "Value",
    .proxy = "ValueProxy",
    .methods = methods,
    .method_count = sizeof methods / sizeof *methods,
    .make = make,
    .end = end,
    .value = value,
    .repr = repr,
    .save = save,
    .load = load,
};
