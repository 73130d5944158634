#include "process/hooks.h"

#include "base/error.h"
#include "process/children.h"
#include "process/forks.h"
#include "process/self.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

struct hook {
    kith_exit_hook *function;
    void *context;
    struct hook *before; /* the one that was added before it */
};

static struct hook *last; /* under forks_block */

/* The one that is being called, and by whom. Who takes it back in another thread, to free its context, waits until it
 * has returned. It is taken out of the list, under forks_block, and called at the same instant for others. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t over;
    const struct hook *hook;
    pthread_t caller;
} call = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, 0 };

static int put_last(struct hook *hook)
{
    forks_block();
    int code = children_register_end();
    if (code == 0) {
        hook->before = last;
        last = hook;
    }
    forks_allow();
    return code;
}

int kith_process_at_exit(kith_exit_hook *hook, void *context)
{
    if (!hook)
        return error_fail(-EINVAL, "hook is NULL: give the function to call");
    struct hook *added = malloc(sizeof *added);
    if (!added)
        return error_fail(-ENOMEM, "no memory for an exit hook");
    *added = (struct hook){ .function = hook, .context = context };
    int code = put_last(added);
    if (code < 0) {
        free(added);
        return error_fail(code, "no memory for a function to call at exit");
    }
    return 0;
}

/* @return the one that was taken out, or NULL */
static struct hook *take_out(struct hook **link)
{
    struct hook *hook = *link;
    if (hook)
        *link = hook->before;
    return hook;
}

static bool is_called_elsewhere(kith_exit_hook *hook, const void *context)
{
    return call.hook && call.hook->function == hook && call.hook->context == context &&
           !pthread_equal(call.caller, pthread_self());
}

static void await_call(kith_exit_hook *hook, const void *context)
{
    pthread_mutex_lock(&call.mutex);
    while (is_called_elsewhere(hook, context))
        pthread_cond_wait(&call.over, &call.mutex);
    pthread_mutex_unlock(&call.mutex);
}

int kith_process_not_at_exit(kith_exit_hook *hook, void *context)
{
    forks_block();
    struct hook **link = &last;
    while (*link && ((*link)->function != hook || (*link)->context != context))
        link = &(*link)->before;
    struct hook *taken = take_out(link);
    forks_allow();
    if (!taken)
        await_call(hook, context);
    if (!taken)
        return error_fail(-ENOENT, "no such exit hook and context: they were not added, or were taken back");
    free(taken);
    return 0;
}

/* A child by _Fork, of which no handler tells, has its parent's hooks still. */
static bool are_ours(void)
{
    return process_self->pid == getpid();
}

static void set_call(const struct hook *hook)
{
    pthread_mutex_lock(&call.mutex);
    call.hook = hook;
    call.caller = pthread_self();
    pthread_cond_broadcast(&call.over);
    pthread_mutex_unlock(&call.mutex);
}

static struct hook *take_last(void)
{
    forks_block();
    struct hook *hook = last && are_ours() ? take_out(&last) : NULL;
    set_call(hook);
    forks_allow();
    return hook;
}

void hooks_run(void)
{
    /* Taken out before it is called, and outside the lock: it may add others, or fork. */
    for (struct hook *hook = take_last(); hook; hook = take_last()) {
        hook->function(hook->context);
        set_call(NULL);
        free(hook);
    }
}

void hooks_forget(void)
{
    while (last)
        free(take_out(&last));
    call.hook = NULL;
    pthread_mutex_init(&call.mutex, NULL);
    pthread_cond_init(&call.over, NULL);
}
