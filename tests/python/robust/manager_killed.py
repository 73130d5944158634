"""The server of a manager is killed.

The next call raises an error.

"""

import threading

from case import PATIENCE, context, tell


def main():
    manager = context.Manager()
    shared = manager.dict(key="value")
    manager._process.kill()
    manager._process.join()
    outcome = []

    def call():
        try:
            outcome.append("the next call returned %r" % shared["key"])
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    if not outcome:
        tell(False, "the next call never returns")
    if isinstance(outcome[0], Exception):
        tell(isinstance(outcome[0], (OSError, EOFError)), "the next call raised " + type(outcome[0]).__name__)
    tell(False, outcome[0])


if __name__ == "__main__":
    main()
