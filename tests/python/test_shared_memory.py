"""kith.shared_memory: without the tracker's surprises."""

import os
import pickle
import resource
import signal
import subprocess
import sys
import time
import unittest

from kith import shared_memory
from kith._stock import shared_memory as stock

FOLDER = '/dev/shm'


def exists(memory):
    return os.path.exists(os.path.join(FOLDER, memory.name))


def run(code, *args):
    """Runs a program; returns what it printed. It must print nothing on stderr."""
    done = subprocess.run([sys.executable, '-c', code, *args], capture_output=True, text=True)
    if done.returncode != 0 or done.stderr:
        raise AssertionError(done.stderr)
    return done.stdout


class SharedMemoryTest(unittest.TestCase):

    def make(self, *args, **keywords):
        memory = shared_memory.SharedMemory(*args, create=True, **keywords)
        self.addCleanup(memory.close)
        self.addCleanup(lambda: exists(memory) and memory.unlink())
        return memory

    def test_unrelated_programs_attach_and_end(self):
        memory = self.make(size=100)
        for module in ('kith', 'multiprocessing'):
            if module == 'multiprocessing' and sys.version_info < (3, 13):
                continue  # that is the surprise
            run('import sys\n'
                'from %s.shared_memory import SharedMemory\n'
                'memory = SharedMemory(sys.argv[1]%s)\n'
                'memory.buf[0] = memory.buf[0] + 1\n'
                'memory.close()\n' % (module, ', track=False' if module != 'kith' else ''), memory.name)
            self.assertTrue(exists(memory))
        self.assertGreaterEqual(memory.buf[0], 1)

    def test_track_is_known_to_every_version(self):
        memory = self.make(size=10, track=False)
        shared_memory.SharedMemory(memory.name, track=True).close()
        self.assertIsInstance(memory, stock.SharedMemory)

    def test_another_handle_takes_the_name_away(self):
        run('from kith.shared_memory import SharedMemory\n'
            'memory = SharedMemory(create=True, size=10)\n'
            'other = SharedMemory(memory.name)\n'
            'other.unlink()\n'
            'try:\n'
            '    memory.unlink()\n'
            'except FileNotFoundError:\n'
            '    pass\n'
            'else:\n'
            '    raise SystemExit(1)\n')

    def test_a_killed_program_leaves_nothing(self):
        code = ('import signal\n'
                'from kith.shared_memory import SharedMemory\n'
                'memory = SharedMemory(create=True, size=10)\n'
                'print(memory.name, flush=True)\n'
                'signal.pause()\n')
        command = [sys.executable, '-c', code]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as program:
            name = program.stdout.readline().decode().strip()
            os.kill(program.pid, signal.SIGKILL)
        end = time.monotonic() + 30
        while os.path.exists(os.path.join(FOLDER, name)) and time.monotonic() < end:
            time.sleep(0.01)
        self.assertFalse(os.path.exists(os.path.join(FOLDER, name)))

    def test_stock_and_kith_are_one(self):
        memory = self.make(size=10)
        self.assertEqual(os.stat(os.path.join(FOLDER, memory.name)).st_mode & 0o777, 0o600)
        self.assertRegex(memory._name, '^/psm_[0-9a-f]{8}$')
        memory.buf[:5] = b'hello'
        keywords = {'track': False} if sys.version_info >= (3, 13) else {}
        other = stock.SharedMemory(memory.name, **keywords)
        self.assertEqual(bytes(other.buf[:5]), b'hello')
        other.close()

    def test_memory_is_real(self):
        folder = os.statvfs(FOLDER)
        too_much = folder.f_bavail * folder.f_frsize * 2
        name = 'kith-test-%d' % os.getpid()
        with self.assertRaises((OSError, MemoryError)):
            self.make(name, size=too_much)
        self.assertFalse(os.path.exists(os.path.join(FOLDER, name)))
        memory = self.make(size=1 << 20)
        self.assertGreaterEqual(os.stat(os.path.join(FOLDER, memory.name)).st_blocks * 512, 1 << 20)

    def test_errors(self):
        memory = self.make(size=10)
        for error, args, keywords in (
                (FileExistsError, (memory.name,), {'create': True, 'size': 10}),
                (FileNotFoundError, ('kith-test-nothing',), {}),
                (ValueError, (), {}),
                (ValueError, (), {'create': True}),
                (ValueError, (), {'create': True, 'size': -1})):
            with self.assertRaises(error):
                shared_memory.SharedMemory(*args, **keywords)

    def test_nothing_is_left_of_what_fails(self):
        memory = self.make(size=10)
        before = len(os.listdir('/proc/self/fd'))
        empty = os.path.join(FOLDER, 'kith-test-empty-%d' % os.getpid())
        with open(empty, 'w'):
            pass
        self.addCleanup(os.unlink, empty)
        with self.assertRaises(ValueError):
            shared_memory.SharedMemory(os.path.basename(empty))
        name = 'kith-test-few-%d' % os.getpid()
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        first = os.dup(0)
        os.close(first)
        for descriptors in range(2):
            resource.setrlimit(resource.RLIMIT_NOFILE, (first + descriptors, limit[1]))
            try:
                with self.assertRaises(OSError):
                    shared_memory.SharedMemory(memory.name)
                with self.assertRaises(OSError):
                    shared_memory.SharedMemory(name, create=True, size=10)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limit)
            self.assertEqual(len(os.listdir('/proc/self/fd')), before)
            self.assertFalse(os.path.exists(os.path.join(FOLDER, name)))

    def test_pickles(self):
        memory = self.make(size=10)
        memory.buf[0] = 7
        other = pickle.loads(pickle.dumps(memory))
        self.assertEqual((type(other), other.buf[0]), (shared_memory.SharedMemory, 7))
        other.close()

    def test_lists(self):
        items = shared_memory.ShareableList(['a', b'b', 3, 4.5, None, True])
        self.assertIsInstance(items, stock.ShareableList)
        self.assertIsInstance(items.shm, shared_memory.SharedMemory)
        items[2] = 5
        other = shared_memory.ShareableList(name=items.shm.name)
        self.assertEqual(list(other), ['a', b'b', 5, 4.5, None, True])
        same = pickle.loads(pickle.dumps(items))
        self.assertEqual(type(same), shared_memory.ShareableList)
        for each in (same, other, items):
            each.shm.close()
        items.shm.unlink()


if __name__ == '__main__':
    unittest.main()
