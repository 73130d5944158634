"""A process is killed that has daemons, a pool, a manager, and shared objects of all sorts.

Its children end, and nothing is left in /dev/shm.

gh-80180
"""

import os
import signal
import time

from case import context, eventually, lives, start, tell


def sleep_for_ever():
    while True:
        time.sleep(60)


def be_a_parent(said):
    manager = context.Manager()
    pool = context.Pool(2)
    shared = [context.Queue(), context.JoinableQueue(), context.Lock(), context.RLock(), context.Semaphore(),
              context.Condition(), context.Event(), context.Barrier(2), context.Value("i"), context.Array("d", 100),
              manager.dict(), manager.Queue(), pool]
    shared[0].put("never got")
    daemon = context.Process(target=sleep_for_ever, daemon=True)
    daemon.start()
    said.send([child.pid for child in context.active_children()])
    sleep_for_ever()


def memory_of(pid):
    """The files in /dev/shm that a process has open or mapped."""
    found = set()
    for directory in ("fd", "map_files"):
        try:
            names = os.listdir("/proc/%d/%s" % (pid, directory))
        except OSError:
            continue
        for name in names:
            try:
                path = os.readlink("/proc/%d/%s/%s" % (pid, directory, name))
            except OSError:
                continue
            if path.startswith("/dev/shm/"):
                found.add(path)
    return found


def main():
    ours, theirs = context.Pipe()
    parent = start(be_a_parent, theirs)
    children = ours.recv()
    memory = set().union(*(memory_of(pid) for pid in [parent.pid] + children))
    parent.kill()
    parent.join()
    ended = eventually(lambda: not any(map(lives, children)), 3)
    orphans = [pid for pid in children if lives(pid)]
    for pid in orphans:
        os.kill(pid, signal.SIGKILL)
    left = [path for path in memory if os.path.exists(path)]
    if not ended:
        tell(False, "%d of %d children live on" % (len(orphans), len(children)))
    tell(not left, "its %d children end; %s" % (len(children), "%d files are left" % len(left) if left
                                                else "nothing is left"))


if __name__ == "__main__":
    main()
