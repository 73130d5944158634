"""Listeners and clients, also with the standard library at the other side."""

import functools
import glob
import os
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import unittest

import kith
from kith import connection
from kith._stock import connection as stock

KEY = b"a key"


@functools.lru_cache(maxsize=None)
def interpreters():
    """This Python, and the oldest and the newest from 3.9 on that are found."""
    found = {sys.version_info[:2]: sys.executable}
    paths = glob.glob(os.path.expanduser("~/.pyenv/versions/3.*/bin/python3")) + glob.glob("/usr/bin/python3")
    for path in sorted(paths):
        said = subprocess.run([path, "-c", "import sys; print(*sys.version_info[:2])"], stdout=subprocess.PIPE,
                              universal_newlines=True)
        version = tuple(map(int, said.stdout.split()))
        if version >= (3, 9):
            found.setdefault(version, path)
    return [found[version] for version in sorted({sys.version_info[:2], min(found), max(found)})]


class Stock:
    """A program of an interpreter that has never heard of kith."""

    def __init__(self, python, program, *arguments):
        self.process = subprocess.Popen([python, "-I", "-c", textwrap.dedent(program), *map(str, arguments)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, universal_newlines=True)

    def line(self):
        return self.process.stdout.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


class Clients:
    """Runs clients in threads, and tells what became of each."""

    def __init__(self, test):
        self.test = test
        self.threads = []
        self.results = []

    def start(self, address, authkey=KEY):
        def run():
            try:
                with connection.Client(address, authkey=authkey) as conn:
                    self.results.append(conn.recv())
            except Exception as error:
                self.results.append(type(error))
        self.threads.append(threading.Thread(target=run))
        self.threads[-1].start()

    def end(self):
        for thread in self.threads:
            thread.join()
        return self.results


def greet(listener):
    with listener.accept() as conn:
        conn.send("welcome")


class TestAddresses(unittest.TestCase):

    def roundtrip(self, listener, address):
        clients = Clients(self)
        clients.start(address, listener._authkey)
        greet(listener)
        self.assertEqual(clients.end(), ["welcome"])

    def test_all_families(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        for authkey in (None, KEY, b""):
            for address, family in ((None, None), (None, "AF_UNIX"), (None, "AF_INET"), (("localhost", 0), None),
                                    (("", 0), None), (folder.name + "/socket", None),
                                    ("\0kith-%d" % os.getpid(), None)):
                with self.subTest(authkey=authkey, address=address):
                    with connection.Listener(address, family, authkey=authkey) as listener:
                        given = listener.address
                        self.roundtrip(listener, given)
                        if isinstance(given, tuple):
                            self.assertIs(type(given[1]), int)
                            self.assertEqual(listener.last_accepted[0], "127.0.0.1")
                        elif isinstance(given, str):
                            self.assertTrue(os.path.exists(given))
                            self.assertEqual(listener.last_accepted, "")
                    self.assertFalse(isinstance(given, str) and os.path.exists(given))

    def test_arguments_are_checked(self):
        with self.assertRaises(TypeError):
            connection.Listener(authkey="text")
        with self.assertRaises(ValueError):
            connection.Listener(family="AF_PIPE")
        with self.assertRaises((TypeError, ValueError)):
            connection.Client(1)
        with connection.Listener() as listener:
            with self.assertRaises(TypeError):
                connection.Client(listener.address, authkey="text")

    def test_nobody_listens(self):
        with self.assertRaises(FileNotFoundError):
            connection.Client("/nowhere/at/all")
        with connection.Listener(family="AF_INET") as listener:
            address = listener.address
            with self.assertRaises(OSError):
                connection.Listener(address)
        with self.assertRaises(ConnectionRefusedError):
            connection.Client(address)

    def test_the_file_of_a_dead_listener_is_replaced_and_no_other(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, "socket")
        dead = socket.socket(socket.AF_UNIX)
        dead.bind(path)
        with self.assertRaises(OSError):
            connection.Listener(path)
        dead.close()
        with connection.Listener(path, authkey=KEY) as listener:
            with self.assertRaises(OSError):
                connection.Listener(path)
            self.roundtrip(listener, path)
        with open(path, "w"):
            pass
        with self.assertRaises(OSError):
            connection.Listener(path)

    def test_a_closed_one_accepts_nobody(self):
        listener = connection.Listener(authkey=KEY)
        listener.close()
        listener.close()
        with self.assertRaisesRegex(OSError, "listener is closed"):
            listener.accept()

    def test_it_is_one_of_the_standard_library_too(self):
        with connection.Listener() as listener:
            self.assertIsInstance(listener, stock.Listener)

    def test_xml(self):
        with connection.XmlListener(authkey=KEY) as listener:
            def run():
                conn = connection.XmlClient(listener.address, authkey=KEY)
                conn.send(["a", 1, None])
                conn.close()
            thread = threading.Thread(target=run)
            thread.start()
            conn = listener.accept()
            self.assertEqual(conn.recv(), ["a", 1, None])
            conn.close()
            thread.join()


class TestStrangers(unittest.TestCase):

    def setUp(self):
        self.listener = connection.Listener(authkey=KEY, backlog=64)
        self.addCleanup(self.listener.close)

    def silent(self, say=b""):
        client = socket.socket(socket.AF_UNIX)
        client.connect(self.listener.address)
        client.sendall(say)
        self.addCleanup(client.close)
        return client

    def test_silent_ones_hold_up_nobody(self):
        for _ in range(20):
            self.silent()
        clients = Clients(self)
        clients.start(self.listener.address)
        greet(self.listener)
        self.assertEqual(clients.end(), ["welcome"])

    def test_a_wrong_key_is_told_to_the_client_alone(self):
        clients = Clients(self)
        for key in (b"wrong", b"wrong", KEY):
            clients.start(self.listener.address, key)
        greet(self.listener)
        while len(clients.results) < 3:  # who came after the right one is refused by the next call
            self.listener._listener._socket.settimeout(0.05)
            with self.assertRaises(socket.timeout):
                self.listener.accept()
        self.assertCountEqual(clients.end(), ["welcome", kith.AuthenticationError, kith.AuthenticationError])

    def test_nonsense_is_refused(self):
        for say in (b"\0\0\1\0" + b"x" * 256, b"\0\0\0\4abcd", b"\xff" * 64, b"GET / HTTP/1.0\r\n\r\n"):
            self.silent(say)
        clients = Clients(self)
        clients.start(self.listener.address)
        greet(self.listener)
        self.assertEqual(clients.end(), ["welcome"])

    def test_clients_that_wait_while_nobody_accepts_are_taken(self):
        clients = Clients(self)
        for _ in range(10):
            clients.start(self.listener.address)
        for _ in range(10):
            greet(self.listener)
        self.assertEqual(clients.end(), ["welcome"] * 10)

    def test_a_timeout_of_its_socket_is_heeded(self):
        self.listener._listener._socket.settimeout(0.02)
        with self.assertRaises(socket.timeout):
            self.listener.accept()

    def test_a_handler_that_raises_ends_the_wait(self):
        def raises(*_):
            raise KeyboardInterrupt
        old = signal.signal(signal.SIGALRM, raises)
        self.addCleanup(signal.signal, signal.SIGALRM, old)
        with self.assertRaises(KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, 0.02)
            self.listener.accept()
        clients = Clients(self)
        clients.start(self.listener.address)
        greet(self.listener)
        self.assertEqual(clients.end(), ["welcome"])

    def test_a_signal_that_interrupts_nothing_is_seen(self):
        class Rung(Exception):
            pass

        def ring(*_):
            raise Rung

        def interrupt():
            time.sleep(0.1)  # accept waits by now; if not, this test passes as well
            signal.pthread_kill(threading.get_ident(), signal.SIGALRM)
        old = signal.signal(signal.SIGALRM, ring)
        self.addCleanup(signal.signal, signal.SIGALRM, old)
        for authkey in (None, KEY):
            with connection.Listener(authkey=authkey) as listener:
                thread = threading.Thread(target=interrupt)
                with self.assertRaises(Rung):
                    thread.start()
                    listener.accept()
                thread.join()

    def test_children_accept_at_an_inherited_one(self):
        clients = Clients(self)
        clients.start(self.listener.address)
        greet(self.listener)  # so the parent has begun, too
        for _ in range(2):
            child = os.fork()
            if child == 0:
                greet(self.listener)
                os._exit(0)
            clients.start(self.listener.address)
            self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.assertEqual(clients.end(), ["welcome"] * 3)

    def start(self, target, *args):
        process = kith.get_context("fork").Process(target=target, args=args, daemon=True)
        process.start()
        return process

    def test_whom_one_process_leaves_another_goes_on_with(self):
        def greet_one(listener, end):
            greet(listener)
            end.recv()
        for ends in (True, False):
            with self.subTest(ends=ends):
                slow = connection.SocketClient(self.listener.address)
                ours, theirs = kith.Pipe()
                child = self.start(greet_one, self.listener, theirs)
                slow.poll(None)  # the child has begun with it
                clients = Clients(self)
                clients.start(self.listener.address)
                self.assertEqual(clients.end(), ["welcome"])
                if ends:
                    ours.send("end")
                    child.join()
                acceptor = threading.Thread(target=greet, args=(self.listener,), daemon=True)
                acceptor.start()
                stock.answer_challenge(slow, KEY)
                stock.deliver_challenge(slow, KEY)
                self.assertEqual(slow.recv(), "welcome")
                acceptor.join()
                if not ends:
                    ours.send("end")
                    child.join()
                for end in slow, ours, theirs:
                    end.close()

    def test_several_processes_accept_one_each_and_end(self):
        children = [self.start(greet, self.listener) for _ in range(8)]
        clients = Clients(self)
        for _ in children:
            clients.start(self.listener.address)
        self.assertEqual(clients.end(), ["welcome"] * len(children))
        for child in children:
            child.join()
            self.assertEqual(child.exitcode, 0)

    def test_threads_accept_side_by_side(self):
        threads = [threading.Thread(target=greet, args=(self.listener,)) for _ in range(4)]
        clients = Clients(self)
        for thread in threads:
            thread.start()
            clients.start(self.listener.address)
        self.assertEqual(clients.end(), ["welcome"] * 4)
        for thread in threads:
            thread.join()

    def test_nothing_leaks(self):
        def once():
            clients = Clients(self)
            with connection.Listener(authkey=KEY) as listener:
                clients.start(listener.address)
                greet(listener)
            clients.end()
        once()
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            once()
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)


class TestStock(unittest.TestCase):
    """Other interpreters' own multiprocessing, at either side."""

    def addresses(self):
        return [("AF_UNIX", None), ("AF_INET", ("127.0.0.1", 0))]

    def test_their_clients_come_to_our_listener(self):
        program = """
            import sys
            from multiprocessing.connection import Client
            address = eval(sys.argv[1])
            try:
                Client(address, authkey=b"wrong")
            except Exception as error:
                print(type(error).__name__, flush=True)
            with Client(address, authkey=b"a key") as conn:
                conn.send(conn.recv())
                conn.send_bytes(conn.recv_bytes())
        """
        for python in interpreters():
            for family, address in self.addresses():
                with self.subTest(python=python, family=family), \
                        connection.Listener(address, family, authkey=KEY) as listener, \
                        Stock(python, program, repr(listener.address)) as client:
                    with listener.accept() as conn:
                        self.assertEqual(client.line(), "AuthenticationError")
                        for obj in ({"a": [1, 2.5, "x" * 70000]}, ):
                            conn.send(obj)
                            self.assertEqual(conn.recv(), obj)
                        conn.send_bytes(b"y" * 100000)
                        self.assertEqual(conn.recv_bytes(), b"y" * 100000)
                        with self.assertRaises(EOFError):
                            conn.recv()

    def test_our_clients_go_to_their_listeners(self):
        program = """
            import sys
            from multiprocessing import AuthenticationError
            from multiprocessing.connection import Listener
            with Listener(eval(sys.argv[1]), sys.argv[2], authkey=b"a key") as listener:
                print(repr(listener.address), flush=True)
                try:
                    listener.accept()
                except AuthenticationError:
                    print("refused", flush=True)
                with listener.accept() as conn:
                    conn.send(conn.recv())
                    conn.send_bytes(conn.recv_bytes())
        """
        for python in interpreters():
            for family, address in self.addresses():
                with self.subTest(python=python, family=family), \
                        Stock(python, program, repr(address), family) as server:
                    address = eval(server.line())
                    with self.assertRaises(kith.AuthenticationError):
                        connection.Client(address, authkey=b"wrong")
                    self.assertEqual(server.line(), "refused")
                    with connection.Client(address, authkey=KEY) as conn:
                        obj = {"a": [1, 2.5, "x" * 70000], "b": (None, {3})}
                        conn.send(obj)
                        self.assertEqual(conn.recv(), obj)
                        conn.send_bytes(b"y" * 100000)
                        self.assertEqual(conn.recv_bytes(), b"y" * 100000)
                        with self.assertRaises(EOFError):
                            conn.recv()

    def test_a_killed_client_is_the_end(self):
        program = """
            import sys, time
            from multiprocessing.connection import Client
            with Client(sys.argv[1], authkey=b"a key") as conn:
                conn.send("here")
                time.sleep(600)
        """
        with connection.Listener(authkey=KEY) as listener, Stock(sys.executable, program, listener.address) as client:
            with listener.accept() as conn:
                self.assertEqual(conn.recv(), "here")
                began = time.monotonic()
                client.process.kill()
                with self.assertRaises((EOFError, ConnectionResetError)):
                    conn.recv()
                self.assertLess(time.monotonic() - began, 30)


if __name__ == "__main__":
    unittest.main()
