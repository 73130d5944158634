"""multiprocessing.process itself: processes, the current one and its children."""

import sys

from kith._stock import process

sys.modules[__name__] = process
