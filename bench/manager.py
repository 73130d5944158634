#!/usr/bin/env python3
"""Measures managers: queues and dicts in a server process, kith's server and clients against CPython's, by turns.

    bench/manager.py FOLDER [--quick]    FOLDER has kith-managed and kith-crowd, as meson built them

Prints how many items a second go through a queue, and how many calls to a dict are made, over Unix sockets and TCP, and
how many times CPython's clients on CPython's server that is; then how long a call takes while 2,000 clients are idle
and 50 are busy: medians of 5, with the least and the most.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile

import machine
import turns

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tests", "interop"))
import pythons  # noqa: E402  it has to be found first

PEER = os.path.join(HERE, "managed.py")
NAMED = "3.11"  # a reference that is told besides the quickest one
SOCKETS = "kith, sockets"
SHARED = "kith, shared memory"
PARTS = {  # name: its title, the way of kith-managed and managed.py, the scheme, how many are counted for each
    "queue": ("thousands of items a second through a queue, Unix socket: one puts, one gets and says task_done",
              "queue", "unix", 1),
    "queue-tcp": ("the same over TCP", "queue", "tcp", 1),
    "dict": ("thousands of calls a second to a dict, Unix socket: one client, set and get", "dict", "unix", 2),
    "dict-tcp": ("the same over TCP", "dict", "tcp", 2),
}
CROWD_TITLES = {"alone": "alone", "idle": "beside idle ones", "paced": "beside busy ones at a pace",
                "crowded": "of busy ones, as fast as they can"}


# ---- servers ----


class Server:
    """A program that serves until its stdin ends, and has printed its address."""

    def __init__(self, command, scheme, folder, *options):
        address = "tcp:127.0.0.1:0" if scheme == "tcp" else "unix:" + tempfile.mktemp(dir=folder)
        self.process = subprocess.Popen([*command, "serve", address, *options], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        try:
            self.process.wait(turns.LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Servers(list):
    """Those of one part: each subject has its own, so that nobody finds what another one left."""

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        return self

    def __exit__(self, *_):
        for server in self:
            server.__exit__()
        self.folder.cleanup()

    def start(self, command, scheme, *options):
        self.append(Server(command, scheme, self.folder.name, *options))
        return self[-1].address


# ---- items and calls a second ----


def on_python(version):
    return f"CPython {version} on its own server"


def on_kith(version):
    return f"CPython {version} on kith's server"


def subjects(servers, kith, interpreters, way, scheme):
    """Pairs of a title and a command."""
    for version, path in interpreters:
        python = [path, PEER]
        yield on_python(version), [*python, way, servers.start(python, scheme)]
        yield on_kith(version), [*python, way, servers.start(kith, scheme)]
    kinds = [(SOCKETS, ["sockets"])] + [(SHARED, [])] * (scheme == "unix")
    for way_of_kith, ending in [(way, "")] + [("queue-many", ", many at a time")] * (way == "queue"):
        for title, options in kinds:
            yield title + ending, [*kith, way_of_kith, servers.start(kith, scheme, *options), *options]


def quickest(found):
    """CPython on its own server: whoever has another one gains more."""
    rivals = [subject for title, subject in found.items() if title.endswith("its own server") and subject.samples]
    return min(rivals, key=lambda subject: statistics.median(subject.samples), default=None)


def references(title, found):
    """Whom a subject is compared with, by the column."""
    own = title.replace("kith's server", "its own server")
    return {"quickest": quickest(found), NAMED: found.get(on_python(NAMED)),
            "own": found[own] if title != own else None}


def times(subject, base):
    return turns.ratios(base, subject) if base and base.samples else []


def figures(found, each):
    """What is told of each subject, as JSON has it."""
    told = {}
    for title, subject in found.items():
        if subject.failed:
            told[title] = {"failed": subject.failed}
            continue
        told[title] = {"rate": [each / seconds for seconds in subject.samples]}
        for name, base in references(title, found).items():
            told[title]["times " + name] = times(subject, base)
    return told


def draw_rates(title, told, reference):
    """@param reference: the quickest CPython"""
    headings = {"quickest": "times " + reference, NAMED: "times CPython " + NAMED, "own": "times its own server"}
    if reference.endswith(" " + NAMED):
        del headings[NAMED]
    row = "  %-36s %-27s" + " %-27s" * len(headings)
    lines = [title, (row % ("", "", *headings.values())).rstrip()]
    for name, figure in told.items():
        if "failed" in figure:
            lines.append("  %-36s failed: %s" % (name, figure["failed"]))
            continue
        ratios = [figure["times " + base] for base in headings]
        rates = turns.spread([rate / 1e3 for rate in figure["rate"]], "%.1f")
        cells = [turns.spread(ratio, "%.2f") if ratio else "" for ratio in ratios]
        lines.append((row % (name, rates, *cells)).rstrip())
    return "\n".join(lines)


def measure_rates(name, options):
    title, way, scheme, each = PARTS[name]
    kith = [os.path.join(options.folder, "kith-managed")]
    with Servers() as servers:
        found = turns.measure(list(subjects(servers, kith, options.interpreters, way, scheme)), options)
    told = figures(found, each)
    best = quickest(found)
    print("\n" + draw_rates(title, told, best.title.split(" on ")[0] if best else "CPython"), flush=True)
    return told


# ---- a crowd ----


def crowd_once(server_command, options, *ways):
    """One run against a fresh server: what kith-crowd printed, or {"failed": why}."""
    command = [os.path.join(options.folder, "kith-crowd")]
    with tempfile.TemporaryDirectory() as folder, Server(server_command, "unix", folder, *ways) as server:
        numbers = options.idle, options.busy, options.seconds
        done = subprocess.run([*command, server.address, str(server.process.pid), *map(str, numbers), *ways],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        return {"failed": done.stderr.strip() or f"ended with status {done.returncode}"}
    return json.loads(done.stdout)


def crowd_servers(options):
    """title: a server's command, and what it and its clients are told besides."""
    kith = [os.path.join(options.folder, "kith-managed")]
    servers = {SHARED: (kith, []), SOCKETS: (kith, ["sockets"])}
    path = dict(options.interpreters).get(NAMED, sys.executable)
    if not options.quick:  # a thread for each client
        servers["CPython's server"] = [path, PEER], []
    return servers


def draw_crowd(told):
    row = "  %-36s %-28s %-28s %s"
    lines = []
    for title, runs in told.items():
        lines.append(row % (title, "median, us", "99 %, us", "times the 99 % alone"))
        good = [run for run in runs if "failed" not in run]
        lines += ["    failed: " + run["failed"] for run in runs if "failed" in run]
        for name, heading in CROWD_TITLES.items() if good else ():
            cells = [turns.spread([run[name][key] / 1e3 for run in good], "%.1f") for key in ("p50", "p99")]
            ratio = turns.spread([run[name]["p99"] / run["alone"]["p99"] for run in good], "%.2f")
            lines.append(row % ("  " + heading, *cells, ratio))
        if good:
            mib = [run["server_kib"] / 1024 for run in good]
            lines.append("    the server's memory then: %s MiB" % turns.spread(mib, "%.1f"))
    return "\n".join(lines)


def allow_descriptors(wanted):
    """For this process and those that it starts: the server has one for each client. @return how many there may be"""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def measure_crowd(_, options):
    allow_descriptors(3 * (options.idle + options.busy) + 200)
    told = {title: [] for title in crowd_servers(options)}
    for _ in range(options.repetitions):
        for title, (command, ways) in crowd_servers(options).items():
            told[title].append(crowd_once(command, options, *ways))
    print(f"\na get from a dict, by a C client; {options.idle} clients are idle, {options.busy} are busy")
    print(draw_crowd(told), flush=True)
    return told


# ---- all of it ----


def failures(told):
    if isinstance(told, dict):
        return ("failed" in told) + sum(map(failures, told.values()))
    return sum(map(failures, told)) if isinstance(told, list) else 0


def parse_arguments():
    parts = [*PARTS, "crowd"]
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", help="where meson built kith-managed and kith-crowd")
    parser.add_argument("--only", help="only these parts, separated by commas: " + ", ".join(parts))
    parser.add_argument("--json", metavar="FILE", help="write all samples there as well")
    parser.add_argument("--idle", type=int, default=2000, help="clients that do nothing (default: 2000)")
    parser.add_argument("--busy", type=int, default=50, help="clients that call (default: 50)")
    turns.add_options(parser)
    options = turns.settle(parser.parse_args())
    options.parts = options.only.split(",") if options.only else parts
    unknown = set(options.parts) - set(parts)
    if unknown:
        parser.error("no such part: " + ", ".join(sorted(unknown)))
    options.interpreters = pythons.find()
    if options.quick:
        options.interpreters, options.idle, options.busy = options.interpreters[-1:], 40, 4
    return options


def main():
    options = parse_arguments()
    print(turns.header())
    told = {part: (measure_crowd if part == "crowd" else measure_rates)(part, options) for part in options.parts}
    if options.json:
        here = machine.describe({"compiler": "", "build": ""})
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"machine": here, "parts": told}, file, indent=1)
            file.write("\n")
    return 1 if failures(told) else 0


if __name__ == "__main__":
    sys.exit(main())
