"""Memory of Value, Array and the like: blocks of shared segments that belong to nobody's file system.

As multiprocessing.heap, with one difference. Stock's heap hands out room again that was given back, though children
may still read and write it. This one does so only if the process has started no child since the room was handed out:
no fork, and no process that was sent the segment. A segment goes with the last block in it.
"""

import mmap  # noqa: F401  (and others that only stock's functions use, which run here)
import os
import sys  # noqa: F401
import types

from kith import _kith
from kith._stock import heap as _stock, reduction as _reduction, util  # noqa: F401

__all__ = ['BufferWrapper']


def __getattr__(name):
    # What kith leaves as it is.
    return getattr(_stock, name)


def _rebound(function, namespace):
    """One of the standard library's functions, as if it were written in another module: it finds there what it uses."""
    bound = types.FunctionType(function.__code__, namespace, function.__name__, function.__defaults__)
    bound.__kwdefaults__ = function.__kwdefaults__
    bound.__doc__ = function.__doc__
    return bound


class Arena(_stock.Arena):
    """A shared segment of so many bytes; or the one that a descriptor stands for, which becomes the arena's."""

    def __init__(self, size, fd=-1):
        self.size = size
        if fd == -1:
            self.buffer = _kith.Segment(size)
        else:
            self.buffer = _kith.Segment.from_fd(fd)
            os.close(fd)
        self.fd = self.buffer.fd
        self.sent = 0  # how often other processes have got its descriptor
        self.has_holes = False  # some of its room is never used again


def reduce_arena(arena):
    """What an arena's pickle is, for a process that is handed its descriptor."""
    arena.sent += 1
    return rebuild_arena, (arena.size, _reduction.DupFd(arena.fd))


def rebuild_arena(size, descriptor):
    """The arena that came as a reduction.DupFd."""
    return Arena(size, descriptor.detach())


_reduction.register(Arena, reduce_arena)


class Heap(_stock.Heap):
    """Blocks of arenas: malloc gives (arena, start, stop), free takes it back."""

    def __init__(self, *args):
        super().__init__(*args)
        self._ages = {}  # of the blocks that are handed out

    _new_arena = _rebound(_stock.Heap._new_arena, globals())

    @staticmethod
    def _age(arena):
        """Changes when there may be another process that knows what has been handed out of the arena."""
        return _kith.forks(), arena.sent

    def malloc(self, size):
        """Returns a block of at least so many bytes: (arena, start, stop). OSError when there is no memory."""
        block = super().malloc(size)
        self._ages[block] = self._age(block[0])
        return block

    def _add_free_block(self, block):
        arena = block[0]
        if self._ages.pop(block, self._age(arena)) == self._age(arena):
            super()._add_free_block(block)
        else:
            arena.has_holes = True

    def _discard_arena(self, arena):
        if not arena.has_holes:
            super()._discard_arena(arena)
            return
        del self._allocated_blocks[arena]
        self._arenas.remove(arena)
        for block in [block for block in self._start_to_block.values() if block[0] is arena]:
            self._absorb(block)


class BufferWrapper(_stock.BufferWrapper):
    """A block of the heap, for as long as it lives; create_memoryview gives its bytes. Goes to children."""

    _heap = Heap()

    __init__ = _rebound(_stock.BufferWrapper.__init__, globals())
