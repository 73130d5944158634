/* pipe: a child sends one message through a pipe, and its parent receives it.
 *
 * A kith connection carries bytes; what they mean is agreed by both sides. Here that is a struct, printed the way
 * Python prints a list of the same three values. */
#include "must.h"

#include <kith/connection.h>
#include <kith/process.h>

struct message {
    char text[8];
    int number;
    char bytes[8];
};

static int f(void *argument)
{
    kith_connection *connection = argument;
    struct message message = { "hello", 45, "World!" };
    MUST(kith_connection_send(connection, &message, sizeof message, KITH_FOREVER));
    kith_connection_free(connection);
    return 0;
}

int main(void)
{
    kith_connection *parent_end, *child_end;
    kith_process *child;
    MUST(kith_pipe(&parent_end, &child_end, NULL));

    /* Queues and locks are simply inherited. The ends of pipes are not: a child has those that are named for it, so
     * that a pipe ends when the process that was meant to have it ends. */
    MUST(kith_process_start(&child, f, child_end,
                            &(kith_process_options){ .connections = &child_end, .connection_count = 1 }));
    kith_connection_free(child_end); /* the child has it now */

    kith_bytes bytes;
    MUST(kith_connection_recv(parent_end, &bytes, KITH_FOREVER));
    const struct message *message = bytes.data;
    printf("['%s', %d, b'%s']\n", message->text, message->number, message->bytes);
    kith_bytes_free(&bytes);

    MUST(kith_process_join(child, KITH_FOREVER));
    kith_process_close(child);
    kith_connection_free(parent_end);
    return 0;
}
