#include "value/objects.h"

#include "base/error.h"
#include "value/pickle_memo.h"
#include "value/walk.h"

#include <errno.h>
#include <stdlib.h>

struct search {
    const kith_value **found; /* not looked into yet */
    size_t count, capacity;
    struct memo seen;
};

static int grow(struct search *search)
{
    size_t capacity = search->capacity ? 2 * search->capacity : 64;
    const kith_value **found = realloc(search->found, capacity * sizeof *found);
    if (!found)
        return error_fail(-ENOMEM, "no memory to look through a value");
    search->found = found;
    search->capacity = capacity;
    return 0;
}

/** Notes what has parts, unless it was there before. */
static int note(struct search *search, const kith_value *value)
{
    if (!value || value->kind < KITH_LIST || memo_find(&search->seen, value))
        return 0;
    int code = search->count == search->capacity ? grow(search) : 0;
    if (code == 0)
        code = memo_put(&search->seen, value, 0);
    if (code == 0)
        search->found[search->count++] = value;
    return code;
}

int value_each_object(const kith_value *value, value_object_function *tell, void *context)
{
    struct search search = { 0 };
    memo_begin(&search.seen);
    int code = note(&search, value);
    while (code == 0 && search.count > 0) {
        value = search.found[--search.count];
        if (value->kind == KITH_OBJECT)
            code = tell(context, value);
        for (size_t i = 0; code == 0 && i < value_part_count(value); i++)
            code = note(&search, value_part(value, i));
    }
    memo_end(&search.seen);
    free(search.found);
    return code;
}
