"""Connections, pipes, listeners and clients: the standard library's multiprocessing.connection, on libkith.

All names of that module are here; those below are kith's. On the wire they are one: either may be at either end. What
is different:

- A client of a Listener with an authkey that is silent, slow, or has another key holds up nobody: accept() goes on with
  the others. The client sees AuthenticationError or the end; the listener's log has a warning, and accept() raises
  nothing.
- The file of a Unix socket that a dead listener has left is replaced by the next one's.
"""

import errno
import fcntl
import os
import socket
import stat
import threading

from kith import _kith
from kith._stock import connection as stock
from kith._stock import reduction, util
from kith._stock.context import get_spawning_popen

globals().update((name, value) for name, value in vars(stock).items() if not name.startswith("__"))

from kith._kith import wait  # noqa: E402

__all__ = ["Client", "Listener", "Pipe", "wait"]


class Connection(_kith.Connection, stock.Connection):
    """One end of a pipe or of a socket that is connected: messages go both ways, as objects or as bytes.

    Connection(handle, readable=True, writable=True) takes any open descriptor, and closes it in the end.

    When the process at the other end dies, receiving raises EOFError once all is received (OSError in the middle of a
    message), and sending BrokenPipeError. A Connection may be given to a child, and sent over another one: then both
    processes have this end, and may use it by turns.
    """


def Pipe(duplex=True):
    """Returns the two ends of a pipe; with duplex=False the first only receives, and the second only sends.

    Messages go through shared memory until somebody asks for a descriptor, as selectors and asyncio do (not wait() and
    poll()). From then on they go by a socket, as the standard library's.
    """
    return Connection._pair(duplex)


def reduce_connection(connection):
    """What a Connection pickles as: its descriptors are handed over on their own way (multiprocessing.reduction)."""
    descriptors = [None if descriptor < 0 else _hand_over(descriptor) for descriptor in connection._share()]
    return _rebuild, (descriptors, connection.readable, connection.writable)


class _HandedOver:
    """A descriptor on its way to another process, once, though several of the objects that go there may have it."""

    descriptor = None  # there; when it has arrived

    def __init__(self, descriptor):
        self.way = reduction.DupFd(descriptor)

    def arrive(self):
        if self.descriptor is None:
            self.descriptor = self.way.detach()
        return self.descriptor

    def __del__(self):
        if self.descriptor is not None:
            os.close(self.descriptor)


def _hand_over(descriptor):
    # Both ends of a pipe have the same memory. The start of a process takes each descriptor once.
    starting = get_spawning_popen()
    if starting is None:
        return _HandedOver(descriptor)
    known = vars(starting).setdefault("_handed_over", {})
    if descriptor not in known:
        known[descriptor] = _HandedOver(descriptor)
    return known[descriptor]


def _rebuild(descriptors, readable, writable):
    # Not rebuild_connection, which remains the one that the standard library's own connections pickle as.
    handed = tuple(-1 if descriptor is None else descriptor.arrive() for descriptor in descriptors)
    if handed[1:] == (-1, -1):
        return Connection(os.dup(handed[0]), readable, writable)
    return Connection._from_share(handed, readable, writable)


reduction.register(Connection, reduce_connection)


# ---- listeners ----

class SocketListener(stock.SocketListener):
    """A socket that listens; what Listener is made of."""

    _door = None  # (process id, its _kith.Doorkeeper, a lock for those of its threads that accept)
    _lobby = None  # two sockets, between which clients wait that one process has begun with, and another goes on with

    def __init__(self, address, family, backlog=1):
        try:
            super().__init__(address, family, backlog)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or family != "AF_UNIX" or not _remove_abandoned(address):
                raise
            super().__init__(address, family, backlog)

    def accept(self, authkey=None):
        """Returns a Connection to the next client; with an authkey, to the next that has proved to know it."""
        if authkey is None:
            if self._socket.gettimeout() is None:
                wait([self._socket])  # which misses no signal
            client, self._last_accepted = self._socket.accept()
        else:
            client = self._accept_proved(authkey)
        client.setblocking(True)
        return Connection(client.detach())

    def _accept_proved(self, authkey):
        _, keeper, lock = self._keeper(authkey)
        with lock:
            before = keeper.dismissed
            try:
                descriptor = keeper.accept(self._socket.gettimeout())
            except TimeoutError:
                raise socket.timeout("timed out") from None
            dismissed = keeper.dismissed - before
        if dismissed:
            util.sub_warning("listener at %r: %d clients had a wrong key, or took too long", self._address, dismissed)
        client = socket.socket(fileno=descriptor)
        try:
            self._last_accepted = client.getpeername()
        except OSError:  # it has gone already
            self._last_accepted = None
        return client

    def open_lobby(self):
        """To be called before other processes get this object, if they are to accept with an authkey."""
        self._lobby = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def _keeper(self, authkey):
        if self._door is None or self._door[0] != os.getpid():
            if self._lobby is None:
                self.open_lobby()
            lobby = tuple(end.fileno() for end in self._lobby)
            self._door = os.getpid(), _kith.Doorkeeper(self._socket.fileno(), authkey, lobby), threading.Lock()
        return self._door

    def close(self):
        """Closes the socket, and removes its file.

        Clients who are proving themselves go on where another process has it and accepts; else they see the end.
        """
        if self._door is not None:
            self._door[1].close()
        for end in self._lobby or ():
            end.close()
        super().close()


def _remove_abandoned(path):
    """Removes a Unix socket's file if nobody has that socket any more. Returns whether it did."""
    if util.is_abstract_socket_namespace(path):
        return False
    folder = os.open(os.path.dirname(path) or os.curdir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)  # of several who would replace it, one does
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            return False
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
            # One that lives refuses a datagram for its type, and its owner notices nothing.
            if probe.connect_ex(path) != errno.ECONNREFUSED:
                return False
        os.unlink(path)
        return True
    except OSError:
        return False
    finally:
        os.close(folder)


class Listener(stock.Listener):
    """Takes connections in.

    address  where to listen: (host, port) or the path of a Unix socket; None: somewhere, as the attribute says
    family   "AF_INET" or "AF_UNIX"; None: as the address is, or as the platform likes it
    backlog  how many clients may wait until accept() sees them
    authkey  what clients must prove to know: bytes; None: nothing

    A socket's file is removed when the listener is closed or collected.
    """

    def __init__(self, address=None, family=None, backlog=1, authkey=None):
        if authkey is not None and not isinstance(authkey, bytes):
            raise TypeError("authkey should be a byte string")
        family = family or (address and stock.address_type(address)) or stock.default_family
        stock._validate_family(family)
        self._listener = SocketListener(address or stock.arbitrary_address(family), family, backlog)
        self._authkey = authkey
        if authkey is not None:
            self._listener.open_lobby()

    def accept(self):
        """Waits for a client, and returns a Connection to it.

        With an authkey, for one that has proved to know it, as it has been proved to it that we do. Others hold up
        nobody and raise nothing; each has ten seconds.
        """
        if self._listener is None:
            raise OSError("listener is closed")
        return self._listener.accept(self._authkey)


# ---- clients ----

def SocketClient(address):
    """Returns a Connection to whoever listens at an address, who has proved nothing."""
    family = stock.address_type(address)
    with socket.socket(getattr(socket, family)) as client:
        client.connect(address)
        if family == "AF_INET":  # else the second of two messages may wait until the first is acknowledged
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Connection(client.detach())


def Client(address, family=None, authkey=None):
    """Connects to a Listener, and returns the Connection.

    With an authkey, both sides prove that they know it; else AuthenticationError is raised. Raises FileNotFoundError or
    ConnectionRefusedError when nobody listens there, EOFError or ConnectionResetError when he leaves in between.
    """
    stock._validate_family(family or stock.address_type(address))
    if authkey is not None and not isinstance(authkey, bytes):
        raise TypeError("authkey should be a byte string")
    connection = SocketClient(address)
    if authkey is not None:
        try:
            stock.answer_challenge(connection, authkey)
            stock.deliver_challenge(connection, authkey)
        except BaseException:
            connection.close()
            raise
    return connection


# ---- XML-RPC ----

def _xml_dumps(obj):
    from xmlrpc import client
    return client.dumps((obj,), None, None, None, True).encode("utf-8")


def _xml_loads(data):
    from xmlrpc import client
    (obj,), _ = client.loads(data.decode("utf-8"))
    return obj


class XmlListener(Listener):
    """A Listener whose connections carry XML-RPC's values instead of pickles."""

    def accept(self):
        """Waits for a client, as Listener.accept."""
        return stock.ConnectionWrapper(super().accept(), _xml_dumps, _xml_loads)


def XmlClient(*args, **kwds):
    """Connects as Client, to an XmlListener."""
    return stock.ConnectionWrapper(Client(*args, **kwds), _xml_dumps, _xml_loads)
