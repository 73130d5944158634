"""The standard library's multiprocessing, of which kith is made: `from kith._stock import queues`.

A submodule that kith leaves as it is is one module under all its names: multiprocessing.util, kith.util, and here. One
that kith betters is here as the standard library has it. Before kith.install(), that is multiprocessing.queues itself.
After, that name means kith.queues; so what was not loaded until then is loaded from the standard library's file under
the name kith._stock.queues, and finds its neighbours here, too. What it defines says that it is of
multiprocessing.queues all the same: so its pickles are what every Python reads.

The finder below sees to all this. It stands first in sys.meta_path, and turns away other names at once.
"""

import importlib
import multiprocessing as package
import os
import sys
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import spec_from_file_location

__all__ = ["find", "is_bettered"]

installed = False  # kith stands in the place of multiprocessing: _install.py sets it

__path__: list[str] = []  # this module has submodules
_OURS = [os.path.dirname(os.path.abspath(__file__))]
_AS_IT_IS = frozenset((
    "dummy", "forkserver", "popen_fork", "popen_forkserver", "popen_spawn_posix", "popen_spawn_win32", "process",
    "reduction", "resource_sharer", "resource_tracker", "spawn", "util"))


def find(name):
    """The spec of the standard library's file of a submodule, "queues" or "util"; None when there is none."""
    return PathFinder.find_spec("multiprocessing." + name, package.__path__)


def is_bettered(name):
    """Whether a submodule is kith's own: True of "queues", False of "util" and "dummy.connection"."""
    name = name.partition(".")[0]
    return name not in _AS_IT_IS and PathFinder.find_spec("kith." + name, _OURS) is not None


class _Alias:
    """A loader for another name of a module."""

    def __init__(self, name):
        self.name = name

    def create_module(self, spec):
        module = importlib.import_module(self.name)
        self.spec = module.__spec__
        return module

    def exec_module(self, module):
        module.__spec__ = self.spec  # the import system has put that of the other name there


class _Original:
    """A loader for the standard library's file of a module whose name kith has taken."""

    def __init__(self, loader):
        self.loader = loader

    def create_module(self, spec):
        return None  # as usual

    def exec_module(self, module):
        module.__name__ = self.loader.name  # that is what its classes and functions say they are of
        exec(self.loader.get_code(self.loader.name), module.__dict__)


class _Finder:
    """Finds submodules of kith, of kith._stock and of multiprocessing, as said above."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        package_name, _, rest = name.partition(".")
        if package_name == "multiprocessing":
            return _find_installed(name, rest) if installed else None
        if name.startswith("kith._stock."):
            return _find_stock(name, rest.partition(".")[2])
        if package_name == "kith" and "." not in rest and find(rest) and not PathFinder.find_spec(name, _OURS):
            return ModuleSpec(name, _Alias("multiprocessing." + rest))  # one that only later versions have
        return None


def _find_installed(name, rest):
    if is_bettered(rest):
        return ModuleSpec(name, _Alias("kith." + rest))
    return None if "." in rest else find(rest)


def _find_stock(name, rest):
    found = find(rest)
    if found is None:
        return None
    if installed and is_bettered(rest):
        return spec_from_file_location(name, found.origin, loader=_Original(found.loader))
    return ModuleSpec(name, _Alias("multiprocessing." + rest))


sys.meta_path.insert(0, _Finder)


def __getattr__(name):
    # What the standard library's modules take from their package, as AuthenticationError.
    if name.startswith("_") or find(name):
        raise AttributeError("module 'kith._stock' has no attribute %r" % name)
    return getattr(package, name)
