"""The character that output ends with: what follows may repeat it (REP) or combine with it."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_SEQUENCE: Final = re.compile(
    rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_].*|[ -/]*[0-OQ-WYZ\\`-~])", re.DOTALL
)
_CONTROL: Final = re.compile(rb"[\x00-\x1f\x7f]")
_COMBINING: Final = ("Mn", "Me", "Cf")
_INVALID: Final = "\ufffd"


def last_printed(output: bytes) -> str:
    """The last character with what combines with it; nothing if a control or sequence was last.

    `output` ends outside any sequence and begins anywhere. Nothing too where that is in doubt.
    """
    escape = output.rfind(b"\x1b")
    sequence = _SEQUENCE.match(output, escape) if escape >= 0 else None
    if escape >= 0 and not sequence:
        return ""
    after = output[sequence.end() :] if sequence else output
    text = _CONTROL.split(after)[-1].decode(errors="replace")
    if text.endswith(_INVALID):
        return ""
    start = len(text) - 1
    while start > 0 and unicodedata.category(text[start]) in _COMBINING:
        start -= 1
    return text[max(start, 0) :]
