"""A channel layer that loses messages, as the contract of channel layers allows."""

import random
from typing import Any

from channels.layers import InMemoryChannelLayer


class LossyChannelLayer(InMemoryChannelLayer):  # type: ignore[misc]  # untyped base
    """Loses each message with the probability `loss`, always the same ones for a `seed`."""

    def __init__(self, loss: float, seed: int = 1, **options: Any) -> None:
        super().__init__(**options)
        self._loss = loss
        self._random = random.Random(seed)  # noqa: S311  # not for secrets

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        """Send to the group, or not."""
        if self._random.random() >= self._loss:
            await super().group_send(group, message)
