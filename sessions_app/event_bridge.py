"""The bridge: every SessionEvent that the manager tells goes into the channel layer's groups.

All server processes hear of all events; a session's output has a group of its own, which those
processes join that show it to somebody. A message holds what each server process needs to serve its
viewers, encoded once: the layer may lose messages, so each also says what came before it (`offset`,
`seq`), and gaps are read from the log.
"""

import asyncio
import logging
from collections import deque
from contextvars import Context
from typing import Any

import orjson
from channels.layers import get_channel_layer

from sessions_app.events import LAST, Announcement, LifecycleEvent, OutputEvent, iso
from sessions_app.layer_calls import answered
from sessions_app.live_frames import json_text
from sessions_app.metrics import counts
from sessions_app.signals import session_event

logger = logging.getLogger(__name__)

GROUP = "sessions"
# Larger pieces are not carried by the layer; the receivers read them from the log.
INLINE_BYTES = 128 * 1024
# Announcements that wait for the layer; and of them those whose text is carried.
MOST_WAITING = 4096
MOST_INLINE = 64
STOP_SECONDS = 0.5


def output_group(session_id: str) -> str:
    """Return the group of a session's output."""
    return f"output.{session_id}"


def group_of(event: Announcement) -> str:
    """Return the group whose members are told."""
    return output_group(event.session_id) if isinstance(event, OutputEvent) else GROUP


def to_message(event: Announcement, *, inline: bool = True) -> dict[str, Any]:
    """Return the channel-layer message of an announcement, with the text of output if `inline`."""
    if isinstance(event, OutputEvent):
        data = json_text(event) if inline and len(event.data) <= INLINE_BYTES else None
        return {
            "type": "session.output",
            "session": event.session_id,
            "offset": event.offset,
            "next": event.next_offset,
            "timestamp": iso(event.timestamp),
            "data": data,
        }
    if isinstance(event, LifecycleEvent):
        return {
            "type": "session.event",
            "session": event.session_id,
            "seq": event.seq,
            "offset": event.offset,
            "event": orjson.dumps(event.to_wire()),
            "last": event.type in LAST,
        }
    return {
        "type": "session.changed",
        "session": event.session_id,
        "forgotten": event.forgotten,
        "hidden": event.hidden,
        "owner": event.owner_id,
        "team": event.team,
    }


class EventBridge:
    """Carries what the manager tells into the group, in the order in which it was told.

    Who tells never waits for the layer. Where the layer does not keep up, output is told without
    its text, and then the oldest messages are lost, all of which the log heals. Belongs to one
    event loop.
    """

    def __init__(self) -> None:
        self._waiting: deque[Announcement] = deque(maxlen=MOST_WAITING)
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_in_trouble = False

    def start(self) -> None:
        """Begin to listen and to forward."""
        # A fresh context: one inherited from a request would die with that request.
        self._task = asyncio.create_task(self._forward(), name="event-bridge", context=Context())
        session_event.connect(self._told)

    async def stop(self) -> None:
        """Forward what was told, for a moment at most, and then nothing any more."""
        session_event.disconnect(self._told)
        if self._task is not None:
            deadline = asyncio.get_running_loop().time() + STOP_SECONDS
            while self._waiting and asyncio.get_running_loop().time() < deadline:
                await asyncio.sleep(0.01)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _told(self, event: Announcement, **kwargs: Any) -> None:
        if len(self._waiting) == MOST_WAITING:
            counts.events_lost += 1
        self._waiting.append(event)
        self._news.set()

    async def _forward(self) -> None:
        layer = get_channel_layer()
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                inline = len(self._waiting) <= MOST_INLINE
                await self._send(layer, self._waiting.popleft(), inline=inline)

    async def _send(self, layer: Any, event: Announcement, *, inline: bool) -> None:
        """Send one message; what the layer does not take is lost to it, and in the log."""
        try:
            await answered(layer.group_send(group_of(event), to_message(event, inline=inline)))
        except Exception as error:
            counts.layer_errors += 1
            if not self._is_in_trouble:  # once, not for every piece of output
                logger.warning("events cannot be forwarded: %s", error or type(error).__name__)
            self._is_in_trouble = True
        else:
            if self._is_in_trouble:
                logger.warning("events are forwarded again")
            self._is_in_trouble = False
