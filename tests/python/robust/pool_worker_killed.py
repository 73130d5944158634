"""A worker of a pool is killed in a task.

The task is done again by another worker, or the map raises an error; the pool goes on.

gh-66587, gh-82265 (bpo-38084), gh-96062, PR 10441
"""

from case import PATIENCE, context, kill_self, tell


def remember(value):
    global deaths
    deaths = value


def square(number):
    if number == 3:
        with deaths.get_lock():
            deaths.value += 1
            first = deaths.value == 1
        if first:
            kill_self()
    return number * number


def main():
    pool = context.Pool(2, remember, (context.Value("i", 0),))
    try:
        squares = pool.map_async(square, range(8), chunksize=1).get(PATIENCE)
        good, outcome = squares == [number * number for number in range(8)], "another worker did the task again"
    except context.TimeoutError:
        tell(False, "the map never ends")
    except Exception as error:
        good, outcome = True, "the map raised " + type(error).__name__
    try:
        good = good and pool.apply_async(square, (9,)).get(PATIENCE) == 81
    except context.TimeoutError:
        tell(False, outcome + ", and then the pool hung")
    tell(good, outcome)


if __name__ == "__main__":
    main()
