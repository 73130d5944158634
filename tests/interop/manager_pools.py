"""Tests that stock Python uses the pool of a kith server, whose tasks are entry points of the server's program.

usage: manager_pools.py ROLES    ROLES is the program made of manager_roles.c

Every Python that is found runs the tests.
"""

import os
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(here, os.pardir, "examples")]
sys.dont_write_bytecode = True

import multiprocessing
from multiprocessing.managers import RemoteError, SyncManager

from addresses import for_python, new_path
from everywhere import run_everywhere
from manager_servers import KEY, PATIENCE, c_server
from tap import equal, run_all, test


# What the server's program has under the same names. Here they only lend these.
def square(number):
    raise NotImplementedError


def add(one, other):
    raise NotImplementedError


def fail_with_key(key):
    raise NotImplementedError


def no_such_task():
    raise NotImplementedError


def raises(exception, words, function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except exception as error:
        if words not in str(error):
            raise AssertionError("%r does not say %r" % (error, words))
        return
    raise AssertionError("nothing is raised")


@test
def one_task():
    """apply gives what an entry point returns: a function of the same name, or a str, says which"""
    with manager.Pool(2) as pool:
        equal(pool.apply(square, (7,)), 49)
        equal(pool.apply("square", [8]), 64)
        equal(pool.apply(add, ("a", "b")), "ab")


@test
def failures():
    """what a task fails with is an exception, and so is what a server in C can't do"""
    with manager.Pool(1) as pool:
        raises(KeyError, "lost", pool.apply, fail_with_key, ("lost",))
        raises(AttributeError, "KITH_ENTRY(no_such_task)", pool.apply, no_such_task)
        raises(TypeError, "entry point", pool.apply, 5)
        raises(TypeError, "keyword", pool.apply, square, (), {"number": 1})
        raises(TypeError, "get()", pool.apply_async, square, (1,), callback=print)
        equal(pool.apply(square, (2,)), 4)


@test
def results():
    """an AsyncResult is asked, and waited for"""
    with manager.Pool(1) as pool:
        result = pool.apply_async(square, (3,))
        result.wait()
        equal((result.ready(), result.successful(), result.get(), result.get(timeout=PATIENCE)), (True, True, 9, 9))
        result = pool.apply_async(fail_with_key, ("gone",))
        result.wait(PATIENCE)
        equal((result.ready(), result.successful()), (True, False))
        raises(KeyError, "gone", result.get)
        waits = pool.apply_async("wait_for_end")
        raises(multiprocessing.TimeoutError, "", waits.get, 0.01)
        raises(ValueError, "not ready", waits.successful)


@test
def maps():
    """map, starmap and their async forms give lists in the order of what they were given, also of a range"""
    squares = [number * number for number in range(50)]
    with manager.Pool(2) as pool:
        equal(pool.map(square, range(50)), squares)
        equal(pool.map(square, list(range(50)), chunksize=7), squares)
        equal(pool.map_async(square, set(range(5))).get(), squares[:5])
        equal(pool.starmap(add, [(1, 2), (3, 4)]), [3, 7])
        equal(pool.starmap_async(add, [("a", "c"), "bd"]).get(PATIENCE), ["ac", "bd"])
        raises(KeyError, "1", pool.map, fail_with_key, ["1", "2"])


@test
def walks():
    """imap gives results in order, imap_unordered all of them"""
    with manager.Pool(2) as pool:
        equal(list(pool.imap(square, range(20))), [number * number for number in range(20)])
        equal(sorted(pool.imap_unordered(square, [3, 1, 2], 2)), [1, 4, 9])
        walk = pool.imap(fail_with_key, "ab")
        raises(KeyError, "a", next, walk)
        raises(KeyError, "b", next, walk)
        raises(StopIteration, "", next, walk)


@test
def end():
    """a pool is closed, joined and terminated as Python's"""
    pool = manager.Pool(processes=2, initializer="initialize", initargs=(5,), maxtasksperchild=3)
    equal(pool.map("tell_initialized", [None] * 8), [5] * 8)
    raises(ValueError, "Pool is still running", pool.join)
    pool.close()
    raises(ValueError, "Pool not running", pool.map, square, [1])
    pool.join()
    pool = manager.Pool(1)
    waits = pool.apply_async("wait_for_end")
    pool.terminate()
    pool.join()
    raises(RuntimeError, "", waits.get)
    raises(RemoteError, "at least 1", manager.Pool, 0)


if __name__ == "__main__":
    if "--here" not in sys.argv:
        sys.exit(run_everywhere([[]], sys.argv[-1]))
    with c_server(sys.argv[-1], "unix:" + new_path()) as server:
        manager = SyncManager(for_python(server.address)[0], KEY)
        manager.connect()
        run_all()
