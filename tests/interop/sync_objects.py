"""Tests that calls which wait for each other do on kith's server what they do on a stock one: several clients call the
methods of queues, locks and their kin in turns, and after each call it is told who has been answered what, and who
waits. Some scripts are written, some are made up by chance, the same in each run.

usage: sync_objects.py [--long] ROLES    ROLES is the program made of manager_roles.c

The newest Python runs the tests; with --long, or when KITH_LONG is set, every one that is found.

No client waits: each is a connection on which calls are sent as stock proxies send them. Nothing is timed: the stock
server is in this process, where it can be seen which of its threads wait; kith's server has done all that was sent to
it when it has answered a client that came after that.
"""

import faulthandler
import os
import queue
import random
import sys
import threading

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(here, os.pardir, "examples")]
sys.dont_write_bytecode = True

from multiprocessing import connection, current_process, managers

from addresses import for_python, new_path
from everywhere import newest, run_everywhere
from manager_servers import KEY, PATIENCE, c_server
from tap import equal, run_all, test, wait_until

SCRIPTS = []  # (what of, objects, lines)
CLIENTS = "ABCD"

# ---- a stock server, and who waits in it ----


class Lock:
    """threading.Lock, which can be asked who waits. held is True from when its owner goes on."""

    def __init__(self):
        self.lock = threading.Lock()
        self.waiting = set()  # of threads
        self.held = False

    def acquire(self, blocking=True, timeout=-1):
        if blocking:
            self.waiting.add(threading.get_ident())
        try:
            acquired = self.lock.acquire(blocking, timeout)
        finally:
            self.waiting.discard(threading.get_ident())
        self.held = self.held or acquired
        return acquired

    def release(self):
        self.held = False  # if nobody has it, too
        self.lock.release()


class RLock(threading._RLock):
    """The one that is written in Python."""

    def __init__(self):
        super().__init__()
        self._block = Lock()

    def acquire(self, blocking=True, timeout=-1):
        return bool(super().acquire(blocking, timeout))


def locks_of(thing):
    """Those that a thing is, or is made of, of the class Lock."""
    if isinstance(thing, Lock):
        return [thing]
    return [lock for name in ("_block", "_lock") if hasattr(thing, name) for lock in locks_of(getattr(thing, name))]


def conditions_of(thing):
    if isinstance(thing, threading.Condition):
        return [thing]
    names = "_cond", "not_empty", "not_full", "all_tasks_done"
    return [getattr(thing, name) for name in names if hasattr(thing, name)]


class Stock:
    """A stock server in threads of this process."""

    def __init__(self):
        manager = managers.SyncManager(("127.0.0.1", 0), KEY)
        for name, make in (("Lock", Lock), ("RLock", RLock), ("Condition", lambda: threading.Condition(RLock()))):
            manager.register(name, make, manager._registry[name][3])
        self.server = manager.get_server()
        self.server.stop_event = threading.Event()
        self.address = self.server.address
        threading.Thread(target=self.server.accepter, daemon=True).start()

    def has_settled(self, ids, unanswered):
        """Whether all who have no answer wait. Looked at in this order, nobody is counted twice who goes on meanwhile:
        from a condition to its lock, and to an answer."""
        expected = len(unanswered())
        things = [self.server.id_to_obj[id][0] for id in ids]
        locks = [lock for thing in things for lock in locks_of(thing)]
        waiting = sum(len(lock.waiting) for lock in locks)
        if any(lock.waiting and not lock.held for lock in locks):
            return False
        waiting += sum(len(condition._waiters) for thing in things for condition in conditions_of(thing))
        return waiting == expected

    def settle(self, ids, unanswered):
        wait_until(lambda: self.has_settled(ids, unanswered), "the stock server's threads wait or have answered")


# ---- kith's ----


class Kith:
    def __init__(self, address):
        self.address = for_python(address)[0]

    def settle(self, ids, unanswered):
        """To connect takes several turns of the server's loop, each of which looks at all that has come."""
        with connection.Client(self.address, authkey=KEY) as late:
            managers.dispatch(late, None, "dummy")


# ---- a script ----


class Call(dict):
    """Makes "put(1, block=False)" ("put", (1,), {"block": False})."""

    def __missing__(self, name):
        return lambda *args, **kwargs: (name, args, kwargs)


def parse(text):
    return eval(text, {"__builtins__": {}}, Call())


def outcome_of(reply):
    kind, value = reply
    if kind == "#RETURN":
        return repr(value)
    return "raises %s%r" % (type(value).__name__, value.args) if kind == "#ERROR" else "%s %s" % (kind, value)


class Play:
    """A script that is run on a server. The transcript has what was seen after each line."""

    def __init__(self, server, objects):
        self.server = server
        self.ids = {name: self.create(*parse(made)) for name, made in objects.items()}
        self.clients = {name: connection.Client(server.address, authkey=KEY) for name in CLIENTS}
        for name, client in self.clients.items():
            managers.dispatch(client, None, "accept_connection", (name,))
        self.waiting = set()
        self.transcript = []

    def create(self, type, args, kwargs):
        with connection.Client(self.server.address, authkey=KEY) as client:
            return managers.dispatch(client, None, "create", (type, *args), kwargs)[0]

    def unanswered(self):
        return [name for name in self.waiting if not self.clients[name].poll(0)]

    def answers(self):
        """Who has been answered what."""
        answered = sorted(self.waiting - set(self.unanswered()))
        self.waiting -= set(answered)
        return ["%s: %s" % (name, outcome_of(self.clients[name].recv())) for name in answered]

    def do(self, line):
        """CLIENT OBJECT.METHOD(...), or CLIENT! where the call ends by its own timeout."""
        client, call = line.split(None, 1)
        thing, method = call.split(".", 1)
        name = client.rstrip("!")
        self.clients[name].send((self.ids[thing], *parse(method)))
        self.waiting.add(name)
        if client.endswith("!"):
            self.clients[name].poll(None)
        self.server.settle(self.ids.values(), self.unanswered)
        seen = self.answers()
        self.transcript.append("%s -> %s; waiting: %s" % (line, ", ".join(seen) or "-", " ".join(sorted(self.waiting))))

    def end(self):
        for client in self.clients.values():
            client.close()


def play(server, objects, lines):
    """lines is called with those who may call, and yields what they do."""
    played = Play(server, objects)
    try:
        for line in lines(played):
            played.do(line)
    finally:
        played.end()
    return played.transcript


def script(of, objects, lines):
    written = [line.strip() for line in lines.strip().splitlines()]
    SCRIPTS.append((of, objects, lambda played: written))


def chance(of, made, calls, seed, steps=60):
    """Calls by chance, by clients that do not wait."""

    def lines(played):
        source = random.Random(seed)
        for _ in range(steps):
            free = sorted(set(CLIENTS) - played.waiting)
            if not free:
                return
            yield "%s x.%s" % (source.choice(free), source.choice(calls))

    SCRIPTS.append(("%s: by chance, %d" % (of, seed), {"x": made}, lines))


# ---- what is done ----

script("Lock", {"l": "Lock()"}, """
    A l.acquire()
    A l.acquire(False)
    B l.acquire(False)
    B! l.acquire(True, 0.01)
    B l.acquire(True, 60)
    A l.release()
    A l.release()
    A l.release()
    A l.acquire()
    A l.acquire()
    B l.release()
    B l.acquire(False, 1)
    A l.release()
""")
script("RLock", {"l": "RLock()"}, """
    A l.acquire()
    A l.acquire(False)
    B l.release()
    B l.acquire(False)
    B l.acquire()
    A l.release()
    A l.release()
    A l.release()
    A! l.acquire(True, 0.01)
    A l.acquire()
    B l.release()
    A l.acquire(True, 60)
    A l.release()
    A l.release()
    A l.release()
""")
script("Semaphore", {"s": "Semaphore(2)"}, """
    A s.acquire()
    B s.acquire(False)
    C s.acquire()
    D s.acquire(True, 60)
    A s.release()
    A s.acquire()
    B s.release()
    B s.release()
    B s.release()
    A s.acquire(False, None)
    A s.acquire(False)
    A! s.acquire(True, 0.01)
    A s.acquire(False, 3)
""")
if sys.version_info >= (3, 9):
    script("Semaphore: several units", {"s": "Semaphore(0)", "b": "BoundedSemaphore(3)"}, """
        A s.acquire()
        B s.acquire()
        C s.acquire()
        D s.release(2)
        D s.release(0)
        D s.release(2)
        A s.acquire()
        B s.acquire(False)
        A b.release()
        A b.acquire()
        B b.acquire()
        B b.release(3)
        C b.acquire()
        D b.acquire()
        A b.acquire()
        B b.release(2)
        B b.release(2)
        B b.release(1)
    """)
script("Condition", {"c": "Condition()"}, """
    A c.wait()
    A c.notify()
    A c.acquire()
    B c.notify_all()
    B c.release()
    A c.wait()
    B c.acquire()
    B c.notify()
    C c.acquire(False)
    B c.release()
    A c.acquire()
    A c.wait(60)
    B c.acquire()
    B c.acquire()
    B c.notify(5)
    B c.release()
    B c.release()
    C c.acquire(False)
    A c.release()
    C c.acquire(False)
    A c.release()
    C c.acquire(False)
    C! c.wait(0.01)
    C! c.wait(0)
    C! c.wait(-1)
    C c.acquire()
    C c.acquire()
    C! c.wait(0)
    C c.wait(60)
    A c.acquire()
    A c.notify_all()
    B c.acquire(False)
    A c.wait()
    C c.notify(0)
    C c.notify()
    C c.release()
    C c.release()
    C c.release()
    C c.release()
    A c.release()
""")
script("Event", {"e": "Event()"}, """
    A e.wait()
    B e.wait(60)
    C! e.wait(0.01)
    D e.is_set()
    D e.set()
    D e.clear()
    A e.wait()
    D e.set()
    A e.wait()
    A e.wait(0)
    D e.clear()
    A! e.wait(-1)
""")
script("Barrier", {"b": "Barrier(3)"}, """
    A b.wait()
    B b.wait(60)
    D b.__getattribute__('n_waiting')
    C b.wait()
    C b.wait()
    D b.__getattribute__('n_waiting')
    D b.reset()
    A b.wait()
    B! b.wait(0.01)
    D b.__getattribute__('broken')
    C b.wait()
    D b.__getattribute__('n_waiting')
    D b.reset()
    A b.wait()
    D b.abort()
    B b.wait()
    D b.reset()
    B b.wait()
    C b.wait()
    D b.wait()
""")
script("Barrier: with a timeout", {"b": "Barrier(2, timeout=0.01)", "one": "Barrier(1)"}, """
    A! b.wait()
    A b.reset()
    A b.wait(60)
    B b.wait()
    A one.wait()
    A one.wait()
    A one.abort()
    A one.wait()
""")
script("Queue: getting", {"q": "Queue()"}, """
    A q.get()
    B q.get(True, 60)
    C! q.get(True, 0.01)
    C q.get(False)
    C q.put('first')
    D q.put('second')
    A q.get_nowait()
    D q.put(3)
    D q.put_nowait(4)
    D q.qsize()
    A q.get()
    B q.get(True, -1)
    B q.get()
    B q.empty()
""")
script("Queue: putting", {"q": "Queue(2)"}, """
    A q.put(1)
    A q.put(2)
    A q.full()
    A q.put(3)
    B q.put(4, True, 60)
    C! q.put(5, timeout=0.01)
    C q.put(5, False)
    C q.put_nowait(5)
    C q.put(5, True, -1)
    D q.get()
    D q.get()
    D q.qsize()
    A q.put(6)
    D q.get()
    D q.get()
    D q.get()
    A q.full()
""")
script("JoinableQueue: joining", {"q": "JoinableQueue()"}, """
    A q.join()
    A q.task_done()
    A q.put(1)
    A q.put(2)
    B q.join()
    C q.join()
    A q.get()
    A q.task_done()
    A q.put(3)
    A q.task_done()
    A q.task_done()
    A q.task_done()
    D q.join()
    A q.qsize()
""")
if hasattr(queue, "ShutDown"):
    script("Queue: shut", {"q": "Queue(1)", "r": "JoinableQueue()", "s": "JoinableQueue()"}, """
        A q.put(1)
        B q.put(2)
        C r.get()
        A q.shutdown()
        A r.shutdown()
        A q.put(3)
        A q.get()
        A q.get()
        A q.get(False)
        A q.put_nowait(3)
        A s.put(1)
        A s.put(2)
        A s.get()
        B s.join()
        A s.shutdown(immediate=True)
        A s.get()
        A s.task_done()
        A s.task_done()
    """)

ACQUIRING = "acquire()", "acquire()", "acquire(False)", "release()"
BARRIER = *["wait()"] * 6, "reset()", "abort()", "reset()", "__getattribute__('broken')"
QUEUE = "put(1)", "put('x')", "get()", "get()", "get(False)", "put(2, False)", "qsize()"
JOINABLE = "put(1)", "put(2)", "get()", "task_done()", "task_done()", "join()"
for seed in range(3):
    chance("Semaphore", "Semaphore(1)", ACQUIRING, seed)
    chance("BoundedSemaphore", "BoundedSemaphore(2)", ACQUIRING, seed)
    chance("Event", "Event()", ("wait()", "wait()", "set()", "clear()", "is_set()"), seed)
    chance("Barrier", "Barrier(3)", BARRIER, seed)
    chance("Queue", "Queue(2)", QUEUE, seed)
    chance("JoinableQueue", "JoinableQueue(3)", JOINABLE, seed)


def script_test(of, objects, lines, servers):
    def both_do_the_same():
        stock, kith = (play(server, objects, lines) for server in servers())
        for seen, expected in zip(kith, stock):
            equal(seen, expected)
        equal(len(kith), len(stock))

    both_do_the_same.__doc__ = of
    test(both_do_the_same)


def run_here(roles):
    faulthandler.dump_traceback_later(PATIENCE, exit=True)  # tells where it hangs
    current_process().authkey = KEY
    with c_server(roles, "unix:" + new_path()) as server:
        both = Stock(), Kith(server.address)
        for of, objects, lines in SCRIPTS:
            script_test(of, objects, lines, lambda: both)
        run_all()


if __name__ == "__main__":
    if "--here" in sys.argv:
        run_here(sys.argv[-1])
    long_form = "--long" in sys.argv or bool(os.environ.get("KITH_LONG"))
    sys.exit(run_everywhere([[]], sys.argv[-1], choose=list if long_form else newest))
