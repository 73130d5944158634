"""kith.sharedctypes: values and arrays with a lock and without."""

import ctypes
import os
import signal
import unittest

import kith
from kith import sharedctypes


class Point(ctypes.Structure):
    _fields_ = [('x', ctypes.c_int), ('y', ctypes.c_double)]


def double(value, array, text, point, raw):
    with value.get_lock():
        value.value *= 2
    array[:] = [item * 2 for item in array]
    text.value *= 2
    point.x *= 2
    raw[0] *= 2


def count(value, times):
    for _ in range(times):
        with value.get_lock():
            value.value += 1


def hold(connection, value):
    with value:
        value.value = 1
        connection.send(True)
        signal.pause()


class SharedTypesTest(unittest.TestCase):

    def test_children_change_them(self):
        for method in ('fork', 'spawn', 'forkserver'):
            context = kith.get_context(method)
            value, array = context.Value('i', 3), context.Array('d', [1, 2])
            text, point, raw = context.Array('c', 20), context.Value(Point, 3, 0.5), context.RawArray('i', [4, 5])
            text.value = b'hello'
            process = context.Process(target=double, args=(value, array, text, point, raw))
            process.start()
            process.join(30)
            self.assertEqual(process.exitcode, 0)
            self.assertEqual((value.value, array[:], text.value, point.x, point.y, raw[:]),
                             (6, [2, 4], b'hellohello', 6, 0.5, [8, 5]))

    def test_kinds(self):
        from kith._stock import sharedctypes as stock
        for made, name in ((kith.Value('i'), 'Synchronized'), (kith.Array('i', 2), 'SynchronizedArray'),
                           (kith.Array('c', 2), 'SynchronizedString')):
            self.assertIs(type(made), getattr(sharedctypes, name))
            self.assertIsInstance(made, getattr(stock, name))
        self.assertEqual(type(kith.Value(Point)).__name__, 'SynchronizedPoint')
        self.assertIsInstance(kith.Value('i', lock=False), ctypes.c_int)
        lock = kith.Lock()
        self.assertIs(kith.Value('i', 1, lock=lock).get_lock(), lock)
        with self.assertRaisesRegex(AttributeError, "has no method 'acquire'"):
            kith.Value('i', lock=7)
        self.assertEqual(repr(kith.Value('i', 7)), '<Synchronized wrapper for c_int(7)>')

    def test_attributes_are_guarded(self):
        class Lock:
            calls = []

            def acquire(self):
                self.calls.append('acquire')

            def release(self):
                self.calls.append('release')

        value = sharedctypes.synchronized(sharedctypes.RawValue('i', 1), Lock())
        value.value += 1
        self.assertEqual(Lock.calls, ['acquire', 'release'] * 2)
        with self.assertRaises(TypeError):
            value.value = 'text'
        with self.assertRaises(TypeError):
            del value.value
        self.assertEqual(Lock.calls, ['acquire', 'release'] * 4)
        self.assertIsInstance(type(value).value, type(sharedctypes.make_property('x')))

    def test_nothing_is_lost(self):
        value = kith.Value('i', 0)
        processes = [kith.Process(target=count, args=(value, 2000)) for _ in range(3)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(30)
        self.assertEqual(value.value, 6000)

    def test_a_killed_owner(self):
        value = kith.Value('i', 0)
        here, there = kith.Pipe()
        process = kith.Process(target=hold, args=(there, value))
        process.start()
        here.recv()
        os.kill(process.pid, signal.SIGKILL)
        process.join(30)
        self.assertTrue(value.acquire(timeout=30))
        self.assertTrue(value.get_lock().abandoned)
        self.assertEqual(value.value, 1)
        value.release()
        here.close()
        there.close()

    def test_copies(self):
        point = sharedctypes.RawValue(Point, 1, 2)
        other = sharedctypes.copy(point)
        point.x = 5
        self.assertEqual((other.x, other.y), (1, 2))

    def test_few_descriptors(self):
        before = len(os.listdir('/proc/self/fd'))
        values = [kith.Value('i', number) for number in range(2000)]
        self.assertLess(len(os.listdir('/proc/self/fd')) - before, 30)
        self.assertEqual([value.value for value in values], list(range(2000)))


if __name__ == '__main__':
    unittest.main()
