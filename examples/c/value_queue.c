/* value_queue: values go through a queue: children put dicts, and their parent takes them apart. */
#include "must.h"

#include <kith/codec.h>
#include <kith/process.h>
#include <kith/queue.h>

enum { CHILDREN = 3 };

static kith_queue *results;

static int compute(void *argument)
{
    int number = *(const int *)argument;
    kith_arena *arena;
    MUST(kith_arena_new(&arena));
    const kith_value *result = kith_value_pack(arena, "{s:i, s:f, s:[iii]}", "number", number, "half", number / 2.0,
                                               "powers", number, number * number, number * number * number);
    MUST(kith_queue_put_value(results, result, KITH_FOREVER));
    kith_arena_free(arena);
    return 0;
}

int main(void)
{
    kith_arena *arena;
    MUST(kith_queue_new(&results, NULL));
    for (int number = 1; number <= CHILDREN; number++)
        MUST(kith_process_start(NULL, compute, &number, NULL));

    MUST(kith_arena_new(&arena));
    for (int i = 0; i < CHILDREN; i++) {
        kith_value *result;
        int number, cube;
        double half;
        MUST(kith_queue_get_value(results, arena, &result, KITH_SECONDS(60)));
        MUST(kith_value_unpack(result, "{s:i, s:f, s:[__i]}", "number", &number, "half", &half, "powers", &cube));
        printf("the half of %d is %.1f, its cube is %d\n", number, half, cube);

        kith_bytes json;
        MUST(kith_json_write(result, &json, 0));
        printf("%s\n", (const char *)json.data);
        kith_bytes_free(&json);
        kith_arena_reset(arena); /* ends the values of this round */
    }
    kith_arena_free(arena);
    kith_queue_free(results);
    return 0;
}
