"""numpy's arrays through queues, pipes, pools and shared memory."""

import pickle
import sys
import threading
import unittest

import kith

try:
    import numpy
except ImportError:
    raise unittest.SkipTest("there is no numpy")


def double(array):
    return array * 2


def total(array):
    return float(array.sum())


def answer(connection):
    connection.send(connection.recv() * 2)


def fill(shared, value):
    numpy.frombuffer(shared.get_obj(), dtype=numpy.float64)[:] = value


def is_in_place(array):
    while isinstance(array, numpy.ndarray):
        array = array.base
    return type(memoryview(array).obj).__name__ == "Lease"


class Buffer:
    def __init__(self, data):
        self.data = data

    def __reduce_ex__(self, protocol):
        return same, (pickle.PickleBuffer(self.data),)


def same(buffer):
    return buffer


class Numpy(unittest.TestCase):
    def setUp(self):
        self.context = kith.get_context("fork")
        self.arrays = [numpy.arange(12.0).reshape(3, 4), numpy.zeros((0, 3)), numpy.arange(1 << 20),
                       numpy.asfortranarray(numpy.arange(6).reshape(2, 3)), numpy.arange(20)[::3],
                       numpy.array(["a", None], dtype=object),
                       numpy.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")])]

    def assert_same(self, ours, theirs):
        self.assertEqual((ours.dtype, ours.shape), (theirs.dtype, theirs.shape))
        self.assertTrue((ours == theirs).all())

    def test_queue(self):
        queue = self.context.Queue()
        for array in self.arrays:
            queue.put(array)
            got = queue.get()
            self.assert_same(got, array)
            if got.dtype != object and got.size:
                got.flat[0] = got.flat[-1]  # it may be written to
        queue.put({"one": self.arrays[2], "same": self.arrays[2]})
        got = queue.get()
        self.assertIs(got["one"], got["same"])

    def test_pipe(self):
        ours, theirs = self.context.Pipe()
        process = self.context.Process(target=answer, args=(theirs,))
        process.start()
        ours.send(self.arrays[2])
        self.assert_same(ours.recv(), self.arrays[2] * 2)
        process.join()

    def test_arrays_that_are_read_only_arrive_to_be_written_to(self):
        queues = self.context.Queue(), self.context.SimpleQueue()
        ours, theirs = self.context.Pipe()
        for size in 1, 1 << 10, 1 << 17:
            array = numpy.arange(size)
            array.flags.writeable = False
            for sent in array, numpy.frombuffer(bytes(8 * size), dtype=int):
                for queue in queues:
                    queue.put([sent, sent])
                    got = queue.get()
                    self.assertTrue(got[0].flags.writeable)
                    self.assertIs(got[0], got[1])
                    self.assert_same(got[0], sent)
                thread = threading.Thread(target=ours.send, args=(sent,))
                thread.start()
                got = theirs.recv()
                thread.join()
                self.assertTrue(got.flags.writeable)
                self.assert_same(got, sent)

    def test_so_do_those_of_every_kind(self):
        queue = self.context.Queue()
        for array in self.arrays + [numpy.arange("2020", "2021", dtype="M8[D]"), numpy.array(1.5),
                                    numpy.asfortranarray(numpy.arange(6e4).reshape(200, 300))]:
            array.flags.writeable = False
            references = sys.getrefcount(array)
            queue.put(array)
            got = queue.get()
            self.assert_same(got, array)
            self.assertTrue(got.flags.writeable)
            self.assertFalse(array.flags.writeable)
            self.assertEqual(sys.getrefcount(array), references)

    def test_arrays_in_place_are_read_only_views(self):
        queue = self.context.Queue(redeliver=True)
        for array in numpy.arange(1 << 17), numpy.asfortranarray(numpy.arange(6e4).reshape(200, 300)):
            for writeable in True, False:
                array.flags.writeable = writeable
                queue.put(array)
                got = queue.get(copy=False)
                self.assert_same(got, array)
                self.assertFalse(got.flags.writeable)
                self.assertFalse(got.flags.owndata)
                self.assertTrue(is_in_place(got))
                del got
        queue.join()

    def test_what_else_is_read_only_stays_so(self):
        queue = self.context.Queue()
        queue.put(Buffer(bytes(1 << 17)))
        self.assertIsInstance(queue.get(), bytes)

    def test_pool(self):
        with self.context.Pool(2) as pool:
            for chunksize in (1, 3):
                numbers = [array for array in self.arrays if array.dtype.kind in "if"]
                for got, array in zip(pool.map(double, numbers, chunksize), numbers):
                    self.assert_same(got, array * 2)
                self.assertEqual(pool.map(total, [self.arrays[2]] * 5, chunksize), [total(self.arrays[2])] * 5)
            self.assertEqual(pool.map(total, numpy.arange(6.0).reshape(3, 2)), [1.0, 5.0, 9.0])

    def test_array(self):
        shared = self.context.Array("d", 10)
        process = self.context.Process(target=fill, args=(shared, 2.5))
        process.start()
        process.join()
        self.assertEqual(list(shared), [2.5] * 10)


if __name__ == "__main__":
    unittest.main()
