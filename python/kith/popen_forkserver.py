"""multiprocessing.popen_forkserver itself: how the forkserver starts a child."""

import sys

from kith._stock import popen_forkserver

sys.modules[__name__] = popen_forkserver
