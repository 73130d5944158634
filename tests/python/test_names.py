"""Every name of multiprocessing and of its submodules, of the version that runs, is kith's, too."""

import importlib
import multiprocessing
import pkgutil
import unittest

import kith


def public(module):
    """The names that a module says are public, the classes and functions that it defines, and its constants."""
    defined = {name for name, value in vars(module).items() if not name.startswith("_") and
               (name.isupper() or getattr(value, "__module__", None) == module.__name__)}
    return defined | {name for name in getattr(module, "__all__", ()) if not name.startswith("_")}


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

    def test_unknown_names(self):
        with self.assertRaises(AttributeError):
            kith.no_such_name
        with self.assertRaises(ImportError):
            importlib.import_module("kith.no_such_module")


if __name__ == "__main__":
    unittest.main()
