"""multiprocessing.resource_tracker itself: who removes what killed processes have left."""

import sys

from kith._stock import resource_tracker

sys.modules[__name__] = resource_tracker
