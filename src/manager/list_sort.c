/* A stable merge sort, which asks for no more than Python's <. Short runs are made by binary insertion, in the order in
 * which CPython asks, so that of items without an order the same two are complained of. */
#include "manager/list.h"

#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { RUN = 64 };

struct pair {
    struct cell *cell;
    const kith_value *value;
};

/** @return 1 when one is to stand before other; 0; a code */
static int less(const struct pair *one, const struct pair *other)
{
    int order = 0;
    int code = kith_value_compare(one->value, other->value, &order);
    return code < 0 ? code : order < 0;
}

static void turn(struct pair *pairs, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        struct pair pair = pairs[i];
        pairs[i] = pairs[count - 1 - i];
        pairs[count - 1 - i] = pair;
    }
}

/** How many at the beginning stand in order; those that go down strictly are turned. @return it, or a code */
static int begin_run(struct pair *pairs, int count)
{
    int run = 1, down = count > 1 ? less(&pairs[1], &pairs[0]) : 0, next = down;
    while (next >= 0 && next == down && ++run < count)
        next = less(&pairs[run], &pairs[run - 1]);
    if (next < 0)
        return next;
    if (count == 1)
        return 1;
    if (down)
        turn(pairs, (size_t)run);
    return run;
}

/** Sorts a few. */
static int sort_run(struct pair *pairs, int count)
{
    int sorted = begin_run(pairs, count);
    for (; sorted >= 0 && sorted < count; sorted++) {
        struct pair pivot = pairs[sorted];
        int left = 0, right = sorted;
        while (left < right) {
            int middle = (left + right) / 2, before = less(&pivot, &pairs[middle]);
            if (before < 0)
                return before;
            if (before)
                right = middle;
            else
                left = middle + 1;
        }
        memmove(&pairs[left + 1], &pairs[left], (size_t)(sorted - left) * sizeof *pairs);
        pairs[left] = pivot;
    }
    return sorted < 0 ? sorted : 0;
}

/** Merges two neighbours, by way of room for the first. */
static int merge(struct pair *pairs, size_t first, size_t count, struct pair *room)
{
    size_t left = 0, right = first, out = 0;
    memcpy(room, pairs, first * sizeof *pairs);
    while (left < first && right < count) {
        int before = less(&pairs[right], &room[left]);
        if (before < 0)
            return before;
        pairs[out++] = before ? pairs[right++] : room[left++];
    }
    memcpy(&pairs[out], &room[left], (first - left) * sizeof *pairs);
    return 0;
}

static int sort(struct pair *pairs, size_t count, struct pair *room)
{
    int code = 0;
    for (size_t at = 0; code == 0 && at < count; at += RUN)
        code = sort_run(&pairs[at], (int)(count - at < RUN ? count - at : RUN));
    for (size_t run = RUN; code == 0 && run < count; run *= 2) {
        for (size_t at = 0; code == 0 && at + run < count; at += 2 * run)
            code = merge(&pairs[at], run, count - at < 2 * run ? count - at : 2 * run, room);
    }
    return code;
}

static int read_pairs(struct request *request, const struct cells *list, struct pair *pairs)
{
    int code = 0;
    for (size_t i = 0; code == 0 && i < list->count; i++) {
        kith_value *value;
        code = cell_read(list->items[i], request->arena, &value);
        pairs[i] = (struct pair){ list->items[i], code == 0 ? value : NULL };
    }
    return code;
}

static int sort_cells(struct request *request, struct cells *list, bool reverse)
{
    size_t count = list->count;
    struct pair *pairs = calloc(2 * count, sizeof *pairs); /* the second half is room for merging */
    if (!pairs && count > 0)
        return error_fail(-ENOMEM, "no memory to sort %zu items", count);
    int code = read_pairs(request, list, pairs);
    if (code == 0 && reverse) /* turned before and after, so that equal ones keep their order */
        turn(pairs, count);
    if (code == 0)
        code = sort(pairs, count, pairs + count);
    if (code == 0 && reverse)
        turn(pairs, count);
    for (size_t i = 0; code == 0 && i < count; i++)
        list->items[i] = pairs[i].cell;
    free(pairs);
    return code;
}

int list_sort(struct request *request)
{
    const kith_value *key, *reverse;
    int64_t number = 0;
    if (kith_value_length(request->args) > 0)
        return error_fail(KITH_ETYPE, "sort() takes no positional arguments");
    int code = request_arguments(request, "key? reverse?", &key, &reverse);
    if (code == 0 && key && kith_value_kind(key) != KITH_NONE)
        code = error_fail(KITH_ETYPE, "sort(key=...) needs Python, and this server runs none: sort a copy, and put it "
                                      "back");
    if (code == 0 && reverse)
        code = request_integer(reverse, &number);
    if (code == 0)
        code = sort_cells(request, list_of(request), number != 0);
    return code < 0 ? code : request_answer_none(request);
}
