"""Messages: what the extension writes pickle reads, what pickle writes it reads, and it judges as pickle does."""

import collections
import gc
import io
import math
import pickle
import pickletools
import random
import struct
import sys
import unittest

from kith._kith import dumps, loads

try:
    import numpy
except ImportError:
    numpy = None

EDGES = [None, True, False, 0, 1, -1, 255, 256, -256, 65535, 65536, 2**31 - 1, 2**31, -2**31, -2**31 - 1, 2**63 - 1,
         2**63, -2**63, -2**63 - 1, 2**64, 10**100, -10**100, 0.0, -0.0, 1.5, math.inf, -math.inf, 5e-324, "", "a",
         "ä", "€", "😀", "\0", "\ud800", "x\udfffy" * 50, "a" * 255, "a" * 256, "ä" * 200, "a" * 5000, "ä" * 5000, b"",
         b"\0", b"a" * 255, b"a" * 256, b"a" * 5000, bytearray(), bytearray(b"abc"), bytearray(5000), [], (), {}, [[]],
         ((),), {(): []}, (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [None] * 1001, {i: str(i) for i in range(1001)}]


class Point(collections.namedtuple("Point", "x y")):
    pass


class Custom:
    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return type(other) is Custom and other.value == self.value


class Unpicklable:
    def __reduce__(self):
        raise RuntimeError("not this one")


def same(a, b):
    """Equal, of the same types, and the keys of dicts in the same order; NaN is NaN, and -0.0 is not 0.0."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return struct.pack("d", a) == struct.pack("d", b)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return same(list(a), list(b)) and same(list(a.values()), list(b.values()))
    return a == b


def random_object(dice, depth=0):
    kind = dice.randrange(14 if depth < 4 else 8)
    if kind < 4:
        return dice.choice(EDGES[:-12])
    if kind == 4:
        return dice.randrange(-2**dice.randrange(1, 70), 2**dice.randrange(1, 70))
    if kind == 5:
        return dice.uniform(-1e10, 1e10)
    if kind == 6:
        return "".join(chr(dice.choice([65, 0xe4, 0x20ac, 0x1f600])) for _ in range(dice.randrange(300)))
    if kind == 7:
        return bytes(dice.randrange(256) for _ in range(dice.randrange(300)))
    if kind < 10:
        return [random_object(dice, depth + 1) for _ in range(dice.randrange(6))]
    if kind < 12:
        return tuple(random_object(dice, depth + 1) for _ in range(dice.randrange(6)))
    keys = [key for key in (random_object(dice, 5) for _ in range(dice.randrange(6)))
            if not isinstance(key, (list, dict, bytearray))]
    return {key: random_object(dice, depth + 1) for key in keys}


class Plain(unittest.TestCase):

    def check(self, thing):
        message = dumps(thing)
        self.assertTrue(same(pickle.loads(message), thing), thing)
        self.assertTrue(same(loads(message), thing), thing)
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            if protocol > 1 or not isinstance(thing, float):  # in text, a float may lose a NaN's bits
                self.assertTrue(same(loads(pickle.dumps(thing, protocol)), thing), (protocol, thing))

    def test_edges(self):
        for thing in EDGES:
            with self.subTest(thing=repr(thing)[:50]):
                self.check(thing)
        self.check(EDGES[:-5])

    def test_random(self):
        for seed in range(400):
            with self.subTest(seed=seed):
                self.check(random_object(random.Random(seed)))

    def test_other_types(self):
        for thing in ({1, 2}, frozenset([3]), 1j, Custom([1]), Point(1, 2), range(3), Custom, print, slice, Ellipsis,
                      collections.OrderedDict(a=1), collections.Counter("abc"), [Custom(1), 2], {"a": {1: {2}}}):
            message = dumps(thing)
            self.assertEqual(pickle.loads(message), thing)
            self.assertEqual(loads(message), thing)
            self.assertIs(type(loads(message)), type(thing))

    def test_subclasses_keep_their_types(self):
        for base, value in ((int, 5), (str, "a"), (bytes, b"a"), (float, 1.5), (list, [1]), (tuple, (1,)),
                            (dict, {1: 2}), (bytearray, b"a")):
            kind = type("Sub" + base.__name__, (base,), {"__module__": __name__})
            globals()[kind.__name__] = kind
            self.addCleanup(globals().pop, kind.__name__)
            got = loads(dumps([kind(value)]))[0]
            self.assertIs(type(got), kind)
            self.assertEqual(got, kind(value))

    def test_small_values_cost_few_bytes(self):
        self.assertEqual(dumps(5), b"\x80\x05K\x05.")
        self.assertEqual(dumps("a"), b"\x80\x05\x8c\x01a.")
        self.assertEqual(dumps([1, 2]), b"\x80\x05](K\x01K\x02e.")
        self.assertEqual(dumps({"a": None}), b"\x80\x05}(\x8c\x01aNu.")
        self.assertEqual(dumps(-129), b"\x80\x05J\x7f\xff\xff\xff.")
        self.assertEqual(dumps(2**40), b"\x80\x05\x8a\x06\0\0\0\0\0\1.")
        pickletools.dis(dumps([EDGES]), out=io.StringIO())

    def test_errors_are_those_of_the_object(self):
        with self.assertRaisesRegex(RuntimeError, "not this one"):
            dumps([1, Unpicklable()])
        with self.assertRaises((pickle.PicklingError, AttributeError)):
            dumps(lambda: None)

    def test_reducers_of_forking_pickler(self):
        from multiprocessing.reduction import ForkingPickler

        class Registered:
            pass

        ForkingPickler.register(Registered, lambda thing: (str, ("registered",)))
        self.addCleanup(ForkingPickler._extra_reducers.pop, Registered)
        self.assertEqual(loads(dumps([Registered()])), ["registered"])


class Identity(unittest.TestCase):

    def test_what_is_shared_comes_out_shared(self):
        for shared in ([1], {1: 2}, (1, [2]), bytearray(b"a"), "a" * 1000, b"a" * 1000):
            got = loads(dumps([shared, [shared]]))
            self.assertIs(got[0], got[1][0])
            self.assertEqual(got[0], shared)
            got = loads(dumps({"a": shared, "b": (shared,)}))
            self.assertIs(got["a"], got["b"][0])

    def test_what_holds_itself(self):
        thing = []
        thing.append(thing)
        got = loads(dumps(thing))
        self.assertIs(got[0], got)
        thing = {}
        thing["self"] = [thing]
        got = loads(dumps(thing))
        self.assertIs(got["self"][0], got)
        thing = ([],)
        thing[0].append(thing)
        got = loads(dumps(thing))
        self.assertIs(got[0][0], got)

    def test_many_that_come_once(self):
        things = [[i] for i in range(1000)]
        also = list(things)
        self.assertEqual(loads(dumps(things)), also)
        self.assertLess(len(dumps(things)), 8 * len(things))
        things.append(things[500])
        got = loads(dumps(things))
        self.assertIs(got[500], got[1000])

    def test_what_doubles_does_not_explode(self):
        thing = ("x",)
        for _ in range(60):
            thing = (thing, thing)
        got = loads(dumps(thing))
        self.assertIs(got[0], got[1])
        self.assertLess(len(dumps(["x" * 10000] * 1000)), 30000)

    def test_equal_but_not_the_same_stays_apart(self):
        got = loads(dumps([[1], [1]]))
        self.assertIsNot(got[0], got[1])


class Depth(unittest.TestCase):

    @staticmethod
    def nested(depth, wrap):
        thing = None
        for _ in range(depth):
            thing = wrap(thing)
        return thing

    def test_nested(self):
        for wrap in (lambda thing: [thing], lambda thing: (thing,), lambda thing: {1: thing}):
            for depth in (1, 63, 64, 65, 66, 150):
                self.assertEqual(loads(dumps(self.nested(depth, wrap))), self.nested(depth, wrap))

    def test_too_deep_is_the_picklers_error(self):
        thing = self.nested(200000, lambda thing: [thing])
        with self.assertRaises(RecursionError):
            dumps(thing)
        while thing:
            thing = thing.pop()

    def test_deep_pickle(self):
        message = b"\x80\x05" + b"](" * 100000 + b"e" * 100000 + b"."
        got = loads(message)
        expected = pickle.loads(message)
        while got:
            self.assertEqual((type(got), len(got)), (type(expected), len(expected)))
            got, expected = got.pop(), expected.pop()


class Hostile(unittest.TestCase):
    """Whatever the bytes are, what comes is what pickle.loads would say."""

    def outcome(self, function, data):
        try:
            return "value", function(data)
        except RecursionError:
            return "exception", RecursionError, ()
        except Exception as exception:
            return "exception", type(exception), exception.args

    def check(self, data):
        if data[:4] == b"\0KB1":
            return
        ours, stock = self.outcome(loads, data), self.outcome(pickle.loads, data)
        if ours[0] == "value" and stock[0] == "value":
            self.assertTrue(same(ours[1], stock[1]) or repr(ours[1]) == repr(stock[1]), data)
        else:
            self.assertEqual(ours, stock, data)

    def test_cut_off(self):
        for thing in ([1, "a", b"b", 2.5, (1, 2, 3, 4), {"k": [None, True]}, bytearray(b"x"), 2**40], {"a" * 300: 1}):
            for message in (dumps(thing), pickle.dumps(thing), pickle.dumps(thing, 2)):
                for length in range(len(message)):
                    self.check(message[:length])
                self.check(message + b"more")

    def test_one_byte_changed(self):
        plain = b"NK\x88\x89.]}()aesut\x85\x86\x87\x8c\x01C\x8a\x94\x95GJM0"  # none that imports, or calls
        message = dumps([1, "a", (2,), {"k": b"v"}])
        for place in range(2, len(message)):
            for byte in plain:
                self.check(message[:place] + bytes([byte]) + message[place + 1:])

    def test_random_words(self):
        words = [b"N", b"\x88", b"K\x01", b"J\xff\xff\xff\xff", b"\x8a\x01\x80", b"\x8a\0", b"\x8a\x09" + b"\1" * 9,
                 b"]", b"}", b")", b"(", b"a", b"e", b"s", b"u", b"t", b"\x85", b"\x86", b"\x87", b"\x8c\x01k",
                 b"C\x01v", b"B\xff\xff\0\0", b"\x8e" + b"\xff" * 8, b"\x96" + b"\2" + b"\0" * 7 + b"xy", b"\x94",
                 b"0", b"2", b".", b"\x95" + b"\0" * 8, b"\x95" + b"\xff" * 8, b"\x80\x05", b"\x80\x06",
                 b"\x8c\x02\xff\xfe", b"h\0"]
        for seed in range(3000):
            dice = random.Random(seed)
            self.check(b"\x80\x05" + b"".join(dice.choices(words, k=dice.randrange(1, 14))) + b".")

    def test_buffers_that_are_not_there(self):
        head = b"\0KB1" + struct.pack("=IQ", 1, 5) + struct.pack("=Q", 1 << 62)
        pickle5 = b"\x80\x05\x97."
        for message in (head, head + pickle5, head[:20], b"\0KB1", b"\0KB1" + b"\xff" * 40,
                        b"\0KB1" + struct.pack("=IQ", 0xffffffff, 0) + b"\0" * 100):
            with self.assertRaises(Exception) as caught:
                loads(message)
            self.assertIsInstance(caught.exception, (pickle.UnpicklingError, EOFError, ValueError))


class Buffers(unittest.TestCase):

    def test_beside(self):
        thing = [1, pickle.PickleBuffer(bytearray(b"a" * 5000)), pickle.PickleBuffer(b"b" * 6000)]
        message = dumps(thing, True)
        self.assertEqual(message[:4], b"\0KB1")
        got = loads(message)
        self.assertEqual([bytes(part) for part in got[1:]], [b"a" * 5000, b"b" * 6000])
        self.assertFalse(got[1].readonly)
        self.assertIs(type(got[2]), bytes)  # as inside the pickle

    def test_small_ones_are_in_the_pickle(self):
        message = dumps([pickle.PickleBuffer(b"b" * 100)], True)
        self.assertEqual(pickle.loads(message), [b"b" * 100])

    def test_what_is_not_contiguous(self):
        with self.assertRaises(pickle.PicklingError):
            dumps([Custom(1), pickle.PickleBuffer(memoryview(bytes(20000))[::2])], True)

    @unittest.skipIf(numpy is None, "needs numpy")
    def test_arrays(self):
        for array in (numpy.arange(5), numpy.arange(100000.), numpy.zeros((300, 300))[::2], numpy.ones((0, 3)),
                      numpy.asfortranarray(numpy.ones((100, 200)))):
            for beside in (False, True):
                got = loads(dumps([array, "x"], beside))[0]
                self.assertTrue((got == array).all() and got.dtype == array.dtype and got.shape == array.shape)
                got[...] = 0  # it may be written to


class Emptying:
    """A cycle whose finalizer empties a list, whose memory goes."""

    def __init__(self, victim):
        self.itself = self
        self.victim = victim

    def __del__(self):
        self.victim.clear()


class Finalizers(unittest.TestCase):

    def setUp(self):
        self.addCleanup(gc.set_threshold, *gc.get_threshold())
        self.addCleanup(gc.enable)

    def test_they_change_nothing_that_is_being_written(self):
        for special in (bytearray(5000), "\ud800" * 100):
            for _ in range(5):
                gc.disable()
                gc.collect()
                victim = [str(i) * 9 for i in range(50)] + [special] + [("t", i) for i in range(5000)]
                Emptying(victim)
                gc.set_threshold(1)
                gc.enable()
                message = dumps(victim)
                self.assertIn(len(pickle.loads(message)), (5051, 0))


class References(unittest.TestCase):

    def test_nothing_is_kept(self):
        things = ["a" * 5000, b"a" * 5000, bytearray(5000), [1], {"k": 1}, (1, [2]), Custom(1)]
        whole = [things, {"a": things[4]}]
        for _ in range(3):
            dumps(whole), loads(dumps(whole)), dumps(things[:5]), loads(dumps(things[:5]))
        gc.collect()
        before = [sys.getrefcount(thing) for thing in things]
        for _ in range(50):
            dumps(whole), loads(dumps(whole)), dumps(things[:5]), loads(dumps(things[:5]))
            with self.assertRaises(RuntimeError):
                dumps([things, Unpicklable()])
        gc.collect()
        self.assertEqual([sys.getrefcount(thing) for thing in things], before)
        things[2].append(1)  # nobody has a view of it

    def test_blocks(self):
        def work():
            for thing in (EDGES, [Custom(1), b"x" * 10000], {"k": [1.5, (2,)]}):
                loads(dumps(thing))
            for bad in (b"\x80\x05]K\x01", b"\x80\x05](K\x01e", b"\x80\x05}(]Nu.", b"\x80\x05(((((."):
                with self.assertRaises(Exception):
                    loads(bad)
        def growth(rounds):
            gc.collect()
            before = sys.getallocatedblocks()
            for _ in range(rounds):
                work()
            gc.collect()
            return sys.getallocatedblocks() - before
        # The interpreter itself keeps some for later, fewer each time; what is lost in each round would always show.
        self.assertTrue(any(growth(100) < 100 for _ in range(30)))


if __name__ == "__main__":
    unittest.main()
