"""What a waiting session asks, in one line."""

from collections.abc import Mapping
from typing import Any

ASKS = {
    "permission": "Asks for permission",
    "menu": "Asks to choose",
    "prompt": "Asks for input",
    "continue": "Asks to go on",
}
FIRST_WORDS = {
    "human-verify": ("Verify", "whatBuilt"),
    "decision": ("Decide", "decision"),
    "human-action": ("Your turn", "action"),
    "completion": ("Done", "summary"),
}


def waiting_summary(event: Mapping[str, Any]) -> str:
    """Return the line for a `session:waiting` or `session:checkpoint` event.

    Its fields come from programs: whatever is missing or of another type is left out.
    """
    checkpoint = event.get("checkpoint")
    if isinstance(checkpoint, Mapping):
        word, field = FIRST_WORDS.get(str(checkpoint.get("type")), ("Waiting", "summary"))
        return _joined(word, checkpoint.get(field))
    asks = ASKS.get(str(event.get("waitType")), "Waits for an answer")
    return _joined(asks, event.get("promptContext") or event.get("trigger"))


def _joined(word: str, text: object) -> str:
    line = " ".join(text.split()) if isinstance(text, str) else ""
    return f"{word}: {line}" if line else word
