"""kith.heap: room that is used again, and when it is not."""

import gc
import os
import unittest

import kith
from kith import heap


def fill(wrapper, byte):
    view = wrapper.create_memoryview()
    view[:] = bytes([byte]) * len(view)


def child_of(function, *args, method='fork'):
    process = kith.get_context(method).Process(target=function, args=args)
    process.start()
    process.join(30)
    return process.exitcode


def hands_out_its_own(wrapper):
    own = heap.BufferWrapper(len(wrapper.create_memoryview()))
    assert own._state[0][0] is not wrapper._state[0][0]
    fill(own, 9)


class HeapTest(unittest.TestCase):

    def setUp(self):
        self.old, heap.BufferWrapper._heap = heap.BufferWrapper._heap, heap.Heap()

    def tearDown(self):
        heap.BufferWrapper._heap = self.old

    def test_children_share_blocks(self):
        for method in ('fork', 'spawn', 'forkserver'):
            wrapper = heap.BufferWrapper(10)
            self.assertEqual(child_of(fill, wrapper, 7, method=method), 0)
            self.assertEqual(bytes(wrapper.create_memoryview()), b'\7' * 10)

    def test_room_is_used_again(self):
        wrapper = heap.BufferWrapper(100)
        block = wrapper._state[0]
        del wrapper
        self.assertEqual(heap.BufferWrapper(100)._state[0], block)

    def check_not_used_again(self, method):
        kept, wrapper = heap.BufferWrapper(8), heap.BufferWrapper(100)
        arena, start, stop = wrapper._state[0]
        self.assertEqual(child_of(fill, wrapper, 1, method=method), 0)
        del wrapper
        others = [heap.BufferWrapper(100) for _ in range(100)]
        for other in others:
            self.assertFalse(other._state[0][0] is arena and start <= other._state[0][1] < stop)
        del kept

    def test_room_is_not_used_again_after_a_fork(self):
        self.check_not_used_again('fork')

    def test_room_is_not_used_again_after_it_was_sent(self):
        self.check_not_used_again('spawn')

    def test_an_arena_with_holes_goes_with_its_last_block(self):
        pool = heap.BufferWrapper._heap
        descriptors = len(os.listdir('/proc/self/fd'))
        wrappers = [heap.BufferWrapper(1000) for _ in range(100)]
        self.assertEqual(child_of(int), 0)
        wrappers.append(heap.BufferWrapper(1000))
        del wrappers[:]
        gc.collect()
        self.assertEqual(sum(len(blocks) for blocks in pool._allocated_blocks.values()), 0)
        self.assertEqual(sum(len(blocks) for blocks in pool._len_to_seq.values()), len(pool._start_to_block))
        self.assertFalse(any(arena.has_holes for arena in pool._arenas))
        heap.BufferWrapper._heap = heap.Heap()
        del pool
        gc.collect()
        self.assertEqual(len(os.listdir('/proc/self/fd')), descriptors)

    def test_a_child_hands_out_its_own(self):
        wrapper = heap.BufferWrapper(100)
        fill(wrapper, 3)
        self.assertEqual(child_of(hands_out_its_own, wrapper), 0)
        self.assertEqual(bytes(wrapper.create_memoryview()), b'\3' * 100)

    def test_wrong_sizes(self):
        with self.assertRaises(ValueError):
            heap.BufferWrapper(-1)
        with self.assertRaises(OverflowError):
            heap.BufferWrapper(1 << 63)
        with self.assertRaises((OSError, MemoryError)):
            heap.BufferWrapper(1 << 60)
        self.assertEqual(len(heap.BufferWrapper(0).create_memoryview()), 0)


if __name__ == '__main__':
    unittest.main()
