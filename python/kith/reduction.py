"""multiprocessing.reduction itself: how objects are reduced to a form that can be sent."""

import sys

from kith._stock import reduction

sys.modules[__name__] = reduction
