/* Objects: what a pickle says of how to make one, kept part by part. */
#include "value/value.h"

#include "base/error.h"
#include "base/utf8.h"

#include <errno.h>

enum { FIRST_CAPACITY = 2 };

/* ---- making ---- */

kith_value *value_object(kith_arena *arena, kith_object_form form)
{
    struct whole {
        kith_value value;
        struct object object;
    } *whole = arena_take(arena, sizeof *whole);
    if (!whole)
        return NULL;
    whole->value = (kith_value){ .kind = KITH_OBJECT, .object = &whole->object };
    whole->object = (struct object){ .form = form, .arena = arena };
    return &whole->value;
}

static const char *copy_name(kith_arena *arena, const char *name)
{
    if (!utf8_is_text(name, strlen(name)))
        return arena_fail(arena, -EILSEQ, "the name of a class or function is not in UTF-8");
    return arena_copy(arena, name, strlen(name));
}

kith_value *kith_object_global(kith_arena *arena, const char *module, const char *name)
{
    if (!arena || !module || !name)
        return arena_fail(arena, -EINVAL, "%s is NULL", !arena ? "arena" : module ? "name" : "module");
    kith_value *value = value_object(arena, KITH_OBJECT_GLOBAL);
    if (!value)
        return NULL;
    value->object->module = copy_name(arena, module);
    value->object->name = copy_name(arena, name);
    return value->object->module && value->object->name ? value : NULL;
}

static kith_value *made_by(kith_arena *arena, kith_object_form form, kith_value *callable, kith_value *args)
{
    if (!arena)
        return arena_fail(NULL, -EINVAL, "arena is NULL: give the one that will own the object");
    if (!callable || !args) {
        value_refuse_nothing(arena, callable ? "args" : "what makes the object");
        return NULL;
    }
    if (args->kind != KITH_TUPLE)
        return arena_fail(arena, KITH_ETYPE, "args is a %s: give a tuple", kith_kind_name(args->kind));
    kith_value *value = value_object(arena, form);
    if (!value)
        return NULL;
    value_insert(callable);
    value_insert(args);
    value->object->callable = callable;
    value->object->args = args;
    return value;
}

kith_value *kith_object_call(kith_arena *arena, kith_value *callable, kith_value *args)
{
    return made_by(arena, KITH_OBJECT_CALL, callable, args);
}

kith_value *kith_object_new(kith_arena *arena, kith_value *type, kith_value *args, kith_value *kwargs)
{
    if (kwargs && kwargs->kind != KITH_DICT)
        return arena_fail(arena, KITH_ETYPE, "kwargs is a %s: give a dict", kith_kind_name(kwargs->kind));
    kith_value *value = made_by(arena, KITH_OBJECT_NEW, type, args);
    if (value && kwargs) {
        value_insert(kwargs);
        value->object->kwargs = kwargs;
    }
    return value;
}

/* ---- steps ---- */

static int check_step(const kith_value *value, kith_object_step step, const kith_value *key, const kith_value *item)
{
    if (!value)
        return value_refuse_nothing(NULL, "object");
    kith_arena *arena = value_arena(value);
    int form = kith_object_get_form(value);
    int code = form == 0 || form == KITH_OBJECT_BUFFER ? KITH_ETYPE : 0;
    if (code < 0)
        arena_fail(arena, code, "a %s is no object that can have steps", kith_kind_name(value->kind));
    else if ((int)step < KITH_STEP_STATE || step > KITH_STEP_CALL)
        arena_fail(arena, code = -EINVAL, "%d is no step: give one of kith_object_step", (int)step);
    else if (!item || (!key && step == KITH_STEP_SET_ITEM))
        code = value_refuse_nothing(arena, item ? "key" : "item");
    else if (key && step != KITH_STEP_SET_ITEM)
        arena_fail(arena, code = -EINVAL, "only KITH_STEP_SET_ITEM has a key");
    return code;
}

static int reserve(struct object *object)
{
    if (object->count < object->capacity)
        return 0;
    size_t capacity = object->capacity ? object->capacity * 2 : FIRST_CAPACITY;
    struct step *steps =
        arena_grow(object->arena, object->steps, object->capacity * sizeof *steps, capacity * sizeof *steps);
    if (!steps)
        return object->arena->last;
    object->steps = steps;
    object->capacity = capacity;
    return 0;
}

int value_add_step(kith_value *value, kith_object_step step, kith_value *key, kith_value *item)
{
    struct object *object = value->object;
    int code = reserve(object);
    if (code < 0)
        return code;
    if (key)
        value_insert(key);
    value_insert(item);
    object->steps[object->count++] = (struct step){ step, key, item };
    return 0;
}

int kith_object_add_step(kith_value *object, kith_object_step step, kith_value *key, kith_value *item)
{
    int code = check_step(object, step, key, item);
    return code < 0 ? code : value_add_step(object, step, key, item);
}

/* ---- reading ---- */

/** @return the object inside; NULL when value is none */
static const struct object *object_of(const kith_value *value)
{
    return kith_value_kind(value) == KITH_OBJECT ? value->object : NULL;
}

int kith_object_get_form(const kith_value *value)
{
    const struct object *object = object_of(value);
    return object ? (int)object->form : 0;
}

/** @return the global that an object is, or is made by; NULL when there is none */
static const struct object *global_of(const kith_value *value)
{
    const struct object *object = object_of(value);
    if (object && object->form != KITH_OBJECT_GLOBAL)
        object = object_of(object->callable);
    return object && object->form == KITH_OBJECT_GLOBAL ? object : NULL;
}

int kith_object_name(const kith_value *value, const char **module, const char **name)
{
    const struct object *global = global_of(value);
    if (!global)
        return value_is_no(value, "object that is or is made by a global");
    if (module)
        *module = global->module;
    if (name)
        *name = global->name;
    return 0;
}

int kith_object_is(const kith_value *value, const char *module, const char *name)
{
    const struct object *global = global_of(value);
    return global && module && name && strcmp(global->module, module) == 0 && strcmp(global->name, name) == 0;
}

kith_value *kith_object_callable(const kith_value *value)
{
    const struct object *object = object_of(value);
    return object ? object->callable : NULL;
}

kith_value *kith_object_args(const kith_value *value)
{
    const struct object *object = object_of(value);
    return object ? object->args : NULL;
}

kith_value *kith_object_kwargs(const kith_value *value)
{
    const struct object *object = object_of(value);
    return object ? object->kwargs : NULL;
}

kith_value *kith_object_state(const kith_value *value)
{
    const struct object *object = object_of(value);
    for (size_t i = object ? object->count : 0; i > 0; i--) {
        if (object->steps[i - 1].kind == KITH_STEP_STATE)
            return object->steps[i - 1].item;
    }
    return NULL;
}

size_t kith_object_step_count(const kith_value *value)
{
    const struct object *object = object_of(value);
    return object ? object->count : 0;
}

int kith_object_step_at(const kith_value *value, size_t index, kith_value **key, kith_value **item)
{
    const struct object *object = object_of(value);
    if (!object || index >= object->count)
        return 0;
    const struct step *step = &object->steps[index];
    if (key)
        *key = step->key;
    if (item)
        *item = step->item;
    return (int)step->kind;
}
