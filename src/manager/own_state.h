/* The state of an object of a program's own type, and how snapshots have it. */
#ifndef KITH_SRC_MANAGER_OWN_STATE_H
#define KITH_SRC_MANAGER_OWN_STATE_H

#include "manager/own_call.h"

struct own {
    const kith_type *type;
    void *object;                  /* the program's */
    struct own_call *first, **end; /* the call that is at work, and those behind it */
    kith_bytes saved;              /* the state that was saved last, a pickle; for while a call is at work */
};

/** Makes a state of what a call has returned, which is the state's from then on. @return 0; -ENOMEM */
int own_state_new(struct server *server, struct own_call *call, struct own **own);

/** kind.end and kind.save. */
void own_state_end(struct server *server, void *state);
int own_state_save(struct server *server, void *state, kith_arena *arena, kith_value **value);

#endif
