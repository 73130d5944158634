#include "process/gate.h"

#include "os/clock.h"
#include "os/futex.h"
#include "os/memory.h"
#include "os/poll.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stddef.h>

struct gate_word {
    _Atomic uint32_t lifted; /* the last ticket that may pass. The parent writes it, its children read it */
    _Atomic uint32_t asleep; /* whether a child may sleep on lifted. It sets this, the parent clears and reads it */
    uint32_t taken;          /* the parent's alone; here, since a page of its own would be copied at each start */
};

_Static_assert(sizeof(struct gate_word) <= GATE_SIZE, "it has room");

/* How many starts there can be at the same time. */
enum { GATES = 512 };

/* How long a child sleeps before it looks whether its parent still lives. It sleeps only when the parent was held up
 * between the fork and the next few lines. */
static const int64_t patience = 10000000;

static struct gate_word *ours;
static struct gate_word *inherited; /* of the process before; NULL when that had none, or it is unmapped */

static int map(void)
{
    void *page;
    int code = os_memory_share(&page, GATES * sizeof *ours);
    if (code < 0)
        return code;
    ours = page;
    if (inherited)
        os_memory_unmap(inherited, GATES * sizeof *inherited);
    inherited = NULL;
    return 0;
}

int gate_new(struct gate *gate)
{
    int code = ours ? 0 : map();
    if (code < 0)
        return code;
    struct gate_word *word = ours;
    while (word < ours + GATES && word->taken)
        word++;
    if (word == ours + GATES)
        return -EAGAIN;
    word->taken = 1;
    atomic_store_explicit(&word->asleep, 0, memory_order_relaxed);
    *gate = (struct gate){ word, atomic_load_explicit(&word->lifted, memory_order_relaxed) + 1 };
    return 0;
}

struct gate gate_in(void *memory)
{
    return (struct gate){ memory, 1 };
}

void gate_lift(struct gate *gate)
{
    /* Either the child sees that it is lifted, or this sees that it sleeps: both go by one order (seq_cst). */
    atomic_store(&gate->word->lifted, gate->ticket);
    if (atomic_load(&gate->word->asleep))
        os_futex_wake(&gate->word->lifted, INT_MAX);
    gate_drop(gate);
}

void gate_drop(struct gate *gate)
{
    if (ours && gate->word >= ours && gate->word < ours + GATES)
        gate->word->taken = 0;
    gate->word = NULL;
}

static bool is_lifted(const struct gate *gate, uint32_t *lifted)
{
    *lifted = atomic_load(&gate->word->lifted);
    return (int32_t)(*lifted - gate->ticket) >= 0; /* tickets may wrap around */
}

bool gate_pass(struct gate *gate, int parent)
{
    uint32_t lifted;
    bool passes = is_lifted(gate, &lifted), ended = false;
    while (!passes && !ended) {
        atomic_store(&gate->word->asleep, 1);
        os_futex_wait(&gate->word->lifted, lifted, os_clock_now() + patience);
        /* Where one can't even ask, nobody is left to wait for. */
        int code = os_poll(parent, OS_POLL_READ, 0);
        ended = code != -ETIMEDOUT && code != -EINTR;
        passes = is_lifted(gate, &lifted);
    }
    gate->word = NULL;
    return passes;
}

void gates_forget(void)
{
    if (!ours)
        return;
    inherited = ours;
    ours = NULL;
}
