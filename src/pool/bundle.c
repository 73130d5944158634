#include "pool/bundle.h"

#include "base/error.h"
#include "pool/board.h"
#include "value/pickle.h"

#include <errno.h>
#include <stdlib.h>

enum { SHORT = 256 }; /* room for the pickles of most arguments */

static const unsigned char no_arguments[] = { OP_PROTO, PICKLE_PROTOCOL_DEFAULT, OP_EMPTY_TUPLE, OP_STOP };

static size_t padded(size_t size)
{
    return (size + 7) & ~(size_t)7;
}

/** Makes room for an item of so many bytes, and one more. */
static int reserve(struct bundle *bundle, size_t size)
{
    size_t needed = bundle->size + sizeof(struct item) + padded(size + 1);
    if (needed <= bundle->capacity)
        return 0;
    size_t capacity = needed < bundle->capacity * 2 ? bundle->capacity * 2 : needed;
    unsigned char *data = realloc(bundle->data, capacity);
    if (!data)
        return error_fail(-ENOMEM, "no memory for a task of %zu bytes", size);
    bundle->data = data;
    bundle->capacity = capacity;
    return 0;
}

static unsigned char *room(const struct bundle *bundle)
{
    return bundle->data + bundle->size + sizeof(struct item);
}

/** Takes what was written to the room as the next item. */
static void take(struct bundle *bundle, size_t size, bool values)
{
    struct item item = { .values = values, .size = size };
    memcpy(bundle->data + bundle->size, &item, sizeof item);
    memset(room(bundle) + size, 0, padded(size) - size);
    bundle->size += sizeof item + padded(size);
    bundle->count++;
}

static int add(struct bundle *bundle, const void *data, size_t size, bool values)
{
    int code = reserve(bundle, size);
    if (code < 0)
        return code;
    if (size > 0)
        memcpy(room(bundle), data, size);
    take(bundle, size, values);
    return 0;
}

/** Writes the pickle where it is to lie, or, when it gets too long, elsewhere first.
 *  @param wrap  a tuple is made of the value: its opcode comes before the pickle's end */
static int add_pickle(struct bundle *bundle, const kith_value *value, bool wrap)
{
    int code = reserve(bundle, SHORT);
    if (code < 0)
        return code;
    struct pickle_out out = {
        .data = room(bundle),
        .capacity = bundle->capacity - bundle->size - sizeof(struct item) - 8,
        .lent = true,
    };
    code = pickle_write_to(&out, value, NULL);
    if (code == 0 && out.data != room(bundle)) {
        code = reserve(bundle, out.size + wrap);
        if (code == 0)
            memcpy(room(bundle), out.data, out.size);
    }
    if (code == 0) {
        if (wrap) {
            room(bundle)[out.size - 1] = OP_TUPLE1;
            room(bundle)[out.size] = OP_STOP;
        }
        take(bundle, out.size + wrap, true);
    }
    pickle_out_free(&out);
    return code;
}

int bundle_add_args(struct bundle *bundle, const kith_value *args)
{
    return args ? add_pickle(bundle, args, false) : add(bundle, no_arguments, sizeof no_arguments, true);
}

int bundle_add_argument(struct bundle *bundle, const kith_value *value)
{
    return add_pickle(bundle, value, true);
}

int bundle_add_bytes(struct bundle *bundle, const void *data, size_t size)
{
    return add(bundle, data, size, false);
}

void bundle_clear(struct bundle *bundle)
{
    bundle->size = 0;
    bundle->count = 0;
}

void bundle_free(struct bundle *bundle)
{
    free(bundle->data);
    *bundle = (struct bundle){ 0 };
}
