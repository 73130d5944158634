"""multiprocessing.resource_sharer itself: how descriptors get to processes that are no children."""

import sys

from kith._stock import resource_sharer

sys.modules[__name__] = resource_sharer
