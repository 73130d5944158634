/* Codes, their names and sentences, and each thread's last particulars.
 *
 * The sentences of the errno codes that the library's calls give are written here: they say what a code means in this
 * library. For all others, which tasks of a pool may return, the C library's stand: those of strerrordesc_np, which is
 * safe in threads and signal handlers, and the same in every locale. */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct meaning {
    int code;
    const char *name;
    const char *sentence;
};

static const struct meaning meanings[] = {
    { 0, "OK", "success" },
    { KITH_EEMPTY, "KITH_EEMPTY", "the queue held nothing in the time given" },
    { KITH_EFULL, "KITH_EFULL", "the queue had no room in the time given" },
    { KITH_ECLOSED, "KITH_ECLOSED", "the handle is closed, the queue or pool is shut, or the server is gone" },
    { KITH_EOWNERDEAD, "KITH_EOWNERDEAD", "acquired, but its owner before died while it held it" },
    { KITH_EEOF, "KITH_EEOF", "the other side closed the connection" },
    { KITH_ETRUNCATED, "KITH_ETRUNCATED", "the connection ended in the middle of a message" },
    { KITH_ELAYOUT, "KITH_ELAYOUT", "another version of kith made this object" },
    { KITH_EBROKEN, "KITH_EBROKEN", "the barrier is broken" },
    { KITH_ETYPE, "KITH_ETYPE", "the value is of another kind" },
    { KITH_EMALFORMED, "KITH_EMALFORMED", "what came is malformed" },
    { KITH_ELIMIT, "KITH_ELIMIT", "it exceeds a limit" },
    { KITH_EAUTH, "KITH_EAUTH", "the other side did not prove that it may connect" },
    { KITH_ETLS, "KITH_ETLS", "no safe connection could be made" },
    { KITH_EWORKERLOST, "KITH_EWORKERLOST", "the process that ran the task ended before it was done" },
    { KITH_ETASK, "KITH_ETASK", "the task failed: its function returned a number above 0" },
    { KITH_EOVERTIME, "KITH_EOVERTIME", "the task was not done within its time limit" },
    { KITH_EREMOTE, "KITH_EREMOTE", "a manager's object raised an exception" },
    { -EPERM, "EPERM", "the caller may not do this" },
    { -EINTR, "EINTR", "a signal handler interrupted the wait" },
    { -EBADF, "EBADF", "it is not open, or not meant for this" },
    { -ECHILD, "ECHILD", "not a child of this process, or reaped by somebody else" },
    { -EAGAIN, "EAGAIN", "not now: the system is short of a resource, or the answer is not there yet" },
    { -ENOMEM, "ENOMEM", "out of memory" },
    { -EBUSY, "EBUSY", "somebody else is using it" },
    { -EINVAL, "EINVAL", "an argument is not valid" },
    { -ENFILE, "ENFILE", "the system has no file descriptor left" },
    { -EMFILE, "EMFILE", "the process has no file descriptor left" },
    { -EFBIG, "EFBIG", "the file size limit of the process forbids it" },
    { -ENOSPC, "ENOSPC", "no space left" },
    { -EROFS, "EROFS", "the file system can only be read" },
    { -EPIPE, "EPIPE", "the other side is closed" },
    { -ECANCELED, "ECANCELED", "it was given up before it was done" },
    { -EALREADY, "EALREADY", "it has ended, or is under way" },
    { -EDEADLK, "EDEADLK", "the caller would wait for itself" },
    { -EMSGSIZE, "EMSGSIZE", "the message is too long" },
    { -EBADMSG, "EBADMSG", "what was received is no message" },
    { -EOVERFLOW, "EOVERFLOW", "the value would pass its limit" },
    { -EALREADY, "EALREADY", "it has ended, or is under way" },
    { -ECANCELED, "ECANCELED", "it was given up before it had ended" },
    { -ETIMEDOUT, "ETIMEDOUT", "the time given is over" },
    { -ENOTSUP, "ENOTSUP", "the system does not support it" },
    { -ENOSYS, "ENOSYS", "the kernel does not know this call" },
    { -ESRCH, "ESRCH", "no such process" },
    { -EACCES, "EACCES", "permission denied" },
    { -ENOENT, "ENOENT", "there is no such thing" },
    { -EEXIST, "EEXIST", "it exists already" },
    { -EILSEQ, "EILSEQ", "the text is not in UTF-8" },
    { -ENOMSG, "ENOMSG", "what comes next is of the other kind: a message or a descriptor" },
    { -ETOOMANYREFS, "ETOOMANYREFS", "too many descriptors are on their way" },
    { -ERANGE, "ERANGE", "the number is out of range" },
    { -ECONNREFUSED, "ECONNREFUSED", "nobody listens there" },
    { -ECONNRESET, "ECONNRESET", "the other side broke the connection off" },
    { -EADDRINUSE, "EADDRINUSE", "somebody else listens there" },
    { -EADDRNOTAVAIL, "EADDRNOTAVAIL", "this machine does not have that address" },
    { -EHOSTUNREACH, "EHOSTUNREACH", "there is no way to that host" },
    { -ENETUNREACH, "ENETUNREACH", "there is no way to that network" },
    { -ENOTRECOVERABLE, "ENOTRECOVERABLE", "what was found is damaged, and can't be repaired" },
};

static const struct meaning *find(int code)
{
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++) {
        if (meanings[i].code == code)
            return &meanings[i];
    }
    return NULL;
}

static bool is_errno(int code)
{
    return code < 0 && code > -4096;
}

const char *kith_strerror(int code)
{
    const struct meaning *meaning = find(code);
    const char *sentence = meaning ? meaning->sentence : is_errno(code) ? strerrordesc_np(-code) : NULL;
    return sentence ? sentence : "an unknown code";
}

const char *kith_error_name(int code)
{
    const struct meaning *meaning = find(code);
    const char *name = meaning ? meaning->name : is_errno(code) ? strerrorname_np(-code) : NULL;
    return name ? name : "UNKNOWN";
}

static _Thread_local char detail[256];
static _Thread_local unsigned count; /* of the sentences that were there */

const char *kith_error_detail(void)
{
    return detail;
}

/* The detail that was there may be among the arguments. */
static void keep(const char *format, va_list arguments)
{
    char sentence[sizeof detail] = "";
    int saved = errno;
    vsnprintf(sentence, sizeof sentence, format, arguments);
    memcpy(detail, sentence, strlen(sentence) + 1);
    count++;
    errno = saved;
}

int error_fail(int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    keep(format, arguments);
    va_end(arguments);
    return code;
}

int kith_fail(int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    keep(format ? format : "", arguments);
    va_end(arguments);
    return code;
}

int error_refuse_null(const char *sentence, const char *link)
{
    if (strncmp(detail, sentence, strlen(sentence)) == 0) /* once more: there was nothing new between */
        return error_fail(-EINVAL, "%s", detail);
    return error_fail(-EINVAL, "%s%s%s", sentence, *detail ? link : "", detail);
}

unsigned error_count(void)
{
    return count;
}

const char *error_reason(int code, unsigned before)
{
    return count != before && *detail ? detail : kith_strerror(code);
}

void error_clear(void)
{
    detail[0] = '\0';
}
