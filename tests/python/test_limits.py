"""Messages of no bytes and of very many; too little memory: what is told then, and that nothing else is lost."""

import array
import errno
import os
import pickle
import resource
import shutil
import subprocess
import sys
import tempfile
import unittest

import kith
from kith import queues
from programs import PACKAGE

try:
    import numpy
except ImportError:
    numpy = None

PATIENCE = 30  # seconds, after which something that must happen has not
LONG = bool(os.environ.get("KITH_LONG"))


def new(**options):
    return queues.Queue(ctx=kith.get_context("fork"), **options)


def has_room(size):
    """Whether so many bytes may be had without pressing anybody."""
    with open("/proc/meminfo") as file:
        available = next(int(line.split()[1]) for line in file if line.startswith("MemAvailable:"))
    return available * 1024 > 2 * size


class Buffer:
    """Pickles with its bytes beside the pickle."""

    def __init__(self, data):
        self.data = data

    def __reduce_ex__(self, protocol):
        return Buffer, (pickle.PickleBuffer(self.data),)


class Empty(unittest.TestCase):

    def test_objects(self):
        things = [b"", bytearray(), "", (), [], {}, set(), array.array("d"), [b"", bytearray(), b""]]
        for queue in new(), new(redeliver=True), new(max_bytes=1024), kith.get_context("fork").SimpleQueue():
            for thing in things:
                queue.put(thing)
                got = queue.get()
                self.assertEqual((type(got), got), (type(thing), thing))

    def test_many(self):
        queue = new()
        self.assertEqual(queue.put_many([b""] * 3), 3)
        self.assertEqual(queue.get_many(5, timeout=PATIENCE), [b""] * 3)

    def test_buffers(self):
        for copy in True, False:
            for redeliver in True, False:
                queue = new(redeliver=redeliver)
                for data in b"", bytearray():
                    queue.put([Buffer(data), Buffer(b"1"), Buffer(data)])
                    got = queue.get(copy=copy)
                    self.assertEqual([bytes(each.data) for each in got], [b"", b"1", b""])
                    del got

    @unittest.skipUnless(numpy, "numpy is not here")
    def test_arrays(self):
        for copy in True, False:
            queue = new(redeliver=True)
            for shape in (0,), (3, 0):
                queue.put(numpy.empty(shape))
                got = queue.get(copy=copy)
                self.assertEqual((got.shape, got.dtype), (shape, numpy.dtype("f8")))

    def test_raw(self):
        queue = new(redeliver=True)
        for data in b"", bytearray(), memoryview(b"abc")[1:1], array.array("b"):
            queue.put_bytes(data)
            self.assertEqual(queue.get_bytes(), b"")
            queue.put_bytes(data)
            view = queue.get_bytes(copy=False)
            self.assertEqual((type(view), view.nbytes), (memoryview, 0))
            view.release()
        self.assertRaises(queues.Empty, queue.get_bytes, False)

    def test_pipe(self):
        for duplex in True, False:
            there, here = kith.Pipe(duplex)
            for thing in b"", bytearray(), [], Buffer(b""):
                here.send(thing)
                self.assertEqual(bytes(getattr(there.recv(), "data", b"")), b"")
            for data in b"", bytearray(), memoryview(b"abc")[1:1]:
                here.send_bytes(data)
                self.assertTrue(there.poll(PATIENCE))
                self.assertEqual(there.recv_bytes(), b"")
                here.send_bytes(data)
                self.assertEqual(there.recv_bytes_into(bytearray()), 0)
            self.assertFalse(there.poll())


class Huge(unittest.TestCase):
    """More than 2 GiB, which some counts of the system and of C do not hold. The zeros of the senders take no memory."""

    SIZE = (2 << 30) + 5

    def setUp(self):
        if not LONG:
            self.skipTest("it takes long; KITH_LONG is not set")
        if not has_room(3 * self.SIZE):
            self.skipTest("there is too little memory")
        self.data = bytearray(self.SIZE)
        self.data[0], self.data[1 << 31], self.data[-1] = 1, 2, 3

    def check(self, got):
        self.assertEqual(len(got), self.SIZE)
        self.assertEqual((got[0], got[1 << 31], got[-1]), (1, 2, 3))

    def send(self, connection):
        connection.send(self.data)
        connection.send_bytes(self.data)

    def test_queue(self):
        queue = new()
        queue.put(self.data)
        queue.put(1)
        self.check(queue.get())
        self.assertEqual(queue.get(), 1)
        queue.put_bytes(self.data)
        self.check(queue.get_bytes())

    def test_in_place(self):
        queue = new(redeliver=True)
        queue.put(bytes(self.data))
        self.check(queue.get(copy=False))

    def test_pipe(self):
        there, here = kith.Pipe()
        sender = kith.get_context("fork").Process(target=self.send, args=(here,))
        sender.start()
        self.check(there.recv())
        self.check(there.recv_bytes())
        sender.join()
        self.assertEqual(sender.exitcode, 0)


class TooLittleMemory(unittest.TestCase):
    """A process that may not have so much."""

    SIZE = 64 << 20

    def setUp(self):
        if "asan" in os.environ.get("LD_PRELOAD", ""):
            self.skipTest("a sanitized program ends where it gets no memory")

    def run_with_little(self, function, *arguments):
        """Has a child do it whose memory may grow by half of what a message takes."""
        def limited():
            with open("/proc/self/statm") as file:
                now = int(file.read().split()[0]) * resource.getpagesize()
            hard = resource.getrlimit(resource.RLIMIT_AS)[1]
            resource.setrlimit(resource.RLIMIT_AS, (now + self.SIZE // 2, hard))
            function(lambda: resource.setrlimit(resource.RLIMIT_AS, (hard, hard)), *arguments)

        child = kith.get_context("fork").Process(target=limited)
        child.start()
        child.join(PATIENCE)
        self.assertEqual(child.exitcode, 0)

    def get(self, unlimit, queue):
        with self.assertRaises((MemoryError, OSError)) as caught:
            queue.get(timeout=PATIENCE)
        self.assertIn(getattr(caught.exception, "errno", errno.ENOMEM), (errno.ENOMEM, errno.ENOSPC))
        unlimit()
        self.assertEqual(len(queue.get(timeout=PATIENCE)), self.SIZE)
        self.assertEqual(queue.get(timeout=PATIENCE), "next")

    def put(self, unlimit, queue, data):
        for _ in range(2):
            with self.assertRaises((MemoryError, OSError)) as caught:
                queue.put(data)
            self.assertIn(getattr(caught.exception, "errno", errno.ENOMEM), (errno.ENOMEM, errno.ENOSPC))
        queue.put("short")
        unlimit()
        queue.put(data)

    def test_get(self):
        for data in bytes(self.SIZE), bytearray(self.SIZE):
            queue = new()
            queue.put(data)
            queue.put("next")
            self.run_with_little(self.get, queue)
            self.assertTrue(queue.empty())

    def test_put(self):
        queue = new()
        self.run_with_little(self.put, queue, bytes(self.SIZE))
        self.assertEqual(queue.get(timeout=PATIENCE), "short")
        self.assertEqual(len(queue.get(timeout=PATIENCE)), self.SIZE)
        self.assertRaises(queues.Empty, queue.get, False)


# With a /dev/shm of 4 MiB. That it is full is told by SIGBUS to who has not asked for its memory before.
FULL = """
import errno, os, kith
from kith import queues

def item(i):
    return i.to_bytes(4, "little") * (16 << 10)

def put_until_full(queue, begin):
    for i in range(begin, begin + 1000):
        try:
            queue.put(item(i), timeout=60)
        except OSError as error:
            assert error.errno == errno.ENOSPC, error
            assert "no space left" in str(error), error
            return i
    raise AssertionError("it is never full")

queue = queues.Queue(ctx=kith.get_context("fork"), name="full")
with open("/dev/shm/filler", "wb") as file:
    os.posix_fallocate(file.fileno(), 0, 2 << 20)

# Full: each way to put tells; what can be got is got, and nothing else is lost.
some = put_until_full(queue, 0)
assert some > 0
for put in (lambda: queue.put(item(0), False), lambda: queue.put_many([item(0)] * 2), lambda: queue.put_bytes(item(0))):
    try:
        put()
    except OSError as error:
        assert error.errno == errno.ENOSPC, error
    else:
        raise AssertionError("it was put")
assert queue.get(timeout=60) == item(0)

# Others make room.
os.unlink("/dev/shm/filler")
more = put_until_full(queue, some)
assert more > some

# Getters make room, and another process uses the queue, too.
for i in range(1, more):
    assert queue.get(timeout=60) == item(i), i
assert queue.empty()
child = kith.get_context("fork").Process(target=queue.put_many, args=([item(i) for i in range(some)],))
child.start()
for i in range(some):
    assert queue.get(timeout=60) == item(i), i
child.join()
assert child.exitcode == 0
queue.unlink()
assert os.listdir("/dev/shm") == [], os.listdir("/dev/shm")
print("done")
"""


class FullSharedMemory(unittest.TestCase):

    def test_named_queue(self):
        mount = "mount -t tmpfs -o size=4m none /dev/shm"
        apart = ["unshare", "--user", "--map-root-user", "--mount", "--", "sh", "-c"]
        if not shutil.which("unshare") or subprocess.run([*apart, mount], stdout=subprocess.DEVNULL,
                                                         stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("a /dev/shm of one's own may not be had here")
        with tempfile.NamedTemporaryFile("w", suffix=".py") as program:
            program.write(FULL)
            program.flush()
            done = subprocess.run([*apart, mount + ' && exec "$@"', "sh", sys.executable, program.name],
                                  env=dict(os.environ, PYTHONPATH=PACKAGE), timeout=4 * PATIENCE,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
        self.assertEqual((done.returncode, done.stdout), (0, "done\n"))


if __name__ == "__main__":
    unittest.main()
