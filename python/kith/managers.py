"""Managers: the standard library's multiprocessing.managers, over kith's connections.

All names of that module are here; those below are kith's. Servers and proxies of either may talk to each other. What is
different:

- Clients prove that they know the key before a thread of the server's is theirs: so one that is silent costs nothing.
- A server that start() has begun ends when the process that called it is killed.
- A manager's Queue and JoinableQueue, and queues of kith's that a registered callable returns, are in shared memory. A
  proxy on the same host and of the same user has the queue handed over, and puts and gets without the server.
- Calls of such a proxy go through shared memory, where the server listens at a Unix socket.
"""

import os
import queue
import resource
import socket
import sys
import threading
import time
import traceback

from kith import _kith, connection, shared_memory
from kith._stock import managers as stock
from kith._stock import process, reduction, resource_tracker, util
from kith.connection import Client, Connection, Listener, Pipe, XmlClient, XmlListener

globals().update((name, value) for name, value in vars(stock).items() if not name.startswith("__"))

from kith._stock.managers import Token, dispatch  # noqa: E402

__all__ = list(stock.__all__)

listener_client = {
    "pickle": (Listener, Client),
    "xmlrpclib": (XmlListener, XmlClient),
}

# What a server of kith's answers to accept_connection, where a stock one answers None.
_GREETING = "kith"

# How long a proxy that waits in a queue goes without a look at whether the server lives, in seconds.
_SLICE = 0.1


# ---- queues in the server ----

class ManagedQueue:
    """What SyncManager().Queue() and JoinableQueue() make in the server: queue.Queue's methods, in shared memory.

    maxsize  how many items it may hold; 0 or less: no bound
    """

    def __init__(self, maxsize=0):
        self._queue = _kith.Queue()
        self._queue._create(max(0, maxsize), 0, False, 0, None)

    def put(self, item, block=True, timeout=None):
        """Puts an item; raises queue.Full when there is no room in time."""
        _check_timeout(block, timeout)
        self._queue.put(item, block, timeout)

    def get(self, block=True, timeout=None):
        """Takes an item; raises queue.Empty when there is none in time."""
        _check_timeout(block, timeout)
        return self._queue.get(block, timeout)

    def put_nowait(self, item):
        """Puts an item, or raises queue.Full."""
        self._queue.put(item, False)

    def get_nowait(self):
        """Takes an item, or raises queue.Empty."""
        return self._queue.get(False)

    def qsize(self):
        """How many items are queued."""
        return self._queue.qsize()

    def empty(self):
        """Whether nothing is queued."""
        return self._queue.empty()

    def full(self):
        """Whether there is no room."""
        return self._queue.full()

    def task_done(self):
        """Says that an item that was taken is done with; raises ValueError when there is none."""
        self._queue.task_done()

    def join(self):
        """Waits until all items that were put are done with."""
        self._queue.join()

    if hasattr(queue.Queue, "shutdown"):  # from Python 3.13 on

        def shutdown(self, immediate=False):
            """Ends putting; getting ends when nothing is left, which immediate=True sees to."""
            self._queue.shut()
            while immediate:
                try:
                    self._queue.get(False)
                    self._queue.task_done()
                except (queue.Empty, queue.ShutDown):
                    break


def _check_timeout(block, timeout):
    if block and timeout is not None and timeout < 0:
        raise ValueError("'timeout' must be a non-negative number")


def _shared_queue(obj):
    """The queue of kith's that an object of the server's is; None when it is none."""
    obj = obj._queue if isinstance(obj, ManagedQueue) else obj
    return obj if isinstance(obj, _kith.Queue) else None


def _socket_of(conn):
    """A socket object, to be closed, for the socket of a connection."""
    return socket.socket(fileno=os.dup(conn.fileno()))


def _is_near(conn):
    """Whether at the other end of a connection there is a process of this host and user."""
    try:
        with _socket_of(conn) as peer:
            if peer.family != socket.AF_UNIX:
                return False
            credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    except (AttributeError, OSError):
        return False
    return int.from_bytes(credentials[4:8], "little") == os.geteuid()


def _are_few(descriptor):
    """Whether few descriptors are in use, now that this one is taken, the lowest that was free.

    To go on in shared memory takes eight for a moment, and then three. From a quarter of the bound on all stay at their
    sockets, so that there are enough for many more.
    """
    bound = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return bound == resource.RLIM_INFINITY or descriptor < bound // 4


# ---- the server ----

class _Moved(BaseException):
    """A client goes on at another connection. (Not an Exception: those that serve_client sees are answered.)"""

    def __init__(self, conn):
        self.conn = conn


class Server(stock.Server):
    """What runs in a manager's process. Get one from a manager by get_server()."""

    def __init__(self, registry, address, authkey, serializer):
        if not isinstance(authkey, bytes):
            raise TypeError("Authkey %r is type %s, not bytes" % (authkey, type(authkey)))
        self.registry = registry
        self.authkey = process.AuthenticationString(authkey)
        self.listener = listener_client[serializer][0](address=address, backlog=128, authkey=self.authkey)
        self.address = self.listener.address
        self.id_to_obj = {"0": (None, (), None)}  # of which a client asks what concerns its connection
        self.id_to_refcount = {}
        self.id_to_local_proxy_obj = {}
        self.mutex = threading.Lock()

    def accepter(self):
        """Takes clients that have proved themselves, and gives each a thread."""
        while True:
            try:
                conn = self.listener.accept()
            except OSError as error:
                util.info("manager can't take a client: %s", error)
                time.sleep(0.01)  # as a rule there are too many of them
                continue
            threading.Thread(target=self.handle_request, args=(conn,), daemon=True).start()

    def handle_request(self, conn):
        """Does what a client that has proved itself asks for, and answers."""
        request = None
        try:
            try:
                request = conn.recv()
                _, name, args, kwds = request
                if name not in self.public:
                    raise AssertionError("%r unrecognized" % (name,))
                message = "#RETURN", getattr(self, name)(conn, *args, **kwds)
            except Exception:
                message = "#TRACEBACK", traceback.format_exc()
            self._answer(conn, message, request)
        except SystemExit:  # so serve_client ends
            pass
        finally:
            conn.close()

    def _answer(self, conn, message, request):
        try:
            conn.send(message)
        except Exception as error:
            try:
                conn.send(("#TRACEBACK", traceback.format_exc()))
            except Exception:
                pass
            util.info("Failure to send message: %r (%r); request was %r", message, error, request)

    def accept_connection(self, c, name):
        """Serves a proxy's connection from now on, in this thread."""
        threading.current_thread().name = name
        c.send(("#RETURN", _GREETING))
        while c is not None:
            c = self._serve(c)
        sys.exit()  # the server stops, and no answer is owed

    def _serve(self, conn):
        """Serves a connection to its end. Returns the one at which its client goes on, if there is one."""
        try:
            self.serve_client(conn)
        except _Moved as moved:
            return moved.conn
        finally:
            conn.close()
        return None

    def fallback_queue(self, conn, ident, obj):
        """Answers whether an object is a queue that the client may have, and hands it over before the reply."""
        shared = _shared_queue(obj)
        given = shared is not None and _is_near(conn)
        conn.send(("#RETURN", given))
        if given:
            reduction.send_handle(conn, shared._share_fd(), None)

    def fallback_near(self, conn, ident, obj):
        """Goes on at a pipe through shared memory, whose other end the client gets; or says that there is none."""
        try:
            if not _is_near(conn):
                return False
            ours, theirs = Pipe()
        except OSError:  # no descriptors left
            return False
        with theirs:
            descriptors = theirs._share()
            if -1 in descriptors or not _are_few(max(descriptors)):  # with -1, it is of plain sockets
                ours.close()
                return False
            conn.send(("#RETURN", True))
            with _socket_of(conn) as channel:
                reduction.sendfds(channel, descriptors)
        raise _Moved(ours)

    fallback_mapping = dict(stock.Server.fallback_mapping, **{"#QUEUE": fallback_queue, "#NEAR": fallback_near})


def _end_with(parent):
    """Stops the server that this process runs when the process that has started it ends."""
    try:
        descriptor = os.pidfd_open(parent)
    except ProcessLookupError:
        pass
    except OSError:  # a kernel that has no such call
        return
    else:
        connection.wait([descriptor])
        os.close(descriptor)
    while not hasattr(process.current_process(), "_manager_server"):
        time.sleep(0.01)  # it is just about to begin
    process.current_process()._manager_server.stop_event.set()


# ---- the manager ----

def _context():
    import kith
    return kith.get_context()


class BaseManager(stock.BaseManager):
    """Starts a server, or connects to one, and makes proxies of its objects.

    address           where the server is to listen, or listens: as Listener's and Client's; None: somewhere
    authkey           bytes that clients and server must both know; None: current_process().authkey
    serializer        "pickle" or "xmlrpclib"
    ctx               the context that the server's process is made by; None: the default one
    shutdown_timeout  in seconds, from Python 3.11 on

    When the server dies, calls of its proxies raise EOFError, ConnectionResetError or BrokenPipeError at once.
    """

    _Server = Server

    def __init__(self, address=None, authkey=None, serializer="pickle", ctx=None, **options):
        stock.BaseManager.__init__(self, address, authkey, serializer, ctx or _context(), **options)
        self._Listener, self._Client = listener_client[serializer]

    def get_server(self):
        """Returns a server that has begun to listen, for this process: call its serve_forever()."""
        if self._state.value != stock.State.INITIAL:
            return super().get_server()  # which says what is wrong
        return self._Server(self._registry, self._address, self._authkey, self._serializer)

    def connect(self):
        """Connects to a server that runs already, at the manager's address."""
        conn = self._Client(self._address, authkey=self._authkey)
        try:
            dispatch(conn, None, "dummy")
        finally:
            conn.close()
        self._state.value = stock.State.STARTED

    @classmethod
    def _run_server(cls, registry, address, authkey, serializer, writer, initializer=None, initargs=()):
        threading.Thread(target=_end_with, args=(process.parent_process().pid,), daemon=True).start()
        super()._run_server(registry, address, authkey, serializer, writer, initializer, initargs)

    @classmethod
    def register(cls, typeid, callable=None, proxytype=None, exposed=None, method_to_typeid=None, create_method=True):
        """Registers a type of objects, and makes a method of that name that creates one and returns its proxy.

        typeid            its name
        callable          what makes an object, in the server; None: this manager is a client only
        proxytype         a subclass of BaseProxy; None: AutoProxy
        exposed           names of the methods that proxies may call; None: the proxytype's, or all public ones
        method_to_typeid  for methods whose result is to be a proxy: name to typeid
        create_method     False makes no method of that name
        """
        super().register(typeid, callable, AutoProxy if proxytype is None else proxytype, exposed, method_to_typeid,
                         create_method)


# ---- proxies ----

def _go_near(conn):
    """The connection at which to go on with a server of kith's: one in shared memory, or else this one.

    None, and this one is closed, when descriptors are too scarce here to have the other."""
    if not dispatch(conn, "0", "#NEAR"):
        return conn
    descriptors = ()
    try:
        with conn, _socket_of(conn) as channel:
            descriptors = socket.recv_fds(channel, 1, 3)[1]
        if len(descriptors) < 3:
            return None
        near = Connection._from_share(tuple(descriptors), True, True)
    except OSError:
        return None
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    near._serves_kith = True
    return near


def _exchange(conn, request):
    """Sends a request, and returns the answer. Until that is here, conn._owes is true."""
    message = getattr(conn, "_dumps", _kith.dumps)(request)
    conn._owes = True
    try:
        conn.send_bytes(message)
        answer = conn.recv_bytes()
    except (EOFError, ConnectionError):  # nothing more comes, as the next call is told, too
        conn._owes = False
        raise
    conn._owes = False
    return getattr(conn, "_loads", _kith.loads)(answer)


class BaseProxy(stock.BaseProxy):
    """What stands for an object of a server's: its methods are done there, and their results come back.

    When a signal's handler raises in the middle of a call, as KeyboardInterrupt, its answer is nobody's: this thread's
    next call begins a new connection. To the server that is another thread, and an RLock of the former one's is locked.
    """

    # The standard library's BaseProxy takes the client from its own table: not so here.
    _Client = property(lambda self: listener_client[self._serializer][1], lambda self, client: None)

    def _connect(self):
        conn = self._meet()
        near = conn._serves_kith and _are_few(conn.fileno())
        self._tls.connection = (_go_near(conn) or self._meet()) if near else conn

    def _line(self):
        """This thread's connection to the server."""
        conn = getattr(self._tls, "connection", None)
        if conn is not None and getattr(conn, "_owes", False):
            conn.close()
            conn = None
        if conn is None:
            self._connect()
            conn = self._tls.connection
        return conn

    def _callmethod(self, methodname, args=(), kwds={}):
        """Has the server do a method of the object, and returns its result."""
        kind, result = _exchange(self._line(), (self._id, methodname, args, kwds))
        if kind == "#RETURN":
            return result
        if kind == "#PROXY":
            return self._proxy_of(*result)
        try:
            raise stock.convert_to_error(kind, result)
        finally:
            del result  # which has this frame in its traceback

    def _proxy_of(self, exposed, token):
        """A proxy of what a method has returned, of which the server holds a reference until there is ours."""
        token.address = self._token.address  # as we reach it
        made = self._manager._registry[token.typeid][-1](token, self._serializer, manager=self._manager,
                                                         authkey=self._authkey, exposed=exposed)
        conn = self._Client(token.address, authkey=self._authkey)
        try:
            dispatch(conn, None, "decref", (token.id,))
        finally:
            conn.close()
        return made

    def _meet(self):
        """A new connection to the server; its _serves_kith says whether what kith's servers know may be asked for."""
        name = process.current_process().name
        if threading.current_thread() is not threading.main_thread():
            name += "|" + threading.current_thread().name
        conn = self._Client(self._token.address, authkey=self._authkey)
        greeting = dispatch(conn, None, "accept_connection", (name,))
        conn._serves_kith = greeting == _GREETING and self._serializer == "pickle"
        return conn

    def __reduce__(self):
        if getattr(_putting, "near", False):
            raise _HoldsProxy
        _, (kind, *rest) = super().__reduce__()
        return RebuildProxy, (AutoProxy if kind is stock.AutoProxy else kind, *rest)


def RebuildProxy(func, token, serializer, kwds):
    """Makes a proxy of what its pickle says, in the process that reads it."""
    return stock.RebuildProxy(func, token, serializer, kwds)


# ---- proxies of queues ----

class _HoldsProxy(Exception):
    """What is to be put near holds a proxy, whose object the server must keep until it is got."""


_putting = threading.local()  # .near: this thread pickles an item for a near queue


class QueueProxy(BaseProxy):
    """A proxy of a queue. Where it can, it has the queue itself, and puts and gets without the server.

    When the server ends, all calls raise, as those of other proxies: one that waits does so within a tenth of a second.
    """

    _near_queue = False  # not asked for yet; None: there is none

    def _find(self):
        """This thread's connection to the server, and the near queue or None."""
        conn = self._line()
        if self._near_queue is False:
            self._near_queue = self._ask() if conn._serves_kith else None
        return conn, self._near_queue

    def _ask(self):
        with self._meet() as conn:  # descriptors go by a socket
            descriptor = reduction.recv_handle(conn) if dispatch(conn, self._id, "#QUEUE") else None
        if descriptor is None:
            return None
        try:
            near = _kith.Queue()
            near._attach(descriptor)
            return near
        finally:
            os.close(descriptor)

    def _call_near(self, name):
        """Does what takes no time."""
        conn, near = self._find()
        if near is None or conn.poll():  # no reply is owed, so there is nothing but the end
            return self._callmethod(name)
        return getattr(near, name)()

    def _wait_near(self, name, *args):
        """Does what may have to wait: block and timeout are the last of args."""
        conn, near = self._find()
        *item, block, timeout = args
        if near is None or block and timeout is not None and timeout < 0:
            return self._callmethod(name, args)
        method = getattr(near, name)
        if not block:
            timeout = 0
        until = None if timeout is None else time.monotonic() + timeout
        patience = 0
        while not conn.poll():
            try:
                return method(*item, patience > 0, patience)
            except (queue.Empty, queue.Full):
                patience = _SLICE if until is None else min(_SLICE, until - time.monotonic())
                if patience <= 0:
                    raise
        return self._callmethod(name, args)  # the server has gone, and this says so


class _QueueMethods:
    """Those of a QueueProxy's methods that go past the server."""

    def put(self, item, block=True, timeout=None):
        """Puts an item; raises queue.Full when there is no room in time."""
        _putting.near = True
        try:
            return self._wait_near("put", item, block, timeout)
        except _HoldsProxy:
            _putting.near = False
            return self._callmethod("put", (item, block, timeout))
        finally:
            _putting.near = False

    def get(self, block=True, timeout=None):
        """Takes an item; raises queue.Empty when there is none in time."""
        return self._wait_near("get", block, timeout)

    def put_nowait(self, item):
        """Puts an item, or raises queue.Full."""
        return self.put(item, False)

    def get_nowait(self):
        """Takes an item, or raises queue.Empty."""
        return self.get(False)

    def qsize(self):
        """How many items are queued."""
        return self._call_near("qsize")

    def empty(self):
        """Whether nothing is queued."""
        return self._call_near("empty")

    def full(self):
        """Whether there is no room."""
        return self._call_near("full")

    def task_done(self):
        """Says that an item that was taken is done with; raises ValueError when there is none."""
        return self._call_near("task_done")


# ---- kinds of proxies ----

_types = {}


def _make_type(base, name, exposed):
    key = base, name, tuple(exposed)
    if key not in _types:
        near = {} if base is BaseProxy else {
            method: function for method, function in vars(_QueueMethods).items() if method in exposed}
        _types[key] = type(name, (base, stock.MakeProxyType(name, exposed)), dict(near, __module__=__name__))
    return _types[key]


def MakeProxyType(name, exposed):
    """Returns a subclass of BaseProxy with methods of these names."""
    return _make_type(BaseProxy, name, exposed)


def AutoProxy(token, serializer, manager=None, authkey=None, exposed=None, incref=True, manager_owned=False):
    """Returns a proxy with all methods that the server exposes."""
    if exposed is None:
        conn = listener_client[serializer][1](token.address, authkey=authkey)
        try:
            exposed = dispatch(conn, None, "get_methods", (token,))
        finally:
            conn.close()
    base = QueueProxy if {"put", "get", "qsize"}.issubset(exposed) else BaseProxy
    proxy = _make_type(base, "AutoProxy[%s]" % token.typeid, exposed)(
        token, serializer, manager=manager, authkey=authkey, exposed=exposed, incref=incref,
        manager_owned=manager_owned)
    proxy._isauto = True
    return proxy


def _better(kind, made={stock.BaseProxy: BaseProxy}):
    """The class of proxies that is to the standard library's one as BaseProxy is to its BaseProxy."""
    if kind not in made:
        bases = tuple(_better(base) for base in kind.__bases__ if base is not object)
        made[kind] = type(kind.__name__, bases + (kind,), {
            "__module__": __name__, "__doc__": kind.__doc__ or "A proxy with the methods of a %s: see BaseProxy."
            % kind.__name__.replace("Base", "").replace("Proxy", "").lower()})
    return made[kind]


globals().update((name, _better(kind)) for name, kind in vars(stock).items()
                 if isinstance(kind, type) and issubclass(kind, stock.BaseProxy))


# ---- managers of the usual objects ----

class SyncManager(BaseManager, stock.SyncManager):
    """A manager of the objects that threads use: Queue, Lock, Event, dict, list, and so on."""


def _make_pool(*args, **kwds):
    from kith.pool import Pool
    return Pool(*args, **kwds)


_makers = {"Queue": ManagedQueue, "JoinableQueue": ManagedQueue, "Pool": _make_pool}

# What the methods of a SyncManager say they return a proxy of.
_DOCS = {
    "Queue": "a queue in shared memory. Queue(maxsize=0); 0: no bound",
    "JoinableQueue": "a queue in shared memory, as of Queue(): each has task_done() and join()",
    "Event": "a threading.Event. Event()",
    "Lock": "a threading.Lock. Lock(). What a client held when it died stays locked",
    "RLock": "a threading.RLock. RLock(). What a client's thread held when it ended stays locked",
    "Semaphore": "a threading.Semaphore. Semaphore(value=1)",
    "BoundedSemaphore": "a threading.BoundedSemaphore. BoundedSemaphore(value=1)",
    "Condition": "a threading.Condition. Condition(lock=None); lock: a proxy of a Lock or an RLock",
    "Barrier": "a threading.Barrier. Barrier(parties, action=None, timeout=None)",
    "Pool": "a kith.pool.Pool, whose parent the server is. Its arguments",
    "list": "a list. list(), or list(sequence)",
    "dict": "a dict. dict(), or dict(mapping), or dict(sequence of pairs), and keywords",
    "Value": "an object with an attribute value, which takes what it is given. Value(typecode, value)",
    "Array": "an array.array. Array(typecode, sequence)",
    "Namespace": "an object with the attributes that it is given. Namespace(**attributes)",
}

for _typeid, (_callable, _, _, _kind) in stock.SyncManager._registry.items():
    SyncManager.register(_typeid, _makers.get(_typeid, _callable), _better(_kind) if isinstance(_kind, type) else None,
                         create_method=hasattr(stock.SyncManager, _typeid))
    if _typeid in _DOCS:
        getattr(SyncManager, _typeid).__doc__ = "Has the server make, and returns a proxy of, %s." % _DOCS[_typeid]


# ---- shared memory ----

class SharedMemoryServer(Server, stock.SharedMemoryServer):
    """The server of a SharedMemoryManager: it removes the segments that its clients have made when it ends."""

    def __init__(self, *args, **kwds):
        Server.__init__(self, *args, **kwds)
        self.shared_memory_context = stock._SharedMemoryTracker("shm_%s_%d" % (os.fsdecode(self.address)
                                                                if isinstance(self.address, bytes) else self.address,
                                                                os.getpid()))


class SharedMemoryManager(BaseManager, stock.SharedMemoryManager):
    """A manager of shared memory segments, which go when it ends."""

    _Server = SharedMemoryServer

    def __init__(self, *args, **kwds):
        resource_tracker.ensure_running()  # before the server starts, so that it has the same one
        BaseManager.__init__(self, *args, **kwds)

    def _track(self, made, segment):
        with self._Client(self._address, authkey=self._authkey) as conn:
            try:
                dispatch(conn, None, "track_segment", (segment.name,))
            except BaseException:
                segment.unlink()
                raise
        return made

    def SharedMemory(self, size):
        """Makes a segment of shared memory, of so many bytes."""
        segment = shared_memory.SharedMemory(None, create=True, size=size)
        return self._track(segment, segment)

    def ShareableList(self, sequence):
        """Makes a list in shared memory of the values of a sequence."""
        shareable = shared_memory.ShareableList(sequence)
        return self._track(shareable, shareable.shm)
