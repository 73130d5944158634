"""`python -m kith program` does what `python program` does."""

import os
import signal
import subprocess
import sys
import unittest
import zipfile

from programs import PACKAGE, Folder, run

TELLS = """
import atexit, sys
tells = [__name__, __doc__, __package__, __file__ if "__file__" in globals() else None, sys.argv, sys.path[0],
         __spec__ and __spec__.name, type(__loader__).__name__, sys.modules["__main__"].__dict__ is globals(),
         sorted(name for name in globals() if name not in ("__cached__", "__warningregistry__"))]
atexit.register(lambda: print("the last thing", tells[4]))
for told in tells:
    print(told)
"""


class TestMain(unittest.TestCase):
    def assert_same(self, folder, *words, options=(), text=""):
        ours = folder.run(*options, "-m", "kith", *words, text=text)
        self.assertEqual(ours, folder.run(*options, *words, text=text))
        return ours

    def setUp(self):
        self.folder = Folder(tells=TELLS)
        self.addCleanup(self.folder.cleanup)

    def test_program(self):
        self.assert_same(self.folder, "tells.py", "a", "-b", "--start-method", "x")
        self.assert_same(self.folder, os.path.join(self.folder.name, "tells.py"))

    def test_program_elsewhere(self):
        self.folder.write("sub/program.py", TELLS)
        os.symlink("sub/program.py", os.path.join(self.folder.name, "link.py"))
        self.assert_same(self.folder, "sub/program.py", "1")
        self.assert_same(self.folder, "link.py")

    def test_folder_and_zip_file(self):
        self.folder.write("sub/__main__.py", TELLS)
        with zipfile.ZipFile(os.path.join(self.folder.name, "program.zip"), "w") as file:
            file.writestr("__main__.py", TELLS)
        self.assert_same(self.folder, "sub", "1")
        self.assert_same(self.folder, "program.zip", "1", "2")

    def test_compiled(self):
        subprocess.run([sys.executable, "-m", "compileall", "-q", "-b", "tells.py"], cwd=self.folder.name, check=True)
        self.assert_same(self.folder, "tells.pyc", "1")

    def test_module_and_package(self):
        self.folder.write("package/__init__.py", "")
        self.folder.write("package/__main__.py", TELLS)
        self.folder.write("package/module.py", TELLS)
        for name in "tells", "package", "package.module":
            self.assert_same(self.folder, "-m", name, "a", "-m", "b")

    def test_command(self):
        self.assert_same(self.folder, "-c", TELLS, "-c", "a")

    def test_standard_input(self):
        self.assert_same(self.folder, "-", "a", "-b", text=TELLS)
        self.assert_same(self.folder, "-", text="x = = 1\n")
        self.assertEqual(self.folder.run("-m", "kith", "-", text="import sys; sys.exit(3)"), (3, "", ""))
        told = "import multiprocessing; print(multiprocessing.__kith__)"
        status, output, errors = self.folder.run("-m", "kith", "-", text=told)
        self.assertEqual((status, output.count("."), errors), (0, 2, ""))
        status, _, errors = self.folder.run("-m", "kith", "-", text="def f():\n  1 / 0\nf()")
        self.assertEqual((status, errors.count("kith"), errors.count("File")), (1, 0, 2))

    def test_interactive(self):
        self.folder.write("program.py", "x = 5")
        self.assert_same(self.folder, "program.py", options=["-i"], text="print(x)")
        self.assert_same(self.folder, "-m", "program", options=["-i"], text="print(x)")
        for end in "1 / 0", "import sys; sys.exit(3)":
            self.assert_same(self.folder, "-c", "x = 5; " + end, options=["-i"], text="print(x)")
        self.assert_same(self.folder, "-c", "import os; os.environ['PYTHONINSPECT'] = '1'", text="print(5)")

    def test_version(self):
        for option in "-V", "--version":
            status, output, errors = run("-m", "kith", option)
            self.assertEqual((status, errors), (0, ""))
            self.assertRegex(output, r"^kith \d+\.\d+\.\d+, Python %d\.%d\." % sys.version_info[:2])

    def test_status(self):
        for code in "0", "3", "None", "'a text'":
            self.assert_same(self.folder, "-c", "import sys; sys.exit(%s)" % code)

    def test_traceback(self):
        self.folder.write("fails.py", """
            def f():
                raise ValueError("no")
            try:
                f()
            except ValueError as error:
                raise RuntimeError("so") from error
            """)
        status, _, errors = self.assert_same(self.folder, "fails.py")
        self.assertEqual((status, errors.count("kith/")), (1, 0))
        self.assert_same(self.folder, "-c", "1 / 0")

    def test_traceback_of_module(self):
        self.folder.write("fails.py", "1 / 0")
        self.assert_same(self.folder, "-m", "fails")

    def test_syntax_error(self):
        self.folder.write("fails.py", "x = = 1\n")
        self.assert_same(self.folder, "fails.py")

    def test_excepthook(self):
        self.folder.write("fails.py", """
            import sys
            def hook(kind, error, trace):
                print("the hook", kind, error, trace.tb_frame.f_code.co_name, sys.last_value is error)
            sys.excepthook = hook
            1 / 0
            """)
        self.assert_same(self.folder, "fails.py")

    def test_nothing_to_run(self):
        self.assert_same(self.folder, "no_such_program.py")
        self.assert_same(self.folder, "-m", "no_such_module")
        status, output, errors = run("-m", "kith")
        self.assertEqual((status, output), (2, ""))
        self.assertIn("python -m kith", errors)
        status, output, errors = run("-m", "kith", "--help")
        self.assertEqual((status, errors), (0, ""))
        self.assertIn("python -m kith", output)
        status, _, errors = run("-m", "kith", "-m")
        self.assertEqual(status, 2)
        self.assertIn("-m", errors)

    def test_interrupt(self):
        self.folder.write("waits.py", """
            import signal, sys
            print("ready", flush=True)
            signal.pause()
            """)
        ends = []
        for words in ["-m", "kith", "waits.py"], ["waits.py"]:
            process = subprocess.Popen([sys.executable, *words], cwd=self.folder.name,
                                       env=dict(os.environ, PYTHONPATH=PACKAGE), stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE)
            self.assertEqual(process.stdout.readline(), b"ready\n")
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=60)
            ends.append((process.returncode, output, errors.count(b"File"), errors.splitlines()[-1]))
        self.assertEqual(ends, 2 * [(-signal.SIGINT, b"", 1, b"KeyboardInterrupt")])

    def test_program_gets_kith(self):
        program = "import multiprocessing; print(multiprocessing.__kith__, multiprocessing.get_start_method())"
        for words, method in ([], "fork"), (["--start-method", "spawn"], "spawn"):
            status, output, errors = run("-m", "kith", *words, "-c", program)
            self.assertEqual((status, errors, output.split()[1]), (0, "", method))

    def test_program_may_set_another_start_method(self):
        program = ("import multiprocessing as m; m.set_start_method('forkserver'); print(m.get_start_method())\n"
                   "try: m.set_start_method('fork')\nexcept RuntimeError: print('set')")
        self.assertEqual(run("-m", "kith", "--start-method", "spawn", "-c", program), (0, "forkserver\nset\n", ""))

    def test_unknown_start_method(self):
        status, _, errors = run("-m", "kith", "--start-method", "magic", "-c", "")
        self.assertEqual(status, 2)
        self.assertIn("magic", errors)


if __name__ == "__main__":
    unittest.main()
