#include "manager/exception.h"

#include "base/error.h"

#include <kith/manager.h>

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Both ways: of several lines for one code, or one class, the first one counts. */
static const struct {
    int code;
    const char *exception;
} table[] = {
    { -ENOENT, "KeyError" },
    { -ERANGE, "IndexError" },
    { -EINVAL, "ValueError" },
    { KITH_ETYPE, "TypeError" },
    { KITH_EEMPTY, "queue.Empty" },
    { KITH_EFULL, "queue.Full" },
    { -ETIMEDOUT, "TimeoutError" },
    { -ETIMEDOUT, "multiprocessing.context.TimeoutError" },
    { -ENOMEM, "MemoryError" },
    { -EACCES, "PermissionError" },
    { -EPERM, "PermissionError" },
    { -EOVERFLOW, "OverflowError" },
    { KITH_EBROKEN, "threading.BrokenBarrierError" },
    { -EEXIST, "FileExistsError" },
    { -ETIMEDOUT, "multiprocessing.context.TimeoutError" },
    { -ENOENT, "FileNotFoundError" },
    { -EINTR, "InterruptedError" },
    { -ECONNRESET, "ConnectionResetError" },
    { -ECONNREFUSED, "ConnectionRefusedError" },
    { -EPIPE, "BrokenPipeError" },
};

enum { TABLE_SIZE = sizeof table / sizeof *table, CLASS_MAX = 256, TEXT_MAX = 200 };

const char *exception_of_code(int code)
{
    for (size_t i = 0; i < TABLE_SIZE; i++) {
        if (table[i].code == code)
            return table[i].exception;
    }
    return "RuntimeError";
}

static int code_of(const char *exception)
{
    for (size_t i = 0; i < TABLE_SIZE; i++) {
        if (strcmp(table[i].exception, exception) == 0)
            return table[i].code;
    }
    return KITH_EREMOTE;
}

/* ---- the names of classes ---- */

/** A class as people write it: what is of builtins without that, and queue's own as such, which CPython has in a module
 *  that others do not name. */
static void name_class(char class[CLASS_MAX], const char *module, const char *name)
{
    if (strcmp(module, "builtins") == 0 || strcmp(module, "exceptions") == 0)
        snprintf(class, CLASS_MAX, "%s", name);
    else
        snprintf(class, CLASS_MAX, "%s.%s", strcmp(module, "_queue") == 0 ? "queue" : module, name);
}

int exception_to_code(const char *module, const char *name)
{
    char class[CLASS_MAX];
    name_class(class, module, name);
    return code_of(class);
}

kith_value *exception_value(kith_arena *arena, const char *name, const kith_value *args)
{
    char module[CLASS_MAX] = "builtins";
    const char *dot = strrchr(name, '.');
    if (dot)
        snprintf(module, sizeof module, "%.*s", (int)(dot - name), name);
    kith_value *class = kith_object_global(arena, module, dot ? dot + 1 : name);
    return kith_object_call(arena, class, kith_value_copy(arena, args));
}

/* ---- exceptions that have come ---- */

static _Thread_local char last_class[CLASS_MAX];

const char *kith_proxy_exception(void)
{
    return last_class;
}

int exception_stand_for(int code)
{
    snprintf(last_class, sizeof last_class, "%s", exception_of_code(code));
    return code;
}

void exception_forget(void)
{
    *last_class = '\0';
}

/** The code of an exception of the system's, which has its number as its first argument. */
static int code_of_exception(const char *class, const kith_value *args)
{
    int64_t number;
    int code = code_of(class);
    bool is_system = code == KITH_EREMOTE && strcmp(class, "OSError") == 0;
    if (is_system && kith_value_length(args) >= 2 && kith_value_as_int(kith_value_at(args, 0), &number) == 0 &&
        number > 0 && number < 4096)
        return -(int)number;
    return code;
}

/** What Python's str() gives of an exception with such arguments. @param text  receives it, cut when it is long */
static void show(char text[TEXT_MAX], const char *class, const kith_value *args)
{
    const kith_value *shown = kith_value_length(args) == 1 ? kith_value_at(args, 0) : args;
    const char *message;
    kith_bytes repr;
    *text = '\0';
    if (kith_value_length(args) == 0)
        return;
    if (strcmp(class, "KeyError") != 0 && kith_value_kind(shown) == KITH_STR &&
        kith_value_as_str(shown, &message, &(size_t){ 0 }) == 0) {
        snprintf(text, TEXT_MAX, "%s", message);
    } else if (kith_value_repr(shown, &repr, TEXT_MAX - 1) == 0) {
        snprintf(text, TEXT_MAX, "%s", (const char *)repr.data);
        kith_bytes_free(&repr);
    }
}

int exception_fail(const kith_value *exception)
{
    const char *module, *name;
    int form = kith_object_get_form(exception);
    if (form == 0 || form == KITH_OBJECT_GLOBAL || kith_object_name(exception, &module, &name) < 0)
        return error_fail(KITH_EMALFORMED, "the server says an error, and sends a %s instead of an exception",
                          kith_kind_name(kith_value_kind(exception)));
    char text[TEXT_MAX];
    const kith_value *args = kith_object_args(exception);
    name_class(last_class, module, name);
    show(text, last_class, args);
    return error_fail(code_of_exception(last_class, args), "%s%s%s", last_class, *text ? ": " : "", text);
}

/** The last line of a text that is not empty. @return its length */
static size_t last_line(const char *text, size_t size, const char **line)
{
    while (size > 0 && text[size - 1] == '\n')
        size--;
    const char *end = memrchr(text, '\n', size);
    *line = end ? end + 1 : text;
    return size - (size_t)(*line - text);
}

/** How much of a line is a dotted name. */
static size_t class_length(const char *line, size_t length)
{
    size_t count = 0;
    while (count < length && (isalnum((unsigned char)line[count]) || line[count] == '.' || line[count] == '_'))
        count++;
    return count;
}

int exception_fail_traceback(const char *text, size_t size)
{
    const char *line;
    size_t length = last_line(text, size, &line);
    size_t class = class_length(line, length);
    bool is_told = class > 0 && class < CLASS_MAX && (class == length || line[class] == ':');
    if (is_told)
        snprintf(last_class, sizeof last_class, "%.*s", (int)class, line);
    else
        snprintf(last_class, sizeof last_class, "multiprocessing.managers.RemoteError");
    if (strncmp(last_class, "_queue.", strlen("_queue.")) == 0)
        memmove(last_class, last_class + 1, strlen(last_class));
    return error_fail(code_of(last_class), "%.*s", (int)(length < TEXT_MAX ? length : TEXT_MAX), line);
}
