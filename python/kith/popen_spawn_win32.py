"""multiprocessing.popen_spawn_win32 itself: how spawn starts a child on Windows, and not elsewhere."""

import sys

from kith._stock import popen_spawn_win32

sys.modules[__name__] = popen_spawn_win32
