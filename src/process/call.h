/* One call of an entry point, as whoever makes it fills it in: a process that begins there, or a worker of a pool, task
 * by task. It owns nothing, and is made on the stack. */
#ifndef KITH_SRC_PROCESS_CALL_H
#define KITH_SRC_PROCESS_CALL_H

#include <kith/process.h>

/** Takes in the result of a call.
 *  @param value  the result; NULL: it is bytes, data and size. All of them are the caller's
 *  @return 0, or a negative code with a detail: what kith_call_return returns */
typedef int call_take(void *context, const kith_value *value, const void *data, size_t size);

struct kith_call {
    kith_value *args; /* a tuple; NULL: bytes were given */
    const void *bytes;
    size_t size;
    kith_arena *arena; /* for the call's own values; args may lie in it */
    const kith_process_fd *fds;
    size_t fd_count;
    int attempt;                /* 1 or more */
    call_take *take;            /* NULL: nobody wants a result */
    void *context;              /* for take */
    const kith_value *kwargs;   /* a dict; NULL: none */
    struct own_call *of_object; /* of a method of a manager's object; NULL elsewhere */
};

#endif
