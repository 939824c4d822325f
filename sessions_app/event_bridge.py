"""The bridge: every SessionEvent that the manager tells goes into the channel layer's group.

A message holds what each server process needs to serve its viewers, encoded once: the layer may
lose messages, so each also says what came before it (`offset`, `seq`), and gaps are read from the
log.
"""

from typing import Any

import orjson
from channels.layers import get_channel_layer
from django.dispatch import receiver

from sessions_app.events import LAST, Announcement, LifecycleEvent, OutputEvent, iso
from sessions_app.live_frames import json_text
from sessions_app.signals import session_event

GROUP = "sessions"
# Larger pieces are not carried by the layer; the receivers read them from the log.
INLINE_BYTES = 128 * 1024


def to_message(event: Announcement) -> dict[str, Any]:
    """Return the channel-layer message of an announcement."""
    if isinstance(event, OutputEvent):
        data = json_text(event)
        return {
            "type": "session.output",
            "session": event.session_id,
            "offset": event.offset,
            "next": event.next_offset,
            "timestamp": iso(event.timestamp),
            "data": data if len(data) <= INLINE_BYTES else None,
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


@receiver(session_event)
async def push_to_group(sender: type, event: Announcement, **kwargs: Any) -> None:
    """Forward one announcement into the group."""
    await get_channel_layer().group_send(GROUP, to_message(event))
