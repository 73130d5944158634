"""Pools of worker processes.

A pool is the standard library's by its names, and more than it:

- A worker that dies, however, is replaced, and the task it was at raises WorkerLostError where its result is asked for;
  everything else completes. With retries=N such a task is begun again, up to N times.
- timeout=SECONDS, of a call or of the pool: a task that takes longer is ended with its worker, which is replaced, and
  raises TaskTimeoutError, or is begun again. Of map and imap, each item has that time.
- progress=True shows a line on stderr how far a map or imap is; progress=function has function(done, total) called,
  total None where it is not known. In a thread of the pool: be quick there.
- What is asked for by get() of a pool that was terminated raises PoolTerminatedError, and does not wait for ever.
- An initializer that fails ten times in a row breaks the pool with its exception.
"""

import abc
import itertools
import os
import signal
import sys
import threading
import time

from builtins import TimeoutError as _TimeoutError
from kith import _crew, _kith, _worker
from kith._crew import TERMINATE, Feed
from kith._stock import pool as _stock
from kith._stock.pool import (  # noqa: F401  the names that module has
    CLOSE, INIT, RUN, ExceptionWithTraceback, MaybeEncodingError, RemoteTraceback, ThreadPool, job_counter, mapstar,
    rebuild_exc, starmapstar, worker)
from multiprocessing import TimeoutError, get_context, util

__all__ = ["Pool", "ThreadPool"]


# ---- errors ----


class WorkerLostError(RuntimeError):
    """A task's worker died, and the task with it.

    Attributes:
        task: which one of its call, from 0
        pid: of the worker
        exitcode: of the worker; a negative number is the signal that killed it
        attempts: how often the task was begun
    """

    def __init__(self, message, task=0, pid=None, exitcode=None, attempts=1):
        super().__init__(message)
        self.task, self.pid, self.exitcode, self.attempts = task, pid, exitcode, attempts


class TaskTimeoutError(TimeoutError, _TimeoutError):
    """A task took longer than its timeout, and was ended with its worker. It is a TimeoutError, multiprocessing's and
    Python's. Attributes: task, pid and attempts, as of WorkerLostError."""

    def __init__(self, message, task=0, pid=None, attempts=1):
        super().__init__(message)
        self.task, self.pid, self.attempts = task, pid, attempts


class PoolTerminatedError(RuntimeError):
    """The pool was terminated before the task had ended."""


class _Errors:
    """What becomes of tasks, in words."""

    @staticmethod
    def lost(result, task, pid, exitcode, attempts, where="in"):
        name = "%s task %d of %s" % (where, task, result._name) if result is not None else where
        if exitcode is None:
            return WorkerLostError("a worker died %s, %d times in a row" % (name, _crew.FALSE_STARTS))
        return WorkerLostError("worker %d %s %s%s" % (pid, _how(exitcode), name, _again(attempts)), task, pid, exitcode,
                               attempts)

    @staticmethod
    def late(result, task, pid, exitcode, attempts):
        return TaskTimeoutError("task %d of %s took longer than %g s%s" % (task, result._name, result._timeout,
                                                                          _again(attempts)), task, pid, attempts)

    @staticmethod
    def terminated():
        return PoolTerminatedError("the pool was terminated before this task had ended")


def _how(exitcode):
    if exitcode >= 0:
        return "exited with code %d" % exitcode
    try:
        return "was killed by %s" % signal.Signals(-exitcode).name
    except ValueError:
        return "was killed by signal %d" % -exitcode


def _again(attempts):
    return "" if attempts == 1 else ", %d times" % attempts


# ---- results ----


class _Progress:
    """Tells how far a call is: at its beginning, 20 times a second at most, and at its end."""

    def __init__(self, tell, total):
        self.tell = _line(tell) if tell is True or isinstance(tell, str) else tell
        self.done, self.total, self.next = 0, total, 0.0
        self.add(0)

    def add(self, count, last=False):
        self.done += count
        now = time.monotonic()
        if last or now >= self.next:
            self.next = now + 0.05
            try:
                self.tell(self.done, self.total)
            except (Exception, SystemExit):
                _crew.complain()


def _line(label):
    """A function that shows how far a call is, in a line on stderr."""
    line = _kith.ProgressLine("" if label is True else label, _stderr())
    return lambda done, total: line.show(done, total or 0)


def _stderr():
    try:
        sys.stderr.flush()
        return sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):
        return 2


class _Options:
    """What a call says of its tasks beyond what the standard library's results know."""

    def _set_options(self, name, timeout, retries, progress=None, chunksize=1, total=None):
        self._name, self._timeout, self._retries = name, timeout, retries
        self._chunk = chunksize
        self._progress = _Progress(progress, total) if progress else None

    def _tell(self, i, last):
        total = self._progress.total
        count = self._chunk if total is None else max(min(self._chunk, total - i * self._chunk), 0)
        self._progress.add(count, last)


class ApplyResult(_Options, _stock.ApplyResult):
    """What becomes of a task: see multiprocessing.pool.AsyncResult."""

    # Most results are there when they are asked for: so the event is made by who has to wait. No lock is between who
    # waits and who brings it, for a process forked meanwhile would have it closed for ever: the one makes the event and
    # then looks whether it is ready, the other says that it is and then looks for the event.
    _waited_for = None
    _is_ready = False

    def __init__(self, pool, callback, error_callback):
        self._pool = pool
        self._job = next(job_counter)
        self._cache = pool._cache
        self._callback, self._error_callback = callback, error_callback
        self._cache[self._job] = self

    @property
    def _event(self):
        event = self.__dict__.setdefault("_waited_for", threading.Event())
        if self._is_ready:
            event.set()
        return event

    def ready(self):
        """Whether it is there."""
        return self._is_ready

    def wait(self, timeout=None):
        """Waits until it is there, or so many seconds."""
        if not self._is_ready:
            self._event.wait(timeout)

    def _set(self, i, obj):
        self._success, self._value = obj
        self._finish()

    def _finish(self):
        callback = self._callback if self._success else self._error_callback
        if callback:
            try:
                callback(self._value)
            except (Exception, SystemExit):
                _crew.complain()
        del self._cache[self._job]
        self._is_ready = True
        if self._waited_for is not None:
            self._waited_for.set()
        self._pool = None

    def _fail(self, error):
        """Ends it without telling callbacks, unless it has ended."""
        if self._is_ready:
            return
        self._callback = self._error_callback = None
        self._success, self._value = False, error
        self._finish()

    def _end_of_tasks(self, count, error):
        """All its tasks are handed out: so many."""


AsyncResult = ApplyResult


class MapResult(ApplyResult, _stock.MapResult):
    """What becomes of a map. When it is there, get() gives the list of results, or raises what the first task raised
    that failed."""

    def __init__(self, pool, chunksize, length, callback, error_callback):
        super().__init__(pool, callback, error_callback)
        self._success = True
        self._value = [None] * length
        self._chunksize = chunksize
        self._number_left = -(-length // chunksize) if chunksize > 0 else 0
        if chunksize <= 0:  # there is nothing to wait for, and nobody is told
            self._is_ready = True
            del self._cache[self._job]

    def _set(self, i, obj):
        self._number_left -= 1
        success, value = obj
        if not success:
            if self._success:  # the first exception is kept
                self._success, self._value = False, value
        elif self._success:
            if self._chunksize == 1:
                self._value[i] = value
            else:
                self._value[i * self._chunksize:(i + 1) * self._chunksize] = value
        if self._progress:
            self._tell(i, self._number_left == 0)
        if self._number_left == 0:
            self._finish()

    def _end_of_tasks(self, count, error):
        missing = -(-len(self._value) // self._chunksize) - count if self._success else self._number_left
        if error is None and missing > 0:
            error = ValueError("the iterable has fewer items than its len() said")
        for i in range(count, count + missing):
            self._set(i, (False, error))


class _Walk(_Options):
    """What an imap of either kind has."""

    def _set(self, i, obj):
        super()._set(i, obj)
        if self._progress:
            self._tell(i, self._job not in self._cache)

    def _fail(self, error):
        with self._cond:
            if self._job not in self._cache:
                return
            del self._cache[self._job]
            self._items.append((False, error))
            self._index += 1
            self._length = self._index
            self._pool = None
            self._cond.notify_all()

    def _end_of_tasks(self, count, error):
        if error is not None:
            self._set(count, (False, error))
            count += 1
        self._set_length(count)
        if self._progress and self._job not in self._cache:  # the last result came before it was known for that
            self._progress.add(0, True)


class IMapIterator(_Walk, _stock.IMapIterator):
    """The results of an imap, in the order of its items."""


class IMapUnorderedIterator(_Walk, _stock.IMapUnorderedIterator):
    """The results of an imap_unordered, as they come."""


# ---- the pool ----


class Pool(_stock.Pool, metaclass=abc.ABCMeta):
    """A pool of worker processes: see the module, and multiprocessing.pool.Pool.

    Args:
        processes: how many workers; None: as many as this process has CPUs
        initializer, initargs: initializer(*initargs) is called by each worker before its first task
        maxtasksperchild: a worker that has done so many tasks is replaced; None: never
        context: the start method
        retries: how often a task that was lost or took too long is begun again, where the call does not say
        timeout: how long a task may take, in seconds, where the call does not say; None: for ever
    """

    terminate_grace = 5.0  # seconds after which terminate() kills workers that do not heed SIGTERM

    def __init__(self, processes=None, initializer=None, initargs=(), maxtasksperchild=None, context=None, *, retries=0,
                 timeout=None):
        self._pool = []  # these two are there whatever fails
        self._state = INIT
        self._ctx = context or get_context()
        self._maxtasksperchild = maxtasksperchild
        self._initializer, self._initargs = initializer, initargs
        if processes is None:
            processes = getattr(os, "process_cpu_count", os.cpu_count)() or 1
        if processes < 1:
            raise ValueError("Number of processes must be at least 1")
        if maxtasksperchild is not None and (not isinstance(maxtasksperchild, int) or maxtasksperchild <= 0):
            raise ValueError("maxtasksperchild must be a positive int or None")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        self._retries, self._timeout = _checked(retries, timeout)
        self._processes = processes
        self._last_function = None, None
        self._crew = crew = _crew.Crew(self._ctx, self.Process, processes, initializer, initargs, maxtasksperchild,
                                       self._wrap_exception, _Errors)
        self._pool, self._cache, self._taskqueue = crew.workers, crew.cache, crew.feeds
        self._change_notifier = crew.bell
        self._worker_handler, self._task_handler, self._result_handler = crew.begin()
        self._terminate = util.Finalize(self, crew.terminate, args=(self.terminate_grace,), exitpriority=15)
        self._state = RUN

    def _repopulate_pool(self):
        self._crew.hire()

    def _check_running(self):
        super()._check_running()
        if self._crew.pid != os.getpid():
            raise ValueError("Pool not running in this process, but in the one that this was forked from")
        if self._crew.broken is not None:
            raise self._crew.broken

    def _function(self, function):
        """What stands for a function in tasks; the last one is kept."""
        last, pickle = self._last_function
        if function is last:
            return pickle
        found = _crew.reference(function)
        self._last_function = (function, found) if type(found) is bytes else (None, None)
        return found

    def _options(self, timeout, retries):
        timeout, retries = _checked(self._retries if retries is None else retries,
                                    self._timeout if timeout is None else timeout)[::-1]
        return timeout, retries

    def apply(self, func, args=(), kwds={}, *, timeout=None, retries=None):
        """Returns func(*args, **kwds), called by a worker; raises what that raises."""
        return self.apply_async(func, args, kwds, timeout=timeout, retries=retries).get()

    def apply_async(self, func, args=(), kwds={}, callback=None, error_callback=None, *, timeout=None, retries=None):
        """Has a worker call func(*args, **kwds). Returns an AsyncResult.

        Args:
            callback, error_callback: called with what func returned, or raised, in a thread of the pool: be quick there
            timeout: seconds that it may take; None: as the pool says
            retries: how often it is begun again when it is lost or takes too long; None: as the pool says
        """
        self._check_running()
        timeout, retries = self._options(timeout, retries)
        function = self._function(func)
        result = ApplyResult(self, callback, error_callback)
        result._set_options(_name(func), timeout, retries)
        self._hand_in(result, self._crew.submit_one, result, _worker.CALL, function, (args, kwds))
        return result

    def _hand_in(self, result, submit, *tasks):
        """Has the crew take a result's tasks.

        A signal's handler may raise in the middle: then nobody has the result, but who closes the pool would wait for
        it. And a pool that breaks, or is terminated by another thread, in the middle may not have seen it.
        """
        try:
            submit(*tasks)
        except BaseException as error:
            result._fail(error)
            raise
        if self._crew.broken is not None:
            result._fail(self._crew.broken)

    def map(self, func, iterable, chunksize=None, *, timeout=None, retries=None, progress=None):
        """Returns [func(item) for item in iterable], called by the workers. Raises what the first call raises that
        fails, after all have ended.

        Args:
            chunksize: how many items are handed to a worker at a time; None: a quarter of each worker's part
            timeout: seconds that each item may take; None: as the pool says
            retries: how often a chunk that is lost or takes too long is begun again; None: as the pool says
            progress: True, or a label: a line on stderr; a function: progress(done, total)
        """
        return self._start_map(func, iterable, False, chunksize, None, None, timeout, retries, progress).get()

    def starmap(self, func, iterable, chunksize=None, *, timeout=None, retries=None, progress=None):
        """Returns [func(*item) for item in iterable]; else as map()."""
        return self._start_map(func, iterable, True, chunksize, None, None, timeout, retries, progress).get()

    def map_async(self, func, iterable, chunksize=None, callback=None, error_callback=None, *, timeout=None,
                  retries=None, progress=None):
        """As map(), but returns a MapResult at once. For the callbacks see apply_async()."""
        return self._start_map(func, iterable, False, chunksize, callback, error_callback, timeout, retries, progress)

    def starmap_async(self, func, iterable, chunksize=None, callback=None, error_callback=None, *, timeout=None,
                      retries=None, progress=None):
        """As starmap(), but returns a MapResult at once. For the callbacks see apply_async()."""
        return self._start_map(func, iterable, True, chunksize, callback, error_callback, timeout, retries, progress)

    def _map_async(self, func, iterable, mapper, chunksize=None, callback=None, error_callback=None):
        """What classes derived from the standard library's pool call."""
        return self._start_map(func, iterable, mapper is starmapstar, chunksize, callback, error_callback)

    def _start_map(self, func, iterable, star, chunksize, callback, error_callback, timeout=None, retries=None,
                   progress=None):
        self._check_running()
        timeout, retries = self._options(timeout, retries)
        if not hasattr(iterable, "__len__"):
            iterable = list(iterable)
        length = len(iterable)
        if chunksize is None:
            chunksize = -(-length // (self._processes * 4))
        if length == 0:
            chunksize = 0
        function = self._function(func)
        result = MapResult(self, chunksize, length, callback, error_callback)
        result._set_options(_name(func), timeout, retries, progress, chunksize, length)
        if chunksize > 0:
            self._submit(result, function, iterable, star, chunksize)
        return result

    def _submit(self, result, function, iterable, star, chunksize):
        prompt = type(iterable) in _crew.PROMPT
        if chunksize == 1:
            mark, arguments = (_worker.ONE_STAR if star else _worker.ONE), iterable
        else:
            mark, arguments = (_worker.MANY_STAR if star else _worker.MANY), _chunks(iterable, chunksize)
            if result._timeout is not None:
                mark |= _worker.TIMED
        self._hand_in(result, self._crew.submit, Feed(result, mark, function, arguments, prompt))

    def imap(self, func, iterable, chunksize=1, *, timeout=None, retries=None, progress=None):
        """Returns an iterator over func(item) for each item, in their order: a result is given, or its exception
        raised, as soon as it is there. The arguments are those of map(). The iterable is walked through in a thread of
        the pool, ahead of the workers, but not far."""
        return self._start_walk(IMapIterator, func, iterable, chunksize, timeout, retries, progress)

    def imap_unordered(self, func, iterable, chunksize=1, *, timeout=None, retries=None, progress=None):
        """As imap(), but gives results in the order in which they come."""
        return self._start_walk(IMapUnorderedIterator, func, iterable, chunksize, timeout, retries, progress)

    def _start_walk(self, kind, func, iterable, chunksize, timeout, retries, progress):
        self._check_running()
        timeout, retries = self._options(timeout, retries)
        if chunksize < 1:
            raise ValueError("Chunksize must be 1+, not {0!r}".format(chunksize))
        function = self._function(func)
        result = kind(self)
        total = len(iterable) if hasattr(iterable, "__len__") else None
        result._set_options(_name(func), timeout, retries, progress, chunksize, total)
        self._submit(result, function, iterable, False, chunksize)
        return result if chunksize == 1 else (item for chunk in result for item in chunk)

    def close(self):
        """No more tasks; when those that were handed in have ended, the workers end."""
        util.debug("closing pool")
        if self._state == RUN:
            self._state = CLOSE
            self._crew.close()

    def terminate(self):
        """Ends the workers at once, with SIGTERM; those that do not heed it within terminate_grace seconds, with
        SIGKILL."""
        util.debug("terminating pool")
        self._state = TERMINATE
        self._terminate()

    def join(self):
        """Waits until a pool that was closed or terminated has ended."""
        util.debug("joining pool")
        if self._state == RUN:
            raise ValueError("Pool is still running")
        if self._state not in (CLOSE, TERMINATE):
            raise ValueError("In unknown state")
        self._crew.join()
        for worker in self._pool:
            worker.join()


Pool.register(ThreadPool)  # isinstance() says so of the standard library's Pool, too


def _checked(retries, timeout):
    if not isinstance(retries, int) or retries < 0:
        raise ValueError("retries must be an int, 0 or more, not %r" % (retries,))
    if timeout is not None and not timeout > 0:
        raise ValueError("timeout must be more than 0 seconds, or None, not %r" % (timeout,))
    return retries, timeout


def _name(function):
    return getattr(function, "__qualname__", None) or repr(function)


def _chunks(iterable, size):
    items = iter(iterable)
    while True:
        chunk = tuple(itertools.islice(items, size))
        if not chunk:
            return
        yield chunk
