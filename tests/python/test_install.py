"""kith.install(): who imports multiprocessing after it gets kith, in this process and in its children."""

import unittest

from programs import Folder, output_of, run

METHODS = "fork", "spawn", "forkserver"
WHAT = """
import multiprocessing, sys
print("main is imported as", __name__, "with", hasattr(multiprocessing, "__kith__"), flush=True)
"""


class TestInstall(unittest.TestCase):
    def test_names(self):
        lines = output_of(self, """
            import kith, sys
            kith.install()
            kith.install()
            import multiprocessing, multiprocessing.pool, multiprocessing.util, multiprocessing.dummy.connection
            from multiprocessing import queues, connection, util
            from multiprocessing.context import BaseContext, reduction
            import multiprocessing.synchronize as synchronize
            print(multiprocessing is kith, sys.modules["multiprocessing"] is kith)
            print(queues is kith.queues, connection is kith.connection, multiprocessing.pool is kith.pool)
            print(synchronize is kith.synchronize, BaseContext is kith.context.BaseContext)
            print([module.__spec__.name for module in (kith, queues, util, multiprocessing.dummy.connection)])
            try:
                import multiprocessing.no_such_module
            except ImportError as error:
                print(error)
            """)
        self.assertEqual(lines, [
            "True True", "True True True", "True True",
            "['kith', 'kith.queues', 'multiprocessing.util', 'multiprocessing.dummy.connection']",
            "No module named 'multiprocessing.no_such_module'"])

    def test_before_and_after(self):
        """What was loaded before has kith's in its place; what is of no one's but the standard library's is one."""
        lines = output_of(self, """
            import multiprocessing as stock, multiprocessing.pool, multiprocessing.managers, multiprocessing.queues
            import kith
            kith.install()
            import multiprocessing
            from kith._stock import pool, shared_memory, queues
            print(multiprocessing.pool is kith.pool, pool is stock.pool, issubclass(kith.pool.Pool, pool.Pool))
            print(shared_memory is not kith.shared_memory, shared_memory.SharedMemory.__module__)
            stock.set_start_method("spawn")
            print(kith.get_start_method(), kith.get_context().get_start_method())
            kith.set_start_method("forkserver", force=True)
            print(stock.get_start_method(), type(kith.get_context()).__module__, type(stock.get_context()).__module__)
            """)
        self.assertEqual(lines, ["True True True", "True multiprocessing.shared_memory", "spawn spawn",
                                 "forkserver kith.context multiprocessing.context"])

    def test_children_that_begin_anew(self):
        program = WHAT + "\n".join([
            "import kith",
            "def child(): print(multiprocessing.current_process().name, multiprocessing.get_start_method())",
            "if __name__ == '__main__':",
            "    multiprocessing.set_start_method(sys.argv[1])",
            "    process = multiprocessing.Process(target=child, name='C')",
            "    process.start(); process.join(); sys.exit(process.exitcode)"])
        for method in METHODS:
            with self.subTest(method), Folder(main=program) as name:
                status, output, errors = run("-m", "kith", "main.py", method, cwd=name)
                anew = [] if method == "fork" else ["main is imported as __mp_main__ with True"]
                self.assertEqual((status, output.splitlines(), errors),
                                 (0, ["main is imported as __main__ with True", *anew, "C " + method], ""))

    def test_preloaded_modules(self):
        with Folder(preloaded=WHAT, main="""
                import multiprocessing
                if __name__ == "__main__":
                    multiprocessing.set_start_method("forkserver")
                    multiprocessing.set_forkserver_preload(["preloaded"])
                    process = multiprocessing.Process()
                    process.start()
                    process.join()
                """) as name:
            self.assertEqual(run("-m", "kith", "main.py", cwd=name, path=[name]),
                             (0, "main is imported as preloaded with True\n", ""))

    def test_kith_from_a_folder_that_children_do_not_know(self):
        """A program that puts kith's folder into sys.path has children that find kith, though not by PYTHONPATH."""
        with Folder(main="""
                import sys
                if __name__ == "__main__":
                    sys.path.insert(0, sys.argv[1])
                    import kith
                    kith.install()
                import multiprocessing
                def child():
                    print(multiprocessing.__kith__)
                if __name__ == "__main__":
                    for method in "spawn", "forkserver":
                        process = multiprocessing.get_context(method).Process(target=child)
                        process.start()
                        process.join()
                    print(multiprocessing.__kith__)
                """) as name:
            import kith
            import os
            import programs
            package, programs.PACKAGE = programs.PACKAGE, ""
            try:
                outcome = run("main.py", package, cwd=name)
            finally:
                programs.PACKAGE = package
            self.assertEqual(outcome, (0, 3 * (kith.__kith__ + "\n"), ""))

    def test_without_install_others_keep_their_own(self):
        lines = output_of(self, """
            import kith as multiprocessing, sys
            def child():
                print("child", hasattr(sys.modules["multiprocessing"], "__kith__"), flush=True)
            if __name__ == "__main__":
                for method in "fork", "spawn", "forkserver":
                    process = multiprocessing.get_context(method).Process(target=child)
                    process.start()
                    process.join()
                import multiprocessing.queues
                print(sys.modules["multiprocessing"] is multiprocessing)
            """)
        self.assertEqual(lines, 3 * ["child False"] + ["True"])

    def test_concurrent_futures(self):
        """Its process pools work, whether they were imported before or after, and with each start method."""
        program = """
            import sys
            if sys.argv[1] == "before":
                from concurrent.futures import ProcessPoolExecutor
            import kith
            kith.install()
            from concurrent.futures import ProcessPoolExecutor
            import multiprocessing
            if __name__ == "__main__":
                for method in sys.argv[2:]:
                    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as executor:
                        print(method, list(executor.map(abs, range(-3, 3))))
            """
        told = "".join("%s [3, 2, 1, 0, 1, 2]\n" % method for method in METHODS)
        for when in "before", "after":
            with self.subTest(when=when), Folder(main=program) as name:
                self.assertEqual(run("main.py", when, *METHODS, cwd=name), (0, told, ""))


if __name__ == "__main__":
    unittest.main()
