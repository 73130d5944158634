/* pool: worker processes, one for each CPU, square some numbers. */
#include "must.h"

#include <kith/pool.h>

/* The task: what a worker runs for each item. It gives its result by kith_call_return, and returns 0 when all is
 * well. */
KITH_ENTRY(square)
{
    int64_t number;
    int code = kith_value_unpack(kith_call_args(call), "(I)", &number);
    if (code < 0)
        return code;
    return kith_call_return(call, kith_value_int(kith_call_arena(call), number * number));
}

int main(void)
{
    kith_arena *arena; /* owns the values */
    kith_pool *pool;
    kith_value *squares;
    kith_bytes text;
    MUST(kith_arena_new(&arena));
    MUST(kith_pool_new(&pool, NULL));

    kith_value *numbers = kith_value_pack(arena, "[iiiiii]", 1, 2, 3, 4, 5, 6);
    MUST(kith_pool_map(pool, square, numbers, arena, &squares, NULL));

    MUST(kith_value_repr(squares, &text, 0));
    printf("%s\n", (const char *)text.data);
    kith_bytes_free(&text);
    kith_pool_free(pool);
    kith_arena_free(arena);
    return 0;
}
