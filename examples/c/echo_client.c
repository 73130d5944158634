/* echo_client: sends a list to echo_server, and prints what comes back.
 *
 *     echo_client [ADDRESS]     tcp:localhost:8888 when none is given
 *
 * The server may as well be a Python program, with Listener(('', 8888), authkey=b"Hello World!"). */
#include "must.h"

#include <kith/connection.h>

#include <string.h>

int main(int count, char **arguments)
{
    static const char key[] = "Hello World!", bytes[] = "你好";
    kith_connection *connection;
    kith_arena *arena; /* owns the values */
    kith_value *answer;
    kith_bytes text;

    MUST(kith_connect(&connection, count > 1 ? arguments[1] : "tcp:localhost:8888",
                      &(kith_client_options){ .authkey = key, .authkey_size = strlen(key) }, KITH_SECONDS(10)));
    MUST(kith_arena_new(&arena));
    const kith_value *list = kith_value_pack(arena, "[siy]", "Hello World", 100, bytes, strlen(bytes));
    MUST(kith_connection_send_value(connection, list, KITH_SECONDS(10)));
    MUST(kith_connection_recv_value(connection, arena, &answer, KITH_SECONDS(10)));

    MUST(kith_value_repr(answer, &text, 0)); /* as Python prints it */
    puts(text.data);
    kith_bytes_free(&text);
    kith_arena_free(arena);
    kith_connection_free(connection);
    return 0;
}
