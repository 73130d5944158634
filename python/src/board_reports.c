/* board_reports.c: what became of a pool's tasks: workers put reports, the parent takes them in. */
#include "board.h"

#include "read.h"
#include "write.h"

#include <string.h>

/* ---- putting ---- */

/* What a report consists of. */
struct telling {
    struct report report;
    const struct message *message; /* or NULL */
};

static void telling_copy(const void *what, char *room)
{
    const struct telling *telling = what;
    memcpy(room, &telling->report, sizeof telling->report);
    if (telling->message) {
        message_copy(telling->message, room + sizeof telling->report);
    }
}

int board_put_report(struct board *self, struct report report, const struct message *message)
{
    const struct telling telling = { report, message };
    size_t size = sizeof report + (message ? message->size : 0);
    return laying_put(self->state, (struct laying){ self->reports, size, telling_copy, &telling });
}

int board_put_report_of(struct board *self, struct report report, PyObject *object)
{
    struct message message;
    if (message_write(self->state, object, BUFFERS_BESIDE, &message) < 0) {
        return -1;
    }
    int result = board_put_report(self, report, &message);
    message_clear(&message);
    return result;
}

PyObject *board_ring(struct board *self, PyObject *Py_UNUSED(none))
{
    return board_put_report(self, (struct report){ .what = REPORT_RING }, NULL) < 0 ? NULL : Py_NewRef(Py_None);
}

/* That a worker has begun well is worth no report: nobody waits for it, and a pool begins sooner without. */
PyObject *board_tell(struct board *self, PyObject *object)
{
    struct report report = { .what = REPORT_UNFIT, .desk = self->desk };
    if (object != Py_None && board_put_report_of(self, report, object) < 0) {
        return NULL;
    }
    uint32_t begun = object == Py_None ? BEGUN_WELL : BEGUN_UNFIT;
    atomic_store_explicit(&self->desks[self->desk].begun, begun, memory_order_release);
    return Py_NewRef(Py_None);
}

/* ---- taking in ---- */

static PyObject *report_read(const struct board *self, const char *data, size_t size)
{
    struct report report;
    memcpy(&report, data, sizeof report);
    data += sizeof report;
    size -= sizeof report;
    PyObject *value = report.what == REPORT_RING    ? Py_NewRef(Py_None)
                      : report.what == REPORT_AGAIN ? PyBytes_FromStringAndSize(data, (Py_ssize_t)size)
                                                    : message_read(self->state, data, size, NULL);
    if (!value) { /* SystemExit, too, for in the thread that takes in it would mean that nobody does so any more */
        value = PyErr_GetRaisedException();
        report.what = report.what == REPORT_DONE ? REPORT_FAILED : report.what;
    }
    return Py_BuildValue("(KIIN)", (unsigned long long)report.number, report.what, report.desk, value);
}

PyObject *board_take_in(struct board *self, PyObject *Py_UNUSED(none))
{
    struct getting getting = { .queue = self->reports, .memory = &self->got, .most = BATCH };
    int count = batch_get(self->state, &getting);
    PyObject *list = count < 0 ? NULL : PyList_New(count);
    const char *data = self->got.data;
    for (Py_ssize_t i = 0; list && i < count; i++) {
        PyObject *report = report_read(self, data, getting.sizes[i]);
        data += (getting.sizes[i] + 7) / 8 * 8;
        if (!report) {
            Py_CLEAR(list);
        } else {
            PyList_SET_ITEM(list, i, report);
        }
    }
    memory_give_back(&self->got);
    return list;
}
