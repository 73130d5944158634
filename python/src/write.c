/* write.c: objects to messages.
 *
 * The quick way writes no memo: so what comes twice in a message must not come out as two. Of what has only one
 * reference there is no second; of the rest, containers and long data, the writer keeps the addresses, and gives the
 * whole to the Pickler when one comes again. It runs no Python code, so nothing changes meanwhile: nor does it make
 * objects that are tracked, for before Python 3.12 garbage may be collected then, whose finalizers are such code.
 */
#include "write.h"

#include "opcodes.h"

#include <string.h>

enum {
    CUT_MIN = 4096,     /* bytes from which data are cut in, and not copied */
    BESIDE_MIN = 4096,  /* bytes from which a buffer goes beside the pickle */
    LEAF_SEEN_MIN = 64, /* bytes from which it is worth to find out that a str or bytes comes twice */
    DEPTH_MAX = 64,     /* what is nested deeper goes to the Pickler, which knows the recursion limit */
    SEEN_FEW = 8        /* so many addresses are searched one by one */
};

/* The addresses that have come in a message. */
struct seen {
    size_t count, capacity; /* capacity: of the table, a power of two; 0 while the few suffice */
    const void **table;     /* by hash, NULL where nothing is */
    const void *few[SEEN_FEW];
};

struct writer {
    struct message *message;
    struct seen seen;
};

/* What a step of the writer says; errors are negative, with an exception. */
enum { WRITTEN = 0, NOT_PLAIN = 1 };

/* ---- the message ---- */

static void message_begin(struct message *message)
{
    message->size = 0;
    message->data = message->room;
    message->used = 0;
    message->capacity = sizeof message->room;
    message->cuts = message->few;
    message->cut_count = 0;
    message->cut_capacity = sizeof message->few / sizeof *message->few;
}

void message_clear(struct message *message)
{
    for (size_t i = 0; i < message->cut_count; i++) {
        const struct cut *cut = &message->cuts[i];
        if (cut->hold) {
            PyBuffer_Release(cut->hold);
            PyMem_Free(cut->hold);
        }
        Py_DECREF(cut->owner);
    }
    if (message->cuts != message->few) {
        PyMem_Free(message->cuts);
    }
    if (message->data != message->room) {
        PyMem_Free(message->data);
    }
    message_begin(message);
}

/* Doubles an array that has begun in a small place of its own. */
static int grow(void **array, size_t *capacity, size_t element, size_t used, void *small, size_t wanted)
{
    size_t new_capacity = *capacity * 2 > wanted ? *capacity * 2 : wanted;
    void *grown = PyMem_Realloc(*array == small ? NULL : *array, new_capacity * element);
    if (!grown) {
        PyErr_NoMemory();
        return -1;
    }
    if (*array == small) {
        memcpy(grown, small, used * element);
    }
    *array = grown;
    *capacity = new_capacity;
    return 0;
}

/* Room for size bytes more, to be written at once: the message counts them. NULL with an exception. */
static unsigned char *message_extend(struct message *message, size_t size)
{
    void *data = message->data;
    if (message->capacity - message->used < size &&
        grow(&data, &message->capacity, 1, message->used, message->room, message->used + size) < 0) {
        return NULL;
    }
    message->data = data;
    message->used += size;
    message->size += size;
    return message->data + message->used - size;
}

static int message_append(struct message *message, const void *data, size_t size)
{
    unsigned char *room = message_extend(message, size);
    if (!room) {
        return -1;
    }
    memcpy(room, data, size);
    return 0;
}

static int message_cut(struct message *message, const void *data, size_t size, PyObject *owner)
{
    void *cuts = message->cuts;
    if (message->cut_count == message->cut_capacity &&
        grow(&cuts, &message->cut_capacity, sizeof *message->cuts, message->cut_count, message->few, 0) < 0) {
        return -1;
    }
    message->cuts = cuts;
    message->cuts[message->cut_count++] = (struct cut){ message->used, data, size, Py_NewRef(owner), NULL };
    message->size += size;
    return 0;
}

/* Keeps the owner of the last cut from being resized, without a view, which is tracked. */
static int message_hold_cut(struct message *message)
{
    struct cut *cut = &message->cuts[message->cut_count - 1];
    Py_buffer *hold = PyMem_Malloc(sizeof *hold);
    if (!hold) {
        PyErr_NoMemory();
        return -1;
    }
    if (PyObject_GetBuffer(cut->owner, hold, PyBUF_SIMPLE) < 0) {
        PyMem_Free(hold);
        return -1;
    }
    cut->hold = hold;
    return 0;
}

void message_copy(const struct message *message, void *memory)
{
    unsigned char *to = memory;
    size_t from = 0;
    for (size_t i = 0; i < message->cut_count; i++) {
        const struct cut *cut = &message->cuts[i];
        to = (unsigned char *)memcpy(to, message->data + from, cut->at - from) + (cut->at - from);
        to = (unsigned char *)memcpy(to, cut->data, cut->size) + cut->size;
        from = cut->at;
    }
    memcpy(to, message->data + from, message->used - from);
}

static int message_cut_bytes(struct message *message, PyObject *bytes)
{
    return message_cut(message, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes), bytes);
}

/* Cuts in what has the buffer protocol; the view keeps it from being resized meanwhile. */
static int message_cut_view(struct message *message, PyObject *view)
{
    const Py_buffer *buffer = PyMemoryView_GET_BUFFER(view);
    return message_cut(message, buffer->buf, (size_t)buffer->len, view);
}

int message_of_bytes(PyObject *bytes, struct message *message)
{
    message_begin(message);
    if (PyBytes_CheckExact(bytes)) {
        return message_cut_bytes(message, bytes);
    }
    PyObject *view = PyMemoryView_GetContiguous(bytes, PyBUF_READ, 'C');
    int result = view ? message_cut_view(message, view) : -1;
    Py_XDECREF(view);
    return result;
}

/* ---- what has come already ---- */

static const void **seen_slot(const void **table, size_t capacity, const void *address)
{
    size_t slot = (size_t)(((uint64_t)(uintptr_t)address * 0x9e3779b97f4a7c15u) >> 20) & (capacity - 1);
    while (table[slot] && table[slot] != address) {
        slot = (slot + 1) & (capacity - 1);
    }
    return &table[slot];
}

static int seen_grow(struct seen *seen)
{
    size_t capacity = seen->capacity ? seen->capacity * 4 : SEEN_FEW * 8;
    const void **table = PyMem_Calloc(capacity, sizeof *table);
    if (!table) {
        PyErr_NoMemory();
        return -1;
    }
    const void **from = seen->capacity ? seen->table : seen->few;
    size_t count = seen->capacity ? seen->capacity : seen->count;
    for (size_t i = 0; i < count; i++) {
        if (from[i]) {
            *seen_slot(table, capacity, from[i]) = from[i];
        }
    }
    if (seen->capacity) {
        PyMem_Free(seen->table);
    }
    seen->table = table;
    seen->capacity = capacity;
    return 0;
}

static int seen_few(struct seen *seen, const void *address)
{
    for (size_t i = 0; i < seen->count; i++) {
        if (seen->few[i] == address) {
            return NOT_PLAIN;
        }
    }
    seen->few[seen->count++] = address;
    return WRITTEN;
}

/* NOT_PLAIN when the object has come before. */
static int seen_before(struct seen *seen, PyObject *object)
{
    if (Py_REFCNT(object) == 1) {
        return WRITTEN;
    }
    if (!seen->capacity && seen->count < SEEN_FEW) {
        return seen_few(seen, object);
    }
    if (seen->count * 2 >= seen->capacity && seen_grow(seen) < 0) {
        return -1;
    }
    const void **slot = seen_slot(seen->table, seen->capacity, object);
    if (*slot) {
        return NOT_PLAIN;
    }
    *slot = object;
    seen->count++;
    return WRITTEN;
}

/* ---- the quick way ---- */

static int write_object(struct writer *writer, PyObject *object, int depth);

static int write_byte(struct writer *writer, int byte)
{
    unsigned char *room = message_extend(writer->message, 1);
    if (!room) {
        return -1;
    }
    *room = (unsigned char)byte;
    return WRITTEN;
}

/* An opcode and a number of size bytes, the lowest first. */
static int write_number(struct writer *writer, int opcode, uint64_t number, unsigned size)
{
    unsigned char *room = message_extend(writer->message, 1 + size);
    if (!room) {
        return -1;
    }
    *room++ = (unsigned char)opcode;
    for (unsigned i = 0; i < size; i++) {
        *room++ = (unsigned char)(number >> 8 * i);
    }
    return WRITTEN;
}

static int write_long(struct writer *writer, int64_t value)
{
    uint64_t bits = (uint64_t)(value < 0 ? ~value : value); /* and one more for the sign */
    unsigned size = bits ? (unsigned)(64 - __builtin_clzll(bits)) / 8 + 1 : 1;
    unsigned char *room = message_extend(writer->message, 2 + size);
    if (!room) {
        return -1;
    }
    *room++ = OP_LONG1;
    *room++ = (unsigned char)size;
    for (unsigned i = 0; i < size; i++) {
        *room++ = (unsigned char)((uint64_t)value >> 8 * i);
    }
    return WRITTEN;
}

static int write_int(struct writer *writer, PyObject *object)
{
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(object, &overflow);
    if (overflow) {
        return NOT_PLAIN;
    }
    if (value >= 0 && value <= UINT8_MAX) {
        return write_number(writer, OP_BININT1, (uint64_t)value, 1);
    }
    if (value >= 0 && value <= UINT16_MAX) {
        return write_number(writer, OP_BININT2, (uint64_t)value, 2);
    }
    if (value >= INT32_MIN && value <= INT32_MAX) {
        return write_number(writer, OP_BININT, (uint64_t)value, 4);
    }
    return write_long(writer, value);
}

static int write_float(struct writer *writer, PyObject *object)
{
    double value = PyFloat_AS_DOUBLE(object);
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return write_number(writer, OP_BINFLOAT, __builtin_bswap64(bits), 8);
}

/* The three words for data of so many bytes: of 1, 4 and 8 bytes of length. 0 where there is none. */
struct words {
    int shortest, middle, longest;
};

static int write_length(struct writer *writer, struct words words, size_t size)
{
    if (words.shortest && size <= UINT8_MAX) {
        return write_number(writer, words.shortest, size, 1);
    }
    if (words.middle && size <= UINT32_MAX) {
        return write_number(writer, words.middle, size, 4);
    }
    return write_number(writer, words.longest, size, 8);
}

/* A word, a length, and data that the owner keeps where they are. */
static int write_data(struct writer *writer, struct words words, const void *data, size_t size, PyObject *owner)
{
    if (write_length(writer, words, size) < 0) {
        return -1;
    }
    return size < CUT_MIN ? message_append(writer->message, data, size)
                          : message_cut(writer->message, data, size, owner);
}

static int write_bytes(struct writer *writer, PyObject *object)
{
    static const struct words words = { OP_SHORT_BINBYTES, OP_BINBYTES, OP_BINBYTES8 };
    size_t size = (size_t)PyBytes_GET_SIZE(object);
    int code = size < LEAF_SEEN_MIN ? WRITTEN : seen_before(&writer->seen, object);
    return code == WRITTEN ? write_data(writer, words, PyBytes_AS_STRING(object), size, object) : code;
}

/* One that has half a surrogate pair alone is for the Pickler: the exception may have had garbage collected. */
static int write_str(struct writer *writer, PyObject *object)
{
    static const struct words words = { OP_SHORT_BINUNICODE, OP_BINUNICODE, OP_BINUNICODE8 };
    Py_ssize_t size;
    const char *text = PyUnicode_AsUTF8AndSize(object, &size);
    if (!text) {
        int is_surrogate = PyErr_ExceptionMatches(PyExc_UnicodeEncodeError);
        if (is_surrogate) {
            PyErr_Clear();
        }
        return is_surrogate ? NOT_PLAIN : -1;
    }
    int code = size < (Py_ssize_t)LEAF_SEEN_MIN ? WRITTEN : seen_before(&writer->seen, object);
    return code == WRITTEN ? write_data(writer, words, text, (size_t)size, object) : code;
}

static int write_bytearray(struct writer *writer, PyObject *object)
{
    static const struct words words = { 0, 0, OP_BYTEARRAY8 };
    int code = seen_before(&writer->seen, object);
    if (code != WRITTEN) {
        return code;
    }
    code = write_data(writer, words, PyByteArray_AS_STRING(object), (size_t)PyByteArray_GET_SIZE(object), object);
    return code == WRITTEN && PyByteArray_GET_SIZE(object) >= CUT_MIN ? message_hold_cut(writer->message) : code;
}

static int write_items(struct writer *writer, PyObject *const *items, Py_ssize_t count, int depth)
{
    int code = WRITTEN;
    for (Py_ssize_t i = 0; i < count && code == WRITTEN; i++) {
        code = write_object(writer, items[i], depth);
    }
    return code;
}

static int write_list(struct writer *writer, PyObject *object, int depth)
{
    Py_ssize_t count = PyList_GET_SIZE(object);
    if (count == 0) {
        return write_byte(writer, OP_EMPTY_LIST);
    }
    if (message_append(writer->message, (const char[]){ OP_EMPTY_LIST, OP_MARK }, 2) < 0) {
        return -1;
    }
    int code = write_items(writer, PySequence_Fast_ITEMS(object), count, depth);
    return code == WRITTEN ? write_byte(writer, OP_APPENDS) : code;
}

static int write_tuple(struct writer *writer, PyObject *object, int depth)
{
    static const unsigned char words[] = { OP_EMPTY_TUPLE, OP_TUPLE1, OP_TUPLE2, OP_TUPLE3, OP_TUPLE };
    Py_ssize_t count = PyTuple_GET_SIZE(object);
    if (count > 3 && write_byte(writer, OP_MARK) < 0) {
        return -1;
    }
    int code = write_items(writer, PySequence_Fast_ITEMS(object), count, depth);
    return code == WRITTEN ? write_byte(writer, words[count > 3 ? 4 : count]) : code;
}

static int write_dict(struct writer *writer, PyObject *object, int depth)
{
    if (PyDict_GET_SIZE(object) == 0) {
        return write_byte(writer, OP_EMPTY_DICT);
    }
    if (message_append(writer->message, (const char[]){ OP_EMPTY_DICT, OP_MARK }, 2) < 0) {
        return -1;
    }
    PyObject *key, *value;
    Py_ssize_t position = 0;
    int code = WRITTEN;
    while (code == WRITTEN && PyDict_Next(object, &position, &key, &value)) {
        code = write_object(writer, key, depth);
        if (code == WRITTEN) {
            code = write_object(writer, value, depth);
        }
    }
    return code == WRITTEN ? write_byte(writer, OP_SETITEMS) : code;
}

static int write_container(struct writer *writer, PyObject *object, int depth)
{
    PyTypeObject *type = Py_TYPE(object);
    if (type != &PyList_Type && type != &PyTuple_Type && type != &PyDict_Type) {
        return NOT_PLAIN;
    }
    if (depth == DEPTH_MAX) {
        return NOT_PLAIN;
    }
    if (type == &PyTuple_Type && PyTuple_GET_SIZE(object) == 0) {
        return write_byte(writer, OP_EMPTY_TUPLE); /* there is but one */
    }
    int code = seen_before(&writer->seen, object);
    if (code != WRITTEN) {
        return code;
    }
    return type == &PyList_Type    ? write_list(writer, object, depth + 1)
           : type == &PyTuple_Type ? write_tuple(writer, object, depth + 1)
                                   : write_dict(writer, object, depth + 1);
}

/* Writes an object. Returns WRITTEN; NOT_PLAIN when the whole message is for the Pickler; -1 with an exception. */
static int write_object(struct writer *writer, PyObject *object, int depth)
{
    PyTypeObject *type = Py_TYPE(object);
    if (type == &PyLong_Type) {
        return write_int(writer, object);
    }
    if (type == &PyUnicode_Type) {
        return write_str(writer, object);
    }
    if (type == &PyBytes_Type) {
        return write_bytes(writer, object);
    }
    if (type == &PyFloat_Type) {
        return write_float(writer, object);
    }
    if (object == Py_None) {
        return write_byte(writer, OP_NONE);
    }
    if (type == &PyBool_Type) {
        return write_byte(writer, object == Py_True ? OP_TRUE : OP_FALSE);
    }
    if (type == &PyByteArray_Type) {
        return write_bytearray(writer, object);
    }
    return write_container(writer, object, depth);
}

static int write_plain(PyObject *object, struct message *message)
{
    struct writer writer;
    writer.message = message;
    writer.seen.count = 0;
    writer.seen.capacity = 0;
    message_append(message, (const unsigned char[]){ OP_PROTO, 5 }, 2); /* it fits */
    int code = write_object(&writer, object, 0);
    if (code == WRITTEN) {
        code = write_byte(&writer, OP_STOP);
    }
    if (writer.seen.capacity) {
        PyMem_Free(writer.seen.table);
    }
    return code;
}

/* ---- by the Pickler ---- */

/* What the Pickler looks types up in: ForkingPickler looks into its own table first, and then into that of copyreg. One
 * dict of both is what the Pickler reads quickest; it is made anew each time, for both may grow. */
static PyObject *dispatch_table(struct state *state)
{
    PyObject *table = PyDict_Copy(state->copyreg_table);
    PyObject *extra = table ? PyObject_GetAttrString(state->forking_pickler, "_extra_reducers") : NULL;
    if (!extra || PyDict_Update(table, extra) < 0 || arrays_reduce(state, table) < 0) {
        Py_CLEAR(table);
    }
    Py_XDECREF(extra);
    return table;
}

/* Called by the Pickler for each buffer: true when it is to be in the pickle. */
static PyObject *take_buffer(PyObject *buffers, PyObject *buffer)
{
    PyObject *view = PyObject_CallMethod(buffer, "raw", NULL);
    if (!view) {
        return NULL;
    }
    int inside = PyMemoryView_GET_BUFFER(view)->len < BESIDE_MIN;
    int code = inside ? 0 : PyList_Append(buffers, view);
    Py_DECREF(view);
    return code < 0 ? NULL : PyBool_FromLong(inside);
}

static PyMethodDef take_buffer_method = { "take_buffer", take_buffer, METH_O, NULL };

/* A file whose write appends to a list. The Pickler hands it long bytes as they are, uncopied. */
static PyObject *file_of(struct state *state, PyObject *chunks)
{
    PyObject *append = PyObject_GetAttrString(chunks, "append");
    PyObject *file = append ? PyObject_CallNoArgs(state->namespace_type) : NULL;
    if (file && PyObject_SetAttrString(file, "write", append) < 0) {
        Py_CLEAR(file);
    }
    Py_XDECREF(append);
    return file;
}

/* Pickles into a list of bytes, and, when there is one, a list of memoryviews of what goes beside. */
static int pickle_into(struct state *state, PyObject *object, PyObject *chunks, PyObject *buffers)
{
    PyObject *table = dispatch_table(state);
    PyObject *file = table ? file_of(state, chunks) : NULL;
    PyObject *callback = !file ? NULL : buffers ? PyCFunction_New(&take_buffer_method, buffers) : Py_NewRef(Py_None);
    PyObject *pickler = callback ? PyObject_CallFunction(state->pickler, "OiOO", file, 5, Py_True, callback) : NULL;
    PyObject *dumped = NULL;
    if (pickler && PyObject_SetAttrString(pickler, "dispatch_table", table) == 0) {
        dumped = PyObject_CallMethod(pickler, "dump", "(O)", object);
    }
    Py_XDECREF(pickler);
    Py_XDECREF(callback);
    Py_XDECREF(file);
    Py_XDECREF(table);
    Py_XDECREF(dumped);
    return dumped ? 0 : -1;
}

/* The head of a message with buffers beside its pickle, but for the length of that, which is not known yet. */
static int write_head(struct message *message, PyObject *buffers)
{
    uint32_t count = (uint32_t)PyList_GET_SIZE(buffers);
    unsigned char *head = message_extend(message, BESIDE_HEAD + count * sizeof(uint64_t));
    if (!head) {
        return -1;
    }
    memcpy(head, BESIDE_MAGIC, 4);
    memcpy(head + 4, &count, sizeof count);
    for (uint32_t i = 0; i < count; i++) {
        const Py_buffer *buffer = PyMemoryView_GET_BUFFER(PyList_GET_ITEM(buffers, i));
        uint64_t size = (uint64_t)buffer->len | (buffer->readonly ? BESIDE_READONLY : 0);
        memcpy(head + BESIDE_HEAD + i * sizeof size, &size, sizeof size);
    }
    return 0;
}

static int write_chunks(struct message *message, PyObject *chunks)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(chunks); i++) {
        PyObject *chunk = PyList_GET_ITEM(chunks, i);
        PyObject *view = PyBytes_CheckExact(chunk) ? NULL : PyMemoryView_FromObject(chunk);
        if (!view && !PyBytes_CheckExact(chunk)) {
            return -1;
        }
        int code = view ? message_cut_view(message, view) : message_cut_bytes(message, chunk);
        Py_XDECREF(view);
        if (code < 0) {
            return -1;
        }
    }
    return 0;
}

static int write_beside(struct message *message, PyObject *buffers)
{
    static const unsigned char zeros[BESIDE_ALIGN];
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(buffers); i++) {
        size_t padding = (BESIDE_ALIGN - message->size % BESIDE_ALIGN) % BESIDE_ALIGN;
        if (message_append(message, zeros, padding) < 0 || message_cut_view(message, PyList_GET_ITEM(buffers, i)) < 0) {
            return -1;
        }
    }
    return 0;
}

static int chunks_to_message(struct message *message, PyObject *chunks, PyObject *buffers)
{
    if (!buffers || PyList_GET_SIZE(buffers) == 0) {
        return write_chunks(message, chunks);
    }
    uint64_t pickle;
    if (write_head(message, buffers) < 0) {
        return -1;
    }
    pickle = message->size;
    if (write_chunks(message, chunks) < 0) {
        return -1;
    }
    pickle = message->size - pickle;
    memcpy(message->data + 8, &pickle, sizeof pickle);
    return write_beside(message, buffers);
}

static int write_pickled(struct state *state, PyObject *object, enum buffers how, struct message *message)
{
    PyObject *chunks = PyList_New(0);
    PyObject *buffers = how == BUFFERS_BESIDE ? PyList_New(0) : NULL;
    int code = -1;
    if (chunks && (buffers || how != BUFFERS_BESIDE) && pickle_into(state, object, chunks, buffers) == 0) {
        code = chunks_to_message(message, chunks, buffers);
    }
    Py_XDECREF(chunks);
    Py_XDECREF(buffers);
    return code;
}

int message_write(struct state *state, PyObject *object, enum buffers buffers, struct message *message)
{
    message_begin(message);
    int code = write_plain(object, message);
    if (code == NOT_PLAIN) {
        message_clear(message);
        code = write_pickled(state, object, buffers, message);
    }
    if (code < 0) {
        PyObject *exception = PyErr_GetRaisedException();
        message_clear(message);
        PyErr_SetRaisedException(exception);
    }
    return code;
}
