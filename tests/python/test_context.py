"""Contexts and processes: what a start method makes, which one is the default, and how daemons end."""

import multiprocessing
import os
import signal
import subprocess
import sys
import unittest

import kith
from programs import PACKAGE, Folder

METHODS = "fork", "spawn", "forkserver"


class TestContexts(unittest.TestCase):
    def setUp(self):
        before = multiprocessing.get_start_method(allow_none=True)
        self.addCleanup(multiprocessing.set_start_method, before, force=True)
        multiprocessing.set_start_method(None, force=True)

    def test_they_agree_on_the_start_method(self):
        for ours, theirs in (kith, multiprocessing), (multiprocessing, kith):
            for method in METHODS:
                ours.set_start_method(method, force=True)
                self.assertEqual((ours.get_start_method(), theirs.get_start_method()), (method, method))
                self.assertIs(kith.get_context(), kith.get_context(method))
                self.assertIs(multiprocessing.get_context(), multiprocessing.get_context(method))

    def test_it_is_set_once(self):
        self.assertIsNone(kith.get_start_method(allow_none=True))
        kith.set_start_method("spawn")
        with self.assertRaises(RuntimeError):
            kith.set_start_method("fork")
        with self.assertRaises(RuntimeError):
            multiprocessing.set_start_method("fork")
        self.assertEqual(kith.get_all_start_methods(), multiprocessing.get_all_start_methods())
        self.assertEqual(kith.get_start_method(), "spawn")

    def test_concrete_contexts(self):
        for method in METHODS:
            context = kith.get_context(method)
            self.assertIs(context.get_context(), context)
            self.assertIs(context.get_context("fork"), kith.get_context("fork"))
            self.assertEqual((context.get_start_method(), context.Process._start_method), (method, method))
            self.assertIsInstance(context, type(multiprocessing.get_context(method)))
            with self.assertRaises(ValueError):
                context.set_start_method("fork")
        for context in kith.get_context("fork"), kith:
            with self.assertRaises(ValueError):
                context.get_context("magic")

    def test_what_contexts_make_is_kiths(self):
        context = kith.get_context("spawn")
        made = [context.Queue(1), context.JoinableQueue(), context.SimpleQueue(), context.Lock(), context.RLock(),
                context.Condition(), context.Semaphore(2), context.BoundedSemaphore(), context.Event(),
                context.Barrier(2), context.Value("i", 1), context.Array("i", 2), *context.Pipe()]
        self.assertEqual({type(thing).__module__.partition(".")[0] for thing in made}, {"kith"})

    def test_processes(self):
        for method in METHODS:
            context = kith.get_context(method)
            event = context.Event()
            process = context.Process(target=event.wait)
            self.assertIsInstance(process, multiprocessing.process.BaseProcess)
            process.start()
            self.assertIn(process, multiprocessing.active_children())
            event.set()
            process.join()
            self.assertEqual(process.exitcode, 0)


class TestDaemons(unittest.TestCase):
    PROGRAM = """
        import kith, os, sys, threading, time

        def daemon(said):
            said.send(os.getpid())
            time.sleep(600)

        def start():
            context = kith.get_context(sys.argv[1])
            here, there = context.Pipe(duplex=False)
            process = context.Process(target=daemon, args=(there,), daemon=True)
            process.start()
            print(here.recv(), flush=True)

        if __name__ == "__main__":
            if sys.argv[2] == "thread":
                thread = threading.Thread(target=start)
                thread.start()
                thread.join()
            else:
                start()
            print("started", flush=True)
            time.sleep(600)
        """

    def test_a_killed_process_takes_its_daemons_along(self):
        for method, where in [("fork", "main")] + [(method, "thread") for method in METHODS]:
            with self.subTest(method=method, where=where), Folder(main=self.PROGRAM) as name:
                parent = subprocess.Popen([sys.executable, "main.py", method, where], cwd=name,
                                          env=dict(os.environ, PYTHONPATH=PACKAGE), stdout=subprocess.PIPE)
                with parent:
                    daemon = os.pidfd_open(int(parent.stdout.readline()))
                    try:
                        # The thread that started the daemon has ended: that is no reason for the daemon to end.
                        self.assertEqual(parent.stdout.readline(), b"started\n")
                        self.assertEqual(kith.connection.wait([daemon], 0), [])
                        parent.send_signal(signal.SIGKILL)
                        self.assertEqual(kith.connection.wait([daemon], 60), [daemon])
                    finally:
                        parent.kill()
                        os.close(daemon)


if __name__ == "__main__":
    unittest.main()
