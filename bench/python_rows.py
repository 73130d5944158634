#!/usr/bin/env python3
"""What bench/python.py measures: one row, of one module, in an interpreter of its own.

    bench/python_rows.py MODULE ROW SECONDS    prints a line of JSON

MODULE has multiprocessing's names: multiprocessing, kith, billiard, multiprocess. faster_fifo has queues alone, and
loky an executor alone. How often the work is done is found out first, so that it takes about SECONDS. All processes are
forked; who waits for whom before and after goes by the system's pipes, which are the same for all.
"""

import contextlib
import importlib
import json
import os
import statistics
import sys
import threading
import time

WORKERS = 4
DICT = {"id": 1234567, "name": "a small dict", "tags": ["one", "two"], "weight": 0.5, "done": False}
VALUES = {"int": 123456, "bytes": b"x" * 100, "str": "a text of some length", "dict": DICT, "1MiB": b"x" * (1 << 20)}


def value_of(name):
    if name != "numpy":
        return VALUES[name]
    import numpy
    return numpy.arange(1 << 20, dtype=numpy.float64)  # 8 MiB


# ---- processes, and signals between them ----


class Signal:
    """One side says it so often, the other waits for it so often."""

    def __init__(self):
        self.reader, self.writer = os.pipe()

    def say(self, times=1):
        os.write(self.writer, b"!" * times)

    def wait(self, times=1):
        for _ in range(times):
            if not os.read(self.reader, 1):
                sys.exit("whoever was waited for is gone")


@contextlib.contextmanager
def children(target, count=1):
    """So many forked processes that call target(number)."""
    pids = []
    for number in range(count):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                target(number)
                status = 0
            finally:
                os._exit(status)
        pids.append(pid)
    yield
    for pid in pids:
        if os.waitpid(pid, 0)[1] != 0:
            sys.exit("a child failed")


@contextlib.contextmanager
def processes(context, target, count=1):
    """The same, by the module's own: what feeds a queue in the background is to end with its process."""
    made = [context.Process(target=target, args=(number,)) for number in range(count)]
    for process in made:
        process.start()
    yield
    for process in made:
        process.join()
        if process.exitcode != 0:
            sys.exit("a child failed")


# ---- rows; each returns the seconds that `count` took, or a list of seconds for each ----


def make_queue(module):
    if module.__name__ == "faster_fifo":
        import faster_fifo_reduction  # noqa: F401  without it, queues can't be handed on
        return module.Queue(max_size_bytes=32 << 20)
    return context_of(module).Queue()


def context_of(module):
    if module.__name__ == "faster_fifo":
        module = importlib.import_module("multiprocessing")
    return module.get_context("fork")


def queue(name, putters=1, getters=1):
    def work(module, count):
        value, count = value_of(name), count // putters // getters * putters * getters or putters * getters
        messages, go, done = make_queue(module), Signal(), Signal()

        def put(_):
            go.wait()
            for _ in range(count // putters):
                messages.put(value)

        def get(_):
            go.wait()
            for _ in range(count // getters):
                messages.get()
            done.say()

        def both(number):
            return put(number) if number < putters else get(number - putters)
        with processes(context_of(module), both, putters + getters):
            start = time.perf_counter()
            go.say(putters + getters)
            done.wait(getters)
            took = time.perf_counter() - start
        return took / count
    return work


def round_trip(send, receive, answer, count):
    times = []
    for _ in range(count):
        start = time.perf_counter()
        send(1)
        receive()
        times.append(time.perf_counter() - start)
    return times


def queue_round_trip(module, count):
    there, back = make_queue(module), make_queue(module)

    def echo(_):
        for _ in range(count):
            back.put(there.get())
    with processes(context_of(module), echo):
        return round_trip(there.put, back.get, echo, count)


def pipe(name):
    def work(module, count):
        value = value_of(name)
        reader, writer = context_of(module).Pipe(duplex=False)

        def send(_):
            for _ in range(count):
                writer.send(value)
        with processes(context_of(module), send):
            start = time.perf_counter()
            for _ in range(count):
                reader.recv()
            return (time.perf_counter() - start) / count
    return work


def pipe_round_trip(module, count):
    ours, theirs = context_of(module).Pipe()

    def echo(_):
        for _ in range(count):
            theirs.send(theirs.recv())
    with processes(context_of(module), echo):
        return round_trip(ours.send, ours.recv, echo, count)


def managed_queue(address=None):
    def work(module, count):
        with manager(module, address) as server:
            messages = server.JoinableQueue()
            start = time.perf_counter()
            for i in range(count):
                messages.put(i)
                messages.get()
                messages.task_done()
            return (time.perf_counter() - start) / count
    return work


@contextlib.contextmanager
def manager(module, address):
    kind = importlib.import_module(module.__name__ + ".managers").SyncManager
    server = kind(address=address, ctx=context_of(module)) if address else context_of(module).Manager()
    if address:
        server.start()
    yield server
    server.shutdown()


def managed_dict(module, count):
    with manager(module, None) as server:
        entries = server.dict()
        start = time.perf_counter()
        for i in range(count // 2 or 1):
            entries["key"] = i
            entries["key"]
        return (time.perf_counter() - start) / (count // 2 or 1) / 2


def same(x):
    return x


def pool(way):
    def work(module, count):
        with context_of(module).Pool(WORKERS) as workers:
            workers.map(same, range(WORKERS * 4), 1)
            start = time.perf_counter()
            if sum(way(workers, count)) != count * (count - 1) // 2:
                sys.exit("wrong results")
            return (time.perf_counter() - start) / count
    return work


def apply_async(workers, count):
    return [result.get() for result in [workers.apply_async(same, (i,)) for i in range(count)]]


def executor(module, count):
    if module.__name__ == "loky":
        made = module.ProcessPoolExecutor(WORKERS)
    else:
        import concurrent.futures
        made = concurrent.futures.ProcessPoolExecutor(WORKERS, mp_context=context_of(module))
    with made as workers:
        sum(workers.map(same, range(WORKERS * 4)))
        start = time.perf_counter()
        if sum(workers.map(same, range(count))) != count * (count - 1) // 2:
            sys.exit("wrong results")
        return (time.perf_counter() - start) / count


def pool_start(module, count):
    times = []
    for _ in range(min(count, 20)):
        start = time.perf_counter()
        workers = context_of(module).Pool(WORKERS)
        times.append(time.perf_counter() - start)
        workers.terminate()
        workers.join()
    return times


def lock(contenders):
    def work(module, count):
        lock, go, done = context_of(module).Lock(), Signal(), Signal()

        def contend(_):
            go.wait()
            for _ in range(count // contenders):
                with lock:
                    pass
            done.say()
        with children(contend, contenders):
            start = time.perf_counter()
            go.say(contenders)
            done.wait(contenders)
            took = time.perf_counter() - start
        return took / (count // contenders or 1) / contenders
    return work


def value(module, count):
    counter = context_of(module).Value("l", 0)
    start = time.perf_counter()
    for _ in range(count):
        with counter.get_lock():
            counter.value += 1
    return (time.perf_counter() - start) / count


def event_round_trip(module, count):
    there, back = context_of(module).Event(), context_of(module).Event()

    def answer(_):
        for _ in range(count):
            there.wait()
            there.clear()
            back.set()
    times = []
    with children(answer):
        for _ in range(count):
            start = time.perf_counter()
            there.set()
            back.wait()
            back.clear()
            times.append(time.perf_counter() - start)
    return times


ROWS = {
    "queue-int": queue("int"), "queue-bytes": queue("bytes"), "queue-str": queue("str"), "queue-dict": queue("dict"),
    "queue-1MiB": queue("1MiB"), "queue-numpy": queue("numpy"), "queue-4P4C": queue("int", 4, 4),
    "queue-round-trip": queue_round_trip,
    "pipe-int": pipe("int"), "pipe-dict": pipe("dict"), "pipe-1MiB": pipe("1MiB"), "pipe-round-trip": pipe_round_trip,
    "manager-queue": managed_queue(), "manager-queue-tcp": managed_queue(("127.0.0.1", 0)),
    "manager-dict": managed_dict,
    "pool-map": pool(lambda workers, count: workers.map(same, range(count), 1)),
    "pool-imap-unordered": pool(lambda workers, count: workers.imap_unordered(same, range(count))),
    "pool-apply-async": pool(apply_async), "executor-map": executor, "pool-start": pool_start,
    "lock": lock(1), "lock-contended": lock(4), "value": value, "event-round-trip": event_round_trip,
}


def seconds_each(result):
    return statistics.median(result) if isinstance(result, list) else result


def main():
    name, row, wanted = sys.argv[1], sys.argv[2], float(sys.argv[3])
    deadline = threading.Timer(120, os._exit, (1,))  # with what hangs
    deadline.daemon = True
    deadline.start()
    module, work, count = importlib.import_module(name), ROWS[row], 4
    while True:
        start = time.perf_counter()
        result = work(module, count)
        done = len(result) if isinstance(result, list) else count
        took = seconds_each(result) * done
        if took >= wanted / 2 or time.perf_counter() - start > 4 * wanted or done < count:
            break
        count = int(count * min(max(wanted / max(took, 1e-9), 2), 20))
    figures = {"seconds": seconds_each(result)}
    if isinstance(result, list):
        figures["p99"] = sorted(result)[int(len(result) * 0.99)]
    print(json.dumps(figures), flush=True)
    os._exit(0)  # what a module leaves to do at exit is not measured


if __name__ == "__main__":
    main()
