/* What tools/check-install compiles as C++, and runs: an entry point, begun by each start method and by a pool. */
#include <kith/kith.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

KITH_ENTRY(add)
{
    int one, other;
    int code = kith_value_unpack(kith_call_args(call), "(ii)", &one, &other);
    if (code < 0)
        return code;
    code = kith_call_return(call, kith_value_int(kith_call_arena(call), one + other));
    return code == -EPERM ? one + other : code; // a process of its own has no result but its exit code
}

static void must(int code)
{
    if (code >= 0)
        return;
    std::fprintf(stderr, "%s (%s)\n", kith_strerror(code), kith_error_detail());
    std::exit(1);
}

static int run(kith_start_method method, const kith_value *args)
{
    kith_process *process;
    kith_process_options options = {};
    options.method = method;
    int code;
    must(kith_process_start_entry(&process, add, args, &options));
    must(kith_process_join(process, KITH_FOREVER));
    must(kith_process_exit_code(process, &code));
    must(kith_process_close(process));
    return code;
}

static int64_t apply(const kith_value *args, kith_arena *arena)
{
    kith_pool *pool;
    kith_value *sum;
    int64_t number;
    kith_pool_options options = {};
    options.workers = 1;
    must(kith_pool_new(&pool, &options));
    must(kith_pool_apply(pool, add, args, arena, &sum, nullptr));
    must(kith_value_as_int(sum, &number));
    must(kith_pool_free(pool));
    return number;
}

int main(int argc, char **argv)
{
    must(kith_begin(argc, argv));
    kith_arena *arena;
    must(kith_arena_new(&arena));
    const kith_value *args = kith_value_pack(arena, "(ii)", 40, 2);
    std::printf("%d %d %d ", run(KITH_FORK, args), run(KITH_SPAWN, args), run(KITH_FORKSERVER, args));
    std::printf("%d\n", static_cast<int>(apply(args, arena)));
    kith_arena_free(arena);
    return 0;
}
