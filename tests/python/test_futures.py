"""concurrent.futures.ProcessPoolExecutor with kith's contexts: what it promises holds, also when workers die."""

import concurrent.futures
import os
import signal
import unittest
from concurrent.futures.process import BrokenProcessPool

import kith
from programs import Folder

LIMIT = 60  # seconds

INSTALLED = """
    import concurrent.futures
    import os

    def square(x):
        return x * x

    def die():
        os.kill(os.getpid(), 9)

    if __name__ == "__main__":
        with concurrent.futures.ProcessPoolExecutor(2) as executor:
            print(list(executor.map(square, range(5))))
            print(type(executor.submit(lambda: 1).exception(60)).__name__)
            print(executor.submit(square, 3).result(60))
            print(type(executor.submit(die).exception(60)).__name__)
"""


def square(x):
    return x * x


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def make_lambda():
    return lambda: 1


def set_mark(value):
    global mark
    mark = value


def get_mark():
    return mark


def fail():
    raise KeyError("why")


class Futures:
    def executor(self, workers=2, **options):
        return concurrent.futures.ProcessPoolExecutor(workers, mp_context=kith.get_context(self.method), **options)

    def test_work(self):
        with self.executor(initializer=set_mark, initargs=("set",)) as executor:
            self.assertEqual(list(executor.map(square, range(20), chunksize=3)), [x * x for x in range(20)])
            self.assertEqual(executor.submit(get_mark).result(LIMIT), "set")
            self.assertEqual(len(executor.submit(bytes, 3 << 20).result(LIMIT)), 3 << 20)
            with self.assertRaises(KeyError) as caught:
                executor.submit(fail).result(LIMIT)
            self.assertIn("in fail", str(caught.exception.__cause__))

    def test_what_cannot_be_pickled(self):
        with self.executor() as executor:
            self.assertIsNotNone(executor.submit(lambda: 1).exception(LIMIT))
            self.assertIsNotNone(executor.submit(make_lambda).exception(LIMIT))
            self.assertEqual(executor.submit(square, 3).result(LIMIT), 9)

    def test_death(self):
        with self.executor() as executor:
            lost = executor.submit(die)
            with self.assertRaises(BrokenProcessPool):
                lost.result(LIMIT)
            with self.assertRaises(BrokenProcessPool):
                executor.submit(square, 3).result(LIMIT)

    def test_shutdown(self):
        executor = self.executor(1)
        futures = [executor.submit(square, x) for x in range(50)]
        executor.shutdown(wait=True, cancel_futures=True)
        self.assertTrue(all(future.done() for future in futures))
        self.assertRaises(RuntimeError, executor.submit, square, 3)


class ForkFutures(Futures, unittest.TestCase):
    method = "fork"


class SpawnFutures(Futures, unittest.TestCase):
    method = "spawn"


class ForkserverFutures(Futures, unittest.TestCase):
    method = "forkserver"


class InstalledFork(unittest.TestCase):
    """Where kith is in the place of multiprocessing, the executor's own queue is derived from kith's."""

    method = "fork"

    def test_installed(self):
        folder = Folder(main=INSTALLED)
        self.addCleanup(folder.cleanup)
        status, output, errors = folder.run("-m", "kith", "--start-method", self.method, "main.py")
        lines = output.splitlines()
        self.assertEqual((status, errors, lines[0], lines[2:]),
                         (0, "", "[0, 1, 4, 9, 16]", ["9", "BrokenProcessPool"]))
        self.assertIn(lines[1], ("PicklingError", "AttributeError"))


class InstalledSpawn(InstalledFork):
    method = "spawn"


class InstalledForkserver(InstalledFork):
    method = "forkserver"


if __name__ == "__main__":
    unittest.main()
