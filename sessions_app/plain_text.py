"""Raw terminal output as text that can be read on a page."""

import re

# ECMA-48: control strings end with BEL or ST (a cut one is dropped whole), control sequences with a
# final byte, other escapes after their intermediate bytes.
_ESCAPES = re.compile(
    r"\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"
    r"|\x1b\[[0-?]*[ -/]*[@-~]?"
    r"|\x1b[ -/]*[0-~]?"
)
# Control characters but tab and line feed, and what turns the direction of text.
_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def plain_text(output: bytes) -> str:
    """Return the output without escape sequences and control characters but tab and line feed."""
    return _INVISIBLE.sub("", _ESCAPES.sub("", output.decode("utf-8", "replace")))
