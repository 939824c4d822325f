"""Waiting on a condition, never on the clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

Found = TypeVar("Found")
_INTERVAL = 0.01


def until(predicate: Callable[[], Found], timeout: float = 30.0) -> Found:
    """What `predicate` gives as soon as that is true; AssertionError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (found := predicate()):
        assert time.monotonic() < deadline, f"not within {timeout} s: {predicate}"
        time.sleep(_INTERVAL)
    return found


@overload
async def auntil(predicate: Callable[[], Awaitable[Found]], timeout: float = ...) -> Found: ...
@overload
async def auntil(predicate: Callable[[], Found], timeout: float = ...) -> Found: ...
async def auntil(predicate: Callable[[], Any], timeout: float = 30.0) -> Any:
    """As `until`, without blocking the event loop; the predicate may be a coroutine function."""

    async def ask() -> Any:
        answer = predicate()
        return await answer if isinstance(answer, Awaitable) else answer

    deadline = time.monotonic() + timeout
    while not (found := await ask()):
        assert time.monotonic() < deadline, f"not within {timeout} s: {predicate}"
        await asyncio.sleep(_INTERVAL)
    return found
