/* array: a number and ten more in shared memory; a child changes them, and its parent sees it. */
#include "must.h"

#include <kith/array.h>
#include <kith/process.h>

struct shared {
    kith_array *number;
    kith_array *numbers;
};

static int f(void *argument)
{
    const struct shared *shared = argument;
    *(double *)kith_array_data(shared->number) = 3.1415927;

    /* Nobody else changes them here; with others about, it is done under the array's lock. */
    MUST(kith_array_acquire(shared->numbers, KITH_FOREVER));
    int *numbers = kith_array_data(shared->numbers);
    for (size_t i = 0; i < kith_array_count(shared->numbers); i++)
        numbers[i] = -numbers[i];
    MUST(kith_array_release(shared->numbers));
    return 0;
}

int main(void)
{
    struct shared shared;
    kith_process *child;
    MUST(kith_array_new(&shared.number, sizeof(double), 1, &(kith_array_options){ .unlocked = 1 }));
    MUST(kith_array_new(&shared.numbers, sizeof(int), 10, NULL));
    int *numbers = kith_array_data(shared.numbers);
    for (int i = 0; i < 10; i++)
        numbers[i] = i;

    MUST(kith_process_start(&child, f, &shared, NULL));
    MUST(kith_process_join(child, KITH_FOREVER));
    MUST(kith_process_close(child));

    printf("%.7f\n", *(double *)kith_array_data(shared.number));
    for (int i = 0; i < 10; i++)
        printf("%s%d", i ? ", " : "[", numbers[i]);
    puts("]");
    kith_array_free(shared.number);
    kith_array_free(shared.numbers);
    return 0;
}
