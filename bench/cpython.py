#!/usr/bin/env python3
"""CPython's own processes and pools, measured by turns: see turns.py.

    cpython.py WAY    reads counts, and prints seconds

Any Python from 3.8 on runs this.
"""

import collections
import concurrent.futures
import contextlib
import multiprocessing
import sys
import time

WORKERS = 2
AHEAD = 1024


def nothing():
    pass


def same(item):
    return item


def starts(method):
    def work(context, count):
        for _ in range(count):
            process = context.Process(target=nothing)
            process.start()
            process.join()

    return contextlib.nullcontext(multiprocessing.get_context(method)), work


def apply_async(pool, count):
    """As many on their way as with kith's."""
    waiting = collections.deque()
    for item in range(count):
        if len(waiting) == AHEAD:
            yield waiting.popleft().get()
        waiting.append(pool.apply_async(same, (item,)))
    for result in waiting:
        yield result.get()


MAPS = {
    "map": lambda pool, count: pool.map(same, range(count), chunksize=1),
    "map-chunks": lambda pool, count: pool.map(same, range(count)),
    "apply-async": apply_async,
    "imap": lambda pool, count: pool.imap(same, range(count)),
    "imap-unordered": lambda pool, count: pool.imap_unordered(same, range(count)),
}


def maps(way):
    def work(pool, count):
        if sum(way(pool, count)) != count * (count - 1) // 2:
            sys.exit("wrong results")

    return work


def find(way):
    """A context manager of what must be there, and what is measured with it."""
    if way.startswith("start-"):
        return starts(way[len("start-"):])
    if way == "futures":
        context = multiprocessing.get_context("fork")
        return (concurrent.futures.ProcessPoolExecutor(WORKERS, mp_context=context),
                maps(lambda pool, count: pool.map(same, range(count), chunksize=1)))
    return multiprocessing.get_context("fork").Pool(WORKERS), maps(MAPS[way])


def main():
    manager, work = find(sys.argv[1])
    with manager as context:
        for line in sys.stdin:
            start = time.perf_counter()
            work(context, int(line))
            print("%.9f" % (time.perf_counter() - start), flush=True)


if __name__ == "__main__":
    main()
