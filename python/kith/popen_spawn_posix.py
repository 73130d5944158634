"""multiprocessing.popen_spawn_posix itself: how spawn starts a child."""

import sys

from kith._stock import popen_spawn_posix

sys.modules[__name__] = popen_spawn_posix
