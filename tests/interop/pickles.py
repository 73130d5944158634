"""Tests kith's pickles against every Python that this machine has.

usage: pickles.py CODECS    CODECS is the program made of codecs.c
"""

import functools
import io
import json
import os
import pickle
import sys
import tempfile

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, os.pardir, "examples"))
sys.dont_write_bytecode = True
import corpus
import pythons
import shapes
from codec_peer import ask
from tap import Skip, equal, run, run_all, test

program = sys.argv[1]
found = pythons.find()

# ---- the corpus, by each Python in each protocol ----


@functools.lru_cache(maxsize=None)
def went(python):
    """What corpus_run.py says in this Python, by protocol."""
    status, out, err = run(python, "-B", os.path.join(here, "corpus_run.py"), program)
    assert status == 0, err.decode()
    return {said["protocol"]: said for said in map(json.loads, out.decode().splitlines())}


def corpus_test(version, python, protocol):
    def of_one_protocol():
        said = went(python)[protocol]
        assert said["cases"] > 350, "only %d cases" % said["cases"]
        equal(said["wrong"], [])

    of_one_protocol.__doc__ = "Python %s, protocol %d: equal after C has read and written it" % (version, protocol)
    test(of_one_protocol)


for version, python in found:
    for protocol in range(6):
        corpus_test(version, python, protocol)


@test
def numpy_arrays():
    """numpy arrays were in the corpus of one Python at least."""
    if not any(went(python)[5]["numpy"] for _, python in found):
        raise Skip("no Python here has numpy; KITH_PYTHONS may name one that has")

# ---- what is not run ----


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, ("touch " + self.path,)


@test
def nothing_is_run():
    """a pickle that would run os.system is data."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "touched")
        messages = [pickle.dumps(Evil(path), protocol) for protocol in range(6)]
        named, shown, written = (ask(program, [("p", wanted, message) for message in messages]) for wanted in "nr4")
        equal(os.listdir(folder), [])
        equal({answer.message.decode() for answer in named}, {"%s.system form 2 is 1" % os.system.__module__})
        equal({answer.message.decode() for answer in shown}, {"%s.system('touch %s')" % (os.system.__module__, path)})
        equal({answer.code for answer in written}, {0})
        pickle.loads(written[0].message)  # here it is run: so the test would have seen it
        equal(os.listdir(folder), ["touched"])


# ---- what goes beside a pickle ----


class Persistent(pickle.Pickler):
    def persistent_id(self, value):
        return value.key if isinstance(value, shapes.Kept) else None


class Finder(pickle.Unpickler):
    def persistent_load(self, key):
        return "found", key


def dumps_persistent(value, protocol):
    file = io.BytesIO()
    Persistent(file, protocol).dump(value)
    return file.getvalue()


def loads_persistent(message):
    return Finder(io.BytesIO(message)).load()


@test
def persistent_ids():
    """persistent ids come back as they were."""
    value = [shapes.Kept("an id"), {"k": shapes.Kept("other")}]
    for protocol in range(6):
        for answer in ask(program, [("p", wanted, dumps_persistent(value, protocol)) for wanted in "2345"]):
            equal(answer.code, 0)
            equal(loads_persistent(answer.message), [("found", "an id"), {"k": ("found", "other")}])
    number = [shapes.Kept(("a", 1))]  # an id that is no text: not in protocol 0
    for answer in ask(program, [("p", wanted, dumps_persistent(number, 4)) for wanted in "2345"]):
        equal((answer.code, loads_persistent(answer.message)), (0, [("found", ("a", 1))]))


def with_buffers():
    """A value, its pickle, and the buffers that were left out of it."""
    blob, mutable = b"read only" * 1000, bytearray(b"mutable" * 1000)
    buffers = []
    value = {"a": pickle.PickleBuffer(blob), "b": [pickle.PickleBuffer(mutable), 1], "c": pickle.PickleBuffer(b"")}
    message = pickle.dumps(value, 5, buffer_callback=buffers.append)
    equal(len(buffers), 3)
    return {"a": blob, "b": [mutable, 1], "c": b""}, message, [bytes(buffer.raw()) for buffer in buffers]


@test
def buffers_out_of_band():
    """buffers that came beside a pickle go beside it again, or into it."""
    value, message, buffers = with_buffers()
    outside, = ask(program, [("p", "B", message, *buffers)])
    equal((outside.code, outside.buffers), (0, buffers))
    equal(pickle.loads(outside.message, buffers=[value["a"], value["b"][0], b""]), value)
    for answer in ask(program, [("p", wanted, message, *buffers) for wanted in "2345"]):
        equal((answer.code, answer.buffers), (0, []))
        corpus.same(value, pickle.loads(answer.message))


@test
def buffers_that_did_not_come():
    """a pickle whose buffers are elsewhere is handed on without them."""
    value, message, buffers = with_buffers()
    answer, = ask(program, [("p", "5", message)])
    equal(answer.code, 0)
    corpus.same(value, pickle.loads(answer.message, buffers=[value["a"], value["b"][0], b""]))


@test
def buffers_in_band():
    """buffers in a pickle come out of it when that is wanted."""
    blob, mutable = b"read only" * 1000, bytearray(b"mutable" * 1000)
    message = pickle.dumps([pickle.PickleBuffer(blob), pickle.PickleBuffer(mutable)], 5)
    for answer in ask(program, [("p", wanted, message) for wanted in "2345"]):
        equal(answer.code, 0)
        corpus.same([blob, mutable], pickle.loads(answer.message))


run_all()
