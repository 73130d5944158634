from multiprocessing import context as _stock
from multiprocessing.context import AuthenticationError as AuthenticationError
from multiprocessing.context import BufferTooShort as BufferTooShort
from multiprocessing.context import ProcessError as ProcessError
from multiprocessing.context import TimeoutError as TimeoutError
from multiprocessing.context import assert_spawning as assert_spawning
from multiprocessing.context import get_spawning_popen as get_spawning_popen
from multiprocessing.context import set_spawning_popen as set_spawning_popen
from typing import Any, Callable, Iterable, Literal, Optional, Tuple, Type, Union, overload

from kith.connection import Connection
from kith.managers import SyncManager
from kith.pool import Pool as _Pool
from kith.queues import JoinableQueue as _JoinableQueue
from kith.queues import Queue as _Queue
from kith.queues import SimpleQueue as _SimpleQueue
from kith.synchronize import Barrier as _Barrier
from kith.synchronize import BoundedSemaphore as _BoundedSemaphore
from kith.synchronize import Condition as _Condition
from kith.synchronize import Event as _Event
from kith.synchronize import Lock as _Lock
from kith.synchronize import RLock as _RLock
from kith.synchronize import Semaphore as _Semaphore

class BaseContext(_stock.BaseContext):
    def Manager(self) -> SyncManager: ...
    def Pipe(self, duplex: bool = ...) -> Tuple[Connection, Connection]: ...
    def Lock(self) -> _Lock: ...  # type: ignore[override]
    def RLock(self) -> _RLock: ...  # type: ignore[override]
    def Condition(self, lock: Union[_Lock, _RLock, None] = ...) -> _Condition: ...  # type: ignore[override]
    def Semaphore(self, value: int = ...) -> _Semaphore: ...  # type: ignore[override]
    def BoundedSemaphore(self, value: int = ...) -> _BoundedSemaphore: ...  # type: ignore[override]
    def Event(self) -> _Event: ...  # type: ignore[override]
    def Barrier(  # type: ignore[override]
            self, parties: int, action: Optional[Callable[[], object]] = ...,
            timeout: Optional[float] = ...) -> _Barrier: ...
    def Queue(self, maxsize: int = ..., *, max_bytes: int = ..., redeliver: bool = ..., max_deliveries: int = ...,
              name: Optional[str] = ...) -> _Queue[Any]: ...
    def JoinableQueue(self, maxsize: int = ..., *, max_bytes: int = ..., redeliver: bool = ...,
                      max_deliveries: int = ..., name: Optional[str] = ...) -> _JoinableQueue[Any]: ...
    def SimpleQueue(self) -> _SimpleQueue[Any]: ...
    def Pool(self, processes: Optional[int] = ..., initializer: Optional[Callable[..., object]] = ...,
             initargs: Iterable[Any] = ..., maxtasksperchild: Optional[int] = ..., *, retries: int = ...,
             timeout: Optional[float] = ...) -> _Pool: ...
    def RawValue(self, typecode_or_type: Any, *args: Any) -> Any: ...
    def RawArray(self, typecode_or_type: Any, size_or_initializer: Any) -> Any: ...
    def Value(self, typecode_or_type: Any, *args: Any, lock: Any = ...) -> Any: ...
    def Array(self, typecode_or_type: Any, size_or_initializer: Any, *, lock: Any = ...) -> Any: ...
    @overload  # type: ignore[override]
    def get_context(self, method: None = ...) -> BaseContext: ...
    @overload
    def get_context(self, method: Literal["fork"]) -> ForkContext: ...
    @overload
    def get_context(self, method: Literal["spawn"]) -> SpawnContext: ...
    @overload
    def get_context(self, method: Literal["forkserver"]) -> ForkServerContext: ...
    @overload
    def get_context(self, method: str) -> BaseContext: ...

class Process(_stock.Process): ...
class ForkProcess(_stock.ForkProcess): ...
class SpawnProcess(_stock.SpawnProcess): ...
class ForkServerProcess(_stock.ForkServerProcess): ...

class ForkContext(BaseContext):
    Process: Type[ForkProcess]

class SpawnContext(BaseContext):
    Process: Type[SpawnProcess]

class ForkServerContext(BaseContext):
    Process: Type[ForkServerProcess]

class DefaultContext(BaseContext):
    Process: Type[Process]
    def get_all_start_methods(self) -> list[str]: ...

_default_context: DefaultContext
