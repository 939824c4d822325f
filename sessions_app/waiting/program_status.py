"""OSC 7501: programs that say themselves whether they work or are blocked.

A report is `key=value` pairs joined by colons. It replaces the record of its `id` (ids are
hierarchical, `a/b` belongs to `a`; none is an id too); `clear` removes a record with all below it,
and everything when it names no id. All of it is untrusted text.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sessions_app.waiting.reports import Report, Resumed, Waiting, WaitType
from sessions_app.waiting.sources import Signal

NAME: Final = "program-status"
CONFIDENCE: Final = 0.9
_PROGRAM_STATUS: Final = 7501
_SHELL_MARK: Final = 133

_LONGEST_REPORT: Final = 4096
_MOST_RECORDS: Final = 256
_LONGEST_ENCODED: Final = {"title": 256, "msg": 2732}
_STATES: Final = frozenset({"idle", "working", "done", "blocked", "error", "clear"})
_LASTING_STATES: Final = frozenset({"done", "error"})
_KEY: Final = re.compile(r"[a-z]{1,16}")
_VALUE: Final = re.compile(r"[A-Za-z0-9_.,+/=-]*")
_WAIT_TYPES: Final[dict[str, WaitType]] = {
    "permission": "permission",
    "question": "prompt",
    "auth": "prompt",
}


@dataclass(frozen=True)
class Record:
    """What one part of a program last said about itself, the texts made harmless."""

    state: str
    kind: str = ""
    title: str = ""
    msg: str = ""


class ProgramStatus:
    """Blocked is waiting; the newest blocked record counts.

    The session is resumed when no record is blocked any more, whatever came instead: `working`
    goes on, and neither `idle` nor `done` nor `error` asks for an answer, so they raise nothing.
    A shell prompt (OSC 133 A or D) means that the program has ended: only `done` and `error` stay.
    """

    name: Final = NAME

    def __init__(self) -> None:
        self._records: dict[str, Record] = {}

    def on_screen(self, lines: Sequence[str]) -> list[Report]:
        return []

    def on_signals(self, signals: Sequence[Signal]) -> list[Report]:
        """At most one report: what is different after all of them."""
        before = self._blocked()
        for signal in signals:
            self._take(signal)
        after = self._blocked()
        if after == before:
            return []
        return [_waiting(after) if after else Resumed(source=NAME)]

    def _take(self, signal: Signal) -> None:
        if signal.code == _PROGRAM_STATUS and (report := parse(signal.body)):
            self._keep(*report)
        elif signal.code == _SHELL_MARK and signal.body[:1] in (b"A", b"D"):
            kept = self._records.items()
            self._records = {k: record for k, record in kept if record.state in _LASTING_STATES}

    def _keep(self, identity: str, record: Record) -> None:
        if record.state == "clear":
            self._clear(identity)
            return
        self._records.pop(identity, None)  # the newest is the last one
        self._records[identity] = record
        if len(self._records) > _MOST_RECORDS:
            del self._records[next(iter(self._records))]

    def _clear(self, identity: str) -> None:
        below = f"{identity}/"
        self._records = {
            other: record
            for other, record in self._records.items()
            if identity and other != identity and not other.startswith(below)
        }

    def _blocked(self) -> Record | None:
        newest_first = reversed(self._records.values())
        return next((record for record in newest_first if record.state == "blocked"), None)


def parse(body: bytes) -> tuple[str, Record] | None:
    """The id and the record of one report, None for what is not one (the query `?` for instance).

    Pairs that are malformed are left out; a bad text makes the whole report void.
    """
    if len(body) > _LONGEST_REPORT:
        return None
    pairs = _pairs(body)
    if pairs.get("state") not in _STATES:
        return None
    try:
        title, msg = (_text(key, pairs.get(key, "")) for key in ("title", "msg"))
    except ValueError:
        return None
    return pairs.get("id", ""), Record(pairs["state"], pairs.get("kind", ""), title, msg)


def _pairs(body: bytes) -> dict[str, str]:
    split = (pair.partition("=") for pair in body.decode("ascii", "replace").split(":"))
    return {
        key: value for key, _, value in split if _KEY.fullmatch(key) and _VALUE.fullmatch(value)
    }


def _text(key: str, encoded: str) -> str:
    """Raises ValueError when it is too long, not base64 or not UTF-8."""
    if len(encoded) > _LONGEST_ENCODED[key]:
        raise ValueError(f"{key} is too long")
    try:
        return _harmless(base64.b64decode(encoded, validate=True).decode())
    except binascii.Error as error:
        raise ValueError(f"{key} is not base64") from error


def _harmless(text: str) -> str:
    """Without control characters (Cc) and those that change direction or do not show (Cf)."""
    return "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cf", "Cs"))


def _waiting(record: Record) -> Waiting:
    return Waiting(
        wait_type=_WAIT_TYPES.get(record.kind, "unknown"),
        trigger=f"OSC 7501 state=blocked kind={record.kind or 'none'}",
        prompt_intent=record.title or None,
        prompt_context=record.msg or None,
        source=NAME,
        confidence=CONFIDENCE,
    )
