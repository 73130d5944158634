"""Connections, pipes and wait()."""

import array
import asyncio
import gc
import os
import pickle
import select
import signal
import socket
import sys
import threading
import time
import unittest

import kith
from kith import connection
from kith._stock import connection as stock
from kith._stock import reduction

METHODS = ("fork", "spawn", "forkserver")


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def echo(conn):
    """Sends back what comes, until None does."""
    while True:
        obj = conn.recv()
        if obj is None:
            break
        conn.send(obj)


def send_all(conn, objects):
    for obj in objects:
        conn.send(obj)
    conn.close()


received_within = None


def receive_within():
    """What the unpickling of WithAnother receives."""
    return received_within.recv()


class WithAnother:
    """Its pickle is followed by a message that belongs to it."""

    def __init__(self, padding):
        self.padding = padding

    def __reduce__(self):
        return receive_within, (), None, None, iter([(self.padding, None)])


class Kinds:
    """Tests of both kinds of connections; `pair` makes one."""

    def setUp(self):
        self.first, self.second = self.pair()
        self.addCleanup(self.first.close)
        self.addCleanup(self.second.close)

    def test_objects_come_as_they_were_sent(self):
        shared = [1, 2]
        objects = [None, True, -1, 2 ** 100, 1.5, "text", b"bytes", bytearray(b"more"), [1, [2]], (), {"a": {1: 2}},
                   {1, 2}, ValueError("x").args, shared, [shared, shared], complex(1, 2), "x" * 5000, b"y" * 3000]
        for obj in objects:
            self.second.send(obj)
            self.assertEqual(self.first.recv(), obj)

    def test_long_messages_come_whole(self):
        for size in (2048, 2049, 16384, 16385, 65536, 3 << 20):
            data = os.urandom(1024) * (size // 1024 + 1)
            thread = threading.Thread(target=self.second.send, args=({"a": data[:size], "b": [data[:size]] * 2},))
            thread.start()
            self.assertEqual(self.first.recv(), {"a": data[:size], "b": [data[:size]] * 2})
            thread.join()

    def test_bytes_are_sent_in_part(self):
        buffer = array.array("i", range(10))
        self.second.send_bytes(buffer)
        self.assertEqual(self.first.recv_bytes(), buffer.tobytes())
        self.second.send_bytes(b"abcdef", 2)
        self.assertEqual(self.first.recv_bytes(), b"cdef")
        self.second.send_bytes(b"abcdef", 2, 3)
        self.assertEqual(self.first.recv_bytes(None), b"cde")
        self.second.send_bytes(b"")
        self.assertEqual(self.first.recv_bytes(0), b"")

    def test_parts_that_are_none_are_refused(self):
        for arguments in ((-1,), (7,), (0, 7), (4, 3), (0, -1)):
            with self.assertRaises(ValueError):
                self.second.send_bytes(b"abcdef", *arguments)
        with self.assertRaises(TypeError):
            self.second.send_bytes("text")
        self.assertFalse(self.first.poll())

    def test_bytes_are_received_into_a_buffer(self):
        buffer = bytearray(8)
        self.second.send_bytes(b"abc")
        self.assertEqual(self.first.recv_bytes_into(buffer, 2), 3)
        self.assertEqual(buffer, b"\0\0abc\0\0\0")
        numbers = array.array("i", [0] * 3)
        self.second.send_bytes(array.array("i", [1, 2]))
        self.assertEqual(self.first.recv_bytes_into(numbers, numbers.itemsize), 2 * numbers.itemsize)
        self.assertEqual(list(numbers), [0, 1, 2])
        with self.assertRaises(ValueError):
            self.first.recv_bytes_into(buffer, 9)
        with self.assertRaises(ValueError):
            self.first.recv_bytes_into(buffer, -1)
        with self.assertRaises(TypeError):
            self.first.recv_bytes_into(b"readonly")

    def test_a_message_that_does_not_fit_is_in_the_exception(self):
        for data in (b"abcdef", b"x" * 100000):
            thread = threading.Thread(target=self.second.send_bytes, args=(data,))
            thread.start()
            with self.assertRaises(kith.BufferTooShort) as caught:
                self.first.recv_bytes_into(bytearray(5))
            self.assertEqual(caught.exception.args, (data,))
            thread.join()

    def test_who_receives_only_is_closed_by_a_message_that_is_too_long(self):
        self.second.send_bytes(b"abcdef")
        with self.assertRaisesRegex(ValueError, "negative maxlength"):
            self.first.recv_bytes(-1)
        with self.assertRaisesRegex(OSError, "bad message length"):
            self.first.recv_bytes(5)
        self.assertTrue(self.first.closed)

    def test_directions_are_kept(self):
        self.assertEqual((self.first.readable, self.first.writable), (True, False))
        self.assertEqual((self.second.readable, self.second.writable), (False, True))
        for call in (lambda: self.first.send(1), lambda: self.first.send_bytes(b"1"), self.second.recv,
                     self.second.recv_bytes, self.second.poll, lambda: self.second.recv_bytes_into(bytearray(1))):
            with self.assertRaises(OSError):
                call()

    def test_the_end_is_told_when_all_is_received(self):
        self.second.send(1)
        self.second.close()
        self.assertTrue(self.first.poll())
        self.assertEqual(self.first.recv(), 1)
        self.assertTrue(self.first.poll(None))
        with self.assertRaises(EOFError):
            self.first.recv()
        with self.assertRaises(EOFError):
            self.first.recv_bytes()

    def test_who_sends_to_nobody_is_told(self):
        self.first.close()
        with self.assertRaises((BrokenPipeError, ConnectionResetError)):
            while True:
                self.second.send(1)

    def test_a_closed_one_does_nothing(self):
        self.first.close()
        self.first.close()
        self.assertTrue(self.first.closed)
        for call in (self.first.recv, self.first.fileno, self.first.poll):
            with self.assertRaisesRegex(OSError, "handle is closed"):
                call()
        with self.second as same:
            self.assertIs(same, self.second)
        self.assertTrue(self.second.closed)
        with self.assertRaisesRegex(OSError, "handle is closed"):
            self.second.send(1)

    def test_poll_waits_for_its_time(self):
        began = time.monotonic()
        self.assertFalse(self.first.poll(0.05))
        self.assertGreaterEqual(time.monotonic() - began, 0.045)
        self.assertFalse(self.first.poll(-1))
        threading.Timer(0.01, self.second.send, (1,)).start()
        self.assertTrue(self.first.poll(60))

    def test_what_can_not_be_pickled_is_not_sent(self):
        with self.assertRaises(Exception):
            self.second.send(threading.Lock())
        self.second.send(1)
        self.assertEqual(self.first.recv(), 1)

    def test_it_is_one_of_the_standard_library_too(self):
        self.assertIsInstance(self.first, stock.Connection)
        self.assertIsInstance(self.first, connection.Connection)

    def test_a_child_has_it_with_each_start_method(self):
        for method in METHODS:
            with self.subTest(method):
                first, second = self.pair()
                child = kith.get_context(method).Process(target=send_all, args=(second, [1, "two", b"3" * 100000]))
                child.start()
                second.close()
                self.assertEqual([first.recv(), first.recv(), first.recv()], [1, "two", b"3" * 100000])
                with self.assertRaises(EOFError):
                    first.recv()
                child.join()
                first.close()

    def test_it_goes_through_another_one(self):
        here, there = connection.Pipe()
        for obj in (1, 2):
            self.second.send(obj)
        there.send(self.first)
        received = here.recv()
        self.assertIs(type(received), connection.Connection)
        self.assertEqual((received.readable, received.writable), (True, False))
        self.assertEqual([received.recv(), received.recv()], [1, 2])
        self.second.send(3)
        self.assertEqual(self.first.recv(), 3)
        received.close()
        here.close()
        there.close()

    def test_those_who_poll_its_descriptor_miss_nothing(self):
        for before in (0, 3):
            first, second = self.pair()
            for number in range(before):
                second.send(number)
            descriptor = first.fileno()
            for number in range(before, before + 3):
                second.send(number)
            for number in range(before + 3):
                self.assertEqual(select.select([descriptor], [], [], 60)[0], [descriptor])
                self.assertEqual(first.recv(), number)
            self.assertEqual(select.select([descriptor], [], [], 0)[0], [])
            second.send(b"x" * 50000)
            self.assertEqual(select.select([first], [], [], 60)[0], [first])
            self.assertEqual(first.recv(), b"x" * 50000)
            second.close()
            self.assertEqual(select.select([descriptor], [], [], 60)[0], [descriptor])
            with self.assertRaises(EOFError):
                first.recv()
            first.close()

    def test_asyncio_reads_it(self):
        async def read():
            loop, got = asyncio.get_running_loop(), []
            done = loop.create_future()

            def take():
                got.append(self.first.recv())
                if len(got) == 4:
                    done.set_result(None)
            loop.add_reader(self.first, take)
            self.second.send(3)
            self.second.send(4)
            await asyncio.wait_for(done, 60)
            loop.remove_reader(self.first)
            return got
        self.second.send(1)
        self.second.send(2)
        self.assertEqual(asyncio.run(read()), [1, 2, 3, 4])

    def test_wait_tells_who_is_ready(self):
        other, far = self.pair()
        self.assertEqual(connection.wait([self.first, other], 0), [])
        far.send(1)
        self.assertEqual(connection.wait([self.first, other], 60), [other])
        self.second.send(1)
        self.assertEqual(connection.wait((c for c in [self.first, other])), [self.first, other])
        self.assertEqual(stock.wait([self.first, other]), [self.first, other])
        self.assertEqual((self.first.recv(), other.recv()), (1, 1))
        self.assertEqual(connection.wait([self.first, other], 0.01), [])
        far.close()
        self.assertEqual(connection.wait([self.first, other]), [other])
        other.close()

    def test_threads_take_turns(self):
        total, each = 4, 200
        got = []

        def take():
            for _ in range(each):
                got.append(self.first.recv())

        def give(number):
            for i in range(each):
                self.second.send((number, i))
        if type(self) is not TestPipes:  # as the standard library's, of which only one thread may receive
            readers = [threading.Thread(target=lambda: [take() for _ in range(total)])]
        else:
            readers = [threading.Thread(target=take) for _ in range(total)]
        threads = readers + [threading.Thread(target=give, args=(number,)) for number in range(total)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(got), [(number, i) for number in range(total) for i in range(each)])

    def test_unpickling_may_receive(self):
        global received_within
        received_within = self.first
        for padding in ("", "x" * 5000):
            self.second.send(WithAnother(padding))
            self.second.send({})
            self.assertEqual(self.first.recv(), {padding: None})

    def test_a_signal_runs_its_handler_and_the_wait_goes_on(self):
        ran = []
        old = signal.signal(signal.SIGALRM, lambda *_: (ran.append(1), self.second.send("rung")))
        self.addCleanup(signal.signal, signal.SIGALRM, old)
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        self.assertEqual(self.first.recv(), "rung")
        self.assertEqual(ran, [1])

    def test_a_handler_that_raises_ends_the_wait(self):
        def raises(*_):
            raise KeyboardInterrupt
        old = signal.signal(signal.SIGALRM, raises)
        self.addCleanup(signal.signal, signal.SIGALRM, old)
        for call in (self.first.recv, lambda: self.first.poll(None), lambda: connection.wait([self.first])):
            with self.assertRaises(KeyboardInterrupt):
                signal.setitimer(signal.ITIMER_REAL, 0.02)
                call()
        with self.assertRaises(KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, 0.02)
            while True:  # until there is no room
                self.second.send(b"x" * 100000)

    def test_a_signal_that_interrupts_nothing_is_seen(self):
        # One that comes just before a call sleeps, or to another thread.
        class Rung(Exception):
            pass

        def ring(*_):
            raise Rung

        def rings(call):
            def interrupt():
                time.sleep(0.1)  # it waits by now; if not, this test passes as well
                signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
            signal.signal(signal.SIGUSR1, ring)
            signal.alarm(30)
            try:
                threading.Thread(target=interrupt).start()
                call()
            except Rung:
                os._exit(0)
            finally:
                os._exit(1)

        def fill(size):
            while True:
                self.second.send(b"x" * size)

        children = []
        for call in (lambda: self.first.recv(), lambda: self.first.poll(None), lambda: connection.wait([self.first]),
                     lambda: fill(1000), lambda: fill(100000)):
            children.append(os.fork())
            if children[-1] == 0:
                self.first, self.second = self.pair()
                rings(call)
        for child in children:
            self.assertEqual(os.waitpid(child, 0)[1], 0)

    def test_the_end_comes_when_the_other_process_is_killed(self):
        child = os.fork()
        if child == 0:
            self.first.close()
            self.second.send("there")
            signal.pause()
        self.second.close()
        self.assertEqual(self.first.recv(), "there")
        os.kill(child, signal.SIGKILL)
        with self.assertRaises(EOFError):
            self.first.recv()
        os.waitpid(child, 0)

    def test_nothing_leaks(self):
        self.pair()
        gc.collect()
        before = descriptors()
        for _ in range(50):
            first, second = self.pair()
            second.send(1)
            first.poll()
            first.fileno()
            if _ % 2:
                first.close()
        del first, second
        gc.collect()
        self.assertEqual(descriptors(), before)
        obj = object()
        count = sys.getrefcount(obj)
        for _ in range(50):
            with self.assertRaises(Exception):
                self.second.send([obj, threading.Lock()])
        self.assertEqual(sys.getrefcount(obj), count)


class TestPipes(Kinds, unittest.TestCase):

    def pair(self):
        return connection.Pipe(duplex=False)

    def test_both_ends_of_a_duplex_one_send_and_receive(self):
        first, second = connection.Pipe()
        child = kith.Process(target=echo, args=(second,))
        child.start()
        for obj in (1, "two", b"3" * 100000):
            first.send(obj)
            self.assertEqual(first.recv(), obj)
        first.send(None)
        child.join()
        first.close()
        second.close()

    def test_a_duplex_one_goes_on_sending_after_a_message_that_is_too_long(self):
        first, second = connection.Pipe()
        second.send_bytes(b"abcdef")
        with self.assertRaisesRegex(OSError, "bad message length"):
            first.recv_bytes(5)
        self.assertEqual((first.closed, first.readable), (False, False))
        first.send("still")
        self.assertEqual(second.recv(), "still")
        first.close()
        second.close()

    def test_descriptors_go_through_it(self):
        first, second = connection.Pipe()
        reader, writer = os.pipe()
        second.send("a descriptor")
        reduction.send_handle(second, writer, os.getpid())
        second.send("was that")
        self.assertEqual(first.recv(), "a descriptor")
        handed = reduction.recv_handle(first)
        self.assertEqual(first.recv(), "was that")
        os.write(handed, b"x")
        self.assertEqual(os.read(reader, 1), b"x")
        for descriptor in (reader, writer, handed):
            os.close(descriptor)
        first.close()
        second.close()

    def test_a_fork_while_a_thread_waits_leaves_the_child_a_whole_end(self):
        first, second = connection.Pipe()
        thread = threading.Thread(target=lambda: first.recv())
        thread.start()
        time.sleep(0.02)
        child = os.fork()
        if child == 0:
            os._exit(first.recv() if first.poll(10) else 1)
        second.send(0)
        second.send(0)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        thread.join()
        first.close()
        second.close()

    def test_a_handler_that_raises_ends_the_wait_behind_another_thread(self):
        class Rung(Exception):
            pass

        def ring(*_):
            raise Rung
        old = signal.signal(signal.SIGALRM, ring)
        self.addCleanup(signal.signal, signal.SIGALRM, old)
        got = []
        thread = threading.Thread(target=lambda: got.append(self.first.recv()))
        thread.start()
        time.sleep(0.02)  # it waits by now; if not, this test waits in its place, and passes as well
        with self.assertRaises(Rung):
            signal.setitimer(signal.ITIMER_REAL, 0.02)
            self.first.recv()
        self.second.send("for the thread")
        thread.join()
        self.assertEqual(got, ["for the thread"])

    def test_one_that_is_closed_while_a_thread_waits_ends_with_its_call(self):
        before = descriptors()
        first, second = connection.Pipe(duplex=False)
        got = []
        begins = threading.Event()
        thread = threading.Thread(target=lambda: (begins.set(), got.append(first.recv())))
        thread.start()
        begins.wait()
        time.sleep(0.2)  # nothing tells that it waits
        first.close()
        second.send("last")
        thread.join()
        self.assertEqual(got, ["last"])
        second.close()
        self.assertEqual(descriptors(), before)


class TestDescriptors(Kinds, unittest.TestCase):

    def pair(self):
        reader, writer = os.pipe()
        return connection.Connection(reader, writable=False), connection.Connection(writer, readable=False)

    def test_arguments_are_checked(self):
        with self.assertRaises(ValueError):
            connection.Connection(-1)
        with self.assertRaises(ValueError):
            connection.Connection(0, False, False)
        with self.assertRaises(TypeError):
            connection.Connection("0")

    def test_it_keeps_its_descriptor_and_closes_it(self):
        reader, writer = os.pipe()
        with connection.Connection(reader, writable=False) as conn:
            self.assertEqual((conn.fileno(), conn._handle), (reader, reader))
            conn._handle = None
            self.assertTrue(conn.closed)
            os.fstat(reader)
            conn._handle = reader
        with self.assertRaises(OSError):
            os.fstat(reader)
        os.close(writer)

    def test_one_that_was_never_open_raises(self):
        conn = connection.Connection(44977608)
        with self.assertRaises(OSError):
            conn.recv()
        conn._handle = None

    def test_the_standard_library_is_at_the_other_end(self):
        ours, theirs = socket.socketpair()
        ours, theirs = connection.Connection(ours.detach()), stock.Connection(theirs.detach())
        for obj in (1, b"x" * 70000, {"a": [1, 2]}):
            ours.send(obj)
            self.assertEqual(theirs.recv(), obj)
            theirs.send(obj)
            self.assertEqual(ours.recv(), obj)
        ours.close()
        theirs.close()

    def test_an_end_in_the_middle_is_told(self):
        for part in (b"\0\0", b"\0\0\0\4ab"):
            reader, writer = os.pipe()
            os.write(writer, part)
            os.close(writer)
            with connection.Connection(reader) as conn:
                with self.assertRaisesRegex(OSError, "got end of file during message"):
                    conn.recv()

    def test_what_is_no_message_is_told(self):
        reader, writer = os.pipe()
        os.write(writer, b"\xff\xff\xff\xfe1234")
        os.close(writer)
        with connection.Connection(reader, writable=False) as conn:
            with self.assertRaisesRegex(OSError, "bad message length"):
                conn.recv()

    def test_a_long_header_is_understood(self):
        reader, writer = os.pipe()
        os.write(writer, b"\xff\xff\xff\xff\0\0\0\0\0\0\0\3abc")
        os.close(writer)
        with connection.Connection(reader) as conn:
            self.assertEqual(conn.recv_bytes(), b"abc")


class TestSockets(Kinds, unittest.TestCase):

    def pair(self):
        first, second = socket.socketpair()
        return (connection.Connection(first.detach(), writable=False),
                connection.Connection(second.detach(), readable=False))


class TestWait(unittest.TestCase):

    def test_sentinels_sockets_and_queues(self):
        child = kith.Process(target=os.getpid)
        child.start()
        self.assertEqual(connection.wait([child.sentinel]), [child.sentinel])
        child.join()
        queue = kith.Queue()
        first, second = socket.socketpair()
        self.assertEqual(connection.wait([queue._reader, first], 0), [])
        queue.put(1)
        self.assertEqual(connection.wait([queue._reader, first], 60), [queue._reader])
        second.send(b"x")
        self.assertEqual(connection.wait([queue._reader, first.fileno()], 60), [queue._reader, first.fileno()])
        queue.get()
        first.close()
        second.close()

    def test_what_can_not_be_waited_for_is_told(self):
        for thing in ("text", -1, None):
            with self.assertRaises(ValueError):
                connection.wait([thing], 0)

    def test_nothing_is_waited_for(self):
        self.assertEqual(connection.wait([], 0), [])
        self.assertEqual(connection.wait([], 0.01), [])

    def test_a_pickle_without_a_way_is_refused(self):
        first, second = connection.Pipe()
        with self.assertRaises((TypeError, pickle.PicklingError)):
            pickle.dumps(first)
        first.close()
        second.close()


if __name__ == "__main__":
    unittest.main()
