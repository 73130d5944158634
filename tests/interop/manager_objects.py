"""Tests stock Python clients of kith's server: objects that only Python understands, proxies in objects and handed to
other processes, forks, references, and what is given back when a client is killed.

usage: manager_objects.py [--long] ROLES    ROLES is the program made of manager_roles.c
       PYTHON manager_objects.py --here [--stock] ROLES

The oldest and the newest Python run the tests; with --long, or when KITH_LONG is set, every one that is found. --stock
has a stock server for kith's, and so tests this file.
"""

import contextlib
import faulthandler
import gc
import multiprocessing
import multiprocessing.pool
import os
import queue
import signal
import sys
import threading
from multiprocessing import current_process, managers, reduction
from multiprocessing.managers import RemoteError, SyncManager

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(here, os.pardir, "examples")]
sys.dont_write_bytecode = True
import corpus
import shapes
from addresses import KINDS, for_python
from everywhere import oldest_and_newest, run_everywhere
from manager_servers import KEY, PATIENCE, c_server
from tap import Skip, equal, run_all, test, wait_until

stock = "--stock" in sys.argv
program = sys.argv[-1]  # made of manager_roles.c
fork, spawn = (multiprocessing.get_context(method) for method in ("fork", "spawn"))


class Manager(SyncManager):
    """get_queue is what kith's server publishes: a client knows nothing more of it than its name."""


Manager.register("get_queue", *([queue.Queue] if stock else []))


@contextlib.contextmanager
def serving(kind="unix path"):
    """A manager that is connected by an address to a server of its own."""
    if stock:
        with Manager(for_python(KINDS[kind]())[0], KEY) as started:
            manager = Manager(started.address, KEY)
            manager.connect()
            manager.kill_server = started._process.kill
            yield manager
    else:
        with c_server(program, KINDS[kind]()) as server:
            manager = Manager(for_python(server.address)[0], KEY)
            manager.connect()
            manager.kill_server = server.kill
            yield manager


def managed(function):
    """A test with a manager, at whose end the server has no object that it did not have before."""

    def with_manager():
        with serving() as manager:
            before = count(manager)
            function(manager)
            wait_until(lambda: gc.collect() >= 0 and count(manager) == before, "all objects are gone")
            equal(manager._debug_info().count("refcount"), before)

    with_manager.__doc__ = function.__doc__
    return test(with_manager)


def count(manager):
    return manager._number_of_objects()


def needs_auto_proxies_in_objects():
    if stock and sys.version_info < (3, 9):
        raise Skip("a stock server of 3.8 can't read AutoProxies")


def raised(function, *arguments):
    try:
        function(*arguments)
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


@contextlib.contextmanager
def child(context, target, *arguments):
    """A process that runs meanwhile, and must end well."""
    process = context.Process(target=target, args=arguments)
    process.start()
    try:
        yield process
        process.join(PATIENCE)
        equal(process.exitcode, 0)
    finally:
        process.kill()
        process.join()


def in_child(context, target, *arguments):
    with child(context, target, *arguments):
        pass


# ---- objects that only Python understands ----


def through_queue(manager):
    shared = manager.Queue()

    def through(value):
        shared.put(value)
        return shared.get()

    return through


def through_list(manager):
    shared = manager.list()

    def through(value):
        shared.append(value)
        shared[0] = shared[-1]
        return shared.pop()

    return through


def through_dict(manager):
    shared = manager.dict()

    def through(value):
        shared["key"] = value
        return shared.copy()["key"]

    return through


def through_namespace(manager):
    shared = manager.Namespace()

    def through(value):
        shared.name = value
        return shared.name

    return through


def through_value(manager):
    shared = manager.Value("i", None)

    def through(value):
        shared.value = value
        return shared.value

    return through


TOO_DEEP = "500 nested objects"  # each is two levels of its pickle: with what is around it in a call, too many


def can_travel(value):
    try:
        reduction.ForkingPickler.loads(reduction.ForkingPickler.dumps(value))
        return True
    except Exception:  # the C pickler does not go deep enough in some versions, or Python can't itself
        return False


def corpus_test(what, through):
    @managed
    def of_corpus(manager):
        there_and_back = through(manager)
        wrong = []
        cases = [(name, value) for name, value, _ in corpus.cases
                 if name != TOO_DEEP and can_travel(value)]
        assert len(cases) > 90, "only %d cases" % len(cases)
        for name, value in cases:
            try:
                corpus.same(value, there_and_back(value))
            except Exception as error:
                wrong.append("%s: %s: %s" % (name, type(error).__name__, error))
        equal(wrong, [])

    of_corpus.__doc__ = what


for what, through in (("a queue", through_queue), ("a list", through_list), ("a dict", through_dict),
                      ("a Namespace", through_namespace), ("a Value", through_value)):
    corpus_test("objects that only Python understands, through %s" % what, through)


@managed
def long_messages(manager):
    """messages of 20 MiB, and of many items"""
    shared = manager.Queue()
    for value in os.urandom(20 << 20), list(range(300000)), {"x" * 1000: ["y" * 100000] * 3}:
        shared.put(value)
        assert shared.get() == value


@managed
def not_for_the_server(manager):
    """a class that nobody but this program has comes back; nothing of it runs in the server"""
    shared = manager.list([shapes.Dispatched([1]), len, shapes.function])
    equal(shared[1:], [len, shapes.function])
    corpus.same(shapes.Dispatched([1]), shared[0])
    shared.append(os._exit)
    equal(shared[-1], os._exit)


# ---- errors ----


@managed
def usual_errors(manager):
    """the errors that everybody knows arrive as such, and the connection goes on"""
    full = manager.Queue(1)
    full.put(1)
    for expected, function, *arguments in (
            (KeyError("k"), manager.dict().__getitem__, "k"),
            (KeyError(("a", 1)), manager.dict().pop, ("a", 1)),
            (IndexError("list index out of range"), manager.list().__getitem__, 0),
            (IndexError("pop from empty list"), manager.list().pop),
            (ValueError("list.remove(x): x not in list"), manager.list().remove, "x"),
            (TypeError("unhashable type: 'list'"), manager.dict().__getitem__, []),
            (queue.Empty(), manager.Queue().get, False),
            (queue.Empty(), manager.Queue().get, True, 0.01),
            (queue.Full(), full.put, 2, False),
            (ValueError("task_done() called too many times"), manager.Queue().task_done),
            (RuntimeError("release unlocked lock"), manager.Lock().release),
            (RuntimeError("cannot release un-acquired lock"), manager.RLock().release),
            (ValueError("Semaphore released too many times"), manager.BoundedSemaphore(1).release),
            (threading.BrokenBarrierError(), manager.Barrier(2).wait, 0.01)):
        error = raised(function, *arguments)
        equal((type(error), error.args), (type(expected), expected.args))
    error = raised(getattr, manager.Namespace(), "missing")
    equal(type(error), AttributeError)
    assert "missing" in str(error), error
    equal(full.get(), 1)


@managed
def readable_errors(manager):
    """what a client asks for that there is not is a RemoteError which says so"""
    Manager.register("no_such_type")
    shared = manager.list()
    lost = managers.ListProxy(managers.Token("list", manager.address, "abad1dea"), "pickle", authkey=KEY, incref=False)
    with manager._Client(manager.address, authkey=KEY) as connection:
        for words, function, *arguments in (
                (("KeyError", "no_such_type"), manager.no_such_type),
                (("no_such_method",), shared._callmethod, "no_such_method"),
                (("KeyError", "abad1dea"), lost.append, 1),
                (("no_such_function",), managers.dispatch, connection, None, "no_such_function")):
            error = raised(function, *arguments)
            equal(type(error), RemoteError)
            for word in words:
                assert word in str(error), str(error)
    shared.append("goes on")
    equal(shared[:], ["goes on"])


@managed
def needs_python(manager):
    """what needs Python in the server is refused, with words that say so"""
    if stock:
        raise Skip("a stock server is Python")
    shared = manager.list([3, 1, 2])
    for function, *arguments in ((lambda: shared.sort(key=abs),), (manager.Barrier, 2, print)):
        error = raised(function, *arguments)
        assert isinstance(error, (RemoteError, TypeError)), repr(error)
        assert "Python" in str(error), str(error)
    equal(shared[:], [3, 1, 2])


# ---- proxies in objects ----


@managed
def nested(manager):
    """objects hold objects: their items are proxies, which live as long as what holds them"""
    outer, inner = manager.dict(), manager.list([1])
    outer["inner"] = inner
    outer["both"] = [inner, {"again": inner}]
    inner.append(2)
    equal(outer["inner"][:], [1, 2])
    equal(outer["both"][1]["again"][:], [1, 2])
    del inner
    gc.collect()
    outer["inner"].append(3)
    equal(outer["both"][0][:], [1, 2, 3])
    kept = outer.pop("inner")
    del outer["both"]
    gc.collect()
    kept.append(4)
    equal(kept[:], [1, 2, 3, 4])


@managed
def nested_kinds(manager):
    """objects of each kind in a list, a queue and a Namespace"""
    needs_auto_proxies_in_objects()
    space, shared = manager.Namespace(), manager.Queue()
    things = [manager.Queue(), manager.Lock(), manager.Event(), manager.Value("i", 5), manager.Array("i", [1]),
              manager.Namespace(a=1), manager.dict(a=1), manager.Semaphore(1), manager.Condition(), manager.Barrier(1)]
    kinds = list(map(type, things))
    space.things = things
    shared.put(manager.list(things))
    things[0].put("through three ways")
    del things
    gc.collect()
    equal([type(thing) for thing in space.things][1:], kinds[1:])
    received = shared.get()
    for things in received, space.things:
        with things[1]:
            things[2].set()
        equal((things[3].value, list(things[4]), things[5].a, things[6].copy()), (5, [1], 1, {"a": 1}))
        assert things[2].is_set()
        equal(things[9].wait(), 0)
    equal(received[0].get(), "through three ways")


@managed
def deep(manager):
    """a list in a list in a list, 30 times: the outermost one keeps them all"""
    outermost = manager.list(["innermost"])
    for _ in range(30):
        outermost = manager.list([outermost])
    gc.collect()
    inner = outermost
    for _ in range(30):
        inner = inner[0]
    equal(inner[:], ["innermost"])


@test
def itself():
    """a list that holds itself"""
    with serving() as manager:
        shared = manager.list([1])
        shared.append(shared)
        equal(shared[1][1][1][0], 1)


# ---- proxies that go to other processes ----


def work(shared, lock, numbers, done):
    for _ in range(20):
        with lock:
            numbers.value += 1
    shared.append(os.getpid())
    done.set()


@managed
def by_arguments(manager):
    """proxies as arguments of processes that are forked and spawned"""
    for context in fork, spawn:
        shared, lock, numbers, done = manager.list(), manager.Lock(), manager.Value("i", 0), manager.Event()
        with contextlib.ExitStack() as stack:
            for _ in range(3):
                stack.enter_context(child(context, work, shared, lock, numbers, done))
            assert done.wait(PATIENCE)
        equal((numbers.value, len(set(shared[:]))), (60, 3))


def answer_by_queue(requests):
    for shared, number in iter(requests.get, None):
        shared.append(number)
        requests.task_done()
    requests.task_done()


@managed
def by_queue(manager):
    """proxies that a managed queue hands to another process"""
    requests = manager.JoinableQueue()
    lists = [manager.list() for _ in range(5)]
    with child(fork, answer_by_queue, requests):
        for number, shared in enumerate(lists):
            requests.put((shared, number))
        requests.put(None)
        requests.join()
    equal([shared[:] for shared in lists], [[number] for number in range(5)])


def answer_by_connection(connection):
    shared = connection.recv()
    shared["child"] = os.getpid()
    connection.send(shared["inner"])
    connection.recv()


@managed
def by_connection(manager):
    """proxies that a Connection hands to another process, and back"""
    mine, theirs = fork.Pipe()
    shared = manager.dict(inner=manager.list([1]))
    with mine, theirs, child(fork, answer_by_connection, theirs) as process:
        mine.send(shared)
        received = mine.recv()
        received.append(2)
        mine.send("enough")
    equal((shared["child"], shared["inner"][:]), (process.pid, [1, 2]))


def add_to(shared):
    shared.put(os.getpid())


@managed
def auto_proxy(manager):
    """an AutoProxy has the methods of the object, here and where it is handed to"""
    needs_auto_proxies_in_objects()
    shared, same = manager.get_queue(), manager.get_queue()
    equal(type(shared).__name__, "AutoProxy[get_queue]")
    for name in "put", "get", "qsize", "empty", "full", "put_nowait", "get_nowait", "task_done", "join":
        assert callable(getattr(shared, name)), name
    for context in fork, spawn:
        in_child(context, add_to, shared)
        assert shared.get(timeout=PATIENCE) > 0
        shared.task_done()
    through = manager.Queue()
    through.put(shared)
    through.get().put("through a queue")
    equal((same if not stock else shared).get(timeout=PATIENCE), "through a queue")
    shared.task_done()
    shared.join()


@test
def over_tcp():
    """over TCP, too: proxies in objects, in other processes, and their references"""
    with serving("IPv4") as manager:
        before = count(manager)
        for context in fork, spawn:
            shared = manager.dict(inner=manager.list(), lock=manager.Lock())
            in_child(context, add_inner, shared)
            equal(shared["inner"][:], ["from a child"])
        del shared
        wait_until(lambda: gc.collect() >= 0 and count(manager) == before, "all objects are gone")


def add_inner(shared):
    with shared["lock"]:
        shared["inner"].append("from a child")


def register_shape(shared):
    shared[shapes.Colour.RED] = shapes.Data("child", [1])


@managed
def objects_of_other_processes(manager):
    """objects that only Python understands, from one process to another"""
    shared = manager.dict()
    in_child(spawn, register_shape, shared)
    equal(shared.items(), [(shapes.Colour.RED, shapes.Data("child", [1]))])


# ---- forks and threads ----


def use_all(shared, lock, waiting):
    with lock:
        shared.append(os.getpid())
    equal(waiting.get(timeout=PATIENCE), "for whoever comes")


@managed
def forks(manager):
    """live proxies, and connections that are in use, over forks: each process has its own"""
    shared, lock, waiting = manager.list(), manager.RLock(), manager.Queue()
    shared.append("parent")
    with contextlib.ExitStack() as stack:
        with lock:
            children = [stack.enter_context(child(fork, use_all, shared, lock, waiting)) for _ in range(4)]
            equal(shared[:], ["parent"])  # the children wait for the lock
        for _ in children:
            waiting.put("for whoever comes")
    equal(sorted(shared[1:]), sorted(process.pid for process in children))


@managed
def threads(manager):
    """threads are clients of their own: one waits, the others go on"""
    shared, lock, gate = manager.list(), manager.RLock(), manager.Queue()
    with multiprocessing.pool.ThreadPool(8) as pool:
        def one(number):
            with lock, lock:
                shared.append(number)
            return gate.get(timeout=PATIENCE)

        results = pool.map_async(one, range(8))
        wait_until(lambda: len(shared) == 8, "all have come so far")
        equal(gate.empty(), True)
        for number in range(8):
            gate.put(number)
        equal(sorted(results.get(PATIENCE)), list(range(8)))
        pool.map(lambda _: None, range(8))
    pool.join()


# ---- references ----


@managed
def references(manager):
    """how many references there are is told, and goes up and down with the proxies"""
    def info(id):
        lines = manager._debug_info().splitlines()
        return [line.split("refcount=")[1] for line in lines if line.strip().startswith(id + ":")]

    before = count(manager)
    shared = manager.list([1, 2])
    equal((count(manager), info(shared._id)), (before + 1, ["1"]))
    same = managers.ListProxy(shared._token, "pickle", manager=manager, authkey=KEY)
    equal((count(manager), info(shared._id)), (before + 1, ["2"]))
    assert "[1, 2]" in manager._debug_info(), manager._debug_info()
    del same
    equal(info(shared._id), ["1"])
    inner = manager.dict()
    shared.append(inner)
    equal(info(inner._id), ["1"])


@managed
def iterators(manager):
    """a dict's iterator is an object, which goes with its proxy"""
    shared = manager.dict(a=1, b=2)
    before = count(manager)
    iterator = iter(shared)
    equal((next(iterator), count(manager)), ("a", before + 1))
    del iterator
    equal((count(manager), list(shared)), (before, ["a", "b"]))


def hold(ready, *things):
    """Until somebody kills it."""
    lock, semaphore, condition, waiting, own = things[:5]
    lock.acquire()
    semaphore.acquire()
    condition.acquire()
    own.append(own[0])
    threading.Thread(target=waiting.get, daemon=True).start()
    ready.send("holds")
    signal.pause()


@managed
def killed(manager):
    """a client that is killed gives back its references, its locks, its turns, and its place in a queue"""
    if stock:
        raise Skip("stock servers keep what a dead client held")
    lock, semaphore, condition = manager.Lock(), manager.Semaphore(2), manager.Condition()
    waiting, own = manager.Queue(), manager.list([manager.dict(a=1)])
    semaphore.acquire()
    before = count(manager)
    for context in fork, spawn:
        mine, theirs = context.Pipe()
        with mine, theirs:
            process = context.Process(target=hold, args=(theirs, lock, semaphore, condition, waiting, own))
            process.start()
            equal(mine.recv(), "holds")
            equal((lock.acquire(False), semaphore.acquire(False), condition.acquire(False)), (False, False, False))
            process.kill()
            process.join()
        assert lock.acquire(True, PATIENCE) and semaphore.acquire(True, PATIENCE) and condition.acquire(True, PATIENCE)
        lock.release(), semaphore.release(), condition.release()
        waiting.put("not for the dead")
        equal(waiting.get(timeout=PATIENCE), "not for the dead")
        wait_until(lambda: gc.collect() >= 0 and count(manager) == before, "the references are back")
        equal([dict(inner) for inner in own], [{"a": 1}] * len(own))


def look_and_wait(connection, lock, shared):
    with lock:
        equal(shared["inner"][:], [1])  # its proxy is the only one that a spawned child has counted
        connection.send("holds the lock")
        connection.recv()


@managed
def lock_of_a_spawned_child(manager):
    """a spawned child's lock outlives its connection, which Python closes with the last proxy that it has counted"""
    shared, lock = manager.dict(inner=manager.list([1])), manager.Lock()
    mine, theirs = spawn.Pipe()
    with mine, theirs, child(spawn, look_and_wait, theirs, lock, shared):
        equal(mine.recv(), "holds the lock")
        equal(lock.acquire(True, 0.2), False)
        mine.send("enough")
        equal(lock.acquire(True, PATIENCE), True)


def take_turns(counter, lock):
    """Until somebody kills it."""
    while True:
        with lock:
            counter["before"] = counter.get("before", 0) + 1
            counter["after"] = counter.get("after", 0) + 1


@managed
def killed_anywhere(manager):
    """clients that are killed wherever they are: the lock goes on, and nothing is left behind"""
    if stock:
        raise Skip("stock servers keep what a dead client held")
    lock, counter = manager.Lock(), manager.dict()
    before = count(manager)
    for number in range(10):
        process = fork.Process(target=take_turns, args=(counter, lock))
        process.start()
        reached = number * 3
        wait_until(lambda: counter.get("after", 0) > reached, "it has begun")
        process.kill()
        process.join()
        assert lock.acquire(True, PATIENCE)
        counter["before"] = counter["after"] = max(counter["before"], reached)
        lock.release()
    wait_until(lambda: count(manager) == before, "the references are back")


# ---- the end of the server ----


@test
def server_is_killed():
    """when the server is killed, clients that wait are told at once, and those that call as well"""
    for kind in "unix path", "IPv4":
        with serving(kind) as manager:
            shared, waits, failures = manager.Queue(), threading.Event(), queue.Queue()

            def wait():
                shared.qsize()
                waits.set()
                failures.put(raised(shared.get))

            thread = threading.Thread(target=wait)
            thread.start()
            assert waits.wait(PATIENCE)
            shared.qsize()  # the thread's call is there by now, as a rule
            manager.kill_server()
            thread.join(PATIENCE)
            for failure in failures.get(timeout=PATIENCE), raised(shared.qsize), raised(manager.list):
                assert isinstance(failure, (EOFError, ConnectionError, FileNotFoundError)), repr(failure)


def run_here():
    faulthandler.dump_traceback_later(2 * PATIENCE, exit=True)  # tells where it hangs
    current_process().authkey = KEY
    sys.setrecursionlimit(20000)
    run_all()


if __name__ == "__main__":
    if "--here" in sys.argv:
        run_here()
    long_form = "--long" in sys.argv or bool(os.environ.get("KITH_LONG"))
    sys.exit(run_everywhere([[]], program, choose=list if long_form else oldest_and_newest))
