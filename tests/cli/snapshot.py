"""Tests the snapshots of kith serve: what they keep over a restart, over kill -9 at any instant, and when they can't be
written or read. The clients are stock Python's.

usage: snapshot.py KITH [KILLS [SEED]]    KITH is the command; it is killed 12 times, or more often
"""

import os
import pickle
import random
import resource
import signal
import stat
import sys
import threading
import time

from house import KEY, fails, files
from multiprocessing.managers import RemoteError, SyncManager
from servers import client_of, raises, serve
from tap import equal, run_all, test, wait_until

OFTEN = ["--snapshot-interval", "0.01"]
KILLS, SEED = (int(word) for word in (sys.argv[2:] + ["12", "1"][len(sys.argv) - 2:]))


def keeping(path, *objects, more=(), **how):
    """A server with a snapshot."""
    options = [word for each in objects for word in ("--object", each)]
    return serve("unix:" + path("socket"), "--authkey-file", path("key"), "--snapshot", path("snapshot"), *options,
                 *more, **how)


def read(path):
    """The states in a snapshot, by what is published."""
    with open(path("snapshot"), "rb") as file:
        magic, version, _, names, entries = pickle.load(file)
    equal((magic, version), ("kith snapshot", 1))
    states = {entry[0]: entry[2] for entry in entries}
    return {name: states[id] for name, id in names.items()}


def in_another_thread(function):
    """Proxies of stock Python have a connection a thread, and keep it when it is broken."""
    seen = []
    thread = threading.Thread(target=lambda: seen.append(function()))
    thread.start()
    thread.join()
    return seen[0]


# ---- restarts ----


@test
def objects_are_kept():
    """Objects have after a restart what they had before."""
    objects = ["q=Queue(5)", "j=JoinableQueue", "d=dict", "l=list([1])", "n=Namespace", 'v=Value("i", 1)',
               'a=Array("d", [1.5, 2.5])', "e=Event", "s=Semaphore(3)", "r=RLock"]
    odd = {None: (1, b"\0"), "text": "ü", 2.5: [set([1]), complex(1, 2)], (1, "x"): signal.SIGTERM}
    with files(key=KEY) as path:
        with keeping(path, *objects) as server:
            m = client_of(server, *objects)
            q, j, v, s = m.q(), m.j(), m.v(), m.s()
            for item in 1, "two", [3]:
                q.put(item)
                j.put(item)
            equal(j.get(), 1)
            m.d().update(odd)
            m.l().extend(["x", None])
            m.n().name = "value"
            v.set(7)
            m.a()[1] = 9.5
            m.e().set()
            equal((s.acquire(), m.r().acquire()), (True, True))
        equal(stat.S_IMODE(os.stat(path("snapshot")).st_mode), 0o600)
        with keeping(path, *objects) as server:
            m = client_of(server, *objects)
            q, j, s = m.q(), m.j(), m.s()
            equal([q.get() for _ in range(3)], [1, "two", [3]])
            for _ in range(5):
                q.put(0)
            equal(q.full(), True)
            equal([j.get() for _ in range(2)], ["two", [3]])
            for _ in range(2):  # what was got before is finished: whoever had it may be gone
                j.task_done()
            j.join()
            assert raises(ValueError, j.task_done)
            equal(m.d().copy(), odd)
            equal(m.l()._getvalue(), [1, "x", None])
            equal((m.n().name, m.v().get(), list(m.a()), m.e().is_set()), ("value", 7, [1.5, 9.5], True))
            equal([s.acquire(False) for _ in range(4)], [True, True, True, False])
            equal(m.r().acquire(False), True)


@test
def what_they_lead_to():
    """Objects that nobody published are kept as long as others hold them; proxies that a client has stay good."""
    with files(key=KEY) as path:
        with keeping(path, "d=dict") as server:
            m = client_of(server, "d=dict")
            maker = SyncManager("unused", KEY)
            maker._address, maker._state.value = path("socket"), 1  # it makes objects at our server
            outer, inner, lone = m.d(), maker.list([1]), maker.list(["nobody holds it"])
            middle = maker.dict()
            middle["list"] = inner
            outer["dict"] = middle
            outer["itself"] = m.d()
        with keeping(path, "d=dict") as server:
            equal(in_another_thread(lambda: outer["dict"]["list"]._getvalue()), [1])
            in_another_thread(lambda: inner.append(2))
            again = client_of(server, "d=dict").d()
            equal(again["dict"]["list"]._getvalue(), [1, 2])
            again["itself"]["more"] = 1
            equal(again["more"], 1)
            assert lone._token.id in in_another_thread(lambda: raises(RemoteError, lone._getvalue))
            again.clear()
            # with it went the others: the server has none but the published one
        equal(len(read(path)), 1)
        with open(path("snapshot"), "rb") as file:
            equal(len(pickle.load(file)[4]), 1)


@test
def read_only_is_written_anew():
    """What is read-only is as the command line has it, under its old id."""
    with files(key=KEY) as path:
        with keeping(path, 'c=dict({"a": 1}),read-only') as server:
            conf = client_of(server, "c=dict").c()
            equal(conf.copy(), {"a": 1})
        with keeping(path, 'c=dict({"a": 2}),read-only') as server:
            equal(client_of(server, "c=dict").c().copy(), {"a": 2})
            equal(in_another_thread(conf.copy), {"a": 2})


@test
def restrictions_stay():
    """Restrictions are those of the command line, and hold after a restart."""
    with files(key=KEY) as path:
        with keeping(path, "l=list") as server:
            client_of(server, "l=list").l().append(1)
        with keeping(path, "l=list,methods=#GETVALUE") as server:
            items = client_of(server, "l=list").l()
            equal(items._getvalue(), [1])
            raises(PermissionError, items.append, 2)


# ---- when ----


@test
def only_when_something_changed():
    """It is written at the beginning, when something has changed, and not otherwise."""
    with files(key=KEY) as path:
        with keeping(path, "d=dict", "q=Queue", more=OFTEN) as server:
            m = client_of(server, "d=dict")
            d = m.d()
            before = os.stat(path("snapshot")).st_ino
            for _ in range(100):
                d.copy()
            time.sleep(0.1)  # ten times as long as it would take
            equal(os.stat(path("snapshot")).st_ino, before)
            d["x"] = 1
            wait_until(lambda: read(path)["d"], "the change in the snapshot")
        assert os.stat(path("snapshot")).st_ino != before


@test
def while_calls_wait():
    """A call that waits changes something when it comes to its end."""
    with files(key=KEY) as path, keeping(path, "q=Queue", more=OFTEN) as server:
        m = client_of(server, "q=Queue")
        q = m.q()
        getter = threading.Thread(target=q.get)
        getter.start()
        q.put(1)
        getter.join()
        q.put(2)
        wait_until(lambda: [pickle.loads(item) for item in read(path)["q"][-1]] == [2], "one message in the snapshot")


def content_of(path):
    with open(path("snapshot"), "rb") as file:
        return file.read()


# ---- kill -9 ----


@test
def kill():
    """After kill -9, at random instants, there is the last whole snapshot, and nothing of a half one."""
    rng = random.Random(SEED)
    last = -1
    with files(key=KEY) as path:
        for _ in range(KILLS):
            with keeping(path, "d=dict", more=OFTEN, quiet=False) as server:
                d = client_of(server, "d=dict").d()
                seen = d.copy()
                equal(seen.get("a", -1), seen.get("b", -1))
                assert seen.get("a", -1) >= last, "the snapshot went back from %d to %r" % (last, seen.get("a"))
                last = seen.get("a", -1)
                killer = threading.Timer(rng.uniform(0, 0.03), server.process.kill)
                killer.start()
                number = last
                try:
                    while True:
                        number += 1
                        d.update(a=number, pad=bytes(rng.randrange(1 << 20)), b=number)
                except (EOFError, OSError):
                    pass
                killer.join()
                server.process.wait()
                assert set(os.listdir(path(""))) <= {"key", "socket", "snapshot", "snapshot.new", "snapshot.lock"}
        with keeping(path, "d=dict"):
            pass
        equal(sorted(os.listdir(path(""))), ["key", "snapshot"])


# ---- when it can't be written ----


def limit(server, size):
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@test
def no_room():
    """A full disk leaves the last snapshot; it is told, tried again, and reported at the end."""
    with files(key=KEY) as path:
        with keeping(path, "d=dict", more=OFTEN, quiet=False) as server:
            d = client_of(server, "d=dict").d()
            d["x"] = 1
            wait_until(lambda: read(path)["d"], "a snapshot")
            before = content_of(path)
            limit(server, 1000)
            d["pad"] = bytes(5000)
            said = server.process.stderr.readline().decode()
            assert "can't be written: " in said and path("snapshot") in said, said
            equal(content_of(path), before)
            limit(server, resource.RLIM_INFINITY)
            wait_until(lambda: len(content_of(path)) > 5000, "the snapshot that there is room for")
            limit(server, 1000)
            d["y"] = 2
            err = server.stop(status=1)
            assert "kith serve: the snapshot" in err.splitlines()[-1], err
        with keeping(path, "d=dict") as server:
            d = client_of(server, "d=dict").d().copy()
            equal((d["x"], len(d["pad"]), "y" in d), (1, 5000, False))


@test
def no_folder():
    """A folder that is not there, or that can't be written into, is told of, and nothing is served."""
    with files(key=KEY) as path:
        options = ["serve", "unix:" + path("socket"), "--authkey-file", path("key"), "--object", "d=dict", "--snapshot"]
        fails(1, "the folder of the snapshot %s is not there" % path("folder/snapshot"), *options,
              path("folder/snapshot"))
        fails(1, "can't be made", *options, path("key/snapshot"))
        equal(os.listdir(path("")), ["key"])


@test
def two_servers():
    """A second server with the same snapshot is refused; one that was killed is in nobody's way."""
    with files(key=KEY) as path:
        with keeping(path, "d=dict", more=OFTEN) as server:
            client_of(server, "d=dict").d()["x"] = 1
            fails(1, "another server has the snapshot", "serve", "unix:" + path("other"), "--authkey-file", path("key"),
                  "--object", "d=dict", "--snapshot", path("snapshot"))
            wait_until(lambda: read(path)["d"], "a snapshot")
            server.process.kill()
            server.process.wait()
        with keeping(path, "d=dict") as server:
            equal(client_of(server, "d=dict").d().copy(), {"x": 1})
        equal(sorted(os.listdir(path(""))), ["key", "snapshot"])


# ---- when it can't be read ----


@test
def no_snapshot():
    """What is no whole snapshot is refused, and nothing is served."""
    with files(key=KEY) as path:
        with keeping(path, "d=dict", "q=Queue") as server:
            m = client_of(server, "d=dict", "q=Queue")
            m.d().update(x=[1, 2, {"y": None}], z="text")
            m.q().put("item")
        whole = content_of(path)
        options = ["serve", "unix:" + path("socket"), "--authkey-file", path("key"), "--snapshot", path("snapshot"),
                   "--object", "d=dict", "--object", "q=Queue"]
        step = max(1, len(whole) // 40)
        for cut in list(range(0, len(whole), step)) + [len(whole) - 1]:
            with open(path("snapshot"), "wb") as file:
                file.write(whole[:cut])
            fails(1, "is no snapshot", *options)
        magic, version, address, names, entries = pickle.loads(whole)
        d = [entry for entry in entries if entry[0] == names["d"]]
        q = [entry for entry in entries if entry[0] == names["q"]]
        for reason, content in (
                ["is no snapshot", "something else"], ["is no snapshot", (magic, version)],
                ["is no snapshot", (magic, version, address, [], entries)],
                ["version 2", (magic, 2, address, names, entries)],
                ["does not publish", (magic, version, address, dict(names, other="1"), entries)],
                ["is a list", (magic, version, address, names, [(names["d"], "list", [])] + q)],
                ["no id", (magic, version, address, {"d": "xyz"}, [("xyz", "dict", [])])],
                ["already", (magic, version, address, names, d + d)],
                ["is no snapshot", (magic, version, address, names, [names["d"]])],
                ["knows no such type", (magic, version, address, names, entries + [("1", "Stack", [])])],
                ["can't keep any", (magic, version, address, names, entries + [("1", "Iterator", [])])],
                ["has no state", (magic, version, address, names, entries + [("1", "list")])],
                ["refer to each other", (magic, version, "unix:/elsewhere", names, entries + [("1", "list", [])])],
                ["dict", (magic, version, address, names, [(names["d"], "dict", 5)])],
                ["dict", (magic, version, address, names, [(names["d"], "dict", ["odd"])])],
                ["Queue", (magic, version, address, names, [(names["q"], "Queue", {"a": 1})])]):
            with open(path("snapshot"), "wb") as file:
                pickle.dump(content, file)
            if "refer to" in reason:  # it warns, too
                continue
            fails(1, reason, *options)
        os.unlink(path("snapshot"))
        os.mkdir(path("snapshot"))
        fails(1, "can't be read", *options)
        os.rmdir(path("snapshot"))
        with open(path("snapshot"), "wb") as file:
            file.write(whole)
        with keeping(path, "d=dict", "q=Queue") as server:
            equal(client_of(server, "d=dict").d().copy(), {"x": [1, 2, {"y": None}], "z": "text"})


@test
def states_that_are_none():
    """A state that was damaged gives an error or an object, never a crash."""
    rng = random.Random(2)
    objects = ["d=dict", "q=Queue(3)", "l=list", 'v=Value("i", 1)', 'a=Array("i", [1])', "n=Namespace", "s=Semaphore",
               "b=BoundedSemaphore(2)", "e=Event", "r=RLock", "c=Condition", "p=Barrier(2)", "t=set"]
    with files(key=KEY) as path:
        with keeping(path, *objects) as server:
            m = client_of(server, *objects)
            m.d()["x"] = [1]
            m.q().put("y")
            m.l().append({})
            m.n().z = 1
        whole = content_of(path)
        magic, version, address, names, entries = pickle.loads(whole)
        wrong = [True, -1, 1 << 70, 2.5, "text", b"\x80\x04.", b"\x80\x04N.", [], [[]], [b""], (), (1, 2, 3), {},
                 {"x": 1}, [(1, 2)], (0, [], 0), (None,) * 5]
        crashed = []
        for name, id in sorted(names.items()):
            for state in rng.sample(wrong, 3):
                changed = [(*entry[:2], state) if entry[0] == id else entry for entry in entries]
                with open(path("snapshot"), "wb") as file:
                    pickle.dump((magic, version, address, names, changed), file)
                begin(path, objects, crashed, (name, state))
        equal(crashed, [])


def begin(path, objects, crashed, what):
    try:
        with keeping(path, *objects, quiet=False) as server:
            m = client_of(server, *objects)
            for each in objects:
                str(getattr(m, each.split("=")[0])())
            server.process.send_signal(signal.SIGTERM)
            if server.process.wait() != 0:
                crashed.append((what, server.process.returncode))
    except AssertionError as error:
        if "did not begin: b'kith serve: " not in str(error) and 'did not begin: b"kith serve: ' not in str(error):
            crashed.append((what, str(error)))


run_all()
