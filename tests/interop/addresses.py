"""Addresses for tests, and what kith and Python call the same one. Standard library only."""

import itertools
import os
import socket
import tempfile

_folder = tempfile.TemporaryDirectory()  # for sockets
_numbers = itertools.count(1)


def new_path():
    return os.path.join(_folder.name, "socket-%d" % next(_numbers))


def new_name():
    return "kith-test-%d-%d" % (os.getpid(), next(_numbers))


KINDS = {
    "unix path": lambda: "unix:" + new_path(),
    "unix abstract": lambda: "unix:@" + new_name(),
    "IPv4": lambda: "tcp:127.0.0.1:0",
    "IPv6": lambda: "tcp:[::1]:0",
}


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


def kinds():
    return {name: make for name, make in KINDS.items() if name != "IPv6" or has_ipv6()}


def for_python(address):
    """(address, family) of Python's, for one of kith's."""
    scheme, rest = address.split(":", 1)
    if scheme == "unix":
        return ("\0" + rest[1:] if rest.startswith("@") else rest), "AF_UNIX"
    host, port = rest.rsplit(":", 1)
    return (host.strip("[]"), int(port)), "AF_INET6" if host.startswith("[") else "AF_INET"


def for_kith(address):
    """The other way round: one of IPv4 or of a Unix socket, whose name may be bytes."""
    if isinstance(address, tuple):
        return "tcp:%s:%d" % address
    address = os.fsdecode(address)
    return "unix:" + ("@" + address[1:] if address.startswith("\0") else address)


def plain_socket(address):
    """A connected socket that has said nothing yet."""
    where, family = for_python(address)
    plain = socket.socket(getattr(socket, family))
    try:
        plain.connect(where)
    except OSError:
        plain.close()
        raise
    return plain
