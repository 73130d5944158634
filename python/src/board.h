/* board.h: the type Board: how the tasks of a pool come to its workers, and what became of them back (see the part
 * "Pool" of docs/design/python.md).
 *
 * A line is a queue of tasks that redelivers; desks are words in shared memory where a worker says at what it is; and
 * there is one queue of reports. The process that made the pool hands out (board_out.c) and takes in (board_reports.c),
 * its workers take and report (board_worker.c). A message is a head, as below, and pickles behind it: so which task it
 * is, is known also where a pickle can't be read.
 */
#ifndef KITH_PYTHON_BOARD_H
#define KITH_PYTHON_BOARD_H

#include "carry.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct message;

/* What a line carries: this, the function's pickle, which may be empty, and the pickle of what it is called with, or,
 * without a function's, of both. */
struct task {
    uint64_t number; /* from 1 on, never used twice: a task that is handed out once more has another one */
    uint32_t mark;   /* what the package says of it */
    uint32_t function_size;
};

/* What the queue of reports carries: this, and a pickle; of REPORT_AGAIN a task, as its line carried it. */
struct report {
    uint64_t number; /* 0: of no task */
    uint32_t what;
    uint32_t desk;
};

enum {
    REPORT_DONE,   /* what the function returned */
    REPORT_FAILED, /* what it raised */
    REPORT_AGAIN,  /* somebody had this task before, and did not finish it: he is dead */
    REPORT_UNFIT,  /* of no task: what the initializer raised; its worker ends */
    REPORT_RING,   /* nothing: who takes in is to look around */
};

/* Written by the worker that sits there, but for DOOMED (board_desk.c), and by the parent when the worker is dead. */
struct desk {
    _Alignas(64) _Atomic uint64_t number; /* the task that the worker is at; 0: none */
    _Atomic int64_t since;                /* CLOCK_MONOTONIC, ns; written before number */
    _Atomic uint32_t begun;               /* one of those below */
};

enum {
    BEGUN_NOT_YET,
    BEGUN_WELL,  /* the worker takes tasks from now on */
    BEGUN_UNFIT, /* its initializer failed, and a report says how */
};

#define LINES_MAX 64U

struct board {
    PyObject_HEAD struct state *state;
    kith_queue *lines[LINES_MAX];
    unsigned line_count;
    kith_queue *reports;
    kith_segment *segment; /* the desks */
    struct desk *desks;
    uint32_t desk_count;
    struct memory got; /* by the one thread that takes, or takes in */
    /* of a worker */
    kith_queue *line;
    uint32_t desk;
    uint64_t number; /* the task it is at; 0: none */
    struct memory function_pickle;
    PyObject *function; /* what function_pickle says; NULL: nothing */
};

/* The line, or the desk, of that number. NULL with an exception when there is none. */
kith_queue *board_line_at(struct board *self, unsigned line);
struct desk *board_desk_at(struct board *self, unsigned desk);

/* How long the function's pickle is in a task: what comes behind it is aligned to 8. */
static inline size_t function_room(uint32_t size)
{
    return ((size_t)size + 7) / 8 * 8;
}

/* board_reports.c: puts a report, with a pickle or none behind it; and one with the pickle of an object. Returns 0, or
 * -1 with an exception. */
int board_put_report(struct board *self, struct report report, const struct message *message);
int board_put_report_of(struct board *self, struct report report, PyObject *object);

/* board_desk.c: what a worker says at its desk: that it begins the task self->number; that it is about to report it;
 * that it is not, for that went wrong; that it is at none any more. */
void board_desk_begin(struct board *self);
void board_desk_reporting(struct board *self);
void board_desk_not_reporting(struct board *self);
void board_desk_end(struct board *self);

/* Methods; see the table in board.c. */
PyObject *board_hand_out(struct board *self, PyObject *const *arguments, Py_ssize_t count);
PyObject *board_hand_back(struct board *self, PyObject *arguments);
PyObject *board_shut(struct board *self, PyObject *none);
PyObject *board_take_in(struct board *self, PyObject *none);
PyObject *board_ring(struct board *self, PyObject *none);
PyObject *board_tell(struct board *self, PyObject *object);
PyObject *board_look(struct board *self, PyObject *argument);
PyObject *board_doom(struct board *self, PyObject *arguments);
PyObject *board_clear_desk(struct board *self, PyObject *argument);
PyObject *board_begun(struct board *self, PyObject *argument);
PyObject *board_next_item(struct board *self, PyObject *none);
PyObject *board_sit(struct board *self, PyObject *arguments);
PyObject *board_take(struct board *self, PyObject *none);
PyObject *board_report(struct board *self, PyObject *const *arguments, Py_ssize_t count);

#endif
