"""Sends the corpus through C and back, in the Python that runs this, and says what came back different.

usage: corpus_run.py CODECS    CODECS is the program made of codecs.c

Prints a line of JSON for each protocol: how many cases there were, and what was wrong. Runs on Python 3.8.
"""

import json
import pickle
import sys

import corpus
from codec_peer import ask

WRITTEN = range(2, 6)


def dumps(value, protocol):
    """As Python's C pickler has it; or its pickler in Python, where only that one goes deep enough."""
    try:
        return pickle.dumps(value, protocol)
    except RecursionError:
        return pickle._dumps(value, protocol)


def run(program, protocol):
    cases = [(name, value, wanted, message) for name, value, since in corpus.cases if since <= protocol
             for message in [dumps(value, protocol)] for wanted in WRITTEN if wanted >= since]
    answers = ask(program, [("p", str(wanted), message) for _, _, wanted, message in cases])
    wrong = []
    for (name, value, wanted, _), answer in zip(cases, answers):
        fault = judge(value, answer)
        if fault:
            wrong.append("%s, written in %d: %s" % (name, wanted, fault))
    return {"protocol": protocol, "cases": len(cases), "numpy": corpus.numpy is not None, "wrong": wrong}


def judge(value, answer):
    """What is wrong with it, or None."""
    if answer.code < 0:
        return "%d: %s" % (answer.code, answer.message.decode())
    try:
        corpus.same(value, pickle.loads(answer.message))
        return None
    except corpus.Difference as difference:
        return str(difference)
    except Exception as error:
        return "Python does not load it: %r" % error


sys.setrecursionlimit(20000)
for number in range(6):
    print(json.dumps(run(sys.argv[1], number)), flush=True)
