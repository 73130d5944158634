"""An object is put that can't be pickled.

put raises an error, and the queue is as it was.

gh-79423, gh-84376, gh-109554
"""

import os

from case import PATIENCE, context, tell


def main():
    tasks = context.Queue(1)
    error = None
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the standard library's queue shows a traceback there
    try:
        tasks.put(lambda: None)
    except Exception as caught:
        error = caught
    tasks.put("after", timeout=PATIENCE)
    if tasks.get(timeout=PATIENCE) != "after":
        tell(False, "something else came out")
    tell(error is not None, "put raised " + type(error).__name__ if error else "put returned, and the item is lost")


if __name__ == "__main__":
    main()
