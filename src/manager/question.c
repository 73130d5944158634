#include "manager/question.h"

#include "base/error.h"
#include "manager/exception.h"

/* A text that is written and then forgotten. */
static kith_value text_of(const char *text)
{
    return text ? (kith_value){ .kind = KITH_STR, .bytes = { text, strlen(text) } } : (kith_value){ .kind = KITH_NONE };
}

int question_write(struct pickle_out *out, const struct question *question)
{
    static const unsigned char mark[] = { OP_MARK }, tuple[] = { OP_TUPLE }, no_kwargs[] = { OP_EMPTY_DICT, OP_TUPLE };
    const kith_value id = text_of(question->id), method = text_of(question->method), text = text_of(question->text);
    const kith_value *whom[] = { &id, &method }, *first[] = { &text };
    const struct pickle_piece pieces[] = {
        { mark, sizeof mark, whom, 2 },
        { mark, sizeof mark, first, question->text ? 1 : 0 },
        { NULL, 0, question->items, question->count },
        { tuple, sizeof tuple, &question->kwargs, question->kwargs ? 1 : 0 },
        { question->kwargs ? tuple : no_kwargs, question->kwargs ? sizeof tuple : sizeof no_kwargs, NULL, 0 },
    };
    return pickle_write_pieces(out, pieces, sizeof pieces / sizeof *pieces, NULL);
}

static int no_answer(const char *why)
{
    return error_fail(KITH_EMALFORMED, "what came is no answer of a manager's server: %s", why);
}

/* How much of a traceback counts. Of a method that it does not have, CPython's server says so, and then fails to find
 * another way to call it, which is what the last line tells (managers.py, serve_client). */
static size_t size_that_counts(const char *text, size_t size)
{
    static const char refusal[] = " is not in exposed=";
    const char *found = memmem(text, size, refusal, strlen(refusal));
    const char *end = found ? memchr(found, '\n', size - (size_t)(found - text)) : NULL;
    return end ? (size_t)(end - text) : size;
}

/* A text that tells of an exception by its traceback. */
static int fail_by_text(const kith_value *text)
{
    const char *bytes;
    size_t size;
    if (kith_value_as_str(text, &bytes, &size) < 0)
        return no_answer("a traceback that is no text");
    return exception_fail_traceback(bytes, size_that_counts(bytes, size));
}

int answer_judge(const kith_value *pair, kith_value **result)
{
    const char *kind;
    kith_value *what;
    if (kith_value_unpack(pair, "(sv)", &kind, &what) < 0)
        return no_answer("it is no pair of a kind and a result");
    if (strcmp(kind, "#ERROR") == 0)
        return exception_fail(what);
    if (strcmp(kind, "#TRACEBACK") == 0 || strcmp(kind, "#UNSERIALIZABLE") == 0)
        return fail_by_text(what);
    bool is_object = strcmp(kind, "#PROXY") == 0;
    if (!is_object && strcmp(kind, "#RETURN") != 0)
        return no_answer("nobody knows its kind");
    *result = what;
    return is_object ? ANSWER_OBJECT : ANSWER_VALUE;
}

int answer_read(kith_bytes *answer, kith_arena *arena, kith_value **result)
{
    kith_value *pair;
    int code = pickle_read_message(arena, &pair, answer);
    return code < 0 ? code : answer_judge(pair, result);
}
