/* echo_server: sends back what its clients send, to many of them at the same time, with one thread.
 *
 *     echo_server [ADDRESS]     tcp:localhost:8888 when none is given
 *
 * echo_client is a client of it; so is a Python program, with Client(('localhost', 8888), authkey=b"Hello World!"). */
#include "must.h"

#include <kith/connection.h>

#include <errno.h>
#include <string.h>

enum { CLIENTS_MAX = 1000 };

static const char key[] = "Hello World!"; /* a real one is random, and comes from a file that nobody else can read */

static kith_waitable items[1 + CLIENTS_MAX]; /* the listener, and its clients */
static size_t item_count;

static void take_in(kith_listener *listener)
{
    kith_connection *connection;
    int result = kith_listener_accept(listener, &connection, KITH_NOWAIT);
    if (result == -ETIMEDOUT) /* somebody has yet to prove that he has the key */
        return;
    must(result, "kith_listener_accept");
    if (item_count <= CLIENTS_MAX)
        items[item_count++] = (kith_waitable){ .connection = connection };
    else
        kith_connection_free(connection);
}

/* Sends a message back, when a whole one is there. @return 0, or the code with which the connection is over */
static int echo(kith_connection *connection)
{
    kith_bytes message;
    int result = kith_connection_recv(connection, &message, KITH_NOWAIT);
    if (result == -ETIMEDOUT)
        return 0; /* a part of it: the connection keeps it until the rest comes */
    if (result < 0)
        return result;
    result = kith_connection_send(connection, message.data, message.size, KITH_SECONDS(1));
    kith_bytes_free(&message);
    return result;
}

static void serve(kith_waitable *item)
{
    int result = echo(item->connection);
    if (result == 0)
        return;
    puts(result == KITH_EEOF ? "连接关闭" : kith_strerror(result));
    kith_connection_free(item->connection);
    *item = items[--item_count];
}

int main(int count, char **arguments)
{
    print_whole_lines();
    kith_listener *listener;
    MUST(kith_listener_new(&listener, count > 1 ? arguments[1] : "tcp:localhost:8888",
                           &(kith_listener_options){ .authkey = key, .authkey_size = strlen(key) }));
    printf("listening at %s\n", kith_listener_address(listener));
    items[item_count++] = (kith_waitable){ .listener = listener };
    for (;;) {
        MUST(kith_wait(items, item_count, KITH_FOREVER));
        for (size_t i = item_count - 1; i > 0;
             i--) { /* from the end, as the last one takes the place of one that goes */
            if (items[i].ready)
                serve(&items[i]);
        }
        if (items[0].ready)
            take_in(listener);
    }
}
