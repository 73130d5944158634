/* The types and the published objects, by their names. */
#include "manager/registry.h"

#include "base/error.h"
#include "manager/answer.h"
#include "manager/own.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The types of multiprocessing.managers.SyncManager, and those that their methods return. */
static const struct {
    const char *name;
    const struct kind *kind;
} built_in[] = {
    { "Queue", &kind_queue },
    { "JoinableQueue", &kind_queue },
    { "list", &kind_list },
    { "dict", &kind_dict },
    { "set", &kind_set },
    { "Iterator", &kind_iterator },
    { "Namespace", &kind_namespace },
    { "Value", &kind_value },
    { "Array", &kind_array },
    { "Event", &kind_event },
    { "Lock", &kind_lock },
    { "RLock", &kind_rlock },
    { "Semaphore", &kind_semaphore },
    { "BoundedSemaphore", &kind_bounded_semaphore },
    { "Condition", &kind_condition },
    { "Barrier", &kind_barrier },
    { "Pool", &kind_pool },
    { "AsyncResult", &kind_result },
};

static struct name *find(struct name *name, const char *text)
{
    while (name && strcmp(name->text, text) != 0)
        name = name->next;
    return name;
}

const struct name *server_find_type(const struct server *server, const char *text)
{
    return find(server->types, text);
}

const struct name *server_find_published(const struct server *server, const char *text)
{
    return find(server->published, text);
}

/* Adds a name to a list, which has it alone. */
static int add(struct name **list, const struct name *what, const char *text)
{
    if (find(*list, text))
        return error_fail(-EEXIST, "the name \"%s\" is taken already", text);
    struct name *name = malloc(sizeof *name);
    char *copy = strdup(text);
    if (!name || !copy) {
        free(name);
        free(copy);
        return error_fail(-ENOMEM, "no memory for the name \"%s\"", text);
    }
    *name = *what;
    name->text = copy;
    while (*list)
        list = &(*list)->next;
    *list = name;
    return 0;
}

int registry_begin(struct server *server)
{
    int code = 0;
    for (size_t i = 0; code == 0 && i < sizeof built_in / sizeof *built_in; i++)
        code = add(&server->types, &(struct name){ .kind = built_in[i].kind }, built_in[i].name);
    return code;
}

int kith_server_register(kith_server *server, const kith_type *type)
{
    if (!server || !type || !type->name || !type->methods)
        return error_fail(-EINVAL, "%s is NULL", !server ? "server" : !type ? "type" : "the type's name or methods");
    for (const kith_method *method = type->methods; method->name; method++) {
        if (!method->function)
            return error_fail(-EINVAL, "the method \"%s\" of \"%s\" has no function", method->name, type->name);
    }
    if (!type->save != !type->load)
        return error_fail(-EINVAL, "the type \"%s\" has only one of save and load", type->name);
    struct kind *kind;
    int code = own_kind_new(&kind, type);
    if (code < 0)
        return code;
    code = add(&server_of(server)->types, &(struct name){ .kind = kind, .type = type }, type->name);
    if (code < 0)
        own_kind_free(kind);
    return code;
}

static void free_names(struct name *name)
{
    while (name) {
        struct name *next = name->next;
        if (name->type)
            own_kind_free(name->kind);
        free(name->text);
        free(name);
        name = next;
    }
}

void registry_end(struct server *server)
{
    free_names(server->published);
    free_names(server->types);
}

int registry_make(struct request *request, const struct name *type, struct object **object)
{
    void *state = NULL;
    if (!type->type && !type->kind->make)
        return request_raise(request, "TypeError", "'%s' objects are not created by clients", type->text);
    int code = type->type ? own_make(request, type, &state) : type->kind->make(request, &state);
    if (code < 0 || request->answered)
        return code;
    code = object_add(request->server, object, type->kind, type->text, state);
    if (code < 0)
        type->kind->end(request->server, state);
    return code;
}

/* ---- published objects ---- */

static int check_access(const struct object *object, const kith_access *access)
{
    for (size_t i = 0; i < access->method_count; i++) {
        if (!kind_find_name(object->kind, access->methods[i]))
            return error_fail(-ENOENT, "\"%s\" is no method of a %s", access->methods[i], object->type);
    }
    return 0;
}

/* Copies the list of methods. The names are those of the kind, which live as long as the server. */
static int restrict_object(struct object *object, const kith_access *access)
{
    int code = check_access(object, access);
    if (code < 0)
        return code;
    if (access->methods) {
        const char **allowed = calloc(access->method_count + 1, sizeof *allowed);
        if (!allowed)
            return error_fail(-ENOMEM, "no memory for a list of methods");
        for (size_t i = 0; i < access->method_count; i++)
            allowed[i] = kind_find_name(object->kind, access->methods[i]);
        object->allowed = allowed;
        object->allowed_count = access->method_count;
    }
    object->read_only = access->read_only;
    return 0;
}

int server_publish_object(struct server *server, const char *name, struct object *object, const kith_access *access)
{
    int code = add(&server->published, &(struct name){ .object = object, .kind = object->kind }, name);
    if (code < 0)
        return code;
    code = access ? restrict_object(object, access) : 0;
    if (code == 0) {
        object->published = true;
        return 0;
    }
    struct name **link = &server->published;
    while ((*link)->object != object)
        link = &(*link)->next;
    struct name *gone = *link;
    *link = gone->next;
    gone->next = NULL;
    free_names(gone);
    return code;
}
