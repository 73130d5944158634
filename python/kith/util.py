"""multiprocessing.util itself: finalizers, hooks after fork, logging."""

import sys

from kith._stock import util

sys.modules[__name__] = util
