/* acquire.h: acquire(block=True, timeout=None) of locks and semaphores, and whose they are, as the standard library's
 * have it. */
#ifndef KITH_PYTHON_ACQUIRE_H
#define KITH_PYTHON_ACQUIRE_H

#include "arena.h"

/* What the threads of this process hold, through one Python object. */
struct holder {
    unsigned long thread; /* who acquired last */
    long count;           /* acquired less released: negative, when others acquired what was released here */
    unsigned depth;       /* a child holds nothing of what its parent has */
};

static inline void holder_settle(struct holder *holder)
{
    if (holder->depth != fork_depth())
        *holder = (struct holder){ .depth = fork_depth() };
}

static inline void holder_acquired(struct holder *holder)
{
    holder->thread = PyThread_get_thread_ident();
    holder->count++;
}

static inline int holder_is_me(struct holder *holder)
{
    holder_settle(holder);
    return holder->count > 0 && holder->thread == PyThread_get_thread_ident();
}

/* Reads the arguments of acquire. Returns 0, or -1 with an exception. */
int acquire_arguments(PyObject *const *arguments, Py_ssize_t count, PyObject *names, kith_timeout *timeout);

/* The methods __enter__ and __exit__ take what acquire and release do; these are their documentation. */
#define ACQUIRE_DOC                                                                                                    \
    "acquire(block=True, timeout=None): waits, at most timeout seconds, and not at all unless block. Returns whether " \
    "it was acquired."

#endif
