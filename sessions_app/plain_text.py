"""Raw terminal output as text that can be read on a page."""

import re

# ECMA-48: control strings end with BEL or ST (a cut one is dropped whole), control sequences with a
# final byte, other escapes after their intermediate bytes.
_ESCAPES = re.compile(
    r"\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"
    r"|\x1b\[[0-?]*[ -/]*[@-~]?"
    r"|\x1b[ -/]*[0-~]?"
)
# What is not seen itself but changes how the rest is read: controls (C0, C1), characters that turn
# the direction of writing, that have no width, that annotate, and the invisible tags (Unicode
# 15.0, categories Cc, Cf, Zl and Zp, but the joiners that scripts and emoji need).
_INVISIBLE = (
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"
)
_UNSEEN = re.compile(f"[\r{_INVISIBLE}]")
_UNSEEN_IN_A_LINE = re.compile(f"[{_INVISIBLE}]")
_BREAKS = re.compile(r"[\t\n\r]+")


def plain_text(output: bytes) -> str:
    """Return the output without escape sequences and control characters but tab and line feed."""
    return _UNSEEN.sub("", _ESCAPES.sub("", output.decode("utf-8", "replace")))


def plain(text: object) -> str:
    """Return a name, a command or a sentence in one line, as it can be shown.

    Tabs and line breaks become a space; what is invisible or changes the direction is left out.
    Whatever counts as false is "".
    """
    return _UNSEEN_IN_A_LINE.sub("", _BREAKS.sub(" ", str(text or "")))
