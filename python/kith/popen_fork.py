"""multiprocessing.popen_fork itself: how fork starts a child."""

import sys

from kith._stock import popen_fork

sys.modules[__name__] = popen_fork
