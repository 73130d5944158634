"""Tests queues that a Python program, by the package kith, and a C program have in common, by name.

usage: queues.py [--here] PEER    PEER is the program made of queue_peer.c. In each Python for which the package was
                                  built (make python), or, with --here, in this one
"""

import array
import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGE = os.path.join(HERE, os.pardir, os.pardir, "python")

sys.path.insert(0, os.path.join(HERE, os.pardir, "examples"))
from tap import Skip, equal, run, run_all, test

PEER = sys.argv[-1]
PATIENCE = 60  # seconds; to end what hangs


# ---- what the tests have in common ----

count = 0


@contextlib.contextmanager
def named(**options):
    """A queue with a name of its own, which goes at the end."""
    global count
    count += 1
    made = kith.Queue(name="kith-test-queues-%d-%d" % (os.getpid(), count), **options)
    try:
        yield made
    finally:
        made.unlink()
        made.close()


@contextlib.contextmanager
def peer(*arguments):
    """The C program, which must end well by itself. Then it has `said` what it printed."""
    program = subprocess.Popen([PEER, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        yield program
    except BaseException:
        program.kill()
        raise
    finally:
        program.said = program.communicate(timeout=PATIENCE)[0].decode()
    equal((program.returncode, program.returncode and program.said), (0, 0))


class Point:
    def __init__(self, x):
        self.x = x

    def __eq__(self, other):
        return self.x == other.x


# What is put, and how it looks in C.
PLAIN = [
    (True, "True"), (0, "0"), (-1, "-1"), (255, "255"), (2**31, "2147483648"), (-2**63, "-9223372036854775808"),
    (2**200, str(2**200)), (2.5, "2.5"), (float("inf"), "inf"), ("", "''"), ("text", "'text'"),
    ("Grüße \U0001f30d", "'Grüße \U0001f30d'"), ("x" * 300, repr("x" * 300)), (b"", "b''"),
    (b"\0\xff", "b'\\x00\\xff'"), ([], "[]"), ([1, [2.0, "three"]], "[1, [2.0, 'three']]"), ((), "()"),
    ((None, False), "(None, False)"), ({}, "{}"), ({"a": 1, 2: [3]}, "{'a': 1, 2: [3]}"),
    ({"nested": {"dict": ({"of": b"it"},)}}, "{'nested': {'dict': ({'of': b'it'},)}}"),
    (bytearray(b"may change"), "bytearray(b'may change')"), ({1}, "{1}"), (frozenset([2]), "frozenset({2})"),
]


# ---- values ----


@test
def values_come_to_c_and_back():
    """Values of all kinds come to the C program as they are, and back"""
    with named() as there, named() as back, peer("echo", there.name, back.name):
        for value, _ in PLAIN:
            there.put(value)
        there.put(None)
        for value, shown in PLAIN:
            seen, echoed = back.get(timeout=PATIENCE)
            equal(seen, shown)
            equal((type(echoed), echoed), (type(value), value))


@test
def long_values_come_to_c_and_back():
    """Long bytes, texts and lists come to the C program, and back"""
    values = [bytes(range(256)) * n for n in (16, 255, 256, 5000)]
    values += ["é" * 100000, list(range(50000)), {str(n): n for n in range(10000)}]
    with named() as there, named() as back, peer("echo", there.name, back.name):
        for value in values:
            there.put(value)
            equal(back.get(timeout=PATIENCE)[1] == value, True)
        there.put(None)


@test
def objects_come_back_as_they_were():
    """What only Python understands comes back as it was"""
    shared = [1]
    with named() as there, named() as back, peer("echo", there.name, back.name):
        there.put([Point(3), shared, shared, array.array("d", [1.5, 2.5])])
        point, one, other, numbers = back.get(timeout=PATIENCE)[1]
        equal((point, one, numbers), (Point(3), [1], array.array("d", [1.5, 2.5])))
        assert one is other
        there.put(None)


@test
def many_come_at_once():
    """put_many and get_many of what the C program gets and puts"""
    with named() as there, named() as back, peer("echo", there.name, back.name):
        equal(there.put_many(range(1000)), 1000)
        seen = []
        while len(seen) < 1000:
            seen += [value for _, value in back.get_many(300, timeout=PATIENCE)]
        equal(seen, list(range(1000)))
        there.put(None)


@test
def a_long_run_keeps_its_order():
    """100,000 numbers through a queue that is bounded come to the C program in their order"""
    with named(maxsize=100) as numbers:
        with peer("count", numbers.name) as program:
            for number in range(100000):
                numbers.put(number, timeout=PATIENCE)
            numbers.shut()
        equal(program.said, "100000\n")


@test
def what_c_puts_is_got():
    """Values and bytes that the C program puts"""
    with named() as one:
        with peer("put", one.name):
            first = one.get(timeout=PATIENCE)
            equal(first, {"int": -7, "float": 2.5, "tuple": (True, None), "bytes": b"\0\xff", "set": {3},
                          "large": 2**64 - 1})
            ring = one.get(timeout=PATIENCE)
            assert ring[0] is ring and len(ring) == 1
            equal(one.get(timeout=PATIENCE), "Grüße \U0001f30d")
            equal(one.get_bytes(timeout=PATIENCE), b"raw \0 bytes")


@test
def bytes_that_are_no_pickle_are_told():
    """get() of bytes that are no pickle raises UnpicklingError, and the next one is got"""
    with named() as one:
        one.put_bytes(b"raw")
        one.put_bytes(b"\0KB1 cut short")
        one.put(5)
        for _ in range(2):
            try:
                one.get(timeout=PATIENCE)
            except (pickle.UnpicklingError, EOFError):
                continue
            raise AssertionError("no pickle was read")
        equal(one.get(timeout=PATIENCE), 5)


# ---- buffers ----


class Numbers:
    """Brings its doubles as a buffer beside the pickle, as an array of numpy does."""

    def __init__(self, numbers):
        self.numbers = array.array("d", bytes(numbers))

    def __reduce_ex__(self, protocol):
        return Numbers, (pickle.PickleBuffer(memoryview(self.numbers).cast("B")),)


@test
def buffers_are_read_where_they_lie():
    """Long buffers are read by the C program where they lie"""
    with named(redeliver=True) as one:
        with peer("sum", one.name) as program:
            for count in (3, 1000, 100000):
                one.put(Numbers(array.array("d", range(count))))
            one.shut()
        equal(program.said, "copied 3.0\nin place 499500.0\nin place 4999950000.0\n")  # what is short is in the pickle


@test
def arrays_of_numpy_come_to_c_and_back():
    """Arrays of numpy come to the C program, and back"""
    numpy = numpy_or_skip()
    arrays = [numpy.arange(3), numpy.linspace(0, 1, 100000), numpy.zeros((0, 3)), numpy.ones((300, 200), "f4").T,
              numpy.array(["a", "bc"]), numpy.arange(40000).reshape(100, 400)[::2]]
    with named() as there, named() as back, peer("echo", there.name, back.name):
        for one in arrays:
            there.put(one)
            seen = back.get(timeout=PATIENCE)[1]
            equal((seen.dtype, seen.shape, bool((seen == one).all())), (one.dtype, one.shape, True))
        there.put(None)


@test
def arrays_of_numpy_are_summed_where_they_lie():
    """Arrays of numpy are added up by the C program where they lie"""
    numpy = numpy_or_skip()
    with named(redeliver=True) as one:
        with peer("sum", one.name) as program:
            for count in (8192, 1000000):
                one.put(numpy.arange(count, dtype="f8"))
            one.shut()
        equal(program.said, "in place 33550336.0\nin place 499999500000.0\n")


def numpy_or_skip():
    try:
        import numpy
    except ImportError:
        raise Skip("this Python has no numpy") from None
    return numpy


@test
def the_example_prints_what_it_says():
    """The example: examples/python/readings.py, and examples/c/readings.c"""
    program = os.path.join(os.path.dirname(PEER), os.pardir, "examples", "c", "readings")
    if not os.path.exists(program):
        raise Skip("the examples are not built")
    script = os.path.join(HERE, os.pardir, os.pardir, "examples", "python", "readings.py")
    status, out, err = run(sys.executable, script, program)
    equal((status, err), (0, b""))
    equal(out.decode(), "cellar: 100000 numbers, mean 49999.5, at most 99999\n"
                        "roof: 200000 numbers, mean 99999.5, at most 199999\n"
                        "garden: 300000 numbers, mean 149999.5, at most 299999\n")


# ---- deaths ----


@test
def what_a_killed_program_held_is_got_by_the_other():
    """What a C program held when it was killed is got by Python, and so the other way round"""
    with named(redeliver=True) as one:
        one.put("precious")
        program = subprocess.Popen([PEER, "hold", one.name], stdout=subprocess.PIPE)
        try:
            equal(program.stdout.readline(), b"held\n")
            try:
                one.get_nowait()
            except queue.Empty:
                pass
            else:
                raise AssertionError("two have one message")
        finally:
            program.send_signal(signal.SIGKILL)
            program.communicate(timeout=PATIENCE)
        equal(one.get(timeout=PATIENCE), "precious")
        equal(one.deliveries(), 2)
        one.task_done()
        one.put(1.5)
        child = os.fork()
        if child == 0:
            one.get()
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(child, 0)
        equal(one.get(timeout=PATIENCE), 1.5)
        one.task_done()
        equal(one.stats()["unfinished"], 0)


if __name__ == "__main__":
    if "--here" not in sys.argv:
        import everywhere

        os.environ["PYTHONPATH"] = PACKAGE
        sys.exit(everywhere.run_everywhere([[]], PEER, module="kith._kith"))
    import kith

    run_all()
