"""2 putters and 2 getters of a queue are killed at random instants, 60 times.

The queue goes on. What was put is got once, but for what a killed getter had in its hands.

gh-85880, gh-87971
"""

import mmap
import queue
import random
import struct
import time

from case import context, eventually, kill, start, tell

KILLS = 60
LIVES = KILLS + 4
ITEMS = 1 << 20  # of a putter's life: more than it gets to put


class Numbers:
    """64-bit numbers that processes share, each written by one of them."""

    def __init__(self, count):
        self.memory = mmap.mmap(-1, 8 * count)

    def __getitem__(self, index):
        return struct.unpack_from("q", self.memory, 8 * index)[0]

    def __setitem__(self, index, number):
        struct.pack_into("q", self.memory, 8 * index, number)


# Children see these because they are forks.
put = Numbers(LIVES)  # how many items each life has put
got = Numbers(LIVES)
seen = mmap.mmap(-1, LIVES * ITEMS)  # how often each item was got


def work(role, items, life):
    if role == "put":
        for number in range(ITEMS):
            items.put((life, number))
            put[life] = number + 1
        raise RuntimeError("nothing left to put")
    while True:
        take(items.get(), life)


def take(item, life):
    seen[item[0] * ITEMS + item[1]] += 1
    got[life] = got[life] + 1


def total(numbers):
    return sum(numbers[life] for life in range(LIVES))


def main():
    seed = random.randrange(1 << 32)
    choose = random.Random(seed)
    print("# seed %d" % seed, flush=True)
    items = context.Queue(100)
    roles = ["put", "put", "get", "get"]
    workers = [start(work, role, items, life) for life, role in enumerate(roles)]
    getters_killed = 0
    for kills in range(KILLS):
        before = total(got)
        if not eventually(lambda: total(got) > before):
            print("# after %d kills" % kills, flush=True)
            tell(False, "the queue is dead")
        time.sleep(choose.uniform(0, 0.005))
        victim = choose.randrange(len(workers))
        getters_killed += roles[victim] == "get"
        kill(workers[victim])
        workers[victim] = start(work, roles[victim], items, len(roles) + kills)
    for worker, role in zip(workers, roles):
        if role == "put":
            kill(worker)
    try:
        while True:  # beside the getters that live
            take(items.get(timeout=0.3), 0)
    except queue.Empty:
        pass
    wanting = twice = 0
    for life in range(LIVES):
        counts = seen[life * ITEMS:life * ITEMS + put[life]]
        wanting += counts.count(0)
        twice += len(counts) - counts.count(0) - counts.count(1)
    good = wanting <= getters_killed and twice == 0
    tell(good, "the queue goes on; " + ("nothing is lost or doubled, but for what went with killed getters" if good else
                                        "%d lost, %d doubled" % (wanting, twice)))


if __name__ == "__main__":
    main()
