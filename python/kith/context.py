"""Contexts: what a start method can make. They are the standard library's, and make kith's queues, locks and so on.

Which start method is the default is one fact, which the standard library's default context keeps: whoever sets it sets
it for multiprocessing and for kith.
"""

import os
import signal
import threading

from kith import _kith
from kith._stock import context as _stock

__all__ = ()


def __getattr__(name):
    # What kith leaves as it is: exceptions, the state of a child's start, the module that reduces objects.
    return getattr(_stock, name)


class BaseContext(_stock.BaseContext):
    """What all contexts can make."""

    def Manager(self):
        """Starts a server process; returns the manager by which to make objects there: lists, dicts, queues, locks."""
        from .managers import SyncManager
        manager = SyncManager(ctx=self.get_context())
        manager.start()
        return manager

    def Pipe(self, duplex=True):
        """Returns two connections to each other. duplex=False: the first only receives, the second only sends."""
        from .connection import Pipe
        return Pipe(duplex)

    def Lock(self):
        """Returns a lock, which any thread of any process may release."""
        from .synchronize import Lock
        return Lock(ctx=self.get_context())

    def RLock(self):
        """Returns a recursive lock: who owns it may acquire it again, and only the owner may release it."""
        from .synchronize import RLock
        return RLock(ctx=self.get_context())

    def Condition(self, lock=None):
        """Returns a condition variable on a lock, or on a new RLock."""
        from .synchronize import Condition
        return Condition(lock, ctx=self.get_context())

    def Semaphore(self, value=1):
        """Returns a semaphore that may be acquired `value` times."""
        from .synchronize import Semaphore
        return Semaphore(value, ctx=self.get_context())

    def BoundedSemaphore(self, value=1):
        """Returns a semaphore that can't be released more often than it was acquired."""
        from .synchronize import BoundedSemaphore
        return BoundedSemaphore(value, ctx=self.get_context())

    def Event(self):
        """Returns an event: it is set or it is not, and processes wait until it is."""
        from .synchronize import Event
        return Event(ctx=self.get_context())

    def Barrier(self, parties, action=None, timeout=None):
        """Returns a barrier, at which `parties` processes or threads wait for each other."""
        from .synchronize import Barrier
        return Barrier(parties, action, timeout, ctx=self.get_context())

    def Queue(self, maxsize=0, **options):
        """Returns a queue of at most maxsize items; 0: as many as memory has room for. The options: see kith.queues."""
        from .queues import Queue
        return Queue(maxsize, ctx=self.get_context(), **options)

    def JoinableQueue(self, maxsize=0, **options):
        """Returns a queue with task_done() and join(). The options: see kith.queues."""
        from .queues import JoinableQueue
        return JoinableQueue(maxsize, ctx=self.get_context(), **options)

    def SimpleQueue(self):
        """Returns a queue with put(), get() and empty() alone."""
        from .queues import SimpleQueue
        return SimpleQueue(ctx=self.get_context())

    def Pool(self, processes=None, initializer=None, initargs=(), maxtasksperchild=None, **options):
        """Returns a pool of worker processes. The options: see kith.pool."""
        from .pool import Pool
        return Pool(processes, initializer, initargs, maxtasksperchild, context=self.get_context(), **options)

    def RawValue(self, typecode_or_type, *args):
        """Returns a ctypes object in shared memory, without a lock."""
        from .sharedctypes import RawValue
        return RawValue(typecode_or_type, *args)

    def RawArray(self, typecode_or_type, size_or_initializer):
        """Returns a ctypes array in shared memory, without a lock."""
        from .sharedctypes import RawArray
        return RawArray(typecode_or_type, size_or_initializer)

    def Value(self, typecode_or_type, *args, lock=True):
        """Returns a ctypes object in shared memory with a lock: True, a new RLock; False, none; or the one given."""
        from .sharedctypes import Value
        return Value(typecode_or_type, *args, lock=lock, ctx=self.get_context())

    def Array(self, typecode_or_type, size_or_initializer, *, lock=True):
        """Returns a ctypes array in shared memory with a lock: True, a new RLock; False, none; or the one given."""
        from .sharedctypes import Array
        return Array(typecode_or_type, size_or_initializer, lock=lock, ctx=self.get_context())

    def get_context(self, method=None):
        """Returns the context of a start method, "fork", "spawn" or "forkserver"; None: this one, or the default."""
        if method not in _concrete_contexts:  # to which libraries add contexts of their own
            return super().get_context(method)  # raises when there is none
        context = _concrete_contexts[method]
        context._check_available()
        return context


class _EndsWithItsParent:
    """A process that is killed, if it is a daemon, when the process that started it ends, in whatever way.

    Where that one ends in good order, it has ended its daemons before. Where it is killed, nobody else would.
    """

    def start(self):
        """Starts the process. The exceptions are the standard library's."""
        self._from_first_thread = threading.get_native_id() == os.getpid()
        super().start()

    def _bootstrap(self, parent_sentinel=None):
        if self.daemon:
            try:
                # The forkserver's children have another parent than the process that started them.
                _kith.end_with(self._parent_pid, self._from_first_thread and os.getppid() == self._parent_pid,
                               signal.SIGKILL)
            except ProcessLookupError:
                os.kill(os.getpid(), signal.SIGKILL)
        return super()._bootstrap(parent_sentinel)


class Process(_EndsWithItsParent, _stock.Process):
    """A process, which the default start method starts."""


class ForkProcess(_EndsWithItsParent, _stock.ForkProcess):
    """A process that fork starts."""


class SpawnProcess(_EndsWithItsParent, _stock.SpawnProcess):
    """A process that begins with a new interpreter."""


class ForkServerProcess(_EndsWithItsParent, _stock.ForkServerProcess):
    """A process that the forkserver starts."""


class ForkContext(BaseContext, _stock.ForkContext):
    """The context of the start method "fork"."""
    Process = ForkProcess


class SpawnContext(BaseContext, _stock.SpawnContext):
    """The context of the start method "spawn"."""
    Process = SpawnProcess


class ForkServerContext(BaseContext, _stock.ForkServerContext):
    """The context of the start method "forkserver"."""
    Process = ForkServerProcess


def _ours(context):
    """The context of kith's for one of the standard library's; one that neither knows remains what it is."""
    return _concrete_contexts.get(getattr(context, "_name", None), context)


def _stocks(context):
    return _stock._concrete_contexts.get(getattr(context, "_name", None), context)


class DefaultContext(BaseContext, _stock.DefaultContext):
    """The context whose start method is the default. It is the standard library's that knows which that is."""
    Process = Process

    def __init__(self):
        pass  # there is no state to begin with

    @property
    def _default_context(self):
        return _ours(_stock._default_context._default_context)

    @_default_context.setter
    def _default_context(self, context):
        _stock._default_context._default_context = _stocks(context)

    @property
    def _actual_context(self):
        return _ours(_stock._default_context._actual_context)

    @_actual_context.setter
    def _actual_context(self, context):
        _stock._default_context._actual_context = _stocks(context)


_concrete_contexts = {context._name: context for context in (ForkContext(), SpawnContext(), ForkServerContext())}
_default_context = DefaultContext()
