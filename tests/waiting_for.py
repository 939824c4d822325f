"""Waiting on a condition, never on the clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

Found = TypeVar("Found")
_INTERVAL = 0.01


def until(predicate: Callable[[], Found], timeout: float = 5.0) -> Found:
    """What `predicate` gives as soon as that is true; AssertionError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (found := predicate()):
        assert time.monotonic() < deadline, f"not within {timeout} s: {predicate}"
        time.sleep(_INTERVAL)
    return found


async def auntil(predicate: Callable[[], Found | Awaitable[Found]], timeout: float = 5.0) -> Found:
    """As `until`, without blocking the event loop; the predicate may be a coroutine function."""

    async def ask() -> Found:
        answer = predicate()
        return await answer if isinstance(answer, Awaitable) else answer

    deadline = time.monotonic() + timeout
    while not (found := await ask()):
        assert time.monotonic() < deadline, f"not within {timeout} s: {predicate}"
        await asyncio.sleep(_INTERVAL)
    return found
