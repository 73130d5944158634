"""What the tests of kith serve share: servers that end with their test, and stock Python's clients."""

import contextlib
import re

from house import KEY, Running, files, place
from multiprocessing import current_process
from multiprocessing.managers import (ArrayProxy, BarrierProxy, BaseManager, BaseProxy, DictProxy, EventProxy,
                                      IteratorProxy, ListProxy, NamespaceProxy, ValueProxy)
from tap import equal

current_process().authkey = KEY  # of proxies that come in other objects

GONE = (EOFError, ConnectionResetError, BrokenPipeError)  # the server has hung up
PROXIES = {"dict": DictProxy, "list": ListProxy, "Event": EventProxy, "Value": ValueProxy, "Array": ArrayProxy,
           "Namespace": NamespaceProxy, "Barrier": BarrierProxy}


@contextlib.contextmanager
def serve(*arguments, quiet=True, **how):
    """Runs kith serve until the end of the block; then it must end well, and have said nothing on stderr."""
    server = Running("serve", *arguments, **how)
    try:
        yield server
        if server.process.returncode is None:
            err = server.stop()
            if quiet:
                equal(err, "")
    finally:
        server.clean_up()


@contextlib.contextmanager
def served(*objects, more=(), quiet=True):
    """A server of such objects at a Unix socket, with a manager's client for each of their names."""
    with files(key=KEY) as path:
        options = [word for each in objects for word in ("--object", each)]
        with serve("unix:" + path("socket"), "--authkey-file", path("key"), *options, *more, quiet=quiet) as server:
            yield client_of(server, *objects)


def client_of(server, *objects, authkey=KEY):
    class Manager(BaseManager):
        pass

    for each in objects:
        name, kind = re.match("(.*?)=([A-Za-z]+)", each).groups()
        Manager.register(name, proxytype=PROXIES.get(kind))
    Manager.register("Iterator", proxytype=IteratorProxy)
    BaseProxy._address_to_local.clear()  # else proxies share the connections to a server of the same address before
    manager = Manager(place(server.address), authkey)
    manager.connect()
    return manager


def raises(exception, function, *arguments):
    try:
        done = function(*arguments)
    except exception as error:
        return str(error)
    raise AssertionError("%s was not raised, but it returned %r" % (exception, done))
