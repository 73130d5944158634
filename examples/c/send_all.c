/* send_all: one process sends twenty messages, another one message; a third receives. When the twenty are sent, the
 * receiver, which would wait for ever, is terminated.
 *
 *     send_all [SECONDS]     how long the sender sleeps after each message; 1 when not given
 *
 * It is the sleep after the last message that lets the receiver print it before it is terminated. A real program would
 * rather tell the receiver that no more comes, by a message. */
#include "must.h"
#include "work.h"

#include <kith/process.h>

#include <time.h>

struct batch {
    kith_queue *queue;
    double pause; /* in seconds, after each message */
};

static void sleep_seconds(double seconds)
{
    time_t whole = (time_t)seconds;
    struct timespec time = { whole, (long)((seconds - (double)whole) * 1e9) };
    nanosleep(&time, NULL);
}

static int send_all(void *argument)
{
    const struct batch *batch = argument;
    for (int i = 0; i < 20; i++) {
        char text[100];
        snprintf(text, sizeof text, "第 %d 次循环,发送的消息为:%d", i, i);
        send_text(batch->queue, text);
        sleep_seconds(batch->pause);
    }
    return 0;
}

int main(int count, char **arguments)
{
    print_whole_lines();
    struct batch batch = { .pause = seconds_argument(count, arguments, 1) };
    MUST(kith_queue_new(&batch.queue, NULL));

    kith_process *all_sender, *one_sender, *receiver;
    MUST(kith_process_start(&all_sender, send_all, &batch, NULL));
    MUST(kith_process_start(&one_sender, send_one, batch.queue, NULL));
    MUST(kith_process_start(&receiver, receive, batch.queue, NULL));

    /* Only the sender that takes longest is worth waiting for; then nothing more will come. */
    MUST(kith_process_join(all_sender, KITH_FOREVER));
    MUST(kith_process_terminate(receiver));
    kith_queue_free(batch.queue);
    return 0;
}
