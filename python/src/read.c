/* read.c: messages to objects.
 *
 * A small machine with a stack, as pickle has it, for the few words that plain values need. It runs no Python code but
 * what collecting garbage may run. When anything is not as it knows it, wrong or merely rare, all that it made is
 * dropped, and pickle.loads has the message: so there is one judge of what is right.
 */
#include "read.h"

#include "opcodes.h"

#include <string.h>

enum {
    STACK_FEW = 64, /* objects and marks that need no memory but the machine's */
    KEY_MAX = 32,   /* bytes of a key that is kept for the next message that has it */
};

/* A place of the stack from which on what comes belongs together. */
struct mark {
    size_t at;
    int of_dict;
};

struct reader {
    struct state *state;
    const unsigned char *at, *end;
    PyObject **stack;
    size_t count, capacity;
    struct mark *marks;
    size_t mark_count, mark_capacity;
    PyObject *few[STACK_FEW];
    struct mark few_marks[STACK_FEW / 8];
};

/* What a word comes to. */
enum step { STEP_ON, STEP_DONE, STEP_NOT_PLAIN, STEP_FAILED };

static size_t left(const struct reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

/* A number of so many bytes, the lowest first, that are there. */
static uint64_t take_number(struct reader *reader, unsigned size)
{
    uint64_t number = 0;
    for (unsigned i = 0; i < size; i++) {
        number |= (uint64_t)reader->at[i] << 8 * i;
    }
    reader->at += size;
    return number;
}

/* ---- the stack ---- */

static int grow(void **array, size_t *capacity, size_t element, void *small)
{
    void *grown = PyMem_Realloc(*array == small ? NULL : *array, *capacity * 2 * element);
    if (!grown) {
        PyErr_NoMemory();
        return -1;
    }
    if (*array == small) {
        memcpy(grown, small, *capacity * element);
    }
    *array = grown;
    *capacity *= 2;
    return 0;
}

/* Takes the reference over. NULL is an exception. */
static enum step push(struct reader *reader, PyObject *object)
{
    void *stack = reader->stack;
    if (!object) {
        return STEP_FAILED;
    }
    if (reader->count == reader->capacity && grow(&stack, &reader->capacity, sizeof *reader->stack, reader->few) < 0) {
        Py_DECREF(object);
        return STEP_FAILED;
    }
    reader->stack = stack;
    reader->stack[reader->count++] = object;
    return STEP_ON;
}

static enum step push_mark(struct reader *reader)
{
    void *marks = reader->marks;
    if (reader->mark_count == reader->mark_capacity &&
        grow(&marks, &reader->mark_capacity, sizeof *reader->marks, reader->few_marks) < 0) {
        return STEP_FAILED;
    }
    reader->marks = marks;
    int of_dict = reader->count > 0 && PyDict_CheckExact(reader->stack[reader->count - 1]);
    reader->marks[reader->mark_count++] = (struct mark){ reader->count, of_dict };
    return STEP_ON;
}

/* How many objects above the last mark a word may take, or above the bottom. */
static size_t available(const struct reader *reader)
{
    return reader->count - (reader->mark_count ? reader->marks[reader->mark_count - 1].at : 0);
}

/* Drops what is above a place of the stack. */
static void drop(struct reader *reader, size_t at)
{
    while (reader->count > at) {
        Py_DECREF(reader->stack[--reader->count]);
    }
}

/* ---- plain words ---- */

static enum step read_int(struct reader *reader, unsigned size)
{
    if (left(reader) < size) {
        return STEP_NOT_PLAIN;
    }
    uint64_t number = take_number(reader, size);
    return push(reader, PyLong_FromLong(size == 4 ? (int32_t)(uint32_t)number : (long)number));
}

static enum step read_long(struct reader *reader)
{
    unsigned size = left(reader) > 0 ? *reader->at : 0;
    if (size == 0 || size > 8 || left(reader) < 1 + size) {
        return STEP_NOT_PLAIN;
    }
    reader->at++;
    uint64_t number = take_number(reader, size);
    unsigned unused = 64 - 8 * size;
    return push(reader, PyLong_FromLongLong((int64_t)(number << unused) >> unused));
}

static enum step read_float(struct reader *reader)
{
    double value;
    if (left(reader) < sizeof value) {
        return STEP_NOT_PLAIN;
    }
    uint64_t bits = __builtin_bswap64(take_number(reader, sizeof bits));
    memcpy(&value, &bits, sizeof value);
    return push(reader, PyFloat_FromDouble(value));
}

/* The data behind a length of so many bytes. NULL when they are not all there. */
static const char *take_data(struct reader *reader, unsigned length, Py_ssize_t *size)
{
    if (left(reader) < length) {
        return NULL;
    }
    uint64_t number = take_number(reader, length);
    if (left(reader) < number) {
        return NULL;
    }
    const char *data = (const char *)reader->at;
    reader->at += number;
    *size = (Py_ssize_t)number;
    return data;
}

static enum step read_bytes(struct reader *reader, unsigned length)
{
    Py_ssize_t size;
    const char *data = take_data(reader, length, &size);
    return data ? push(reader, PyBytes_FromStringAndSize(data, size)) : STEP_NOT_PLAIN;
}

static enum step read_bytearray(struct reader *reader)
{
    Py_ssize_t size;
    const char *data = take_data(reader, 8, &size);
    return data ? push(reader, PyByteArray_FromStringAndSize(data, size)) : STEP_NOT_PLAIN;
}

static PyObject **key_slot(struct state *state, const char *text, Py_ssize_t size)
{
    uint32_t hash = 2166136261u;
    for (Py_ssize_t i = 0; i < size; i++) {
        hash = (hash ^ (unsigned char)text[i]) * 16777619u;
    }
    return &state->keys[(hash ^ hash >> 16) % KEYS_KEPT];
}

/* A text that is a dict's key is likely to come again, so the last ones are kept, with their hashes. */
static PyObject *make_key(struct state *state, const char *text, Py_ssize_t size)
{
    PyObject **slot = key_slot(state, text, size);
    if (*slot && PyUnicode_GET_LENGTH(*slot) == size && memcmp(PyUnicode_DATA(*slot), text, (size_t)size) == 0) {
        return Py_NewRef(*slot);
    }
    PyObject *key = PyUnicode_DecodeUTF8(text, size, "surrogatepass");
    if (key && PyUnicode_IS_COMPACT_ASCII(key)) {
        PyObject *before = *slot;
        *slot = Py_NewRef(key);
        Py_XDECREF(before);
    }
    return key;
}

static int is_key(const struct reader *reader)
{
    if (reader->mark_count == 0) {
        return 0;
    }
    const struct mark *mark = &reader->marks[reader->mark_count - 1];
    return mark->of_dict && (reader->count - mark->at) % 2 == 0;
}

static enum step read_str(struct reader *reader, unsigned length)
{
    Py_ssize_t size;
    const char *text = take_data(reader, length, &size);
    if (!text) {
        return STEP_NOT_PLAIN;
    }
    return push(reader, size <= KEY_MAX && is_key(reader) ? make_key(reader->state, text, size)
                                                          : PyUnicode_DecodeUTF8(text, size, "surrogatepass"));
}

/* ---- containers ---- */

/* Ends what belongs together since the last mark, and tells where it begins. */
static int take_mark(struct reader *reader, size_t *at)
{
    if (reader->mark_count == 0) {
        return 0;
    }
    *at = reader->marks[--reader->mark_count].at;
    return 1;
}

static enum step read_append(struct reader *reader)
{
    if (available(reader) < 2 || !PyList_CheckExact(reader->stack[reader->count - 2])) {
        return STEP_NOT_PLAIN;
    }
    PyObject *item = reader->stack[--reader->count];
    int code = PyList_Append(reader->stack[reader->count - 1], item);
    Py_DECREF(item);
    return code < 0 ? STEP_FAILED : STEP_ON;
}

/* The list below the mark is empty, and known to nobody but the stack: one of the right length takes its place. */
static enum step read_appends(struct reader *reader)
{
    size_t at;
    if (!take_mark(reader, &at) || at == 0 || (reader->mark_count && at == reader->marks[reader->mark_count - 1].at) ||
        !PyList_CheckExact(reader->stack[at - 1]) || PyList_GET_SIZE(reader->stack[at - 1]) != 0) {
        return STEP_NOT_PLAIN;
    }
    PyObject *list = PyList_New((Py_ssize_t)(reader->count - at));
    if (!list) {
        return STEP_FAILED;
    }
    for (size_t i = at; i < reader->count; i++) {
        PyList_SET_ITEM(list, (Py_ssize_t)(i - at), reader->stack[i]);
    }
    reader->count = at;
    Py_SETREF(reader->stack[at - 1], list);
    return STEP_ON;
}

static enum step read_tuple_of(struct reader *reader, size_t count)
{
    PyObject *tuple = PyTuple_New((Py_ssize_t)count);
    if (!tuple) {
        return STEP_FAILED;
    }
    reader->count -= count;
    for (size_t i = 0; i < count; i++) {
        PyTuple_SET_ITEM(tuple, (Py_ssize_t)i, reader->stack[reader->count + i]);
    }
    return push(reader, tuple);
}

static enum step read_tuple(struct reader *reader)
{
    size_t at;
    return take_mark(reader, &at) ? read_tuple_of(reader, reader->count - at) : STEP_NOT_PLAIN;
}

static enum step read_small_tuple(struct reader *reader, size_t count)
{
    return available(reader) < count ? STEP_NOT_PLAIN : read_tuple_of(reader, count);
}

/* Keys and values from a place of the stack on, into the dict below it. */
static enum step set_items(struct reader *reader, size_t at)
{
    PyObject *dict = reader->stack[at - 1];
    for (size_t i = at; i < reader->count; i += 2) {
        if (PyDict_SetItem(dict, reader->stack[i], reader->stack[i + 1]) < 0) {
            return STEP_FAILED;
        }
    }
    drop(reader, at);
    return STEP_ON;
}

static enum step read_setitem(struct reader *reader)
{
    if (available(reader) < 3 || !PyDict_CheckExact(reader->stack[reader->count - 3])) {
        return STEP_NOT_PLAIN;
    }
    return set_items(reader, reader->count - 2);
}

static enum step read_setitems(struct reader *reader)
{
    size_t at;
    if (!take_mark(reader, &at) || at == 0 || (reader->mark_count && at == reader->marks[reader->mark_count - 1].at) ||
        !PyDict_CheckExact(reader->stack[at - 1]) || (reader->count - at) % 2 != 0) {
        return STEP_NOT_PLAIN;
    }
    return set_items(reader, at);
}

/* ---- the machine ---- */

/* Frames say how much to read at once, which is all here. */
static enum step read_frame(struct reader *reader)
{
    if (left(reader) < 8 || take_number(reader, 8) > left(reader)) {
        return STEP_NOT_PLAIN;
    }
    return STEP_ON;
}

static enum step read_protocol(struct reader *reader)
{
    return left(reader) > 0 && *reader->at++ <= 5 ? STEP_ON : STEP_NOT_PLAIN;
}

static enum step read_word(struct reader *reader)
{
    if (reader->at == reader->end) {
        return STEP_NOT_PLAIN;
    }
    switch (*reader->at++) {
    case OP_PROTO:
        return read_protocol(reader);
    case OP_FRAME:
        return read_frame(reader);
    case OP_STOP:
        return available(reader) > 0 ? STEP_DONE : STEP_NOT_PLAIN;
    case OP_MEMOIZE: /* whoever asks for what was kept is no plain pickle */
        return available(reader) > 0 ? STEP_ON : STEP_NOT_PLAIN;
    case OP_NONE:
        return push(reader, Py_NewRef(Py_None));
    case OP_TRUE:
        return push(reader, Py_NewRef(Py_True));
    case OP_FALSE:
        return push(reader, Py_NewRef(Py_False));
    case OP_BININT1:
        return read_int(reader, 1);
    case OP_BININT2:
        return read_int(reader, 2);
    case OP_BININT:
        return read_int(reader, 4);
    case OP_LONG1:
        return read_long(reader);
    case OP_BINFLOAT:
        return read_float(reader);
    case OP_SHORT_BINBYTES:
        return read_bytes(reader, 1);
    case OP_BINBYTES:
        return read_bytes(reader, 4);
    case OP_BINBYTES8:
        return read_bytes(reader, 8);
    case OP_BYTEARRAY8:
        return read_bytearray(reader);
    case OP_SHORT_BINUNICODE:
        return read_str(reader, 1);
    case OP_BINUNICODE:
        return read_str(reader, 4);
    case OP_BINUNICODE8:
        return read_str(reader, 8);
    case OP_MARK:
        return push_mark(reader);
    case OP_EMPTY_LIST:
        return push(reader, PyList_New(0));
    case OP_APPEND:
        return read_append(reader);
    case OP_APPENDS:
        return read_appends(reader);
    case OP_EMPTY_TUPLE:
        return push(reader, PyTuple_New(0));
    case OP_TUPLE1:
        return read_small_tuple(reader, 1);
    case OP_TUPLE2:
        return read_small_tuple(reader, 2);
    case OP_TUPLE3:
        return read_small_tuple(reader, 3);
    case OP_TUPLE:
        return read_tuple(reader);
    case OP_EMPTY_DICT:
        return push(reader, PyDict_New());
    case OP_SETITEM:
        return read_setitem(reader);
    case OP_SETITEMS:
        return read_setitems(reader);
    default:
        return STEP_NOT_PLAIN;
    }
}

/* Reads a plain pickle. NULL without an exception when it is none. */
static PyObject *read_plain(struct state *state, const void *data, size_t size)
{
    struct reader reader;
    enum step step;
    PyObject *object = NULL;
    reader.state = state;
    reader.at = data;
    reader.end = reader.at + size;
    reader.stack = reader.few;
    reader.count = 0;
    reader.capacity = STACK_FEW;
    reader.marks = reader.few_marks;
    reader.mark_count = 0;
    reader.mark_capacity = sizeof reader.few_marks / sizeof *reader.few_marks;
    do {
        step = read_word(&reader);
    } while (step == STEP_ON);
    if (step == STEP_DONE) {
        object = reader.stack[--reader.count];
    } else if (step == STEP_FAILED && !PyErr_ExceptionMatches(PyExc_MemoryError)) {
        PyErr_Clear(); /* pickle.loads says it */
    }
    drop(&reader, 0);
    if (reader.stack != reader.few) {
        PyMem_Free(reader.stack);
    }
    if (reader.marks != reader.few_marks) {
        PyMem_Free(reader.marks);
    }
    return object;
}

/* ---- by the Unpickler ---- */

/* A view of a part of the owner. */
static PyObject *view_of(PyObject *owner, size_t begin, size_t size)
{
    PyObject *whole = PyMemoryView_FromObject(owner);
    PyObject *view = whole ? PySequence_GetSlice(whole, (Py_ssize_t)begin, (Py_ssize_t)(begin + size)) : NULL;
    Py_XDECREF(whole);
    return view;
}

/* A buffer that the pickle may keep. Of a copy it is as the pickle would have had it inside: bytes, or else one to
 * write to. Of a message in place, it is a view, which can't be written to. */
static PyObject *buffer_of(PyObject *owner, const unsigned char *data, size_t begin, size_t size, int readonly)
{
    if (readonly && PyByteArray_CheckExact(owner)) {
        return PyBytes_FromStringAndSize((const char *)data + begin, (Py_ssize_t)size);
    }
    return view_of(owner, begin, size);
}

/* The pickle and the buffers beside it, in a message. */
struct beside {
    uint32_t count;
    uint64_t pickle; /* its length in bytes */
    size_t begin;    /* where it is in the message */
};

static uint64_t word_at(const unsigned char *data, size_t at)
{
    uint64_t word;
    memcpy(&word, data + at, sizeof word);
    return word;
}

/* Whether the message is one with buffers beside its pickle, as far as its head and the pickle go. */
static int is_beside(const unsigned char *data, size_t size, struct beside *beside)
{
    if (size < BESIDE_HEAD || memcmp(data, BESIDE_MAGIC, 4) != 0) {
        return 0;
    }
    memcpy(&beside->count, data + 4, sizeof beside->count);
    beside->pickle = word_at(data, 8);
    beside->begin = BESIDE_HEAD + beside->count * sizeof(uint64_t);
    return beside->begin <= size && beside->pickle <= size - beside->begin;
}

/* A list of the buffers. NULL with an exception; UnpicklingError when they are not all there. */
static PyObject *buffers_of(struct state *state, const unsigned char *data, size_t size, const struct beside *beside,
                            PyObject *owner)
{
    size_t at = beside->begin + beside->pickle;
    PyObject *buffers = PyList_New(0);
    for (uint32_t i = 0; i < beside->count && buffers; i++) {
        uint64_t word = word_at(data, BESIDE_HEAD + i * sizeof word);
        uint64_t length = word & ~BESIDE_READONLY;
        at += (BESIDE_ALIGN - at % BESIDE_ALIGN) % BESIDE_ALIGN;
        if (at > size || length > size - at) {
            PyErr_SetString(state->unpickling_error, "the message is shorter than its buffers");
            Py_CLEAR(buffers);
            break;
        }
        PyObject *buffer = buffer_of(owner, data, at, length, (word & BESIDE_READONLY) != 0);
        if (!buffer || PyList_Append(buffers, buffer) < 0) {
            Py_CLEAR(buffers);
        }
        Py_XDECREF(buffer);
        at += length;
    }
    return buffers;
}

static PyObject *load(struct state *state, PyObject *pickle, PyObject *buffers)
{
    PyObject *names = buffers ? Py_BuildValue("(s)", "buffers") : NULL;
    PyObject *arguments[] = { pickle, buffers };
    PyObject *object = NULL;
    if (names || !buffers) {
        object = PyObject_Vectorcall(state->loads, arguments, 1, names);
    }
    Py_XDECREF(names);
    return object;
}

/* A message of the owner's, whatever it is. */
static PyObject *load_message(struct state *state, const unsigned char *data, size_t size, PyObject *owner)
{
    struct beside beside = { 0, size, 0 };
    int has_buffers = is_beside(data, size, &beside);
    PyObject *buffers = has_buffers ? buffers_of(state, data, size, &beside, owner) : NULL;
    if (has_buffers && !buffers) {
        return NULL;
    }
    PyObject *pickle = view_of(owner, beside.begin, beside.pickle);
    PyObject *object = pickle ? load(state, pickle, buffers) : NULL;
    Py_XDECREF(pickle);
    Py_XDECREF(buffers);
    return object;
}

PyObject *message_read(struct state *state, const void *data, size_t size, PyObject *owner)
{
    PyObject *object = read_plain(state, data, size);
    if (object || PyErr_Occurred()) {
        return object;
    }
    /* An array of numpy is to be written to, as it was where it came from: so the copy is no bytes. */
    PyObject *copy = owner ? Py_NewRef(owner) : PyByteArray_FromStringAndSize(data, (Py_ssize_t)size);
    if (copy) {
        object = load_message(state, owner ? data : PyByteArray_AS_STRING(copy), size, copy);
        Py_DECREF(copy);
    }
    return object;
}

int message_is_bytes(const void *data, size_t size, size_t *begin, size_t *length)
{
    const unsigned char *at = data;
    unsigned width;
    if (size < 4 || at[0] != OP_PROTO || at[size - 1] != OP_STOP) {
        return 0;
    }
    width = at[2] == OP_SHORT_BINBYTES ? 1 : at[2] == OP_BINBYTES ? 4 : at[2] == OP_BINBYTES8 ? 8 : 0;
    if (width == 0 || size < 4 + width) {
        return 0;
    }
    struct reader reader = { .at = at + 3, .end = at + size };
    *length = take_number(&reader, width);
    *begin = 3 + width;
    return *length == size - *begin - 1;
}
