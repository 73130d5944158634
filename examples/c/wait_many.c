/* wait_many: waits for a connection, a queue and a process at the same time, until all three are over. */
#include "must.h"

#include <kith/connection.h>
#include <kith/process.h>
#include <kith/queue.h>

static kith_queue *numbers;

static int child(void *argument)
{
    kith_connection *connection = argument;
    for (int number = 1; number <= 3; number++)
        MUST(kith_queue_put(numbers, &number, sizeof number, KITH_FOREVER));
    MUST(kith_queue_shut(numbers));
    MUST(kith_connection_send(connection, "hello", 5, KITH_FOREVER));
    kith_connection_free(connection);
    return 7;
}

/* Each of these takes what one thing has. @return whether that was the last */

static int receive(kith_connection *connection)
{
    kith_bytes message;
    int result = kith_connection_recv(connection, &message, KITH_FOREVER);
    if (result == KITH_EEOF)
        return 1;
    must(result, "kith_connection_recv");
    printf("the connection has %.*s\n", (int)message.size, (const char *)message.data);
    kith_bytes_free(&message);
    return 0;
}

static int get(kith_queue *queue)
{
    int number;
    size_t size;
    int result = kith_queue_get(queue, &number, sizeof number, &size, KITH_NOWAIT);
    if (result == KITH_ECLOSED)
        return 1;
    if (result == KITH_EEMPTY) /* there was but a chance */
        return 0;
    must(result, "kith_queue_get");
    printf("the queue has %d\n", number);
    return 0;
}

static int join(kith_process *process)
{
    int code;
    MUST(kith_process_join(process, KITH_FOREVER));
    MUST(kith_process_exit_code(process, &code));
    printf("the process has ended with %d\n", code);
    return 1;
}

static int take(const kith_waitable *item)
{
    if (item->connection)
        return receive(item->connection);
    return item->queue ? get(item->queue) : join(item->process);
}

int main(void)
{
    kith_connection *mine, *theirs;
    kith_process *process;
    print_whole_lines();
    MUST(kith_queue_new(&numbers, NULL));
    MUST(kith_pipe(&mine, &theirs, NULL));
    MUST(kith_process_start(&process, child, theirs,
                            &(kith_process_options){ .connections = &theirs, .connection_count = 1 }));
    kith_connection_free(theirs);

    kith_waitable items[] = { { .connection = mine }, { .queue = numbers }, { .process = process } };
    size_t count = 3;
    while (count > 0) {
        MUST(kith_wait(items, count, KITH_FOREVER));
        for (size_t i = count; i-- > 0;) { /* from the end, as the last one takes the place of one that is over */
            if (items[i].ready && take(&items[i]))
                items[i] = items[--count];
        }
    }
    kith_process_close(process);
    kith_connection_free(mine);
    kith_queue_free(numbers);
    return 0;
}
