/* What the machine that reads pickles consists of: what stands in the pickle, the stack, and the memo. */
#include "value/pickle_reader.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int reader_fail(const struct reader *reader, const char *format, ...)
{
    char sentence[200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    return error_fail(KITH_EMALFORMED, "at byte %zu: %s", (size_t)(reader->opcode - reader->start), sentence);
}

const char *reader_take_line(struct reader *reader, size_t *size)
{
    const unsigned char *line = reader->at;
    const unsigned char *newline = line < reader->end ? memchr(line, '\n', (size_t)(reader->end - line)) : NULL;
    if (!newline) {
        reader_fail(reader, "a line has no end");
        return NULL;
    }
    *size = (size_t)(newline - line);
    reader->at = newline + 1;
    return (const char *)line;
}

/* ---- the stack ---- */

/** Makes an array that begins in the reader's frame larger, to needed elements at least. */
static int grow(kith_value ***array, size_t *capacity, size_t needed)
{
    size_t wanted = *capacity * 2 > needed ? *capacity * 2 : needed;
    kith_value **old = *capacity == READER_OWN_ROOM ? NULL : *array;
    kith_value **grown = wanted > PTRDIFF_MAX / sizeof *grown ? NULL : realloc(old, wanted * sizeof *grown);
    if (!grown)
        return error_fail(-ENOMEM, "no memory to read a pickle: room for %zu values is needed", wanted);
    if (!old)
        memcpy(grown, *array, *capacity * sizeof *grown);
    *array = grown;
    *capacity = wanted;
    return 0;
}

int reader_grow_stack(struct reader *reader)
{
    return grow(&reader->stack, &reader->stack_capacity, reader->height + 1);
}

int reader_lacks_value(const struct reader *reader)
{
    return reader_fail(reader, "opcode 0x%02x needs more values than there are", *reader->opcode);
}

kith_value **reader_pop_mark(struct reader *reader, size_t *count)
{
    size_t mark = reader->height - 1;
    while (reader->stack[mark])
        mark--;
    if (mark == 0) {
        reader_fail(reader, "opcode 0x%02x needs a mark, and there is none", *reader->opcode);
        return NULL;
    }
    *count = reader->height - mark - 1;
    reader->height = mark;
    return &reader->stack[mark + 1];
}

/* ---- memo ---- */

/** The place stands in so many bytes; 0: in a line, in decimal. */
static int take_place(struct reader *reader, size_t width, uint64_t *place)
{
    enum { DIGITS_MAX = 18 };
    if (width)
        return reader_take_number(reader, width, place);
    size_t size;
    const char *line = reader_take_line(reader, &size);
    if (!line)
        return KITH_EMALFORMED;
    uint64_t number = 0;
    bool valid = size > 0 && size <= DIGITS_MAX;
    for (size_t i = 0; valid && i < size; i++) {
        valid = line[i] >= '0' && line[i] <= '9';
        number = number * 10 + (uint64_t)(line[i] - '0');
    }
    *place = number;
    return valid ? 0 : reader_fail(reader, "a place in the memo is no number");
}

/** Puts what is on top into a place of the memo. */
static int put(struct reader *reader, uint64_t place)
{
    kith_value *value = reader_top(reader);
    if (!value)
        return reader_lacks_value(reader);
    /* Picklers number the places one by one, so a place beyond the pickle's length is nothing but a way to have much
     * memory taken. */
    if (place >= (uint64_t)(reader->end - reader->start))
        return reader_fail(reader, "a place in the memo beyond what a pickle of this length can fill");
    if (place >= reader->memo_capacity) {
        int code = grow(&reader->memo, &reader->memo_capacity, (size_t)place + 1);
        if (code < 0)
            return code;
    }
    while (reader->memo_end <= place)
        reader->memo[reader->memo_end++] = NULL;
    if (!reader->memo[place])
        reader->memo_count++;
    reader->memo[place] = value;
    return 0;
}

int read_put(struct reader *reader, size_t width)
{
    uint64_t place;
    int code = take_place(reader, width, &place);
    return code < 0 ? code : put(reader, place);
}

int read_get(struct reader *reader, size_t width)
{
    uint64_t place;
    int code = take_place(reader, width, &place);
    if (code < 0)
        return code;
    if (place >= reader->memo_end || !reader->memo[place])
        return reader_fail(reader, "nothing is in place %llu of the memo", (unsigned long long)place);
    return reader_push(reader, reader->memo[place]);
}

int read_memoize(struct reader *reader)
{
    kith_value *value = reader_top(reader);
    bool is_next = reader->memo_count == reader->memo_end; /* no place was left out, as is usual */
    if (!value || !is_next || reader->memo_end == reader->memo_capacity)
        return put(reader, reader->memo_count);
    reader->memo[reader->memo_end++] = value;
    reader->memo_count++;
    return 0;
}
