"""kith.pool does what the standard library's does, and more when workers die, stop, or take too long."""

import gc
import itertools
import multiprocessing.pool
import os
import pickle
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import warnings
import weakref
from unittest import mock

import kith
from kith import _crew, _worker
from kith.pool import (MaybeEncodingError, Pool, PoolTerminatedError, RemoteTraceback, TaskTimeoutError,
                       WorkerLostError)

METHODS = ("fork", "spawn", "forkserver")
LIMIT = 60  # seconds after which a test has hung
FOREVER = 3600.0


# ---- what workers do ----


def square(x):
    return x * x


def power(base, exponent=2):
    return base**exponent


def kill_itself(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at(x, fatal):
    return kill_itself() if x == fatal else x


def kill_at_three(x):
    return kill_at(x, 3)


def kill_once(path):
    """Dies when the file is there, which it takes away before."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return "done"
    kill_itself()


def sleep_once(path):
    try:
        os.unlink(path)
    except FileNotFoundError:
        return "done"
    time.sleep(FOREVER)


def note_and_die_once(log, path):
    """Notes that it was begun, and then as kill_once()."""
    os.write(log, b".")
    return kill_once(path)


def note(task, log):
    """Notes that it was begun, and by whom."""
    os.write(log, b"%d %d\n" % (task, os.getpid()))
    return task


def fork_in_a_task(_):
    child = os.fork()
    if child == 0:
        os._exit(7)
    return os.WEXITSTATUS(os.waitpid(child, 0)[1])


def stop_itself(*_):
    os.kill(os.getpid(), signal.SIGSTOP)


def leave(code):
    sys.exit(code)


def fail(text):
    raise KeyError(text)


def make_lambda():
    return lambda: 1


class Unreadable:
    """What can be pickled, but not unpickled."""

    def __reduce__(self):
        return fail, ("unreadable",)


def make_unreadable():
    return Unreadable()


class Leaving:
    """What ends who unpickles it."""

    def __reduce__(self):
        return sys.exit, (5,)


def make_leaving():
    return Leaving()


class Interrupting:
    """What is not pickled, for Ctrl-C comes in the middle."""

    def __reduce__(self):
        raise KeyboardInterrupt


class PassingOnTwice(_worker.Board):
    """As when each worker that passes a task on is killed when it has told so, and before it is done with that."""

    def take_in(self):
        reports = super().take_in()
        return [report for report in reports for _ in range(2 if report[1] == _crew.AGAIN else 1)]


class Stubborn(Exception):
    """An exception whose pickle can't be read."""

    def __init__(self, one, two):
        super().__init__(one)


def raise_stubborn():
    raise Stubborn(1, 2)


class Counting:
    """A callable that has a state."""

    calls = 0

    def __call__(self, _):
        self.calls += 1
        return self.calls

    def count(self, other):
        return self is other


def tell(path):
    """Says that it runs, and goes on for ever."""
    open(path, "x").close()
    time.sleep(FOREVER)


def tell_and_ignore(path):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    tell(path)


def wait_for_file(path):
    wait_for(lambda: os.path.exists(path))


def append(path):
    with open(path, "ab") as file:
        file.write(b"x")


def write_file(path):
    open(path, "x").close()


def quiet_failure(text):
    silence()
    raise ValueError(text)


def silence():
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def set_mark(value):
    global mark
    mark = value


def get_mark(_):
    return mark


def forget_and_die(path):
    """As a worker that is killed after it got a task, and before it noted that."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return "done"
    for board in gc.get_objects():
        if isinstance(board, _worker.Board):
            board.clear_desk(0)
    kill_itself()


def die_after_report(_):
    """Dies when this task is reported and before it is finished, or a little later."""
    threading.Timer(0.0, kill_itself).start()
    return "reported"


# ---- helpers ----


def wait_for(condition):
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.001)


def is_running(pid):
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


class Case(unittest.TestCase):
    method = "fork"

    def setUp(self):
        self.context = kith.get_context(self.method)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        alarm = threading.Timer(LIMIT, lambda: (sys.stderr.write("%s hangs\n" % self.id()), os._exit(1)))
        alarm.daemon = True
        alarm.start()
        self.addCleanup(alarm.join)
        self.addCleanup(alarm.cancel)

    def pool(self, *arguments, **options):
        pool = self.context.Pool(*arguments, **options)
        self.addCleanup(pool.join)
        self.addCleanup(pool.terminate)
        return pool

    def file(self, name="file", there=False):
        path = os.path.join(self.folder, name)
        if there:
            write_file(path)
        return path


class Ways:
    """All ways to hand tasks in, whatever the start method."""

    def test_ways(self):
        with self.pool(2) as pool:
            self.assertEqual(pool.apply(power, (3,)), 9)
            self.assertEqual(pool.apply(power, (3,), {"exponent": 3}), 27)
            self.assertEqual(pool.apply_async(power, [4]).get(LIMIT), 16)
            for chunksize in (None, 1, 2, 7, 100):
                squares = [x * x for x in range(20)]
                self.assertEqual(pool.map(square, range(20), chunksize), squares)
                self.assertEqual(pool.map(square, iter(range(20)), chunksize), squares)
                self.assertEqual(pool.starmap(power, [(x, 2) for x in range(20)], chunksize), squares)
                self.assertEqual(list(pool.imap(square, range(20), chunksize or 1)), squares)
                self.assertEqual(list(pool.imap(square, iter(range(20)), chunksize or 1)), squares)
                self.assertEqual(sorted(pool.imap_unordered(square, range(20), chunksize or 1)), squares)
                self.assertEqual(pool.map_async(square, range(20), chunksize).get(LIMIT), squares)
                self.assertEqual(pool.starmap_async(power, [(x,) for x in range(20)], chunksize).get(LIMIT), squares)
            self.assertEqual(pool.map(square, []), [])
            self.assertEqual(list(pool.imap(square, [])), [])

    def test_failure(self):
        with self.pool(1) as pool:
            with self.assertRaises(KeyError) as caught:
                pool.apply(fail, ("why",))
            self.assertEqual(caught.exception.args, ("why",))
            self.assertIsInstance(caught.exception.__cause__, RemoteTraceback)
            self.assertIn("in fail", str(caught.exception.__cause__))
            self.assertEqual(pool.apply(square, (2,)), 4)

    def test_lost(self):
        with self.pool(2) as pool:
            result = pool.map_async(kill_at_three, range(20), 1)
            with self.assertRaises(WorkerLostError) as caught:
                result.get(LIMIT)
            self.assertEqual((caught.exception.task, caught.exception.exitcode), (3, -signal.SIGKILL))
            self.assertRegex(str(caught.exception), r"worker \d+ was killed by SIGKILL in task 3 of kill_at_three")
            self.assertEqual(pool.map(square, range(5)), [0, 1, 4, 9, 16])

    def test_initializer(self):
        with self.pool(2, set_mark, ("set",)) as pool:
            self.assertEqual(pool.map(get_mark, range(4), 1), ["set"] * 4)

    def test_close(self):
        pool = self.pool(2, maxtasksperchild=1)
        results = [pool.apply_async(square, (x,)) for x in range(3)]
        pool.close()
        self.assertRaises(ValueError, pool.apply_async, square, (1,))
        pool.join()
        self.assertEqual([result.get(0) for result in results], [0, 1, 4])


class ForkWays(Ways, Case):
    method = "fork"


class SpawnWays(Ways, Case):
    method = "spawn"


class ForkserverWays(Ways, Case):
    method = "forkserver"


class Kinds(Case):
    def test_kinds(self):
        stock = multiprocessing.pool
        with self.pool(1) as pool:
            self.assertIsInstance(pool, stock.Pool)
            self.assertIsInstance(pool, Pool)
            self.assertIsInstance(pool.apply_async(square, (1,)), stock.AsyncResult)
            self.assertIsInstance(pool.map_async(square, [1]), stock.MapResult)
            self.assertIsInstance(pool.imap(square, [1]), stock.IMapIterator)
            self.assertIsInstance(pool.imap_unordered(square, [1]), stock.IMapUnorderedIterator)
            self.assertRegex(repr(pool), r"<kith.pool.Pool state=RUN pool_size=1>")
            self.assertRaises(NotImplementedError, pickle.dumps, pool)
        self.assertIs(kith.pool.ThreadPool, stock.ThreadPool)
        self.assertIs(kith.WorkerLostError, WorkerLostError)
        self.assertIs(kith.TaskTimeoutError, TaskTimeoutError)

    def test_wrong_arguments(self):
        for arguments in ({"processes": 0}, {"maxtasksperchild": 0}, {"retries": -1}, {"timeout": 0}):
            self.assertRaises(ValueError, self.context.Pool, **arguments)
        self.assertRaises(TypeError, self.context.Pool, initializer=1)
        with self.pool(1) as pool:
            self.assertRaises(ValueError, pool.imap, square, [1], 0)
            self.assertRaises(ValueError, pool.apply, square, (1,), timeout=-1)
            self.assertRaises(ValueError, pool.map, square, [1], retries=-1)

    def test_what_is_not_callable(self):
        with Pool(1) as pool:
            for call in (lambda: pool.apply(None), lambda: pool.map(None, [1, KeyError("no")]),
                         lambda: pool.starmap(None, [(1,)]), lambda: list(pool.imap(None, range(4), 2))):
                with self.assertRaisesRegex(TypeError, "'NoneType' object is not callable"):
                    call()

    def test_thread_pool_is_a_pool(self):
        with kith.pool.ThreadPool(1) as pool:
            self.assertIsInstance(pool, kith.pool.Pool)
            self.assertEqual(pool.map(square, range(3)), [0, 1, 4])
            with self.assertRaises(NotImplementedError):
                pickle.dumps(pool)
        self.assertTrue(issubclass(kith.pool.ThreadPool, kith.pool.Pool))
        self.assertFalse(isinstance(pool, type("Own", (kith.pool.Pool,), {})))
        with kith.dummy.Pool(1) as pool:
            self.assertIsInstance(pool, kith.pool.ThreadPool)

    def test_callable_is_fresh_in_each_task(self):
        with self.pool(1) as pool:
            counting = Counting()
            self.assertEqual(pool.map(counting, range(3), 1), [1, 1, 1])
            self.assertEqual(pool.map(counting, range(3), 3), [1, 2, 3])
            self.assertEqual(pool.map(counting.count, [counting], 1), [True])

    def test_dropped_pool_ends(self):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            pool = self.context.Pool(2)
            workers = list(pool._pool)
            gone = weakref.ref(pool)
            del pool
            gc.collect()
            self.assertIn(ResourceWarning, [warning.category for warning in caught])
            caught.clear()  # it has the pool
        self.assertIsNone(gone())
        self.assertEqual([worker.exitcode for worker in workers], [-signal.SIGTERM] * 2)

    def test_nothing_is_left_open(self):
        def descriptors():
            return len(os.listdir("/proc/self/fd"))
        with self.context.Pool(2) as pool:
            pool.map(square, range(10))
        pool.join()
        del pool
        gc.collect()
        before = descriptors(), threading.active_count()
        for _ in range(3):
            with self.context.Pool(2) as pool:
                pool.map(square, range(10))
            pool.join()
            del pool
            gc.collect()
        self.assertEqual((descriptors(), threading.active_count()), before)


class Pickles(Case):
    def test_what_cannot_be_pickled(self):
        with self.pool(2) as pool:
            self.assertRaises((AttributeError, pickle.PicklingError), pool.apply, lambda: 1)
            self.assertRaises(TypeError, pool.map, square, [1, threading.Lock(), 3], 1)
            self.assertRaises(TypeError, pool.map, square, [1, threading.Lock(), 3], 3)
            walk = pool.imap(square, [1, threading.Lock(), 3])
            self.assertEqual(next(walk), 1)
            self.assertRaises(TypeError, next, walk)
            self.assertEqual(next(walk), 9)
            with self.assertRaises(MaybeEncodingError) as caught:
                pool.apply(make_lambda)
            self.assertIn("lambda", caught.exception.value)

    def test_an_interrupt_while_pickling_is_not_swallowed(self):
        pool = self.pool(2)
        for ways in (pool.map, pool.imap, pool.imap_unordered):
            self.assertRaises(KeyboardInterrupt, ways, square, [1, 2, Interrupting(), 4], 1)
        self.assertRaises(KeyboardInterrupt, pool.apply, square, (Interrupting(),))
        self.assertEqual(pool.map(square, range(10)), [x * x for x in range(10)])
        pool.close()
        pool.join()  # nothing is left that it would wait for

    def test_what_cannot_be_read(self):
        with self.pool(1) as pool:
            pid = pool._pool[0].pid
            with self.assertRaises(KeyError):
                pool.apply(square, (Unreadable(),))
            with self.assertRaises(KeyError):
                pool.apply(make_unreadable)
            with self.assertRaises(TypeError):
                pool.apply(raise_stubborn)
            with self.assertRaises(SystemExit):
                pool.apply(make_leaving)
            self.assertEqual(pool.apply(os.getpid), pid)

    def test_large(self):
        data = os.urandom(3 << 20)
        with self.pool(2) as pool:
            self.assertTrue(pool.apply(bytes, (data,)) == data)
            self.assertEqual(pool.map(len, [data, b"", data[:70000], data], 1), [len(data), 0, 70000, len(data)])
            self.assertEqual([len(zeros) for zeros in pool.map(bytes, [1 << 20] * 20, 1)], [1 << 20] * 20)

    def test_arguments_are_released(self):
        with self.pool(1) as pool:
            arguments = [Factor() for _ in range(4)]
            gone = [weakref.ref(argument) for argument in arguments]
            pool.map(square, arguments)
            del arguments
            wait_for(lambda: not any(reference() for reference in gone))


class Factor:
    def __mul__(self, other):
        return 0


class Handing(Case):
    """How tasks get to workers: in order, not too many, without waiting for each other."""

    def test_more_than_may_be_ahead(self):
        with mock.patch.object(_crew, "AHEAD", 16), self.pool(2) as pool:
            self.assertEqual(pool.map(square, range(500), 1), [x * x for x in range(500)])
            results = [pool.apply_async(square, (x,)) for x in range(100)]
            self.assertEqual(list(pool.imap(square, range(100))), [x * x for x in range(100)])
            self.assertEqual([result.get(LIMIT) for result in results], [x * x for x in range(100)])

    def test_bytes_ahead(self):
        with mock.patch.object(_crew, "AHEAD_BYTES", 1 << 20), self.pool(2) as pool:
            self.assertEqual(pool.map(len, [b"x" * 300000] * 50, 1), [300000] * 50)

    def test_endless_iterable(self):
        asked = itertools.count()
        with mock.patch.object(_crew, "AHEAD", 8), self.pool(2) as pool:
            walk = pool.imap(square, asked)
            self.assertEqual([next(walk) for _ in range(100)], [x * x for x in range(100)])

    def test_not_far_ahead(self):
        asked = []
        path = self.file()
        arguments = (asked.append(i) or path for i in range(1000))
        with mock.patch.object(_crew, "AHEAD", 8), self.pool(2) as pool:
            walk = pool.imap(wait_for_file, arguments)
            wait_for(lambda: len(asked) >= 8)
            self.assertRaises(kith.TimeoutError, walk.next, 0.05)
            self.assertLessEqual(len(asked), 9)
            write_file(path)
            self.assertEqual(len(list(walk)), 1000)

    def test_item_is_handed_out_before_the_next_is_there(self):
        go = threading.Event()

        def items():
            yield 3
            go.wait(LIMIT)
            yield 4
        with self.pool(1) as pool:
            walk = pool.imap(square, items())
            self.assertEqual(walk.next(LIMIT), 9)
            go.set()
            self.assertEqual(list(walk), [16])

    def test_others_pass_a_slow_iterable(self):
        go = threading.Event()
        with self.pool(1) as pool:
            walk = pool.imap(square, (go.wait(LIMIT) and 2 for _ in range(1)))
            result = pool.apply_async(square, (3,))
            go.set()
            self.assertEqual(result.get(LIMIT), 9)
            self.assertEqual(list(walk), [4])

    def test_task_waits_for_a_later_one(self):
        for chunksize in (1, 2):
            path = self.file("later%d" % chunksize)
            with self.pool(2) as pool:
                first = pool.apply_async(wait_for_file, (path,))
                others = pool.map_async(square, range(100), chunksize)
                last = pool.apply_async(write_file, (path,))
                for result in first, others, last:
                    result.get(LIMIT)

    def test_many_pass_a_long_task(self):
        path = self.file()
        with self.pool(2) as pool:
            first = pool.apply_async(wait_for_file, (path,))
            self.assertEqual(pool.map(square, range(20000), 1), [x * x for x in range(20000)])
            self.assertFalse(first.ready())
            write_file(path)
            first.get(LIMIT)

    def test_several_lines(self):
        with mock.patch.object(_crew, "LINE_WORKERS", 2), self.pool(5) as pool:
            self.assertEqual(pool._crew.lines, 3)
            self.assertEqual(pool.map(square, range(300), 1), [x * x for x in range(300)])
            self.assertRaises(WorkerLostError, pool.map, kill_at_three, range(9), 1)
            self.assertEqual(pool.starmap(kill_once, [(self.file(str(i), True),) for i in range(7)], 1, retries=1),
                             ["done"] * 7)
            wait_for(lambda: not pool._crew.pending)
            self.assertEqual(pool._crew.on_line, [0, 0, 0])

    def test_iterable_that_lies(self):
        class Sized:
            def __init__(self, length, items):
                self.length, self.items = length, items

            def __len__(self):
                return self.length

            def __iter__(self):
                return iter(self.items)

        def failing():
            yield 1
            raise KeyError("in the iterable")
        with self.pool(1) as pool:
            for chunksize in (1, 2):
                with self.assertRaises(KeyError):
                    pool.map_async(square, Sized(5, failing()), chunksize).get(LIMIT)
                with self.assertRaises(ValueError):
                    pool.map_async(square, Sized(5, [1, 2]), chunksize).get(LIMIT)
            walk = pool.imap(square, failing())
            self.assertEqual(next(walk), 1)
            self.assertRaises(KeyError, next, walk)
            self.assertRaises(StopIteration, next, walk)
            walk = pool.imap(square, 5)
            self.assertRaises(TypeError, next, walk)

    def test_many_threads(self):
        found = []
        with self.pool(2) as pool:
            def ask():
                found.append(sum(pool.apply_async(square, (x,)).get(LIMIT) for x in range(50)))
            threads = [threading.Thread(target=ask) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.assertEqual(found, [sum(x * x for x in range(50))] * 4)


class Callbacks(Case):
    def test_callbacks(self):
        told = []
        with self.pool(1) as pool:
            pool.apply_async(square, (3,), callback=told.append).wait(LIMIT)
            pool.map_async(square, [1, 2], callback=told.append).wait(LIMIT)
            pool.apply_async(fail, ("no",), {}, told.append, lambda error: told.append(type(error))).wait(LIMIT)
            pool.apply_async(kill_itself, error_callback=lambda error: told.append(type(error))).wait(LIMIT)
        self.assertEqual(told, [9, [1, 4], KeyError, WorkerLostError])

    def test_callback_that_fails(self):
        with mock.patch("threading.excepthook") as hook, self.pool(1) as pool:
            result = pool.apply_async(square, (3,), callback=fail)
            self.assertEqual(result.get(LIMIT), 9)
            self.assertEqual(pool.map_async(square, [2], callback=fail).get(LIMIT), [4])
            self.assertEqual(hook.call_count, 2)
            self.assertIs(hook.call_args[0][0].exc_type, KeyError)
            pool.apply_async(square, (3,), callback=sys.exit).wait(LIMIT)
            self.assertEqual(pool.apply(square, (4,)), 16)


class Deaths(Case):
    def test_exit_in_a_task(self):
        with self.pool(2) as pool:
            with self.assertRaises(WorkerLostError) as caught:
                pool.apply(leave, (3,))
            self.assertEqual(caught.exception.exitcode, 3)
            self.assertRegex(str(caught.exception), "exited with code 3")

    def test_chunk(self):
        with self.pool(2) as pool:
            result = pool.map_async(kill_at_three, range(40), 4)
            self.assertRaises(WorkerLostError, result.get, LIMIT)
            walk = pool.imap(kill_at_three, range(5))
            self.assertEqual([next(walk) for _ in range(3)], [0, 1, 2])
            self.assertRaises(WorkerLostError, next, walk)
            self.assertEqual(list(walk), [4])

    def test_error_survives_a_pickle(self):
        error = pickle.loads(pickle.dumps(WorkerLostError("why", 1, 2, 3, 4)))
        self.assertEqual((str(error), error.task, error.pid, error.exitcode, error.attempts), ("why", 1, 2, 3, 4))
        error = pickle.loads(pickle.dumps(TaskTimeoutError("why", 1, 2, 3)))
        self.assertEqual((str(error), error.task, error.pid, error.attempts), ("why", 1, 2, 3))

    def test_retries(self):
        with self.pool(2) as pool:
            paths = [self.file(str(i), there=True) for i in range(6)]
            self.assertEqual(pool.map(kill_once, paths, 1, retries=1), ["done"] * 6)
            with self.assertRaises(WorkerLostError) as caught:
                pool.apply(kill_itself, retries=2)
            self.assertEqual(caught.exception.attempts, 3)
            self.assertIn("3 times", str(caught.exception))
        with self.pool(2, retries=1) as pool:
            self.assertEqual(pool.apply(kill_once, (self.file("one", there=True),)), "done")
            self.assertRaises(WorkerLostError, pool.apply, kill_once, (self.file("one", there=True),), retries=0)

    def test_task_that_was_not_begun(self):
        with self.pool(1) as pool:
            self.assertEqual(pool.apply(forget_and_die, (self.file(there=True),)), "done")

    def test_task_that_is_passed_on_twice(self):
        with open(self.file("log"), "wb", 0) as log, mock.patch.object(_worker, "Board", PassingOnTwice):
            with self.pool(1) as pool:
                path = self.file(there=True)
                self.assertEqual(pool.apply(note_and_die_once, (log.fileno(), path), retries=1), "done")
                self.assertEqual(pool.apply(square, (2,)), 4)  # behind whatever else there was
                self.assertEqual(os.path.getsize(log.name), 2)
                self.assertEqual(pool.apply(forget_and_die, (self.file(there=True),)), "done")

    def test_exit_at_once_in_a_task(self):
        with self.pool(1) as pool:
            with self.assertRaises(WorkerLostError) as caught:
                pool.apply(os._exit, (0,))
            self.assertEqual(caught.exception.exitcode, 0)

    def test_task_that_forks(self):
        with self.pool(2) as pool:
            self.assertEqual(pool.map(fork_in_a_task, range(4), 1), [7] * 4)

    def test_death_around_a_report(self):
        with self.pool(2) as pool:
            for _ in range(30):
                try:
                    self.assertEqual(pool.apply_async(die_after_report, (0,)).get(LIMIT), "reported")
                except WorkerLostError as error:
                    self.assertEqual(error.exitcode, -signal.SIGKILL)

    def test_idle_workers_are_killed(self):
        with self.pool(2) as pool:
            pool.map(square, range(4), 1)
            for _ in range(3):
                for worker in list(pool._pool):
                    worker.kill()
                self.assertEqual(pool.map(square, range(100), 1, retries=1), [x * x for x in range(100)])

    def test_all_idle_workers_are_killed_at_once(self):
        with mock.patch.object(_crew, "FALSE_STARTS", 3), self.pool(4) as pool:
            wait_for(lambda: all(pool._crew.board.begun(desk) == _crew.WELL for desk in range(4)))
            with pool._crew.rolls:  # the keeper is to find them dead together
                for worker in pool._pool:
                    worker.kill()
                for worker in pool._pool:
                    worker.join()
            self.assertEqual(pool.map(square, range(10), 1), [x * x for x in range(10)])

    def test_killed_at_random(self):
        """Each task is begun once, or once more for each worker that died at it, and it is told what became of it."""
        seed = random.randrange(1 << 32)
        for retries, maxtasks in (0, None), (20, None), (0, 7):
            with self.subTest(seed=seed, retries=retries, maxtasks=maxtasks):
                self.kill_at_random(random.Random(seed), retries, maxtasks)

    def kill_at_random(self, chance, retries, maxtasks):
        tasks = 500
        killed = set()
        with open(self.file("log%d" % retries), "wb+", 0) as log, mock.patch.object(_crew, "FALSE_STARTS", 1 << 30):
            with self.pool(3, maxtasksperchild=maxtasks) as pool:
                results = [pool.apply_async(note, (task, log.fileno()), retries=retries) for task in range(tasks)]
                while not results[-1].ready():
                    taken = pool._crew.taken
                    time.sleep(chance.random() * 0.003)
                    worker = chance.choice(list(pool._pool) or [None])
                    if worker is None:
                        continue
                    worker.kill()
                    killed.add(worker.pid)
                    wait_for(lambda: pool._crew.taken > taken or results[-1].ready())
                for result in results:
                    result.wait(LIMIT)
            log.seek(0)
            begun = {task: [] for task in range(tasks)}
            for line in log:
                begun[int(line.split()[0])].append(int(line.split()[1]))
        for task, result in enumerate(results):
            try:
                self.assertEqual(result.get(0), task)
                last = begun[task].pop()
            except WorkerLostError as error:
                self.assertEqual((error.attempts, error.exitcode), (retries + 1, -signal.SIGKILL))
                last = None
            self.assertLessEqual(set(begun[task]), killed)
            self.assertNotIn(last, begun[task])
            self.assertLessEqual(len(begun[task]), retries + 1)

    def test_parent_is_killed(self):
        path = self.file()
        child = os.fork()
        if child == 0:
            pool = self.context.Pool(2)
            with open(path + ".new", "w") as file:
                file.write(" ".join(str(worker.pid) for worker in pool._pool))
            os.rename(path + ".new", path)
            time.sleep(FOREVER)
        wait_for_file(path)
        with open(path) as file:
            workers = [int(pid) for pid in file.read().split()]
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        wait_for(lambda: not any(map(is_running, workers)))

    def test_stopped_idle_worker(self):
        with self.pool(2) as pool:
            pool.map(square, range(4), 1)
            worker = pool._pool[0]
            os.kill(worker.pid, signal.SIGSTOP)
            self.assertEqual(pool.map(square, range(1000), 1), [x * x for x in range(1000)])
            os.kill(worker.pid, signal.SIGSTOP)
        self.assertEqual(worker.exitcode, -signal.SIGTERM)  # and not only when terminate loses patience


class Limits(Case):
    def test_late(self):
        with self.pool(2) as pool:
            result = pool.map_async(time.sleep, [0, FOREVER, 0], 1, timeout=0.5)
            with self.assertRaises(TaskTimeoutError) as caught:
                result.get(LIMIT)
            self.assertIsInstance(caught.exception, TimeoutError)
            self.assertIsInstance(caught.exception, kith.TimeoutError)
            self.assertEqual((caught.exception.task, caught.exception.attempts), (1, 1))
            self.assertEqual(str(caught.exception), "task 1 of sleep took longer than 0.5 s")
            self.assertEqual(pool.apply(square, (3,)), 9)

    def test_stopped(self):
        with self.pool(1, timeout=0.5) as pool:
            self.assertRaises(TaskTimeoutError, pool.apply, stop_itself)
            self.assertEqual(pool.apply(square, (3,)), 9)

    def test_retry(self):
        with self.pool(1) as pool:
            self.assertEqual(pool.apply(sleep_once, (self.file(there=True),), timeout=0.5, retries=1), "done")

    def test_each_item_of_a_chunk(self):
        with self.pool(1) as pool:
            self.assertEqual(pool.map(time.sleep, [0.3] * 4, 4, timeout=1), [None] * 4)
            self.assertRaises(TaskTimeoutError, pool.map, time.sleep, [0, FOREVER], 2, timeout=0.1)

    def test_task_after_an_idle_time(self):
        with mock.patch.object(_crew, "TICK", 0.05), self.pool(1) as pool:
            pool.apply(square, (1,))
            wait_for(lambda: pool._crew.asleep)
            self.assertRaises(TaskTimeoutError, pool.apply, time.sleep, (FOREVER,), timeout=0.1)


class Ends(Case):
    def test_terminate(self):
        path = self.file()
        pool = self.pool(1)
        running = pool.apply_async(tell, (path,))
        waiting = pool.map_async(square, range(10000), 1)
        walk = pool.imap(square, range(10))
        wait_for_file(path)
        pool.terminate()
        pool.join()
        for result in running, waiting:
            self.assertRaises(PoolTerminatedError, result.get, LIMIT)
        self.assertRaises(PoolTerminatedError, next, walk)
        self.assertRaises(StopIteration, next, walk)
        self.assertRaises(ValueError, pool.apply, square, (1,))

    def test_terminate_those_who_do_not_heed_it(self):
        path = self.file()
        with mock.patch.object(Pool, "terminate_grace", 0.1):
            pool = self.pool(2)
        worker, = pool._pool[:1]
        pool.apply_async(tell_and_ignore, (path,))
        wait_for_file(path)
        pool.apply_async(stop_itself)
        pool.terminate()
        pool.join()
        self.assertFalse(worker.is_alive())

    def test_terminate_while_an_iterable_waits(self):
        go = threading.Event()
        with self.pool(1) as pool:
            walk = pool.imap(square, (go.wait(LIMIT) for _ in range(3)))
        self.assertRaises(PoolTerminatedError, next, walk)
        go.set()

    def test_terminate_in_a_callback(self):
        pool = self.pool(1)
        pool.apply_async(square, (1,), callback=lambda _: pool.terminate())
        wait_for(lambda: not any(worker.is_alive() for worker in pool._pool))
        pool.join()

    def test_interrupted_call(self):
        with self.pool(1) as pool:
            for things in [Interrupting()], [1, 2, Interrupting()]:
                self.assertRaises(KeyboardInterrupt, pool.map, square, things, 1)
            self.assertRaises(KeyboardInterrupt, pool.apply, square, (Interrupting(),))
            self.assertEqual(pool.apply(square, (2,)), 4)
            pool.close()
            pool.join()

    def test_forked_child_leaves_it_alone(self):
        with self.pool(1) as pool:
            child = os.fork()
            if child == 0:
                try:
                    pool.apply(square, (2,))
                except ValueError:
                    pool.close()
                    pool.terminate()
                    os._exit(0)
                finally:
                    os._exit(1)
            self.assertEqual(os.waitpid(child, 0)[1], 0)
            self.assertEqual(pool.apply(square, (2,)), 4)

    def test_dropped_endless_walk(self):
        with mock.patch.object(_crew, "AHEAD", 8), self.pool(2) as pool:
            self.assertEqual(next(pool.imap(square, itertools.count(2))), 4)
            gc.collect()
            waiting = pool.apply_async(square, (3,))  # behind it, for ever
        self.assertRaises(PoolTerminatedError, waiting.get, LIMIT)

    def test_broken_while_an_endless_walk_waits(self):
        with mock.patch.object(_crew, "AHEAD", 8):
            pool = self.pool(1, quiet_failure, ("no data base",))
            try:
                self.assertRaises(ValueError, next, pool.imap(square, itertools.count()))
            except StopIteration:
                pass
            pool.close()
            pool.join()

    def test_many_workers(self):
        with self.pool(130) as pool:  # more than a line has getters
            self.assertEqual(pool.map(square, range(1000), 1), [x * x for x in range(1000)])

    def test_initializer_that_fails(self):
        pool = self.pool(2, quiet_failure, ("no data base",))
        result = pool.map_async(square, range(10))
        with self.assertRaises(ValueError) as caught:
            result.get(LIMIT)
        self.assertEqual(caught.exception.args, ("no data base",))
        self.assertIn("quiet_failure", str(caught.exception.__cause__))
        self.assertRaises(ValueError, pool.apply, square, (1,))
        pool.close()
        pool.join()

    def test_initializer_that_leaves(self):
        pool = self.pool(2, leave, (0,))
        with self.assertRaises(RuntimeError) as caught:
            pool.map_async(square, range(10)).get(LIMIT)
        self.assertIn("SystemExit(0)", str(caught.exception))

    def test_initializer_that_dies(self):
        pool = self.pool(2, kill_itself)
        self.assertRaises(WorkerLostError, pool.map_async(square, range(10)).get, LIMIT)
        pool.close()
        pool.join()

    def test_worker_that_cannot_be_started(self):
        pool = self.pool(1)
        start = pool._crew.start
        fails = iter([OSError("no process")])

        def sometimes(*arguments, **options):
            for error in fails:
                raise error
            return start(*arguments, **options)
        pool._crew.start = sometimes
        self.assertRaises(WorkerLostError, pool.apply, kill_itself)
        self.assertEqual(pool.apply_async(square, (2,)).get(LIMIT), 4)


PROGRAM = """
import itertools, os, time
import kith
def busy(seconds):
    os.write(1, b"busy\\n")
    time.sleep(seconds)
pool = kith.get_context("fork").Pool(3)
os.write(1, b"%d %d %d\\n" % tuple(worker.pid for worker in pool._pool))
"""


class Programs(Case):
    """How programs end that do not end their pool."""

    def run_program(self, what, signal_number=None):
        """Runs it until a task has begun, and then to its end. Returns its exit code and what it said on stderr."""
        with subprocess.Popen([sys.executable, "-c", PROGRAM + what], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, universal_newlines=True, start_new_session=True) as program:
            try:
                workers = [int(pid) for pid in program.stdout.readline().split()]
                self.assertEqual(program.stdout.readline(), "busy\n")
                if signal_number is not None:
                    os.killpg(program.pid, signal_number)
                errors = program.communicate(timeout=LIMIT)[1]
            finally:
                program.kill()
        wait_for(lambda: not any(map(is_running, workers)))
        return program.returncode, errors

    def test_interrupt_from_the_terminal(self):
        for call in ("pool.map(busy, [3600] * 3)", "next(pool.imap(busy, itertools.repeat(3600)))",
                     "pool.apply(busy, (3600,))", "with pool: pool.map_async(busy, [3600]).get(3600)"):
            with self.subTest(call=call):
                code, errors = self.run_program(call, signal.SIGINT)
                self.assertEqual(code, -signal.SIGINT)
                self.assertLessEqual(errors.count("Traceback"), 5)  # each worker, and two that next() makes

    def test_left_as_it_is(self):
        what = "result = pool.imap(busy, itertools.repeat(3600)); os.read(0, 1)"
        self.assertEqual(self.run_program(what), (0, ""))


class Progress(Case):
    def test_function(self):
        for chunksize in (1, 3, None):
            told = []
            with self.pool(2) as pool:
                pool.map(square, range(10), chunksize, progress=lambda *how_far: told.append(how_far))
            self.assertEqual((told[0], told[-1]), ((0, 10), (10, 10)))
            self.assertEqual(told, sorted(told))
        told = []
        with self.pool(2) as pool:
            list(pool.imap_unordered(square, iter(range(10)), progress=lambda *how_far: told.append(how_far)))
            wait_for(lambda: told[-1] == (10, None))
        self.assertEqual(told[0], (0, None))

    def test_function_that_fails(self):
        with mock.patch("threading.excepthook") as hook, self.pool(1) as pool:
            self.assertEqual(pool.map(square, [1, 2], progress=lambda done: None), [1, 4])
        self.assertTrue(hook.called)

    def test_line(self):
        with tempfile.TemporaryFile() as file, mock.patch.object(sys, "stderr", os.fdopen(os.dup(file.fileno()), "w")):
            with self.pool(2) as pool:
                pool.map(square, range(10), progress=True)
                pool.map(square, range(20), progress="squares")
            sys.stderr.close()
            file.seek(0)
            lines = file.read().decode().splitlines()
        self.assertIn("10/10", lines[0])
        self.assertIn("squares", lines[1])
        self.assertIn("20/20", lines[1])


if __name__ == "__main__":
    unittest.main()
