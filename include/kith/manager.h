/* kith/manager.h: managers: objects that live in a server process, and that programs anywhere use by an address and a
 * key.
 *
 * A server has types: the built-in ones are those of Python's multiprocessing.managers.SyncManager, and a program adds
 * its own. A client creates an object of a type, or asks for one that the server has published under a name, and gets a
 * proxy; calls on the proxy are carried out in the server, one after the other for each object.
 *
 * Servers and clients speak the protocol of CPython's multiprocessing.managers (Lib/multiprocessing/managers.py): a
 * Python program reaches a kith server by BaseManager or SyncManager, of 3.8 and later, and a C program a Python
 * manager's objects by kith_manager_connect. On one host, kith's own clients take shorter ways through shared memory by
 * themselves.
 *
 *     kith_server_options options = { .listener = { .authkey = "secret", .authkey_size = 6 } };
 *     kith_server_new(&server, "unix:/run/user/1000/jobs", &options);
 *     kith_server_publish(server, "get_queue", "JoinableQueue", KITH_NO_ARGS, NULL, NULL);
 *     kith_server_run(server);
 *
 * and elsewhere
 *
 *     kith_manager_options options = { .authkey = "secret", .authkey_size = 6 };
 *     kith_manager_connect(&manager, "unix:/run/user/1000/jobs", &options, KITH_SECONDS(5));
 *     kith_manager_create(manager, &queue, "get_queue", KITH_NO_ARGS, NULL);
 *     kith_proxy_put(queue, kith_value_int(arena, 1), KITH_FOREVER);          // kith/proxy.h
 *
 * When a client dies, its references and locks are given back, and nothing that it had put is lost. When the server
 * dies, every call of its clients, also one that waits, says KITH_ECLOSED at once.
 *
 * A signal interrupts no call. A client that is to end at Ctrl-C lets the signal end it, and what it held is given
 * back; or it waits in slices, with a timeout of 100 ms, say, of kith_proxy_get, kith_proxy_acquire and their like
 * (that of kith_proxy_call closes the connection), and looks at a flag in between, which its handler sets. A server's
 * handler calls kith_server_stop.
 */
#ifndef KITH_MANAGER_H
#define KITH_MANAGER_H

#include <kith/base.h>
#include <kith/connection.h>
#include <kith/entry.h>
#include <kith/process.h>
#include <kith/value.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ======== the server ======== */

typedef struct kith_server kith_server;

/** How to serve; all zero but for the authkey is the default. What it points to is copied. */
typedef struct kith_server_options {
    /** The address's own options: the authkey, which must be given, TLS, permissions, users, the longest message
     *  (max_message; 0: 256 MiB), failed handshakes (max_failures; 0: 30 a minute). Who has proved the key and then
     *  says nothing for handshake_timeout is let go; who has had a call may be silent as long as it likes. */
    kith_listener_options listener;
    unsigned workers;     /**< threads for what waits or takes long, at most; 0: 4 */
    unsigned max_clients; /**< connections at a time; one more is turned away. 0: 16,384 */
    unsigned max_objects; /**< objects at a time; one more is a MemoryError. 0: 1,048,576 */
    uint64_t max_memory;  /**< bytes of what objects keep; what exceeds it is a MemoryError. 0: no bound */
    int keep_locks;       /**< what a dead client held stays held for ever, as in CPython */
    int only_published;   /**< clients may not create objects, and use what is published */
    int no_shutdown;      /**< clients may not end the server */
    int no_shared_memory; /**< all clients stay on their sockets */
    /** A file that keeps what is published over a restart: read by kith_server_run when it begins, if it is there;
     *  written by it beside and renamed, on the interval when something has changed, and at the end. Permissions 0600.
     *  A server has it for itself, from then until it is freed or its process ends (and copies of that by fork): the
     *  file with ".lock" behind its name is locked (flock), and removed by kith_server_free. NULL: none */
    const char *snapshot;
    kith_timeout snapshot_interval; /**< 0: a minute */
} kith_server_options;

/** Makes a server that listens; it answers once kith_server_run is called.
 *  @param server   receives it; free it with kith_server_free
 *  @param address  as kith_listener_new takes it
 *  @return 0; -EINVAL when there is no authkey, or server, address or options is NULL; as kith_listener_new */
KITH_API KITH_MUST_USE int kith_server_new(kith_server **server, const char *address,
                                           const kith_server_options *options);

/** The address that clients use, as kith_listener_address says.
 *  @return a string that lives as long as the server; "" when server is NULL */
KITH_API const char *kith_server_address(const kith_server *server);

/** Restrictions of a published object; all zero is none. They are the object's, however a client comes by it: by its
 *  name, its id, or in another object. What is not allowed is a PermissionError; a proxy that Python makes up itself,
 *  for a name that was registered without a proxytype, does not have it at all (AttributeError). They are not those of
 *  the objects that it holds, as what a constant list holds may be changed: to protect these, publish them with
 *  restrictions, too. */
typedef struct kith_access {
    int read_only; /**< only methods that change nothing */
    /** Only these, method_count of them; NULL: all of its type. "#GETVALUE" is a copy of all that it holds, "__repr__"
     *  and "__str__" are how that is shown; without these two, clients are shown its type and id. */
    const char *const *methods;
    size_t method_count; /**< in elements */
} kith_access;

/** Makes an object, and gives it a name: a client that creates an object of a type of that name gets this one. It lives
 *  as long as the server. So a Python program that says register("get_queue") shares it with all others.
 *
 *  Not while kith_server_run is in progress.
 *
 *  @param name    may hide a type's
 *  @param type    a type that the server knows
 *  @param args    a tuple for the type's constructor: KITH_NO_ARGS for none
 *  @param kwargs  a dict of keyword arguments; NULL for none
 *  @param access  NULL: no restrictions
 *  @return 0; -ENOENT when there is no such type, or the type has no such method; -EEXIST when the name is published
 *          already; the code of the constructor that refused args; -EINVAL when server, name, type or args is NULL;
 *          -ENOMEM */
KITH_API KITH_MUST_USE int kith_server_publish(kith_server *server, const char *name, const char *type,
                                               const kith_value *args, const kith_value *kwargs,
                                               const kith_access *access);

/** Locks and reads the snapshot, which kith_server_run does otherwise when it begins: so what is wrong with it is known
 *  before anybody is told of the server. When all types are registered, and all objects published: each of these that
 *  is in the snapshot becomes what it was there. Does nothing when there is no snapshot, or it was read already.
 *  @return 0; KITH_EMALFORMED when the file is no snapshot, or not whole; KITH_ETYPE when an object in it is of another
 *          type than the one that was published; -ENOENT when one is not published any more, or its type is not
 *          registered, or the file's folder is not there; -EBUSY when another server has the file; -EACCES or another
 *          negated errno when the file can't be read, or locked; -ENOMEM; KITH_ECLOSED in another process than the one
 *          that made the server; -EINVAL. After a failure the server is good for nothing but kith_server_free */
KITH_API KITH_MUST_USE int kith_server_load(kith_server *server);

/** Serves until kith_server_stop, or until a client says shutdown. Whoever is in the middle of a call then has its
 *  answer, for which there are five seconds; calls that wait are ended: their clients see the end of the connection.
 *  It can be called again.
 *  @return 0; as kith_server_load when the snapshot can't be had, and then nothing was served; the code of
 *          the last snapshot when that can't be written; -EMFILE, -ENOMEM, -EAGAIN when it can't begin; KITH_ECLOSED in
 *          another process than the one that made it; -EINVAL */
KITH_API KITH_MUST_USE int kith_server_run(kith_server *server);

/** Has kith_server_run return soon. From any thread, and from a signal handler.
 *  @return 0; -EINVAL when server is NULL */
KITH_API int kith_server_stop(kith_server *server);

/** What a server has, and has done since it was made. */
typedef struct kith_server_stats {
    unsigned clients;       /**< connections that call methods now */
    unsigned objects;       /**< objects now */
    unsigned waiting;       /**< calls that wait now */
    unsigned pages;         /**< clients whose calls go through shared memory now */
    unsigned shared_queues; /**< queues that are in shared memory now */
    uint64_t memory;        /**< bytes of what objects keep, as max_memory counts them: without shared_queues */
    uint64_t calls;         /**< of methods */
    uint64_t page_calls;    /**< those that came through shared memory */
    uint64_t given_back;    /**< references, locks and messages that were given back for dead clients */
    uint64_t snapshots;     /**< that were written */
    kith_listener_stats listener;
} kith_server_stats;

/** From any thread. @return 0; -EINVAL when server or stats is NULL */
KITH_API int kith_server_get_stats(const kith_server *server, kith_server_stats *stats);

/** Ends all objects, and frees the server; not while kith_server_run is in progress. It waits for methods of the
 *  program's own types that are still at work. NULL is fine. */
KITH_API void kith_server_free(kith_server *server);

/* ---- types of a program's own ---- */

/** A method of a type, or its constructor.
 *
 *  It runs on a worker thread of the server, or for kith_server_publish in the thread that calls that; calls on one
 *  object come one after the other. It may wait: then others wait for a worker when all of them wait. It is left by
 *  return.
 *
 *  @param object  what the constructor made; NULL for a constructor
 *  @param call    its arguments (kith_call_args, kith_call_kwargs), an arena, and its result (kith_call_return,
 *                 kith_call_return_object). What it hands out lives until the method returns
 *  @return 0; or a negative code: the client gets an exception, the one of kith_call_raise, or one that suits the code,
 *          with what kith_fail said as its text (-ENOENT: KeyError; -ERANGE: IndexError; -EINVAL: ValueError;
 *          KITH_ETYPE: TypeError; KITH_EEMPTY, KITH_EFULL: queue.Empty, queue.Full; -ETIMEDOUT: TimeoutError; -ENOMEM:
 *          MemoryError; -EACCES, -EPERM: PermissionError; others: RuntimeError). A number above 0 is a mistake, and a
 *          RuntimeError that says so */
typedef int kith_method_function(void *object, kith_call *call);

typedef struct kith_method {
    const char *name; /**< NULL: the end of the table */
    kith_method_function *function;
    /** The type of the object that kith_call_return_object gives: the client gets a proxy of it. NULL: the method
     *  returns a value. */
    const char *returns;
    int reads; /**< it changes nothing: it may be called where an object is read-only */
} kith_method;

/** A type: how its objects are made, used and ended. It lives as long as the server. */
typedef struct kith_type {
    const char *name;
    const kith_method *methods; /**< ends with one whose name is NULL */
    /** Makes an object: kith_call_return_object gives it. NULL: clients can't create any; methods return them */
    kith_method_function *make;
    void (*end)(void *object); /**< frees an object; NULL: nothing to do */
    /** For snapshots: returns the object's state as a value, and makes an object of such a state, its one argument.
     *  They run on the thread of kith_server_run, while no method is at work on the object; so they should be quick.
     *  As long as one is, snapshots have the state of before. Both NULL: objects of this type are not kept */
    kith_method_function *save;
    kith_method_function *load;
} kith_type;

/** Adds a type. Not while kith_server_run is in progress.
 *  @return 0; -EEXIST when there is one of that name, as the built-in ones; -EINVAL when something is NULL that must
 *          not be, as a method's function, or one of save and load when the other is not; -ENOMEM */
KITH_API KITH_MUST_USE int kith_server_register(kith_server *server, const kith_type *type);

/** @return the keyword arguments of a call: a dict, empty when there are none */
KITH_API kith_value *kith_call_kwargs(const kith_call *call);

/** Makes an object the result of a constructor, or of a method with kith_method.returns. It is the server's from then
 *  on, which gives it to the type's end.
 *  @return 0; -EPERM where none is expected; -EINVAL for NULL; -ENOMEM */
KITH_API KITH_MUST_USE int kith_call_return_object(kith_call *call, void *object);

/** Says which exception the client gets when the method fails.
 *  @param exception  as "KeyError", of Python's builtins, or "decimal.InvalidOperation"
 *  @param args       a tuple of its arguments; NULL: one, the text that kith_fail gave
 *  @return KITH_EREMOTE, to be returned by the method; another code when it can't be told */
KITH_API int kith_call_raise(kith_call *call, const char *exception, const kith_value *args);

/** Which client calls: a number that is the client's as long as its connection lasts. @return it; 0 elsewhere */
KITH_API uint64_t kith_call_client(const kith_call *call);

/* ======== clients ======== */

/** A program's way to a server. Threads may use it at the same time: each has a connection of its own, made when it
 *  first calls, and what it acquires belongs to that thread. After a fork, the child's first call makes new ones. */
typedef struct kith_manager kith_manager;

/** How to connect; all zero is the default. What it points to is copied. */
typedef struct kith_manager_options {
    const void *authkey; /**< the server's */
    size_t authkey_size; /**< in bytes */
    int refuse_md5;      /**< see kith_client_options, as for the next two */
    const kith_tls_options *tls;
    int retry;            /**< counts for kith_manager_connect only: who calls later is told at once */
    uint64_t max_message; /**< the longest reply, in bytes, and then all stays on sockets; 0: no bound but memory */
    int no_shared_memory; /**< stay on sockets, also on the server's host */
} kith_manager_options;

/** Connects to a server, kith's or a Python manager's.
 *  @param manager  receives it; free it with kith_manager_free
 *  @param address  as kith_connect takes it. A relative path of a Unix socket is made absolute, and so stays good when
 *                  the working directory changes, and for those that are handed a proxy; unless that has more than 107
 *                  bytes
 *  @param timeout  how long it may take; and each connection that is made later
 *  @return 0; as kith_connect */
KITH_API KITH_MUST_USE int kith_manager_connect(kith_manager **manager, const char *address,
                                                const kith_manager_options *options, kith_timeout timeout);

/** Starts a server in a child process, and connects to it: a manager for this program and its children. The child ends
 *  with kith_manager_free, or when this process ends.
 *  @param set_up   called in the child before it serves, to register types and publish objects; NULL: nothing. What it
 *                  returns, if it is negative, is this call's failure
 *  @param context  handed to it
 *  @param options  NULL for the defaults, and then the authkey is made up; so it is when options has none
 *  @return 0; as kith_process_start, kith_server_new, kith_server_load and kith_manager_connect; KITH_ECLOSED when the
 *          child has ended in the middle of set_up */
KITH_API KITH_MUST_USE int kith_manager_start(kith_manager **manager, int (*set_up)(kith_server *server, void *context),
                                              void *context, const kith_server_options *options);

/** @return the server's address, as kith_manager_connect takes it, with an absolute path; "" when manager is NULL */
KITH_API const char *kith_manager_address(const kith_manager *manager);

/** The key, to be handed to others. @param size  receives its length in bytes. @return it; NULL when there is none */
KITH_API const void *kith_manager_authkey(const kith_manager *manager, size_t *size);

/** Whether the server is kith's. @return 1; 0 for Python's */
KITH_API int kith_manager_is_kith(const kith_manager *manager);

/** How many objects the server has. @return the number; as kith_proxy_call */
KITH_API KITH_MUST_USE int kith_manager_number_of_objects(kith_manager *manager);

/** Ends the server, for all its clients.
 *  @return 0; -EACCES when it does not let clients end it; KITH_ECLOSED when it is gone already; as kith_proxy_call */
KITH_API KITH_MUST_USE int kith_manager_shutdown(kith_manager *manager);

/** Closes its connections, ends the server if kith_manager_start has started it, and frees the handle. Its proxies must
 *  be freed before. NULL is fine. */
KITH_API void kith_manager_free(kith_manager *manager);

/* ---- proxies ---- */

/** Stands for an object of a server. The object lives as long as somebody has a proxy of it, some other object holds
 *  one, or it is published. A proxy may be used by several threads at the same time, and in children that are
 *  forked: each of these has a reference of its own once it has used it, and gives it back by kith_proxy_free. A kith
 *  server takes it back when the child ends; a stock one keeps the object then. kith/proxy.h has calls for the built-in
 *  types. */
typedef struct kith_proxy kith_proxy;

/** Creates an object, or asks for a published one.
 *  @param proxy   receives it; free it with kith_proxy_free, before the manager
 *  @param type    "dict", "Queue", ..., or the name of a published object
 *  @param args    a tuple for the constructor; KITH_NO_ARGS for none
 *  @param kwargs  a dict of keyword arguments; NULL for none
 *  @return 0; -ENOENT when the server knows no such type; -EACCES when its clients may use but what is published;
 *          -EINVAL when one of the others is NULL; as kith_proxy_call */
KITH_API KITH_MUST_USE int kith_manager_create(kith_manager *manager, kith_proxy **proxy, const char *type,
                                               const kith_value *args, const kith_value *kwargs);

/** Calls a method, and waits for its result. After KITH_ECLOSED the next call connects anew: to a server that came back
 *  with the same objects.
 *
 *  Every method can be called so, also those of types that only the server knows. A signal does not interrupt it.
 *
 *  @param method   its name, as Python has it: "append", "__getitem__"
 *  @param args     a tuple; KITH_NO_ARGS for none
 *  @param kwargs   a dict; NULL for none
 *  @param arena    owns the result; may be NULL when result is
 *  @param result   receives it; NULL: it is not wanted
 *  @param timeout  how long to wait for the answer. When it ends first, what became of the call is not known; this
 *                  thread's connection is closed, and with it goes what this thread holds of the server's locks
 *  @return 0; KITH_ECLOSED when the server is gone, or has closed this thread's connection, as it does when a message
 *          is longer than its max_message: what this thread holds of its locks is given back then; -ETIMEDOUT; when
 *          the method raised an exception, the code that suits it, KITH_EREMOTE for those that have none, and
 *          kith_error_detail has its text (the codes are those of kith_method_function;
 *          threading.BrokenBarrierError: KITH_EBROKEN); KITH_ETYPE also when it returns an object: use
 *          kith_proxy_call_object; as kith_connect, when this thread's connection is to be made, but for those that
 *          say that nobody listens any more, which are KITH_ECLOSED; as kith_pickle_write and kith_pickle_read; -EINVAL
 *          for NULL; -ENOMEM */
KITH_API KITH_MUST_USE int kith_proxy_call(kith_proxy *proxy, const char *method, const kith_value *args,
                                           const kith_value *kwargs, kith_arena *arena, kith_value **result,
                                           kith_timeout timeout);

/** Calls a method that returns an object: as an iterator of a dict, or what a pool's apply_async gives.
 *  @param object  receives a proxy of it; free it with kith_proxy_free
 *  @return as kith_proxy_call; KITH_ETYPE when it returns a value, which is dropped */
KITH_API KITH_MUST_USE int kith_proxy_call_object(kith_proxy *proxy, kith_proxy **object, const char *method,
                                                  const kith_value *args, const kith_value *kwargs,
                                                  kith_timeout timeout);

/** The exception behind this thread's last code from a call on a proxy or manager.
 *  @return its class, as "KeyError" or "decimal.InvalidOperation"; "" when the last such call raised none. It is the
 *          thread's, and stays until its next call */
KITH_API const char *kith_proxy_exception(void);

/** The proxy as a value, to be put into lists and queues, or sent to another program: Python makes a proxy of it when
 *  it reads it, and C by kith_proxy_from_value. The object must live until that has happened: keep the proxy so long.
 *  @return it; NULL when proxy or arena is NULL, or there is no memory */
KITH_API kith_value *kith_proxy_value(const kith_proxy *proxy, kith_arena *arena);

/** Whether a value stands for a proxy. @return 1 or 0 */
KITH_API int kith_value_is_proxy(const kith_value *value);

/** Makes a proxy of a value that kith_proxy_value, or a Python program, has made.
 *  @param manager  of the same server
 *  @return 0; KITH_ETYPE when it is none; -EXDEV when it is of another server; -ENOENT when the object is gone; as
 *          kith_proxy_call */
KITH_API KITH_MUST_USE int kith_proxy_from_value(kith_manager *manager, kith_proxy **proxy, const kith_value *value);

/** @return the object's type, or the name that it was asked for by; "" when proxy is NULL */
KITH_API const char *kith_proxy_type(const kith_proxy *proxy);

/** @return the object's id in its server; "" when proxy is NULL */
KITH_API const char *kith_proxy_id(const kith_proxy *proxy);

/** Gives the reference back, and frees the handle. The manager must be there still. NULL is fine.
 *
 *  A kith server's answer is not waited for (but once in 64 times); nor, for longer than a second, a connection to it
 *  where this thread has none, and then the reference ends with this process. A stock server is waited for, a second at
 *  most, and may keep the object if that was too short. */
KITH_API void kith_proxy_free(kith_proxy *proxy);

#ifdef __cplusplus
}
#endif

#endif
