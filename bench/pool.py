#!/usr/bin/env python3
"""Measures what tasks cost in a pool of two workers: kith's ways, two bare queues, and CPython's pools, by turns.

    bench/pool.py FOLDER [--quick]    FOLDER has kith-tasks and kith-files, as meson built them

Prints how many tasks that do nothing are done in a second, how many times CPython's Pool.map that is, and how much of
what the bare queues allow; then how long it takes to read 100,000 small files, with a pool and partitioned by hand:
medians of 5, with the least and the most.
"""

import argparse
import itertools
import os
import statistics
import sys
import tempfile

import turns

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tests", "interop"))
import pythons  # noqa: E402  it has to be found first

BARE_BYTES, BARE_VALUES = "two bare queues, bytes", "two bare queues, values"
WAYS = {  # title: way, and what it is compared with
    "kith map, values": ("map", BARE_VALUES),
    "kith map, bytes": ("map-bytes", BARE_BYTES),
    "kith apply_async, values": ("apply-async", BARE_VALUES),
    "kith imap, values": ("imap", BARE_VALUES),
    "kith imap_unordered, values": ("imap-unordered", BARE_VALUES),
    "kith map, values, chunks": ("map-chunks", BARE_VALUES),
    "kith map, bytes, chunks": ("map-bytes-chunks", BARE_BYTES),
    BARE_BYTES: ("queues-bytes", BARE_BYTES),
    BARE_VALUES: ("queues-values", BARE_VALUES),
}
PYTHON_WAYS = {
    "apply_async": "apply-async",
    "imap": "imap",
    "imap_unordered": "imap-unordered",
    "Pool.map, chunks": "map-chunks",
    "futures, map": "futures",
}
FOLDERS = "/usr/include", "/usr/share", "/usr", "/etc", "/opt"
SMALL = 16 * 1024  # the most bytes of a small file
POOL, HAND = "kith_pool_map_bytes", "two forked processes"


# ---- tasks that do nothing ----


def python_commands(quick):
    """Pool.map of every Python that is there, the other ways of the one that runs this."""
    peer = os.path.join(HERE, "cpython.py")
    found = [("this", sys.executable)] if quick else pythons.find()
    commands = [(f"CPython {version} Pool.map", [path, peer, "map"]) for version, path in found]
    if not quick:
        commands += [(f"CPython {title}", [sys.executable, peer, way]) for title, way in PYTHON_WAYS.items()]
    return commands


def best_python(found):
    """The quickest Pool.map: whoever has another Python gains more."""
    rivals = [subject for title, subject in found.items() if title.endswith("Pool.map") and subject.samples]
    return min(rivals, key=lambda subject: statistics.median(subject.samples), default=None)


def versus(subject, base):
    """How many times as fast as that one."""
    return turns.spread(turns.ratios(base, subject), "%.2f") if base and base.samples else "-"


def draw_tasks(found):
    row = "  %-28s %-28s %-26s %s"
    python = best_python(found)
    lines = [row % ("", "thousands of tasks a second", "times " + (python.title if python else "CPython"),
                    "of the bare queues")]
    for title, subject in found.items():
        if subject.failed:
            lines.append("  %-28s failed: %s" % (title, subject.failed))
            continue
        rates = [1e-3 / seconds for seconds in subject.samples]
        bare = versus(subject, found[WAYS[title][1]]) if title in WAYS else ""
        lines.append((row % (title, turns.spread(rates, "%.1f"), versus(subject, python), bare)).rstrip())
    return "\n".join(lines)


def measure_tasks(options):
    program = os.path.join(options.folder, "kith-tasks")
    wanted = [(title, [program, way]) for title, (way, _) in WAYS.items()] + python_commands(options.quick)
    found = turns.measure(wanted, options)
    print("tasks that give back an int, or 8 bytes; chunks of 1 but where said otherwise; 2 workers")
    print(draw_tasks(found), flush=True)
    return found


# ---- small files ----


def small_files(folders):
    """Paths of regular files of 1 byte to 16 KiB, that may be read, as they come; each once."""
    seen = set()
    for folder in folders:
        for root, inner, names in os.walk(folder):
            inner.sort()
            for path in (os.path.join(root, name) for name in sorted(names)):
                if path not in seen and "\n" not in path and not os.path.islink(path) and os.path.isfile(path):
                    seen.add(path)
                    if 1 <= os.path.getsize(path) <= SMALL and os.access(path, os.R_OK):
                        yield path


def draw_files(found, count):
    row = "  %-28s %-26s %-28s %s"
    lines = [row % ("", "seconds", "thousands of files a second", "of by hand")]
    for title, subject in found.items():
        if subject.failed:
            lines.append("  %-28s failed: %s" % (title, subject.failed))
            continue
        rates = [count / seconds / 1e3 for seconds in subject.samples]
        lines.append(row % (title, turns.spread(subject.samples, "%.3f"), turns.spread(rates, "%.1f"),
                            turns.spread(turns.ratios(subject, found[HAND]), "%.3f")))
    return "\n".join(lines)


def measure_files(options):
    files = list(itertools.islice(small_files(FOLDERS), 200 if options.quick else options.files))
    if not files:
        sys.exit("bench: found no files to read")
    program = os.path.join(options.folder, "kith-files")
    with tempfile.NamedTemporaryFile("w", suffix=".list") as listing:
        listing.writelines(path + "\n" for path in files)
        listing.flush()
        found = turns.measure([(POOL, [program, "pool", listing.name]), (HAND, [program, "hand", listing.name])],
                              options)
    size = sum(os.path.getsize(path) for path in files)
    print(f"\n{len(files)} small files ({size / 1e6:.1f} MB) of this system, read and hashed by 2 processes, their "
          "starts and ends included")
    print(draw_files(found, len(files)), flush=True)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", help="where meson built kith-tasks and kith-files")
    parser.add_argument("--files", type=int, default=100000, help="how many to read, if so many are there")
    parser.add_argument("--only", choices=["tasks", "files"], help="only this part")
    turns.add_options(parser)
    options = turns.settle(parser.parse_args())
    print(turns.header() + "\n")
    parts = [measure for name, measure in (("tasks", measure_tasks), ("files", measure_files))
             if options.only in (None, name)]
    failed = [subject for measure in parts for subject in measure(options).values() if subject.failed]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
