"""kith.install(): how kith takes the place of multiprocessing, in this process and in those that it starts."""

import functools
import importlib
import os
import sys

import kith
from kith import _stock
from multiprocessing import spawn

__all__ = ["install"]

_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class _Installing(list):
    """A list whose repr, and whose pickle, install kith where they are evaluated, before they become a plain list."""

    def __repr__(self):
        path = "__import__('sys').path"
        return "(%r in %s or %s.append(%r), __import__('kith').install(), %s)[-1]" % (
            _FOLDER, path, path, _FOLDER, list.__repr__(self))

    def __reduce__(self):
        return eval, (repr(self),)


def _tell_children():
    """Has children that begin anew install kith before they import the main module.

    They, and the forkserver, are told sys.path as the first thing of all, and evaluate it before they go on: spawn and
    forkserver send a child what this function returns, as a pickle, and the forkserver gets parts of it as text.
    """
    get_preparation_data = spawn.get_preparation_data

    @functools.wraps(get_preparation_data)
    def with_kith(name):
        data = get_preparation_data(name)
        data["sys_path"] = _Installing(data["sys_path"])
        return data

    spawn.get_preparation_data = with_kith


def _renew(name, kept):
    """Has a module of the standard library that was loaded before take its names from kith.

    Those who have its public classes keep them: these find the module's other names where they always have.
    """
    module = sys.modules.get(name)
    if module is not None:
        known = {name: getattr(module, name) for name in kept}
        importlib.reload(module)
        vars(module).update(known)


def install():
    """Does kith.install()'s work; for once."""
    loaded = [name for name in sys.modules if name.startswith("multiprocessing.")]
    bettered = [name.partition(".")[2] for name in loaded if _stock.is_bettered(name.partition(".")[2])]
    for name in bettered:
        importlib.import_module("kith._stock." + name)  # from now on it is known by this name alone
        importlib.import_module("kith." + name)
    _tell_children()
    _stock.installed = True
    sys.modules["multiprocessing"] = kith
    for name in bettered:
        sys.modules["multiprocessing." + name] = sys.modules["kith." + name]
    _renew("concurrent.futures.process", ("BrokenProcessPool", "ProcessPoolExecutor", "_threads_wakeups"))
