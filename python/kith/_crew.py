"""The parent's side of a pool: its workers, and the three threads that look after them and their tasks.

    feeder   hands out the tasks of iterables that may take their time, or that found no room
    taker    takes reports in, and settles results by them; calls callbacks
    keeper   replaces workers that have ended, and ends those that are late

None of them knows the pool: so a pool that its program drops is collected, and its finalizer ends them.
"""

import itertools
import os
import queue
import signal
import sys
import threading
import time

from kith import _kith, _worker
from multiprocessing import util
from multiprocessing.connection import wait

__all__ = ()

RUN, CLOSE, TERMINATE = "RUN", "CLOSE", "TERMINATE"

DONE, FAILED, AGAIN, UNFIT, RING = range(5)  # what a report says; see board.h
NOT_YET, WELL = range(2)  # what a worker has told of its beginning

LINE_WORKERS = 100  # a line may have KITH_QUEUE_GETTERS_MAX getters
AHEAD = 4096  # so many tasks may be handed out and not ended
AHEAD_BYTES = 16 << 20  # and take so many bytes, or be as many as there are workers
FALSE_STARTS = 10  # so many workers in a row that end before their first task break a pool
TICK = 1.0  # seconds between two looks at workers while there are tasks
PROMPT = {list, tuple, range, set, frozenset, dict, str, bytes}  # what is walked through without any wait
INDEX = (1 << 32) - 1


class Bell:
    """Wakes the keeper, who waits for its descriptor. put() and the like are what the standard library's pool has."""

    def __init__(self):
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)

    def fileno(self):
        return self._reader

    def put(self, _=None):
        try:
            os.write(self._writer, b"!")
        except BlockingIOError:
            pass  # it rings already

    def clear(self):
        try:
            os.read(self._reader, 4096)
        except BlockingIOError:
            pass

    def __del__(self):
        os.close(self._reader)
        os.close(self._writer)


class Cache(dict):
    """The results that are not there yet, by their jobs. When it gets empty, a closed pool may end."""

    def __init__(self, crew):
        super().__init__()
        self.crew = crew

    def __delitem__(self, job):
        """As dict's, but a job that is not there is none to take away: a pool that breaks has done so before."""
        self.pop(job, None)
        if not self and self.crew.state != RUN:
            self.crew.bell.put()


class Feed:
    """Tasks to be handed out: of which result, how marked, and the walk over their arguments.

    Args:
        prompt: whether the next argument comes without any wait
    """

    def __init__(self, result, mark, function, arguments, prompt):
        self.result, self.mark, self.function, self.prompt = result, mark, function, prompt
        self.arguments = iter(arguments) if prompt else _walk(arguments)
        self.index = 0

    def next(self, most):
        """Up to so many more arguments; fewer when these are the last, or the next one may be long in coming."""
        return list(itertools.islice(self.arguments, most if self.prompt else min(most, 1)))


def _walk(iterable):
    """As iter(), but what that raises comes with the first item."""
    yield from iterable


def reference(function):
    """The pickle of a function that is found by its name; of any other callable itself, which may have a state.

    So what the former say is sent once a call and read once by each worker, but a callable object is one with its
    arguments, and a fresh one in each task.
    """
    kind = type(function)
    owner = getattr(function, "__self__", None)
    if kind is type(reference) or kind is type(len) and (owner is None or type(owner) is type(os)) or kind is type:
        try:
            return _kith.dumps(function)
        except Exception:
            pass  # whoever hands it out meets this again, and tells the result
    return function


class Crew:
    def __init__(self, context, start, processes, initializer, initargs, maxtasks, wrap_exception, errors):
        self.context, self.start, self.processes = context, start, processes
        self.pid = os.getpid()
        self.initializer, self.initargs, self.maxtasks = initializer, initargs, maxtasks
        self.wrap_exception, self.errors = wrap_exception, errors
        self.lines = -(-processes // LINE_WORKERS)
        self.board = _worker.Board(self.lines, processes)
        self.bell = Bell()
        self.state = RUN
        self.cache = Cache(self)
        self.feeds = queue.SimpleQueue()
        self.door = threading.RLock()  # who hands out; a pickle may run code that asks for more
        self.backlog = 0  # feeds that wait or are at work; who comes then waits behind them. Under the door
        self.vacancy = threading.Condition(threading.Lock())
        self.hungry = False  # the feeder waits for room
        self.pending = set()  # the tasks' numbers
        self.fresh = itertools.count(1)  # numbers of tasks that are handed out once more: less than those of jobs
        self.again = {}  # by these: a task's first number, and how many workers died at it
        self.size = 0  # about what one of them takes, in bytes
        self.on_line = [0] * self.lines  # how many of them, where there are several lines
        self.rolls = threading.RLock()  # who hires and dismisses
        self.workers = []
        self.desks = {}  # of each worker
        self.free_desks = list(range(processes - 1, -1, -1))
        self.ready = set()  # desks whose workers are known to have begun
        self.false_starts = 0
        self.failure = None  # what the last initializer raised
        self.broken = None  # why there will be no more workers
        self.fallen = {}  # number: the pid and exit code of the worker that died at it; under the rolls
        self.late = set()
        self.least_limit = None  # the shortest time limit
        self.taken = self.taken_before = 0
        self.asleep = False  # the keeper waits without a time limit
        self.finished = False

    def begin(self):
        """Hires the first workers, and starts the keeper, who starts the taker; the feeder is called when there is
        something to do for it. Returns these three threads: keeper, feeder, taker.

        To start a thread is to wait until it runs, for half as long as it takes to fork a worker."""
        try:
            self.hire()
        except BaseException:
            for worker in self.workers:
                if worker.exitcode is None:
                    worker.terminate()
            for worker in self.workers:
                worker.join()
            raise
        self.threads = [threading.Thread(target=self.live, args=(target,), name="Pool-" + target.__name__, daemon=True)
                        for target in (self.keep, self.feed, self.take_in)]
        self.threads[0].start()
        return self.threads

    def live(self, target):
        """A thread's life. One that fails breaks the pool: that is better told than waited for."""
        try:
            target()
        except BaseException as error:
            complain()
            self.give_up(error)

    # ---- workers ----

    def hire(self):
        """Starts as many workers as are missing."""
        with self.rolls:
            missing = self.processes - len(self.workers) if self.broken is None else 0
            # All are made before the first is forked: after a fork, whatever this process writes to is copied anew.
            for worker, desk in [self.make_worker(desk) for desk in self.free_desks[:-missing - 1:-1]]:
                worker.start()
                self.free_desks.pop()
                self.desks[worker] = desk
                self.workers.append(worker)
                util.debug("added worker")

    def make_worker(self, desk):
        worker = self.start(self.context, target=_worker.work, args=(
            self.board, desk % self.lines, desk, self.initializer, self.initargs, self.maxtasks, self.wrap_exception))
        worker.name = worker.name.replace("Process", "PoolWorker")
        worker.daemon = True
        return worker, desk

    def dismiss(self):
        """Takes the workers that have ended from the rolls."""
        with self.rolls:
            for i in reversed(range(len(self.workers))):
                worker = self.workers[i]
                if worker.exitcode is None:
                    continue
                util.debug("cleaning up worker %d", i)
                worker.join()
                self.note_begun()
                del self.workers[i]
                desk = self.desks.pop(worker)
                number, begun = self.board.look(desk)[0], self.board.begun(desk)
                self.board.clear_desk(desk)
                self.free_desks.append(desk)
                if number in self.pending:
                    self.fallen[number] = worker.pid, worker.exitcode
                if worker.exitcode != 0 and begun == NOT_YET:  # of one that is unfit, its report is counted
                    self.false_starts += 1
                self.ready.discard(desk)

    def note_begun(self):
        """Workers that began well since the last look end a row of those that did not."""
        for desk in self.desks.values():
            if desk not in self.ready and self.board.begun(desk) == WELL:
                self.ready.add(desk)
                self.false_starts = 0

    def keep(self):
        self.threads[2].start()
        pause = 0.05
        while self.state == RUN or (self.cache and self.state != TERMINATE):
            self.dismiss()
            if self.false_starts >= FALSE_STARTS:
                self.give_up(self.failure or self.errors.lost(None, 0, 0, None, 0, "before its first task"))
            timeout = self.look_around()
            try:
                self.hire()
                pause = 0.05
            except Exception as error:  # no memory, no process, no descriptor: it may be better soon
                util.info("a pool could not start a worker: %r", error)
                timeout = pause = min(2 * pause, 5.0)
            wait([self.bell, *(worker.sentinel for worker in self.workers)], timeout)
            self.asleep = False
            self.bell.clear()
        self.feeds.put(None)
        if self.state != TERMINATE:
            self.board.shut()
        self.finished = True
        self.board.ring()

    def look_around(self):
        """Ends workers that are late, and wakes those that stand in others' way. Returns when to look again."""
        if not self.pending and self.taken == self.taken_before:
            self.asleep = True
            if not self.pending:  # else who handed that in did not see it
                return None
        self.wake_stopped()
        return TICK if self.least_limit is None else min(TICK, self.end_late())

    def end_late(self):
        nearest = self.least_limit
        for worker, desk in list(self.desks.items()):
            number, reporting, since = self.board.look(desk)
            result = self.result_of(number) if number and not reporting else None
            if result is None or result._timeout is None:
                continue
            left = since + result._timeout - time.monotonic()
            if left > 0:
                nearest = min(nearest, left)
            elif self.board.doom(desk, number, since):
                self.late.add(number)
                worker.kill()
        return nearest

    def result_of(self, number):
        """The result that a task is of, if that is still to come."""
        return self.cache.get((self.again.get(number, (number, 0))[0] >> 32) - 1)

    def wake_stopped(self):
        """A worker that is stopped while it takes or reports may have what others need for that."""
        if self.taken == self.taken_before:
            for worker, desk in list(self.desks.items()):
                number, reporting, _ = self.board.look(desk)
                if (not number or reporting) and _is_stopped(worker.pid):
                    _resume(worker.pid)
        self.taken_before = self.taken

    # ---- handing out ----

    def room(self):
        """How many tasks may be handed out now, on the line that has fewest."""
        if self.lines > 1:
            return max(self.room_on(line) for line in range(self.lines))
        pending = len(self.pending)
        if pending * self.size > AHEAD_BYTES and pending >= self.processes:
            return 0
        return AHEAD - pending

    def room_on(self, line):
        """No task waits on a line while a worker of another one has nothing to do."""
        return -(-(self.processes - line) // self.lines) - self.on_line[line]

    def submit_one(self, result, mark, function, argument):
        """Hands out a task that is alone, if that needs no wait; else as submit()."""
        with self.door:
            if self.backlog == 0 and result._timeout is None and self.room() > 0:
                self.hand_out(result, 0, mark, function, [argument])
                return
        self.submit(Feed(result, mark, function, [argument], True))

    def submit(self, feed):
        """Hands tasks out, as far as that needs no wait; the feeder does the rest."""
        result = feed.result
        if result._timeout is not None:
            self.least_limit = min(result._timeout, self.least_limit or result._timeout)
            self.bell.put()
        with self.door:
            if self.backlog == 0 and feed.prompt and self.push(feed):
                return
            feeder = self.threads[1]
            if feeder.ident is None:
                feeder.start()
            self.backlog += 1
            self.feeds.put(feed)
        if self.asleep:
            self.bell.put()

    def push(self, feed):
        """Hands tasks of a feed out while there is room. Returns whether it has no more."""
        while self.broken is None and self.state != TERMINATE:
            room = self.room()
            if room <= 0:
                return False
            try:
                arguments = feed.next(min(room, 256))
            except Exception as error:
                feed.result._end_of_tasks(feed.index, error)
                return True
            if not arguments:
                feed.result._end_of_tasks(feed.index, None)
                return True
            try:
                with self.door:
                    self.hand_out(feed.result, feed.index, feed.mark, feed.function, arguments)
            except BaseException as error:
                feed.result._end_of_tasks(feed.index + len(arguments), error)
                raise
            feed.index += len(arguments)
        return True

    def hand_out(self, result, index, mark, function, arguments):
        """Hands tasks out, the first of which is this one of its result. With the door closed.

        One that can't be pickled has failed. What is no Exception, as a KeyboardInterrupt, ends all that are left.
        """
        while arguments:
            number = ((result._job + 1) << 32) + index
            line, room = 0, len(arguments)
            if self.lines > 1:
                line = max(range(self.lines), key=self.room_on)
                room = max(self.room_on(line), 1)
            part = arguments[:room] if room < len(arguments) else arguments
            numbers = range(number, number + len(part))
            self.pending.update(numbers)
            try:
                put, size = self.board.hand_out(line, number, mark, function, part)
                self.size = max(size / put, (7 * self.size + size / put) / 8)  # to be warned at once of long ones
                self.on_line[line] += put
            except Exception as error:
                put = 1
                self.pending.discard(number)
                result._set(index, (False, error))
            except BaseException:
                self.pending.difference_update(numbers)
                raise
            index += put
            if put < len(part):
                self.pending.difference_update(numbers[put:])
            arguments = arguments[put:]
        if self.asleep:
            self.bell.put()

    def feed(self):
        for feed in iter(self.feeds.get, None):
            while not self.push(feed):
                self.await_room()
            with self.door:
                self.backlog -= 1
            feed = None

    def await_room(self):
        with self.vacancy:
            self.hungry = True
            while self.broken is None and self.state != TERMINATE and not self.has_room():
                self.vacancy.wait()
            self.hungry = False

    def has_room(self):
        """Whether there is so much that to wake the feeder pays."""
        return self.room() >= (AHEAD // 2 if self.lines == 1 else 1)

    # ---- taking in ----

    def take_in(self):
        board, pending, cache = self.board, self.pending, self.cache
        while not self.finished and self.state != TERMINATE:
            reports = board.take_in()
            for number, what, desk, value in reports:
                if what <= FAILED:
                    if number in pending:
                        pending.discard(number)
                        self.on_line[desk % self.lines] -= 1
                        if self.fallen:
                            self.fallen.pop(number, None)
                        if number <= INDEX:
                            number = self.again.pop(number)[0]
                        result = cache.get((number >> 32) - 1)
                        if result is not None:
                            result._set(number & INDEX, (what == DONE, value))
                elif what == AGAIN:
                    self.settle(number, desk, value)
                elif what == UNFIT:
                    self.failure = value
                    self.false_starts += 1
            self.taken += len(reports)
            reports = result = value = None
            if self.hungry and self.has_room():
                with self.vacancy:
                    self.vacancy.notify()

    def settle(self, number, desk, task):
        """A task has come to a worker from one that is dead: it is lost, begun again, or begun at last.

        It is handed out with a number of its own each time. So whatever is told of it twice, or late, says nothing: as
        when a worker dies that has just passed it on.
        """
        if number not in self.pending:
            return  # its report came before, or it was passed on twice
        died = self.find_fallen(number)
        late = number in self.late
        self.late.discard(number)
        first, attempts = self.again.pop(number, (number, 0))
        attempts += died is not None
        result = self.cache.get((first >> 32) - 1)
        if result is not None and (died is None or attempts <= result._retries):
            fresh = next(self.fresh)
            self.again[fresh] = first, attempts
            self.pending.add(fresh)
            self.pending.discard(number)
            self.board.hand_back(desk % self.lines, fresh, task)
            return
        self.pending.discard(number)
        self.on_line[desk % self.lines] -= 1
        if result is not None:
            error = self.errors.late if late else self.errors.lost
            result._set(first & INDEX, (False, error(result, first & INDEX, died[0], died[1], attempts)))

    def find_fallen(self, number):
        """The worker that died at a task, if it had begun it: one that has it on its desk is dead, or about to be."""
        with self.rolls:
            for worker, desk in list(self.desks.items()):
                while self.board.look(desk)[0] == number and worker in self.desks:
                    worker.join()
                    self.dismiss()
            return self.fallen.pop(number, None)

    # ---- the end ----

    def join(self):
        """Waits until the threads have ended; the feeder only where the pool was closed, for else it may wait where the
        program makes its arguments."""
        keeper, feeder, taker = self.threads
        keeper.join()
        if self.state == CLOSE:
            _join(feeder)
        _join(taker)

    def give_up(self, error):
        """No worker lives to do any task."""
        self.broken = error
        for result in list(self.cache.values()):
            result._fail(error)
        self.pending.clear()
        with self.vacancy:
            self.vacancy.notify()

    def close(self):
        self.state = CLOSE
        self.bell.put()

    def terminate(self, grace):
        """Ends the workers, at the latest, by force, after so many seconds, and the threads."""
        self.state = TERMINATE
        self.bell.put()
        self.feeds.put(None)
        with self.vacancy:
            self.vacancy.notify()
        keeper, feeder, taker = self.threads
        _join(keeper)
        workers = list(self.workers)
        for worker in workers:
            if worker.exitcode is None:
                worker.terminate()
                _resume(worker.pid)
        deadline = time.monotonic() + grace
        for worker in workers:
            worker.join(max(deadline - time.monotonic(), 0))
            if worker.exitcode is None:
                worker.kill()
                worker.join()
        self.board.ring()
        _join(taker)
        _join(feeder, 1.0)  # it may be where the program makes its arguments, and wait there
        self.give_up(self.errors.terminated())


def _join(thread, timeout=None):
    if thread.ident is not None and thread is not threading.current_thread():
        thread.join(timeout)


def _resume(pid):
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        pass


def _is_stopped(pid):
    try:
        with open("/proc/%d/stat" % pid, "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] in (b"T", b"t")
    except OSError:
        return False


def complain():
    """Tells on stderr of what a program's callback raised."""
    threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread())))
