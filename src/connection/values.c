/* Values as messages. */
#include "connection/send.h"
#include "value/arena.h"
#include "value/pickle.h"

int kith_connection_send_value(kith_connection *connection, const kith_value *value, kith_timeout timeout)
{
    unsigned char room[4096]; /* for most pickles */
    struct pickle_out pickle = { .data = room, .capacity = sizeof room, .lent = true };
    deadline until;
    int code = deadline_from(timeout, &until);
    if (code == 0)
        code = send_begin(connection, until);
    if (code == 0)
        code = pickle_write_to(&pickle, value, NULL);
    if (code == 0)
        code = send_bytes(connection, pickle.data, pickle.size, until);
    pickle_out_free(&pickle);
    return code;
}

/* Reads a long pickle where it lies: it is the arena's from now on, and its long bytes are not copied. */
static int read_in_place(kith_arena *arena, kith_value **value, kith_bytes *pickle)
{
    int code = arena_adopt(arena, pickle->data, pickle->size);
    if (code < 0)
        return code;
    const void *data = pickle->data;
    pickle->data = NULL;
    return kith_pickle_read(arena, value, data, pickle->size, &(kith_pickle_read_options){ .borrow = 1 });
}

int kith_connection_recv_value(kith_connection *connection, kith_arena *arena, kith_value **value, kith_timeout timeout)
{
    enum { LONG = 4096 }; /* bytes */
    kith_bytes pickle;
    if (!arena || !value)
        return error_fail(-EINVAL, "%s is NULL", arena ? "value" : "arena");
    int code = kith_connection_recv(connection, &pickle, timeout);
    if (code < 0)
        return code;
    code = pickle.size < LONG ? kith_pickle_read(arena, value, pickle.data, pickle.size, NULL)
                              : read_in_place(arena, value, &pickle);
    kith_bytes_free(&pickle);
    return code;
}
