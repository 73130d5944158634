#!/usr/bin/env python3
"""Checks the models of this folder with spin, and that they catch what is known to be wrong. Prints TAP.

    run.py [--long]     without --long, what takes some seconds

A model is checked exhaustively: in all states that its parameters allow. With BITS the set of the states seen is kept
as bits of a hash, and what is searched is most of them (man spin: -DBITSTATE); with MINUTES as many as that time
allows, in random order. Each mutant is the model with one mistake: checking it must end with an assertion violated."""

import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, os.pardir, "examples"))
import tap  # noqa: E402

MEMORY = 4000  # MiB; what is not done then fails
PATIENCE = 1200  # seconds


def lock(contenders, turns, deaths, hasty=0):
    return "lock", dict(CONTENDERS=contenders, TURNS=turns, DEATHS=deaths, HASTY=hasty)


def condition(acquirers, releasers, turns, gifts, deaths, hasty=0):
    return "condition", dict(ACQUIRERS=acquirers, RELEASERS=releasers, TURNS=turns, GIFTS=gifts, DEATHS=deaths,
                             HASTY=hasty)


def queue(putters, getters, puts, gets, capacity, deaths, **others):
    parameters = dict(PUTTERS=putters, GETTERS=getters, PUTS=puts, GETS=gets, CAPACITY=capacity, DEATHS=deaths,
                      LAST_UNITS=1, PUT_PATIENCE="FOREVER", GET_PATIENCE="FOREVER", AWAKE="false")
    parameters.update(others)
    return "queue", parameters


def pool(workers, chunks, slots, places, deaths=0, stops=0, dooms=0, **others):
    return "pool", dict(WORKERS=workers, CHUNKS=chunks, SLOTS=slots, PLACES=places, DEATHS=deaths, STOPS=stops,
                        DOOMS=dooms, **others)


def page(calls, deaths=0, **others):
    return "page", dict(CALLS=calls, DEATHS=deaths, **others)


def note(putters, puts, getters, gets, deaths=0):
    return "note", dict(PUTTERS=putters, PUTS=puts, GETTERS=getters, GETS=gets, DEATHS=deaths)


def lane(senders, sends, receivers, receives, watchers=0, deaths=0):
    return "lane", dict(SENDERS=senders, SENDS=sends, RECEIVERS=receivers, RECEIVES=receives, WATCHERS=watchers,
                        DEATHS=deaths)


SHORT = [
    lock(3, 1, deaths=2),
    lock(3, 1, deaths=1, hasty=1),
    condition(2, 1, 1, 2, deaths=1),
    queue(1, 1, 2, 2, 1, deaths=1, AWAKE="true"),
    queue(1, 2, 1, 1, 1, deaths=1),
    queue(2, 1, 1, 1, 1, deaths=0),
    pool(1, 3, 2, 2, deaths=1, dooms=1),
    pool(2, 1, 3, 1, stops=1),
    page(4, deaths=1),
    page(4, PATIENT=1),
    note(2, 1, 1, 2, deaths=2),
    lane(2, 1, 1, 2, watchers=1, deaths=1),
    lane(1, 2, 2, 2, deaths=1),
]

LONG = [
    lock(3, 2, deaths=2, hasty=1),
    lock(4, 1, deaths=0),
    lock(4, 1, deaths=1),
    condition(2, 1, 1, 2, deaths=2, hasty=1),
    condition(2, 1, 2, 2, deaths=1),
    condition(3, 1, 1, 1, deaths=1),
    condition(2, 2, 1, 1, deaths=2),
    queue(1, 1, 2, 2, 1, deaths=2, AWAKE="true", GET_PATIENCE="LIMITED", PUT_PATIENCE="LIMITED", SHRINK=1),
    queue(2, 1, 1, 1, 2, deaths=0, LAST_UNITS=2, PUT_PATIENCE="LIMITED"),
    queue(2, 1, 1, 1, 1, deaths=1),
    queue(2, 1, 1, 2, 1, deaths=1),
    queue(1, 2, 1, 1, 1, deaths=1, GET_PATIENCE="LIMITED"),
    queue(1, 2, 1, 1, 1, deaths=1, AWAKE="true", SHRINK=1),
    queue(1, 2, 2, 1, 1, deaths=2, BITS=1, MINUTES=2),
    queue(2, 1, 1, 2, 1, deaths=2, BITS=1),
    queue(2, 1, 1, 2, 2, deaths=1, LAST_UNITS=2, BITS=1),
    queue(2, 2, 1, 1, 1, deaths=1, BITS=1, MINUTES=2),
    queue(2, 2, 1, 1, 1, deaths=2, BITS=1, MINUTES=2),
    pool(2, 1, 3, 1, deaths=1),
    pool(2, 2, 3, 2, deaths=1),
    pool(2, 2, 3, 2, stops=1, dooms=1, BITS=1, MINUTES=2),
    pool(2, 3, 3, 2, deaths=1, dooms=1, BITS=1, MINUTES=2),
    pool(2, 4, 3, 3, stops=1, BITS=1, MINUTES=2),
    pool(3, 2, 4, 2, deaths=1, stops=1, BITS=1, MINUTES=2),
    page(8, deaths=1),
    note(2, 2, 1, 3, deaths=2),
    lane(2, 2, 1, 4, watchers=1, deaths=2),
    lane(2, 1, 2, 2, watchers=1, deaths=2),
]

MUTANTS = [
    ("WAITERS_DROPPED", "the waiters bit is taken off on release, for the woken one to set again", lock(3, 1, 1)),
    ("CLEARED_BY_CAS", "the waiters bit is taken off where the word looks as it did", lock(4, 1, 0)),
    ("NO_SLOT", "the one who releases has nothing in the slot", lock(3, 1, 1)),
    ("NO_SLOT", "the one who gives a unit has nothing in the slot", condition(2, 1, 1, 2, 1)),
    ("PASS_FREE", "who passes the word on leaves it free instead of called", condition(3, 1, 1, 3, 0)),
    ("NO_LOOK_AGAIN", "no look at the condition after others were left asleep", condition(2, 1, 1, 2, 1)),
    ("SLEEPS_ON_WORD_ALONE", "a waiter sleeps whatever became of the condition", condition(2, 1, 1, 2, 1)),
    ("NO_DEBT", "who commits has nothing in the slot", queue(1, 2, 1, 1, 1, 1)),
    ("NO_LOOK_AGAIN", "the same, in the queue", queue(1, 2, 2, 1, 2, 0, AWAKE="true")),
    ("NO_LOOK_BEFORE_SLEEP", "no look at the condition before sleeping", queue(1, 2, 1, 1, 1, 1)),
    ("SLEEPS_ON_WORD_ALONE", "the same, in the queue", queue(1, 2, 1, 1, 1, 1)),
    ("FREE_BEFORE_NOTE", "a slot is free before the desk has the ticket", pool(1, 3, 2, 1, deaths=1)),
    ("PLACE_ON_DESK", "the desk has the chunk's place, not its ticket", pool(1, 3, 2, 1, deaths=1)),
    ("NO_LOOK_AGAIN", "no look at the ring between the bit and the sleep", pool(1, 3, 2, 1)),
    ("NO_WAKE_AFTER_BURIAL", "a wake-up ends with the worker that got it", pool(2, 1, 3, 1, deaths=1)),
    ("NO_PASSING_OVER", "a slot that stays claimed is waited for", pool(2, 2, 1, 2, stops=1)),
    ("NO_TURN", "a worker is doomed for a claim that is over", pool(1, 3, 2, 1, dooms=1)),
    ("BELL_TAKEN_FIRST", "the keeper's flag is taken off before the bell is rung", pool(2, 2, 3, 2, stops=1)),
    ("ANY_SLEEP", "the keeper's flag is taken off whatever sleep it is of", pool(2, 2, 3, 2)),
    ("TAKEN_BACK_BY_STORE", "a request is taken back whatever became of it", page(3)),
    ("ANSWERED_BY_STORE", "a reply is left to a client that waits at the socket", page(3)),
    ("NO_LOOK_AGAIN", "no look at the page between leaving it and the sleep", page(3, PATIENT=1)),
    ("SLEEPS_ATTENDING", "a server sleeps without leaving the page", page(3, PATIENT=1)),
    ("NO_LOOK_AT_ATTENDED", "no look behind a request whether the page is attended", page(3, PATIENT=1)),
    ("OWED", "a call goes by the page while a reply is owed at the socket", page(3)),
    ("LOOKS_BEFORE_PUT", "a client looks who waits before it puts", note(1, 2, 0, 2)),
    ("CLEARS_FOR_ALL", "the note says that nobody waits when one of them has got something", note(1, 2, 0, 2)),
    ("NO_SECOND_TRY", "who waits at the server has not tried since the note says so", note(1, 2, 0, 2)),
    ("NO_LOOK_AT_END", "nobody is tried for when a client dies that has not told", note(1, 1, 0, 1, deaths=1)),
    ("RINGS_AFTERWARDS", "a message can be seen before its bell is rung", lane(1, 1, 1, 1, deaths=1)),
    ("RINGS_OUTSIDE", "a bell is rung when the senders' side was left", lane(2, 1, 1, 2)),
    ("NO_LOOK_INSIDE", "no look for a message where no sender can be", lane(1, 1, 1, 1)),
    ("CLEARED_FIRST", "bells are taken off before senders are to ring again", lane(2, 1, 1, 2, watchers=1, deaths=1)),
    ("CLEARED_OUTSIDE", "bells are taken off while senders ring", lane(1, 1, 1, 1)),
    ("BELL_TAKEN", "who is woken takes the bell off", lane(1, 1, 1, 1, watchers=1)),
    ("RETURNS_BEFORE_FREE", "a call returns before it has said that it has the reply", page(3, deaths=1)),
]


def search(model, parameters, optimise=False):
    """Returns what the search says: how many errors, how many states, and all of it. To optimise takes gcc longer than
    a short search."""
    parameters = dict(parameters)
    bits, minutes = parameters.pop("BITS", None), parameters.pop("MINUTES", None)
    randomly = ["-DT_RAND", "-DP_RAND"] if minutes else []
    limits = ["-w32" if bits else "-w22", *(["-Q%d" % minutes, "-RS1"] if minutes else [])]
    with tempfile.TemporaryDirectory(prefix="kith-model-") as folder:
        for name in os.listdir(HERE):
            if name.endswith(".pml"):
                shutil.copy(os.path.join(HERE, name), folder)
        definitions = ["-D%s=%s" % pair for pair in parameters.items()]
        said = subprocess.check_output(["spin", *definitions, "-a", model + ".pml"], cwd=folder,
                                       stderr=subprocess.STDOUT, text=True)
        if "Error" in said:
            raise AssertionError(said)
        subprocess.check_call(["gcc", "-O2" if optimise else "-O0", "-w", "-DSAFETY", "-DMEMLIM=%d" % MEMORY,
                               "-DBITSTATE" if bits else "-DCOLLAPSE", *randomly, "-o", "pan", "pan.c"], cwd=folder)
        output = subprocess.run(["./pan", "-E", "-m100000", *limits], cwd=folder, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, timeout=PATIENCE).stdout
    errors = re.search(r"errors: (\d+)", output)
    states = re.search(r"(\S+) states, stored", output)
    if not errors or not states or "too small" in output or "out of memory" in output or "MEMLIM" in output:
        raise AssertionError("the search did not end:\n" + output)
    return int(errors.group(1)), int(float(states.group(1))), output


def describe(model, parameters):
    return "%s: %s" % (model, ", ".join("%s %s" % (name.lower(), value) for name, value in parameters.items()))


def expect_right(model, parameters, long):
    def check():
        errors, states, output = search(model, parameters, long)
        print("# %d states%s" % (states, ", not all" if "BITS" in parameters else ""))
        if errors:
            raise AssertionError(output)
    check.__doc__ = describe(model, parameters)
    tap.test(check)


def expect_caught(mutant, what, model, parameters):
    def check():
        errors, _, output = search(model, dict(parameters, **{"MUTANT_" + mutant: 1}))
        if not errors or "assertion violated" not in output:
            raise AssertionError("not caught:\n" + output)
    check.__doc__ = "caught, %s: %s" % (model, what)
    tap.test(check)


def main():
    missing = [name for name in ("spin", "gcc") if not shutil.which(name)]
    if missing:
        print("1..0 # SKIP %s is not installed" % missing[0])
        return
    for case in SHORT:
        expect_right(*case, False)
    for case in LONG if sys.argv[1:] == ["--long"] else []:
        expect_right(*case, True)
    for mutant, what, case in MUTANTS:
        expect_caught(mutant, what, *case)
    tap.run_all()


main()
