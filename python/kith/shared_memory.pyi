from multiprocessing import shared_memory as _stock
from typing import Optional, TypeVar

__all__ = ['SharedMemory', 'ShareableList']

_T = TypeVar('_T', int, float, bool, str, bytes, None)

class SharedMemory(_stock.SharedMemory):
    def __init__(self, name: Optional[str] = ..., create: bool = ..., size: int = ..., *,
                 track: bool = ...) -> None: ...

class ShareableList(_stock.ShareableList[_T]): ...
