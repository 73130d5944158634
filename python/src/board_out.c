/* board_out.c: the parent of a pool hands out tasks. */
#include "board.h"

#include "error.h"
#include "write.h"

#include <stddef.h>
#include <string.h>

#define BATCH_BYTES ((size_t)256 << 10)

/* ---- a task's parts ---- */

/* What a task consists of, before its pickles lie one behind the other. */
struct parts {
    struct task task;
    PyObject *function; /* bytes, or what is pickled with the item */
    struct message message;
};

/* Makes the pickle of an item. Returns 0, and message_clear is due; or -1 with an exception. */
static int parts_make(struct state *state, struct parts *parts, PyObject *item)
{
    bool apart = PyBytes_CheckExact(parts->function);
    parts->task.function_size = apart ? (uint32_t)PyBytes_GET_SIZE(parts->function) : 0;
    PyObject *object = apart ? Py_NewRef(item) : PyTuple_Pack(2, parts->function, item);
    int result = object ? message_write(state, object, BUFFERS_BESIDE, &parts->message) : -1;
    Py_XDECREF(object);
    return result;
}

static size_t parts_size(const struct parts *parts)
{
    return sizeof parts->task + function_room(parts->task.function_size) + parts->message.size;
}

static void parts_copy(const void *what, char *memory)
{
    const struct parts *parts = what;
    memcpy(memory, &parts->task, sizeof parts->task);
    memory += sizeof parts->task;
    if (parts->task.function_size > 0) {
        memcpy(memory, PyBytes_AS_STRING(parts->function), parts->task.function_size);
    }
    message_copy(&parts->message, memory + function_room(parts->task.function_size));
}

/* ---- many at once ---- */

/* Adds a task to the batch. Returns 1; 0 when it is to be put alone; or -1 with an exception. */
static int batch_add(struct batch *batch, struct memory *memory, const struct parts *parts)
{
    size_t size = parts_size(parts), begin = memory->size;
    if (size > AT_ONCE_MAX) {
        return 0;
    }
    if (memory_reserve(memory, begin + size) < 0) {
        return -1;
    }
    parts_copy(parts, memory->data + begin);
    memory->size += size;
    batch->messages[batch->count++].size = size;
    return 1;
}

/* As many tasks as fit a batch, or one that is long; memory->size tells how long they are. Returns how many, or -1 with
 * an exception. */
static int hand_out(struct board *self, struct batch *batch, struct memory *memory, struct parts *parts,
                    PyObject *items)
{
    int added = 1;
    /* the pickling may run code that changes the list */
    while (added == 1 && batch->count < BATCH && memory->size < BATCH_BYTES && batch->count < PyList_GET_SIZE(items)) {
        PyObject *item = Py_NewRef(PyList_GET_ITEM(items, batch->count));
        added = parts_make(self->state, parts, item);
        Py_DECREF(item);
        if (added < 0) {
            break;
        }
        added = batch_add(batch, memory, parts);
        if (added == 0 && batch->count == 0) {
            memory->size = parts_size(parts);
            added =
                laying_put(self->state, (struct laying){ batch->queue, memory->size, parts_copy, parts }) < 0 ? -1 : 1;
            message_clear(&parts->message);
            return added;
        }
        message_clear(&parts->message);
        parts->task.number++;
    }
    if (batch->count == 0 || (added < 0 && !PyErr_ExceptionMatches(PyExc_Exception))) {
        return added < 0 ? -1 : 0;
    }
    PyErr_Clear(); /* the one that can't be pickled is told of when its turn comes */
    return batch_put(self->state, batch, memory);
}

PyObject *board_hand_out(struct board *self, PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 5 || !PyList_CheckExact(arguments[4])) {
        PyErr_SetString(PyExc_TypeError, "hand_out(line, number, mark, function, items)");
        return NULL;
    }
    unsigned long line = PyLong_AsUnsignedLong(arguments[0]);
    struct parts parts = { .function = arguments[3] };
    parts.task.number = PyLong_AsUnsignedLongLong(arguments[1]);
    parts.task.mark = (uint32_t)PyLong_AsUnsignedLong(arguments[2]);
    struct batch batch = { .queue = PyErr_Occurred() ? NULL : board_line_at(self, (unsigned)line) };
    struct memory memory = { 0 };
    int put = batch.queue ? hand_out(self, &batch, &memory, &parts, arguments[4]) : -1;
    Py_ssize_t size = (Py_ssize_t)memory.size;
    memory_free(&memory);
    return put < 0 ? NULL : Py_BuildValue("(in)", put, size);
}

/* ---- once more, and no more ---- */

/* A task that is laid into the queue once more. */
struct again {
    uint64_t number; /* its new one */
    Py_buffer task;
};

static void again_copy(const void *what, char *room)
{
    const struct again *again = what;
    memcpy(room, again->task.buf, (size_t)again->task.len);
    memcpy(room + offsetof(struct task, number), &again->number, sizeof again->number);
}

PyObject *board_hand_back(struct board *self, PyObject *arguments)
{
    unsigned line;
    unsigned long long number;
    struct again again;
    if (!PyArg_ParseTuple(arguments, "IKy*:hand_back", &line, &number, &again.task)) {
        return NULL;
    }
    again.number = number;
    kith_queue *queue = board_line_at(self, line);
    if (queue && (size_t)again.task.len < sizeof(struct task)) {
        PyErr_SetString(PyExc_ValueError, "this is no task that a report brought");
        queue = NULL;
    }
    size_t size = (size_t)again.task.len;
    int code = queue ? laying_put(self->state, (struct laying){ queue, size, again_copy, &again }) : -1;
    PyBuffer_Release(&again.task);
    return code < 0 ? NULL : Py_NewRef(Py_None);
}

PyObject *board_shut(struct board *self, PyObject *Py_UNUSED(none))
{
    int code = 0;
    for (unsigned i = 0; i < self->line_count; i++) {
        int shut = kith_queue_shut(self->lines[i]);
        code = code < 0 ? code : shut;
    }
    return code < 0 ? raise_code(self->state, code) : Py_NewRef(Py_None);
}
