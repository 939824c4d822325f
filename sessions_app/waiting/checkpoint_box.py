"""Checkpoint boxes that agents print, read off the rendered screen.

A box is a rule of `═`, a heading `CHECKPOINT: <type>`, perhaps another rule, labelled parts, the
line that says how to answer, and a rule. Frames, indentation, bullets, thin rules between the
parts and lines wrapped by the terminal's width are seen through. Text without an end is none yet.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from sessions_app.waiting.reports import Checkpoint, Report
from sessions_app.waiting.sources import Signal

NAME: Final = "checkpoint-box"
CONFIDENCE: Final = 0.7

_FRAME: Final = " \t║│|┃"
_RULE: Final = re.compile(r"\W{0,4}?[╔╠╚]?═{3,}[╗╣╝]?\W{0,4}")
_THIN_RULE: Final = re.compile(r"\W{0,4}?[├╟]?[─-]{3,}[┤╢]?\W{0,4}")
_HEADING: Final = "CHECKPOINT:"
_ITEM: Final = re.compile(r"(?:[-*\u2022]|\d+[.)])\s+(?!Pros:|Cons:)(?P<text>.*)")
_ANSWER: Final = re.compile(r"\W{0,4}(?P<text>(?:Type\s+[\"\u201c'`]|Select:|YOUR ACTION:).*)")
_BETWEEN: Final = " ,;-\u2013\u2014"

_TYPES: Final = {
    "human-verify": "human-verify",
    "verification required": "human-verify",
    "decision": "decision",
    "decision required": "decision",
    "human-action": "human-action",
    "action required": "human-action",
}
_LABELS: Final = {
    "human-verify": {
        "What was built": "whatBuilt", "Built": "whatBuilt", "How to verify": "howToVerify",
    },
    "decision": {"Decision": "decision", "Context": "context", "Options": "options"},
    "human-action": {
        "Action required": "action", "Task": "action", "Instructions": "instructions",
    },
}  # fmt: skip
_REQUIRED: Final = {
    "human-verify": ("whatBuilt", "howToVerify"),
    "decision": ("decision", "options"),
    "human-action": ("action",),
}
_IGNORED_LABELS: Final = ("Progress", "Task")
_BEYOND_LABELS: Final = ""
_ANSWER_PART: Final = "resumeSignal"


@dataclass
class _Box:
    """The parts read so far, each a list of its lines."""

    type: str
    parts: dict[str, list[str]] = field(default_factory=dict)
    current: str = _BEYOND_LABELS

    def add(self, line: str) -> None:
        answer = _ANSWER.fullmatch(line)
        if answer and self.current != _ANSWER_PART:
            self._open(_ANSWER_PART, answer["text"])
        elif labelled := self._labelled(line):
            self._open(*labelled)
        elif line:
            self.parts.setdefault(self.current, []).append(line)

    def _open(self, part: str, text: str) -> None:
        self.current = part
        self.parts[part] = [text] if text else []

    def _labelled(self, line: str) -> tuple[str, str] | None:
        label, colon, text = line.replace("**", "").partition(":")
        if not colon:
            return None
        for known, part in _LABELS[self.type].items():
            if label.strip().casefold() == known.casefold():
                return part, text.strip()
        return (_BEYOND_LABELS, "") if label in _IGNORED_LABELS else None

    @property
    def complete(self) -> bool:
        return all(self.parts.get(part) for part in _REQUIRED[self.type])

    def checkpoint(self) -> dict[str, object]:
        """The checkpoint as the wire has it; parts that were not there are empty."""
        fields = dict.fromkeys([*_LABELS[self.type].values(), _ANSWER_PART])
        return {"type": self.type} | {part: self._read(part) for part in fields}

    def _read(self, part: str) -> object:
        lines = self.parts.get(part, [])
        match part:
            case "howToVerify":
                return [_unmarked(item) for item in _items(lines)]
            case "options":
                return [_option(item) for item in _items(lines)]
            case "instructions":
                return "\n".join(_items(lines))
        return " ".join(lines)


def _items(lines: Sequence[str]) -> list[str]:
    """A line with a number or bullet begins an item, one without goes on with it."""
    items: list[str] = []
    for line in lines:
        if _ITEM.fullmatch(line) or not items:
            items.append(line)
        else:
            items[-1] += f" {line}"
    return items


def _unmarked(item: str) -> str:
    match = _ITEM.fullmatch(item)
    return match["text"] if match else item


def _option(item: str) -> dict[str, str]:
    """Reads `option-a: name - Pros: ... Cons: ...`."""
    described, _, cons = _unmarked(item).partition("Cons:")
    named, _, pros = described.partition("Pros:")
    identity, _, name = named.partition(":")
    texts = {"id": identity, "name": name, "pros": pros, "cons": cons}
    return {key: text.strip(_BETWEEN) for key, text in texts.items()}


@dataclass(frozen=True)
class Found:
    """A complete box and the row, from 0, of the rule that ends it."""

    checkpoint: dict[str, object]
    row: int


def boxes(lines: Sequence[str]) -> list[Found]:
    """The complete boxes among rendered lines, from the top."""
    return list(_boxes([line.strip(_FRAME) for line in lines]))


def _boxes(lines: Sequence[str]) -> Iterator[Found]:
    box: _Box | None = None
    ruled = False
    for row, line in enumerate(lines):
        heading = _heading(line) if ruled else None
        if heading:
            box = _Box(heading)
        elif box is None:
            pass
        elif _ends(line, box):
            yield Found(box.checkpoint(), row)
            box = None
        elif not _is_rule(line):
            box.add(line)
        ruled = _is_rule(line) or (ruled and not line)


def _heading(line: str) -> str | None:
    before, found, kind = line.partition(_HEADING)
    if not found or any(c.isalnum() for c in before):
        return None
    return _TYPES.get(kind.strip(" *_").casefold())


def _is_rule(line: str) -> bool:
    return bool(_RULE.fullmatch(line) or _THIN_RULE.fullmatch(line))


def _ends(line: str, box: _Box) -> bool:
    """A thin rule ends a box only below the line that says how to answer."""
    closes = _THIN_RULE.fullmatch(line) and box.current == _ANSWER_PART
    return bool(box.complete and (closes or _RULE.fullmatch(line)))


class CheckpointBox:
    """Reports the lowest complete box when it is new on the screen.

    It is old while an equal one stood there before in the same row or a lower one: output only
    ever moves text up. After a resize this has to be told what is old (`WaitingTracker.prime`).
    """

    name: Final = NAME

    def __init__(self) -> None:
        self._seen: list[Found] = []

    def on_signals(self, signals: Sequence[Signal]) -> list[Report]:
        return []

    def on_screen(self, lines: Sequence[str]) -> list[Report]:
        before, self._seen = self._seen, boxes(lines)
        newest = self._seen[-1:]
        return [_report(box) for box in newest if not any(_stood(box, old) for old in before)]


def _stood(box: Found, old: Found) -> bool:
    return old.checkpoint == box.checkpoint and old.row >= box.row


def _report(box: Found) -> Checkpoint:
    return Checkpoint(checkpoint=box.checkpoint, source=NAME, confidence=CONFIDENCE)
