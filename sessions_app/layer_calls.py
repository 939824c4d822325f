"""What is asked of the channel layer: for a moment at most, by tasks that end when cancelled."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

# A layer that takes longer than this for one message has lost it.
LAYER_SECONDS = 2.0

T = TypeVar("T")


async def answered(asked: Awaitable[T]) -> T:
    """Return what the layer answers.

    Raises TimeoutError after LAYER_SECONDS, and whatever the layer raises. A task that is cancelled
    meanwhile gets its CancelledError even where the layer has kept it to itself: redis-py sends
    within `asyncio.wait_for`, which before Python 3.12 forgets a cancellation that comes as it is
    about to return (https://github.com/python/cpython/issues/86296). Whoever asks in a loop would
    go on for ever, and who waits for its end would, too.
    """
    async with asyncio.timeout(LAYER_SECONDS):
        answer = await asked
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
    return answer
