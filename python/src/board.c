/* board.c: the type Board itself: what it consists of, how it comes to other processes, its end. See board.h. */
#include "board.h"

#include "error.h"
#include "read.h"
#include "waiting.h"
#include "write.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

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

/* Written by the worker that sits there, but for DOOMED, and by the parent when the worker is dead. */
struct desk {
    _Alignas(64) _Atomic(uint64_t) number; /* the task that the worker is at; 0: none */
    _Atomic(int64_t) since;                /* CLOCK_MONOTONIC, ns; written before number */
    _Atomic(uint32_t) begun;               /* one of those below */
};

enum {
    BEGUN_NOT_YET,
    BEGUN_WELL,  /* the worker takes tasks from now on */
    BEGUN_UNFIT, /* its initializer failed, and a report says how */
};

#define DOOMED ((uint64_t)1 << 63)    /* by the parent: it is late and about to be killed, and begins nothing more */
#define REPORTING ((uint64_t)1 << 62) /* the function has returned */
#define NUMBER (REPORTING - 1)

#define AT_ONCE_MAX ((size_t)64 << 10) /* more bytes than these are copied without the GIL */
#define BATCH_BYTES ((size_t)256 << 10)
#define BATCH 256U
#define KEPT_MAX ((size_t)4 << 20)
#define LINES_MAX 64U

struct memory {
    char *data;
    size_t size, capacity;
};

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

/* ---- memory, clocks ---- */

static int memory_reserve(struct memory *memory, size_t capacity)
{
    if (capacity <= memory->capacity) {
        return 0;
    }
    size_t wanted = memory->capacity + memory->capacity / 2;
    wanted = wanted < capacity ? capacity : wanted;
    char *data = PyMem_RawRealloc(memory->data, wanted);
    if (!data) {
        PyErr_NoMemory();
        return -1;
    }
    memory->data = data;
    memory->capacity = wanted;
    return 0;
}

static int memory_append(struct memory *memory, const void *data, size_t size)
{
    if (memory_reserve(memory, memory->size + size) < 0) {
        return -1;
    }
    if (size > 0) {
        memcpy(memory->data + memory->size, data, size);
    }
    memory->size += size;
    return 0;
}

static void memory_free(struct memory *memory)
{
    PyMem_RawFree(memory->data);
    *memory = (struct memory){ 0 };
}

static int64_t clock_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* ---- making and ending ---- */

static struct board *board_alloc(PyTypeObject *type)
{
    struct state *state = state_of_type(type);
    struct board *self = state ? (struct board *)type->tp_alloc(type, 0) : NULL;
    if (self) {
        self->state = state;
    }
    return self;
}

static void find_desks(struct board *self)
{
    self->desks = kith_segment_data(self->segment);
    self->desk_count = (uint32_t)(kith_segment_size(self->segment) / sizeof(struct desk));
}

static int board_make(struct board *self, unsigned lines, uint32_t desks)
{
    const kith_queue_options redelivering = { .redeliver = 1 };
    int code = kith_queue_new(&self->reports, NULL);
    for (; code == 0 && self->line_count < lines; self->line_count += code == 0) {
        code = kith_queue_new(&self->lines[self->line_count], &redelivering);
    }
    code = code < 0 ? code : kith_segment_new(&self->segment, desks * sizeof(struct desk));
    if (code == 0) {
        find_desks(self);
    }
    return code;
}

static PyObject *board_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = { "lines", "desks", NULL };
    unsigned lines, desks;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "II:Board", names, &lines, &desks)) {
        return NULL;
    }
    if (lines < 1 || lines > LINES_MAX || desks < 1) {
        PyErr_Format(PyExc_ValueError, "a board has 1 to %u lines and at least a desk", LINES_MAX);
        return NULL;
    }
    struct board *self = board_alloc(type);
    int code = self ? board_make(self, lines, desks) : 0;
    if (code < 0) {
        raise_code(self->state, code);
        Py_CLEAR(self);
    }
    return (PyObject *)self;
}

static int board_take_over(struct board *self, const int *fds, unsigned count)
{
    int code = kith_queue_from_fd(&self->reports, fds[0]);
    code = code < 0 ? code : kith_segment_from_fd(&self->segment, fds[1]);
    for (unsigned i = 2; code == 0 && i < count; i++) {
        code = kith_queue_from_fd(&self->lines[self->line_count], fds[i]);
        self->line_count += code == 0;
    }
    if (code == 0) {
        find_desks(self);
    }
    return code;
}

static PyObject *board_of(PyTypeObject *type, PyObject *descriptors)
{
    int fds[LINES_MAX + 2];
    Py_ssize_t count = PyTuple_Check(descriptors) ? PyTuple_GET_SIZE(descriptors) : 0;
    if (count < 3 || count > (Py_ssize_t)LINES_MAX + 2) {
        PyErr_SetString(PyExc_ValueError, "these are not the descriptors of a board");
        return NULL;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        long fd = PyLong_AsLong(PyTuple_GET_ITEM(descriptors, i));
        if (fd == -1 && PyErr_Occurred()) {
            return NULL;
        }
        fds[i] = (int)fd;
    }
    struct board *self = board_alloc(type);
    int code = self ? board_take_over(self, fds, (unsigned)count) : 0;
    if (code < 0) {
        raise_code(self->state, code);
        Py_CLEAR(self);
    }
    return (PyObject *)self;
}

static int board_traverse(struct board *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->function);
    return 0;
}

static int board_clear(struct board *self)
{
    Py_CLEAR(self->function);
    return 0;
}

static void board_dealloc(struct board *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    board_clear(self);
    for (unsigned i = 0; i < self->line_count; i++) {
        kith_queue_free(self->lines[i]);
    }
    kith_queue_free(self->reports);
    kith_segment_free(self->segment);
    memory_free(&self->got);
    memory_free(&self->function_pickle);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *board_descriptors(struct board *self, PyObject *Py_UNUSED(none))
{
    PyObject *fds = PyTuple_New((Py_ssize_t)self->line_count + 2);
    for (Py_ssize_t i = 0; fds && i < (Py_ssize_t)self->line_count + 2; i++) {
        int fd = i == 0   ? kith_queue_share_fd(self->reports)
                 : i == 1 ? kith_segment_share_fd(self->segment)
                          : kith_queue_share_fd(self->lines[i - 2]);
        PyObject *number = fd < 0 ? raise_code(self->state, fd) : PyLong_FromLong(fd);
        if (!number) {
            Py_CLEAR(fds);
        } else {
            PyTuple_SET_ITEM(fds, i, number);
        }
    }
    return fds;
}

kith_queue *board_line_at(struct board *self, unsigned line)
{
    if (line >= self->line_count) {
        PyErr_SetString(PyExc_IndexError, "there is no such line");
        return NULL;
    }
    return self->lines[line];
}

static struct desk *desk_at(struct board *self, unsigned desk)
{
    if (desk >= self->desk_count) {
        PyErr_SetString(PyExc_IndexError, "there is no such desk");
        return NULL;
    }
    return &self->desks[desk];
}

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

static size_t function_room(uint32_t size)
{
    return ((size_t)size + 7) / 8 * 8; /* what comes behind is aligned to 8 */
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

/* ---- into a queue ---- */

/* A message that is laid together in the queue's room. */
struct laying {
    kith_queue *queue;
    size_t size;
    void (*copy)(const void *what, char *room);
    const void *what;
};

/* Others wait between the reservation and the commit: so nobody waits for the GIL there. */
static int lay_call(void *context, kith_timeout timeout)
{
    const struct laying *laying = context;
    void *room;
    int code = kith_queue_reserve(laying->queue, laying->size, &room, timeout);
    if (code == 0) {
        laying->copy(laying->what, room);
        code = kith_queue_commit(laying->queue, laying->size);
    }
    return code;
}

/* Returns 0, or -1 with an exception. */
static int lay(struct state *state, struct laying laying)
{
    int code = laying.size <= AT_ONCE_MAX ? lay_call(&laying, KITH_AT_ONCE) : -EAGAIN;
    if (code == -EAGAIN) {
        code = wait_for(lay_call, &laying, KITH_FOREVER);
    }
    if (code < 0) {
        raise_code(state, code);
    }
    return code < 0 ? -1 : 0;
}

/* ---- the parent: handing out ---- */

struct batch {
    kith_queue *queue;
    kith_message messages[BATCH];
    unsigned count;
};

static int put_batch(void *context, kith_timeout timeout)
{
    struct batch *batch = context;
    return kith_queue_put_many(batch->queue, batch->messages, batch->count, timeout);
}

/* Puts the messages, which lie one behind the other. Returns how many, or -1 with an exception. */
static int put_all(struct board *self, struct batch *batch, const struct memory *memory)
{
    const char *data = memory->data;
    for (unsigned i = 0; i < batch->count; i++) {
        batch->messages[i].data = data;
        data += batch->messages[i].size;
    }
    int put = memory->size < AT_ONCE_MAX ? put_batch(batch, KITH_AT_ONCE) : -EAGAIN;
    if (put == -EAGAIN) {
        put = wait_for(put_batch, batch, KITH_FOREVER);
    }
    if (put < 0) {
        raise_code(self->state, put);
        return -1;
    }
    return put;
}

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
            added = lay(self->state, (struct laying){ batch->queue, memory->size, parts_copy, parts }) < 0 ? -1 : 1;
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
    return put_all(self, batch, memory);
}

static PyObject *board_hand_out(struct board *self, PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 5 || !PyList_CheckExact(arguments[4])) {
        PyErr_SetString(PyExc_TypeError, "hand_out(line, number, mark, function, items)");
        return NULL;
    }
    unsigned long line = PyLong_AsUnsignedLong(arguments[0]);
    struct parts parts = { .function = arguments[3] };
    parts.task.number = PyLong_AsUnsignedLongLong(arguments[1]);
    parts.task.mark = (uint32_t)PyLong_AsUnsignedLong(arguments[2]);
    struct batch batch = { .queue = PyErr_Occurred() ? NULL : line_at(self, (unsigned)line) };
    struct memory memory = { 0 };
    int put = batch.queue ? hand_out(self, &batch, &memory, &parts, arguments[4]) : -1;
    Py_ssize_t size = (Py_ssize_t)memory.size;
    memory_free(&memory);
    return put < 0 ? NULL : Py_BuildValue("(in)", put, size);
}

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

static PyObject *board_hand_back(struct board *self, PyObject *arguments)
{
    unsigned line;
    unsigned long long number;
    struct again again;
    if (!PyArg_ParseTuple(arguments, "IKy*:hand_back", &line, &number, &again.task)) {
        return NULL;
    }
    again.number = number;
    kith_queue *queue = line_at(self, line);
    if (queue && (size_t)again.task.len < sizeof(struct task)) {
        PyErr_SetString(PyExc_ValueError, "this is no task that a report brought");
        queue = NULL;
    }
    size_t size = (size_t)again.task.len;
    int code = queue ? lay(self->state, (struct laying){ queue, size, again_copy, &again }) : -1;
    PyBuffer_Release(&again.task);
    return code < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *board_shut(struct board *self, PyObject *Py_UNUSED(none))
{
    int code = 0;
    for (unsigned i = 0; i < self->line_count; i++) {
        int shut = kith_queue_shut(self->lines[i]);
        code = code < 0 ? code : shut;
    }
    return code < 0 ? raise_code(self->state, code) : Py_NewRef(Py_None);
}

/* ---- the parent: taking in ---- */

struct getting {
    kith_queue *queue;
    struct memory *memory;
    size_t sizes[BATCH];
    unsigned most;
};

static int get_batch(void *context, kith_timeout timeout)
{
    struct getting *getting = context;
    return kith_queue_get_many(getting->queue, getting->memory->data, getting->memory->capacity, getting->sizes,
                               getting->most, timeout);
}

/* Gets up to getting->most messages. Returns how many, or -1 with an exception, of which KITH_ECLOSED is 0. */
static int get_some(struct state *state, struct getting *getting)
{
    if (memory_reserve(getting->memory, AT_ONCE_MAX) < 0) {
        return -1;
    }
    for (;;) {
        int got = get_batch(getting, KITH_AT_ONCE);
        if (got == KITH_EEMPTY || got == -EAGAIN) {
            got = wait_for(get_batch, getting, KITH_FOREVER);
        }
        if (got >= 0) {
            return got;
        }
        if (got == -EMSGSIZE) {
            if (memory_reserve(getting->memory, getting->sizes[0]) < 0) {
                return -1;
            }
        } else if (got == KITH_ECLOSED && !PyErr_Occurred()) {
            return 0;
        } else {
            raise_code(state, got);
            return -1;
        }
    }
}

/* Memory that a large message took is not kept. */
static void give_back(struct memory *memory)
{
    if (memory->capacity > KEPT_MAX) {
        memory_free(memory);
    }
}

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

static PyObject *board_take_in(struct board *self, PyObject *Py_UNUSED(none))
{
    struct getting getting = { .queue = self->reports, .memory = &self->got, .most = BATCH };
    int count = get_some(self->state, &getting);
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
    give_back(&self->got);
    return list;
}

/* ---- desks ---- */

static PyObject *board_look(struct board *self, PyObject *argument)
{
    unsigned long number = PyLong_AsUnsignedLong(argument);
    struct desk *desk = PyErr_Occurred() ? NULL : desk_at(self, (unsigned)number);
    if (!desk) {
        return NULL;
    }
    uint64_t word = atomic_load_explicit(&desk->number, memory_order_acquire); /* pairs with desk_begin's release */
    int64_t since = atomic_load_explicit(&desk->since, memory_order_relaxed);
    return Py_BuildValue("(KNd)", (unsigned long long)(word & NUMBER), PyBool_FromLong((word & REPORTING) != 0),
                         (double)since * 1e-9);
}

/* The worker may go on to its next item, or end its task, until the swap; and what it has begun since then shows. */
static PyObject *board_doom(struct board *self, PyObject *arguments)
{
    unsigned index;
    unsigned long long number;
    double since;
    if (!PyArg_ParseTuple(arguments, "IKd:doom", &index, &number, &since)) {
        return NULL;
    }
    struct desk *desk = desk_at(self, index);
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

static PyObject *board_clear_desk(struct board *self, PyObject *argument)
{
    unsigned long number = PyLong_AsUnsignedLong(argument);
    struct desk *desk = PyErr_Occurred() ? NULL : desk_at(self, (unsigned)number);
    if (!desk) {
        return NULL;
    }
    atomic_store(&desk->number, 0);
    atomic_store(&desk->begun, BEGUN_NOT_YET);
    return Py_NewRef(Py_None);
}

static PyObject *board_begun(struct board *self, PyObject *argument)
{
    unsigned long number = PyLong_AsUnsignedLong(argument);
    struct desk *desk = PyErr_Occurred() ? NULL : desk_at(self, (unsigned)number);
    /* pairs with board_tell's release: the report of an initializer that failed is in the queue */
    return desk ? PyLong_FromUnsignedLong(atomic_load_explicit(&desk->begun, memory_order_acquire)) : NULL;
}

/* ---- the worker ---- */

static PyObject *board_sit(struct board *self, PyObject *arguments)
{
    unsigned line, desk;
    if (!PyArg_ParseTuple(arguments, "II:sit", &line, &desk)) {
        return NULL;
    }
    self->line = line_at(self, line);
    if (!self->line || !desk_at(self, desk)) {
        return NULL;
    }
    self->desk = desk;
    return Py_NewRef(Py_None);
}

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

/* Puts a report. Returns 0, or -1 with an exception. */
static int report_put(struct board *self, struct report report, const struct message *message)
{
    const struct telling telling = { report, message };
    size_t size = sizeof report + (message ? message->size : 0);
    return lay(self->state, (struct laying){ self->reports, size, telling_copy, &telling });
}

static int report_object(struct board *self, struct report report, PyObject *object)
{
    struct message message;
    if (message_write(self->state, object, BUFFERS_BESIDE, &message) < 0) {
        return -1;
    }
    int result = report_put(self, report, &message);
    message_clear(&message);
    return result;
}

static PyObject *board_ring(struct board *self, PyObject *Py_UNUSED(none))
{
    return report_put(self, (struct report){ .what = REPORT_RING }, NULL) < 0 ? NULL : Py_NewRef(Py_None);
}

/* That a worker has begun well is worth no report: nobody waits for it, and a pool begins sooner without. */
static PyObject *board_tell(struct board *self, PyObject *object)
{
    struct report report = { .what = REPORT_UNFIT, .desk = self->desk };
    if (!Py_IsNone(object) && report_object(self, report, object) < 0) {
        return NULL;
    }
    uint32_t begun = Py_IsNone(object) ? BEGUN_WELL : BEGUN_UNFIT;
    atomic_store_explicit(&self->desks[self->desk].begun, begun, memory_order_release);
    return Py_NewRef(Py_None);
}

static void desk_begin(struct board *self)
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
    return report_put(self, report, &task) < 0 ? -1 : finish(self);
}

static PyObject *board_take(struct board *self, PyObject *Py_UNUSED(none))
{
    if (!self->line || self->number != 0) {
        PyErr_SetString(PyExc_RuntimeError, "a worker sits down, then takes and reports by turns");
        return NULL;
    }
    for (;;) {
        struct getting getting = { .queue = self->line, .memory = &self->got, .most = 1 };
        int got = get_some(self->state, &getting);
        if (got <= 0) {
            return got < 0 ? NULL : Py_NewRef(Py_None);
        }
        memcpy(&self->number, self->got.data, sizeof self->number);
        if (kith_queue_deliveries(self->line) == 1) {
            desk_begin(self);
            PyObject *task = task_read(self, self->got.data, getting.sizes[0]);
            give_back(&self->got);
            return task;
        }
        if (pass_on(self, getting.sizes[0]) < 0) {
            return NULL;
        }
    }
}

static PyObject *board_next_item(struct board *self, PyObject *Py_UNUSED(none))
{
    struct desk *desk = &self->desks[self->desk];
    doom_wait(desk);
    atomic_store(&desk->since, clock_now());
    return Py_NewRef(Py_None);
}

static PyObject *board_report(struct board *self, PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 2 || self->number == 0) {
        PyErr_SetString(PyExc_TypeError, "report(succeeded, value), of a task that was taken");
        return NULL;
    }
    struct report report = { .number = self->number, .desk = self->desk };
    report.what = arguments[0] == Py_True ? REPORT_DONE : REPORT_FAILED;
    desk_turn(self, self->number, self->number | REPORTING);
    if (report_object(self, report, arguments[1]) < 0) {
        desk_turn(self, self->number | REPORTING, self->number);
        return NULL;
    }
    int code = finish(self);
    atomic_store_explicit(&self->desks[self->desk].number, 0, memory_order_release);
    return code < 0 ? NULL : Py_NewRef(Py_None);
}

#define FAST(function) (PyCFunction)(void (*)(void))(function), METH_FASTCALL

static PyMethodDef methods[] = {
    { "of", (PyCFunction)board_of, METH_O | METH_CLASS,
      "of(descriptors): the board that another process's descriptors() stand for." },
    { "descriptors", (PyCFunction)board_descriptors, METH_NOARGS, "What it consists of, for of() in another process." },
    { "hand_out", FAST(board_hand_out),
      "hand_out(line, number, mark, function, items): puts a task for each item of a list, the first ones of them, "
      "with numbers that grow. Returns how many, and the bytes they take. Raises what pickling the first one raises. "
      "function: pickled, or whatever is to be pickled with each." },
    { "hand_back", (PyCFunction)board_hand_back, METH_VARARGS,
      "hand_back(line, number, task): puts what AGAIN brought, with a new number." },
    { "shut", (PyCFunction)board_shut, METH_NOARGS, "No more tasks: workers end when all that there are are done." },
    { "take_in", (PyCFunction)board_take_in, METH_NOARGS,
      "Waits for reports. Returns a list of tuples: number, what, desk, value." },
    { "ring", (PyCFunction)board_ring, METH_NOARGS, "Has take_in return." },
    { "look", (PyCFunction)board_look, METH_O,
      "look(desk): the number of the task there or 0, whether it is about to be reported, since when "
      "(time.monotonic)." },
    { "doom", (PyCFunction)board_doom, METH_VARARGS,
      "doom(desk, number, since): has the worker begin nothing more, if it is still at what look() said. Whether it "
      "is." },
    { "clear_desk", (PyCFunction)board_clear_desk, METH_O, "clear_desk(desk): its worker is dead." },
    { "begun", (PyCFunction)board_begun, METH_O,
      "begun(desk): what its worker has told: 0, nothing yet; 1, its initializer ended well; 2, it failed." },
    { "sit", (PyCFunction)board_sit, METH_VARARGS, "sit(line, desk): this process is the worker there." },
    { "tell", (PyCFunction)board_tell, METH_O, "tell(None or an exception): how the initializer ended." },
    { "take", (PyCFunction)board_take, METH_NOARGS,
      "Waits for a task. Returns mark, function, argument; mark -1: the argument is the exception that reading it "
      "raised. None: there are no more." },
    { "next_item", (PyCFunction)board_next_item, METH_NOARGS, "The time of the task begins anew." },
    { "report", FAST(board_report), "report(succeeded, value): ends the task that was taken last." },
    { NULL, NULL, 0, NULL },
};

static PyType_Slot slots[] = {
    { Py_tp_doc, "Board(lines, desks): where a pool and its workers meet." },
    { Py_tp_new, (void *)board_new },
    { Py_tp_dealloc, (void *)board_dealloc },
    { Py_tp_traverse, (void *)board_traverse },
    { Py_tp_clear, (void *)board_clear },
    { Py_tp_methods, methods },
    { 0, NULL },
};

static PyType_Spec spec = {
    .name = "kith._kith.Board",
    .basicsize = sizeof(struct board),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .slots = slots,
};

int board_add(PyObject *module, struct state *Py_UNUSED(state))
{
    PyTypeObject *type = module_add_type(module, &spec);
    Py_XDECREF(type);
    return type ? 0 : -1;
}
