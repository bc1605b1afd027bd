"""A disk that is full, without one: no file of this process grows beyond a length."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def largest_file(length: int) -> Iterator[None]:
    """Let no file of this process grow beyond `length` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (length, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def refused(monkeypatch: pytest.MonkeyPatch, call: str) -> Iterator[None]:
    """Let a call of `os` fail as on a disk without a byte left."""

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        yield
