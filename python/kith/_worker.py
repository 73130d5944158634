"""What a worker of a pool does: takes tasks from the board and reports what became of them.

A module of its own, so that a worker that begins anew has little to import before its first task.
"""

import os

from kith import _kith
from multiprocessing import context, reduction, util

__all__ = ()

# What a task's mark says of its function and its argument.
CALL = 0  # function(*argument[0], **argument[1])
ONE = 1  # function(argument)
ONE_STAR = 2  # function(*argument)
MANY = 3  # [function(item) for item in argument]
MANY_STAR = 4  # [function(*item) for item in argument]
UNREADABLE = -1  # the argument is the exception that reading the task raised
TIMED = 8  # beside another mark: each item has a time limit of its own


class Board(_kith.Board):
    """The board of a pool, which workers inherit, or are handed when they begin anew."""

    def __reduce__(self):
        context.assert_spawning(self)
        return _take_over, (tuple(reduction.DupFd(fd) for fd in self.descriptors()),)


def _take_over(descriptors):
    fds = tuple(descriptor.detach() for descriptor in descriptors)
    try:
        return Board.of(fds)
    finally:
        for fd in fds:
            os.close(fd)


def work(board, line, desk, initializer, initargs, maxtasks, wrap_exception):
    """A worker's life; the target of its process."""
    board.sit(line, desk)
    if initializer is not None:
        _initialize(board, initializer, initargs)
    board.tell(None)
    completed = 0
    try:
        while maxtasks is None or completed < maxtasks:
            task = board.take()
            if task is None:
                util.debug("worker has no more tasks -- exiting")
                break
            succeeded, value = _run(board, wrap_exception, *task)
            task = None
            try:
                board.report(succeeded, value)
            except Exception as error:
                wrapped = _pool().MaybeEncodingError(error, value)
                util.debug("Possible encoding error while sending result: %s", wrapped)
                board.report(False, wrapped)
                wrapped = None
            value = None
            completed += 1
    except (EOFError, OSError):
        util.debug("worker lost the board -- exiting")
    util.debug("worker exiting after %d tasks", completed)


def _pool():
    from kith._stock import pool
    return pool


def _initialize(board, initializer, initargs):
    try:
        initializer(*initargs)
    except SystemExit as leaving:
        board.tell(RuntimeError("the initializer ended its worker: %r" % leaving))
        raise
    except Exception as error:
        try:
            board.tell(_pool().ExceptionWithTraceback(error, error.__traceback__))
        except Exception as unfit:
            board.tell(_pool().MaybeEncodingError(unfit, error))
        raise


def _run(board, wrap_exception, mark, function, argument):
    """Returns whether the task succeeded, and what it returned or raised."""
    try:
        if mark == UNREADABLE:
            raise argument
        if mark == ONE:
            return True, function(argument)
        if mark & TIMED:
            return True, _run_timed(board, mark & ~TIMED, function, argument)
        return True, _run_as(mark, function, argument)
    except Exception as error:
        return False, _pool().ExceptionWithTraceback(error, error.__traceback__) if wrap_exception else error


def _run_as(mark, function, argument):
    if mark == CALL:
        return function(*argument[0], **argument[1])
    if mark == MANY:
        return [function(item) for item in argument]
    if mark == MANY_STAR:
        return [function(*item) for item in argument]
    return function(*argument) if mark == ONE_STAR else function(argument)


def _run_timed(board, mark, function, argument):
    return _run_as(mark, function, _each(board, argument) if mark in (MANY, MANY_STAR) else argument)


def _each(board, items):
    for item in items:
        board.next_item()
        yield item
