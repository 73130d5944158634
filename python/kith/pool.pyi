from abc import ABCMeta
from multiprocessing.context import BaseContext
from multiprocessing.pool import (
    ApplyResult as _StockApplyResult, IMapIterator as _StockIMapIterator,
    IMapUnorderedIterator as _StockIMapUnorderedIterator, MapResult as _StockMapResult, Pool as _StockPool,
    ThreadPool as ThreadPool,
)
from multiprocessing import TimeoutError as _ProcessTimeoutError
from types import TracebackType
from typing import Any, Callable, Generic, Iterable, List, Mapping, Optional, TypeVar, Union

__all__ = ['Pool', 'ThreadPool']

_T = TypeVar('_T')
_S = TypeVar('_S')
_ProgressOption = Union[None, bool, str, Callable[[int, Optional[int]], object]]

class RemoteTraceback(Exception):
    tb: str
    def __init__(self, tb: str) -> None: ...

class ExceptionWithTraceback:
    exc: BaseException
    tb: str
    def __init__(self, exc: BaseException, tb: Optional[TracebackType]) -> None: ...

class MaybeEncodingError(Exception):
    exc: str
    value: str
    def __init__(self, exc: BaseException, value: object) -> None: ...

class WorkerLostError(RuntimeError):
    task: int
    pid: Optional[int]
    exitcode: Optional[int]
    attempts: int
    def __init__(self, message: str, task: int = ..., pid: Optional[int] = ..., exitcode: Optional[int] = ...,
                 attempts: int = ...) -> None: ...

class TaskTimeoutError(_ProcessTimeoutError, TimeoutError):
    task: int
    pid: Optional[int]
    attempts: int
    def __init__(self, message: str, task: int = ..., pid: Optional[int] = ..., attempts: int = ...) -> None: ...

class PoolTerminatedError(RuntimeError): ...

class ApplyResult(_StockApplyResult[_T], Generic[_T]): ...

AsyncResult = ApplyResult

class MapResult(_StockMapResult[_T], Generic[_T]): ...
class IMapIterator(_StockIMapIterator[_T], Generic[_T]): ...
class IMapUnorderedIterator(_StockIMapUnorderedIterator[_T], Generic[_T]): ...

class Pool(_StockPool, metaclass=ABCMeta):
    terminate_grace: float
    def __init__(self, processes: Optional[int] = ..., initializer: Optional[Callable[..., object]] = ...,
                 initargs: Iterable[Any] = ..., maxtasksperchild: Optional[int] = ...,
                 context: Optional[BaseContext] = ..., *, retries: int = ...,
                 timeout: Optional[float] = ...) -> None: ...
    def apply(self, func: Callable[..., _T], args: Iterable[Any] = ..., kwds: Mapping[str, Any] = ..., *,
              timeout: Optional[float] = ..., retries: Optional[int] = ...) -> _T: ...
    def apply_async(self, func: Callable[..., _T], args: Iterable[Any] = ..., kwds: Mapping[str, Any] = ...,
                    callback: Optional[Callable[[_T], object]] = ...,
                    error_callback: Optional[Callable[[BaseException], object]] = ..., *,
                    timeout: Optional[float] = ..., retries: Optional[int] = ...) -> ApplyResult[_T]: ...
    def map(self, func: Callable[[_S], _T], iterable: Iterable[_S], chunksize: Optional[int] = ..., *,
            timeout: Optional[float] = ..., retries: Optional[int] = ...,
            progress: _ProgressOption = ...) -> List[_T]: ...
    def starmap(self, func: Callable[..., _T], iterable: Iterable[Iterable[Any]], chunksize: Optional[int] = ..., *,
                timeout: Optional[float] = ..., retries: Optional[int] = ...,
                progress: _ProgressOption = ...) -> List[_T]: ...
    # The stubs that came with mypy until 2024 have another callback there.
    def map_async(  # type: ignore[override, unused-ignore]
            self, func: Callable[[_S], _T], iterable: Iterable[_S], chunksize: Optional[int] = ...,
            callback: Optional[Callable[[List[_T]], object]] = ...,
            error_callback: Optional[Callable[[BaseException], object]] = ..., *, timeout: Optional[float] = ...,
            retries: Optional[int] = ..., progress: _ProgressOption = ...) -> MapResult[_T]: ...
    def starmap_async(  # type: ignore[override, unused-ignore]
            self, func: Callable[..., _T], iterable: Iterable[Iterable[Any]], chunksize: Optional[int] = ...,
            callback: Optional[Callable[[List[_T]], object]] = ...,
            error_callback: Optional[Callable[[BaseException], object]] = ..., *, timeout: Optional[float] = ...,
            retries: Optional[int] = ..., progress: _ProgressOption = ...) -> MapResult[_T]: ...
    def imap(self, func: Callable[[_S], _T], iterable: Iterable[_S], chunksize: Optional[int] = ..., *,
             timeout: Optional[float] = ..., retries: Optional[int] = ...,
             progress: _ProgressOption = ...) -> IMapIterator[_T]: ...
    def imap_unordered(self, func: Callable[[_S], _T], iterable: Iterable[_S], chunksize: Optional[int] = ..., *,
                       timeout: Optional[float] = ..., retries: Optional[int] = ...,
                       progress: _ProgressOption = ...) -> IMapIterator[_T]: ...
