"""multiprocessing.spawn itself: how a child begins anew."""

import sys

from kith._stock import spawn

sys.modules[__name__] = spawn
