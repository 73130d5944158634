"""The owner of a Lock is killed.

The next one has it, and is told (`abandoned`).

gh-88304
"""

from case import PATIENCE, context, kill, start, tell


def hold(lock, said):
    lock.acquire()
    said.send("held")
    said.recv()


def main():
    lock = context.Lock()
    ours, theirs = context.Pipe()
    holder = start(hold, lock, theirs)
    ours.recv()
    kill(holder)
    if not lock.acquire(timeout=PATIENCE):
        tell(False, "nobody has the lock ever again")
    abandoned = getattr(lock, "abandoned", False)
    lock.release()
    tell(abandoned, "the next one has it" + (", and is told" if abandoned else ""))


if __name__ == "__main__":
    main()
