"""Every name of multiprocessing and of its submodules, of the version that runs, is kith's, too."""

import importlib
import inspect
import multiprocessing
import pkgutil
import unittest

import kith


def public(module):
    """The names that a module says are public, the classes and functions that it defines, and its constants."""
    defined = {name for name, value in vars(module).items() if not name.startswith("_") and
               (name.isupper() or getattr(value, "__module__", None) == module.__name__)}
    return defined | {name for name in getattr(module, "__all__", ()) if not name.startswith("_")}


def kiths_modules():
    """The modules of kith that are not the standard library's under another name."""
    names = ["kith"] + ["kith." + found.name for found in pkgutil.iter_modules(kith.__path__)
                        if found.name != "popen_spawn_win32" and not found.name.startswith("_")]
    return [module for module in map(importlib.import_module, names) if module.__name__.startswith("kith")]


def undocumented(name, value):
    """What has no docstring: a public class or function, and the public methods and properties that a class defines."""
    if not value.__doc__:
        yield name
    for member in vars(value) if isinstance(value, type) else ():
        found = getattr(value, member)
        if not member.startswith("_") and (callable(found) or isinstance(found, property)):
            if not inspect.getdoc(found):
                yield name + "." + member


def described(function):
    """The names of the parameters, and their defaults."""
    return [(each.name, each.default) for each in inspect.signature(function).parameters.values()]


class TestNames(unittest.TestCase):
    def test_package(self):
        self.assertLessEqual(set(multiprocessing.__all__), set(kith.__all__))
        self.assertLessEqual(public(multiprocessing), public(kith))
        for name in kith.__all__:
            self.assertTrue(hasattr(kith, name), name)

    def test_package_describes_itself(self):
        self.assertIsInstance(kith.__kith__, str)
        self.assertRegex(kith.__kith__, r"^\d+\.\d+\.\d+$")
        for name in kith.__all__:
            value = getattr(kith, name)
            if callable(value) and value.__module__.startswith("kith"):
                self.assertTrue(value.__doc__, name + " has no docstring")

    def test_submodules(self):
        for found in pkgutil.walk_packages(multiprocessing.__path__, "multiprocessing."):
            if found.name == "multiprocessing.popen_spawn_win32":
                continue
            with self.subTest(found.name):
                stock = importlib.import_module(found.name)
                ours = importlib.import_module(found.name.replace("multiprocessing", "kith", 1))
                self.assertEqual({name for name in public(stock) if not hasattr(ours, name)}, set())

    def test_docstrings(self):
        missing = []
        for module in kiths_modules():
            if not module.__doc__:
                missing.append(module.__name__)
            for name, value in sorted(vars(module).items()):
                if not name.startswith("_") and callable(value) and value.__module__ == module.__name__:
                    missing += ["%s.%s" % (module.__name__, name) for name in undocumented(name, value)]
        self.assertEqual(missing, [])

    def test_what_is_not_bettered_is_the_same_module(self):
        for name in ("process", "util", "reduction", "resource_tracker", "resource_sharer", "spawn", "forkserver",
                     "popen_fork", "popen_spawn_posix", "popen_forkserver", "dummy", "dummy.connection"):
            with self.subTest(name):
                stock = importlib.import_module("multiprocessing." + name)
                self.assertIs(importlib.import_module("kith." + name), stock)

    def test_classes_derive_from_the_standard_librarys(self):
        for name in ("BaseContext", "DefaultContext", "ForkContext", "SpawnContext", "ForkServerContext", "Process",
                     "ForkProcess", "SpawnProcess", "ForkServerProcess"):
            ours = getattr(kith.context, name)
            self.assertTrue(issubclass(ours, getattr(multiprocessing.context, name)), name)
            self.assertEqual(ours.__module__, "kith.context")
        for name in ("ProcessError", "BufferTooShort", "TimeoutError", "AuthenticationError"):
            self.assertIs(getattr(kith, name), getattr(multiprocessing, name))

    def test_methods_take_what_the_standard_librarys_take(self):
        for module, names in (("queues", "Queue JoinableQueue SimpleQueue"), ("connection", "Connection Listener"),
                              ("synchronize", "Lock RLock Semaphore BoundedSemaphore Condition Event Barrier")):
            for name in names.split():
                stock = getattr(importlib.import_module("multiprocessing." + module), name)
                ours = getattr(importlib.import_module("kith." + module), name)
                for method in dir(stock):
                    theirs = getattr(stock, method)
                    if (method.startswith("_") and method not in ("__enter__", "__exit__")) or not callable(theirs):
                        continue
                    with self.subTest(class_=name, method=method):
                        expected = described(theirs)
                        self.assertEqual(described(getattr(ours, method))[:len(expected)], expected)

    def test_objects_are_taken_by_name(self):
        context = kith.get_context("fork")
        queue, simple, (first, second) = context.Queue(), context.SimpleQueue(), context.Pipe()
        queue.put_nowait(obj=1)
        simple.put(obj=2)
        first.send(obj=3)
        self.assertEqual((queue.get(), simple.get(), second.recv()), (1, 2, 3))
        for call in (queue.put_nowait, simple.put, first.send):
            for arguments, keywords in (((), {}), ((1, 2), {}), ((1,), {"obj": 1}), ((), {"other": 1})):
                with self.assertRaises(TypeError):
                    call(*arguments, **keywords)

    def test_what_is_out_of_range_is_told(self):
        context = kith.get_context("fork")
        for make in context.Semaphore, context.BoundedSemaphore, context.Barrier:
            with self.assertRaisesRegex(ValueError, "-1.*: give [01] to "):
                make(-1)

    def test_unknown_names(self):
        with self.assertRaises(AttributeError):
            kith.no_such_name
        with self.assertRaises(ImportError):
            importlib.import_module("kith.no_such_module")


if __name__ == "__main__":
    unittest.main()
