/* Values as messages. */
#include "connection/send.h"
#include "value/pickle.h"

int kith_connection_send_value(kith_connection *connection, const kith_value *value, kith_timeout timeout)
{
    unsigned char room[4096]; /* for most pickles */
    struct pickle_out pickle = { .data = room, .capacity = sizeof room, .lent = true };
    deadline until;
    int code = deadline_from_or_at_once(timeout, &until);
    if (code == 0)
        code = send_begin(connection, until);
    if (code == 0)
        code = pickle_write_to(&pickle, value, NULL);
    if (code == 0)
        code = send_bytes(connection, pickle.data, pickle.size, until);
    pickle_out_free(&pickle);
    return code;
}

int kith_connection_recv_value(kith_connection *connection, kith_arena *arena, kith_value **value, kith_timeout timeout)
{
    kith_bytes pickle;
    if (!arena || !value)
        return error_fail(-EINVAL, "%s is NULL", arena ? "value" : "arena");
    int code = kith_connection_recv(connection, &pickle, timeout);
    if (code < 0)
        return code;
    code = pickle_read_message(arena, value, &pickle);
    kith_bytes_free(&pickle);
    return code;
}
