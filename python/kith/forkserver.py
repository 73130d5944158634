"""multiprocessing.forkserver itself: the server that forks children."""

import sys

from kith._stock import forkserver

sys.modules[__name__] = forkserver
