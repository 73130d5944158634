#include "process/forks.h"

#include "os/process.h"
#include "process/children.h"
#include "process/forkserver.h"
#include "process/gate.h"
#include "process/hooks.h"
#include "process/self.h"

#include <pthread.h>
#include <stdatomic.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static unsigned generation;
static _Atomic unsigned count;
static int watching; /* the result of os_process_around_fork */

/* What the child of the fork that this thread makes will be; NULL when kith does not make that fork. */
static _Thread_local struct kith_process *becoming __attribute__((tls_model("initial-exec")));

void forks_block(void)
{
    pthread_mutex_lock(&mutex);
}

void forks_allow(void)
{
    pthread_mutex_unlock(&mutex);
}

unsigned forks_generation(void)
{
    return generation;
}

unsigned forks_count(void)
{
    return atomic_load_explicit(&count, memory_order_relaxed);
}

/* Counted before, so that parent and child agree. */
static void begin_fork(void)
{
    forks_block();
    atomic_fetch_add_explicit(&count, 1, memory_order_relaxed);
}

static void begin_child(void)
{
    generation++;
    hooks_forget();
    gates_forget();
    children_forget(becoming);
    forkserver_forget();
    os_process_signal_forget();
    self_become(becoming);
    becoming = NULL;
    forks_allow();
}

__attribute__((constructor)) static void begin(void)
{
    watching = os_process_around_fork(begin_fork, forks_allow, begin_child);
    self_become(NULL);
}

pid_t forks_child(struct kith_process *child)
{
    if (watching < 0)
        return watching;
    becoming = child;
    pid_t pid = os_process_fork();
    becoming = NULL;
    return pid;
}

pid_t forks_sibling(pid_t *id)
{
    return watching < 0 ? watching : os_process_fork_sibling(id);
}

void forks_become(struct kith_process *child, struct kith_process *parent)
{
    forks_block();
    generation++;
    self_adopt(parent);
    self_become(child);
    forks_allow();
}
