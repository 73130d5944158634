"""Tests that the objects of kith's server do what those of a stock one do: the same calls are made on both, by stock
proxies, and must give the same, or raise the same.

usage: manager_methods.py [--long] ROLES    ROLES is the program made of manager_roles.c

The newest Python runs the tests; with --long, or when KITH_LONG is set, every one that is found.
"""

import faulthandler
import os
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(here, os.pardir, "examples")]
sys.dont_write_bytecode = True

import array
import datetime
import decimal
import fractions
import threading
from multiprocessing import current_process, managers
from multiprocessing.managers import ListProxy, RemoteError, SyncManager, Token

import shapes
from addresses import for_python, new_path
from everywhere import newest, run_everywhere
from manager_servers import KEY, PATIENCE, c_server
from tap import run_all, test

# ---- what is called ----

SCRIPTS = []  # (what of, its lines)


def in_thread(function):
    """What it returns or raises in another thread, which is another client."""
    outcome = []

    def run():
        try:
            outcome.append((function(), None))
        except Exception as error:
            outcome.append((None, error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    result, error = outcome[0]
    if error:
        raise error
    return result


def notified(condition):
    """What a wait gives that another client ends."""

    def notify():
        with condition:
            condition.notify()

    with condition:
        thread = threading.Thread(target=notify)
        thread.start()
        result = condition.wait(PATIENCE)
    thread.join()
    return result


def met(barrier):
    """What two clients get that meet there."""
    numbers = []
    thread = threading.Thread(target=lambda: numbers.append(barrier.wait()))
    thread.start()
    numbers.append(barrier.wait())
    thread.join()
    return numbers


def dispatch(manager, function, *arguments):
    """Calls the server itself."""
    with manager._Client(manager.address, authkey=KEY) as connection:
        return managers.dispatch(connection, None, function, arguments)


def unknown(manager, id):
    """A proxy of what is not there."""
    return ListProxy(Token("list", manager.address, id), "pickle", authkey=KEY, incref=False)


NAMES = {name: value for name, value in globals().items() if not name.startswith("_")}


def script(of, lines):
    """Lines that are run in both servers, where m is the manager. One that begins with "~" raises an exception whose
    class counts, not its words."""
    SCRIPTS.append((of, [line.strip() for line in lines.strip().splitlines()]))


script("list: items and slices", """
    l = m.list(range(10))
    l[0], l[-1], l[9], l[-10], l[True]
    l[10]
    l[-11]
    l["0"]
    l[1.0]
    l[None]
    l[2**70]
    l[:], l[2:5], l[5:2], l[::2], l[::-1], l[-3:], l[:-3], l[8:100], l[-100:3], l[7:1:-2]
    l[2**70:], l[:2**70], l[::2**70], l[-2**70:5]
    l[::0]
    l["a":]
    l[None:None:None]
    l[False:True]
    l[0] = "zero"
    l[-1] = [1, {2: (3,)}]
    l[10] = 1
    l[-11] = 1
    l["a"] = 1
    l[:]
    l[2:4] = "ab"
    l[2:2] = [1.5, None]
    l[5:2] = [b"inserted"]
    l[::3] = list(range(len(l[::3])))
    l[:]
    l[::3] = [1]
    l[::-1] = range(len(l))
    ~l[1:2] = 5
    l[:]
    del l[0]
    del l[-1]
    del l[100]
    del l[-100]
    del l["a"]
    del l[1:3]
    del l[::2]
    l[:]
    del l[::-1]
    l[:], len(l), list(l)
    del l[0]
    l[0:0] = {1: 2, 3: 4}
    l[len(l):] = (5,)
    l[:]
""")
script("list: methods", """
    l = m.list()
    l.append(1), l.append("two"), l.append(None)
    l.extend([3, 4]), l.extend((5,)), l.extend("ab"), l.extend({6: 7}), l.extend(range(2)), l.extend(b"by")
    l[:]
    ~l.extend(5)
    ~l.append()
    ~l.append(1, 2)
    l.insert(0, "first"), l.insert(100, "last"), l.insert(-1, "before"), l.insert(-100, "at all"), l.insert(1, [])
    l.insert("a", 1)
    ~l.insert(1)
    l[:]
    l.pop(), l.pop(0), l.pop(-2)
    l.pop(1000)
    l.pop(-1000)
    l.pop("a")
    l.remove("two"), l.remove(1)
    l.remove("nothing")
    l.index(None), l.index(4), l.index(4.0), l.index(5, 2), l.index(5, 2, 100), l.index(5, -100)
    l.index("nothing")
    l.index(5, 100)
    l.index(5, 0, 1)
    l.count(5), l.count(5.0), l.count("x"), l.count([]), l.count(True), l.count(1)
    None in l, 4 in l, 4.0 in l, "x" in l, [] in l, {} in l
    l.reverse()
    l[:]
    l.clear()
    l + [1], l * 2, 2 * l
    ~l + 1
    ~l * "a"
    l * -1
    l += [8, 9]
    l[:]
    l *= 2
    l[:]
    l *= 0
    l[:], len(l)
    l.pop()
    l.copy()
    ~l < l
    str(l), l._getvalue()
    l.extend([1, "a", b"b", 2.5, None, True, (1,), {1: [2]}, {3}, "ä'\\"\\n", 1e300, -0.0, 2**100, frozenset()])
    str(l)
    len(l), len(l[:])
""")
script("list: made of", """
    m.list("abc")[:], m.list((1, 2))[:], m.list({1: 2})[:], m.list(range(3))[:], m.list(b"ab")[:], m.list({5})[:]
    m.list([[1], [2]])[:]
    m.list(frozenset([5]))[:], m.list({1: 2}.items())[:], m.list({1: 2}.keys())[:], m.list(bytearray(b"x"))[:]
    m.list(5)
    m.list(None)
    ~m.list([1], [2])
    ~m.list(a=1)
""")
script("list: sorting", """
    l = m.list([3, 1, 2.5, True, -1, 2**70, -2**70, float("inf")])
    l.sort()
    l[:]
    l.sort(reverse=True)
    l[:]
    l[:] = ["b", "a", "ab", "", "ä", "Z", "\\U0001f600", "\\uffff"]
    l.sort()
    l[:]
    l[:] = [(2, "b"), (1, "z"), (2, "a"), (1,), ()]
    l.sort()
    l[:]
    l[:] = [[2], [1, 5], [1], []]
    l.sort(reverse=True)
    l[:]
    l[:] = [b"b", b"a", b"", b"ab"]
    l.sort()
    l[:]
    l[:] = [1, "a", 2]
    l.sort()
    l[:] = [None, 1]
    l.sort()
    l[:] = [{1: 2}, {}]
    l.sort()
    l[:] = [1, 1.0, True, 0, False, 0.0]
    l.sort()
    l[:]
    l.sort(reverse=True)
    l[:]
    l.sort(1)
    ~l.sort(unknown=1)
    l[:] = []
    l.sort()
    l[:] = [(1, "a"), (1, "b"), (0, "c")]
    l.sort(key=None)
    l[:]
""")
script("list: items that only Python understands", """
    when = datetime.datetime(2024, 2, 29)
    l = m.list([when, decimal.Decimal("1.10"), fractions.Fraction(1, 3), 1 + 2j, shapes.Data("a", [1])])
    l[:]
    l.index(when), l.count(decimal.Decimal("1.10")), when in l, fractions.Fraction(1, 3) in l, shapes.Data("b", []) in l
    shapes.Data("a", [1]) in l
    l.remove(when)
    l.remove(when)
    l.pop(), l.pop()
    l[:]
""")
script("list: its iterator", """
    l = m.list([1, "a", None])
    list(l), list(iter(l)), list(reversed(l[:])), max(l[:1]), [x for x in l], tuple(l)
    1 in iter(l)
""")
script("dict", """
    d = m.dict()
    d["a"] = 1
    d[1] = "one"
    d[(1, "t")] = [1]
    d[None] = {}
    d[b"b"] = 2.5
    d[True] = "true replaces one"
    d[1.0], d[1], d[True]
    d.keys(), d.values(), d.items(), len(d), d.copy()
    d["nothing"]
    d[(2, "nothing")]
    d[2.5]
    d[datetime.date(2024, 1, 1)]
    d[[1]]
    d[{}] = 1
    d[([],)] = 1
    d[{1}]
    del d["nothing"]
    del d[[1]]
    "a" in d, 1 in d, "b" in d, None in d, (1, "t") in d, 1.0 in d
    [] in d
    d.get("a"), d.get("z"), d.get("z", 5), d.get(1.0)
    d.get([])
    ~d.get()
    ~d.get(1, 2, 3)
    d.pop("a"), d.pop("z", "default")
    d.pop("a")
    d.pop([])
    ~d.pop()
    d.setdefault("s"), d.setdefault("s", 1), d.setdefault("t", [2]), d["s"], d["t"]
    d.popitem(), d.popitem()
    d.update({"u": 1, "v": 2}), d.update([("w", 3), ["x", 4]]), d.update(y=5), d.update({}, z=6), d.update()
    d.copy()
    d.update(5)
    ~d.update([1])
    d.update([(1, 2, 3)])
    d.update(["ab"])
    d.update([("ok", 1), 5])
    d.get("ok")
    d.update({}, {})
    d.update(["abc"])
    list(d.keys()), sorted(map(str, d.keys()))
    str(d), d._getvalue()
    d.clear()
    d.popitem()
    d.copy(), len(d), str(d)
    d["k"] = d["k2"] = "same"
    del d["k"]
    d["k"] = "last now"
    d.keys()
    ~d | {}
    ~d < d
    d.fromkeys([1])
""")
script("dict: made of", """
    m.dict({1: 2}).copy(), m.dict([(1, 2), (3, 4)]).copy(), m.dict(a=1, b=2).copy(), m.dict({1: 2}, a=1).copy()
    m.dict(((1, 2),), a=[3]).copy(), m.dict(()).copy(), m.dict(["ab"]).copy()
    m.dict(5)
    m.dict([1])
    m.dict([(1, 2, 3)])
    m.dict({}, {})
    m.dict([([], 1)])
    m.dict(self=1, typeid=2).copy()
""")
script("dict: keys", """
    d = m.dict()
    keys = [0, 1, -1, 2**63, -2**63, 2**64, 2**200, 0.5, -0.0, 1e300, float("inf"), "", "a", "ä", b"", b"a", (), None]
    keys += [(1, (2, "x")), frozenset(), frozenset([1, 2, 3])]
    keys += [datetime.date(2024, 1, 1), decimal.Decimal("1.5"), 1 + 2j, shapes.Colour.RED]
    for number, key in enumerate(keys): d[key] = number
    [d[key] for key in keys]
    [key in d for key in keys]
    len(d), list(d.keys()) == list(dict.fromkeys(keys))
    d[0.0], d[False], d[2.0**63], d[float(2**200)], d[frozenset([3, 2, 1])], d[2**64 + 0.0]
    d[(1.0, (2, "x"))], d[(True, (2.0, "x"))]
    [d.pop(key, None) for key in reversed(keys)]
    len(d)
    d[shapes.Frozen("b", 2)] = "frozen"
    d[shapes.Frozen("b", 2)], shapes.Frozen("c", 2) in d
""")
script("dict: its iterator", """
    d = m.dict(a=1, b=2, c=3)
    list(d), list(iter(d)), [key for key in d], dict(d) == d.copy()
    it = iter(d)
    next(it)
    d["new"] = 1
    next(it)
    it = iter(d)
    d["a"] = "no new key"
    next(it), next(it), next(it), next(it)
    next(it)
    next(it)
    it = iter(m.dict())
    next(it)
""")
for kind in "Queue", "JoinableQueue":
    script(kind, """
        q = m.%s(2)
        q.empty(), q.full(), q.qsize()
        q.put(1), q.put([2], True), q.empty(), q.full(), q.qsize()
        q.put(3, False)
        q.put(3, True, 0.01)
        q.put(3, timeout=0.01)
        q.put(3, block=False)
        q.put_nowait(3)
        q.put(3, True, -1)
        q.put(3, 0, -1)
        ~q.put()
        ~q.put(1, 2, 3, 4)
        q.get(), q.get(True, 5), q.empty()
        q.get(False)
        q.get(True, 0.01)
        q.get(timeout=0.01)
        q.get(block=False)
        q.get_nowait()
        q.get(True, -1)
        ~q.get(True, "a")
        q.get(0, "a")
        ~q.get(nothing=1)
        q.task_done(), q.task_done()
        q.task_done()
        q.join()
        q.put(item=5), q.get(timeout=None)
        q.task_done(), q.join()
        str(q)[:1]
    """ % kind)
    script(kind + ": how large", """
        q = m.%s()
        [q.put(i) for i in range(100)], q.full(), q.qsize()
        q = m.%s(0)
        q.put(1), q.full()
        q = m.%s(-5)
        q.put(1), q.full()
        q = m.%s(maxsize=1)
        q.put(1), q.full()
        q.put(1, False)
        ~m.%s(1, 2)
    """ % ((kind,) * 5))
script("Lock", """
    k = m.Lock()
    k.acquire(), k.acquire(False), k.acquire(True, 0.01), k.acquire(timeout=0.01), k.acquire(blocking=False)
    k.acquire(False, 1)
    ~k.acquire(True, -5)
    ~k.acquire("a", "b")
    k.release()
    k.release()
    k.acquire(False), k.release()
    k.acquire(True, -1), k.release()
    k.__enter__(), k.__exit__(None, None, None)
    k.locked()
""")
script("RLock", """
    k = m.RLock()
    k.acquire(), k.acquire(), k.acquire(False), k.acquire(True, 1)
    in_thread(lambda: k.acquire(False)), in_thread(lambda: k.acquire(True, 0.01))
    in_thread(k.release)
    k.release(), k.release(), k.release()
    in_thread(lambda: k.acquire(False))
    k.release()
    k.release()
    in_thread(lambda: (k.acquire(), k.release()))
    k.release()
    k.acquire(False, 1)
""")
for kind in "Semaphore", "BoundedSemaphore":
    script(kind, """
        s = m.%s(2)
        s.acquire(), s.acquire(False), s.acquire(False), s.acquire(True, 0.01), s.acquire(timeout=0.01)
        s.acquire(False, 1)
        s.release(), s.release(), s.acquire(), s.release()
        s.release()
        s.release(), s.acquire(), s.acquire(), s.acquire()
        m.%s().acquire(), m.%s(0).acquire(False), m.%s(value=3).acquire()
        m.%s(-1)
        s.__enter__() if s.release() is None else 0
    """ % ((kind,) * 5))
script("Condition", """
    c = m.Condition()
    c.wait(0.01)
    c.notify()
    c.notify_all()
    c.release()
    c.acquire(), c.acquire(), c.acquire(False)
    c.wait(0.01), c.wait(0), c.wait(-1)
    c.notify(), c.notify(3), c.notify(n=0), c.notify_all()
    in_thread(lambda: c.acquire(False))
    in_thread(c.notify)
    in_thread(lambda: c.wait(0.01))
    c.wait_for(lambda: False, 0.01), c.wait_for(lambda: 5)
    c.release(), c.release()
    c.release()
    in_thread(lambda: (c.acquire(), c.release()))
    notified(c)
""")
script("Event", """
    e = m.Event()
    e.is_set(), e.wait(0), e.wait(0.01), e.wait(-1), e.clear(), e.is_set()
    e.set(), e.is_set(), e.wait(), e.wait(5), e.set(), e.clear(), e.is_set(), e.wait(0)
    ~e.wait("a")
    e.set(1)
""")
script("Barrier", """
    b = m.Barrier(2)
    b.parties, b.n_waiting, b.broken
    b.wait(0.01)
    b.broken, b.n_waiting
    b.wait()
    b.reset()
    b.broken, sorted(met(b)), b.n_waiting
    b.abort(), b.broken
    b.wait(1)
    b = m.Barrier(1)
    b.wait(), b.wait()
    b = m.Barrier(2, timeout=0.01)
    b.wait()
    b = m.Barrier(2, None, 0.01)
    b.wait()
    b.broken
    b = m.Barrier(parties=3)
    b.parties
    ~b.nothing
    ~m.Barrier()
""")
script("Namespace", """
    n = m.Namespace(a=1, b=[2])
    n.a, n.b, str(n)
    n.c
    n.c = {"x": (1,)}
    n.c
    n.b.append(3)
    n.b
    del n.a
    n.a
    ~del n.a
    hasattr(n, "a"), hasattr(n, "b")
    n.two = n.one = 2.5
    str(n)
    n._hidden = 5
    n._hidden, str(n)
    n._callmethod("__setattr__", ("_under", 1)), n._callmethod("__getattribute__", ("_under",)), str(n)
    ~m.Namespace(1)
    str(m.Namespace())
    n.ä = 1
    n.ä, str(n)
""")
script("Value", """
    v = m.Value("i", 5)
    v.value, v.get(), str(v)
    v.value = "what you like"
    v.value, v.get(), str(v)
    v.set([1]), v.value, v.set(None), v.get()
    v.set()
    m.Value("nonsense", {1: 2}).value
    m.Value("d", 1.5, lock=False).value, m.Value(typecode="c", value=b"x").get()
    str(m.Value("d", 1.5))
    ~m.Value("i")
    ~m.Value()
""")
script("Array", """
    a = m.Array("i", [1, 2, 3])
    len(a), a[0], a[-1], a[:], a[1:], list(a), str(a)
    a[3]
    a["a"]
    a[0] = 7
    a[-1] = -5
    a[3] = 1
    ~a[0] = "a"
    ~a[0] = 1.5
    a[0] = 2**31
    a[0] = -2**31
    a[:]
    a[1:2] = array.array("i", [8, 9])
    ~a[:1] = [1]
    a[:], str(a)
    m.Array("d", [1, 2.5])[:], m.Array("B", b"ab")[:], m.Array("f", (0.5,))[:], m.Array("q", range(3))[:]
    m.Array("u", "abc")[:]
    m.Array("b", [127, -128])[:], m.Array("H", [65535])[0], m.Array("Q", [2**64 - 1])[0], m.Array("L", [1])[:]
    ~m.Array("B", [256])
    ~m.Array("B", [-1])
    ~m.Array("i", ["a"])
    ~m.Array("z", [])
    ~m.Array("i", 5)
    str(m.Array("i", [])), len(m.Array("d", []))
    a.append(1)
""")
script("what there is not", """
    ~m.list()._callmethod("nothing")
    ~m.dict()._callmethod("__class__")
    ~m.Lock()._callmethod("__enter__")
    ~m.Queue()._callmethod("_put", (1,))
    unknown(m, "x").append(1)
    dispatch(m, "incref", "feedbeef")
    dispatch(m, "decref", "feedbeef")
    ~dispatch(m, "get_methods", 5)
    dispatch(m, "nothing")
    dispatch(m, "create", "nothing")
    ~dispatch(m, "create")
    dispatch(m, "dummy")
""")

# ---- how it is compared ----


def outcome_of(line, names):
    """What a line gives: as text, which tells types as well."""
    try:
        try:
            code = compile(line, line, "eval")
        except SyntaxError:
            exec(line, names)
            return "done"
        return "gives %r" % (eval(code, names),)
    except RemoteError as error:
        return "raises RemoteError of %s" % error.args[0].strip().splitlines()[-1]
    except Exception as error:
        return "raises %s%r" % (type(error).__name__, error.args)


def compare(line, stock, kith):
    """What is wrong, or None."""
    seen = [outcome_of(line.lstrip("~"), names) for names in (stock, kith)]
    if line.startswith("~") and all(each.startswith("raises ") for each in seen):
        seen = [each.split("(")[0].split(" of ")[0] for each in seen]
    if seen[0] == seen[1]:
        return None
    return "%s\n  a stock server: %s\n  kith's:         %s" % (line, *seen)


def script_test(of, lines, managers_of):
    def both_do_the_same():
        stock, kith = (dict(NAMES, m=manager) for manager in managers_of())
        wrong = []
        for line in lines:
            fault = compare(line, stock, kith)
            wrong += [fault] if fault else []
            if stock.keys() != kith.keys():
                break  # the other lines have not what they need
        assert not wrong, "\n".join(["%d of %d lines differ" % (len(wrong), len(lines)), *wrong])

    both_do_the_same.__doc__ = of
    test(both_do_the_same)


def run_here(roles):
    faulthandler.dump_traceback_later(PATIENCE, exit=True)  # tells where it hangs
    current_process().authkey = KEY
    with c_server(roles, "unix:" + new_path()) as server, SyncManager(authkey=KEY) as stock:
        kith = SyncManager(for_python(server.address)[0], KEY)
        kith.connect()
        for of, lines in SCRIPTS:
            script_test(of, lines, lambda: (stock, kith))
        run_all()


if __name__ == "__main__":
    if "--here" in sys.argv:
        run_here(sys.argv[-1])
    long_form = "--long" in sys.argv or bool(os.environ.get("KITH_LONG"))
    sys.exit(run_everywhere([[]], sys.argv[-1], choose=list if long_form else newest))
