"""Process-based parallelism on libkith: multiprocessing, several times as fast, and sturdy.

Every name of the standard library's multiprocessing is here under the same name, also those of its submodules. So

    import kith as multiprocessing

is enough for a program; or, without touching it, `python -m kith program.py`; or `kith.install()` first thing, after
which whoever imports multiprocessing gets kith.
"""

import importlib
import sys

try:
    from kith import _kith
except ImportError as error:
    raise ImportError("kith has no extension for this Python; in a checkout, `make python PYTHON=%s` builds it (%s)"
                      % (sys.executable, error)) from error
from kith import _stock, context
from kith._stock import process, reduction  # noqa: F401, as in the standard library's package

__kith__ = __version__ = _kith.version

# The names that the standard library's package takes from its default context, and where it takes them.
__all__ = [name for name in dir(context._default_context) if not name.startswith("_")]
globals().update((name, getattr(context._default_context, name)) for name in __all__)
__all__ += ["install"]

_POOL_ERRORS = ("WorkerLostError", "TaskTimeoutError", "PoolTerminatedError")

SUBDEBUG = 5
SUBWARNING = 25


def install():
    """Puts kith in the place of multiprocessing, for all who import it after, in this process and in its children.

    Call it first thing: who has imported names from multiprocessing before keeps the standard library's. Where kith is
    installed already, it does nothing.
    """
    if not _stock.installed:
        from kith import _install
        _install.install()


def __getattr__(name):
    # The standard library's package has the submodules that somebody has imported; that its own code does so, programs
    # have come to rely on.
    if name in _POOL_ERRORS:
        return getattr(importlib.import_module("kith.pool"), name)
    if not name.startswith("_") and _stock.find(name):
        return importlib.import_module("kith." + name)
    raise AttributeError("module 'kith' has no attribute %r" % name)
