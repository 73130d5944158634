/* lock: a hundred processes print a line each, one at a time, because each holds the lock while it prints. */
#include "must.h"

#include <kith/process.h>
#include <kith/sync.h>

struct work {
    const char *hello;
    kith_lock *lock;
};

static int f(void *argument)
{
    const struct work *work = argument;
    int result = kith_lock_acquire(work->lock, KITH_FOREVER);
    if (result == KITH_EOWNERDEAD) /* acquired, but the owner before died while it had the lock */
        fputs("a line may be missing: its process died\n", stderr);
    else
        must(result, "kith_lock_acquire");
    puts(work->hello);
    fflush(stdout); /* before the next one has the lock, not somewhen later */
    MUST(kith_lock_release(work->lock));
    return 0;
}

int main(void)
{
    struct work work = { .hello = "Hello World!" };
    MUST(kith_lock_new(&work.lock, NULL));

    /* Nobody asks for the handles (NULL), and nobody joins: when main returns, kith waits for all of them. */
    for (int number = 0; number < 100; number++)
        MUST(kith_process_start(NULL, f, &work, NULL));
    kith_lock_free(work.lock); /* this process's handle: the children have theirs */
    return 0;
}
