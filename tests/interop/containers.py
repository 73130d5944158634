"""Tests that lists, dicts, sets, namespaces, values and arrays of kith's server do what Python's own do: random calls,
always the same ones, go to both, and must give the same, or raise the same with the same words; and what is in both
must be the same in the end, and shown the same.

usage: containers.py ROLES [CALLS [SEED]]    ROLES is the program made of manager_roles.c; CALLS: how many of each
type; SEED: other calls than always
"""

import os
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(here, os.pardir, "examples")]
sys.dont_write_bytecode = True

import array
import datetime
import pickle
import random
from multiprocessing import current_process, managers
from multiprocessing.connection import Client
from multiprocessing.reduction import ForkingPickler

import corpus
from addresses import for_python, new_path
from manager_servers import KEY, c_server
from tap import equal, run_all, test

sys.setrecursionlimit(20000)  # for what the corpus has of deep values
SAME_WORDS = (3, 11) <= sys.version_info < (3, 14)  # others say some things otherwise: only classes are compared
program = sys.argv[1]
CALLS = int(sys.argv[2]) if len(sys.argv) > 2 else 3000
SEED = sys.argv[3] if len(sys.argv) > 3 else ""


def sent(value):
    """A value as a server gets it, and a client its answer."""
    return pickle.loads(ForkingPickler.dumps(value))


# ---- the server's objects, without proxies: these would know some answers themselves ----


class Line:
    def __init__(self, address):
        self.address = address
        self.connection = self.connect()
        self.connection.send((None, "accept_connection", ("containers",), {}))
        equal(self.connection.recv(), ("#RETURN", None))

    def connect(self):
        return Client(self.address, authkey=KEY)

    def ask_server(self, name, *args, **kwargs):
        with self.connect() as connection:
            connection.send((None, name, args, kwargs))
            return connection.recv()

    def call(self, ident, method, args=(), kwargs={}):
        self.connection.send((ident, method, args, kwargs))
        return self.connection.recv()


def iterated(line, ident):
    """What an Iterator gives."""
    items = []
    while True:
        kind, item = line.call(ident, "__next__")
        if kind == "#ERROR":
            assert type(item) is StopIteration, item
            line.ask_server("decref", ident)
            return items
        items.append(item)


def outcome_there(line, ident, method, args, kwargs):
    kind, result = line.call(ident, method, args, kwargs)
    if kind == "#PROXY":
        return "returns", iterated(line, result[1].id)
    if kind == "#ERROR":
        return "raises", result
    return ("returns" if kind == "#RETURN" else kind), result


def outcome_here(target, method, args, kwargs):
    args, kwargs = sent((args, kwargs))
    try:
        result = getattr(target, method)(*args, **kwargs)
    except Exception as error:
        return "raises", error
    if hasattr(result, "__next__"):
        result = list(result)
    return "returns", sent(result)


def shown(value):
    """A text that is the same for what is the same, and tells 1 from 1.0 and True."""
    if isinstance(value, (set, frozenset)):
        return "%s%s" % (type(value).__name__, sorted(map(shown, value)))
    if isinstance(value, dict):
        return "{%s}" % ", ".join("%s: %s" % (shown(key), shown(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return "%s(%s)" % (type(value).__name__, ", ".join(map(shown, value)))
    if isinstance(value, BaseException):
        return "%s%s" % (type(value).__name__, shown(value.args))
    if isinstance(value, (managers.Namespace, managers.Value)):
        return type(value).__name__ + shown(vars(value))
    return shown(list(value)) if hasattr(value, "__next__") else repr(value)


# ---- what is given ----


class Maker:
    """Random values. Few of each, so that they meet again."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def any_of(self, *makers):
        return self.random.choice(makers)()

    def number(self):
        return self.random.choice([0, 1, -1, 2, 3, 255, 256, 65535, -2**31, 2**31, 2**63 - 1, 2**63, -2**63, -2**64,
                                   10**30, True, False, 0.0, -0.5, 1.0, 2.5, 1e300, float("inf"), 2.0**63])

    def text(self):
        return self.random.choice(["", "a", "b", "ab", "\u00e4", "\u20ac", "\U0001f40d", "it's", 'say "x"', "a\0b", "G",
                                   "x" * 300])

    def key(self):
        return self.any_of(self.number, self.text, self.text, self.number, lambda: None, lambda: b"bytes",
                           lambda: (1, "a"), lambda: (1.0, ("b",)), lambda: frozenset([1, 2]),
                           lambda: self.random.choice([(None, 1), (True, "a"), ("a", "b"), (70000, b"c"), (1, 2, 3)]),
                           lambda: datetime.date(2024, 2, self.random.randint(1, 3)),
                           lambda: ("day", datetime.date(2024, 2, 1)))

    def value(self):
        return self.any_of(self.key, self.key, lambda: [1, [2]], lambda: {"k": [self.number()]}, lambda: {1, 2},
                           lambda: bytearray(b"b"), lambda: float("nan"), lambda: 1 + 2j, lambda: [[1]] * 2)

    def not_hashable(self):
        return self.random.choice([[1], {}, {1}, bytearray(b"b"), (1, [2])])

    def index(self):
        return self.random.choice([0, 0, 1, -1, 2, -2, 5, -5, 9, 40, -40, 2**40, True])

    def wrong_index(self):
        return self.random.choice(["a", None, 1.0, 2**70, -2**70, [1], b"b"])

    def some(self, of, most=5):
        return [of() for _ in range(self.random.randint(0, most))]

    def iterable(self, of):
        items = self.some(of)
        return self.any_of(lambda: items, lambda: items + items, lambda: tuple(items), lambda: "ab\u20ac",
                           lambda: b"\0\xff",
                           lambda: range(self.random.randint(-3, 4), 5, self.random.choice([1, 2, -1])),
                           lambda: {1: 2, "a": 3}, lambda: {1: 2}.keys(), lambda: bytearray(b"xy"),
                           lambda: array.array("h", [1, -2]))

    def not_iterable(self):
        return self.random.choice([3, None, 1.5, True])

    def slice(self):
        bound = lambda: self.random.choice([None, None, 0, 1, 2, 3, 7, -1, -2, -7, 100, -100, 2**70, -2**70, True])
        step = self.random.choice([None, None, None, 1, 1, 2, 3, -1, -2, 2**63 - 1, -2**70, 0])
        return slice(bound(), bound(), step) if self.random.random() < 0.97 else slice("a")


# ---- the calls: name -> how its arguments are made ----


def list_calls(make):
    rare = make.random.random() < 0.1
    index = make.wrong_index if rare else make.index
    items = make.not_iterable if rare else lambda: make.iterable(make.value)
    return {
        "append": lambda: (make.value(),),
        "extend": lambda: (items(),),
        "insert": lambda: (index(), make.value()),
        "pop": lambda: make.any_of(lambda: (), lambda: (index(),)),
        "remove": lambda: (make.value(),),
        "index": lambda: (make.value(),) + make.any_of(lambda: (), lambda: (index(),), lambda: (index(), index())),
        "count": lambda: (make.value(),),
        "reverse": lambda: (),
        "copy": lambda: (),
        "clear": lambda: () if make.random.random() < 0.2 else (1,),
        "__contains__": lambda: (make.value(),),
        "__len__": lambda: (),
        "__getitem__": lambda: (make.any_of(index, make.slice),),
        "__delitem__": lambda: (make.any_of(index, make.slice),),
        "__setitem__": lambda: make.any_of(lambda: (index(), make.value()), lambda: (make.slice(), items())),
        "__add__": lambda: (make.any_of(lambda: make.some(make.value), make.value),),
        "__mul__": lambda: (make.any_of(lambda: make.random.randint(-1, 3), make.wrong_index),),
        "__rmul__": lambda: (make.random.randint(-1, 3),),
        "__imul__": lambda: (make.random.randint(0, 2),),
        "__reversed__": lambda: (),
    }


def dict_calls(make):
    rare = make.random.random() < 0.1
    key = make.not_hashable if rare else make.key
    pair = lambda: (make.key(), make.value())
    pairs = lambda: make.any_of(lambda: dict(make.some(pair)), lambda: make.some(pair), lambda: tuple(make.some(pair)),
                                lambda: [["k", 1], "ab", b"cd", (3, [4])])
    wrong = lambda: make.any_of(make.not_iterable, lambda: [3], lambda: ["abc"], lambda: [(1, 2), (1,)],
                                lambda: [([], 1)])
    from_any = wrong if rare else pairs
    return {
        "__getitem__": lambda: (key(),),
        "__setitem__": lambda: (key(), make.value()),
        "__delitem__": lambda: (key(),),
        "__contains__": lambda: (key(),),
        "__len__": lambda: (),
        "__iter__": lambda: (),
        "__reversed__": lambda: (),
        "get": lambda: make.any_of(lambda: (key(),), lambda: (key(), make.value())),
        "pop": lambda: make.any_of(lambda: (key(),), lambda: (key(), make.value())),
        "setdefault": lambda: make.any_of(lambda: (key(),), lambda: (key(), make.value())),
        "popitem": lambda: (),
        "clear": lambda: () if make.random.random() < 0.2 else (1,),
        "copy": lambda: (),
        "keys": lambda: (),
        "values": lambda: (),
        "items": lambda: (),
        "update": lambda: make.any_of(lambda: (from_any(),), lambda: (), lambda: (1, 2)),
        "__or__": lambda: (make.any_of(lambda: dict(make.some(pair)), make.not_iterable),),
        "__ror__": lambda: (dict(make.some(pair)),),
        "__ior__": lambda: (from_any(),),
        "fromkeys": lambda: make.any_of(lambda: (make.some(key),), lambda: ("abc", make.value())),
    }


def set_calls(make):
    rare = make.random.random() < 0.1
    item = make.not_hashable if rare else make.key
    items = make.not_iterable if rare else lambda: make.iterable(make.key)
    some = lambda: make.any_of(lambda: set(make.some(make.key)), lambda: frozenset(make.some(make.key)))
    operand = make.value if rare else some
    calls = {
        "add": lambda: (item(),),
        "remove": lambda: (item(),),
        "discard": lambda: (item(),),
        "__contains__": lambda: (item(),),
        "__len__": lambda: (),
        "copy": lambda: (),
        "clear": lambda: () if make.random.random() < 0.2 else (1,),
    }
    for name in "and or sub xor rand ror rsub rxor iand ior isub ixor lt le gt ge".split():
        calls["__%s__" % name] = lambda: (operand(),)
    for name in "union intersection difference update intersection_update difference_update".split():
        calls[name] = lambda: tuple(items() for _ in range(make.random.randint(0, 2)))
    for name in "symmetric_difference symmetric_difference_update issubset issuperset isdisjoint".split():
        calls[name] = lambda: (items(),)
    return calls


def namespace_calls(make):
    name = lambda: make.random.choice(["x", "y", "_hidden", "\u00e4", "a long name"])
    if make.random.random() < 0.05:
        name = lambda: make.random.choice([3, None, b"x"])
    return {
        "__getattribute__": lambda: (name(),),
        "__setattr__": lambda: (name(), make.value()),
        "__delattr__": lambda: (name(),),
    }


def value_calls(make):
    return {"get": lambda: (), "set": lambda: (make.value(),)}


def array_calls(typecode):
    def calls(make):
        index = make.index if make.random.random() < 0.9 else lambda: 2**70
        few = lambda: make.random.choice([0, 1, 2, 100, 127])
        text = lambda: make.random.choice("ab\u20ac")
        right = text if typecode == "u" else few
        other = make.random.choice("bid")
        part = lambda: make.any_of(lambda: array.array(typecode, make.some(right)), lambda: make.some(few),
                                   lambda: array.array(other, [1, 2]) if other != typecode else 3)
        return {
            "__len__": lambda: (),
            "__getitem__": lambda: (make.any_of(index, make.slice),),
            "__setitem__": lambda: make.any_of(
                lambda: (index(), make.any_of(right, make.number, lambda: "a", lambda: None)),
                lambda: (make.slice(), part())),
        }

    return calls


# ---- both together ----


def words_differ(here, there):
    """Whether it is words alone that differ, where they may: those of how Python binds arguments, which its versions
    say otherwise, and of what only Python understands."""
    if type(here) is not type(there) or not isinstance(here, Exception):
        return False
    if not SAME_WORDS:
        return True
    of_objects = "datetime." in str(here) or "builtins." in str(there)
    return of_objects or (" argument" in str(here) and " argument" in str(there))


def check(line, ident, target, step, method, args, kwargs={}):
    there = outcome_there(line, ident, method, args, kwargs)
    here = outcome_here(target, method, args, kwargs)
    same = shown(there) == shown(here) or words_differ(here[1], there[1])
    if not same:
        raise AssertionError("call %d, %s%r %r\nhere:  %s\nthere: %s" % (step, method, args, kwargs, shown(here),
                                                                       shown(there)))
    return here


def is_plain(value):
    """Whether kith knows how Python shows a value: no object, and no set, which has no order."""
    if isinstance(value, dict):
        return all(is_plain(key) and is_plain(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(is_plain, value))
    if isinstance(value, (managers.Namespace, managers.Value)):
        return is_plain(vars(value))
    return type(value) in (int, bool, float, str, bytes, bytearray, array.array, type(None))


def check_whole(line, ident, target, step):
    equal((step, shown(line.call(ident, "#GETVALUE"))), (step, shown(("#RETURN", sent(target)))))
    if is_plain(target):
        equal((step, line.call(ident, "__repr__")), (step, ("#RETURN", repr(target))))


def compare(typeid, arguments, make_here, calls, count=CALLS, besides=None):
    """Makes the calls. besides: makes others now and then"""
    make = Maker("%s%r%s" % (typeid, arguments, SEED))
    target = make_here(*sent(arguments))
    with c_server(program, "unix:" + new_path()) as server:
        line = Line(for_python(server.address)[0])
        ident = line.ask_server("create", typeid, *arguments)[1][0]
        for step in range(count):
            possible = calls(make)
            method = make.random.choice(sorted(possible))
            if hasattr(target, method):
                check(line, ident, target, step, method, possible[method]())
            if besides and step % 10 == 0:
                besides(make, line, ident, target, step)
            if step % 50 == 0:
                check_whole(line, ident, target, step)
        check_whole(line, ident, target, count)
        line.connection.close()


def sort(make, line, ident, target, step):
    """Sorts items that have an order, and some that have none."""
    of = make.random.choice([make.number, make.text, lambda: (make.number(), make.text()), lambda: [make.text()],
                             lambda: [make.number()] * make.random.randint(0, 3), lambda: bytes([make.index() & 3]),
                             lambda: make.any_of(make.number, make.text), lambda: None, lambda: {1: 2}])
    check(line, ident, target, step, "__setitem__", (slice(None), make.some(of, make.random.choice([3, 20, 63]))))
    how, _ = check(line, ident, target, step, "sort", (), {"reverse": True} if make.random.random() < 0.5 else {})
    if how == "raises":  # Python leaves it half sorted
        check(line, ident, target, step, "clear", ())


def sort_many(make, line, ident, target, step):
    """The same of so many that they are merged."""
    items = [(make.random.randint(0, 50), number) for number in range(make.random.randint(64, 1000))]
    items = [(key + 0.0 if number % 3 else key, number) if number % 7 else (key, -1) for key, number in items]
    check(line, ident, target, step, "__setitem__", (slice(None), items))
    check(line, ident, target, step, "sort", (), {"reverse": step % 2 == 0})


def pop_any(make, line, ident, target, step):
    """Which item a set gives is its own matter."""
    how, item = outcome_there(line, ident, "pop", (), {})
    if how == "raises":
        equal(shown(item), shown(KeyError("pop from an empty set")))
        equal(len(target), 0)
    else:
        target.remove(item)


# ---- the tests ----


@test
def lists():
    """lists."""
    compare("list", (), list, list_calls, besides=sort)


@test
def long_lists():
    """lists that are long."""
    compare("list", (range(3000),), list, list_calls, CALLS // 10, sort_many)


@test
def dicts():
    """dicts."""
    compare("dict", (), dict, dict_calls)


@test
def long_dicts():
    """dicts of many keys, which come and go."""

    def calls(make):
        key = lambda: make.random.choice([make.random.randint(0, 2000), "k%d" % make.random.randint(0, 2000)])
        return {**dict.fromkeys(["__setitem__", "setdefault"], lambda: (key(), make.number())),
                **dict.fromkeys(["__getitem__", "__delitem__", "__contains__"], lambda: (key(),)),
                "popitem": lambda: ()}

    compare("dict", (dict.fromkeys(range(1000)),), dict, calls)


@test
def sets():
    """sets."""
    compare("set", (), set, set_calls, besides=pop_any)


@test
def namespaces():
    """namespaces."""
    compare("Namespace", (), managers.Namespace, namespace_calls, CALLS // 3)


@test
def values():
    """values."""
    compare("Value", ("i", 3), managers.Value, value_calls, CALLS // 10)


def arrays_test(typecode, content):
    def of_one_typecode():
        compare("Array", (typecode, content), managers.Array, array_calls(typecode), CALLS // 5)

    of_one_typecode.__doc__ = "arrays of typecode %s" % typecode
    test(of_one_typecode)


for typecode in "bBhHiIlLqQfdu":
    arrays_test(typecode, "abc" if typecode == "u" else [1, 2, 3])


@test
def constructors():
    """what each type is made of, and what it is not made of."""
    arguments = {
        "list": [(), ("ab\u20ac",), (b"ab",), ({1: 2},), (range(5, 0, -2),), ({3},), (3,), (None,), (1, 2)],
        "dict": [(), ({"a": 1},), ([("a", 1), (2, [3])],), (["ab"],), (3,), ([3],), (["abc"],), ([([], 1)],), (1, 2)],
        "set": [(), ("aba",), ([1, 1.0, True],), ([[]],), (3,)],
        "Array": [("i", [1, 2]), ("i", (1, 2)), ("i", b"\1\0\0\0"), ("i", b"abc"), ("i", "abc"), ("i", 3),
                  ("d", {1: 2}), ("u", "ab"), ("u", ["a", "b"]), ("u", [1]), ("x", [1]), ("ii", [1]), (3, [1]), ("i",),
                  ("i", [None]),
                  ("h", array.array("i", [1, 2])), ("b", range(3)), ("b", [128])],
        "Value": [("i", 3), ("d", "anything"), ("i",)],
        "Namespace": [()],
    }
    make_here = {"list": list, "dict": dict, "set": set, "Array": managers.Array, "Value": managers.Value,
                 "Namespace": managers.Namespace}
    with c_server(program, "unix:" + new_path()) as server:
        line = Line(for_python(server.address)[0])
        for typeid, all_arguments in arguments.items():
            for given in all_arguments:
                kind, made = line.ask_server("create", typeid, *given)
                try:
                    here = make_here[typeid](*sent(given))
                except Exception as error:
                    last = "%s: %s" % (type(error).__name__, error)
                    equal(kind, "#TRACEBACK")
                    if SAME_WORDS and " argument" not in last:
                        equal((typeid, given, made.strip().splitlines()[-1]), (typeid, given, last))
                else:
                    equal((typeid, given, kind), (typeid, given, "#RETURN"))
                    equal(shown(line.call(made[0], "#GETVALUE")[1]), shown(sent(here)))
        kind, made = line.ask_server("create", "dict", [("a", 1)], a=2, b=3)
        equal(line.call(made[0], "#GETVALUE"), ("#RETURN", {"a": 2, "b": 3}))
        kind, made = line.ask_server("create", "Namespace", x=1, _y=2)
        equal(line.call(made[0], "__str__"), ("#RETURN", "Namespace(x=1)"))
        line.connection.close()


def is_key(value):
    try:
        hash(value)
        return value == value
    except Exception:
        return False


@test
def what_only_python_understands():
    """what is stored comes out equal, whatever it is, from each type; and as a key it is found again."""
    with c_server(program, "unix:" + new_path()) as server:
        line = Line(for_python(server.address)[0])
        idents = {typeid: line.ask_server("create", typeid, *given)[1][0]
                  for typeid, given in [("list", ()), ("dict", ()), ("Value", ("i", 0)), ("Namespace", ())]}
        wrong = []
        for name, value, _ in corpus.cases:
            try:
                for typeid, method, args in [("list", "append", (value,)), ("dict", "__setitem__", (name, value)),
                                             ("Value", "set", (value,)), ("Namespace", "__setattr__", (name, value))]:
                    equal(line.call(idents[typeid], method, args), ("#RETURN", None))
                for typeid, method, args in [("list", "__getitem__", (-1,)), ("dict", "__getitem__", (name,)),
                                             ("Value", "get", ()), ("Namespace", "__getattribute__", (name,))]:
                    kind, answer = line.call(idents[typeid], method, args)
                    equal(kind, "#RETURN")
                    corpus.same(value, answer)
                kind, whole = line.call(idents["list"], "#GETVALUE")
                corpus.same(value, whole[-1])
                if is_key(value) and "nested tuples" not in name and "nested pairs" not in name:  # KITH_KEY_DEPTH_MAX
                    equal(line.call(idents["dict"], "__setitem__", (value, name)), ("#RETURN", None))
                    equal(line.call(idents["dict"], "__getitem__", (value,)), ("#RETURN", name))
                    equal(line.call(idents["dict"], "__delitem__", (value,)), ("#RETURN", None))
                corpus.same(value, line.call(idents["list"], "pop")[1])
            except RecursionError:
                pass  # of this Python, which can't go so deep
            except Exception as error:
                wrong.append("%s: %s: %s" % (name, type(error).__name__, error))
        equal(wrong, [])
        assert len(corpus.cases) > 100, len(corpus.cases)
        line.connection.close()


@test
def nested_proxies():
    """proxies in containers hold what they stand for, look as Python's do, and are iterated over."""
    with c_server(program, "unix:" + new_path()) as server:
        address = for_python(server.address)[0]
        current_process().authkey = KEY  # of proxies that come
        manager = managers.SyncManager(address, KEY)
        manager.connect()
        numbers, outer = manager.list([1, 2]), manager.dict()
        outer["in"] = [numbers, (numbers,)]
        ident = numbers._id
        equal(str(outer), "{'in': [<ListProxy object, typeid 'list' at 0x%s>, "
                          "(<ListProxy object, typeid 'list' at 0x%s>,)]}" % (ident, ident))
        equal(manager.list(numbers)[:], [1, 2])
        equal(sorted(manager.dict(outer).keys()), ["in"])
        del numbers
        equal(manager._number_of_objects(), 1)  # that clients have
        outer["in"][0].append(3)
        equal(outer["in"][1][0][:], [1, 2, 3])


@test
def changes_while_iterated():
    """an iterator says when its dict or set has changed in size."""
    with c_server(program, "unix:" + new_path()) as server:
        line = Line(for_python(server.address)[0])
        for typeid, content, change in [("dict", {1: 2}, ("__setitem__", (2, 3))), ("set", {1}, ("add", (2,)))]:
            ident = line.ask_server("create", typeid, content)[1][0]
            iterator = line.call(ident, "__iter__")[1][1].id
            equal(line.call(iterator, "__next__"), ("#RETURN", 1))
            line.call(ident, *change)
            kind, error = line.call(iterator, "__next__")
            words = {"dict": "dictionary changed size during iteration", "set": "Set changed size during iteration"}
            equal((kind, shown(error)), ("#ERROR", shown(RuntimeError(words[typeid]))))
        line.connection.close()


run_all()
