"""Process-based parallelism on libkith: multiprocessing, several times as fast, and sturdy."""

from kith import _kith  # noqa: F401
