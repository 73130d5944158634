"""Tests kith's JSON against Python's.

usage: json_texts.py CODECS    CODECS is the program made of codecs.c
"""

import errno
import json
import math
import os
import pickle
import random
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, os.pardir, "examples"))
sys.dont_write_bytecode = True
import corpus
from codec_peer import ask
from tap import equal, run_all, test

program = sys.argv[1]
KITH_EMALFORMED = -10010

floats = [0.0, -0.0, 0.1, 1.0, -1.5, 1e15, 1e16, 1e22, 1e23, 123456789012345680.0, 5e-324, 2.2250738585072014e-308,
          1e-4, 1e-5, sys.float_info.max, 2.0**-1074, 2.0**53, 9007199254740993.0, 1 / 3, 2 / 3, 1e100, 1.1e-7]
values = [
    None, True, False, "", [], {}, [[]], {"": {}}, 0, -1, 2**63 - 1, -2**63, "text",
    ["ä", "你好", "\U0001f600", "\0", "\x7f"],
    "".join(map(chr, range(0x20))) + "\"\\/\u2028\uffff", {"z": 1, "a": [2, {"m": None}], "ä\"": True}, floats,
    [[[[1], 2], 3], 4], "x" * 100000, list(range(1000)), {str(number): number for number in range(1000)},
]


def some_value(dice, depth=0):
    kind = dice.randrange(8 if depth < 4 else 6)
    if kind == 6:
        return [some_value(dice, depth + 1) for _ in range(dice.randrange(5))]
    if kind == 7:
        return {some_text(dice): some_value(dice, depth + 1) for _ in range(dice.randrange(5))}
    return [None, dice.random() < 0.5, dice.randrange(-2**63, 2**63), dice.randrange(-100, 100),
            dice.uniform(-1, 1) * 10.0**dice.randrange(-320, 309), some_text(dice)][kind]


def some_text(dice):
    return "".join(dice.choice("ab\"\\\n\x01é你\U0001f600") for _ in range(dice.randrange(8)))


values += map(some_value, [random.Random(1)] * 500)


def encoded(value, **how):
    return json.dumps(value, **how).encode()


@test
def kith_reads_what_python_writes():
    """kith reads what Python writes: all kinds, escaped or not, indented or not."""
    forms = [{}, {"ensure_ascii": False}, {"indent": 3}, {"separators": (",", ":")}]
    answers = iter(ask(program, [("j", "4", encoded(value, **form)) for value in values for form in forms]))
    for value in values:
        for _ in forms:
            corpus.same(value, pickle.loads(next(answers).message))


@test
def kith_writes_as_python_does():
    """kith writes as Python does, to the byte."""
    for wanted, form in ("j", {}), ("i", {"indent": 2}):
        answers = ask(program, [("p", wanted, pickle.dumps(value)) for value in values])
        for value, answer in zip(values, answers):
            equal((answer.code, answer.message), (0, encoded(value, ensure_ascii=False, **form)))


@test
def other_values():
    """tuples and plain keys become what Python makes of them."""
    others = [(1, (2, ()), []), {1: 2, None: 3, True: 4, False: 5, 2.5: 6, -2**63: 7, 1e16: 8}, 2**64 - 1]
    for value, answer in zip(others, ask(program, [("p", "j", pickle.dumps(value)) for value in others])):
        equal((answer.code, answer.message), (0, encoded(value)))


def read_strictly(text):
    """What Python reads where it sticks to the RFC; ValueError where that is no JSON.

    Returns the value, and the codes for what is JSON but more than kith takes: ints and floats beyond their range, NUL
    in a name, lone surrogates."""
    beyond = []

    def refuse(name):
        raise ValueError(name)

    def integer(digits):
        if not -2**63 <= int(digits) < 2**63:
            beyond.append(-errno.ERANGE)
        return int(digits)

    def real(digits):
        if math.isinf(float(digits)):
            beyond.append(-errno.ERANGE)
        return float(digits)

    def look(pairs):
        beyond.extend(KITH_EMALFORMED for name, _ in pairs if "\0" in name)
        return dict(pairs)

    value = json.loads(text.decode(), parse_constant=refuse, parse_int=integer, parse_float=real,
                       object_pairs_hook=look)
    if any(0xd800 <= ord(character) < 0xe000 for character in json.dumps(value, ensure_ascii=False)):
        beyond.append(KITH_EMALFORMED)
    return value, beyond


def changed(dice, text):
    """A text with a little fault, or without."""
    data = bytearray(text)
    for _ in range(dice.randrange(1, 3)):
        at = dice.randrange(len(data) + 1)
        what = dice.randrange(3)
        if what == 0:
            data[at:at + 1] = b""
        elif what == 1:
            data[at:at] = dice.choice([b",", b"]", b"[", b"{", b"}", b'"', b":", b"\\", b"\0", b"1", b"-", b".", b"e",
                                       b" ", b"\xff", b"\x80", b"\n", b"\t", b"\\ud800", b"\\u0000", b"999999999",
                                       b"null"])
        else:
            data[at:at + 1] = bytes([dice.randrange(256)])
    return bytes(data)


@test
def both_take_the_same_texts():
    """what is JSON, and what it says, kith and Python agree on: 20,000 texts with small faults."""
    dice = random.Random(2)
    short = [text for text in map(encoded, values) if len(text) < 200]
    short += [b"[1.5e3, -0.0E-1, 0, -7]", b'{"a": [true, false, null], "a": "\\ud83d\\ude00"}', b' \r\n\t[ ] ']
    texts = [changed(dice, dice.choice(short)) for _ in range(20000)]
    taken = 0
    for text, answer in zip(texts, ask(program, [("j", "4", text) for text in texts])):
        try:
            value, beyond = read_strictly(text)
        except ValueError:  # and UnicodeDecodeError, which is one
            assert answer.code in (KITH_EMALFORMED, -errno.ERANGE), "kith takes %r" % text
            continue
        if beyond:
            assert answer.code in beyond, "%r: %d" % (text, answer.code)
        else:
            assert answer.code == 0, "%r: %s" % (text, answer.message)
            corpus.same(value, pickle.loads(answer.message))
            taken += 1
    assert 2000 < taken < 18000, taken


run_all()
