#include "manager/own_state.h"

#include "base/error.h"
#include "manager/snapshot.h"

#include <errno.h>
#include <stdlib.h>

struct saving {
    kith_arena *arena;
    kith_value *value;
};

static int take_state(void *context, const kith_value *value, const void *data, size_t size)
{
    struct saving *saving = context;
    saving->value = value ? kith_value_copy(saving->arena, value) : kith_value_bytes(saving->arena, data, size);
    return saving->value ? 0 : error_fail(-ENOMEM, "no memory for an object's state");
}

/* Has the program tell the state of an object that no call is at work on. */
static int save_now(struct own *own, kith_arena *arena, kith_value **value)
{
    struct saving saving = { .arena = arena };
    struct kith_call call = {
        .args = kith_value_tuple(arena, NULL, 0),
        .arena = arena,
        .attempt = 1,
        .take = take_state,
        .context = &saving,
    };
    int code = own->type->save(own->object, &call);
    kith_bytes pickle;
    if (code >= 0 && !saving.value)
        saving.value = kith_value_none(arena);
    if (code >= 0)
        code = kith_pickle_write(saving.value, &pickle, NULL);
    if (code < 0)
        return code;
    kith_bytes_free(&own->saved);
    own->saved = pickle;
    *value = saving.value;
    return 0;
}

/* While a call is at work, the state is the one of the last time; and it is not the last one. */
int own_state_save(struct server *server, void *state, kith_arena *arena, kith_value **value)
{
    struct own *own = state;
    if (!own->first)
        return save_now(own, arena, value);
    if (!own->saved.data)
        return error_fail(-EAGAIN, "a method of the object is at work");
    snapshot_changed(server);
    return kith_pickle_read(arena, value, own->saved.data, own->saved.size, NULL);
}

/* What is new has a state to begin with. Where it can't be told, snapshots will say so. */
static void save_first(struct server *server, struct own *own)
{
    kith_arena *arena;
    kith_value *value;
    if (!server->options.snapshot || !own->type->save || kith_arena_new(&arena) < 0)
        return;
    (void)save_now(own, arena, &value);
    kith_arena_free(arena);
}

/* ---- objects ---- */

int own_state_new(struct server *server, struct own_call *call, struct own **own)
{
    struct own *made = calloc(1, sizeof *made);
    if (!made)
        return error_fail(-ENOMEM, "no memory for one more object");
    *made = (struct own){ .type = call->type->type, .object = call->returned };
    made->end = &made->first;
    call->returned = NULL;
    save_first(server, made);
    *own = made;
    return 0;
}

void own_state_end(struct server *server, void *state)
{
    (void)server;
    struct own *own = state;
    own_end_object(own->type, own->object);
    kith_bytes_free(&own->saved);
    free(own);
}
