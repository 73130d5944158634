/* arena.c: shared segments, as the type Segment, and the pieces of them that locks, semaphores and events live in. */
#include "arena.h"

#include "error.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

/* A process's first segment of pieces is a page; each one later is twice as long, to 64 KiB. */
enum { FIRST = 4096, LARGEST = 65536, PIECES_MAX = LARGEST / PIECE_SIZE, BITS = 64 };

struct segment {
    PyObject_HEAD struct state *state;
    kith_segment *segment;
    unsigned depth;                   /* of the process that may hand out pieces of it */
    unsigned pieces;                  /* how many it has to hand out; 0: it is not for pieces */
    uint64_t free[PIECES_MAX / BITS]; /* a bit each */
    struct segment *next, **link;     /* among those of the state that have a free piece, or NULL; not owned */
};

/* ---- forks ---- */

/* Of the whole process, like what they count: forks that it has begun, and that lie between it and the first. */
static atomic_uint forks, depth;

static void before_fork(void)
{
    atomic_fetch_add(&forks, 1);
}

static void in_child(void)
{
    atomic_fetch_add(&depth, 1);
}

static void count_forks(void)
{
    pthread_atfork(before_fork, NULL, in_child);
}

unsigned fork_depth(void)
{
    return atomic_load_explicit(&depth, memory_order_relaxed);
}

/* ---- segments ---- */

/* Takes ownership of the library's segment. Returns NULL, with an exception and the segment freed. */
static struct segment *segment_of(struct state *state, PyTypeObject *type, kith_segment *made)
{
    struct segment *self = (struct segment *)type->tp_alloc(type, 0);
    if (!self) {
        kith_segment_free(made);
        return NULL;
    }
    self->state = state;
    self->segment = made;
    self->depth = fork_depth();
    return self;
}

static struct segment *make_segment(struct state *state, PyTypeObject *type, size_t size)
{
    kith_segment *made;
    int code = kith_segment_new(&made, size);
    return code < 0 ? raise_code(state, code) : segment_of(state, type, made);
}

static PyObject *segment_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = { "size", NULL };
    struct state *state = state_of_type(type);
    Py_ssize_t size;
    if (!state || !PyArg_ParseTupleAndKeywords(arguments, keywords, "n:Segment", names, &size)) {
        return NULL;
    }
    return (PyObject *)make_segment(state, type, (size_t)size);
}

static PyObject *segment_from_fd(PyTypeObject *type, PyObject *argument)
{
    struct state *state = state_of_type(type);
    int fd = state ? PyObject_AsFileDescriptor(argument) : -1;
    if (fd < 0) {
        return NULL;
    }
    kith_segment *found;
    int code = kith_segment_from_fd(&found, fd);
    return code < 0 ? raise_code(state, code) : (PyObject *)segment_of(state, type, found);
}

/* ---- the list of those with a free piece ---- */

static void unlist(struct segment *self)
{
    if (!self->link) {
        return;
    }
    *self->link = self->next;
    if (self->next) {
        self->next->link = self->link;
    }
    self->next = NULL;
    self->link = NULL;
}

static void enlist(struct state *state, struct segment *self)
{
    if (self->link) {
        return;
    }
    self->next = state->segments_with_room;
    self->link = &state->segments_with_room;
    if (self->next) {
        self->next->link = &self->next;
    }
    state->segments_with_room = self;
}

static void segment_dealloc(struct segment *self)
{
    PyTypeObject *type = Py_TYPE(self);
    unlist(self);
    kith_segment_free(self->segment);
    type->tp_free(self);
    Py_DECREF(type);
}

/* ---- pieces ---- */

static unsigned find_free(const struct segment *self)
{
    unsigned word = 0;
    while (word < PIECES_MAX / BITS && self->free[word] == 0) {
        word++;
    }
    return word < PIECES_MAX / BITS ? word * BITS + (unsigned)__builtin_ctzll(self->free[word]) : UINT_MAX;
}

static void set_free(struct segment *self, unsigned number, int is_free)
{
    uint64_t bit = (uint64_t)1 << number % BITS;
    if (is_free) {
        self->free[number / BITS] |= bit;
    } else {
        self->free[number / BITS] &= ~bit;
    }
}

/* A child has its parent's segments, but none to hand out of. */
static void forget_those_of_the_parent(struct state *state)
{
    while (state->segments_with_room && state->segments_with_room->depth != fork_depth()) {
        unlist(state->segments_with_room);
    }
    if (state->segment && ((struct segment *)state->segment)->depth != fork_depth()) {
        Py_CLEAR(state->segment);
        state->next_segment = 0;
    }
}

/* Makes the state's segment one that has a free piece. Returns it, not owned; NULL with an exception. */
static struct segment *with_room(struct state *state)
{
    forget_those_of_the_parent(state);
    struct segment *found = state->segments_with_room;
    if (found) {
        Py_INCREF(found);
    } else {
        size_t size = state->next_segment ? state->next_segment : FIRST;
        found = make_segment(state, state->segment_type, size);
        if (!found) {
            return NULL;
        }
        state->next_segment = size < LARGEST ? size * 2 : size;
        found->pieces = (unsigned)(size / PIECE_SIZE);
        for (unsigned i = 0; i < found->pieces; i++) {
            set_free(found, i, 1);
        }
        enlist(state, found);
    }
    Py_XSETREF(state->segment, (PyObject *)found);
    return found;
}

int piece_new(struct state *state, struct piece *piece)
{
    struct segment *segment = with_room(state);
    if (!segment) {
        return -1;
    }
    unsigned number = find_free(segment);
    set_free(segment, number, 0);
    if (find_free(segment) == UINT_MAX) {
        unlist(segment);
    }
    *piece = (struct piece){ .segment = Py_NewRef((PyObject *)segment), .number = number, .forks = forks };
    return 0;
}

void *piece_memory(const struct piece *piece)
{
    const struct segment *segment = (const struct segment *)piece->segment;
    return (char *)kith_segment_data(segment->segment) + (size_t)piece->number * PIECE_SIZE;
}

void piece_free(struct state *state, struct piece *piece)
{
    struct segment *segment = (struct segment *)piece->segment;
    if (!segment) {
        return;
    }
    if (segment->pieces > 0 && segment->depth == fork_depth() && !piece->shared && piece->forks == forks) {
        set_free(segment, piece->number, 1);
        enlist(state, segment);
    }
    Py_CLEAR(piece->segment);
}

PyObject *piece_share(struct piece *piece)
{
    PyObject *told = Py_BuildValue("(OI)", piece->segment, piece->number);
    if (told) {
        piece->shared = 1;
    }
    return told;
}

int piece_attach(struct state *state, struct piece *piece, PyObject *segment, unsigned number)
{
    if (!PyObject_TypeCheck(segment, state->segment_type)) {
        PyErr_SetString(PyExc_TypeError, "this is no segment");
        return -1;
    }
    if (number >= kith_segment_size(((struct segment *)segment)->segment) / PIECE_SIZE) {
        PyErr_SetString(PyExc_ValueError, "the segment has no such piece");
        return -1;
    }
    *piece = (struct piece){ .segment = Py_NewRef(segment), .number = number, .shared = 1 };
    return 0;
}

/* ---- what Python sees ---- */

static int segment_get_buffer(struct segment *self, Py_buffer *view, int flags)
{
    return PyBuffer_FillInfo(view, (PyObject *)self, kith_segment_data(self->segment),
                             (Py_ssize_t)kith_segment_size(self->segment), 0, flags);
}

static Py_ssize_t segment_length(struct segment *self)
{
    return (Py_ssize_t)kith_segment_size(self->segment);
}

static PyObject *segment_fd(struct segment *self, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(kith_segment_share_fd(self->segment));
}

static PyObject *segment_size(struct segment *self, void *Py_UNUSED(closure))
{
    return PyLong_FromSsize_t(segment_length(self));
}

static PyMethodDef methods[] = {
    { "from_fd", (PyCFunction)segment_from_fd, METH_O | METH_CLASS,
      "from_fd(fd): the segment that a descriptor stands for, which stays the caller's." },
    { NULL, NULL, 0, NULL },
};

static PyGetSetDef attributes[] = {
    { "fd", (getter)segment_fd, NULL, "The descriptor that stands for the segment; its own: do not close it.", NULL },
    { "size", (getter)segment_size, NULL, "Its size in bytes.", NULL },
    { NULL, NULL, NULL, NULL, NULL },
};

static PyType_Slot slots[] = {
    { Py_tp_doc, "Segment(size): anonymous shared memory, all zero, as a buffer." },
    { Py_tp_new, (void *)segment_new },
    { Py_tp_dealloc, (void *)segment_dealloc },
    { Py_tp_methods, methods },
    { Py_tp_getset, attributes },
    { Py_sq_length, (void *)segment_length },
    { Py_bf_getbuffer, (void *)segment_get_buffer },
    { 0, NULL },
};

static PyType_Spec spec = {
    .name = "kith._kith.Segment",
    .basicsize = sizeof(struct segment),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};

/* Creates a named segment as a whole; the caller maps it by the descriptor. */
static PyObject *create_shared_memory(PyObject *module, PyObject *arguments)
{
    struct state *state = PyModule_GetState(module);
    const char *name;
    Py_ssize_t size;
    if (!PyArg_ParseTuple(arguments, "sn:create_shared_memory", &name, &size)) {
        return NULL;
    }
    kith_segment *made;
    int code = kith_segment_open(&made, name, KITH_CREATE, (size_t)size);
    if (code < 0) {
        return raise_code(state, code);
    }
    PyObject *segment = (PyObject *)segment_of(state, state->segment_type, made);
    return segment;
}

static PyObject *count_of_forks(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(none))
{
    return PyLong_FromUnsignedLong(forks);
}

static PyMethodDef functions[] = {
    { "create_shared_memory", create_shared_memory, METH_VARARGS,
      "create_shared_memory(name, size): makes shared memory that has a name, as a Segment." },
    { "forks", count_of_forks, METH_NOARGS, "forks(): how many forks this process has begun, and its parents before." },
    { NULL, NULL, 0, NULL },
};

int arena_add(PyObject *module, struct state *state)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, count_forks);
    state->segment_type = module_add_type(module, &spec);
    return state->segment_type ? PyModule_AddFunctions(module, functions) : -1;
}
