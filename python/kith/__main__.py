"""Runs a program with kith in the place of multiprocessing, and apart from that as python itself would run it.

    python -m kith [--start-method METHOD] program.py [argument...]
    python -m kith [--start-method METHOD] -m module  [argument...]
    python -m kith [--start-method METHOD] -c command [argument...]
    python -m kith [--start-method METHOD] - [argument...]
    python -m kith --version | --help

program.py may also be a compiled file, or a folder or a zip file that holds __main__.py; - is a program on standard
input. METHOD is fork, spawn or forkserver: the program's default, which it may change."""

import atexit
import builtins
import importlib.machinery
import os
import runpy
import signal
import sys
import types

import kith
from kith import context

__all__ = ()


def fail(text):
    print("%s: %s" % (sys.executable, text), file=sys.stderr)
    sys.exit(2)


def set_default(method):
    try:
        context._default_context._default_context = kith.get_context(method)
    except ValueError as error:
        fail(error)


def put_first_in_path(folder):
    """Has sys.path begin with a folder in place of the current one, which was put there for the sake of -m."""
    if not (sys.flags.isolated or getattr(sys.flags, "safe_path", False)):
        sys.path[0] = folder


def new_main():
    """Makes a module __main__ as fresh as python's, and puts it in the place of this one."""
    main = types.ModuleType("__main__")
    main.__builtins__ = builtins
    main.__annotations__ = {}
    sys.modules["__main__"] = sys.modules["__mp_main__"] = main  # the latter is what spawned children call it
    return main


def new_main_without_file():
    put_first_in_path("")
    main = new_main()
    main.__loader__ = importlib.machinery.BuiltinImporter
    return main


def run_command(command):
    sys.argv[0] = "-c"
    main = new_main_without_file()
    if sys.version_info >= (3, 13):  # from then on, tracebacks show the lines of a command
        import linecache
        linecache.cache["<string>"] = len(command), None, command.splitlines(keepends=True), "<string>"
    exec(compile(command, "<string>", "exec"), main.__dict__)


def run_input(name):
    program = sys.stdin.buffer.read()
    main = new_main_without_file()
    main.__file__ = "<stdin>"
    main.__cached__ = None
    exec(compile(program, "<stdin>", "exec"), main.__dict__)


def run_module(name):
    sys.argv[0] = "-m"
    new_main()
    runpy._run_module_as_main(name)  # what python's own -m calls


def run_path(name):
    sys.argv[0] = name
    if holds_modules(name):
        sys.path.insert(0, os.path.join(os.getcwd(), name))
        new_main()
        runpy._run_module_as_main("__main__", alter_argv=False)  # what python calls for a folder or a zip file
        return
    path = os.path.join(os.getcwd(), name)
    put_first_in_path(os.path.dirname(os.path.realpath(path)))
    main = new_main()
    main.__file__ = path
    main.__cached__ = None
    exec(code_of(main, path), main.__dict__)


def holds_modules(path):
    """Whether a path may be in sys.path: that of a folder or of a zip file."""
    for hook in sys.path_hooks:
        try:
            return hook(path) is not None
        except ImportError:
            pass
    return False


def code_of(main, path):
    """Returns the code of a file, and gives the module its loader."""
    try:
        if path.endswith(".pyc"):
            main.__loader__ = importlib.machinery.SourcelessFileLoader("__main__", path)
            return main.__loader__.get_code("__main__")
        main.__loader__ = importlib.machinery.SourceFileLoader("__main__", path)
        return compile(main.__loader__.get_data(path), path, "exec")
    except OSError as error:
        fail("can't open file %r: [Errno %d] %s" % (path, error.errno, error.strerror))


class Interrupted:
    """Ends the process by SIGINT after all else, when it was that which ended the program; as python does."""

    def __init__(self):
        self.by_signal = False
        atexit.register(self.end)  # before any other: so it is called last

    def end(self):
        if self.by_signal:
            sys.stdout.flush()
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)


def tell(error):
    """Has sys.excepthook tell of an error that the program did not catch, without this file's part of the way."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    error = error.with_traceback(trace)
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, trace
    if sys.version_info >= (3, 12):
        sys.last_exc = error
    sys.excepthook(type(error), error, trace)


def run(words):
    """Runs what the words say. Returns the status to exit with."""
    ways = {"-c": run_command, "-m": run_module}
    way = ways.get(words[0])
    if way and len(words) == 1:
        fail("argument expected for the %s option" % words[0])
    sys.argv = words[1:] if way else words
    interrupted = Interrupted()
    kith.install()
    try:
        (way or (run_input if words[0] == "-" else run_path))(sys.argv[0])
    except SystemExit as error:
        if not sys.flags.inspect:
            raise
        tell(error)  # and go on in the program's names, as python does with -i
    except BaseException as error:
        interrupted.by_signal = isinstance(error, KeyboardInterrupt)
        tell(error)
        return 1
    return 0


def main():
    words = sys.argv[1:]
    if words[:1] == ["--start-method"] and len(words) > 1:
        set_default(words[1])
        del words[:2]
    if words[:1] in (["-V"], ["--version"]):
        print("kith %s, Python %s" % (kith.__kith__, sys.version.split()[0]))
        return 0
    if words and words[0] not in ("-h", "--help"):
        return run(words)
    print(__doc__, file=sys.stdout if words else sys.stderr)
    return 0 if words else 2


if __name__ == "__main__":
    status = main()
    if status and not sys.flags.inspect:  # with -i, python goes on, and so it does when there is nothing to say
        sys.exit(status)
