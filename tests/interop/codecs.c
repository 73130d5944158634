/* The C side of the tests of pickles and JSON against stock Python: reads requests from stdin until its end, and
 * answers each on stdout. pickles.py and json_texts.py are the other side.
 *
 * A request: what comes (one byte: 'p' a pickle, 'j' a JSON text), what is wanted ('2' to '5': a pickle of that
 * protocol; 'B': of 5 with its buffers out of band; 'j', 'i': JSON in one line, or indented by 2; 'n': the name of an
 * object and its form; 'r': what kith_value_repr shows), the number of parts, and each part: its size, its bytes. The
 * first part is the message, the others are its buffers. An answer: the code, the number of parts, the parts: the
 * message, or the detail; then buffers. Numbers have 8 bytes, the least significant first. */
#include <kith/kith.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS_MAX = 16 };

struct request {
    char given;
    char wanted;
    uint64_t count;
    kith_bytes parts[PARTS_MAX];
};

struct answer {
    kith_bytes message;
    uint64_t count; /* of buffers */
    kith_buffer buffers[PARTS_MAX];
};

static void die(const char *why)
{
    fprintf(stderr, "codecs: %s\n", why);
    exit(2);
}

static void take(void *data, size_t size)
{
    if (size > 0 && fread(data, 1, size, stdin) != size)
        die("a request ends in the middle");
}

static uint64_t take_number(void)
{
    uint64_t number;
    take(&number, sizeof number);
    return number;
}

static void give(const void *data, size_t size)
{
    uint64_t number = size;
    fwrite(&number, 1, sizeof number, stdout);
    if (size > 0)
        fwrite(data, 1, size, stdout);
}

static void give_number(int64_t number)
{
    fwrite(&number, 1, sizeof number, stdout);
}

/** @return 0 at the end */
static int take_request(struct request *request)
{
    int given = getchar();
    if (given == EOF)
        return 0;
    request->given = (char)given;
    take(&request->wanted, 1);
    request->count = take_number();
    if (request->count < 1 || request->count > PARTS_MAX)
        die("no such number of parts");
    for (uint64_t i = 0; i < request->count; i++) {
        request->parts[i].size = take_number();
        request->parts[i].data = malloc(request->parts[i].size + 1);
        if (!request->parts[i].data)
            die("no memory");
        take(request->parts[i].data, request->parts[i].size);
    }
    return 1;
}

/* ---- reading ---- */

static int read_value(kith_arena *arena, kith_value **value, const struct request *request)
{
    const kith_bytes *message = &request->parts[0];
    if (request->given == 'j')
        return kith_json_read(arena, value, message->data, message->size);
    kith_buffer buffers[PARTS_MAX];
    for (uint64_t i = 1; i < request->count; i++)
        buffers[i - 1] = (kith_buffer){ request->parts[i].data, request->parts[i].size };
    kith_pickle_read_options options = { .max_depth = 5000, .buffers = buffers, .buffer_count = request->count - 1 };
    return kith_pickle_read(arena, value, message->data, message->size, &options);
}

/* ---- writing ---- */

static int keep_buffer(void *context, const kith_value *buffer)
{
    struct answer *answer = context;
    kith_buffer *kept = &answer->buffers[answer->count];
    if (answer->count == PARTS_MAX)
        die("too many buffers");
    int code = kith_value_as_bytes(buffer, &kept->data, &kept->size);
    answer->count += code == 0;
    return code;
}

static int write_text(kith_bytes *text, const char *module, const char *name, int form, int is)
{
    text->data = malloc(1000);
    if (!text->data)
        die("no memory");
    text->size = (size_t)snprintf(text->data, 1000, "%s.%s form %d is %d", module, name, form, is);
    return 0;
}

static int write_name(kith_bytes *text, const kith_value *value)
{
    const char *module, *name;
    int code = kith_object_name(value, &module, &name);
    return code < 0 ? code
                    : write_text(text, module, name, kith_object_get_form(value), kith_object_is(value, module, name));
}

static int write_value(struct answer *answer, const kith_value *value, char wanted)
{
    kith_pickle_write_options options = { .protocol = wanted - '0' };
    switch (wanted) {
    case 'B':
        options = (kith_pickle_write_options){ .protocol = 5, .on_buffer = keep_buffer, .context = answer };
        /* fallthrough */
    case '2':
    case '3':
    case '4':
    case '5':
        return kith_pickle_write(value, &answer->message, &options);
    case 'j':
        return kith_json_write(value, &answer->message, 0);
    case 'i':
        return kith_json_write(value, &answer->message, 2);
    case 'n':
        return write_name(&answer->message, value);
    case 'r':
        return kith_value_repr(value, &answer->message, 0);
    default:
        die("this is not to be had");
        return -1;
    }
}

static void give_answer(const struct answer *answer, int code)
{
    give_number(code);
    give_number(code < 0 ? 1 : 1 + (int64_t)answer->count);
    if (code < 0) {
        give(kith_error_detail(), strlen(kith_error_detail()));
        return;
    }
    give(answer->message.data, answer->message.size);
    for (uint64_t i = 0; i < answer->count; i++)
        give(answer->buffers[i].data, answer->buffers[i].size);
}

int main(void)
{
    kith_arena *arena;
    struct request request;
    if (kith_arena_new(&arena) < 0)
        die("no arena");
    while (take_request(&request)) {
        struct answer answer = { .count = 0 };
        kith_value *value = NULL;
        int code = read_value(arena, &value, &request);
        if (code == 0)
            code = write_value(&answer, value, request.wanted);
        give_answer(&answer, code);
        kith_bytes_free(&answer.message);
        for (uint64_t i = 0; i < request.count; i++)
            kith_bytes_free(&request.parts[i]);
        kith_arena_reset(arena);
    }
    kith_arena_free(arena);
    return fflush(stdout) == 0 ? 0 : 2;
}
