"""Locks, semaphores, conditions, events and barriers that processes share.

As multiprocessing.synchronize, and made in the same ways, but what dies does not take others with it: a lock whose
owner ended, in whatever way, is acquired by the next who waits (and its attribute `abandoned` says so); a condition
does not count who died waiting; a barrier breaks when one who waits in it dies. Times are in seconds; None is for ever.

All of them survive fork; as arguments of a process they go to one that is spawned, or comes from the fork server,
whatever context they were made by. A condition and a barrier have a file descriptor each. All others lie in shared
memory of the process's, hundreds to a descriptor.
"""

import os

from kith import _kith
from kith._stock import context, reduction as _reduction, synchronize as _stock
from kith._stock.synchronize import SEM_VALUE_MAX

__all__ = ['Lock', 'RLock', 'Semaphore', 'BoundedSemaphore', 'Condition', 'Event']


def __getattr__(name):
    # What kith leaves as it is.
    return getattr(_stock, name)


def _reduce_segment(segment):
    return _rebuild_segment, (_reduction.DupFd(segment.fd),)


def _rebuild_segment(descriptor):
    return _from_fd(descriptor, _kith.Segment.from_fd)


def _from_fd(descriptor, open_it):
    """What open_it makes of a descriptor that came with a DupFd, which is closed then."""
    fd = descriptor.detach()
    try:
        return open_it(fd)
    finally:
        os.close(fd)


_reduction.register(_kith.Segment, _reduce_segment)


class _InArena:
    """What lies in an arena: goes to a process that is being spawned, as the piece of the arena where it is."""

    name = None
    SEM_VALUE_MAX = SEM_VALUE_MAX

    def __getstate__(self):
        context.assert_spawning(self)
        return self._share()

    def __setstate__(self, state):
        self._attach(*state)

    def _make_methods(self):
        """Nothing to do: the methods are the class's own."""

    def _after_fork(self):
        """Nothing to do: what the parent acquired is known not to be this process's."""


@_kith.own_methods
class Lock(_InArena, _kith.Lock, _stock.Lock):
    """A lock that is not recursive, and that any thread of any process may release.

    Its owner is the process that acquired it. When that ends without releasing, another that waits for the lock gets
    it within a tenth of a second, and finds `abandoned` true: what the lock protects may be half done.
    """

    def __init__(self, *, ctx):
        self._create()


@_kith.own_methods
class RLock(_InArena, _kith.RLock, _stock.RLock):
    """A lock that the thread which owns it may acquire again, and must release as often.

    When that thread ends without releasing, another that waits gets it at once, and finds `abandoned` true.
    """

    def __init__(self, *, ctx):
        self._create()


@_kith.own_methods
class Semaphore(_InArena, _kith.Semaphore, _stock.Semaphore):
    """A number of units, which any thread of any process takes and gives back. Units have no owners: what a process
    had taken when it died is gone."""

    def __init__(self, value=1, *, ctx):
        self._create(value, SEM_VALUE_MAX)


@_kith.own_methods
class BoundedSemaphore(Semaphore, _stock.BoundedSemaphore):
    """A semaphore that never has more units than at the start: to release it then is a ValueError."""

    def __init__(self, value=1, *, ctx):
        self._create(value, value)

    __repr__ = _stock.BoundedSemaphore.__repr__


class _Count:
    """Stands for a semaphore of stock's Condition, for those who look at its value."""

    def __init__(self, get_value):
        self.get_value = self._get_value = get_value

    @property
    def _semlock(self):
        return self


@_kith.own_methods
class Condition(_kith.Condition, _stock.Condition):
    """A condition with a Lock or an RLock of kith's; without one given, with an RLock of its own.

    Who is notified has waited longest. One that dies waiting, or after it was notified, passes its turn on.
    """

    def __init__(self, lock=None, *, ctx):
        self._create(lock or ctx.RLock())
        self._make_methods()

    def wait_for(self, predicate, timeout=None):
        """Waits until predicate() is true, which is asked with the lock held, at once and whenever this is notified; at
        most timeout seconds. Returns what it returned last."""
        return super().wait_for(predicate, timeout)

    def __getstate__(self):
        context.assert_spawning(self)
        return self._lock, _reduction.DupFd(self._share_fd())

    def __setstate__(self, state):
        lock, descriptor = state
        _from_fd(descriptor, lambda fd: self._attach(lock, fd))
        self._make_methods()

    @property
    def _sleeping_count(self):
        return _Count(self._waiting)

    @property
    def _woken_count(self):
        return _Count(int)

    _wait_semaphore = _woken_count


@_kith.own_methods
class Event(_InArena, _kith.Event, _stock.Event):
    """An event: it is set or it is not, and threads of all processes wait until it is. Who waits when it is set goes
    on, also when it is cleared the next moment."""

    def __init__(self, *, ctx):
        self._create()


@_kith.own_methods
class Barrier(_kith.Barrier, _stock.Barrier):
    """A barrier: so many threads, of all processes, wait for each other; then it starts over.

    It breaks, so that all who wait get BrokenBarrierError, when one of them is out of time, when one of them dies, or
    when the action raises an exception. 1 to 4,096 parties.
    """

    def __init__(self, parties, action=None, timeout=None, *, ctx):
        self._timeout = timeout
        self._action = action
        self._create(parties, action)

    def __getstate__(self):
        context.assert_spawning(self)
        return self._action, self._timeout, _reduction.DupFd(self._share_fd())

    def __setstate__(self, state):
        self._action, self._timeout, descriptor = state
        _from_fd(descriptor, lambda fd: self._attach(fd, self._action))

    def wait(self, timeout=None):
        """Waits until all parties have come, at most timeout seconds (None: what the barrier was made with).
        Returns a number from 0 to parties - 1, another one to each; the last to come runs the action first."""
        return self._wait(self._timeout if timeout is None else timeout)
