"""What a source says about a session: that it waits, for what, or that its work goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

WaitType = Literal["menu", "prompt", "permission", "continue", "unknown"]
Payload = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """The session waits for an answer.

    `trigger` is what was seen, `source` who says so, `confidence` from 0 to 1 how sure that is.
    """

    wait_type: WaitType
    trigger: str
    menu_options: list[str] | None = None
    prompt_intent: str | None = None
    prompt_context: str | None = None
    source: str
    confidence: float

    def to_payload(self) -> dict[str, object]:
        """The fields of `session:waiting`."""
        return {
            "waitType": self.wait_type,
            "trigger": self.trigger,
            "menuOptions": self.menu_options,
            "promptIntent": self.prompt_intent,
            "promptContext": self.prompt_context,
            "source": self.source,
            "confidence": self.confidence,
        }

    @classmethod
    def from_payload(cls, payload: Payload) -> Waiting:
        return cls(
            wait_type=payload["waitType"],
            trigger=payload["trigger"],
            menu_options=payload["menuOptions"],
            prompt_intent=payload["promptIntent"],
            prompt_context=payload["promptContext"],
            source=payload["source"],
            confidence=payload["confidence"],
        )


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """The session waits at a checkpoint; `checkpoint` has the keys of the wire (camelCase)."""

    checkpoint: dict[str, object]
    source: str
    confidence: float

    def to_payload(self) -> dict[str, object]:
        """The fields of `session:checkpoint`."""
        return {
            "checkpoint": self.checkpoint,
            "source": self.source,
            "confidence": self.confidence,
        }

    @classmethod
    def from_payload(cls, payload: Payload) -> Checkpoint:
        return cls(
            checkpoint=payload["checkpoint"],
            source=payload["source"],
            confidence=payload["confidence"],
        )


@dataclass(frozen=True, kw_only=True)
class Resumed:
    """It no longer waits."""

    source: str

    def to_payload(self) -> dict[str, object]:
        """The fields of `session:resumed`."""
        return {"source": self.source}

    @classmethod
    def from_payload(cls, payload: Payload) -> Resumed:
        return cls(source=payload["source"])


Report = Waiting | Checkpoint | Resumed
"""What a source may say."""
Wait = Waiting | Checkpoint
"""What a session can be waiting at."""
