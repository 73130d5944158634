/* module.c: the module kith._kith: its state, its types. */
#include "module.h"

static int (*const parts[])(PyObject *module, struct state *state) = {
    acquire_add,    arena_add,   arrays_add,   barrier_add, board_add,     condition_add,
    connection_add, event_add,   guarded_add,  lease_add,   listener_add,  lock_add,
    message_add,    process_add, progress_add, queue_add,   semaphore_add, wait_add,
};

/* What others define: where it is kept in the state, and where it comes from. */
static const struct import {
    size_t offset;
    const char *module, *name;
} imports[] = {
    { offsetof(struct state, empty), "queue", "Empty" },
    { offsetof(struct state, full), "queue", "Full" },
    { offsetof(struct state, authentication_error), "multiprocessing.context", "AuthenticationError" },
    { offsetof(struct state, broken_barrier_error), "threading", "BrokenBarrierError" },
    { offsetof(struct state, buffer_too_short), "multiprocessing.context", "BufferTooShort" },
    { offsetof(struct state, unpickling_error), "pickle", "UnpicklingError" },
    { offsetof(struct state, pickler), "pickle", "Pickler" },
    { offsetof(struct state, forking_pickler), "multiprocessing.reduction", "ForkingPickler" },
    { offsetof(struct state, copyreg_table), "copyreg", "dispatch_table" },
    { offsetof(struct state, namespace_type), "types", "SimpleNamespace" },
    { offsetof(struct state, loads), "pickle", "loads" },
};

enum { IMPORTS = sizeof imports / sizeof *imports };

/* The state's object of this number: what is imported, the keys, what is its own; NULL behind the last. */
static PyObject **state_object(struct state *state, size_t number)
{
    PyObject **const own[] = {
        (PyObject **)&state->segment_type,
        &state->segment,
        (PyObject **)&state->lock_type,
        (PyObject **)&state->rlock_type,
        &state->connection_type,
        &state->spare,
        &state->lease_type,
        &state->loan_type,
        &state->shut_down,
    };
    if (number < IMPORTS) {
        return (PyObject **)((char *)state + imports[number].offset);
    }
    if (number < IMPORTS + KEYS_KEPT) {
        return &state->keys[number - IMPORTS];
    }
    number -= IMPORTS + KEYS_KEPT;
    return number < sizeof own / sizeof *own ? own[number] : NULL;
}

PyObject *module_import(const char *module, const char *name)
{
    PyObject *imported = PyImport_ImportModule(module);
    PyObject *attribute = imported ? PyObject_GetAttrString(imported, name) : NULL;
    Py_XDECREF(imported);
    return attribute;
}

static int import_all(struct state *state)
{
    for (size_t i = 0; i < IMPORTS; i++) {
        PyObject **object = state_object(state, i);
        *object = module_import(imports[i].module, imports[i].name);
        if (!*object) {
            return -1;
        }
    }
    return 0;
}

PyTypeObject *module_add_type(PyObject *module, PyType_Spec *spec)
{
    PyTypeObject *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    if (type && PyModule_AddType(module, type) < 0) {
        Py_CLEAR(type);
    }
    return type;
}

static int module_exec(PyObject *module)
{
    struct state *state = PyModule_GetState(module);
    if (import_all(state) < 0) {
        return -1;
    }
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i](module, state) < 0) {
            return -1;
        }
    }
    return PyModule_AddStringConstant(module, "version", kith_version());
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    struct state *state = PyModule_GetState(module);
    PyObject **object;
    for (size_t i = 0; state && (object = state_object(state, i)); i++) {
        Py_VISIT(*object);
    }
    return 0;
}

static int module_clear(PyObject *module)
{
    struct state *state = PyModule_GetState(module);
    PyObject **object;
    for (size_t i = 0; state && (object = state_object(state, i)); i++) {
        Py_CLEAR(*object);
    }
    return 0;
}

static void module_free(void *module)
{
    module_clear(module);
}

static PyModuleDef_Slot slots[] = {
    { Py_mod_exec, (void *)module_exec },
    { 0, NULL },
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "kith._kith",
    .m_doc = "What the package kith does by libkith. Use the package: this module is not for programs.",
    .m_size = sizeof(struct state),
    .m_slots = slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

struct state *state_of_type(PyTypeObject *type)
{
    for (; type; type = type->tp_base) {
        PyObject *module = PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE) ? PyType_GetModule(type) : NULL;
        if (module && PyModule_GetDef(module) == &definition) {
            return PyModule_GetState(module);
        }
        PyErr_Clear();
    }
    PyErr_SetString(PyExc_TypeError, "this is no type of kith");
    return NULL;
}

PyMODINIT_FUNC PyInit__kith(void);

PyMODINIT_FUNC PyInit__kith(void)
{
    return PyModuleDef_Init(&definition);
}
