/* forkserver: children that are copies of a small server, which has loaded once what they all need.
 *
 * For a parent that is large or has threads: a child costs little, whatever the parent is, and has nothing of it but
 * what it is handed. */
#include "must.h"

#include <kith/process.h>
#include <kith/queue.h>

#include <string.h>

enum { LIMIT = 1000000, CHILDREN = 3 };

static char composite[LIMIT]; /* 1 for those that are no primes */

/* Runs in the server, before it makes the first child: the table is made once, and all children have it. */
KITH_ENTRY(make_table)
{
    (void)call;
    composite[0] = composite[1] = 1;
    for (int number = 2; number * number < LIMIT; number++)
        for (int multiple = number * number; !composite[number] && multiple < LIMIT; multiple += number)
            composite[multiple] = 1;
    return 0;
}

KITH_ENTRY(count_primes)
{
    int below, primes = 0;
    kith_queue *answers;
    char answer[100];
    MUST(kith_value_unpack(kith_call_args(call), "(i)", &below));
    MUST(kith_queue_from_fd(&answers, MUST(kith_call_fd(call, "answers"))));
    for (int number = 0; number < below; number++)
        primes += !composite[number];
    snprintf(answer, sizeof answer, "%d primes below %d", primes, below);
    MUST(kith_queue_put(answers, answer, strlen(answer) + 1, KITH_FOREVER));
    kith_queue_free(answers);
    return 0;
}

int main(int argc, char **argv)
{
    MUST(kith_begin(argc, argv)); /* the server leaves main here */
    MUST(kith_forkserver_start(make_table, KITH_NO_ARGS));

    kith_arena *arena;
    kith_queue *answers;
    MUST(kith_arena_new(&arena));
    MUST(kith_queue_new(&answers, NULL));
    kith_process_fd fd = { "answers", kith_queue_share_fd(answers) };
    kith_process_options options = { .method = KITH_FORKSERVER, .fds = &fd, .fd_count = 1 };

    for (int i = 0, below = 10; i < CHILDREN; i++, below *= 100) {
        kith_process *child;
        char answer[100];
        size_t size;
        MUST(kith_process_start_entry(&child, count_primes, kith_value_pack(arena, "(i)", below), &options));
        MUST(kith_queue_get(answers, answer, sizeof answer, &size, KITH_SECONDS(60)));
        printf("%s\n", answer);
        MUST(kith_process_join(child, KITH_FOREVER)); /* it is this process's own child, not the server's */
        kith_process_close(child);
    }
    kith_queue_free(answers);
    kith_arena_free(arena);
    return 0;
}
