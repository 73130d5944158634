"""What the pickle tests read and write, and how it is compared. Runs on Python 3.8."""

import array
import collections
import copyreg
import datetime
import decimal
import enum
import fractions
import functools
import ipaddress
import operator
import pathlib
import pickle
import random
import re
import sys
import types
import uuid

import shapes

try:
    import numpy
except ImportError:
    numpy = None

try:
    import zoneinfo
    zone = zoneinfo.ZoneInfo("Europe/Berlin")
except Exception:  # before 3.9, or without a time zone database
    zone = None

# ---- what there is ----

cases = []  # (name, the value, the protocol from which on Python can pickle it)


def case(name, value, since=0):
    cases.append((name, value, since))


def plain_values():
    near = [exponent for bits in (7, 8, 15, 16, 31, 32, 62, 63, 64, 65, 127, 128, 2039, 2040, 2041)
            for exponent in (2**bits - 1, 2**bits, 2**bits + 1)]
    case("none and booleans", [None, True, False])
    case("ints", [0, 1, -1, *near, *(-number for number in near)])
    case("an int of 1,001 digits", [10**1000, -10**1000])
    case("floats", [0.0, -0.0, 1.5, -1e300, 5e-324, 2**53 + 0.0, 0.1, float("inf"), float("-inf"), float("nan"),
                    sys.float_info.max, sys.float_info.min])
    for length in (0, 1, 255, 256, 65535, 65536, 70000):
        case("a str of %d" % length, "x" * length)
        case("bytes of %d" % length, bytes(length))
        case("a bytearray of %d" % length, bytearray(b"y" * length))
    case("strs", ["ä", "你好,世界", "\U0001f600 \U0010ffff", "\ud800", "a\udfffb", "\ud83d", "\0", "a\0b\0",
                  "\n\r\t\x1a\x7f", "\\ \\n \\u0041 '\"", "\u0100" * 300, "\x85\xa0\u2028"])
    case("bytes", [bytes(range(256)), b"\0", b"\n", b"'\"\\", b"\x80", "ä".encode("latin-1")])
    case("bytearrays", [bytearray(range(256)), bytearray()])


def containers():
    case("empty containers", [[], (), {}, set(), frozenset()])
    for length in (1, 2, 3, 4, 255, 256, 1000, 1001):
        numbers = list(range(length))
        case("containers of %d" % length, [numbers, tuple(numbers), dict.fromkeys(numbers, "v"), set(numbers),
                                           frozenset(numbers)])
    case("a dict of mixed keys", {1: "int", "1": "str", b"1": "bytes", 2.5: "float", None: "none", (1, (2, "a")): [1],
                                  frozenset([1, "a"]): {}, False: 0, -1: {}, 2**70: "big", float("nan"): "nan"})
    case("sets", [{1, "1", b"1", 2.5, None, (1, 2), frozenset([3]), 2**70, frozenset()}, frozenset([(), "", b"", 0])])
    case("the order of a dict", {"z": 1, "a": 2, "m": 3, "b": 4})
    for depth, name, wrap in (
            (500, "lists", lambda inner: [inner]), (500, "tuples", lambda inner: (inner,)),
            (500, "pairs", lambda inner: (1, inner)), (500, "dicts", lambda inner: {"k": inner}),
            (500, "objects", lambda inner: shapes.Plain(a=inner)),
            (170, "dicts, lists and tuples", lambda inner: {"k": [(inner, "é"), 1]}),
            (100, "frozensets", lambda inner: frozenset([inner]))):  # keys have a bound of their own
        inner = None
        for _ in range(depth):
            inner = wrap(inner)
        case("%d nested %s" % (depth, name), inner)


def standard_library():
    utc = datetime.timezone.utc
    east = datetime.timezone(datetime.timedelta(hours=5, minutes=45), "Nepal")
    case("datetime", [datetime.datetime(2024, 2, 29, 23, 59, 59, 999999, utc), datetime.datetime(1, 1, 1, tzinfo=east),
                      datetime.date(9999, 12, 31),
                      datetime.time(12, 30, tzinfo=utc), datetime.timedelta(-5, 3, 1), utc, east])
    case("the second hour of two", datetime.datetime(2024, 10, 27, 2, 30, fold=1), since=4)
    if zone:
        case("zoneinfo", [zone, datetime.datetime(2024, 10, 27, 2, 30, tzinfo=zone)])
    case("numbers", [decimal.Decimal("1.10"), decimal.Decimal("-Infinity"), decimal.Decimal("NaN"),
                     fractions.Fraction(-22, 7), 1 + 2j, complex("nan-0j")])
    case("range, slice, Ellipsis", [range(1, 10, 3), slice(1, None, 2), Ellipsis, NotImplemented])
    case("types of nothing", [type(None), type(Ellipsis), type(NotImplemented)])
    case("paths", [pathlib.PurePosixPath("/a/b.c"), pathlib.PureWindowsPath("c:/x"), pathlib.Path("ä")])
    case("uuid, ip addresses", [uuid.UUID(int=2**127 + 5), ipaddress.ip_address("::1"),
                                ipaddress.ip_network("10.0.0.0/8")])
    case("collections", [collections.OrderedDict([("b", 1), ("a", [2])]), collections.defaultdict(list, {1: [2]}),
                         collections.deque([1, [2], "3"], maxlen=5), collections.deque(), collections.Counter("hello"),
                         collections.ChainMap({1: 2}, {3: 4})])
    case("array.array", [array.array("d", [1.5, -0.0]), array.array("q", [-2**63, 1]), array.array("B", b"abc"),
                         array.array("i")])
    case("functools.partial", functools.partial(shapes.Plain, first=[1]))
    case("operator", [operator.itemgetter(1, "b"), operator.attrgetter("a.b")])
    case("a compiled regular expression", re.compile(r"(a+)\n", re.IGNORECASE))
    case("a random generator", random.Random(5))
    case("SimpleNamespace", types.SimpleNamespace(a=1, b=[2]))
    case("iterators", [iter([1, 2]), iter((1, 2)), iter(range(3)), reversed([1, 2]), enumerate(["a"])])
    if numpy:
        case("numpy", [numpy.arange(12, dtype="<i4").reshape(3, 4), numpy.zeros((0, 3)), numpy.float64(1.5),
                       numpy.array(["a", "bc"]), numpy.array([1, [2]], dtype=object),
                       numpy.array([(1, 2.5)], dtype=[("a", "<i2"), ("b", "<f8")]), numpy.int16(3),
                       numpy.asfortranarray(numpy.eye(3)), numpy.datetime64("2024-02-29"),
                       numpy.random.default_rng(1).random(1000)])


def classes():
    case("by name", [shapes.Plain, shapes.function, shapes.Outer, len, list, dict, OSError, ValueError, print,
                     int.__add__, functools.reduce, collections.OrderedDict, shapes.singleton, pickle.PickleError,
                     range, object])
    case("nested by name", [shapes.Outer.Inner, shapes.Outer.Inner.Innermost, shapes.Outer.static, dict.fromkeys,
                            shapes.Outer.made])
    case("a method of an object", [shapes.Plain(a=1).method, [1, 2].append, "a".join])
    case("a name that is not ASCII", [shapes.ÄußereForm, shapes.ÄußereForm(ä="ö")], since=3)
    case("plain objects", [shapes.Plain(), shapes.Plain(a=1, b=[2]), shapes.Outer.Inner(x=1),
                           shapes.Outer.Inner.Innermost(y="z")])
    case("slots", [shapes.Slots(1, [2]), slots_and_dict()], since=2)
    case("states", [shapes.States([1]), shapes.States(None), shapes.FalseState(1)])
    case("__getnewargs__", shapes.NewArgs("one", [2]))
    case("__getnewargs_ex__", shapes.NewKeywords("one", two=["two"]))
    for parts in range(2, 7):
        case("__reduce__ with %d parts" % parts, reduced(parts))
    case("copyreg's functions", [shapes.Dispatched([1]), shapes.Dispatched("two")])
    case("extension numbers", [shapes.Registered, shapes.Registered([1]), shapes.RegisteredFar(2),
                               shapes.RegisteredFarthest()])
    case("subclasses of builtins", [with_attribute(value) for value in (
        shapes.List([1, [2]]), shapes.Tuple([1, 2]), shapes.Dict(a=1), shapes.Set([1, 2]), shapes.FrozenSet([3]),
        shapes.Str("text"), shapes.Int(7), shapes.Int(2**100), shapes.Float(1.5), shapes.Bytes(b"by\0\xff"),
        shapes.ByteArray(b"mutable"))])
    case("namedtuples", [shapes.Pair(1, [2]), shapes.Pair("a", shapes.Pair(None, ()))])
    case("dataclasses", [shapes.Data("a", [1]), shapes.Frozen("b", 2)])
    if sys.version_info >= (3, 10):
        case("dataclasses with slots", [shapes.SlottedData("a", 1), shapes.FrozenSlottedData("b", 2)], since=2)
    case("enums", [shapes.Colour.RED, shapes.Colour.GREEN, shapes.Number.ONE, shapes.Flags.READ,
                   shapes.Flags.READ | shapes.Flags.WRITE, shapes.Flags(0), re.IGNORECASE | re.MULTILINE])
    case("exceptions", [ValueError("a", 1), with_attribute(KeyError("k")), shapes.Failure("what", 5),
                        OSError(2, "No such file", "name"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "why"),
                        StopIteration(3), AssertionError()])
    case("exceptions that Python 2 does not have", [ConnectionResetError("x"), BlockingIOError(11, "again", 5)], 3)


def slots_and_dict():
    value = shapes.SlotsAndDict(1, 2)
    value.three = 3
    return value


def reduced(parts):
    value = shapes.Reduces(parts)
    value.extra = ["extra"]
    for number in range(3 if parts < 6 else 1):
        value.append([number])
        value[number] = {"pair": number}
    return value


def with_attribute(value):
    value.attribute = ["of its own"]
    return value


def shared_and_recursive():
    leaf, text, blob = ["leaf"], "a text that is shared", b"bytes that are shared"
    pair = (leaf, leaf)
    plain = shapes.Plain(leaf=leaf)
    case("shared", [leaf, leaf, pair, pair, {"leaf": leaf}, text, text, blob, blob, plain, plain, {text: blob}])
    many = [[number] for number in range(300)]
    case("more shared values than a byte counts", [many, list(reversed(many)), tuple(many)])
    data = bytearray(b"shared")
    case("shared bytearrays", [data, data])
    unordered = set([1])
    case("shared sets", [unordered, unordered, frozenset([2])])

    one = []
    one.append(one)
    case("a list in itself", one)
    mapping = {}
    mapping["self"] = mapping
    case("a dict in itself", mapping)
    inner = []
    circle = (inner, 1)
    inner.append(circle)
    case("a tuple in its list", circle)
    case("a list in its tuple", inner)
    inner = []
    long_circle = (1, 2, 3, [inner])
    inner.append({"back": long_circle})
    case("a long tuple in its list", long_circle)
    left, right = shapes.Plain(), shapes.Plain()
    left.other, right.other = right, left
    case("objects that have each other", left)
    myself = shapes.Plain()
    myself.myself = myself
    case("an object that has itself", myself)
    holder = shapes.Plain()
    holder.holds = {holder}
    case("an object in its set", holder)
    case("a set with an object that has it", holder.holds)
    holder = shapes.Plain()
    holder.holds = frozenset([holder])
    case("an object in its frozenset", holder)
    case("a frozenset with an object that has it", holder.holds)
    key = shapes.Plain()
    key.mapping = {key: "value"}
    case("an object that is a key of its dict", key)
    case("a dict with such a key", key.mapping)
    own = shapes.List()
    own.append(own)
    own.me = own
    case("a subclass of list in itself", own, since=2)
    own = shapes.Dict()
    own["me"] = own
    case("a subclass of dict in itself", own, since=2)
    inner = []
    own = shapes.List([1, inner, 2])
    inner.append(own)
    case("a subclass of list in a list of its own", own)
    case("a list in a subclass of list in it", inner)
    inner = []
    own = shapes.Dict(one=1, inner=inner, two=2)
    inner.append(own)
    case("a subclass of dict in a list of its own", own)
    inner = []
    outer = shapes.List([shapes.Dict(inner=inner), shapes.List([inner, [inner]])])
    inner.append(outer)
    case("subclasses of containers in each other", outer)
    for kind in shapes.Set, shapes.FrozenSet:
        holder = shapes.Plain()
        holder.holds = kind([holder])
        case("an object in its %s" % kind.__name__, holder)
        case("a %s with an object that has it" % kind.__name__, holder.holds)
    tangled = shapes.Reduces(5)
    tangled.append(tangled)
    tangled["me"] = [tangled]
    tangled.extra = tangled
    case("__reduce__ with itself for parts", tangled)
    ring = collections.deque()
    ring.append(ring)
    case("a deque in itself", ring)
    default = collections.defaultdict(list)
    default["me"] = default
    case("a defaultdict in itself", default)
    ordered = collections.OrderedDict()
    ordered["me"] = ordered
    case("an OrderedDict in itself", ordered)
    error = ValueError("has itself")
    error.me = error
    case("an exception that has itself", error)


plain_values()
containers()
standard_library()
classes()
shared_and_recursive()

# ---- how it is compared ----

ATOMS = {type(None), bool, int, float, complex, type(Ellipsis), type(NotImplemented)}  # compared by their repr: -0.0
TEXTS = {str, bytes}
BY_IDENTITY = (type, types.FunctionType, enum.Enum, shapes.ByName, shapes.Kept, types.ModuleType)
LONG = 16  # shorter strs and bytes may be the same by accident


class Difference(Exception):
    pass


class Comparison:
    """Whether two values are the same: in type, in content, in order; and whether what is one object here is one there.
    Objects are taken apart as pickle does it."""

    def __init__(self):
        self.others = {}  # of each object on the one side, by its id, the one on the other side
        self.ids = {}
        self.alive = []

    def same(self, one, other, path="it"):
        if type(one) is not type(other):
            raise Difference("%s is a %s, not a %s" % (path, type(other).__name__, type(one).__name__))
        if type(one) in ATOMS:
            self.expect(repr(one) == repr(other), path, one, other)
        elif type(one) in TEXTS:
            self.expect(one == other, path, one, other)
            if len(one) >= LONG:
                self.met(one, other, path)
        elif isinstance(one, BY_IDENTITY):
            self.expect(one is other, path, one, other)
        elif isinstance(one, types.BuiltinFunctionType):
            self.same_parts(one, other, path)
        elif not self.met(one, other, path):
            self.same_content(one, other, path)

    @staticmethod
    def expect(condition, path, one, other):
        if not condition:
            raise Difference("%s is %.200r, not %.200r" % (path, other, one))

    def met(self, one, other, path):
        """Whether both have been compared already. That what was shared is so still, and nothing else is."""
        if type(one) in (tuple, frozenset) and not one:
            return True  # there is but one, as a rule
        if id(one) in self.others or id(other) in self.ids:
            if self.others.get(id(one)) is not other or self.ids.get(id(other)) != id(one):
                raise Difference("%s is not the one that it was: sharing differs" % path)
            return True
        self.others[id(one)] = other
        self.ids[id(other)] = id(one)
        self.alive += one, other
        return False

    def same_content(self, one, other, path):
        if type(one) in (list, tuple):
            self.same_items(one, other, path)
        elif type(one) is dict:
            self.same_items(list(one), list(other), path + ".keys()")
            self.same_items(list(one.values()), list(other.values()), path + ".values()")
        elif type(one) in (set, frozenset):
            self.same_items(*(list(value) if len(value) == 1 else sorted(value, key=order)
                              for value in (one, other)), path)
        elif type(one) is bytearray:
            self.expect(one == other, path, one, other)
        elif numpy and isinstance(one, (numpy.ndarray, numpy.generic)):
            self.expect(one.dtype == other.dtype and one.shape == other.shape and (one == other).all() and
                        one.flags.f_contiguous == other.flags.f_contiguous, path, one, other)
        else:
            self.same_parts(one, other, path)

    def same_items(self, one, other, path):
        self.expect(len(one) == len(other), "len(%s)" % path, len(one), len(other))
        for left, right in zip(one, other):
            if type(left) is not int or type(right) is not int or left != right:
                self.same(left, right, path + "[]")

    def same_parts(self, one, other, path):
        reduce = copyreg.dispatch_table.get(type(one), lambda value: value.__reduce_ex__(4))
        parts = [reduce(value) for value in (one, other)]
        if isinstance(parts[0], str):
            self.expect(one is other, path, one, other)
            return
        for part, (left, right) in enumerate(zip(*map(self.spread, parts))):
            self.same(left, right, "%s.__reduce__()[%d]" % (path, part))

    def spread(self, parts):
        """The parts of a reduction, as lists and tuples that are the comparison's own."""
        parts = [tuple(parts[1]) if part == 1 else list(value) if part in (3, 4) and value is not None else value
                 for part, value in enumerate(parts)]
        self.alive.append(parts)
        return parts


def order(value):
    """A key that sorts the items of sets. Of a frozenset it has the length only: the corpus has no two of the same."""
    return type(value).__name__, len(value) if isinstance(value, frozenset) else repr(value)


def same(one, other):
    """Raises Difference where they differ."""
    Comparison().same(one, other)
