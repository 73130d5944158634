/* module.h: what the files of the extension kith._kith have in common.
 *
 * There are no static objects: all is in the module's state, of which each interpreter has its own. An object keeps a
 * pointer to it, which is good as long as the object: its type holds the module.
 *
 * A file of a type has one function NAME_add, which module.c calls when the module is made: it makes the type, keeps it
 * in the state if others need it, and adds it to the module.
 */
#ifndef KITH_PYTHON_MODULE_H
#define KITH_PYTHON_MODULE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <kith/kith.h>

#if PY_VERSION_HEX < 0x030A0000 /* what 3.10 brought */
static inline int PyModule_AddObjectRef(PyObject *module, const char *name, PyObject *value)
{
    Py_INCREF(value);
    int code = PyModule_AddObject(module, name, value);
    if (code < 0) {
        Py_DECREF(value);
    }
    return code;
}

static inline PyObject *new_ref(PyObject *object)
{
    Py_XINCREF(object);
    return object;
}
#define Py_NewRef(object) new_ref((PyObject *)(object))
#define Py_XNewRef(object) new_ref((PyObject *)(object))
#define Py_IsNone(object) ((object) == Py_None)
#endif

#if PY_VERSION_HEX < 0x030C0000 /* what 3.12 brought */
static inline PyObject *PyErr_GetRaisedException(void)
{
    PyObject *type, *exception, *traceback;
    PyErr_Fetch(&type, &exception, &traceback);
    PyErr_NormalizeException(&type, &exception, &traceback);
    if (exception && traceback) {
        PyException_SetTraceback(exception, traceback);
    }
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return exception;
}

static inline void PyErr_SetRaisedException(PyObject *exception)
{
    if (exception) {
        PyErr_Restore(Py_NewRef((PyObject *)Py_TYPE(exception)), exception, PyException_GetTraceback(exception));
    }
}
#endif

enum { KEYS_KEPT = 256 };

struct state {
    /* Exceptions that others define; see error.h. */
    PyObject *empty;                /* queue.Empty */
    PyObject *full;                 /* queue.Full */
    PyObject *authentication_error; /* multiprocessing.AuthenticationError */
    PyObject *broken_barrier_error; /* threading.BrokenBarrierError */
    PyObject *buffer_too_short;     /* multiprocessing.BufferTooShort */
    PyObject *unpickling_error;     /* pickle.UnpicklingError */
    /* For write.c. */
    PyObject *pickler;         /* pickle.Pickler */
    PyObject *forking_pickler; /* multiprocessing.reduction.ForkingPickler, for its table */
    PyObject *copyreg_table;   /* copyreg.dispatch_table */
    PyObject *namespace_type;  /* types.SimpleNamespace */
    PyObject *connection_type; /* of connection.c */
    PyObject *spare;           /* bytes that long messages are received into; NULL while somebody does so */
    PyObject *lease_type;      /* of lease.c */
    PyObject *loan_type;       /* of arrays.c */
    PyObject *shut_down;       /* queue.ShutDown, or one like it */
    /* For read.c. */
    PyObject *loads;           /* pickle.loads */
    PyObject *keys[KEYS_KEPT]; /* texts that were keys of dicts, by hash; NULL where there is none */
    /* Shared memory for locks and the like; see arena.c. */
    PyTypeObject *segment_type;
    PyObject *segment;                  /* the one that pieces are handed out of; or NULL */
    struct segment *segments_with_room; /* those of this process that have a free piece; not owned */
    size_t next_segment;                /* how long the next one will be; 0: the first */
    PyTypeObject *lock_type;
    PyTypeObject *rlock_type;
};

/* The state of the module that a type, or one that it derives from, belongs to: for tp_new, and for arguments.
 * NULL, with an exception, when it is none of ours. */
struct state *state_of_type(PyTypeObject *type);

/* Makes a type from its spec and adds it to the module under the last part of its name. Returns it, owned by the
 * caller; NULL with an exception. */
PyTypeObject *module_add_type(PyObject *module, PyType_Spec *spec);

/* What a Python-visible attribute imports: module.name. NULL with an exception. */
PyObject *module_import(const char *module, const char *name);

/* The files of types, each one function. Returns 0, or -1 with an exception. */
int acquire_add(PyObject *module, struct state *state);
int arena_add(PyObject *module, struct state *state);
int arrays_add(PyObject *module, struct state *state);
int barrier_add(PyObject *module, struct state *state);
int board_add(PyObject *module, struct state *state);
int condition_add(PyObject *module, struct state *state);
int connection_add(PyObject *module, struct state *state);
int event_add(PyObject *module, struct state *state);
int guarded_add(PyObject *module, struct state *state);
int lease_add(PyObject *module, struct state *state);
int listener_add(PyObject *module, struct state *state);
int lock_add(PyObject *module, struct state *state);
int message_add(PyObject *module, struct state *state);
int process_add(PyObject *module, struct state *state);
int progress_add(PyObject *module, struct state *state);
int queue_add(PyObject *module, struct state *state);
int semaphore_add(PyObject *module, struct state *state);
int wait_add(PyObject *module, struct state *state);

#endif
