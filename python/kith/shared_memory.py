"""Shared memory that has a name, and lists in it: as multiprocessing.shared_memory, without its surprises.

- Who attaches to shared memory that another made does not destroy it by ending: only what a program made is registered
  with its resource tracker, which removes it when the program is killed.
- Shared memory appears under its name as a whole, and has real memory from the beginning: when there is not enough,
  that is an OSError (ENOSPC) or a MemoryError then, and no SIGBUS later.

Names, modes and contents are stock's: programs of both kinds attach to what the other made.
"""

import mmap
import os
import struct  # noqa: F401  (stock's functions use it, which run here)
import types

from kith import _kith
from kith._stock import resource_tracker, shared_memory as _stock
from kith._stock.shared_memory import _O_CREX, _encoding, _make_filename, _posixshmem  # noqa: F401
from kith.heap import _rebound

__all__ = ['SharedMemory', 'ShareableList']


def __getattr__(name):
    # What kith leaves as it is.
    return getattr(_stock, name)


def _forget(name):
    """Has this process's tracker, if there is one, forget a name, which it may know from this process or a relative."""
    if resource_tracker._resource_tracker._fd is not None:
        resource_tracker.register(name, 'shared_memory')  # or it would complain that it does not know it
        resource_tracker.unregister(name, 'shared_memory')


class SharedMemory(_stock.SharedMemory):
    """So many bytes of shared memory, under a name.

    name    a new or existing one; None with create: one is made up
    create  makes it, all zero: FileExistsError when the name is taken. Otherwise it must be there (FileNotFoundError)
    size    in bytes, of a new one. What exists is as long as it is
    track   a new one is removed when this process, and all children that it started, have ended without unlink

    It stays until unlink, whoever dies. Processes attach by name, or by being sent the object.
    """

    _track = True

    def __init__(self, name=None, create=False, size=0, *, track=True):
        if not size >= 0:
            raise ValueError("'size' must be a positive integer")
        if create:
            self._flags = _O_CREX | os.O_RDWR
            if size == 0:
                raise ValueError("'size' must be a positive number different from zero")
        if name is None and not self._flags & os.O_EXCL:
            raise ValueError("'name' can only be None if create=True")
        self._track = track and create
        made = self._make(name, size) if create else None
        try:
            self._fd = os.dup(made.fd) if create else self._find(name)
            self._size = os.fstat(self._fd).st_size
            self._mmap = mmap.mmap(self._fd, self._size)
        except (OSError, ValueError):
            if create:
                self.unlink()
            self.close()
            raise
        self._buf = memoryview(self._mmap)

    def _full_name(self, name):
        return '/' + name if self._prepend_leading_slash else name

    def _find(self, name):
        """Returns a descriptor of what exists."""
        self._name = self._full_name(name)
        return _posixshmem.shm_open(self._name, self._flags, mode=self._mode)

    def _make(self, name, size):
        """Makes it, and has it tracked if it is to be. Returns the segment, whose name is ours."""
        while True:
            full_name = _make_filename() if name is None else self._full_name(name)
            try:
                segment = _kith.create_shared_memory(full_name, size)
                break
            except FileExistsError:
                if name is not None:
                    raise
        self._name = full_name
        if self._track:
            resource_tracker.register(full_name, 'shared_memory')
        return segment

    def unlink(self):
        """Takes the name away, once for all: who has the memory keeps it, nobody finds it any more."""
        if self._name:
            _posixshmem.shm_unlink(self._name)
            _forget(self._name)


class ShareableList(_stock.ShareableList):
    """A list of None, bool, int, float, str and bytes in shared memory: its items change, its length does not."""

    __init__ = _rebound(_stock.ShareableList.__init__, globals())

    __class_getitem__ = classmethod(types.GenericAlias)
