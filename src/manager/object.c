/* The table of objects. Their numbers begin somewhere, and go up: so no id comes twice, nor can be guessed, and their
 * lowest bits spread them over the slots. */
#include "manager/object.h"

#include "base/error.h"
#include "manager/server.h"
#include "os/random.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* @return whether it is an id as it is written here */
static bool read_id(const char *id, uint64_t *number)
{
    uint64_t found = 0;
    size_t length = 0;
    for (; id[length]; length++) {
        char digit = id[length];
        bool is_letter = digit >= 'a' && digit <= 'f';
        if (length == OBJECT_ID_MAX - 1 || !(is_letter || (digit >= '0' && digit <= '9')))
            return false;
        found = found << 4 | (uint64_t)(is_letter ? digit - 'a' + 10 : digit - '0');
    }
    *number = found;
    return length > 0 && id[0] != '0';
}

static struct object **slot_of(const struct objects *objects, uint64_t number)
{
    return &objects->slots[number & (objects->slot_count - 1)];
}

static struct object *find(const struct objects *objects, uint64_t number)
{
    if (objects->slot_count == 0)
        return NULL;
    struct object *object = *slot_of(objects, number);
    while (object && object->number != number)
        object = object->next;
    return object;
}

struct object *object_find(struct server *server, const char *id)
{
    uint64_t number;
    return read_id(id, &number) ? find(&server->objects, number) : NULL;
}

/* ---- coming ---- */

static int grow(struct objects *objects)
{
    struct objects grown = { .slot_count = objects->slot_count ? objects->slot_count * 2 : 64 };
    grown.slots = calloc(grown.slot_count, sizeof(struct object *));
    if (!grown.slots)
        return -ENOMEM;
    for (size_t i = 0; i < objects->slot_count; i++) {
        for (struct object *object = objects->slots[i], *next; object; object = next) {
            next = object->next;
            struct object **slot = slot_of(&grown, object->number);
            object->next = *slot;
            *slot = object;
        }
    }
    free(objects->slots);
    objects->slots = grown.slots;
    objects->slot_count = grown.slot_count;
    return 0;
}

static void take_out(struct objects *objects, const struct object *object)
{
    struct object **link = slot_of(objects, object->number);
    while (*link != object)
        link = &(*link)->next;
    *link = object->next;
}

static void put_in(struct objects *objects, struct object *object)
{
    struct object **slot = slot_of(objects, object->number);
    snprintf(object->id, sizeof object->id, "%" PRIx64, object->number);
    object->next = *slot;
    *slot = object;
}

static int add(struct server *server, struct object **object, const struct object *what)
{
    struct objects *objects = &server->objects;
    if (objects->count >= server->options.max_objects)
        return error_fail(-ENOMEM, "the server has %zu objects, and may have no more", objects->count);
    struct object *made = malloc(sizeof *made);
    if (!made || (objects->count >= objects->slot_count && grow(objects) < 0)) {
        free(made);
        return error_fail(-ENOMEM, "no memory for one more object");
    }
    *made = *what;
    made->held = 1;
    put_in(objects, made);
    objects->count++;
    count_up(server->counters.objects, 1);
    *object = made;
    return 0;
}

int object_add(struct server *server, struct object **object, const struct kind *kind, const char *type, void *state)
{
    struct objects *objects = &server->objects;
    if (objects->next == 0) {
        int code = os_random(&objects->next, sizeof objects->next);
        if (code < 0)
            return error_fail(code, "no random number to begin ids with: %s", kith_strerror(code));
    }
    do {
        objects->next += objects->next == UINT64_MAX ? 2 : 1; /* 0 is none */
    } while (find(objects, objects->next));
    return add(server, object, &(struct object){ .number = objects->next, .kind = kind, .type = type, .state = state });
}

/* The number of an id that nobody has. @return 0; -EINVAL, -EEXIST */
static int read_free_id(const struct server *server, const char *id, uint64_t *number)
{
    if (!read_id(id, number))
        return error_fail(-EINVAL, "\"%s\" is no id of an object", id);
    return find(&server->objects, *number) ? error_fail(-EEXIST, "there is an object %s already", id) : 0;
}

int object_add_as(struct server *server, struct object **object, const struct kind *kind, const char *type, void *state,
                  const char *id)
{
    uint64_t number;
    int code = read_free_id(server, id, &number);
    return code < 0
               ? code
               : add(server, object, &(struct object){ .number = number, .kind = kind, .type = type, .state = state });
}

int object_rename(struct server *server, struct object *object, const char *id)
{
    uint64_t number;
    int code = read_free_id(server, id, &number);
    if (code < 0)
        return code;
    take_out(&server->objects, object);
    object->number = number;
    put_in(&server->objects, object);
    return 0;
}

/* ---- going ---- */

struct object *object_hold(struct object *object)
{
    object->held++;
    return object;
}

/** Frees the objects that nobody holds any more, and those that only they have held. */
static void free_ended(struct server *server)
{
    server->objects.ending = true;
    while (server->objects.ended) {
        struct object *object = server->objects.ended;
        server->objects.ended = object->next;
        if (object->kind->end && object->state)
            object->kind->end(server, object->state);
        free((void *)object->allowed);
        free(object);
    }
    server->objects.ending = false;
}

void object_drop(struct server *server, struct object *object)
{
    if (!object || --object->held > 0)
        return;
    take_out(&server->objects, object);
    server->objects.count--;
    count_up(server->counters.objects, -1U);
    object->next = server->objects.ended;
    server->objects.ended = object;
    if (!server->objects.ending)
        free_ended(server);
}

/* Those that nobody gave back, or that hold each other. */
void objects_end(struct server *server)
{
    struct objects *objects = &server->objects;
    for (size_t i = 0; i < objects->slot_count; i++) {
        for (struct object *object = objects->slots[i]; object; object = object->next)
            object_hold(object); /* none goes while another one ends */
    }
    for (size_t i = 0; i < objects->slot_count; i++) {
        for (struct object *object = objects->slots[i]; object; object = object->next) {
            if (object->kind->end && object->state)
                object->kind->end(server, object->state);
            object->state = NULL;
        }
    }
    for (size_t i = 0; i < objects->slot_count; i++) {
        for (struct object *object = objects->slots[i], *next; object; object = next) {
            next = object->next;
            object->held = 1;
            object_drop(server, object);
        }
    }
    free(objects->slots);
    *objects = (struct objects){ 0 };
}
