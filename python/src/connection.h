/* connection.h: what others need to know of the type Connection. */
#ifndef KITH_PYTHON_CONNECTION_H
#define KITH_PYTHON_CONNECTION_H

#include "pipe.h"

struct connection {
    PyObject_HEAD struct state *state;
    struct pipe *pipe; /* of a pipe through shared memory; else NULL */
    int handle;        /* else the descriptor; -1 once closed */
    char readable;
    char writable;
};

/* Returns 0; or -1, with an OSError, when it is closed. */
int connection_check_open(const struct connection *self);

#endif
