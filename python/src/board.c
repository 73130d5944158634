/* board.c: the type Board itself: what it consists of, how it comes to other processes, its end. See board.h. */
#include "board.h"

#include "error.h"

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
