/* How a call is answered. */
#include "manager/answer.h"

#include "base/error.h"
#include "manager/dispatch.h"
#include "manager/exception.h"
#include "manager/holders.h"
#include "manager/loans.h"
#include "manager/server.h"
#include "manager/taken.h"
#include "manager/token.h"
#include "value/arena.h"
#include "value/pickle_opcodes.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- ('#RETURN', value) ---- */

struct message *answer_begin(struct request *request)
{
    static const unsigned char word[] = { OP_SHORT_BINUNICODE, 7, '#', 'R', 'E', 'T', 'U', 'R', 'N' };
    message_begin(request->reply);
    message_put(request->reply, word, sizeof word);
    return request->reply;
}

int answer_end(struct request *request)
{
    message_put_tuple(request->reply, 2);
    int code = message_end(request->reply);
    if (code == 0)
        request->answered = true;
    return code < 0 ? code : REQUEST_ANSWERED;
}

static int answer_byte(struct request *request, unsigned char opcode)
{
    message_put_byte(answer_begin(request), opcode);
    return answer_end(request);
}

int request_answer_none(struct request *request)
{
    return answer_byte(request, OP_NONE);
}

int request_answer_bool(struct request *request, bool truth)
{
    return answer_byte(request, truth ? OP_NEWTRUE : OP_NEWFALSE);
}

int request_answer_int(struct request *request, int64_t number)
{
    message_put_int(answer_begin(request), number);
    return answer_end(request);
}

int request_answer_value(struct request *request, const kith_value *value)
{
    message_put_value(answer_begin(request), value);
    return answer_end(request);
}

int request_answer_cell(struct request *request, const struct cell *cell)
{
    message_put(answer_begin(request), cell->body, cell->size);
    int code = answer_end(request);
    if (code == REQUEST_ANSWERED)
        lend_all(request->server, request->line, cell);
    return code;
}

int request_answer_taken(struct request *request, struct cell *cell)
{
    int code = request_answer_cell(request, cell);
    if (code == REQUEST_ANSWERED)
        taken_note(request, cell);
    return code;
}

/* ---- ('#PROXY', (exposed, token)) ---- */

bool object_allows(const struct object *object, const char *name, bool reads)
{
    if (object->read_only && !reads)
        return false;
    for (size_t i = 0; i < object->allowed_count; i++) {
        if (strcmp(object->allowed[i], name) == 0)
            return true;
    }
    return !object->allowed;
}

kith_value *object_exposed(kith_arena *arena, const struct object *object)
{
    const struct kind *kind = object->kind;
    kith_value **names = arena_take(arena, (kind->method_count + 1) * sizeof *names);
    size_t count = 0;
    for (size_t i = 0; names && i < kind->method_count; i++) {
        const struct kind_method *method = &kind->methods[i];
        if (object_allows(object, method->name, method->reads))
            names[count++] = kith_value_str(arena, method->name);
    }
    return names ? kith_value_tuple(arena, names, count) : NULL;
}

int request_answer_object(struct request *request, struct object *object)
{
    kith_arena *arena = request->arena;
    kith_value *address = token_address(arena, request->server->place);
    kith_value *token = token_value(arena, object->type, address, object->id);
    int code = token ? claim(request->server, request->line, object) : -ENOMEM;
    if (code == 0) {
        message_begin(request->reply);
        message_put_str(request->reply, "#PROXY");
        message_put_value(request->reply, kith_value_pack(arena, "(vv)", object_exposed(arena, object), token));
        code = answer_end(request);
    }
    object_drop(request->server, object);
    return code;
}

/* ---- ('#ERROR', exception), and for constructors ('#TRACEBACK', text) ---- */

int answer_traceback(struct request *request, const char *exception, const char *text)
{
    message_begin(request->reply);
    message_put_str(request->reply, "#TRACEBACK");
    const char *shown = strncmp(exception, "builtins.", 9) == 0 ? exception + 9 : exception;
    size_t size = strlen(shown) + strlen(text) + 128;
    char *whole = arena_take(request->arena, size);
    if (whole) {
        snprintf(whole, size, "Traceback (most recent call last):\n  in the server, kith %s\n%s%s%s\n", kith_version(),
                 shown, *text ? ": " : "", text);
        message_put_value(request->reply, kith_value_str(request->arena, whole));
    } else {
        message_put_str(request->reply, "MemoryError\n");
    }
    return answer_end(request);
}

/* Notes the code that suits it. */
static void note_failure(struct request *request, const char *exception)
{
    const char *dot = strrchr(exception, '.');
    char module[128] = "builtins";
    if (dot && (size_t)(dot - exception) < sizeof module) {
        memcpy(module, exception, (size_t)(dot - exception));
        module[dot - exception] = '\0';
    }
    request->failure = exception_to_code(module, dot ? dot + 1 : exception);
}

/* What Python's str() shows of an exception. @return it, in the arena; "" when it can't be told */
static const char *text_of(kith_arena *arena, const char *exception, const kith_value *args)
{
    enum { LONGEST = 2000 };
    const kith_value *shown = kith_value_length(args) == 1 ? kith_value_at(args, 0) : args;
    const char *text = "";
    kith_bytes repr = { 0 };
    if (kith_value_length(args) == 0)
        return text;
    if (strcmp(exception, "KeyError") != 0 && kith_value_as_str(shown, &text, NULL) == 0)
        return text;
    if (kith_value_repr(shown, &repr, LONGEST) == 0)
        text = arena_copy(arena, repr.data, repr.size);
    kith_bytes_free(&repr);
    return text ? text : "";
}

int answer_raise(struct request *request, const char *exception, const kith_value *args)
{
    note_failure(request, exception);
    if (!request->object)
        return answer_traceback(request, exception, text_of(request->arena, exception, args));
    kith_value *value = exception_value(request->arena, exception, args);
    if (!value)
        return -ENOMEM;
    message_begin(request->reply);
    message_put_str(request->reply, "#ERROR");
    message_put_value(request->reply, value);
    return answer_end(request);
}

int request_raise_value(struct request *request, const char *exception, const kith_value *argument)
{
    kith_value *one[] = { (kith_value *)argument };
    const kith_value *args = kith_value_tuple(request->arena, one, argument != NULL);
    return args ? answer_raise(request, exception, args) : -ENOMEM;
}

int request_raise(struct request *request, const char *exception, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    char *text = length < 0 ? NULL : arena_take(request->arena, (size_t)length + 1);
    if (text)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    va_end(arguments);
    kith_value *value = text ? kith_value_str(request->arena, text) : NULL;
    return value ? request_raise_value(request, exception, value) : -ENOMEM;
}

/* A code that has left no detail says it all, as queue.Empty. */
static int raise_code(struct request *request, int code)
{
    const char *exception = exception_of_code(code);
    if (error_count() == request->errors)
        return request_raise_value(request, exception, NULL);
    return request_raise(request, exception, "%s", kith_error_detail());
}

int dispatch_finish(struct request *request, int code)
{
    if (code >= 0 && request->answered)
        return 0;
    message_drop(request->reply);
    code = code < 0 ? raise_code(request, code) : request_answer_none(request);
    return code < 0 ? code : 0;
}

int answer_created(struct request *request, const struct object *object)
{
    kith_arena *arena = request->arena;
    return request_answer_value(request, kith_value_pack(arena, "(sv)", object->id, object_exposed(arena, object)));
}
