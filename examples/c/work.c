/* work: a message, one who sends it and one who receives. Messages are values here: a text, or a dict. */
#include "work.h"

#include "must.h"

#include <kith/codec.h>

static kith_arena *new_arena(void)
{
    kith_arena *arena;
    MUST(kith_arena_new(&arena));
    return arena;
}

void send_text(kith_queue *queue, const char *text)
{
    kith_arena *arena = new_arena();
    MUST(kith_queue_put_value(queue, kith_value_str(arena, text), KITH_FOREVER));
    kith_arena_free(arena);
}

int send_one(void *queue)
{
    kith_arena *arena = new_arena();
    const kith_value *message = kith_value_pack(arena, "{s:s}", "message", "这是一条测试的消息");
    MUST(kith_queue_put_value(queue, message, KITH_FOREVER));
    kith_arena_free(arena);
    return 0;
}

static void print(const kith_value *message)
{
    const char *text;
    kith_bytes shown;
    if (kith_value_as_str(message, &text, NULL) == 0) {
        printf("接收到的信息为:%s\n", text);
        return;
    }
    MUST(kith_value_repr(message, &shown, 0));
    printf("接收到的信息为:%s\n", (const char *)shown.data);
    kith_bytes_free(&shown);
}

int receive(void *queue)
{
    kith_arena *arena = new_arena();
    for (;;) {
        kith_value *message;
        MUST(kith_queue_get_value(queue, arena, &message, KITH_FOREVER));
        print(message);
        kith_arena_reset(arena);
    }
}
