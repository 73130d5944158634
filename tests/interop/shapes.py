"""Classes for the corpus of pickles: one for each way in which Python takes an object apart. Runs on Python 3.8."""

import collections
import copyreg
import dataclasses
import enum
import sys


class Plain:
    """Pickled by its __dict__."""

    def __init__(self, **attributes):
        self.__dict__.update(attributes)

    def method(self):
        return self


class Outer:
    class Inner(Plain):
        class Innermost(Plain):
            pass

    @staticmethod
    def static():
        pass

    @classmethod
    def made(cls):
        return cls()


def function():
    pass


class Slots:
    __slots__ = "one", "two", "never"

    def __init__(self, one, two):
        self.one = one
        self.two = two


class SlotsAndDict(Slots):
    """Its state is a pair: __dict__, and the slots."""


class States:
    """__getstate__ and __setstate__, with a state that is no dict."""

    def __init__(self, value):
        self.value = value

    def __getstate__(self):
        return "state", self.value

    def __setstate__(self, state):
        self.value = state[1]


class FalseState(States):
    """A state that is false is not set, in Python, unless it is not None."""

    def __getstate__(self):
        return ()

    def __setstate__(self, state):
        self.value = "set"


class NewArgs(Plain):
    def __new__(cls, one, two=None):
        self = super().__new__(cls)
        self.one, self.two = one, two
        return self

    def __init__(self, *arguments):
        pass

    def __getnewargs__(self):
        return self.one, self.two


class NewKeywords(NewArgs):
    def __new__(cls, one, *, two):
        return super().__new__(cls, one, two)

    def __init__(self, *arguments, **keywords):
        pass

    def __getnewargs_ex__(self):
        return (self.one,), {"two": self.two}


class Reduces:
    """__reduce__ with as many parts as are wanted. A state setter, the sixth, may be had from Python 3.8 on."""

    def __init__(self, parts):
        self.parts = parts
        self.items = []
        self.pairs = {}

    def append(self, item):
        self.items.append(item)

    def extend(self, items):
        self.items.extend(items)

    def __setitem__(self, key, item):
        self.pairs[key] = item

    def __reduce__(self):
        state = {"extra": getattr(self, "extra", None)} if self.parts > 2 else None
        items = iter(self.items) if self.parts > 3 else None
        pairs = iter(self.pairs.items()) if self.parts > 4 else None
        return (Reduces, (self.parts,), state, items, pairs, set_extra if self.parts > 5 else None)[:self.parts]


def set_extra(self, state):
    self.extra = state["extra"]


class ByName:
    """__reduce__ with a name: a singleton."""

    def __reduce__(self):
        return "singleton"


singleton = ByName()


class List(list):
    pass


class Tuple(tuple):
    pass


class Dict(dict):
    pass


class Set(set):
    pass


class FrozenSet(frozenset):
    pass


class Str(str):
    pass


class Int(int):
    pass


class Float(float):
    pass


class Bytes(bytes):
    pass


class ByteArray(bytearray):
    pass


Pair = collections.namedtuple("Pair", "first second")


@dataclasses.dataclass
class Data:
    name: str
    sizes: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Frozen:
    name: str
    size: int = 0


if sys.version_info >= (3, 10):

    @dataclasses.dataclass(slots=True)
    class SlottedData:
        name: str
        size: int = 0

    @dataclasses.dataclass(frozen=True, slots=True)
    class FrozenSlottedData:
        name: str
        size: int = 0


class Colour(enum.Enum):
    RED = "red"
    GREEN = (0, 255, 0)


class Number(enum.IntEnum):
    ONE = 1


class Flags(enum.Flag):
    READ = 1
    WRITE = 2
    EXECUTE = 4


class Failure(Exception):
    def __init__(self, what, code):
        super().__init__(what, code)
        self.code = code


class Registered:
    """Has a number of the extension registry, which pickles of protocol 2 and later say instead of its name."""

    def __init__(self, value=None):
        self.value = value


class RegisteredFar(Registered):
    """A number of two bytes."""


class RegisteredFarthest(Registered):
    """A number of four bytes."""


copyreg.add_extension(__name__, "Registered", 250)
copyreg.add_extension(__name__, "RegisteredFar", 1000)
copyreg.add_extension(__name__, "RegisteredFarthest", 1000000)


class Dispatched:
    """Taken apart by a function of copyreg's."""

    def __init__(self, value):
        self.value = value


copyreg.pickle(Dispatched, lambda self: (Dispatched, (self.value,)))


class Kept:
    """Pickled by a persistent id."""

    def __init__(self, key):
        self.key = key


class ÄußereForm(Plain):
    """Its name is not ASCII."""
