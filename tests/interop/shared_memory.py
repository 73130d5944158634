"""Tests kith against the multiprocessing of the Python that runs this: shared memory, lists, descriptors.

usage: shared_memory.py PEER    PEER is the program made of peer.c
"""

import contextlib
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "examples"))
from tap import equal, run, run_all, test

try:
    from multiprocessing import resource_tracker, shared_memory
except ImportError:
    print("1..0 # SKIP this Python has no shared memory: it came with 3.8")
    sys.exit(0)

program = sys.argv[1]
name = "kith-test-interop-%d" % os.getpid()
track = {"track": False} if sys.version_info >= (3, 13) else {}


def peer(*arguments):
    """What the C program prints; it must end well."""
    status, out, err = run(program, *arguments)
    assert (status, err) == (0, b""), "peer %r: status %d, %r %r" % (arguments, status, out, err)
    return out.decode()


def peer_fails(*arguments):
    status, out, err = run(program, *arguments)
    equal(status, 1)
    return out.decode()


def untracked(memory):
    """Before 3.13, a segment that this program only attached to is unlinked at its end, unless it says otherwise."""
    if not track:
        resource_tracker.unregister("/" + memory.name, "shared_memory")
    return memory


@contextlib.contextmanager
def unlinked_afterwards():
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink("/dev/shm/" + name)


@contextlib.contextmanager
def attached():
    memory = untracked(shared_memory.SharedMemory(name, **track))
    try:
        yield memory
    finally:
        memory.close()


@contextlib.contextmanager
def created(size):
    memory = shared_memory.SharedMemory(name, create=True, size=size)
    try:
        yield memory
    finally:
        memory.close()
        memory.unlink()


# ---- segments ----


@test
def python_attaches():
    """Python attaches to a segment of kith's, and both see what either writes."""
    with unlinked_afterwards():
        equal(peer("segment-create", name, "5000", "from kith"), name + "\n")
        with attached() as memory:
            equal(memory.size, 5000)
            equal(bytes(memory.buf[:10]), b"from kith\0")
            memory.buf[:12] = b"from Python\0"
            equal(peer("segment-print", name)[:24], b"from Python\0".hex())
        peer("segment-unlink", name)
        equal(os.path.exists("/dev/shm/" + name), False)


@test
def kith_attaches():
    """kith attaches to a segment of Python's, and both see what either writes."""
    with created(5000) as memory:
        memory.buf[:12] = b"from Python\0"
        equal(peer("segment-print", name), (b"from Python\0" + bytes(4988)).hex() + "\n")
        peer("segment-write", "/" + name, "from kith")
        equal(bytes(memory.buf[:10]), b"from kith\0")


@test
def made_up_names():
    """a name that kith makes up is like Python's."""
    made_up = peer("segment-make-up").rstrip()
    memory = shared_memory.SharedMemory(create=True, size=10)
    try:
        equal((len(made_up), made_up[:4]), (len(memory.name), memory.name[:4]))
    finally:
        memory.close()
        memory.unlink()
        peer("segment-unlink", made_up)


@test
def names_taken():
    """neither makes what the other has made."""
    with created(10):
        assert "EEXIST" in peer_fails("segment-create", name, "10", "")
    with unlinked_afterwards():
        peer("segment-create", name, "10", "")
        try:
            shared_memory.SharedMemory(name, create=True, size=10)
            raise AssertionError("Python made it")
        except FileExistsError:
            pass


# ---- lists ----

values = [None, False, True, 0, -2**63, 2**63 - 1, 0.1, -1e300, "", "seven 7", "eight  8", "a text", b"", b"\xff\0\xfe",
          b"exactly 16 bytes"]


def printed(value):
    """How the peer prints an item."""
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        return "str " + value.encode().hex()
    if isinstance(value, bytes):
        return "bytes " + value.hex()
    return "%s %.17g" % ("float", value) if isinstance(value, float) else "int %d" % value


def printed_list():
    return peer("list-print", name).splitlines()


@test
def kith_reads_a_list():
    """kith reads a list of Python's."""
    shareable = shared_memory.ShareableList(values, name=name)
    try:
        equal(printed_list(), [printed(value) for value in values])
    finally:
        shareable.shm.close()
        shareable.shm.unlink()


@test
def kith_sets_items():
    """kith sets items of a list of Python's, and Python items that kith has set."""
    shareable = shared_memory.ShareableList([1, 2.5, "text of some length", b"bytes", None], name=name)
    try:
        peer("list-set", name, "0", "str", "8 bytes!")
        peer("list-set", name, "1", "bool", "1")
        peer("list-set", name, "2", "int", "-5")
        peer("list-set", name, "3", "none", "")
        peer("list-set", name, "4", "float", "0.25")
        equal(list(shareable), ["8 bytes!", True, -5, None, 0.25])
        assert "EMSGSIZE" in peer_fails("list-set", name, "4", "str", "9 bytes!!")
        assert "EINVAL" in peer_fails("list-set", name, "5", "int", "0")
        shareable[0] = 7
        shareable[2] = "as long as before??"
        shareable[3] = b"abc"
        equal(printed_list(), [printed(value) for value in (7, True, "as long as before??", b"abc", 0.25)])
    finally:
        shareable.shm.close()
        shareable.shm.unlink()


@test
def an_empty_list():
    """kith reads an empty list of Python's."""
    shareable = shared_memory.ShareableList([], name=name)
    try:
        equal(printed_list(), [])
    finally:
        shareable.shm.close()
        shareable.shm.unlink()


def attached_list():
    shareable = shared_memory.ShareableList(name=name)  # it has no way to say that it is not to be tracked
    resource_tracker.unregister("/" + name, "shared_memory")
    return shareable


if sys.version_info >= (3, 9):

    @test
    def python_reads_a_list():
        """Python reads a list of kith's, and both see what either sets."""
        with unlinked_afterwards():
            peer("list-create", name, "none", "", "bool", "1", "bool", "0", "int", str(-2**63), "float", "0.1",
                 "str", "", "str", "12345678", "bytes", "bytes", "str", "你好,世界")
            shareable = attached_list()
            equal(list(shareable), [None, True, False, -2**63, 0.1, "", "12345678", b"bytes", "你好,世界"])
            equal(shareable.count(None), 1)
            equal(shareable.index("你好,世界"), 8)
            shareable[3] = "changed"
            shareable[8] = "好" * 5
            equal(printed_list()[3], printed("changed"))
            equal(printed_list()[8], printed("好" * 5))
            peer("list-set", name, "8", "int", "8")
            equal(shareable[8], 8)
            shareable.shm.close()

    @test
    def python_reads_an_empty_list():
        """Python reads an empty list of kith's."""
        with unlinked_afterwards():
            peer("list-create", name)
            shareable = attached_list()
            equal(list(shareable), [])
            shareable.shm.close()


# ---- descriptors ----

hand_over = """
import os, sys
from multiprocessing import connection, reduction
end = connection.Connection(int(sys.argv[1]))
fd = reduction.recv_handle(end)
os.write(fd, b"from Python")
os.close(fd)
end.send_bytes(b"mine now")
reader, writer = os.pipe()
reduction.send_handle(end, writer, None)
os.close(writer)
assert os.read(reader, 100) == b"from kith"
assert os.read(reader, 100) == b""
"""


@test
def descriptors():
    """send_handle and recv_handle of Python hand descriptors to kith and take those of kith."""
    equal(peer("descriptors", sys.executable, hand_over), "from Python\nmine now\nstatus 0\n")


run_all()
