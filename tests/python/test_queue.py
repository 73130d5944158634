"""Queues: as multiprocessing's, and what is better about them."""

import _thread
import asyncio
import concurrent.futures
import contextlib
import gc
import inspect
import os
import pickle
import queue as threads_queue
import signal
import sys
import threading
import time
import unittest
import weakref
from multiprocessing import connection, queues as stock_queues

import kith
from kith import queues
from kith.queues import Empty, Full, ShutDown

try:
    import numpy
except ImportError:
    numpy = None

METHODS = ("fork", "spawn", "forkserver")
PATIENCE = 30  # seconds, after which something that must happen has not


def make(method="fork", **options):
    return kith.get_context(method).Queue(**options)


def new(maxsize=0, **options):
    return queues.Queue(maxsize, ctx=kith.get_context("fork"), **options)


def wait_until(condition):
    """Waits for a state that nothing tells of."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("it did not happen")
        time.sleep(0.001)


def is_asleep(process):
    """Whether a process sleeps in the kernel."""
    with open("/proc/%d/stat" % process) as file:
        return file.read().rpartition(")")[2].split()[0] == "S"


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def mappings():
    with open("/proc/self/maps") as file:
        return sum("kith" in line for line in file)


# ---- what children do ----


def put_all(queue, objects):
    for thing in objects:
        queue.put(thing)


def put_range(queue, begin, count):
    for i in range(begin, begin + count):
        queue.put(i)


def echo(there, back):
    for thing in iter(there.get, None):
        back.put(thing)


def get_and_count(queue, results):
    count = 0
    for _ in iter(queue.get, None):
        count += 1
        queue.task_done()
    results.put(count)


def get_and_stay(queue, told):
    told.put(queue.get())
    signal.pause()


class Case(unittest.TestCase):

    def start(self, target, *arguments, method="fork"):
        process = kith.get_context(method).Process(target=target, args=arguments)
        process.start()
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.is_alive():
            process.kill()
        process.join()

    def join(self, process):
        process.join(PATIENCE)
        self.assertEqual(process.exitcode, 0)


class LikeStock(Case):

    def test_objects_through_processes(self):
        things = [1, "ä", b"x" * 100, b"x" * 3000000, "s" * 100000, [1, [2]], {"a": {1, 2}}, 2.5, (), True, 10**30,
                  bytearray(b"y" * 70000), ValueError("v"), None]
        for method in METHODS:
            with self.subTest(method=method):
                there, back = make(method), make(method)
                process = self.start(echo, there, back, method=method)
                for thing in things[:-1]:
                    there.put(thing)
                    got = back.get(timeout=PATIENCE)
                    self.assertIs(type(got), type(thing))
                    self.assertEqual(repr(got), repr(thing))
                there.put(None)
                self.join(process)

    def test_child_that_puts_and_ends_loses_nothing(self):
        for method in METHODS:
            queue = make(method)
            process = self.start(put_all, queue, list(range(1000)) + ["x" * 200000], method=method)
            self.join(process)  # before anything is got
            self.assertEqual([queue.get(timeout=PATIENCE) for _ in range(1000)], list(range(1000)))
            self.assertEqual(queue.get(timeout=PATIENCE), "x" * 200000)
            self.assertTrue(queue.empty())

    def test_bound(self):
        queue = new(3)
        for i in range(3):
            self.assertFalse(queue.full())
            queue.put(i, timeout=0)
        self.assertTrue(queue.full())
        self.assertEqual(queue.qsize(), 3)
        for put in (lambda: queue.put_nowait(3), lambda: queue.put(3, False), lambda: queue.put(3, True, 0.01),
                    lambda: queue.put(3, timeout=0), lambda: queue.put(3, timeout=-1),
                    lambda: queue.put(obj=3, block=False)):
            self.assertRaises(Full, put)
        self.assertEqual(queue.get(), 0)
        queue.put_nowait(3)
        self.assertEqual([queue.get() for _ in range(3)], [1, 2, 3])

    def test_timeouts(self):
        queue = new()
        for get in (queue.get_nowait, lambda: queue.get(False), lambda: queue.get(True, 0.01),
                    lambda: queue.get(timeout=0), lambda: queue.get(timeout=-1), lambda: queue.get(block=False)):
            self.assertRaises(Empty, get)
        begin = time.monotonic()
        self.assertRaises(Empty, queue.get, True, 0.05)
        self.assertGreaterEqual(time.monotonic() - begin, 0.05)
        self.assertRaises(TypeError, queue.get, True, "soon")
        self.assertRaises(ValueError, queue.get, True, float("nan"))

    def test_arguments(self):
        queue = new()
        queue.put(obj=1, timeout=None, block=True)
        self.assertEqual(queue.get(True, None), 1)
        for call in (lambda: queue.put(), lambda: queue.put(1, obj=2), lambda: queue.put(1, True, None, 4),
                     lambda: queue.put(1, when=2), lambda: queue.get(1, 2, 3), lambda: queue.get(copy=1, to=2),
                     lambda: queue.put_many(), lambda: queue.get_many("a"), lambda: queue.put_bytes("text")):
            self.assertRaises(TypeError, call)
        self.assertTrue(queue.empty())
        self.assertEqual(list(inspect.signature(queue.put).parameters), ["obj", "block", "timeout"])
        self.assertEqual(list(inspect.signature(queue.get).parameters), ["block", "timeout", "copy"])
        self.assertRaises(TypeError, queues.Queue)  # as stock's, it needs a context

    def test_closed(self):
        for queue in new(), kith.JoinableQueue():
            queue.put(1)
            queue.close()
            queue.close()
            queue.join_thread()
            queue.cancel_join_thread()
            for call in (lambda: queue.put(1), queue.get, lambda: queue.put_many([1]), lambda: queue.get_bytes(False)):
                self.assertRaisesRegex(ValueError, "Queue <kith.queues.* is closed", call)
            self.assertRaisesRegex(OSError, "is closed", queue.empty)
            self.assertEqual(queue.qsize(), 1)
        queue = new()
        self.assertRaises(AssertionError, queue.join_thread)
        queue.close()
        self.assertTrue(queue.empty())  # it was not used
        simple = kith.SimpleQueue()
        simple.close()
        self.assertRaisesRegex(OSError, "is closed", simple.get)

    def test_classes(self):
        self.assertIsInstance(new(), stock_queues.Queue)
        self.assertIsInstance(kith.JoinableQueue(), stock_queues.JoinableQueue)
        self.assertIsInstance(kith.JoinableQueue(), queues.Queue)
        self.assertIsInstance(kith.SimpleQueue(), stock_queues.SimpleQueue)
        self.assertIs(Empty, threads_queue.Empty)
        self.assertIs(Full, threads_queue.Full)

    def test_pickled_to_children_alone(self):
        for queue in new(), kith.JoinableQueue(), kith.SimpleQueue():
            self.assertRaisesRegex(RuntimeError, "inheritance", pickle.dumps, queue)

    def test_subclass_with_more_state(self):
        for method in METHODS:
            queue = Labelled("label", ctx=kith.get_context(method))
            process = self.start(put_label, queue, method=method)
            self.assertEqual(queue.get(timeout=PATIENCE), "label")
            self.join(process)

    def test_simple_queue(self):
        for method in METHODS:
            context = kith.get_context(method)
            there, back = context.SimpleQueue(), context.SimpleQueue()
            process = self.start(echo, there, back, method=method)
            there.put([1])
            self.assertEqual(back.get(), [1])
            self.assertTrue(back.empty())
            there.put(None)
            self.join(process)

    def test_joinable(self):
        queue, results = kith.JoinableQueue(), kith.Queue()
        processes = [self.start(get_and_count, queue, results) for _ in range(3)]
        for i in range(200):
            queue.put(i)
        queue.join()
        self.assertTrue(queue.empty())
        put_all(queue, [None] * 3)
        for process in processes:
            self.join(process)
        self.assertEqual(sum(results.get() for _ in range(3)), 200)
        queue = kith.JoinableQueue()
        self.assertRaisesRegex(ValueError, "too many times", queue.task_done)


class Labelled(queues.Queue):
    def __init__(self, label, **options):
        super().__init__(**options)
        self.label = label

    def __getstate__(self):
        return super().__getstate__() + (self.label,)

    def __setstate__(self, state):
        super().__setstate__(state[:-1])
        self.label = state[-1]


def put_label(queue):
    queue.put(queue.label)


class Unpicklable:
    def __reduce__(self):
        raise RuntimeError("not this one")


class Puts:
    """Puts another object while it is pickled itself."""

    def __init__(self, queue):
        self.queue = queue

    def __reduce__(self):
        self.queue.put("first")
        return str, ("second",)


class Told(queues.Queue):
    def _on_queue_feeder_error(self, error, thing):
        self.told = error, thing


class Pickling(Case):

    def test_what_cannot_be_pickled_is_told_at_once(self):
        queue = new(1)
        self.assertRaisesRegex(RuntimeError, "not this one", queue.put, Unpicklable())
        self.assertRaisesRegex(RuntimeError, "not this one", queue.put_many, [1, Unpicklable()])
        self.assertEqual(queue.qsize(), 0)
        queue.put_nowait(1)

    def test_who_handles_the_feeders_errors_is_told(self):
        queue = Told(ctx=kith.get_context())
        thing = Unpicklable()
        queue.put(thing)
        self.assertIsInstance(queue.told[0], RuntimeError)
        self.assertIs(queue.told[1], thing)
        self.assertTrue(queue.empty())

    def test_reduce_may_use_the_queue(self):
        queue = new()
        queue.put([Puts(queue)])
        self.assertEqual([queue.get(), queue.get()], ["first", ["second"]])

    def test_reduce_may_close_the_queue(self):
        queue = new()

        class Closes:
            def __reduce__(self):
                queue.close()
                return str, ()
        self.assertRaisesRegex(ValueError, "is closed", queue.put, Closes())

    def test_what_cannot_be_unpickled_is_gone(self):
        queue = new()
        queue.put_bytes(b"\x80\x05nonsense.")
        queue.put(1)
        self.assertRaises(pickle.UnpicklingError, queue.get)
        self.assertEqual(queue.get(), 1)

    def test_subclass_with_a_feeder_of_its_own(self):
        for method in ("fork", "spawn"):
            queue = Fed(ctx=kith.get_context(method))
            process = self.start(put_all, queue, [1, "two"], method=method)
            self.assertEqual([queue.get(timeout=PATIENCE) for _ in range(2)], [1, "two"])
            self.join(process)
            queue.put(3)
            self.assertEqual(queue.get(timeout=PATIENCE), 3)
            queue.close()
            queue.join_thread()
            self.assertEqual(queue.started, 1)

    def test_subclass_that_wraps_the_ends(self):
        queue = Wrapping(ctx=kith.get_context())
        queue.put(1)
        self.assertEqual(queue._reader.recv(), 1)
        queue._writer.send_bytes(pickle.dumps([2]))
        self.assertEqual(queue.get(), [2])

    def test_simple_subclass_with_a_transport_of_its_own(self):
        for method in ("fork", "spawn"):
            queue = FedSimple(ctx=kith.get_context(method))
            process = self.start(put_all, queue, [1, "two"], method=method)
            self.assertEqual([queue.get(), queue.get()], ["own 1", "own two"])
            self.join(process)


class Fed(queues.Queue):
    started = 0

    def _start_thread(self):
        self.started += 1
        super()._start_thread()


class Wrapping(queues.Queue):
    def __init__(self, **options):
        super().__init__(**options)
        self._reader = Wrapped(self._reader)


class Wrapped:
    def __init__(self, connection):
        self.connection = connection

    def recv(self):
        return pickle.loads(self.connection.recv_bytes())


class FedSimple(queues.SimpleQueue):
    def put(self, thing):
        with self._wlock:
            self._writer.send_bytes(pickle.dumps("own %s" % thing))

    def __getstate__(self):
        return self._reader, self._writer, self._rlock, self._wlock

    def __setstate__(self, state):
        self._reader, self._writer, self._rlock, self._wlock = state


class Bytes(Case):

    def test_raw(self):
        queue = new()
        for data in (b"", b"abc", bytearray(b"x" * 5000), memoryview(b"y" * 100000)):
            queue.put_bytes(data)
            self.assertEqual(queue.get_bytes(), bytes(data))
        queue.put(5)
        self.assertEqual(queue.get_bytes(), b"\x80\x05K\x05.")
        queue.put_bytes(pickle.dumps({"a": 1}, 2))
        self.assertEqual(queue.get(), {"a": 1})
        self.assertRaises(Empty, queue.get_bytes, False)

    def test_bound_in_bytes(self):
        queue = new(max_bytes=1024)
        queue.put_bytes(b"x" * 1016)
        self.assertTrue(queue.full())
        self.assertRaises(Full, queue.put_bytes, b"x" * 100, False)
        with self.assertRaises(OSError):
            queue.put_bytes(b"x" * 2000)

    def test_lengths(self):
        queue = new()
        for size in (0, 1, 500, 512, 513, 4000, 4096, 4097, 65500, 65536, 70000, 1 << 20):
            for kind in (bytes, bytearray, lambda size: "a" * size, lambda size: [b"a" * size, "b" * size]):
                queue.put(kind(size))
                self.assertEqual(queue.get(), kind(size))


class Many(Case):

    def test_many(self):
        queue = new()
        self.assertEqual(queue.put_many(range(1000)), 1000)
        self.assertEqual(queue.put_many([]), 0)
        self.assertEqual(queue.get_many(10), list(range(10)))
        self.assertEqual(queue.get_many(10**6), list(range(10, 1000)))
        self.assertRaises(Empty, queue.get_many, 5, False)
        self.assertRaises(Empty, queue.get_many, 5, timeout=0.01)
        self.assertRaises(ValueError, queue.get_many, 0)
        queue.put_many(iter(["x" * 10000, {1}, b"y" * 100000]))
        self.assertEqual(queue.get_many(5), ["x" * 10000, {1}, b"y" * 100000])

    def test_more_than_there_is_room_for(self):
        queue = new(10)
        self.assertEqual(queue.put_many(range(25), timeout=0.01), 10)
        self.assertRaises(Full, queue.put_many, [1], False)
        self.assertEqual(queue.get_many(100), list(range(10)))
        there = new(10)
        process = self.start(put_range_many, there, 1000)
        got = []
        while len(got) < 1000:
            got += there.get_many(7, timeout=PATIENCE)
        self.assertEqual(got, list(range(1000)))
        self.join(process)

    def test_those_that_were_put_before_it_was_shut_are_told(self):
        queue = new(10)
        put = []
        thread = threading.Thread(target=lambda: put.append(queue.put_many(range(25))))
        thread.start()
        wait_until(queue.full)
        queue.shut()
        thread.join(PATIENCE)
        self.assertEqual(put, [10])
        self.assertRaises(ShutDown, queue.put_many, [1])

    def test_one_that_cannot_be_read(self):
        queue = new()
        queue.put_many([1, 2])
        queue.put_bytes(b"nonsense")
        queue.put(3)
        with self.assertRaises(pickle.UnpicklingError) as caught:
            queue.get_many(10)
        self.assertEqual(caught.exception.objects, [1, 2])
        self.assertEqual(queue.get_many(10), [3])


def put_range_many(queue, count):
    queue.put_many(range(count))


class Shut(Case):

    def test_shut(self):
        queue = new()
        queue.put(1)
        queue.shut()
        self.assertRaises(ShutDown, queue.put, 2)
        self.assertEqual(queue.get(), 1)
        self.assertRaises(ShutDown, queue.get)
        self.assertRaises(ShutDown, queue.get, timeout=1)
        self.assertTrue(queue.stats()["shut"])

    def test_get_many_gives_what_was_left(self):
        queue = new()
        queue.put_many([1, 2])
        queue.shut()
        self.assertEqual(queue.get_many(5), [1, 2])
        self.assertRaises(ShutDown, queue.get_many, 5)

    def test_who_waits(self):
        queue = new()
        thread = threading.Thread(target=lambda: wait_until(lambda: queue.stats()["get_waits"]) or queue.shut())
        thread.start()
        self.assertRaises(ShutDown, queue.get)
        thread.join()

    def test_stats(self):
        queue = new()
        queue.put_many([1, 2, 3])
        queue.get()
        stats = queue.stats()
        self.assertEqual((stats["puts"], stats["gets"], stats["items"]), (3, 1, 2))


class Named(Case):

    def test_named(self):
        name = "test-python-%d" % os.getpid()
        one = new(name=name)
        self.addCleanup(with_suppressed, FileNotFoundError, one.unlink)
        other = new(name=name)
        one.put([1])
        self.assertEqual(other.get(timeout=PATIENCE), [1])
        one.unlink()
        self.assertRaises(FileNotFoundError, other.unlink)
        third = new(name=name)
        self.addCleanup(third.unlink)
        third.put(3)
        self.assertTrue(one.empty())
        self.assertRaises(ValueError, new().unlink)
        self.assertRaises(ValueError, new, name="a/b")


def with_suppressed(exception, function):
    with contextlib.suppress(exception):
        function()


class Killed(Case):

    def test_consumer_killed_inside_get(self):
        for method in ("fork", "spawn"):
            queue = make(method)
            victim = self.start(queue.get if method == "fork" else get_forever, *([] if method == "fork" else [queue]),
                                method=method)
            wait_until(lambda: queue.stats()["get_waits"] and is_asleep(victim.pid))
            victim.kill()
            victim.join()
            queue.put("after")
            self.assertEqual(queue.get(timeout=PATIENCE), "after")

    def test_producer_killed_after_put(self):
        queue = new()
        ready = kith.Queue()
        victim = self.start(put_and_stay, queue, ready)
        ready.get(timeout=PATIENCE)
        victim.kill()
        victim.join()
        self.assertEqual(queue.get(timeout=PATIENCE), "x" * 100000)

    def test_producer_killed_while_it_waits(self):
        queue = new(1)
        queue.put(0)
        victim = self.start(put_all, queue, [1])
        wait_until(lambda: queue.stats()["put_waits"] and is_asleep(victim.pid))
        victim.kill()
        victim.join()
        self.assertEqual(queue.get(timeout=PATIENCE), 0)
        queue.put(2, timeout=PATIENCE)
        self.assertEqual(queue.get(timeout=PATIENCE), 2)

    def test_redelivered(self):
        queue, told = new(redeliver=True), kith.Queue()
        queue.put("task")
        victim = self.start(get_and_stay, queue, told)
        self.assertEqual(told.get(timeout=PATIENCE), "task")
        self.assertRaises(Empty, queue.get_nowait)
        self.assertTrue(queue.empty())
        victim.kill()
        victim.join()
        self.assertFalse(queue.empty())
        self.assertTrue(queue._reader.poll())
        self.assertEqual(queue.get(timeout=PATIENCE), "task")
        self.assertEqual(queue.deliveries(), 2)
        queue.task_done()
        self.assertRaises(ValueError, queue.deliveries)
        queue.join()

    def test_join_before_drain(self):
        queue = new()
        process = self.start(put_all, queue, ["x" * 100000] * 100)
        self.join(process)
        self.assertEqual(sum(len(queue.get()) for _ in range(100)), 10000000)


def get_forever(queue):
    queue.get()


def put_and_stay(queue, ready):
    queue.put("x" * 100000)
    ready.put(1)
    signal.pause()


class Threads(Case):

    def test_many_threads_and_processes(self):
        queue, back = new(20), new()
        processes = [self.start(put_range, queue, i * 1000, 500) for i in range(2)]
        putters = [threading.Thread(target=put_range, args=(queue, 10000 + i * 1000, 500)) for i in range(2)]
        getters = [threading.Thread(target=echo, args=(queue, back)) for _ in range(3)]
        for thread in putters + getters:
            thread.start()
        for process in processes:
            self.join(process)
        for thread in putters:
            thread.join()
        put_all(queue, [None] * 3)
        for thread in getters:
            thread.join()
        expected = [begin + i for begin in (0, 1000, 10000, 11000) for i in range(500)]
        self.assertEqual(sorted(back.get() for _ in range(2000)), expected)
        self.assertTrue(back.empty())

    def test_others_run_while_one_waits(self):
        queue = new()
        thread = threading.Thread(target=queue.get)
        thread.start()
        wait_until(lambda: queue.stats()["get_waits"])
        queue.put(1)
        thread.join(PATIENCE)
        self.assertFalse(thread.is_alive())

    def test_closed_while_another_waits(self):
        queue, got = new(), []
        other = queues.Queue(ctx=kith.get_context(), name="test-close-%d" % os.getpid())
        self.addCleanup(other.unlink)
        queue = queues.Queue(ctx=kith.get_context(), name="test-close-%d" % os.getpid())
        thread = threading.Thread(target=lambda: got.append(queue.get()))
        thread.start()
        wait_until(lambda: other.stats()["get_waits"])
        queue.close()
        self.assertRaises(ValueError, queue.get)
        other.put(1)
        thread.join()
        self.assertEqual(got, [1])


class Signals(Case):

    def setUp(self):
        self.addCleanup(signal.signal, signal.SIGALRM, signal.getsignal(signal.SIGALRM))
        self.addCleanup(signal.setitimer, signal.ITIMER_REAL, 0)

    def alarm(self, handler):
        """Signals come again and again, for the first ones may come too early."""
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)

    def test_a_signal_that_interrupts_nothing_is_not_missed(self):
        queue = new()
        thread = threading.Timer(0.02, _thread.interrupt_main)
        with self.assertRaises(KeyboardInterrupt):
            thread.start()
            queue.get()
        thread.join()
        self.assertTrue(queue.empty())

    def check(self, handler, call):
        with self.assertRaisesRegex(KeyError, "from the handler"):
            self.alarm(handler)
            call()

    def test_handler_that_raises(self):
        def handler(*_):
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise KeyError("from the handler")
        queue = new(1)
        for call in (queue.get, lambda: queue.get(timeout=PATIENCE), lambda: queue.get(copy=False),
                     lambda: queue.get_many(3), lambda: queue._poll(None)):
            self.check(handler, call)
        queue.put(1)
        for call in (lambda: queue.put(2), lambda: queue.put_many([2]), queue.join):
            self.check(handler, call)
        self.assertEqual(queue.get(), 1)
        self.assertTrue(queue.empty())

    def test_handler_that_returns(self):
        runs = []
        queue = new()
        self.alarm(lambda *_: runs.append(1) or (len(runs) == 3 and queue.put("from the handler")))
        self.assertEqual(queue.get(), "from the handler")
        begin, count = time.monotonic(), len(runs)
        self.assertRaises(Empty, queue.get, timeout=0.1)
        self.assertGreaterEqual(time.monotonic() - begin, 0.1)
        self.assertGreater(len(runs), count)


class Ends(Case):

    def test_reader(self):
        queue = new()
        reader = queue._reader
        self.assertFalse(reader.poll())
        self.assertFalse(reader.poll(0.01))
        self.assertEqual(connection.wait([reader], 0), [])
        queue.put(1)
        self.assertTrue(reader.poll())
        self.assertTrue(reader.poll(None))
        self.assertEqual(connection.wait([reader], PATIENCE), [reader])
        self.assertEqual(reader.recv(), 1)
        self.assertEqual(connection.wait([reader], 0), [])
        queue._writer.send(2)
        self.assertEqual(queue.get(), 2)

    def test_wait_for_a_child(self):
        queues_ = [new() for _ in range(3)]
        process = self.start(put_all, queues_[1], [1])
        ready = connection.wait([queue._reader for queue in queues_], PATIENCE)
        self.assertEqual(ready, [queues_[1]._reader])
        self.join(process)

    def test_executor(self):
        for method in METHODS:
            with concurrent.futures.ProcessPoolExecutor(2, mp_context=kith.get_context(method)) as executor:
                self.assertEqual(list(executor.map(abs, range(-50, 0))), list(range(50, 0, -1)))
                self.assertRaises(ZeroDivisionError, executor.submit(divmod, 1, 0).result)
                future = executor.submit(abs, Unpicklable())
                self.assertRaisesRegex(RuntimeError, "not this one", future.result, PATIENCE)
                self.assertEqual(executor.submit(abs, -1).result(PATIENCE), 1)

    def test_executor_whose_worker_is_killed(self):
        with concurrent.futures.ProcessPoolExecutor(1, mp_context=kith.get_context("fork")) as executor:
            future = executor.submit(os.kill, executor.submit(os.getpid).result(PATIENCE), signal.SIGKILL)
            self.assertRaises(concurrent.futures.process.BrokenProcessPool, future.result, PATIENCE)


class Asyncio(Case):

    def run_async(self, main):
        return asyncio.run(asyncio.wait_for(main, PATIENCE))

    def test_get_and_put(self):
        there, back = new(2), new(2)
        process = self.start(echo, there, back)

        async def put():
            for i in range(100):
                await there.aput(i)
            await there.aput(None)

        async def main():
            putting = asyncio.ensure_future(put())
            got = [await back.aget() for _ in range(100)]
            await putting
            return got
        self.assertEqual(self.run_async(main()), list(range(100)))
        self.join(process)

    def test_several_wait(self):
        queue = new()

        async def main():
            waiting = [asyncio.ensure_future(queue.aget()) for _ in range(5)]
            await asyncio.sleep(0)
            queue.put_many(range(5))
            return await asyncio.gather(*waiting)
        self.assertEqual(sorted(self.run_async(main())), list(range(5)))

    def test_cancelled_loses_nothing(self):
        queue = new()

        async def main():
            for i in range(50):
                waiting = asyncio.ensure_future(queue.aget())
                for _ in range(i % 4):
                    await asyncio.sleep(0)
                queue.put(i)
                if i % 2:
                    await asyncio.sleep(0)
                waiting.cancel()
                try:
                    self.assertEqual(await waiting, i)
                except asyncio.CancelledError:
                    self.assertEqual(queue.get_nowait(), i)
            self.assertTrue(queue.empty())
        self.run_async(main())

    def test_who_waits_for_room_does_not_try_again_and_again(self):
        class Counted(queues.Queue):
            tries = 0

            def put_bytes(self, *arguments):
                self.tries += 1
                return super().put_bytes(*arguments)
        queue = Counted(1, ctx=kith.get_context("fork"))
        queue.put(0)

        async def main():
            putting = [asyncio.ensure_future(queue.aput(i)) for i in (1, 2)]
            await asyncio.sleep(0.25)
            tries = queue.tries
            got = [await queue.aget() for _ in range(3)]
            await asyncio.gather(*putting)
            return tries, sorted(got)
        for _ in range(2):  # another loop has a thread of its own
            self.assertEqual(self.run_async(main()), (0, [0, 1, 2]))
            queue.put(0)
            queue.tries = 0

    def test_who_waits_for_room_puts_in_the_order_of_the_calls(self):
        queue = new(1)
        queue.put(0)

        async def main():
            putting = [asyncio.ensure_future(queue.aput(i)) for i in range(1, 6)]
            await asyncio.sleep(0.25)  # longer than the thread waits at a time
            putting.pop(2).cancel()
            got = [await queue.aget() for _ in range(5)]
            await asyncio.gather(*putting)
            return got
        self.assertEqual(self.run_async(main()), [0, 1, 2, 4, 5])

    def test_who_waits_for_room_hears_of_the_end(self):
        queue = new(1)
        queue.put(0)

        async def main(end):
            putting = asyncio.ensure_future(queue.aput(1))
            await asyncio.sleep(0.01)
            end()
            await putting
        self.assertRaises(ShutDown, self.run_async, main(queue.shut))
        queue = new(1)
        queue.put(0)
        self.assertRaises(ValueError, self.run_async, main(queue.close))

    def test_put_that_is_cancelled(self):
        queue = new(1)
        queue.put(0)

        async def main():
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(queue.aput(1), 0.01)
        self.run_async(main())
        self.assertEqual(queue.get_many(5), [0])


class InPlace(Case):

    def test_bytes(self):
        queue = new(redeliver=True)
        queue.put(b"x" * 100000)
        queue.put(b"small")
        view = queue.get(copy=False)
        self.assertIsInstance(view, memoryview)
        self.assertTrue(view.readonly)
        self.assertEqual(view, b"x" * 100000)
        self.assertEqual(bytes(queue.get(copy=False)), b"small")
        self.assertGreater(queue.stats()["unfinished"], 0)
        del view
        self.assertEqual(queue.stats()["unfinished"], 0)
        queue.put_bytes(b"raw" * 2000)
        self.assertEqual(queue.get_bytes(copy=False), b"raw" * 2000)
        queue.put([b"x" * 10000, 1])
        self.assertEqual(queue.get(copy=False), [b"x" * 10000, 1])
        queue.join()

    def test_without_redelivery_it_is_a_copy(self):
        queue = new()
        queue.put(b"x" * 10000)
        self.assertEqual(queue.get(copy=False), b"x" * 10000)
        self.assertRaises(Empty, queue.get, False, copy=False)

    def test_closed_under_a_view(self):
        queue = new(redeliver=True)
        queue.put(b"x" * 100000)
        view = queue.get(copy=False)
        queue.close()
        del queue
        gc.collect()
        self.assertEqual(view, b"x" * 100000)

    def test_a_view_in_a_cycle_with_its_queue_is_collected(self):
        for size in (100, 100000):
            queue = new(redeliver=True)
            queue.put(b"x" * size)
            queue.view = queue.get(copy=False)
            gone = weakref.ref(queue)
            del queue
            gc.collect()
            self.assertIsNone(gone())

    def test_buffers(self):
        queue = new(redeliver=True)
        queue.put([1, pickle.PickleBuffer(bytearray(b"b" * 50000))])
        number, buffer = queue.get(copy=False)
        self.assertEqual((number, buffer), (1, b"b" * 50000))
        self.assertTrue(memoryview(buffer).readonly)
        kept = memoryview(buffer)[100:200]
        del buffer
        self.assertEqual(kept, b"b" * 100)
        self.assertEqual(queue.stats()["unfinished"], 1)
        del kept
        self.assertEqual(queue.stats()["unfinished"], 0)

    @unittest.skipIf(numpy is None, "needs numpy")
    def test_arrays(self):
        array = numpy.arange(200000.).reshape(1000, 200)
        for options in ({}, {"redeliver": True}):
            queue = new(**options)
            queue.put({"a": array, "b": 1})
            got = queue.get()
            self.assertTrue((got["a"] == array).all())
            got["a"][:] = 0
            queue.put((array, array[:10]))
            whole, part = queue.get(copy=False)
            self.assertTrue((whole == array).all() and (part == array[:10]).all())
            self.assertEqual(whole.flags.writeable, not options)

    def test_holder_killed(self):
        queue, told = new(redeliver=True), kith.Queue()
        queue.put(b"x" * 100000)
        victim = self.start(hold_and_stay, queue, told)
        self.assertEqual(told.get(timeout=PATIENCE), 100000)
        victim.kill()
        victim.join()
        self.assertEqual(len(queue.get(timeout=PATIENCE)), 100000)


def hold_and_stay(queue, told):
    view = queue.get(copy=False)
    told.put(len(view))
    signal.pause()


class Leaks(Case):

    def test_queues_made_and_dropped(self):
        gc.collect()  # a queue whose _reader was asked for goes with the garbage
        before = descriptors(), mappings()
        for i in range(10000):
            queue = new()
            queue.put(i)
            queue.get()
        del queue
        gc.collect()
        self.assertEqual((descriptors(), mappings()), before)

    def test_closed_ones_have_no_descriptor(self):
        before = descriptors()
        kept = [new() for _ in range(100)]
        for queue in kept:
            queue.close()
        self.assertEqual(descriptors(), before)

    def test_references(self):
        queue = new(redeliver=True)
        things = [b"x" * 100000, bytearray(100000), "x" * 100000, [1, 2], {1: 2}, Custom(), object()]
        things[-1] = numpy.zeros(100000) if numpy else things[-2]

        def work():
            for thing in things:
                queue.put(thing)
                queue.get(timeout=PATIENCE)
                queue.task_done()
                queue.put_many([thing, thing])
                queue.get_many(5)
                queue.task_done()
                queue.task_done()
                queue.put(thing)
                queue.get(copy=False)
            self.assertRaises(Empty, queue.get, timeout=0)
        for _ in range(3):
            work()
        gc.collect()
        before = [sys.getrefcount(thing) for thing in things], sys.getrefcount(queue)
        for _ in range(20):
            work()
        gc.collect()
        self.assertEqual(([sys.getrefcount(thing) for thing in things], sys.getrefcount(queue)), before)
        things[1].append(1)  # nobody has a view of it


class Custom:
    pass


if __name__ == "__main__":
    unittest.main()
