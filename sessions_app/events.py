"""The vocabulary: SessionEvents and how they read on the wire. No framework is imported here.

The names and fields are those of the wire contract (camelCase, ISO 8601 UTC with `Z`). A type that
is not in `EventType` is an error, never a pass-through.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

PROTOCOL_VERSION = 1
MIN_SIZE, MAX_SIZE = 1, 1000


class EventType(StrEnum):
    """The type of every SessionEvent."""

    STARTED = "session:started"
    OUTPUT = "session:output"
    WAITING = "session:waiting"
    CHECKPOINT = "session:checkpoint"
    RESUMED = "session:resumed"
    RESIZED = "session:resized"
    COMPLETED = "session:completed"
    FAILED = "session:failed"


class Status(StrEnum):
    """Where a session stands."""

    IDLE = "idle"
    RUNNING = "running"
    WAITING_CHECKPOINT = "waiting_checkpoint"
    COMPLETED = "completed"
    FAILED = "failed"


ALIVE = frozenset({Status.RUNNING, Status.WAITING_CHECKPOINT})
ACTIVE = ALIVE | {Status.IDLE}
ENDED = frozenset({Status.COMPLETED, Status.FAILED})


@dataclass(frozen=True)
class Transition:
    """What an event does to the status: it may happen in `allowed` only and leads to `to`.

    `to` is None for an event that changes something else.
    """

    allowed: frozenset[Status]
    to: Status | None


TRANSITIONS: Mapping[EventType, Transition] = {
    EventType.STARTED: Transition(frozenset({Status.IDLE}), Status.RUNNING),
    EventType.WAITING: Transition(ALIVE, Status.WAITING_CHECKPOINT),
    EventType.CHECKPOINT: Transition(ALIVE, Status.WAITING_CHECKPOINT),
    EventType.RESUMED: Transition(frozenset({Status.WAITING_CHECKPOINT}), Status.RUNNING),
    EventType.RESIZED: Transition(ALIVE, None),
    EventType.COMPLETED: Transition(ALIVE, Status.COMPLETED),
    EventType.FAILED: Transition(ACTIVE, Status.FAILED),
}


# Nothing follows one of these.
LAST = frozenset(
    kind
    for kind, transition in TRANSITIONS.items()
    if transition.to is not None and transition.to in ENDED
)


class ClientMessage(StrEnum):
    """What a client may send on the live stream."""

    SUBSCRIBE = "subscribe"
    ACK = "ack"
    INPUT = "input"
    RESIZE = "resize"
    PING = "ping"


class ServerMessage(StrEnum):
    """What the server sends on the live stream besides SessionEvents."""

    INITIAL_STATE = "initial-state"
    RESET = "session:reset"
    FORGOTTEN = "session:forgotten"
    UPDATED = "session:updated"
    RECEIPT = "receipt"
    PONG = "pong"
    ERROR = "error"


class CloseCode:
    """Why the server closed a live stream."""

    BAD_MESSAGE = 4400
    LOGIN_ENDED = 4401
    NOT_ALLOWED = 4403
    TOO_SLOW = 4408
    TOO_MANY = 4429
    SERVER_STOPPING = 4503


def iso(moment: datetime) -> str:
    """Write a moment as ISO 8601 in UTC with milliseconds and `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, kw_only=True)
class LifecycleEvent:
    """One immutable fact but output: the `seq`-th of its session, at output offset `offset`.

    `fields` holds what its type adds (camelCase, JSON values).
    """

    type: EventType
    session_id: str
    seq: int
    offset: int
    timestamp: datetime
    fields: Mapping[str, Any] = field(default_factory=dict)

    def to_wire(self) -> dict[str, Any]:
        """Return the event as clients read it."""
        return {
            "type": str(self.type),
            "timestamp": iso(self.timestamp),
            "sessionId": self.session_id,
            "seq": self.seq,
            "offset": self.offset,
            **self.fields,
        }


def output_head(session_id: str, timestamp: str, offset: int, next_offset: int) -> dict[str, Any]:
    """Return what clients read of a piece of output before its `data`."""
    return {
        "type": str(EventType.OUTPUT),
        "timestamp": timestamp,
        "sessionId": session_id,
        "offset": offset,
        "nextOffset": next_offset,
        "stream": "stdout",
    }


@dataclass(frozen=True, kw_only=True)
class OutputEvent:
    """A piece of raw output: the bytes from `offset` up to `next_offset`, characters kept whole."""

    session_id: str
    offset: int
    data: bytes
    timestamp: datetime

    @property
    def next_offset(self) -> int:
        """Return the offset right after the piece."""
        return self.offset + len(self.data)

    def to_wire(self) -> dict[str, Any]:
        """Return the piece as clients read it; bytes that are not UTF-8 read as U+FFFD."""
        head = output_head(self.session_id, iso(self.timestamp), self.offset, self.next_offset)
        return {**head, "data": self.data.decode("utf-8", "replace")}


@dataclass(frozen=True, kw_only=True)
class SessionChanged:
    """Clients have to be told without a SessionEvent: accepted, renamed, stalled or forgotten.

    Of one that is forgotten, `owner_id` and `team` tell who could see it; one that is `hidden` was
    shown to the team until now.
    """

    session_id: str
    forgotten: bool = False
    hidden: bool = False
    owner_id: int | None = None
    team: bool = False


Announcement = LifecycleEvent | OutputEvent | SessionChanged


def whole_characters(data: bytes) -> int:
    """Return how many leading bytes of `data` end at a character's end.

    What follows is the beginning of a UTF-8 character whose rest has not come yet (at most 3
    bytes); bytes that can never become a character count as whole.
    """
    for back in range(1, min(4, len(data) + 1)):
        byte = data[-back]
        if byte < 0x80:
            break
        if byte >= 0xC0:
            needed = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4 if byte < 0xF8 else 1
            return len(data) - back if back < needed else len(data)
    return len(data)
