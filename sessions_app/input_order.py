"""What is typed into a session of another host arrives in the order in which it was typed."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any
from weakref import WeakValueDictionary

# Asks; calls what it is given once the host has what was typed, or never.
Ask = Callable[[Callable[[], None]], Coroutine[Any, Any, None]]


class InputOrder:
    """A queue for each session. Belongs to one event loop.

    The channel layer may lose a key and carry the next one. So the next one is sent when the host
    says that it has the one before; the program need not have read that.
    """

    def __init__(self) -> None:
        self._queues: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._tasks: set[asyncio.Task[None]] = set()

    async def send(self, session_id: str, ask: Ask) -> None:
        """Ask when it is its turn; raises what that raises. Who stops waiting undoes nothing."""
        queue = self._queues.setdefault(session_id, asyncio.Lock())
        task = asyncio.create_task(_in_turn(queue, ask), name="send-input", context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._sent)
        await asyncio.shield(task)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # who typed has been told, or did not want to wait for it


async def _in_turn(queue: asyncio.Lock, ask: Ask) -> None:
    async with queue:
        received = asyncio.Event()
        asking = asyncio.create_task(ask(received.set))
        asking.add_done_callback(lambda _: received.set())
        await received.wait()
    await asking
