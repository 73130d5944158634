"""joblib under `python -m kith`, with each of its backends of processes."""

import importlib.util
import unittest

from programs import Folder

PROGRAM = """
    import os
    from math import sqrt

    import multiprocessing
    import joblib

    def fail(x):
        raise KeyError(x)

    if __name__ == "__main__":
        assert multiprocessing.__kith__
        work = [joblib.delayed(sqrt)(x * x) for x in range(20)]
        with joblib.Parallel(n_jobs=2, backend=BACKEND) as parallel:
            print(parallel(work) == list(range(20)))
            print(parallel(joblib.delayed(len)(data) for data in [b"x" * 100000] * 4))
            print(len(set(parallel(joblib.delayed(os.getpid)() for _ in range(20))) - {os.getpid()}) > 0)
        try:
            joblib.Parallel(n_jobs=2, backend=BACKEND)([joblib.delayed(fail)(1)])
        except KeyError:
            print("failed")
"""


@unittest.skipUnless(importlib.util.find_spec("joblib"), "there is no joblib")
class Joblib(unittest.TestCase):
    def check(self, backend):
        folder = Folder(main=PROGRAM.replace("BACKEND", repr(backend)))
        self.addCleanup(folder.cleanup)
        status, output, errors = folder.run("-m", "kith", "main.py")
        self.assertEqual((status, output.splitlines()), (0, ["True", "[100000, 100000, 100000, 100000]", "True",
                                                             "failed"]), errors)

    def test_loky(self):
        self.check("loky")

    def test_multiprocessing(self):
        self.check("multiprocessing")


if __name__ == "__main__":
    unittest.main()
