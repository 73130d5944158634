"""kith.synchronize: what stock's objects do, and what they don't when a process dies."""

import _thread
import ctypes
import gc
import mmap
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import unittest
import weakref

import kith
from kith import synchronize

METHODS = ('fork', 'spawn', 'forkserver')
LONG = 30  # seconds that nothing takes unless it has gone wrong
GUARD = 64  # where in a semaphore or a barrier the word lies that says who is in the middle of a call


def descriptors():
    return len(os.listdir('/proc/self/fd'))


def mappings():
    """Of shared memory."""
    with open('/proc/self/maps') as maps:
        return sum('memfd' in line for line in maps)


def start(function, *args, method='fork'):
    process = kith.get_context(method).Process(target=function, args=args, daemon=True)
    process.start()
    return process


def wait_until(condition):
    end = time.monotonic() + LONG
    while not condition():
        if time.monotonic() > end:
            raise AssertionError('it takes too long')
        time.sleep(0.001)


def sleep_for_ever(connection, *_):
    connection.send(True)
    signal.pause()


def hold(connection, lock):
    lock.acquire()
    sleep_for_ever(connection)


def release(lock):
    lock.release()


def call(method):
    method()


class Case(unittest.TestCase):

    def end(self, process):
        process.join(LONG)
        self.assertEqual(process.exitcode, 0)

    def kill_in(self, function, *args):
        """Starts a child, and kills it when it has sent something."""
        here, there = kith.Pipe()
        process = start(function, there, *args)
        here.recv()
        os.kill(process.pid, signal.SIGKILL)
        process.join(LONG)
        here.close()
        there.close()

    def interrupted(self, wait, handler, after=0.02):
        """What wait returns while a signal comes, and how often the handler has run."""
        calls = []

        def handle(*_):
            calls.append(1)
            return handler()

        before = signal.signal(signal.SIGALRM, handle)
        signal.setitimer(signal.ITIMER_REAL, after)
        try:
            return wait(), len(calls)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def held_up(self, guard, call):
        """What call returns in another thread, that finds another process in the middle of a call, until this thread
        has the GIL: so that is not to be kept."""
        results = []
        thread = threading.Thread(target=lambda: results.append(call()))
        interval = sys.getswitchinterval()
        sys.setswitchinterval(LONG)
        try:
            guard.value = os.getppid()
            thread.start()
            guard.value = 0
        finally:
            sys.setswitchinterval(interval)
        thread.join(LONG)
        return results

    def check_signals(self, wait):
        """wait(timeout) goes on after a handler has run, and ends when it raises an exception."""
        self.assertEqual(self.interrupted(lambda: wait(0.1), lambda: None), (False, 1))
        with self.assertRaises(ZeroDivisionError):
            self.interrupted(lambda: wait(LONG), lambda: 1 / 0)


class LockTest(Case):

    def test_acquire_and_release(self):
        lock = kith.Lock()
        self.assertIs(lock.acquire(), True)
        self.assertIs(lock.acquire(False), False)
        self.assertIs(lock.acquire(block=True, timeout=0.001), False)
        self.assertIs(lock.acquire(True, -1), False)
        self.assertIsNone(lock.release())
        with self.assertRaisesRegex(ValueError, '^semaphore or lock released too many times$'):
            lock.release()
        with lock as entered:
            self.assertIs(entered, True)

    def test_arguments(self):
        lock = kith.Lock()
        for wrong in ([(1, 2, 3), {}], [(), {'blocking': True}], [(True,), {'block': True}], [(True, 'soon'), {}]):
            with self.assertRaises(TypeError):
                lock.acquire(*wrong[0], **wrong[1])
        with self.assertRaises(TypeError):
            synchronize.Lock()
        with self.assertRaises(ValueError):
            synchronize.Lock.__new__(synchronize.Lock).acquire()

    def test_recursion(self):
        lock = kith.RLock()
        for _ in range(3):
            self.assertIs(lock.acquire(), True)
        self.assertEqual(lock._semlock._count(), 3)
        for _ in range(3):
            lock.release()
        with self.assertRaisesRegex(AssertionError, '^attempt to release recursive lock not owned by thread$'):
            lock.release()

    def test_looks(self):
        lock, recursive = kith.Lock(), kith.RLock()
        self.assertEqual((repr(lock), repr(recursive)), ('<Lock(owner=None)>', '<RLock(None, 0)>'))
        with lock, recursive:
            self.assertEqual(repr(lock), '<Lock(owner=MainProcess)>')
            self.assertEqual(repr(recursive), '<RLock(MainProcess, 1)>')
            seen = []
            thread = threading.Thread(target=lambda: seen.extend([repr(lock), repr(recursive)]))
            thread.start()
            thread.join()
            self.assertEqual(seen, ['<Lock(owner=SomeOtherThread)>', '<RLock(SomeOtherThread, nonzero)>'])
            self.end(start(self.look_from_child, lock, recursive))
            self.assertTrue(lock._semlock._is_mine() and lock._semlock._is_zero())
        self.assertEqual(lock._semlock._get_value(), 1)

    @staticmethod
    def look_from_child(lock, recursive):
        assert repr(lock) == '<Lock(owner=SomeOtherProcess)>', lock
        assert repr(recursive) == '<RLock(SomeOtherProcess, nonzero)>', recursive
        assert not lock._semlock._is_mine() and lock._semlock._count() == 0
        assert not recursive.acquire(False)

    def test_is_what_stock_has(self):
        from kith._stock import synchronize as stock
        for name in ('Lock', 'RLock', 'Semaphore', 'BoundedSemaphore', 'Condition', 'Event'):
            self.assertIsInstance(getattr(kith, name)(), getattr(stock, name))
        self.assertIsInstance(kith.Barrier(1), threading.Barrier)

    def test_anyone_releases(self):
        lock = kith.Lock()
        lock.acquire()
        thread = threading.Thread(target=lock.release)
        thread.start()
        thread.join()
        self.assertTrue(lock.acquire(timeout=LONG))
        self.end(start(release, lock))
        self.assertTrue(lock.acquire(timeout=LONG))
        lock.release()

    def test_only_the_owner_releases_a_recursive_one(self):
        lock = kith.RLock()
        lock.acquire()
        errors = []

        def try_it():
            try:
                lock.release()
            except AssertionError as error:
                errors.append(error)

        thread = threading.Thread(target=try_it)
        thread.start()
        thread.join()
        self.assertEqual(len(errors), 1)
        lock.release()

    def test_a_killed_owner(self):
        for lock in (kith.Lock(), kith.RLock()):
            self.assertFalse(lock.abandoned)
            self.kill_in(hold, lock)
            self.assertTrue(lock.acquire(timeout=LONG))
            self.assertTrue(lock.abandoned)
            lock.release()
            with lock:
                self.assertFalse(lock.abandoned)

    def test_a_killed_owner_while_others_wait(self):
        for lock in (kith.Lock(), kith.RLock()):
            here, there = kith.Pipe()
            owner = start(hold, there, lock)
            here.recv()
            waiter = start(call, lock.acquire)
            os.kill(owner.pid, signal.SIGKILL)
            owner.join(LONG)
            self.end(waiter)
            here.close()
            there.close()

    def test_signals(self):
        for lock in (kith.Lock(), kith.RLock()):
            here, there = kith.Pipe()
            owner = start(hold, there, lock)
            here.recv()
            self.check_signals(lambda timeout: lock.acquire(timeout=timeout))
            owner.kill()
            owner.join(LONG)
            here.close()
            there.close()

    def test_a_signal_that_interrupts_nothing_is_not_missed(self):
        lock = kith.Lock()
        lock.acquire()
        thread = threading.Timer(0.02, _thread.interrupt_main)
        thread.start()
        with self.assertRaises(KeyboardInterrupt):
            lock.acquire(timeout=LONG)
        thread.join()

    def test_threads_go_on_meanwhile(self):
        lock = kith.Lock()
        lock.acquire()
        thread = threading.Timer(0.02, lock.release)
        thread.start()
        self.assertTrue(lock.acquire(timeout=LONG))
        thread.join()
        lock.release()

    def test_one_that_another_thread_holds_is_dropped(self):
        lock, other = kith.RLock(), kith.RLock()
        held, go_on = threading.Event(), threading.Event()

        def hold_it():
            nonlocal lock
            lock.acquire()
            held.set()
            go_on.wait(LONG)
            with other:
                pass

        thread = threading.Thread(target=hold_it)
        thread.start()
        held.wait(LONG)
        lock = None
        gc.collect()
        go_on.set()
        thread.join()
        self.assertTrue(other.acquire(timeout=LONG))
        other.release()

    def test_subclasses_and_references(self):
        class Named(synchronize.Lock):
            def __init__(self, name, **keywords):
                super().__init__(**keywords)
                self.label = name

        lock = Named('it', ctx=kith.get_context())
        reference = weakref.ref(lock)
        lock.itself = lock
        with lock:
            self.assertEqual(repr(lock), '<Named(owner=MainProcess)>')
        del lock
        gc.collect()
        self.assertIsNone(reference())


class SemaphoreTest(Case):

    def test_values(self):
        semaphore = kith.Semaphore(2)
        self.assertEqual(repr(semaphore), '<Semaphore(value=2)>')
        self.assertTrue(semaphore.acquire() and semaphore.acquire(False))
        self.assertFalse(semaphore.acquire(False) or semaphore.acquire(timeout=0.001))
        self.assertTrue(semaphore._semlock._is_zero())
        for value in range(1, 5):
            semaphore.release()
            self.assertEqual(semaphore.get_value(), value)
        with semaphore:
            self.assertEqual(semaphore.get_value(), 3)

    def test_bounds(self):
        for value in (0, 1, 3):
            semaphore = kith.BoundedSemaphore(value)
            self.assertEqual(repr(semaphore), '<BoundedSemaphore(value=%d, maxvalue=%d)>' % (value, value))
            with self.assertRaisesRegex(ValueError, '^semaphore or lock released too many times$'):
                semaphore.release()
            self.assertEqual(semaphore.get_value(), value)
        for wrong in (-1, synchronize.SEM_VALUE_MAX + 1):
            with self.assertRaises((ValueError, OverflowError)):
                kith.Semaphore(wrong)

    def test_processes(self):
        semaphore = kith.Semaphore(0)
        child = start(release, semaphore)
        self.assertTrue(semaphore.acquire(timeout=LONG))
        self.end(child)

    def test_signals(self):
        semaphore = kith.Semaphore(0)
        self.check_signals(lambda timeout: semaphore.acquire(timeout=timeout))


    def test_one_that_is_stopped_in_the_middle_of_a_call_is_late(self):
        semaphore = kith.Semaphore(5)
        child = start(take_units_for_ever, semaphore)
        self.addCleanup(child.join, LONG)
        self.addCleanup(child.kill)
        acquired = True
        while acquired:  # until it is stopped in the middle
            time.sleep(0.001)
            os.kill(child.pid, signal.SIGSTOP)
            os.waitid(os.P_PID, child.pid, os.WSTOPPED)
            acquired = semaphore.acquire(False)
            if acquired:
                semaphore.release()
            os.kill(child.pid, signal.SIGCONT)
        self.assertTrue(semaphore.acquire(timeout=LONG))

    def test_a_stopped_process_does_not_stop_other_threads(self):
        semaphore = kith.Semaphore(1)
        guard = ctypes.c_uint32.from_address(semaphore._semlock.handle + GUARD)
        self.assertEqual(self.held_up(guard, lambda: semaphore.acquire(False)), [True])


def take_units_for_ever(semaphore):
    acquire, release = semaphore.acquire, semaphore.release
    while True:
        acquire()
        release()


def wait_in(condition):
    with condition:
        assert condition.wait(LONG)


def wait_in_vain(connection, condition):
    with condition:
        connection.send(True)
        condition.wait()


class ConditionTest(Case):

    def waiting(self, condition, count):
        wait_until(lambda: condition._sleeping_count.get_value() == count)

    def test_notify(self):
        for lock in (None, kith.Lock(), kith.RLock()):
            condition = kith.Condition(lock)
            children = [start(wait_in, condition) for _ in range(3)]
            self.waiting(condition, 3)
            with condition:
                condition.notify()
                condition.notify(n=0)
            self.waiting(condition, 2)
            with condition:
                condition.notify_all()
            for child in children:
                self.end(child)

    def test_wait(self):
        condition = kith.Condition()
        with condition:
            self.assertIs(condition.wait(0), False)
            self.assertIs(condition.wait(timeout=0.001), False)
            self.assertEqual(condition.wait_for(lambda: 7), 7)
            self.assertFalse(condition.wait_for(lambda: False, 0.001))
        with self.assertRaisesRegex(AssertionError, r'^must acquire\(\) condition before using wait\(\)$'):
            condition.wait()
        with self.assertRaisesRegex(AssertionError, '^lock is not owned$'):
            condition.notify()
        self.assertEqual(repr(condition), '<Condition(<RLock(None, 0)>, 0)>')

    def test_all_levels_come_back(self):
        condition = kith.Condition()
        child = start(wait_in, condition)
        self.waiting(condition, 1)
        with condition, condition:
            condition.notify()
            self.assertFalse(condition.wait(0.001))
            self.assertEqual(condition._lock._count(), 2)
        self.end(child)

    def test_a_killed_waiter_does_not_count(self):
        condition = kith.Condition()
        self.kill_in(wait_in_vain, condition)
        child = start(wait_in, condition)
        self.waiting(condition, 1)
        with condition:
            condition.notify()
        self.end(child)

    def test_signals(self):
        for lock in (kith.Lock(), kith.RLock()):
            condition = kith.Condition(lock)
            with condition:
                self.check_signals(condition.wait)
                self.assertTrue(lock._is_mine())

    def test_a_handler_notifies(self):
        condition = kith.Condition()

        def notify():
            with condition:
                condition.notify()

        with condition:
            self.assertEqual(self.interrupted(lambda: condition.wait(LONG), notify), (True, 1))

    def test_a_handler_notifies_and_raises(self):
        condition = kith.Condition()

        def notify():
            with condition:
                condition.notify()
            1 / 0

        with condition:
            with self.assertRaises(ZeroDivisionError):
                self.interrupted(lambda: condition.wait(LONG), notify)
            self.assertTrue(condition._lock._is_mine())

    def test_locks_that_it_refuses(self):
        with self.assertRaises(TypeError):
            kith.Condition(threading.Lock())

    def test_garbage(self):
        gc.collect()
        before = descriptors()
        for _ in range(100):
            condition = kith.Condition()
            condition.itself = condition
        del condition
        gc.collect()
        self.assertEqual(descriptors(), before)


class EventTest(Case):

    def test_event(self):
        event = kith.Event()
        self.assertIs(event.is_set(), False)
        self.assertIs(event.wait(0), False)
        event.set()
        self.assertIs(event.is_set(), True)
        self.assertIs(event.wait(), True)
        event.clear()
        self.assertIs(event.wait(timeout=0.001), False)
        child = start(call, event.set)
        self.assertIs(event.wait(LONG), True)
        self.end(child)

    def test_signals(self):
        self.check_signals(kith.Event().wait)


def raise_error():
    raise ZeroDivisionError


def pass_and_tell(barrier, connection):
    connection.send(barrier.wait(LONG))


def be_broken(barrier):
    try:
        barrier.wait(LONG)
    except threading.BrokenBarrierError:
        return
    raise AssertionError('it was not broken')


class BarrierTest(Case):

    def waiting(self, barrier, count):
        wait_until(lambda: barrier.n_waiting == count)

    def test_all_pass(self):
        here, there = kith.Pipe()
        calls = kith.Value('i', 0)

        def count():
            calls.value += 1

        barrier = kith.Barrier(4, count, LONG)
        self.assertEqual((barrier.parties, barrier.n_waiting, barrier.broken), (4, 0, False))
        children = [start(pass_and_tell, barrier, there) for _ in range(3)]
        numbers = [barrier.wait()] + [here.recv() for _ in children]
        for child in children:
            self.end(child)
        self.assertEqual(sorted(numbers), [0, 1, 2, 3])
        self.assertEqual(calls.value, 1)
        here.close()
        there.close()

    def test_all_have_come_when_a_handler_raises(self):
        barrier = kith.Barrier(2)

        def come():
            other = threading.Thread(target=barrier.wait)
            other.start()
            other.join(LONG)
            1 / 0

        with self.assertRaises(ZeroDivisionError):
            self.interrupted(barrier.wait, come)
        self.assertFalse(barrier.broken)

    def test_the_action_fails(self):
        barrier = kith.Barrier(2, raise_error)
        child = start(be_broken, barrier)
        self.waiting(barrier, 1)
        with self.assertRaises(ZeroDivisionError):
            barrier.wait()
        self.end(child)
        self.assertTrue(barrier.broken)
        barrier.reset()
        self.assertFalse(barrier.broken)

    def test_breaks(self):
        barrier = kith.Barrier(2, timeout=0.001)
        with self.assertRaises(threading.BrokenBarrierError):
            barrier.wait()
        for break_it in (barrier.abort, barrier.reset):
            barrier.reset()
            child = start(be_broken, barrier)
            self.waiting(barrier, 1)
            break_it()
            self.end(child)
        for wrong in (0, -1, 4097):
            with self.assertRaises(ValueError):
                kith.Barrier(wrong)

    def test_a_killed_party_breaks_it(self):
        barrier = kith.Barrier(3)
        child, other = start(call, barrier.wait), start(be_broken, barrier)
        self.waiting(barrier, 2)
        os.kill(child.pid, signal.SIGKILL)
        child.join(LONG)
        self.end(other)

    def test_signals(self):
        barrier = kith.Barrier(2)
        child = start(self.come_late, barrier)
        self.waiting(barrier, 0)
        self.assertEqual(self.interrupted(lambda: barrier.wait(LONG), lambda: None), (0, 1))
        self.end(child)
        with self.assertRaises(ZeroDivisionError):
            self.interrupted(lambda: barrier.wait(LONG), lambda: 1 / 0)

    @staticmethod
    def come_late(barrier):
        wait_until(lambda: barrier.n_waiting == 1)
        time.sleep(0.05)
        barrier.wait(LONG)

    def test_a_stopped_process_does_not_stop_other_threads(self):
        barrier = kith.Barrier(2)
        guard = ctypes.c_uint32.from_buffer(mmap.mmap(barrier._share_fd(), 0), GUARD)
        for call, result in ((lambda: barrier.n_waiting, 0), (lambda: barrier.broken, False),
                             (barrier.reset, None), (barrier.abort, None)):
            self.assertEqual(self.held_up(guard, call), [result])
        self.assertTrue(barrier.broken)


def use_all(lock, recursive, semaphore, bounded, condition, given, event, barrier):
    with lock, recursive, semaphore, given:
        given.notify()
    bounded.acquire()
    with condition:
        assert condition.wait_for(event.is_set, LONG)
        condition.notify()
    barrier.wait(LONG)


class SharingTest(Case):

    def test_they_go_to_children(self):
        for method in METHODS:
            for maker in {kith, kith.get_context(method)}:
                lock, event = maker.Lock(), maker.Event()
                all_of_them = [lock, maker.RLock(), maker.Semaphore(), maker.BoundedSemaphore(5), maker.Condition(),
                               maker.Condition(lock), event, maker.Barrier(2)]
                all_of_them[5] = maker.Condition(maker.Lock())
                child = start(use_all, *all_of_them, method=method)
                bounded, condition, barrier = all_of_them[3], all_of_them[4], all_of_them[7]
                wait_until(lambda: bounded.get_value() == 4 and condition._sleeping_count.get_value() == 1)
                event.set()
                with condition:
                    condition.notify()
                barrier.wait(LONG)
                self.end(child)

    def test_a_condition_and_its_lock_stay_together(self):
        for method in ('spawn',):
            lock = kith.Lock()
            condition = kith.Condition(lock)
            self.end(start(self.same_lock, lock, condition, method=method))

    @staticmethod
    def same_lock(lock, condition):
        assert condition._lock is lock
        with lock:
            condition.notify()

    def test_only_while_starting_a_process(self):
        for name in ('Lock', 'RLock', 'Semaphore', 'BoundedSemaphore', 'Condition', 'Event'):
            with self.assertRaisesRegex(RuntimeError, 'should only be shared between processes through inheritance'):
                pickle.dumps(getattr(kith, name)())
        with self.assertRaises(RuntimeError):
            pickle.dumps(kith.Barrier(2))

    def test_a_child_makes_its_own(self):
        mine = kith.Lock()
        self.end(start(self.make_in_child, mine))
        self.assertTrue(mine.acquire(False))

    @staticmethod
    def make_in_child(mine):
        made = [kith.Lock() for _ in range(100)]
        assert mine._semlock.handle not in {lock._semlock.handle for lock in made}
        for lock in made:
            assert lock.acquire(False)


class RoomTest(Case):

    def test_room_is_used_again(self):
        for make in (kith.Lock, kith.RLock, kith.Semaphore):
            lock = make()
            handle = lock._semlock.handle
            del lock
            self.assertEqual(make()._semlock.handle, handle)

    def test_but_not_after_a_fork(self):
        lock = kith.Lock()
        handle = lock._semlock.handle
        child = start(int)
        del lock
        made = [kith.Lock() for _ in range(200)]
        self.assertNotIn(handle, [lock._semlock.handle for lock in made])
        self.end(child)

    def test_and_not_after_it_was_sent(self):
        lock = kith.Lock()
        handle = lock._semlock.handle
        self.end(start(call, lock.acquire, method='spawn'))
        del lock
        made = [kith.Lock() for _ in range(200)]
        self.assertNotIn(handle, [lock._semlock.handle for lock in made])

    def test_few_descriptors(self):
        code = ('import kith, resource\n'
                'resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))\n'
                'names = "Lock", "Semaphore", "Event", "RLock"\n'
                'all = [getattr(kith, name)() for name in names for _ in range(5000)]\n'
                'assert all[4999].acquire(False) and not all[4999].acquire(False) and all[4998].acquire(False)\n')
        subprocess.run([sys.executable, '-c', code], check=True)

    def test_nothing_is_left(self):
        for make in (kith.Lock, kith.RLock, kith.Semaphore, kith.Event, kith.Condition, lambda: kith.Barrier(2)):
            kept = [make() for _ in range(3)]
            before = descriptors(), mappings()
            for _ in range(1000):
                make()
            self.assertEqual((descriptors(), mappings()), before)
            del kept

    def test_arenas_go(self):
        kept = kith.Lock()
        before = descriptors(), mappings()
        many = [kith.Lock() for _ in range(10000)]
        start(int).join()
        self.assertGreater(descriptors(), before[0])
        del many
        self.assertLessEqual(descriptors(), before[0] + 1)
        self.assertLessEqual(mappings(), before[1] + 1)
        del kept


if __name__ == '__main__':
    unittest.main()
