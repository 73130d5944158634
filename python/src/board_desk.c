/* board_desk.c: desks: where the parent of a pool sees at which task a worker is, and since when; and has it begin
 * nothing more before it kills it.
 */
#include "board.h"

#include <time.h>

#define DOOMED ((uint64_t)1 << 63)    /* by the parent: it is late and about to be killed, and begins nothing more */
#define REPORTING ((uint64_t)1 << 62) /* the function has returned */
#define NUMBER (REPORTING - 1)

static int64_t clock_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

struct desk *board_desk_at(struct board *self, unsigned desk)
{
    if (desk >= self->desk_count) {
        PyErr_SetString(PyExc_IndexError, "there is no such desk");
        return NULL;
    }
    return &self->desks[desk];
}

/* ---- the parent ---- */

PyObject *board_look(struct board *self, PyObject *argument)
{
    unsigned long number = PyLong_AsUnsignedLong(argument);
    struct desk *desk = PyErr_Occurred() ? NULL : board_desk_at(self, (unsigned)number);
    if (!desk) {
        return NULL;
    }
    /* Pairs with the release in board_desk_begin. */
    uint64_t word = atomic_load_explicit(&desk->number, memory_order_acquire);
    int64_t since = atomic_load_explicit(&desk->since, memory_order_relaxed);
    return Py_BuildValue("(KNd)", (unsigned long long)(word & NUMBER), PyBool_FromLong((word & REPORTING) != 0),
                         (double)since * 1e-9);
}

/* The worker may go on to its next item, or end its task, until the swap; and what it has begun since then shows. */
PyObject *board_doom(struct board *self, PyObject *arguments)
{
    unsigned index;
    unsigned long long number;
    double since;
    if (!PyArg_ParseTuple(arguments, "IKd:doom", &index, &number, &since)) {
        return NULL;
    }
    struct desk *desk = board_desk_at(self, index);
    if (!desk) {
        return NULL;
    }
    uint64_t word = number;
    bool doomed = atomic_compare_exchange_strong(&desk->number, &word, number | DOOMED);
    if (doomed && (double)atomic_load(&desk->since) * 1e-9 > since) {
        atomic_store(&desk->number, number);
        doomed = false;
    }
    return PyBool_FromLong(doomed);
}

PyObject *board_clear_desk(struct board *self, PyObject *argument)
{
    unsigned long number = PyLong_AsUnsignedLong(argument);
    struct desk *desk = PyErr_Occurred() ? NULL : board_desk_at(self, (unsigned)number);
    if (!desk) {
        return NULL;
    }
    atomic_store(&desk->number, 0);
    atomic_store(&desk->begun, BEGUN_NOT_YET);
    return Py_NewRef(Py_None);
}

PyObject *board_begun(struct board *self, PyObject *argument)
{
    unsigned long number = PyLong_AsUnsignedLong(argument);
    struct desk *desk = PyErr_Occurred() ? NULL : board_desk_at(self, (unsigned)number);
    /* Pairs with the release in board_tell: the report of an initializer that failed is in the queue. */
    return desk ? PyLong_FromUnsignedLong(atomic_load_explicit(&desk->begun, memory_order_acquire)) : NULL;
}

/* ---- the worker ---- */

void board_desk_begin(struct board *self)
{
    struct desk *desk = &self->desks[self->desk];
    atomic_store_explicit(&desk->since, clock_now(), memory_order_relaxed);
    atomic_store_explicit(&desk->number, self->number, memory_order_release);
}

/* Waits while the parent is about to kill this worker. */
static void doom_wait(const struct desk *desk)
{
    const struct timespec pause = { .tv_nsec = 1000000 };
    while (atomic_load(&desk->number) & DOOMED) {
        PyThreadState *thread = PyEval_SaveThread();
        nanosleep(&pause, NULL);
        PyEval_RestoreThread(thread);
    }
}

static void desk_turn(struct board *self, uint64_t from, uint64_t to)
{
    struct desk *desk = &self->desks[self->desk];
    uint64_t word = from;
    while (!atomic_compare_exchange_strong(&desk->number, &word, to)) {
        doom_wait(desk);
        word = from;
    }
}

void board_desk_reporting(struct board *self)
{
    desk_turn(self, self->number, self->number | REPORTING);
}

void board_desk_not_reporting(struct board *self)
{
    desk_turn(self, self->number | REPORTING, self->number);
}

void board_desk_end(struct board *self)
{
    atomic_store_explicit(&self->desks[self->desk].number, 0, memory_order_release);
}

PyObject *board_next_item(struct board *self, PyObject *Py_UNUSED(none))
{
    struct desk *desk = &self->desks[self->desk];
    doom_wait(desk);
    atomic_store(&desk->since, clock_now());
    return Py_NewRef(Py_None);
}
