"""ctypes objects in shared memory, with or without a lock: as multiprocessing.sharedctypes.

They lie in kith.heap, and their locks are kith's: when a process dies with the lock of a Value, the next one gets it.
"""

import ctypes  # noqa: F401  (and others that only stock's functions use, which run here)
import weakref

from kith import _kith, heap
from kith._stock import sharedctypes as _stock
from kith._stock.context import assert_spawning
from kith._stock.sharedctypes import rebuild_ctype, typecode_to_type  # noqa: F401

__all__ = ['RawValue', 'RawArray', 'Value', 'Array', 'copy', 'synchronized']


def __getattr__(name):
    # What kith leaves as it is.
    return getattr(_stock, name)


def get_context(*args, **keywords):
    """As kith.get_context()."""
    import kith
    return kith.get_context(*args, **keywords)


_new_value = heap._rebound(_stock._new_value, globals())
RawValue = heap._rebound(_stock.RawValue, globals())
RawArray = heap._rebound(_stock.RawArray, globals())
Value = heap._rebound(_stock.Value, globals())
Array = heap._rebound(_stock.Array, globals())
copy = heap._rebound(_stock.copy, globals())
synchronized = heap._rebound(_stock.synchronized, globals())

copy.__doc__ = """Returns a copy of a ctypes object, in shared memory, without a lock."""
synchronized.__doc__ = """Returns a wrapper of a ctypes object in shared memory that acquires a lock around each access.

lock  one of kith's, or another with acquire() and release(); None: an RLock of the context ctx, None: the default one
"""

class_cache = weakref.WeakKeyDictionary()


def make_property(name):
    """An attribute of the object inside, that is read and written with the lock acquired."""
    return _kith.Guarded(name)


class SynchronizedBase(_stock.SynchronizedBase):
    """A shared object and its lock; a context manager that acquires it."""

    __init__ = heap._rebound(_stock.SynchronizedBase.__init__, globals())

    def __reduce__(self):
        assert_spawning(self)
        return synchronized, (self._obj, self._lock)


class Synchronized(SynchronizedBase, _stock.Synchronized):
    """A shared number: read and written by its attribute value, with the lock acquired."""

    value = make_property('value')


class SynchronizedArray(SynchronizedBase, _stock.SynchronizedArray):
    """A shared array: its items and slices are read and written with the lock acquired."""


class SynchronizedString(SynchronizedArray, _stock.SynchronizedString):
    """A shared array of characters: its attributes value and raw are read and written with the lock acquired."""

    value = make_property('value')
    raw = make_property('raw')
