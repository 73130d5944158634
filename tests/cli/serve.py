"""Tests kith serve; the clients are stock Python's.

usage: serve.py KITH    KITH is the command
"""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import threading

from house import KEY, Running, fails, files, folder, kith, place, program
from multiprocessing.connection import Client
from multiprocessing.managers import ListProxy, RemoteError, SyncManager
from servers import GONE, client_of, raises, serve, served
from tap import equal, run_all, test

ANY = "tcp:127.0.0.1:0"
# ---- objects ----


@test
def objects_are_what_was_written():
    """Types, arguments and keywords make the objects that are published."""
    with served("jobs=JoinableQueue(maxsize=2, redeliver=true)", "plain=Queue(1)", "empty=list",
                'items=list([1, "a,b)", {"x": [null, 2.5]}])', 'pairs=dict({"a": 1, "b": [true]})',
                'numbers=Array("i", [1, 2, 3])', 'one=Value("d", 0.5)', "done=Event") as manager:
        jobs = manager.jobs()
        jobs.put("first")
        jobs.put("second")
        equal(jobs.full(), True)
        equal(jobs.get(), "first")
        jobs.task_done()
        plain = manager.plain()
        plain.put(1)
        equal(plain.full(), True)
        equal(list(manager.empty()), [])
        equal(manager.items()._getvalue(), [1, "a,b)", {"x": [None, 2.5]}])
        equal(manager.pairs().copy(), {"a": 1, "b": [True]})
        equal(list(manager.numbers()), [1, 2, 3])
        equal(manager.one().get(), 0.5)
        equal(manager.done().is_set(), False)


@test
def all_clients_have_the_same():
    """What one client changes, another sees."""
    with files(key=KEY) as path, serve(ANY, "--authkey-file", path("key"), "--object", "d=dict") as server:
        first, second = client_of(server, "d=dict").d(), client_of(server, "d=dict").d()
        first["x"] = 1
        equal(second["x"], 1)


@test
def a_relative_path():
    """Python's clients may come by a relative path or by the absolute one; objects in objects are theirs by either."""
    before = os.getcwd()
    with files(key=KEY) as path:
        os.chdir(path(""))
        try:
            with serve("unix:board", "--authkey-file", "key", "--object", "d=dict") as server:
                equal(server.address, "unix:board")
                for where in "board", path("board"):
                    server.address = "unix:" + where
                    m = client_of(server, "d=dict", "list=list")
                    d = m.d()
                    d[where] = m.list()
                    d[where].append(1)
                    equal(d[where]._getvalue(), [1])
        finally:
            os.chdir(before)


@test
def arguments_from_files():
    """@FILE is what a file of JSON holds."""
    with files(conf=json.dumps({"hosts": ["a", "b"]}).encode()) as path:
        with served("conf=dict(@%s),read-only" % path("conf")) as manager:
            equal(manager.conf().copy(), {"hosts": ["a", "b"]})


@test
def types_of_their_own():
    """Clients make objects of the built-in types, unless --only-published."""
    with files(key=KEY) as path:
        with serve("unix:" + path("socket"), "--authkey-file", path("key")) as server:
            manager = SyncManager(place(server.address), KEY)
            manager.connect()
            equal(manager.list([1, 2])._getvalue(), [1, 2])
        with serve("unix:" + path("socket"), "--authkey-file", path("key"), "--only-published") as server:
            manager = SyncManager(place(server.address), KEY)
            manager.connect()
            assert "PermissionError" in raises(RemoteError, manager.list)


# ---- restrictions ----


@test
def read_only():
    """What is read-only can be read, and not changed."""
    with served('conf=dict({"a": [1]}),read-only', 'items=list([3, 1]),read-only', "done=Event,read-only",
                "jobs=Queue,read-only", 'one=Value("i", 7),read-only') as manager:
        conf, items, one = manager.conf(), manager.items(), manager.one()
        equal((conf["a"], len(conf), list(conf), "a" in conf, conf.get("b", 2)), ([1], 1, ["a"], True, 2))
        for change in (lambda: conf.update(b=2), lambda: conf.pop("a"), conf.clear, lambda: conf.setdefault("c"),
                       conf.popitem, lambda: conf.__setitem__("a", 2), lambda: conf.__delitem__("a"),
                       lambda: items.append(1), items.sort, items.reverse, items.pop, lambda: items.insert(0, 1),
                       lambda: items.remove(1), lambda: items.extend([1]), lambda: items.__setitem__(0, 1),
                       lambda: items.__iadd__([1]), lambda: items.__imul__(2), lambda: items.__delitem__(0),
                       manager.done().set, manager.done().clear, lambda: one.set(8)):
            assert "not allowed" in raises(PermissionError, change)
        equal((conf.copy(), items._getvalue(), one.get()), ({"a": [1]}, [3, 1], 7))
        jobs = manager.jobs()
        equal((jobs.qsize(), jobs.empty(), hasattr(jobs, "put"), hasattr(jobs, "get")), (0, True, False, False))
        assert "not allowed" in raises(PermissionError, jobs._callmethod, "put", (1,))
        assert "not allowed" in raises(PermissionError, jobs._callmethod, "get_nowait")


@test
def what_reads():
    """Of each type, these methods change something, and are refused."""
    changing = {
        "Queue": "get get_nowait put put_nowait shutdown task_done",
        "JoinableQueue": "get get_nowait put put_nowait shutdown task_done",
        "list": "__delitem__ __imul__ __setitem__ append clear extend insert pop remove reverse sort",
        "dict": "__delitem__ __ior__ __setitem__ clear pop popitem setdefault update",
        "set": "__iand__ __ior__ __isub__ __ixor__ add clear difference_update discard intersection_update pop remove "
               "symmetric_difference_update update",
        "Namespace": "__delattr__ __setattr__", 'Value("i", 1)': "set", 'Array("i", [1])': "__setitem__",
        "Event": "clear set", "Lock": "acquire release", "RLock": "acquire release", "Semaphore": "acquire release",
        "BoundedSemaphore": "acquire release", "Condition": "acquire notify notify_all release wait",
        "Barrier(2)": "abort reset wait"}
    written = ["%s%d=%s%s" % (name, i, kind, more) for i, kind in enumerate(changing)
               for name, more in (("all", ""), ("some", ",read-only"))]
    with files(key=KEY) as path:
        options = [word for each in written for word in ("--object", each)]
        with serve("unix:" + path("socket"), "--authkey-file", path("key"), *options) as server:
            for i, expected in enumerate(changing.values()):
                exposed = []
                for name in "all", "some":
                    with Client(place(server.address), authkey=KEY) as client:
                        client.send((None, "create", ("%s%d" % (name, i),), {}))
                        kind, (_, methods) = client.recv()
                        exposed.append(set(methods))
                equal(sorted(exposed[0] - exposed[1]), expected.split())


@test
def methods():
    """Only those methods can be called that were named."""
    with served("jobs=Queue,methods=put:qsize", 'conf=dict({"a": 1}),methods=__getitem__',
                'all=dict({"a": 1}),methods=#GETVALUE:__repr__', 'none=list([1]),read-only,methods=append') as manager:
        jobs, conf, everything, none = manager.jobs(), manager.conf(), manager.all(), manager.none()
        jobs.put(1)
        equal(jobs.qsize(), 1)
        assert "not allowed" in raises(PermissionError, jobs._callmethod, "get_nowait")
        equal(hasattr(jobs, "get"), False)
        equal(conf["a"], 1)
        for call in conf.keys, conf.copy, conf._getvalue, lambda: len(conf), lambda: conf["b"].update({}):
            raises((PermissionError, KeyError), call)
        assert str(conf).startswith("<kith dict object at 0x"), str(conf)
        equal((everything._getvalue(), str(everything)), ({"a": 1}, "{'a': 1}"))
        raises(PermissionError, lambda: everything["a"])
        raises(PermissionError, none.append, 2)
        raises(PermissionError, none._getvalue)


@test
def no_way_around():
    """Restrictions are the object's, however a client comes by it; and not those of what it holds."""
    with served('inner=list([1]),read-only', "outer=dict", "box=list") as manager:
        inner, outer, box = manager.inner(), manager.outer(), manager.box()
        outer["inner"] = inner
        box.append(outer)
        again = box[0]["inner"]
        equal(again._getvalue(), [1])
        raises(PermissionError, again.append, 2)
        # a proxy that says of itself which methods there are
        raises(PermissionError, ListProxy(inner._token, "pickle", authkey=KEY, exposed=("append",)).append, 2)
        # the type's own name, and another one, for the same object
        token = inner._token
        token.typeid = "dict"
        raises(PermissionError, ListProxy(token, "pickle", authkey=KEY).append, 2)
        outer["other"] = manager.box()
        outer["other"].append("as it is not restricted")
        equal(box[1], "as it is not restricted")


@test
def shutdown():
    """A client can end the server, unless --no-shutdown."""
    with files(key=KEY) as path:
        for more in [], ["--no-shutdown"]:
            with serve("unix:" + path("socket"), "--authkey-file", path("key"), *more) as server:
                with Client(place(server.address), authkey=KEY) as client:
                    client.send((None, "shutdown", (), {}))
                    kind, value = client.recv()
                if more:
                    equal((kind, "PermissionError" in str(value) or isinstance(value, PermissionError)),
                          (kind, True))
                    equal(server.process.poll(), None)
                else:
                    equal((kind, value), ("#RETURN", None))
                    equal(server.wait(), "")


# ---- the key ----


def serve_and_read_key(address, path, **how):
    with serve(address, quiet=False, **how) as server:
        with open(path, "rb") as file:
            key = file.read()
        client_of(server, authkey=key)
        err = server.stop()
    equal(err, "kith serve: the authkey is in %s\n" % path)
    return key


@test
def a_key_is_made():
    """Without --authkey-file a key is made, for its user alone, and found again the next time."""
    with folder() as path:
        key = serve_and_read_key("unix:" + path + "/socket", path + "/socket.key")
        assert re.fullmatch(rb"[0-9a-f]{64}", key), key
        equal(stat.S_IMODE(os.stat(path + "/socket.key").st_mode), 0o600)
        equal(serve_and_read_key("unix:" + path + "/socket", path + "/socket.key"), key)
        equal(os.listdir(path), ["socket.key"])
        assert serve_and_read_key("unix:" + path + "/other", path + "/other.key") != key


@test
def a_key_without_a_socket_file():
    """For other addresses, it is made in XDG_RUNTIME_DIR."""
    with folder() as path:
        name = "unix:@kith-cli/%d" % os.getpid()
        environment = dict(os.environ, XDG_RUNTIME_DIR=path)
        serve_and_read_key(name, "%s/kith/%s.key" % (path, name.replace("/", "-")), env=environment)
        equal(stat.S_IMODE(os.stat(path + "/kith").st_mode), 0o700)
        done = subprocess.run([program, "serve", name], stderr=subprocess.PIPE, timeout=60,
                              env={k: v for k, v in os.environ.items() if k != "XDG_RUNTIME_DIR"})
        equal(done.returncode, 1)
        assert b"--authkey-file" in done.stderr, done.stderr


@test
def a_key_that_somebody_left_there():
    """A key in the place of ours that others can read, or that is no file, is not used."""
    with files(**{"socket.key": KEY}) as path:
        os.chmod(path("socket.key"), 0o640)
        fails(1, "not this user's alone", "serve", "unix:" + path("socket"))
        fails(1, "chmod 600 " + path("socket.key"), "serve", "unix:" + path("socket"))
        os.unlink(path("socket.key"))
        os.symlink(path("nowhere"), path("socket.key"))
        fails(1, "socket.key", "serve", "unix:" + path("socket"))
        os.unlink(path("socket.key"))
        os.mkfifo(path("socket.key"), 0o600)
        fails(1, "not this user's alone", "serve", "unix:" + path("socket"))
        if os.getuid() == 0:
            os.unlink(path("socket.key"))
            with open(os.open(path("socket.key"), os.O_CREAT | os.O_WRONLY, 0o600), "wb") as file:
                file.write(KEY)
            os.chown(path("socket.key"), 1, -1)
            fails(1, "not this user's alone", "serve", "unix:" + path("socket"))
        equal(os.path.exists(path("socket")), False)


@test
def a_key_with_a_newline():
    """What ends the line of a key in a file is no part of it."""
    for end in b"", b"\n", b"\r\n":
        with files(key=KEY + end) as path, serve(ANY, "--authkey-file", path("key")) as server:
            client_of(server)


@test
def a_short_key():
    """A key that can be guessed is warned of."""
    with files(key=b"15 bytes, short") as path, serve(ANY, "--authkey-file", path("key"), quiet=False) as server:
        client_of(server, authkey=b"15 bytes, short")
        err = server.stop()
        assert "has 15 bytes, and could be guessed" in err, err


@test
def a_key_that_others_can_read():
    """A key that was named, and that others can read, is warned of."""
    with files(key=KEY) as path:
        os.chmod(path("key"), 0o644)
        with serve(ANY, "--authkey-file", path("key"), quiet=False) as server:
            client_of(server)
            assert "others can read" in server.stop()


@test
def wrong_keys():
    """Who keeps coming with a wrong key is turned away for a while; the log tells of it."""
    with files(key=KEY) as path:
        with serve("unix:" + path("socket"), "--authkey-file", path("key"), "--max-failures", "2",
                   quiet=False) as server:
            client_of(server)
            for _ in range(2):
                assert "digest" in raises(Exception, lambda: client_of(server, authkey=b"wrong")).lower()
            for key in b"wrong", KEY:
                raises(GONE, lambda: client_of(server, authkey=key))
            err = server.stop()
    equal((err.count("was refused"), err.count("was turned away")), (2, 2))


@test
def tls():
    """--tls is TLS with a key of the authkey."""
    with files(key=KEY) as path, serve(ANY, "--tls", "--authkey-file", path("key"), quiet=False) as server:
        status, out, err = kith("send", "--tls", "--authkey-file", path("key"), server.address, "no request")
        equal((status, err), (0, b""))
        assert b"#TRACEBACK" in out, out


# ---- limits ----


@test
def limits():
    """Memory, objects and messages have bounds."""
    with served("d=dict", more=["--max-memory", "64K", "--max-objects", "3", "--max-message", "1M"],
                quiet=False) as manager:
        shared = manager.d()
        raises(MemoryError, shared.update, {"x": bytes(65536)})
        shared["x"] = bytes(32768)
        equal(len(shared["x"]), 32768)
        raises(GONE, shared.update, {"x": bytes(2 << 20)})
    with files(key=KEY) as path:
        with serve("unix:" + path("socket"), "--authkey-file", path("key"), "--max-objects", "2") as server:
            manager = SyncManager(place(server.address), KEY)
            manager.connect()
            kept = [manager.dict(), manager.dict()]
            assert "MemoryError" in raises(RemoteError, manager.dict)
            del kept[0]
            kept.append(manager.dict())


@test
def clients_have_a_bound():
    """One client more than --max-clients is turned away, and let in when there is room."""
    with files(key=KEY) as path:
        with serve("unix:" + path("socket"), "--authkey-file", path("key"), "--max-clients", "1", "--object", "d=dict",
                   quiet=False) as server:
            manager = client_of(server, "d=dict")
            first = Client(place(server.address), authkey=KEY)
            first.send((None, "accept_connection", ("first",), {}))
            equal(first.recv(), ("#RETURN", None))
            raises(GONE, manager.d)
            first.close()
            assert "turned away" in server.stop()


@test
def users():
    """--user lets in only these, and --mode says who can connect at all."""
    with files(key=KEY) as path:
        with serve("unix:" + path("socket"), "--authkey-file", path("key"), "--mode", "666", "--user",
                   str(os.getuid())) as server:
            equal(stat.S_IMODE(os.stat(path("socket")).st_mode), 0o666)
            client_of(server)
        with serve("unix:" + path("socket"), "--authkey-file", path("key"), "--user", "12345", quiet=False) as server:
            raises(GONE, lambda: client_of(server))
            assert "not among the allowed" in server.stop()


# ---- its end ----


@test
def signals_end_it():
    """SIGTERM and SIGINT end it with status 0; its socket is gone, and who waits gets the end."""
    for how in signal.SIGTERM, signal.SIGINT:
        with files(key=KEY) as path:
            with serve("unix:" + path("socket"), "--authkey-file", path("key"), "--object", "q=Queue") as server:
                jobs = client_of(server, "q=Queue").q()
                jobs.put(1)
                seen = []
                waiting = threading.Thread(target=lambda: (jobs.get(), seen.append(raises(GONE, jobs.get))))
                waiting.start()
                while not jobs.empty():
                    pass
                equal(server.stop(how), "")
                waiting.join(60)
                equal(len(seen), 1)
                equal(os.path.exists(path("socket")), False)


@test
def full():
    """An address that can't be printed ends it: nobody would know it."""
    with files(key=KEY) as path, open("/dev/full", "wb") as out:
        done = subprocess.run([program, "serve", ANY, "--authkey-file", path("key")], stdout=out,
                              stderr=subprocess.PIPE, timeout=60)
    equal(done.returncode, 1)
    assert b"stdout" in done.stderr, done.stderr


# ---- service managers ----


def as_service(path, *arguments, sockets=1, pid="$$"):
    """What starts the server as a service manager does: the sockets are its descriptors from 3 on."""
    given = " ".join("%d<&%s" % (3 + i, "$GIVEN") for i in range(sockets))
    script = 'export LISTEN_FDS=%d LISTEN_PID=%s; exec "$0" "$@" %s' % (sockets, pid, given)
    return ["/bin/sh", "-c", script, program, "serve", "--authkey-file", path("key"), *arguments]


class Service(Running):
    """A server that was handed a socket."""

    def __init__(self, listener, command, **environment):
        self.name = "kith serve"
        given = dict(os.environ, GIVEN=str(listener.fileno()), **environment)
        self.process = subprocess.Popen(command, pass_fds=[listener.fileno()], env=given, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        self.address = self.process.stdout.readline().decode().rstrip("\n")


@test
def socket_activation():
    """A socket that the service manager hands over is served, who connected before is answered, and it stays."""
    with files(key=KEY) as path, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path("socket"))
        listener.listen()
        early = threading.Thread(target=lambda: client_of(server_at(path("socket"))))
        early.start()
        for _ in range(2):
            server = Service(listener, as_service(path, "--object", "d=dict"))
            try:
                equal(server.address, "unix:" + path("socket"))
                client_of(server, "d=dict").d()["x"] = 1
                early.join(60)
                equal(server.stop(), "")
                equal(os.path.exists(path("socket")), True)
            finally:
                server.clean_up()
        for reason, *how in (["at which address", {"pid": "1"}], ["2 sockets", {"sockets": 2}],
                             ["at which address", {"sockets": 0}]):
            server = Service(listener, as_service(path, **how[0]))
            assert reason in server.wait(2)
            server.clean_up()


def server_at(path):
    class Server:
        address = "unix:" + path

    return Server()


@test
def the_service_manager_is_told():
    """NOTIFY_SOCKET hears READY=1 when clients can come, and STOPPING=1."""
    with files(key=KEY) as path, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(60)
        manager.bind("\0kith-cli-notify-%d" % os.getpid())
        environment = dict(os.environ, NOTIFY_SOCKET="@kith-cli-notify-%d" % os.getpid())
        with serve("unix:" + path("socket"), "--authkey-file", path("key"), env=environment) as server:
            equal(manager.recv(100), b"READY=1")
            client_of(server)
            equal(server.stop(), "")
        equal(manager.recv(100), b"STOPPING=1")


# ---- what makes no sense ----


@test
def wrong_use():
    """What makes no sense gives status 2 and a hint."""
    for reason, *arguments in (
            ["at which address"], ["one address", ANY, ANY], ["unrecognized", "--colour", ANY],
            ["NAME=TYPE", "--object", "jobs", ANY], ["NAME=TYPE", "--object", "=Queue", ANY],
            ["no type", "--object", "jobs=", ANY], ["without a ')'", "--object", "jobs=Queue(1", ANY],
            ["follows its arguments", "--object", "jobs=Queue(1)x", ANY],
            ["a Pool runs", "--object", "pool=Pool(2)", ANY],
            ["without a keyword", "--object", "jobs=Queue(maxsize=1,2)", ANY],
            ["what may follow", "--object", "jobs=Queue,writable", ANY],
            ["names none", "--object", "jobs=Queue,methods=", ANY],
            ["1 or more", "--max-clients", "0", ANY], ["1 or more", "--workers", "many", ANY],
            ["1 or more", "--max-objects", "4294967296", ANY], ["a size", "--max-memory", "1T", ANY],
            ["a size", "--max-message", "M", ANY], ["a size", "--max-memory", "20000000000G", ANY],
            ["octal", "--mode", "888", ANY], ["octal", "--mode", "1777", ANY], ["no user", "--user", "no one", ANY],
            ["seconds", "--snapshot-interval", "-1", ANY], ["none, error", "--log", "loud", ANY],
            ["a file", "--snapshot", "", ANY], ["without certificates", "--tls", "--tls-key", "k", ANY]):
        fails(2, reason, "serve", *arguments)


@test
def failures():
    """What fails gives status 1 and a sentence, and leaves no socket."""
    with files(key=KEY, broken=b"{", empty=b"", short=b"short") as path:
        given = ["--authkey-file", path("key"), "unix:" + path("socket")]
        for reason, *arguments in (
                ["BoundedSemaphore, Condition", "--object", "jobs=Stack", *given],
                ["no type", "--object", "jobs=Stack,methods=push", *given],
                ["taken", *["--object", "d=dict"] * 2, *given],
                ["line 1", "--object", "jobs=Queue([)", *given],
                ["line 1", "--object", "conf=dict(@%s)" % path("broken"), *given],
                ["empty", "--object", "conf=dict(@%s)" % path("empty"), *given],
                ["No such file", "--object", "conf=dict(@%s)" % path("nothing"), *given],
                ["no method", "--object", "conf=dict,methods=put", *given],
                ["Queue", "--object", "jobs=Queue(size=1)", *given],
                ["a text has quotes", "--object", "n=Value(i,0)", *given],
                ["has no name", "unix:"], ["no address", "board"],
                ["TLS is for TCP", "--tls", *given], ["mode", "--mode", "600", *given[:2], ANY],
                ["not open", *given[:2], "fd:99"], ["--authkey-file", "fd:99"],
                ["too short", "--tls", "--authkey-file", path("short"), ANY]):
            fails(1, reason, "serve", *arguments)
        equal(os.path.exists(path("socket")), False)


run_all()
