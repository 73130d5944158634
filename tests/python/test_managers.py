"""Managers: their servers, proxies, and queues, also with the standard library at the other side."""

import os
import queue
import resource
import signal
import socket
import sys
import threading
import time
import unittest

import kith
from kith import connection, managers
from kith._stock import managers as stock
from test_listener import Stock, interpreters

METHODS = ("fork", "spawn", "forkserver")
KEY = b"a key"
DEAD = (EOFError, ConnectionResetError, BrokenPipeError, ConnectionRefusedError, FileNotFoundError)

joinable = kith.JoinableQueue()


def get_joinable():
    return joinable


class Manager(managers.BaseManager):
    pass


Manager.register("get_queue", get_joinable)
Manager.register("plain_queue", queue.Queue)


class Client(managers.BaseManager):
    pass


Client.register("get_queue")
Client.register("plain_queue")


def put_all(proxy, count):
    for number in range(count):
        proxy.put(number)


def get_and_tell(proxy, told):
    while True:
        item = proxy.get()
        proxy.task_done()
        if item is None:
            break
        told.append(item)


def add(shared, lock, count):
    for _ in range(count):
        with lock:
            shared["sum"] = shared.get("sum", 0) + 1


def is_near(proxy):
    return proxy._find()[1] is not None


def calls_near(proxy):
    """Whether this thread's calls, of which there was one, go through shared memory."""
    return -1 not in proxy._tls.connection._share()


FEW = 240


def leave_few_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (FEW, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


class Census:
    def __init__(self):
        self.failures = []
        threading.excepthook = lambda failure: self.failures.append(repr(failure.exc_value))

    def threads(self):
        return [thread.name for thread in threading.enumerate()]

    def failed(self):
        """What threads have failed with."""
        return self.failures


def await_end_of(census, name):
    """Waits until the server has no thread of that name any more, but not for ever. Returns whether it has none."""
    until = time.monotonic() + 30
    while name in census.threads() and time.monotonic() < until:
        time.sleep(0.005)
    return name not in census.threads()


class Counting(managers.SyncManager):
    pass


Counting.register("Census", Census)


class TestQueues(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.manager = managers.SyncManager()
        cls.manager.start()

    @classmethod
    def tearDownClass(cls):
        cls.manager.shutdown()

    def queue(self, *arguments):
        return self.manager.Queue(*arguments)

    def test_it_goes_past_the_server(self):
        self.assertTrue(is_near(self.queue()))
        self.assertTrue(is_near(self.manager.JoinableQueue()))

    def test_it_has_the_methods_of_a_queue(self):
        items = self.queue(2)
        self.assertEqual((items.empty(), items.full(), items.qsize()), (True, False, 0))
        items.put("a")
        items.put(["b"], True, 5)
        self.assertEqual((items.empty(), items.full(), items.qsize()), (False, True, 2))
        for call in (lambda: items.put(1, False), lambda: items.put_nowait(1), lambda: items.put(1, True, 0.01),
                     lambda: items.put(1, timeout=0)):
            with self.assertRaises(queue.Full):
                call()
        self.assertEqual([items.get(), items.get_nowait()], ["a", ["b"]])
        for call in (lambda: items.get(False), items.get_nowait, lambda: items.get(True, 0.01),
                     lambda: items.get(timeout=0)):
            with self.assertRaises(queue.Empty):
                call()
        with self.assertRaises(ValueError):
            items.get(True, -1)
        with self.assertRaises(ValueError):
            items.put(1, True, -1)
        items.task_done()
        items.task_done()
        items.join()
        with self.assertRaises(ValueError):
            items.task_done()
        with self.assertRaises(ValueError):
            items.task_done()

    def test_those_of_a_stock_one_are_there(self):
        stock_one = {name for name in dir(queue.Queue) if not name.startswith("_")}
        self.assertEqual(stock_one - set(dir(self.queue())), set())

    def test_a_proxy_knows_as_much_as_the_server(self):
        items = self.queue()
        items.put(1)
        self.assertEqual(items._callmethod("qsize"), 1)
        items._callmethod("put", (2,))
        self.assertEqual([items.get(), items._callmethod("get")], [1, 2])
        items.task_done()
        items._callmethod("task_done")
        items.join()

    def test_a_get_waits_for_who_puts(self):
        items = self.queue()
        threading.Timer(0.25, items.put, ("late",)).start()
        self.assertEqual(items.get(timeout=60), "late")
        full = self.queue(1)
        full.put(1)
        threading.Timer(0.25, full.get).start()
        full.put(2, timeout=60)
        self.assertEqual(full.get(), 2)

    def test_a_join_waits_for_who_says_task_done(self):
        items = self.queue()
        items.put(1)
        items.get()
        threading.Timer(0.1, items.task_done).start()
        items.join()

    def test_what_can_not_be_pickled_is_told(self):
        items = self.queue()
        with self.assertRaises(Exception):
            items.put(threading.Lock())
        self.assertEqual(items.qsize(), 0)

    def test_proxies_in_it_keep_their_objects(self):
        items, shared = self.queue(), self.manager.list([1, 2])
        items.put({"list": shared})
        items.put(3)
        del shared
        got = items.get()["list"]
        self.assertEqual(list(got), [1, 2])
        self.assertEqual(items.get(), 3)
        nested = self.queue()
        nested.put("inside")
        items.put(nested)
        del nested
        self.assertEqual(items.get().get(timeout=10), "inside")

    def test_children_share_it_with_each_start_method(self):
        for method in METHODS:
            with self.subTest(method):
                items = self.queue()
                context = kith.get_context(method)
                children = [context.Process(target=put_all, args=(items, 100)) for _ in range(2)]
                for child in children:
                    child.start()
                got = [items.get(timeout=60) for _ in range(200)]
                for child in children:
                    child.join()
                    self.assertEqual(child.exitcode, 0)
                self.assertEqual(sorted(got), sorted(list(range(100)) * 2))

    def test_its_memory_goes_with_the_proxies(self):
        items = self.queue()
        items.put(1)
        before = len(os.listdir("/proc/self/fd"))
        objects = self.manager._number_of_objects()
        for _ in range(10):
            one = self.queue()
            one.put(1)
        del one
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)
        self.assertEqual(self.manager._number_of_objects(), objects)


class TestCalls(unittest.TestCase):
    """Which way calls go."""

    def test_they_go_through_shared_memory(self):
        with managers.SyncManager() as manager:
            entries, other = manager.dict(), manager.list()
            entries["long"] = bytes(3 << 20)
            self.assertEqual(len(entries["long"]), 3 << 20)
            self.assertTrue(calls_near(entries))
            other.append(1)
            self.assertIs(other._tls.connection, entries._tls.connection)
            near = []
            thread = threading.Thread(target=lambda: near.append((entries.get("none"), calls_near(entries))))
            thread.start()
            thread.join()
            self.assertEqual(near, [(None, True)])

    def test_with_tcp_they_do_not(self):
        with managers.SyncManager(("127.0.0.1", 0)) as manager:
            entries = manager.dict(a=1)
            self.assertEqual(entries["a"], 1)
            self.assertFalse(calls_near(entries))

    def test_with_xmlrpc_they_do_not(self):
        manager = Counting(serializer="xmlrpclib")
        manager.start()
        with manager:
            census = manager.Census()
            self.assertIn("MainThread", census.threads())
            self.assertEqual(census.failed(), [])

    def test_where_descriptors_are_scarce_they_do_not_and_leave_enough_for_many(self):
        manager = managers.SyncManager()
        manager.start(leave_few_descriptors)
        with manager:
            entries = manager.dict()
            ways, threads, clients = [], [], FEW * 7 // 10
            go, ready = threading.Event(), threading.Barrier(clients + 1)

            def call(number):
                entries[number] = number
                ways.append(calls_near(entries))
                ready.wait(30)
                go.wait(30)

            for number in range(clients):
                threads.append(threading.Thread(target=call, args=(number,)))
                threads[-1].start()
            ready.wait(30)
            self.assertEqual(dict(entries), {number: number for number in range(clients)})
            go.set()
            for thread in threads:
                thread.join()
            self.assertIn(False, ways)

    def test_where_descriptors_of_the_client_are_scarce_they_do_not(self):
        with managers.SyncManager() as manager:
            entries, limits = manager.dict(), resource.getrlimit(resource.RLIMIT_NOFILE)
            taken = [os.open(os.devnull, os.O_RDONLY)]
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (taken[0] + 20, limits[1]))
                with self.assertRaises(OSError):
                    while True:
                        taken.append(os.open(os.devnull, os.O_RDONLY))
                for _ in range(2):
                    os.close(taken.pop())
                entries["a"] = 1
                self.assertEqual(entries["a"], 1)
                self.assertFalse(calls_near(entries))
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
                for descriptor in taken:
                    os.close(descriptor)

    def test_no_call_takes_the_answer_of_one_that_a_signal_ended(self):
        def fail(number, frame):
            raise TimeoutError("the signal")

        self.addCleanup(signal.signal, signal.SIGUSR1, signal.signal(signal.SIGUSR1, fail))
        for address in (None, ("127.0.0.1", 0)):
            with self.subTest(address=address), managers.SyncManager(address) as manager:
                event, entries, items = manager.Event(), manager.dict(a=1), manager.Queue()
                self.assertFalse(event.is_set())
                threading.Timer(0.1, signal.pthread_kill, (threading.get_ident(), signal.SIGUSR1)).start()
                with self.assertRaises(TimeoutError):
                    event.wait(30)
                self.assertEqual(entries["a"], 1)
                items.put("item")
                self.assertEqual(items.get(), "item")
                event.set()
                self.assertEqual(entries["a"], 1)

    def test_what_cannot_be_sent_leaves_the_connection(self):
        with managers.SyncManager() as manager:
            entries, lock = manager.dict(), manager.RLock()
            with lock:
                with self.assertRaises(Exception):
                    entries["lock"] = threading.Lock()
                with self.assertRaises(KeyError):
                    entries["none"]
                entries["a"] = 1

    def test_the_errors_of_a_call_are_raised(self):
        with managers.SyncManager() as manager:
            entries = manager.dict()
            with self.assertRaises(KeyError):
                entries["none"]
            self.assertTrue(calls_near(entries))
            with self.assertRaises(Exception):
                entries["lock"] = threading.Lock()
            entries["a"] = 1
            self.assertEqual(entries.copy(), {"a": 1})

    def test_a_killed_client_leaves_no_thread(self):
        with Counting() as manager:
            census, (reader, writer) = manager.Census(), os.pipe()
            pid = os.fork()
            if pid == 0:
                try:
                    kith.current_process().name = "the client"
                    census.threads()
                    os.write(writer, b"%d" % calls_near(census))
                    signal.pause()
                finally:
                    os._exit(1)
            try:
                self.assertEqual(os.read(reader, 1), b"1")
                self.assertIn("the client", census.threads())
            finally:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                os.close(reader)
                os.close(writer)
            self.assertTrue(await_end_of(census, "the client"))

    def test_a_client_that_asks_for_that_again_or_goes_meanwhile(self):
        with Counting() as manager:
            census = manager.Census()
            for times in range(3):
                client = connection.Client(manager.address, authkey=manager._authkey)
                managers.dispatch(client, None, "accept_connection", ("the client",))
                for _ in range(times):
                    client = managers._go_near(client)
                self.assertEqual(managers.dispatch(client, "0", "__str__"), "None")
                client.send(("0", "#NEAR", (), {}))
                client.close()
                self.assertTrue(await_end_of(census, "the client"))
            self.assertEqual(census.failed(), [])

    def test_one_that_waits_raises_when_the_server_is_killed(self):
        manager = managers.SyncManager()
        manager.start()
        event = manager.Event()
        self.assertFalse(event.is_set())
        self.assertTrue(calls_near(event))
        threading.Timer(0.1, os.kill, (manager._process.pid, signal.SIGKILL)).start()
        with self.assertRaises(DEAD):
            event.wait()
        manager._process.join()


class TestRegistered(unittest.TestCase):

    def test_a_queue_that_a_callable_returns(self):
        for address in (None, ("127.0.0.1", 0)):
            with self.subTest(address=address), Manager(address, KEY, ctx=kith.get_context("fork")) as manager:
                client = Client(manager.address, KEY)
                client.connect()
                ours, theirs = manager.get_queue(), client.get_queue()
                child = kith.get_context("fork").Process(target=put_all, args=(theirs, 10))
                child.start()
                self.assertEqual([ours.get(timeout=60) for _ in range(10)], list(range(10)))
                for _ in range(10):
                    ours.task_done()
                ours.join()
                child.join()
                self.assertEqual(is_near(ours), address is None)
                self.assertIsInstance(ours._tls.connection, connection.Connection)

    def test_other_queues_are_left_alone(self):
        with Manager(authkey=KEY) as manager:
            plain = manager.plain_queue(1)
            plain.put(1)
            self.assertFalse(is_near(plain))
            with self.assertRaises(queue.Full):
                plain.put(2, False)
            self.assertEqual(plain.get(), 1)

    def test_only_what_is_exposed_can_be_called(self):
        class Partly(managers.BaseManager):
            pass
        Partly.register("queue", managers.ManagedQueue, exposed=("put", "get", "qsize"))
        with Partly(ctx=kith.get_context("fork")) as manager:
            items = manager.queue()
            items.put(1)
            self.assertTrue(is_near(items))
            self.assertEqual((items.qsize(), items.get()), (1, 1))
            self.assertFalse(hasattr(items, "task_done"))

    def test_results_become_proxies(self):
        class Lists(managers.BaseManager):
            pass
        Lists.register("nested", dict, method_to_typeid={"copy": "nested"}, exposed=("copy", "update", "__len__"))
        with Lists(ctx=kith.get_context("fork")) as manager:
            first = manager.nested()
            first.update({1: 2})
            second = first.copy()
            self.assertIsInstance(second, managers.BaseProxy)
            self.assertEqual(len(second), 1)

    def test_an_initializer_runs_first(self):
        manager = managers.SyncManager()
        manager.start(os.putenv, ("KITH", "1"))
        manager.shutdown()
        with self.assertRaises(TypeError):
            managers.SyncManager().start(1)


class TestObjects(unittest.TestCase):

    def test_those_of_a_sync_manager(self):
        with kith.Manager() as manager:
            self.assertIsInstance(manager, managers.SyncManager)
            self.assertIsInstance(manager, stock.SyncManager)
            shared, lock = manager.dict(), manager.Lock()
            children = [kith.Process(target=add, args=(shared, lock, 20)) for _ in range(3)]
            for child in children:
                child.start()
            for child in children:
                child.join()
            self.assertEqual(shared["sum"], 60)
            names = manager.Namespace(a=1)
            names.b = 2
            self.assertEqual((names.a, names.b, str(names)), (1, 2, "Namespace(a=1, b=2)"))
            event = manager.Event()
            event.set()
            self.assertTrue(event.wait(0))
            self.assertEqual(manager.Value("i", 5).value, 5)
            self.assertEqual(list(manager.Array("i", [1, 2])), [1, 2])
            self.assertEqual(sorted(iter(manager.dict(a=1, b=2))), ["a", "b"])
            condition = manager.Condition()
            self.assertIsInstance(condition, managers.AcquirerProxy)
            self.assertIsInstance(condition, stock.ConditionProxy)
            with condition:
                condition.notify_all()
            nested = manager.list([manager.list([1])])
            nested[0].append(2)
            self.assertEqual(list(nested[0]), [1, 2])
            with self.assertRaises(KeyError):
                shared["nothing"]

    def test_errors_of_a_call_are_raised(self):
        with managers.SyncManager() as manager:
            shared = manager.list()
            with self.assertRaises(IndexError):
                shared.pop()
            with self.assertRaises(managers.RemoteError):
                shared._callmethod("nothing")
            shared.append(1)
            self.assertEqual(shared.pop(), 1)

    def test_shared_memory(self):
        with managers.SharedMemoryManager() as manager:
            segment = manager.SharedMemory(64)
            name = "/dev/shm/" + segment.name
            segment.buf[:3] = b"abc"
            listed = manager.ShareableList([1, "two"])
            self.assertEqual(list(listed), [1, "two"])
            self.assertTrue(os.path.exists(name))
            segment.close()
            listed.shm.close()
        self.assertFalse(os.path.exists(name))


class TestServers(unittest.TestCase):

    def killed(self, call):
        """Kills the server of a manager while a call on a queue waits; returns what it raised, and the seconds."""
        manager = managers.SyncManager()
        manager.start()
        items = manager.Queue()
        items.put(0)
        self.assertEqual(items.get(), 0)
        os.kill(manager._process.pid, signal.SIGKILL)
        began = time.monotonic()
        try:
            call(items)
        except Exception as error:
            return error, time.monotonic() - began
        finally:
            manager._process.join()

    def test_calls_raise_at_once_when_it_is_killed(self):
        calls = {
            "put": lambda items: [items.put(1) for _ in range(100000)],
            "get": lambda items: items.get(),
            "get in time": lambda items: items.get(timeout=60),
            "qsize": lambda items: [items.qsize() for _ in range(100000)],
            "join": lambda items: (items._callmethod("put", (1,)), items.join()),
            "far": lambda items: items._callmethod("get"),
        }
        for name, call in calls.items():
            with self.subTest(name):
                error, seconds = self.killed(call)
                self.assertIsInstance(error, DEAD)
                self.assertLess(seconds, 20)

    def test_a_silent_client_holds_up_nobody(self):
        with managers.SyncManager() as manager:
            silent = [socket.socket(socket.AF_UNIX) for _ in range(20)]
            for client in silent:
                client.connect(manager.address)
            self.assertEqual(list(manager.list([1])), [1])
            for client in silent:
                client.close()

    def test_a_wrong_key_is_refused(self):
        with Manager(authkey=KEY) as manager:
            client = Client(manager.address, b"wrong")
            with self.assertRaises(kith.AuthenticationError):
                client.connect()
            self.assertEqual(manager.plain_queue().qsize(), 0)

    def test_its_states_are_told(self):
        manager = managers.SyncManager()
        manager.start()
        with self.assertRaises(kith.ProcessError):
            manager.start()
        with self.assertRaises(kith.ProcessError):
            manager.get_server()
        manager.shutdown()
        with self.assertRaises(kith.ProcessError):
            manager.get_server()
        manager.join()

    def test_one_of_this_process(self):
        server = Manager(authkey=KEY).get_server()
        self.assertIsInstance(server, managers.Server)
        server.stop_event = threading.Event()
        threading.Thread(target=server.accepter, daemon=True).start()
        client = Client(server.address, KEY)
        client.connect()
        plain = client.plain_queue()
        plain.put(1)
        self.assertEqual(plain.get(), 1)
        server.stop_event.set()

    def test_it_ends_when_who_started_it_is_killed(self):
        program = """
            import sys
            sys.path.insert(0, sys.argv[1])
            from kith.managers import SyncManager
            if __name__ == "__main__":
                import time
                manager = SyncManager()
                manager.start()
                print(manager._process.pid, flush=True)
                time.sleep(600)
        """
        folder = os.path.dirname(os.path.dirname(kith.__file__))
        with Stock(sys.executable, program, folder) as parent:
            server = os.pidfd_open(int(parent.line()))
            self.addCleanup(os.close, server)
            parent.process.kill()
            self.assertEqual(connection.wait([server], 30), [server])


class TestStock(unittest.TestCase):
    """Other interpreters' own multiprocessing, at either side."""

    def test_their_proxies_use_our_server(self):
        program = """
            import queue, sys
            from multiprocessing.managers import BaseManager
            class Client(BaseManager): pass
            Client.register("get_queue")
            client = Client(eval(sys.argv[1]), b"a key")
            client.connect()
            items = client.get_queue()
            print(items.get(), flush=True)
            items.put({"from": "them"})
            sys.stdin.readline()
            try:
                items.get(timeout=0.01)
            except queue.Empty:
                items.task_done()
                print("empty", flush=True)
            sys.stdin.readline()
        """
        for python in interpreters():
            with self.subTest(python), Manager(authkey=KEY, ctx=kith.get_context("fork")) as manager:
                items = manager.get_queue()
                items.put(["from", "us"])
                with Stock(python, program, repr(manager.address)) as client:
                    self.assertEqual(client.line(), "['from', 'us']")
                    self.assertEqual(items.get(timeout=60), {"from": "them"})
                    client.process.stdin.write("go on\n")
                    client.process.stdin.flush()
                    self.assertEqual(client.line(), "empty")
                items.task_done()

    def test_our_proxies_use_their_servers(self):
        program = """
            import queue
            from multiprocessing.managers import BaseManager
            class Server(BaseManager): pass
            one = queue.Queue(2)
            Server.register("get_queue", lambda: one)
            Server.register("plain_queue", queue.Queue)
            server = Server(authkey=b"a key").get_server()
            print(repr(server.address), flush=True)
            server.serve_forever()
        """
        for python in interpreters():
            with self.subTest(python), Stock(python, program) as server:
                client = Client(eval(server.line()), KEY)
                client.connect()
                items = client.get_queue()
                items.put({"a": [1]})
                self.assertFalse(is_near(items))
                self.assertEqual((items.qsize(), items.get()), (1, {"a": [1]}))
                with self.assertRaises(queue.Empty):
                    items.get(timeout=0.01)
                items.task_done()
                items.join()
                items.put(1)
                items.put(2)
                with self.assertRaises(queue.Full):
                    items.put_nowait(3)
                server.process.kill()
                with self.assertRaises(DEAD):
                    items.get()
                    items.get()


if __name__ == "__main__":
    unittest.main()
