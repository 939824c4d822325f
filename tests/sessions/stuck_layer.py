"""Channel layers that do not answer, as those whose server is down."""

import asyncio
from contextlib import suppress
from typing import Any

from channels.layers import InMemoryChannelLayer


class StuckChannelLayer(InMemoryChannelLayer):  # type: ignore[misc]  # untyped base
    """Sends nothing until `answers` is set."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.answers = asyncio.Event()

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        """Send to the group once that is possible."""
        await self.answers.wait()
        await super().group_send(group, message)


class ForgetfulChannelLayer(InMemoryChannelLayer):  # type: ignore[misc]  # untyped base
    """Does not answer the first question, whose task learns nothing of its being cancelled.

    So may layers that send within asyncio.wait_for. `asked` is set once it has been asked.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.asked = asyncio.Event()

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        """Send to the group, but not the first time."""
        if not await self._forgets():
            await super().group_send(group, message)

    async def group_discard(self, group: str, channel: str) -> None:
        """Leave the group, but not the first time."""
        if not await self._forgets():
            await super().group_discard(group, channel)

    async def _forgets(self) -> bool:
        if self.asked.is_set():
            return False
        self.asked.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return True
