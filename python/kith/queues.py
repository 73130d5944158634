"""Queues between processes, in shared memory.

Queue, JoinableQueue and SimpleQueue are used as multiprocessing's. There is no feeder thread: when put returns, the
object is in shared memory. So it outlives who put it, join_thread has nothing to wait for, and what can't be pickled is
told to who puts it. A process that is killed, at whatever instant, wedges nobody and corrupts nothing; it loses at most
what it was just getting, or, with redeliver=True, nothing at all.

A message is a pickle, which a C program reads by kith/codec.h.
"""

import asyncio
import concurrent.futures
import contextlib
import functools
import os
import weakref
from queue import Empty, Full

from kith import _kith
from kith._kith import ShutDown  # noqa: F401
from kith._stock import context, queues as _stock, reduction
from kith._stock.synchronize import SEM_VALUE_MAX

__all__ = ["Queue", "SimpleQueue", "JoinableQueue"]


def __getattr__(name):
    return getattr(_stock, name)


class _End:
    """An end of a queue, as concurrent.futures, connection.wait and others use it: see Connection.

    close() says that nothing more will go through this end. The queue goes on: see Queue.close."""

    def __init__(self, queue):
        self._queue = queue
        self._closed = False

    @property
    def closed(self):
        return self._closed or self._queue._closed

    def close(self):
        self._closed = True


class _Reader(_End):

    def fileno(self):
        """A descriptor that is readable while the queue is not empty."""
        return self._queue._fileno()

    def poll(self, timeout=0.0):
        """Whether there is an object to get; waits for one at most timeout seconds, for ever with None."""
        return self._queue._poll(timeout)

    def recv(self):
        """Waits for an object, and gets it."""
        return self._queue.get()

    def recv_bytes(self):
        """Waits for a message, and gets it as bytes: a pickle, beside which buffers may be."""
        return self._queue.get_bytes()


class _Writer(_End):

    def send(self, obj):
        """Puts an object."""
        self._queue.put(obj)

    def send_bytes(self, data):
        """Puts a message, which is a pickle."""
        self._queue.put_bytes(data)


class _Base:
    """What all queues have: two ends, and how they are handed to a child.

    A subclass that replaces stock's way of messages by its own, as loky's do, means stock's: it `is_fed`, and has all
    from there."""

    _is_fed = False
    _stock = None  # the standard library's class

    def __init_subclass__(cls, **keywords):
        super().__init_subclass__(**keywords)
        if cls.__module__ != __name__ and not cls._is_fed and cls._brings_its_own(cls.__dict__):
            cls._is_fed = True
            cls._closed = False  # not the extension's, which can't be set
            for base in cls._stock.__mro__[:-1]:
                for name in set(base.__dict__) - set(cls.__dict__) - {"__dict__", "__weakref__"}:
                    setattr(cls, name, base.__dict__[name])

    @functools.cached_property
    def _reader(self):
        return _Reader(self)

    @functools.cached_property
    def _writer(self):
        return _Writer(self)

    def _make_pipe(self):
        """Of one that is fed: a pipe of the type that libraries know how to pickle, which may be kith's."""
        from multiprocessing import connection
        self._reader, self._writer = connection.Pipe(duplex=False)

    def _handed(self):
        context.assert_spawning(self)
        return reduction.DupFd(self._share_fd())

    def _taken(self, handed):
        descriptor = handed.detach()
        try:
            self._attach(descriptor)
        finally:
            os.close(descriptor)


# Of each event loop: who waits for which descriptor.
_waiting = weakref.WeakKeyDictionary()


def _wake(futures):
    for future in futures:
        if not future.done():
            future.set_result(None)
            return


async def _readable(queue):
    """Waits until there may be something to get."""
    loop = asyncio.get_running_loop()
    descriptor = queue._fileno()
    all_futures = _waiting.setdefault(loop, {})
    futures = all_futures.setdefault(descriptor, [])
    future = loop.create_future()
    futures.append(future)
    if len(futures) == 1:
        loop.add_reader(descriptor, _wake, futures)
    try:
        await future
    finally:
        futures.remove(future)
        if not futures:
            del all_futures[descriptor]
            loop.remove_reader(descriptor)


class Queue(_Base, _kith.Queue, _stock.Queue):
    """A first-in first-out queue between processes.

    maxsize         the most objects in it; 0 or less: no bound
    ctx             a context, as kith.get_context() makes it
    max_bytes       the most bytes in it, at 8 more than each message has; 0: no bound
    redeliver       what was got counts as in the queue until task_done() is said, by the thread that got it; if that
                    ends before, another gets it
    max_deliveries  with redeliver: what was delivered so often and never done is dropped; 0: never. At most 200
    name            one of at most 200 characters, by which other programs of the same user open the queue. It is made
                    when it is not there, and stays until unlink(); then the bounds given here are not used

    OSError when there is no memory or no file descriptor left.
    """

    _stock = _stock.Queue
    _has_error_hook = False
    _watching = None  # an event loop, the executor that waits for room for it, and a lock for those who wait

    def __init_subclass__(cls, **keywords):
        super().__init_subclass__(**keywords)
        if cls._on_queue_feeder_error is not _stock.Queue._on_queue_feeder_error:
            cls._has_error_hook = True  # it is told of what can't be pickled

    @staticmethod
    def _brings_its_own(names):
        return "_feed" in names or "_start_thread" in names

    def __init__(self, maxsize=0, *, ctx, max_bytes=0, redeliver=False, max_deliveries=0, name=None):
        if self._is_fed:
            self._stock.__init__(self, maxsize, ctx=ctx)
            self._make_pipe()
            self._reset()
            return
        self._maxsize = maxsize if maxsize > 0 else SEM_VALUE_MAX
        self._name = name
        self._ignore_epipe = False
        self._create(maxsize, max_bytes, redeliver, max_deliveries, name)

    def __getstate__(self):
        if self._is_fed:
            return self._stock.__getstate__(self)
        return self._ignore_epipe, self._maxsize, self._name, self._handed()

    def __setstate__(self, state):
        if self._is_fed:
            self._stock.__setstate__(self, state)
            return
        self._ignore_epipe, self._maxsize, self._name, handed = state
        self._taken(handed)

    @property
    def name(self):
        """The name by which other programs open the queue; None when it has none."""
        return getattr(self, "_name", None)

    def unlink(self):
        """Takes the queue's name away. Those who have it open keep it. FileNotFoundError when it has none any more."""
        if self._name is None:
            raise ValueError("the queue has no name")
        _kith.unlink_queue(self._name)

    def join_thread(self):
        """For programs written for multiprocessing: there is no thread, and nothing to wait for."""
        assert self._closed, "Queue {0!r} not closed".format(self)

    def cancel_join_thread(self):
        """For programs written for multiprocessing: what was put is in shared memory already."""

    # ---- asyncio ----

    async def aget(self):
        """Gets an object, without holding up the event loop. When it is cancelled, nothing was got."""
        while True:
            try:
                return self.get_nowait()
            except Empty:
                await _readable(self)

    async def aput(self, obj):
        """Puts an object, without holding up the event loop. When it is cancelled, nothing was put.

        While the queue is full, a thread waits for room. Who waits in an event loop puts in the order of the calls."""
        if not (self._watching and self._watching[2].locked()):
            with contextlib.suppress(Full):
                return self.put_nowait(obj)
        message = _kith.dumps(obj, True)  # once, and not each time that it looks
        loop = asyncio.get_running_loop()
        executor, turns = self._watchers(loop)
        async with turns:
            while True:
                # That puts nothing, so it may be left alone when this is cancelled. The program's end waits for it.
                if await loop.run_in_executor(executor, self._wait_for_room, len(message), 0.1):
                    with contextlib.suppress(Full):
                        return self.put_bytes(message, False)

    def _watchers(self, loop):
        """An executor with a thread for this queue alone, as those of the loop's own may all be waiting for others; and
        a lock, which is whose turn it is to wait."""
        if self._watching is None or self._watching[0] is not loop:  # it is not the parent's either
            self._watching = loop, concurrent.futures.ThreadPoolExecutor(1, "kith-room"), asyncio.Lock()
        return self._watching[1:]


class JoinableQueue(Queue, _stock.JoinableQueue):
    """A Queue, of which multiprocessing promises that it has task_done() and join(); here each has."""

    _stock = _stock.JoinableQueue


class SimpleQueue(_Base, _kith.SimpleQueue, _stock.SimpleQueue):
    """A queue without bounds, with the least that a queue must have."""

    _stock = _stock.SimpleQueue
    _rlock = contextlib.nullcontext()
    _wlock = None  # as where none is needed

    @staticmethod
    def _brings_its_own(names):
        return "put" in names and "__setstate__" in names

    def __init__(self, *, ctx):
        if self._is_fed:
            self._stock.__init__(self, ctx=ctx)
            self._make_pipe()
            self._poll = self._reader.poll
        else:
            self._create(0, 0, False, 0, None)

    def __getstate__(self):
        return self._stock.__getstate__(self) if self._is_fed else self._handed()

    def __setstate__(self, state):
        if self._is_fed:
            self._stock.__setstate__(self, state)
        else:
            self._taken(state)
