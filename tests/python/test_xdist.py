"""Interpreters that a program starts by itself, as execnet and pytest-xdist do, and that use kith then."""

import importlib.util
import os
import subprocess
import sys
import unittest

from programs import PACKAGE, Folder

GATEWAY = """
    import sys
    import kith

    # As execnet does it: a bare interpreter is sent its program through stdin, and what that prints comes back.
    exec(compile(sys.stdin.read(), "<sent>", "exec"))
"""
SENT = """
import kith

queue = kith.get_context("fork").Queue()
process = kith.get_context("fork").Process(target=queue.put, args=("hello",))
process.start()
print(queue.get(timeout=60))
process.join()
with kith.get_context("METHOD").Pool(2) as pool:
    print(pool.map(abs, range(-3, 0)))
"""
TESTS = """
    import multiprocessing

    import kith

    def square(x):
        return x * x

    def test_installed():
        assert multiprocessing.__kith__

    def test_queue():
        queue = multiprocessing.Queue()
        process = multiprocessing.Process(target=queue.put, args=(1,))
        process.start()
        assert queue.get(timeout=60) == 1
        process.join()

    def test_pool():
        for method in ("fork", "spawn", "forkserver"):
            with multiprocessing.get_context(method).Pool(2) as pool:
                assert pool.map(square, range(5)) == [0, 1, 4, 9, 16]
"""


class Gateway(unittest.TestCase):
    def check(self, method):
        folder = Folder(main=GATEWAY)
        self.addCleanup(folder.cleanup)
        done = subprocess.run([sys.executable, "-u", os.path.join(folder.name, "main.py")], timeout=60,
                              input=SENT.replace("METHOD", method), env=dict(os.environ, PYTHONPATH=PACKAGE),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "hello\n[3, 2, 1]\n", ""))

    def test_fork(self):
        self.check("fork")

    @unittest.skipUnless(importlib.util.find_spec("xdist"), "there is no pytest-xdist")
    def test_xdist(self):
        folder = Folder(test_it=TESTS, conftest="import kith\nkith.install()\n")
        self.addCleanup(folder.cleanup)
        status, output, errors = folder.run("-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", folder.name)
        self.assertEqual((status, errors), (0, ""), output)
        self.assertIn("3 passed", output)


if __name__ == "__main__":
    unittest.main()
