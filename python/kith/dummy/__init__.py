"""multiprocessing.dummy itself: threads with the face of processes."""

import sys

from kith._stock import dummy

sys.modules[__name__] = dummy
sys.modules[__name__ + ".connection"] = dummy.connection
