"""Bodies that are never in memory as a whole, however large they are and however slowly read."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from asgiref.sync import sync_to_async
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from sessions_app.holder.spool import OutputGone
from sessions_app.transport import SCOPE_KEY, Connection

logger = logging.getLogger(__name__)

# What is fetched at a time, in a thread, and what may wait in the server's buffers for one client.
BATCH_BYTES = 256 * 1024
UNSENT_BYTES = 512 * 1024
UNSENT_RETRY_SECONDS = 0.02


class StreamRenderer(BaseRenderer):
    """Stands for a stream when the media type of the answer is chosen."""

    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the bytes as they are."""
        return data


async def streamed(request: Request, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Send the pieces as fast as the client takes them; each is fetched in a thread.

    Where a piece is gone the connection is cut, so that the client knows that it lacks something.
    """
    connection: Connection | None = getattr(request, "scope", {}).get(SCOPE_KEY)
    try:
        while batch := await sync_to_async(_batch)(pieces):
            yield batch
            while connection is not None and connection.unsent() > UNSENT_BYTES:
                await asyncio.sleep(UNSENT_RETRY_SECONDS)
    except OutputGone as error:
        logger.warning("%s was cut short: %s", request.path, error)
        if connection is None:
            raise
        connection.abort()


def _batch(pieces: Iterator[bytes]) -> bytes:
    """Take pieces until there is enough to be worth sending; b"" at their end."""
    batch: list[bytes] = []
    size = 0
    while size < BATCH_BYTES and (piece := next(pieces, None)) is not None:
        batch.append(piece)
        size += len(piece)
    return b"".join(batch)
