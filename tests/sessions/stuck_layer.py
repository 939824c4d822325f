"""A channel layer that does not answer, as one whose server is down."""

import asyncio
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
