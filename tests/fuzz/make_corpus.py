#!/usr/bin/env python3
"""Makes the inputs that the fuzzers start from, in corpus/, and their dictionaries, in *.dict.

    tests/fuzz/make_corpus.py       what is there already and is none of these (what fuzzing has found) is left alone

Python's own pickler makes the pickles, so a newer Python may make other ones. All else is the same each time."""

import array
import collections
import datetime
import decimal
import enum
import fractions
import hashlib
import hmac
import json
import os
import pathlib
import pickle
import pickletools
import struct
import sys
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
SIZE_MAX = 4096


def write(target, name, data):
    """Writes one input, unless the target has the same under another name."""
    assert len(data) <= SIZE_MAX, (target, name)
    known = written.setdefault(target, set())
    if data in known:
        return
    known.add(data)
    folder = os.path.join(HERE, "corpus", target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as file:
        file.write(data)


def write_dictionary(target, words):
    """Writes a dictionary as libFuzzer reads it."""
    with open(os.path.join(HERE, target + ".dict"), "w", encoding="ascii") as file:
        for word in words:
            file.write('"%s"\n' % "".join("\\x%02x" % byte for byte in word))


written = {}

# ---- pickles ----


class Plain:
    """An instance with a __dict__."""

    def __init__(self):
        self.size = 3
        self.name = "kith"


class Slots:
    __slots__ = ("left", "right")

    def __init__(self):
        self.left = [1]
        self.right = self.left


class Arguments(tuple):
    """Asks for keyword arguments."""

    def __new__(cls, *args, **kwargs):
        return tuple.__new__(cls, args)

    def __getnewargs_ex__(self):
        return (1, 2), {"key": "word"}


class Growing(list):
    """A list with a state."""


class Mapping(dict):
    """A dict with a state."""


class Colour(enum.Enum):
    RED = 1


class Buffers:
    """Brings a buffer that goes beside its pickle."""

    def __init__(self, data):
        self.data = data

    def __reduce_ex__(self, protocol):
        return Buffers, (pickle.PickleBuffer(self.data) if protocol >= 5 else bytes(self.data),)


Point = collections.namedtuple("Point", "x y")


def selfish():
    """Things that hold themselves."""
    listing = [1]
    listing.append((listing,))
    mapping = {"me": listing}
    mapping["all"] = mapping
    instance = Plain()
    instance.me = instance
    return {"list": listing, "dict": mapping, "instance": instance}


def nested(depth):
    inner = []
    for _ in range(depth):
        inner = [inner]
    return inner


def values():
    shared = ["shared"]
    grown = Growing([1, 2])
    grown.state = "state"
    mapping = Mapping(a=1)
    mapping.state = mapping
    found = {
        "none": None,
        "bools": [True, False],
        "ints": [0, 1, -1, 255, 256, 65535, 65536, 2**31 - 1, -2**31, 2**63 - 1, -2**63, 2**63, 2**64 - 1],
        "big_ints": [2**64, -2**64, 2**2040, -2**2039, 10**100],
        "floats": [0.0, -0.0, 1.5, float("inf"), float("-inf"), float("nan"), 5e-324, 1.7976931348623157e308],
        "strs": ["", "a", "gr\u00fc\u00df", "\U0001f426", "\udc80", "line\nline\\", "long " * 60, "\0"],
        "bytes": [b"", b"a", bytes(range(256)), b"x" * 300],
        "bytearray": bytearray(b"may change"),
        "lists": [[], [[]], [1, [2, [3]]], list(range(20))],
        "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), ((), ((),))],
        "dict": {"a": 1, 2: "b", (3, 4): [5], None: None, 1.5: True, b"x": {}},
        "equal_keys": {"list": [1, 1.0, True], "zero": {0: 0}, -0.0: "minus"},
        "set": {1, 2.5, (3,)},
        "frozenset": frozenset([1, 2.5, frozenset([3])]),
        "empty_sets": [set(), frozenset()],
        "shared": [shared, shared, (shared, shared)],
        "strs_shared": [{"name": "one", "size": 1}, {"name": "two", "size": 2}, {"name": "three", "size": 3}],
        "many": [None] * 1001,
        "nested": nested(100),
        "instance": Plain(),
        "slots": Slots(),
        "keywords": Arguments(),
        "list_with_state": grown,
        "dict_with_state": mapping,
        "enum": [Colour.RED, Colour.RED],
        "namedtuple": Point(1, Point(2, 3)),
        "ordered": collections.OrderedDict(a=1, b=2),
        "defaultdict": collections.defaultdict(list, a=[1]),
        "deque": collections.deque([1, 2], 5),
        "counter": collections.Counter("abca"),
        "datetime": [datetime.datetime(2024, 2, 29, 12, 30, 1, 5, datetime.timezone.utc), datetime.date(1, 1, 1),
                     datetime.timedelta(1, 2, 3)],
        "decimal": [decimal.Decimal("1.10"), fractions.Fraction(1, 3), complex(1, -2)],
        "path": pathlib.PurePosixPath("/a/b"),
        "uuid": uuid.UUID(int=5),
        "exception": [ValueError("no", 1), OSError(2, "missing", "file")],
        "builtins": [len, int, type(None), range(1, 9, 2), slice(1, None), Ellipsis, NotImplemented],
        "array": array.array("d", [1.5, 2.5]),
        "buffers": [Buffers(b"read only"), Buffers(bytearray(b"may change"))],
    }
    found.update(("self_" + name, value) for name, value in selfish().items())
    return found


def out_of_band():
    """A pickle without its buffers."""
    return pickle.dumps(values()["buffers"], 5, buffer_callback=lambda buffer: False)


def spelt_pickles():
    """What Python's pickler does not write, or did long ago."""
    both = [b"h%ch%c" % (i, i) for i in range(60)]  # the last one made, twice
    tuples = b"".join(pair + b"\x86\x94" for pair in both)
    lists = b"".join(b"(" + pair + b"l\x94" for pair in both)
    return {
        "bomb_of_tuples": b"\x80\x04N\x94" + tuples + b".",
        "bomb_of_lists": b"\x80\x04]\x94" + lists + b".",
        "system": b"cos\nsystem\n(S'true'\ntR.",
        "inst": b"(S'a'\nI1\nimodule\nClass\np0\n(dp1\nS'k'\nI2\nsb.",
        "obj": b"(cmodule\nClass\nI1\nI2\noq\x00}q\x01b.",
        "newobj_ex": b"\x80\x04\x8c\x06module\x8c\x05Class\x93K\x01\x85}\x8c\x01kK\x02s\x92.",
        "persistent": b"Pname\n.",
        "persistent_binary": b"\x80\x02K\x05\x85Q.",
        "extensions": b"\x80\x02(\x82\x01\x83\x02\x01\x84\x03\x01\x00\x00l.",
        "next_buffer": b"\x80\x05(\x97\x98\x97\x97l.",
        "bytearray8": b"\x80\x05\x96\x03\0\0\0\0\0\0\0abc.",
        "binunicode8": b"\x80\x04\x8d\x03\0\0\0\0\0\0\0abc\x94.",
        "binbytes8": b"\x80\x04\x8e\x03\0\0\0\0\0\0\0abc\x94.",
        "long4": b"\x80\x02\x8b\x09\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\x7f.",
        "long_text": b"(L-12345678901234567890L\nL0L\nI01\nI00\nI-5\nF1e308\nl.",
        "strings": b"(S'a\\x41\\n\\''\nS\"b\"\nVgr\\u00fc\\U0001f426\nT\x03\0\0\0a\xffcU\x02\xc3\xbcl.",
        "frames": b"\x80\x04\x95\x02\0\0\0\0\0\0\0K\x01\x95\x01\0\0\0\0\0\0\0..",
        "stack": b"(I1\n2I2\n0(I3\nI4\n1t.",
        "put_get": b"]p0\n(g0\nI1\ne(h\x00r\x00\x01\0\0j\x00\x01\0\0e.",
        "dict_forms": b"(I1\nI2\nd(I3\nI4\nuI5\nI6\ns.",
        "set_forms": b"\x80\x04\x8f(K\x01K\x01K\x02\x90\x94(h\x00K\x03\x91.",
        "own_key": b"\x80\x04}\x94\x8f\x94(h\x00h\x01\x86h\x01tb.",
        "bytes_by_codecs": b"\x80\x02c_codecs\nencode\nX\x04\0\0\0\xc3\xbf\xc3\xa9X\x06\0\0\0latin1\x86R.",
        "set_by_call": b"\x80\x02c__builtin__\nset\n](K\x01K\x02e\x85R.",
        "bytearray_by_call": b"\x80\x02c__builtin__\nbytearray\nX\x01\0\0\0aX\x06\0\0\0latin-1\x86R.",
        "call_of_call": b"cm\nf\n(tR(tR(N\x8c\x01\x62tb.",
        "state_twice": b"cm\nf\n(tR}bNb(I1\nI2\neI3\na(I4\nI5\nu.",
        "steps_of_global": b"cm\nf\n}b.",
        "too_long": b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7fabc.",
        "too_long_signed": b"T\xff\xff\xff\xffabc.",
        "far_memo": b"Nr\xff\xff\xff\xffj\xff\xff\xff\xff.",
        "no_mark": b"\x80\x04t.",
        "no_stop": b"\x80\x04N",
        "deep": b"\x80\x04" + b"]" * 1100 + b"a" * 1099 + b".",
        "deep_marks": b"(" * 3000 + b"N.",
        "unhashable": b"\x80\x04}]Ns.",
        "keys_of_tuples": b"\x80\x04}(K\x01K\x02\x86K\x03K\x01K\x02\x86K\x04u.",
    }


def make_pickles():
    protocols = dict.fromkeys(values(), (0, 2, 4))
    protocols.update(bytearray=(0, 2, 5), buffers=(0, 2, 5))  # protocol 5 has nothing else that is new
    for name, value in values().items():
        for protocol in protocols[name]:
            try:
                data = pickle.dumps(value, protocol)
            except (pickle.PicklingError, TypeError):
                continue  # protocol 0 has no word for it
            if len(data) <= SIZE_MAX:
                write("pickle", "%s_%d" % (name, protocol), data)
    write("pickle", "out_of_band", out_of_band())
    for name, data in spelt_pickles().items():
        write("pickle", "spelt_" + name, data)
    words = [opcode.code.encode("latin-1") for opcode in pickletools.opcodes]
    words += [b"c__builtin__\n", b"cbuiltins\n", b"set\n", b"frozenset\n", b"bytearray\n", b"c_codecs\nencode\n",
              b"latin1", b"ccopyreg\n_reconstructor\n", b"\x8c\x08builtins", b"\x8c\x03set", b"\x8c\tbytearray",
              b"\x95\x00\x00\x00\x00\x00\x00\x00\x00", b"I01\n", b"I00\n", b"L1L\n", b"\x80\x05", b"\xff\xff\xff\xff",
              b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff\xff\xff\xff\x7f", b"h\x00", b"q\x00", b"g0\n", b"p0\n"]
    write_dictionary("pickle", words)


# ---- JSON ----


def make_json():
    texts = [
        "null", "true", "false", "0", "-0", "1", "-1", "9223372036854775807", "-9223372036854775808",
        "9223372036854775808", "18446744073709551615", "1e5", "1E+5", "-1.5e-5", "0.1", "1e308", "1e309", "5e-324",
        "1e-400", "123456789012345678901234567890", '""', '"a"', '"\\u00fc\\u20ac"', '"\\ud83d\\ude00"', '"\\ud83d"',
        '"\\u0000"', '"\\"\\\\\\/\\b\\f\\n\\r\\t"', '"gr\u00fc\u00df"', "[]", "{}", "[1]", "[1,2.5,[]]",
        '{"a":1}', '{"a":1,"a":2}', '{"a":{"b":{"c":[null,true,false]}}}', '{"":0}', " [ 1 , 2 ] \n",
        "[" * 900 + "]" * 900, "[" * 1100 + "]" * 1100, '{"a":' * 300 + "0" + "}" * 300, "[1,]", "[,]", "{,}", '{"a"}',
        "{1:2}", "01", "+1", ".5", "1.", "1e", "nul", "nulll", "NaN", "Infinity", "'a'", '"\n"', "// no\n1", "",
        " ", "\ufeff1", "1 2", '"\x7f"', '"\\x41"', '"\\u12"', "[[[[", "]]", '"abc',
        json.dumps([{"name": "kith", "size": number, "ratio": number / 7} for number in range(20)]),
        json.dumps({"key %d" % number: number for number in range(40)}), json.dumps(list(range(200))),
    ]
    for number, text in enumerate(texts):
        write("json", "text_%02d" % number, text.encode())
    for number, data in enumerate([b'"\xff"', b'"\xc0\x80"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b"[\x00]",
                                   b'"a\x00b"', b"\xff\xfe1\x00"]):
        write("json", "bytes_%d" % number, data)
    write_dictionary("json", [word.encode() for word in (
        "null", "true", "false", "[", "]", "{", "}", ":", ",", '"', "\\", "\\u", "\\ud83d\\ude00", "\\u0000", '{"a":',
        "[[", "]]", "e", "E+", "-", ".", "0.", "1e308", "9223372036854775807", "-9223372036854775808")])


# ---- frames ----


def frame(data):
    return struct.pack("!i", len(data)) + data


def long_frame(data):
    return struct.pack("!iQ", -1, len(data)) + data


BOUNDED, READ_AHEAD = 1, 2
RECV, RECV_INTO, RECV_VALUE, RECV_FD, POLL, SEND_FEW, SEND_MANY, SEND_WITH_FD = range(8)


def step(what, much=0):
    return what | much << 3


def make_frames():
    messages = {
        "empty": frame(b""),
        "one": frame(b"a"),
        "some": frame(b"first") + frame(b"") + frame(b"the third one"),
        "pickles": frame(pickle.dumps([1, "two"], 4)) + frame(pickle.dumps({"a": None}, 2)) + frame(b"no pickle"),
        "long_form": long_frame(b"a message") + frame(b"another") + long_frame(b""),
        "large": frame(bytes(range(250)) * 12),
        "cut": frame(b"cut short")[:-3],
        "cut_header": b"\0\0",
        "cut_long_header": long_frame(b"a")[:9],
        "negative": struct.pack("!i", -2) + b"abc",
        "much_too_long": struct.pack("!iQ", -1, 2**63) + b"abc",
        "announced": struct.pack("!iQ", -1, 2**62) + b"abc",
        "announced_2g": struct.pack("!i", 2**31 - 1) + b"abc",
        "text": b"GET / HTTP/1.1\r\n\r\n",
        "byte_with_fd": b"1" + frame(b"behind it") + b"1",
    }
    manners = {
        "whole": [step(SEND_MANY, 31), step(RECV), step(POLL), step(RECV), step(RECV), step(RECV_FD), step(RECV)],
        "values": [step(SEND_MANY, 31), step(RECV_VALUE), step(RECV_VALUE), step(POLL), step(RECV_VALUE),
                   step(RECV_INTO, 2), step(RECV)],
        "pieces": [step(SEND_FEW), step(RECV), step(SEND_FEW, 2), step(POLL), step(RECV_INTO, 1), step(RECV_INTO, 20),
                   step(RECV_VALUE)],
        "descriptors": [step(SEND_WITH_FD), step(RECV), step(RECV_FD), step(SEND_FEW, 12), step(RECV),
                        step(SEND_WITH_FD, 1), step(RECV_FD)],
    }
    for manner, steps in manners.items():
        for name, data in messages.items():
            write("frames", "%s_%s" % (manner, name), b"\0" + bytes(steps) + data)
    for name in ("some", "large", "long_form", "announced"):
        write("frames", "bounded_" + name, bytes([BOUNDED | 8 << 2]) + bytes(manners["pieces"]) + messages[name])
    for manner, steps in manners.items():
        for name in ("some", "pickles", "negative", "cut", "byte_with_fd"):
            write("frames", "ahead_%s_%s" % (manner, name), bytes([READ_AHEAD]) + bytes(steps) + messages[name] * 3)
    many = b"".join(frame(b"x" * size) for size in range(40))
    write("frames", "ahead_many", bytes([READ_AHEAD]) + bytes(manners["whole"]) + many)
    write("frames", "ahead_bounded", bytes([READ_AHEAD | BOUNDED | 20 << 2]) + bytes(manners["whole"]) + many)
    write_dictionary("frames", [struct.pack("!i", number) for number in (0, 1, 5, 100, -1, -2, 2**31 - 1, -2**31)] +
                     [struct.pack("!iQ", -1, number) for number in (0, 5, 2**31, 2**62, 2**63 - 1, 2**63, 2**64 - 1)] +
                     [b"\x80\x04N."])


# ---- handshakes ----

CLIENT, HELPED, NO_MD5, ANSWER_MD5 = 1, 2, 4, 8


def make_handshakes():
    random = bytes(range(40))
    challenges = {
        "sha256": b"#CHALLENGE#{sha256}" + random,
        "md5": b"#CHALLENGE#{md5}" + random,
        "sha384": b"#CHALLENGE#{sha384}" + random,
        "sha3_256": b"#CHALLENGE#{sha3_256}" + random,
        "sha3_384": b"#CHALLENGE#{sha3_384}" + random,
        "old": b"#CHALLENGE#" + random[:20],
        "old_16": b"#CHALLENGE#" + random[:16],
        "unknown": b"#CHALLENGE#{sha1}" + random,
        "no_brace": b"#CHALLENGE#{sha256" + random,
        "nothing": b"#CHALLENGE#",
        "short": b"#CHALLENGE#{sha256}a",
        "longest": b"#CHALLENGE#{sha256}" + b"x" * 237,
        "too_long": b"#CHALLENGE#{sha256}" + b"x" * 238,
        "no_challenge": b"#CHALLANGE#{sha256}" + random,
    }
    answers = {
        "sha256": b"{sha256}" + hmac.new(b"wrong", random, hashlib.sha256).digest(),
        "md5": hmac.new(b"wrong", random, hashlib.md5).digest(),
        "md5_named": b"{md5}" + hmac.new(b"wrong", random, hashlib.md5).digest(),
        "sha1": b"{sha1}" + hmac.new(b"wrong", random, hashlib.sha1).digest(),
        "empty": b"",
        "welcome": b"#WELCOME#",
    }
    for name, challenge in challenges.items():
        for verdict in (b"#WELCOME#", b"#FAILURE#"):
            half = frame(challenge) + frame(verdict)
            which = name + verdict[1:3].decode().lower()
            write("handshake", "listener_" + which, bytes([HELPED]) + half)
            write("handshake", "client_" + which, bytes([CLIENT | HELPED]) + half)
        half = frame(challenge) + frame(b"#WELCOME#")
        write("handshake", "client_md5_" + name, bytes([CLIENT | HELPED | ANSWER_MD5]) + half)
        write("handshake", "client_strict_" + name, bytes([CLIENT | HELPED | NO_MD5]) + half)
    for name, answer in answers.items():
        write("handshake", "listener_answer_" + name, bytes([0]) + frame(answer))
        write("handshake", "client_answer_" + name,
              bytes([CLIENT]) + frame(challenges["sha256"]) + frame(b"#WELCOME#") + frame(answer))
    right = frame(challenges["sha256"]) + frame(b"#WELCOME#")
    for name, mode in {"md5": ANSWER_MD5, "strict_md5": ANSWER_MD5 | NO_MD5, "strict": NO_MD5}.items():
        write("handshake", "listener_right_" + name, bytes([HELPED | mode]) + right)
    noise = {"silence": b"", "http": b"GET / HTTP/1.1\r\n\r\n", "cut": frame(b"#CHALLENGE#")[:-3],
             "long": b"\x7f" + b"a" * 99, "negative": struct.pack("!iQ", -1, 20) + b"#CHALLENGE#{sha256}x",
             "frames": frame(b"") * 20}
    for name, data in noise.items():
        for mode in (0, CLIENT, HELPED):
            write("handshake", "noise_%s_%d" % (name, mode), bytes([mode]) + data)
    write_dictionary("handshake", [
        b"#CHALLENGE#", b"#WELCOME#", b"#FAILURE#", frame(b"#WELCOME#"), frame(b"#FAILURE#"),
        frame(challenges["sha256"]), frame(challenges["old"]), b"{md5}", b"{sha256}", b"{sha384}", b"{sha3_256}",
        b"{sha3_384}", b"{", b"}", b"\0\0\0\x14", b"\0\0\0\x3b", b"\0\0\1\0"])


# ---- messages with buffers beside their pickle ----


def message(pickled, buffers, count=None, size=None, lengths=None):
    """A message of a queue. What is given beside replaces what would be right."""
    head = struct.pack("=4sIQ", b"\0KB1", len(buffers) if count is None else count,
                       len(pickled) if size is None else size)
    data = head + struct.pack("=%dQ" % len(buffers), *(lengths or map(len, buffers)))
    for part in [pickled, *buffers]:
        data += bytes(-len(data) % 8) + part
    return data


def make_messages():
    buffers = []
    pickled = pickle.dumps(values()["buffers"], 5, buffer_callback=buffers.append)
    buffers = [bytes(buffer) for buffer in buffers]
    two = b"\x80\x05\x97\x97\x98\x86."
    messages = {
        "objects": message(pickled, buffers),
        "two": message(two, [b"the first", b"the second"]),
        "read_only": message(two, [b"the first", b"the second"], lengths=[9, 10 | 1 << 63]),
        "empty": message(two, [b"", b""]),
        "one_empty": message(two, [b"", b"x"]),
        "none": message(pickle.dumps([1, "two"], 5), []),
        "unused": message(b"N.", [b"not asked for"] * 3),
        "not_come": message(two, []),
        "too_few": message(two, [b"the first"]),
        "many": message(b"\x80\x05(" + b"\x97" * 60 + b"l.", [b"%d" % i for i in range(60)]),
        "behind": message(two, [b"1", b"2"]) + b"what nobody looks at",
        "cut": message(two, [b"the first", b"the second"])[:-1],
        "cut_head": message(two, [])[:15],
        "cut_lengths": message(two, [b"1", b"2"])[:25],
        "count": message(two, [b"1", b"2"], count=2**32 - 1),
        "size": message(two, [b"1", b"2"], size=2**64 - 1),
        "length": message(two, [b"1", b"2"], lengths=[1, 2**63 - 1]),
        "wraps_round": message(two, [b"1", b"2"], lengths=[2**63 - 8, 8]),
        "other_mark": b"\0KB2" + message(two, [])[4:],
        "plain": pickle.dumps({"a": [1, 2.5, None]}, 4),
    }
    for name, data in messages.items():
        write("message", name, data)
    write_dictionary("message", [b"\0KB1", two, b"\x97", b"\x98", struct.pack("=Q", 1 << 63), struct.pack("=Q", 8),
                                 struct.pack("=Q", 2**64 - 1), struct.pack("=I", 2)])


# ---- taking apart ----


def make_unpack():
    value = {"name": "kith", "key": [1, 2.5, None, True, b"x", (3, "4")], "a": {"a": 2**63}, "": -1}
    cases = {
        "{s:v}": value, "{s:_, s:s}": value, "{s?:[i,i]}": value, "{s:{s:U}}": {"a": {"key": 2**63}}, "n": None,
        "b": True, "i": 5, "I": -2**63, "U": 2**64 - 1, "f": 1.5, "s": "text", "s#": "a\0b", "y": b"bytes",
        "a": bytearray(b"a"), "[i*]": [1, 2, 3], "[*]": [], "(is)": (1, "x"), "(i?s?)": (None, "x"), "[[[v]]]": [[[1]]],
        "<i>": {1}, "[ibf,s#y]": [1, True, 2.0, "x", b"y"], "{": {}, "}": {}, "[i": [1], "i?": None, "v?": None,
        "_?": 1,
        "{s:i?}": {"a": None}, "": 1, " , : ": 1, "ii": 1, "s?": "x", "[s?]": [None], "((((((((": ((),),
        "{ss}": {"a": "b"},
    }
    for number, (form, value) in enumerate(cases.items()):
        write("unpack", "form_%02d" % number, form.encode() + b"\0" + pickle.dumps(value, 4))
    letters = [letter.encode() for letter in "nbiIUfsyav_[](){}<>*?#,: "]
    pairs = [b"s#", b"s?:", b"{s:", b"*]", b"i?"]
    opcodes = [b"\0\x80\x04", b"\x8c\x01a", b"\x8c\x03key", b"\x8c\x04name", b"l", b"t", b"u", b"e", b"N", b"K\x01",
               b"\x88", b"."]
    write_dictionary("unpack", letters + pairs + opcodes)


def main():
    make_pickles()
    make_json()
    make_frames()
    make_handshakes()
    make_messages()
    make_unpack()
    for target, inputs in written.items():
        print("%s: %d inputs" % (target, len(inputs)))


if __name__ == "__main__":
    # What is pickled belongs to a module that is named the same wherever this runs.
    for kind in (Plain, Slots, Arguments, Growing, Mapping, Colour, Buffers, Point):
        kind.__module__ = "corpus"
    sys.modules["corpus"] = sys.modules["__main__"]
    main()
