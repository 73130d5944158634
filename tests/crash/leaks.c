/* What starts and pools leave behind: nothing. Thousands of children are started and joined, by each method, and pools
 * made, used and freed in several ways; then this process has as many descriptors, mappings and children as before, and
 * as much memory.
 *
 * usage: leaks [STARTS [POOLS]]   STARTS by fork, and by forkserver, a tenth of them by spawn; POOLS by each method.
 * Output is TAP. */
#include "belongings.h"
#include "killing.h"
#include "kin.h"

#include <signal.h>

enum { WORKERS = 2, TASKS = 60, SLACK = 1024 };

static const char *const methods[] = { "fork", "spawn", "forkserver" };

KITH_ENTRY(add)
{
    int64_t one = 0, other = 0;
    int code = kith_value_unpack(kith_call_args(call), "(II)", &one, &other);
    return code < 0 ? code : kith_call_return(call, kith_value_int(kith_call_arena(call), one + other));
}

KITH_ENTRY(come_and_go)
{
    return 3;
}

/** @param way  one of four: what is given beside the method */
static void start_and_join(kith_start_method method, uint64_t way)
{
    kith_process *process;
    int exit_code = 0;
    const kith_process_fd fds[] = { { "here", STDIN_FILENO } };
    kith_process_options options = { .method = method,
                                     .name = way == 1 ? "leaks" : NULL,
                                     .daemon = way == 2,
                                     .directory = way == 3 ? "/" : NULL,
                                     .fds = fds,
                                     .fd_count = way == 1 };
    must(kith_process_start_entry(&process, come_and_go, KITH_NO_ARGS, &options), "start");
    must(kith_process_join(process, KITH_FOREVER), "join");
    must(kith_process_exit_code(process, &exit_code), "exit_code");
    must(kith_process_close(process), "close");
    must(exit_code == 3 ? 0 : KITH_EWORKERLOST, "exit code");
}

static void start_many(kith_start_method method, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        start_and_join(method, i % 4);
}

/* ---- pools ---- */

static int next_sum(void *context, kith_arena *arena, kith_value **args)
{
    int *next = context;
    *args = kith_value_pack(arena, "(ii)", *next, 1);
    return !*args ? -ENOMEM : (*next)++ < TASKS;
}

/** Looks at the first results only. */
static void walk(kith_pool *pool, kith_arena *arena)
{
    int next = 0;
    kith_imap *imap;
    must(kith_pool_imap(pool, &imap, add, next_sum, &next, NULL), "imap");
    for (int i = 0; i < TASKS / 3; i++)
        must(kith_imap_next(imap, arena, NULL, KITH_FOREVER), "imap_next");
    kith_imap_free(imap);
}

static void map(kith_pool *pool, kith_arena *arena, bool waits)
{
    kith_result *result;
    kith_value *items = kith_value_list(arena);
    for (int i = 0; i < TASKS; i++)
        must(kith_value_append(items, kith_value_pack(arena, "(ii)", i, i)), "append");
    must(kith_pool_starmap_async(pool, &result, add, items, NULL), "map");
    if (waits)
        must(kith_result_get(result, arena, NULL, KITH_FOREVER), "get");
    kith_result_free(result);
}

/** @param way  how it is used, and how it ends: at rest, in the middle of its work, with a worker that is killed */
static void use_pool(kith_start_method method, uint64_t way)
{
    kith_pool *pool;
    kith_arena *arena;
    const kith_process_options process = { .method = method };
    pid_t worker;
    must(kith_arena_new(&arena), "arena");
    must(kith_pool_new(&pool, &(kith_pool_options){ .workers = WORKERS, .process = &process }), "pool_new");
    map(pool, arena, way % 2 == 0);
    if (way % 4 == 3 && kith_pool_workers(pool, &worker, 1) > 0)
        kill(worker, SIGKILL);
    else
        walk(pool, arena);
    if (way % 3 == 0) {
        must(kith_pool_close(pool), "pool_close");
        must(kith_pool_join(pool, KITH_FOREVER), "pool_join");
    }
    must(kith_pool_free(pool), "pool_free");
    kith_arena_free(arena);
}

static void use_pools(kith_start_method method, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        use_pool(method, i);
}

/* ---- before and after ---- */

typedef void body(kith_start_method method, uint64_t count);

/** Does a tenth first, and eight times at the least, so that what libraries and the library keep is there. */
static bool leaves_nothing(body *run, kith_start_method method, uint64_t count)
{
    pid_t kin[1];
    run(method, count / 10 > 8 ? count / 10 : 8);
    must(kith_forkserver_stop(), "forkserver_stop");
    struct belongings before = take_stock();
    run(method, count);
    must(kith_forkserver_stop(), "forkserver_stop");
    struct belongings after = take_stock();
    int children = children_of(getpid(), kin, 1);
    print_stock("before:", &before);
    print_stock("after: ", &after);
    if (children > 0)
        printf("# a child is left, in state %c\n", state_of(kin[0]));
    return nothing_left(&before, &after) && memory_as_before(&before, &after, SLACK) && children == 0;
}

int main(int count, char **arguments)
{
    must(kith_begin(count, arguments), "begin");
    uint64_t starts = number_of(count, arguments, 1, 300), pools = number_of(count, arguments, 2, 8);
    int failed = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("1..6\n# %llu starts, %llu pools\n", (unsigned long long)starts, (unsigned long long)pools);
    for (int i = 0; i < 6; i++) {
        char name[100];
        kith_start_method method = (kith_start_method)(i % 3);
        bool good = i < 3 ? leaves_nothing(start_many, method, method == KITH_SPAWN ? starts / 10 : starts)
                          : leaves_nothing(use_pools, method, pools);
        snprintf(name, sizeof name, "%s by %s", i < 3 ? "children" : "pools", methods[i % 3]);
        failed += verdict(i + 1, good, name);
    }
    return failed > 0;
}
