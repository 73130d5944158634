from multiprocessing.popen_spawn_win32 import *
