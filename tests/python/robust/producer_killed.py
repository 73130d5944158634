"""A producer is killed right after put has returned; 20 of them.

What was put is there.

The documentation of Queue warns of it.
"""

import queue

from case import context, kill_self, start, tell

PRODUCERS = 20


def produce(tasks, number):
    tasks.put(number)
    kill_self()


def main():
    tasks = context.Queue()
    got = []
    for number in range(PRODUCERS):
        start(produce, tasks, number).join()
    try:
        while len(got) < PRODUCERS:
            got.append(tasks.get(timeout=1))
    except queue.Empty:
        pass
    tell(got == list(range(PRODUCERS)), "%d of %d items arrived" % (len(got), PRODUCERS))


if __name__ == "__main__":
    main()
