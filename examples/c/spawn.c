/* spawn: children that are fresh images of this program instead of copies of their parent.
 *
 * Such a child begins at an entry point, which it finds by its name. Of its parent it has nothing but the arguments and
 * the descriptors that it is handed: here a queue for its result, and a lock, so that only one at a time writes. */
#include "must.h"

#include <kith/codec.h>
#include <kith/process.h>
#include <kith/sync.h>

enum { CHILDREN = 3, NUMBERS = 1000 };

static int is_prime(int number)
{
    for (int divisor = 2; divisor * divisor <= number; divisor++)
        if (number % divisor == 0)
            return 0;
    return number > 1;
}

KITH_ENTRY(count_primes)
{
    int first, end, primes = 0;
    kith_queue *results;
    kith_lock *lock;
    MUST(kith_value_unpack(kith_call_args(call), "(ii)", &first, &end));
    MUST(kith_queue_from_fd(&results, MUST(kith_call_fd(call, "results"))));
    MUST(kith_lock_from_fd(&lock, MUST(kith_call_fd(call, "lock"))));

    for (int number = first; number < end; number++)
        primes += is_prime(number);

    MUST(kith_lock_acquire(lock, KITH_FOREVER));
    printf("%d primes from %d to %d\n", primes, first, end - 1);
    fflush(stdout);
    MUST(kith_lock_release(lock));

    MUST(kith_queue_put_value(results, kith_value_int(kith_call_arena(call), primes), KITH_FOREVER));
    kith_queue_free(results);
    kith_lock_free(lock);
    return 0;
}

int main(int argc, char **argv)
{
    MUST(kith_begin(argc, argv)); /* a spawned child leaves main here, for count_primes */

    kith_arena *arena;
    kith_queue *results;
    kith_lock *lock;
    MUST(kith_arena_new(&arena));
    MUST(kith_queue_new(&results, NULL));
    MUST(kith_lock_new(&lock, NULL));

    kith_process_fd fds[] = { { "results", kith_queue_share_fd(results) }, { "lock", kith_lock_share_fd(lock) } };
    kith_process_options options = { .method = KITH_SPAWN, .fds = fds, .fd_count = 2 };
    for (int i = 0; i < CHILDREN; i++) {
        const kith_value *range = kith_value_pack(arena, "(ii)", i * NUMBERS, (i + 1) * NUMBERS);
        MUST(kith_process_start_entry(NULL, count_primes, range, &options));
    }

    int64_t primes, sum = 0;
    for (int i = 0; i < CHILDREN; i++) {
        kith_value *result;
        MUST(kith_queue_get_value(results, arena, &result, KITH_SECONDS(60)));
        MUST(kith_value_as_int(result, &primes));
        sum += primes;
    }
    printf("%jd in all\n", (intmax_t)sum);
    kith_queue_free(results);
    kith_lock_free(lock);
    kith_arena_free(arena);
    return 0;
}
