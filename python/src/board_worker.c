/* board_worker.c: a worker of a pool takes tasks and reports, by turns. */
#include "board.h"

#include "error.h"
#include "read.h"
#include "write.h"

#include <string.h>

PyObject *board_sit(struct board *self, PyObject *arguments)
{
    unsigned line, desk;
    if (!PyArg_ParseTuple(arguments, "II:sit", &line, &desk)) {
        return NULL;
    }
    self->line = board_line_at(self, line);
    if (!self->line || !board_desk_at(self, desk)) {
        return NULL;
    }
    self->desk = desk;
    return Py_NewRef(Py_None);
}

/* The function of a task: that of the task before, if its pickle is the same. A new reference. */
static PyObject *function_of(struct board *self, const char *pickle, size_t size)
{
    struct memory *last = &self->function_pickle;
    if (!self->function || last->size != size || memcmp(last->data, pickle, size) != 0) {
        PyObject *function = message_read(self->state, pickle, size, NULL);
        last->size = 0;
        if (!function || memory_append(last, pickle, size) < 0) {
            Py_XDECREF(function);
            Py_CLEAR(self->function);
            return NULL;
        }
        Py_XSETREF(self->function, function);
    }
    return Py_NewRef(self->function);
}

/* (mark, function, argument) of a task, or (-1, None, exception) of one that can't be read. */
static PyObject *task_read(struct board *self, const char *data, size_t size)
{
    struct task task;
    memcpy(&task, data, sizeof task);
    data += sizeof task;
    size -= sizeof task;
    size_t room = function_room(task.function_size);
    PyObject *function = NULL, *rest = NULL, *both = NULL;
    int mark = (int)task.mark;
    if (task.function_size > 0) {
        function = function_of(self, data, task.function_size);
        rest = function ? message_read(self->state, data + room, size - room, NULL) : NULL;
    } else {
        both = message_read(self->state, data, size, NULL);
        if (both && PyTuple_CheckExact(both) && PyTuple_GET_SIZE(both) == 2) {
            function = Py_NewRef(PyTuple_GET_ITEM(both, 0));
            rest = Py_NewRef(PyTuple_GET_ITEM(both, 1));
        }
        Py_XDECREF(both);
    }
    if (!rest && PyErr_ExceptionMatches(PyExc_Exception)) {
        Py_XDECREF(function);
        mark = -1;
        function = Py_NewRef(Py_None);
        rest = PyErr_GetRaisedException();
    }
    if (!rest) {
        Py_XDECREF(function);
        return NULL;
    }
    return Py_BuildValue("(iNN)", mark, function, rest);
}

static int finish(struct board *self)
{
    int code = kith_queue_task_done(self->line);
    self->number = 0;
    if (code < 0) {
        raise_code(self->state, code);
    }
    return code;
}

/* A task that somebody died with: only the parent knows whether it had begun. */
static int pass_on(struct board *self, size_t size)
{
    struct report report = { .number = self->number, .what = REPORT_AGAIN, .desk = self->desk };
    struct message task = { .size = size, .data = (unsigned char *)self->got.data, .used = size };
    return board_put_report(self, report, &task) < 0 ? -1 : finish(self);
}

PyObject *board_take(struct board *self, PyObject *Py_UNUSED(none))
{
    if (!self->line || self->number != 0) {
        PyErr_SetString(PyExc_RuntimeError, "a worker sits down, then takes and reports by turns");
        return NULL;
    }
    for (;;) {
        struct getting getting = { .queue = self->line, .memory = &self->got, .most = 1 };
        int got = batch_get(self->state, &getting);
        if (got <= 0) {
            return got < 0 ? NULL : Py_NewRef(Py_None);
        }
        memcpy(&self->number, self->got.data, sizeof self->number);
        if (kith_queue_deliveries(self->line) == 1) {
            board_desk_begin(self);
            PyObject *task = task_read(self, self->got.data, getting.sizes[0]);
            memory_give_back(&self->got);
            return task;
        }
        if (pass_on(self, getting.sizes[0]) < 0) {
            return NULL;
        }
    }
}

PyObject *board_report(struct board *self, PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 2 || self->number == 0) {
        PyErr_SetString(PyExc_TypeError, "report(succeeded, value), of a task that was taken");
        return NULL;
    }
    struct report report = { .number = self->number, .desk = self->desk };
    report.what = arguments[0] == Py_True ? REPORT_DONE : REPORT_FAILED;
    board_desk_reporting(self);
    if (board_put_report_of(self, report, arguments[1]) < 0) {
        board_desk_not_reporting(self);
        return NULL;
    }
    int code = finish(self);
    board_desk_end(self);
    return code < 0 ? NULL : Py_NewRef(Py_None);
}
