#include "pool/answer.h"

#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* So much memory is kept, in bytes. */
enum { KEEP = 1024 * 1024 };

void answer_clear(struct answer *answer)
{
    if (answer->out.capacity > KEEP)
        answer_free(answer);
    answer->out.size = 0;
    answer->kind = REPORT_VALUE;
}

void answer_free(struct answer *answer)
{
    pickle_out_free(&answer->out);
}

static int take_bytes(struct answer *answer, const void *data, size_t size)
{
    struct pickle_out *out = &answer->out;
    if (size > out->capacity) {
        unsigned char *memory = malloc(size);
        if (!memory)
            return error_fail(-ENOMEM, "no memory for a result of %zu bytes", size);
        free(out->data);
        *out = (struct pickle_out){ .data = memory, .capacity = size };
    }
    if (size)
        memcpy(out->data, data, size);
    out->size = size;
    answer->kind = REPORT_BYTES;
    return 0;
}

int answer_take(void *context, const kith_value *value, const void *data, size_t size)
{
    struct answer *answer = context;
    answer_clear(answer);
    if (!value)
        return take_bytes(answer, data, size);
    int code = pickle_write_to(&answer->out, value, NULL);
    if (code < 0)
        answer->out.size = 0;
    return code;
}
