"""Runs CPython's own tests of managers, test._test_multiprocessing, against a server that they reach by its address.

usage: cpython_managers.py [--long] ROLES    ROLES is the program made of manager_roles.c
       PYTHON cpython_managers.py --here [--stock] [--spawn] [--table] ROLES [PATTERN...]

The tests are those of the interpreter that runs them, and are not changed. One thing is: a manager's start() does not
fork a process that serves; it runs a program that does, and connects to it by its address, as connect() does. So
Manager(), which all tests of class WithManager... use, is a client of kith's server. And what the tests have as a
parameter, SERIALIZER, is pickle.

What can't pass, as it needs Python to run in the server, is told in REASONS, each with its reason; it is run, too, and
must fail. What needs an option of the server to pass is told in OPTIONS. The newest Python runs them; with --long, or
when KITH_LONG is set, every one that has its tests, and each once more with children that are spawned. --stock runs the
same against a stock server, where all must pass: so it tests this file. --table prints what
docs/design/managers-python.md has.
"""

import argparse
import fnmatch
import importlib
import os
import signal
import subprocess
import sys
import tempfile
import unittest

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(here, os.pardir, "examples")]
sys.dont_write_bytecode = True
from addresses import for_kith, for_python, new_path
from everywhere import newest, run_everywhere
from manager_servers import Server, c_server

MODULE = "test._test_multiprocessing"
TEST_SECONDS = 30  # none takes nearly so long

# ---- what can't pass, and why ----

XML_RPC = "it wants refused what XML-RPC can't carry, and kith speaks pickle"
ACTION = "the barrier's action is a Python function"
FUNCTIONS = "the pool's tasks are Python functions"

REASONS = {
    "WithManagerTestRemoteManager.test_remote": XML_RPC,
    "WithManagerTestBarrier.test_action": ACTION,
    "WithManagerTestPool.test_a*": FUNCTIONS,  # apply, async
    "WithManagerTestPool.test_empty_iterable": FUNCTIONS,
    "WithManagerTestPool.test_imap": FUNCTIONS,
    "WithManagerTestPool.test_imap_unordered": FUNCTIONS,
    "WithManagerTestPool.test_map": FUNCTIONS,
    "WithManagerTestPool.test_map_[acn]*": FUNCTIONS,  # async, chunksize, no_failfast
    "WithManagerTestPool.test_release_task_refs": FUNCTIONS,
    "WithManagerTestPool.test_starmap*": FUNCTIONS,
    "WithManagerTestPool.test_terminate": FUNCTIONS,
    "WithManagerTestPool.test_wrapped_exception": FUNCTIONS,
}

# ---- what passes with an option, and why ----

KEEP_LOCKS = ("keep-locks", "with `keep_locks`: its holder ends, another process releases it")

OPTIONS = {
    "TestSyncManagerTypes.test_lock": KEEP_LOCKS,
    "TestSyncManagerTypes.test_bounded_semaphore": KEEP_LOCKS,
}


def find(name, table):
    """What the first pattern has that fits; None when there is none."""
    return next((found for pattern, found in table.items() if fnmatch.fnmatchcase(name, pattern)), None)


def reason_of(name):
    """Why a test can't pass; None when it must."""
    return find(name, REASONS)


# ---- a server, instead of a process that is forked ----


class ServerProcess:
    """What a manager and its tests want to know of its process."""

    def __init__(self, server):
        self.server = server
        self.process = server.process

    def is_alive(self):
        return self.process.poll() is None

    def join(self, timeout=None):
        try:
            self.process.wait(timeout)
            self.process.stdin.close()
        except subprocess.TimeoutExpired:
            pass

    @property
    def exitcode(self):
        return self.process.returncode

    def terminate(self):
        self.process.terminate()

    def kill(self):
        self.process.kill()


def stock_server(manager, address):
    """One of stock Python, which has the types that this manager has."""
    return Server(sys.executable, os.path.abspath(__file__), "--serve", type(manager).__name__,
                  manager._authkey.hex(), manager._serializer, address)


def replace_start(serve):
    """Has a manager's start() run what serve(manager, address) starts, and connect to it."""
    from multiprocessing import ProcessError, managers, util

    def start(self, initializer=None, initargs=()):
        if self._state.value != managers.State.INITIAL:
            raise ProcessError("Already started server")
        wanted = "unix:" + new_path() if self._address is None else for_kith(self._address)
        server = serve(self, wanted)
        self._process = ServerProcess(server)
        self._address = for_python(server.address)[0]
        self.connect()
        timeout = [self._shutdown_timeout] if hasattr(self, "_shutdown_timeout") else []
        self.shutdown = util.Finalize(self, type(self)._finalize_manager, exitpriority=0, args=(
            self._process, self._address, self._authkey, self._state, self._Client, *timeout))

    managers.BaseManager.start = start


def serve_stock(manager_name, key, serializer, address):
    """Serves with the types of a manager of CPython's tests."""
    from multiprocessing import current_process, managers
    current_process().authkey = bytes.fromhex(key)  # as a child has its parent's
    suite = importlib.import_module(MODULE)
    manager_class = getattr(suite, manager_name, None) or getattr(managers, manager_name)
    server = manager_class(for_python(address)[0], bytes.fromhex(key), serializer).get_server()
    print(for_kith(server.address), flush=True)
    server.serve_forever()


# ---- the run ----


class Result(unittest.TestResult):
    """Keeps how each test went: ("pass",), ("skip", why) or ("fail", trace)."""

    def __init__(self):
        super().__init__()
        self.outcomes = {}
        self.running = ""

    def startTest(self, test):
        super().startTest(test)
        self.running = name_of(test)
        signal.alarm(TEST_SECONDS)

    def stopTest(self, test):
        signal.alarm(0)
        super().stopTest(test)

    def note(self, test, *outcome):
        self.outcomes[name_of(test)] = outcome

    def addSuccess(self, test):
        self.note(test, "pass")

    def addSkip(self, test, reason):
        self.note(test, "skip", reason)

    def addFailure(self, test, error):
        self.note(test, "fail", self._exc_info_to_string(error, test))

    addError = addFailure

    def addSubTest(self, test, subtest, error):
        if error:
            self.addFailure(test, error)


def name_of(test):
    """Class and method; of a class that can't be set up: the class and "setUpClass"."""
    name = test.id()
    if name.startswith(("setUpClass (", "tearDownClass (")):
        name = "%s.%s" % (name.split("(")[1].rstrip(")"), name.split()[0])
    return ".".join(name.split(".")[-2:])


def is_of_managers(name):
    return name.startswith(("WithManager", "TestSyncManagerTypes", "TestManagerExceptions"))


def tests_in(suite):
    for each in suite:
        if isinstance(each, unittest.TestSuite):
            yield from tests_in(each)
        else:
            yield each


def make_module(folder, method, serializer):
    """A module that installs CPython's tests. It is in a file, so that children that are spawned can import it. Some
    tests use another serializer than pickle, if they are not told otherwise."""
    name = "test_managers_" + method
    lines = ["import %s as suite" % MODULE, "suite.install_tests_in_module_dict(globals(), %r)" % method]
    lines += ["suite.SERIALIZER = %r" % serializer] if serializer else []
    with open(os.path.join(folder, name + ".py"), "w", encoding="ascii") as file:
        file.write("\n".join([*lines, ""]))
    sys.path.insert(0, folder)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")]))
    return importlib.import_module(name)


def run_suite(method, serializer, patterns, result):
    """Returns {name: outcome}, in the order of the tests."""

    def give_up(*_):
        raise TimeoutError("it takes more than %d seconds" % TEST_SECONDS)

    signal.signal(signal.SIGALRM, give_up)
    with tempfile.TemporaryDirectory() as folder:
        module = make_module(folder, method, serializer)
        tests = unittest.TestSuite(
            test for test in tests_in(unittest.defaultTestLoader.loadTestsFromModule(module))
            if is_of_managers(name_of(test))
            and (not patterns or any(fnmatch.fnmatchcase(name_of(test), pattern) for pattern in patterns)))
        names = [name_of(test) for test in tests]
        module.setUpModule()
        tests.run(result)
        module.tearDownModule()
    lost = {name.split(".")[0]: outcome for name, outcome in result.outcomes.items() if name.endswith(".setUpClass")}
    outcomes = {name: lost.get(name.split(".")[0]) or result.outcomes[name] for name in names}
    outcomes.update((name, outcome) for name, outcome in result.outcomes.items() if name.endswith(".tearDownClass"))
    return outcomes


def print_tap(outcomes, children, stock):
    """Returns how many tests went otherwise than they must."""
    bad = 0
    print("1..%d" % len(outcomes))
    for number, (name, (went, *detail)) in enumerate(outcomes.items(), 1):
        reason = None if stock else reason_of(name)
        good = went == "skip" or (went == "fail") == bool(reason)
        bad += not good
        text = "%sok %d - %s, children are %s" % ("" if good else "not ", number, name, children)
        if not good and reason:
            text += ": passes, but it is told that it can't: " + reason
        elif went == "fail" and reason:
            text += " # SKIP it can't pass: " + reason
        elif went == "skip":
            text += " # SKIP " + detail[0]
        print(text)
        if not good and detail:
            print("".join("# %s\n" % line for line in detail[0].splitlines()), end="")
    return bad


def print_table(outcomes):
    """The rows of a table in Markdown."""
    went = [went for went, *_ in outcomes.values()]
    print("Python %d.%d: %d pass, %d can't pass, %d are not for managers.\n" % (
        *sys.version_info[:2], went.count("pass"), went.count("fail"), went.count("skip")))
    print("| Test | With kith's server |\n| --- | --- |")
    for name, (went, *_) in outcomes.items():
        option = find(name, OPTIONS)
        says = {"pass": "passes " + option[1] if option else "passes", "skip": "not for managers, as it says",
                "fail": "can't pass: %s" % reason_of(name)}[went]
        print("| %s | %s |" % (name.replace("WithManagerTest", ""), says))


def run_here(arguments):
    parser = argparse.ArgumentParser()
    for flag in "--here", "--newest", "--stock", "--spawn", "--table":
        parser.add_argument(flag, action="store_true")
    parser.add_argument("roles")
    parser.add_argument("patterns", nargs="*")
    options = parser.parse_args(arguments)
    result = Result()

    def kith_server(manager, address):
        return c_server(options.roles, address, bytes(manager._authkey), *(find(result.running, OPTIONS) or ())[:1])

    replace_start(stock_server if options.stock else kith_server)
    method, children = ("spawn", "spawned") if options.spawn else ("fork", "forked")
    outcomes = run_suite(method, None if options.stock else "pickle", options.patterns, result)
    if options.table:
        print_table(outcomes)
        return 0
    return int(print_tap(outcomes, children, options.stock) > 0)


def main():
    if "--serve" in sys.argv:
        serve_stock(*sys.argv[2:])
    if "--here" in sys.argv:
        return run_here(sys.argv[1:])
    long_form = "--long" in sys.argv or bool(os.environ.get("KITH_LONG"))
    ways = [[], ["--spawn"]] if long_form else [[]]
    return run_everywhere(ways, sys.argv[-1], choose=list if long_form else newest, module=MODULE)


if __name__ == "__main__":
    sys.exit(main())
