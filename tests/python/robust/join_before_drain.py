"""A child that has put 1 MiB is joined before that is got.

join returns, and the item is there.

gh-73983, gh-78321, gh-91594
"""

from case import PATIENCE, context, start, tell

SIZE = 1 << 20


def put_much(results):
    results.put(bytes(SIZE))


def main():
    results = context.Queue()
    child = start(put_much, results)
    child.join(PATIENCE)
    if child.is_alive():
        tell(False, "join waits for ever")
    tell(results.get(timeout=PATIENCE) == bytes(SIZE), "join returns, and the item is there")


if __name__ == "__main__":
    main()
