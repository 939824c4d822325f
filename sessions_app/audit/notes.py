"""What is to be recorded: single actions, and bursts of the same action."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.utils import timezone

from sessions_app.audit.actions import Action
from sessions_app.events import iso

# A burst ends when nothing more comes for so long, and goes on for so long at most.
QUIET_SECONDS = 5.0
BURST_SECONDS = 60.0
# Bytes of typed text in one record.
MAX_INPUT = 64 * 1024


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something, by which proof (`via`), and from which address."""

    user_id: int | None = None
    name: str = ""
    via: str = ""
    address: str = ""


SERVER = Actor(via="server")


@dataclass(frozen=True, slots=True)
class Note:
    """One record that is to be written."""

    at: datetime
    action: Action
    who: Actor
    session: str = ""
    session_name: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def input_size(self) -> int:
        """Return how many characters of typed text it holds."""
        return len(self.details.get("input", ""))


class Kind(NamedTuple):
    """What belongs into one burst; `what` tells apart more than the rest does."""

    action: Action
    who: Actor
    session: str = ""
    what: str = ""


class Piece(NamedTuple):
    """One action of a burst: `size` counts bytes, the newest `details` replace older ones."""

    size: int = 0
    content: bytes = b""
    details: Mapping[str, Any] = {}


class Burst:
    """The same action again and again, as one record."""

    def __init__(self, kind: Kind, session_name: str, now: float) -> None:
        self.kind, self.session_name = kind, session_name
        self.at = self.until = timezone.now()
        self.began = self.touched = now
        self.times = self.size = 0
        self.content = bytearray()
        self.details: Mapping[str, Any] = {}

    def add(self, piece: Piece, now: float) -> None:
        """Count one more."""
        self.touched, self.until = now, timezone.now()
        self.times += 1
        self.size += piece.size
        self.content += piece.content
        self.details = piece.details or self.details

    def has_room(self, content: bytes) -> bool:
        """Tell whether so much typed text goes into the same record."""
        return len(self.content) + len(content) <= MAX_INPUT

    def is_over(self, now: float) -> bool:
        """Tell whether it has been quiet, or has gone on, for long enough."""
        return now - self.touched >= QUIET_SECONDS or now - self.began >= BURST_SECONDS

    def to_note(self) -> Note:
        """Return the record of all of it."""
        details: dict[str, Any] = {**self.details, "times": self.times, "until": iso(self.until)}
        if self.kind.what:
            details["what"] = self.kind.what
        if self.size:
            details["bytes"] = self.size
        if self.content:
            details["input"] = self.content.decode("utf-8", "backslashreplace")
        action, who, session, _ = self.kind
        return Note(self.at, action, who, session, self.session_name, details)
