"""An unrelated process attaches to a SharedMemory and ends.

The memory stays, for those who use it.

gh-82300, gh-104291
"""

import subprocess
import sys

from case import submodule, tell

STRANGER = """
import importlib, sys
segment = importlib.import_module(sys.argv[1]).SharedMemory(sys.argv[2])
segment.buf[0] += 1
segment.close()
"""


def main():
    shared_memory = submodule("shared_memory")
    segment = shared_memory.SharedMemory(create=True, size=64)
    segment.buf[0] = 41
    # Its standard error is read to the end: helpers of its own, that outlive it, have that, too.
    stranger = subprocess.run([sys.executable, "-c", STRANGER, shared_memory.__name__, segment.name],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if stranger.returncode != 0 or segment.buf[0] != 42:
        tell(False, "the other process can't use it: " + stranger.stderr.decode().strip().rpartition("\n")[2])
    try:
        other = shared_memory.SharedMemory(segment.name)
        other.close()
        segment.unlink()
    except FileNotFoundError:
        tell(False, "the segment is destroyed under its users")
    tell(True, "the segment is there still" + (", with complaints" if stranger.stderr else ""))


if __name__ == "__main__":
    main()
