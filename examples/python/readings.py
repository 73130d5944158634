"""The Python end of two queues whose other end is a C program, examples/c/readings.c.

    make build python
    PYTHONPATH=python python3 examples/python/readings.py build/examples/c/readings
"""

import array
import os
import pickle
import subprocess
import sys

import kith


def main(program):
    readings = kith.Queue(name="readings-%d" % os.getpid(), redeliver=True)
    results = kith.Queue(name="results-%d" % os.getpid())
    try:
        child = subprocess.Popen([program, readings.name, results.name])
        for number, sensor in enumerate(["cellar", "roof", "garden"], 1):
            numbers = array.array("d", range(number * 100000))
            readings.put({"sensor": sensor, "numbers": pickle.PickleBuffer(numbers)})
        readings.shut()
        for _ in range(3):
            sensor, found = results.get(timeout=60)
            print("%s: %d numbers, mean %.1f, at most %.0f" % (sensor, found["count"], found["mean"], found["most"]))
        child.wait()
    finally:
        readings.unlink()
        results.unlink()


if __name__ == "__main__":
    main(sys.argv[1])
