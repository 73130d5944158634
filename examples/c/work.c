/* work: a message, one who sends it and one who receives.
 *
 * A kith queue carries bytes. The Python original sends text, and sends a dictionary as JSON text. kith's C library has
 * no JSON yet, so a message here is a letter that tells what follows, and a text: the receiver prints a dictionary of
 * one entry the way Python does. */
#include "work.h"

#include "must.h"

#include <string.h>

struct message {
    char kind;
    char text[127];
};

void send_message(kith_queue *queue, enum kind kind, const char *text)
{
    struct message message = { .kind = (char)kind };
    snprintf(message.text, sizeof message.text, "%s", text);
    size_t used = offsetof(struct message, text) + strlen(message.text) + 1;
    MUST(kith_queue_put(queue, &message, used, KITH_FOREVER));
}

int send_one(void *queue)
{
    send_message(queue, DICTIONARY, "这是一条测试的消息");
    return 0;
}

int receive(void *queue)
{
    for (;;) {
        struct message message;
        size_t size;
        MUST(kith_queue_get(queue, &message, sizeof message, &size, KITH_FOREVER));
        if (message.kind == DICTIONARY)
            printf("接收到的信息为:{'message': '%s'}\n", message.text);
        else
            printf("接收到的信息为:%s\n", message.text);
    }
}
