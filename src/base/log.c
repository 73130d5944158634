/* The log: lines on stderr, each one write, so that lines of several processes do not mix. */
#include "base/log.h"

#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static _Atomic int threshold = KITH_LOG_NONE;
static char process_name[64] = "MainProcess";

static const char *const level_names[] = { "NONE", "ERROR", "WARNING", "INFO", "DEBUG" };

int kith_log_to_stderr(kith_log_level level)
{
    if ((int)level < KITH_LOG_NONE || (int)level > KITH_LOG_DEBUG)
        return error_fail(-EINVAL, "no log level %d: give one of kith_log_level", (int)level);
    atomic_store_explicit(&threshold, (int)level, memory_order_relaxed);
    return 0;
}

kith_log_level log_level(void)
{
    return (kith_log_level)atomic_load_explicit(&threshold, memory_order_relaxed);
}

void log_name_process(const char *name)
{
    /* By hand: each new process comes here, and the code of snprintf is not in its memory yet. */
    size_t length = 0;
    for (; length < sizeof process_name - 1 && name[length]; length++)
        process_name[length] = name[length];
    process_name[length] = '\0';
}

void kith_log(kith_log_level level, const char *format, ...)
{
    if ((int)level <= KITH_LOG_NONE || (int)level > atomic_load_explicit(&threshold, memory_order_relaxed))
        return;
    int saved = errno;
    char line[1024];
    int head = snprintf(line, sizeof line, "[%s/%s] ", level_names[level], process_name);
    size_t room = 1000 - (size_t)head;
    va_list arguments;
    va_start(arguments, format);
    int written = vsnprintf(line + head, room, format, arguments);
    va_end(arguments);
    size_t length = written < 0 ? 0 : (size_t)written < room ? (size_t)written : room - 1;
    size_t total = (size_t)head + length;
    line[total++] = '\n';
    while (write(STDERR_FILENO, line, total) < 0 && errno == EINTR)
        continue;
    errno = saved;
}
