"""What servers say on the live stream, read with as little work as possible.

The JSON is not parsed: output is found by what stands before it, and its text is left escaped. All
that the bench's programs print is ASCII without quotes, so that how a text was cut into messages
does not change how it is escaped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bench import websocket

_OUTPUT = re.compile(
    rb'\{"type":"session:output","timestamp":"[^"]*","sessionId":"([^"]*)",'
    rb'(?:"offset":(\d+),"nextOffset":(\d+),)?"stream":"stdout","data":"'
)
_REPLAY = re.compile(rb'","replay":true,"cols":\d+,"rows":\d+\}$')
_REPLAY_MOST = 60
_TYPE = re.compile(rb'\{"type":"([^"]*)"')
_SESSION = re.compile(rb'"sessionId":"([^"]*)"')
_TERMINADO = b'["stdout", "'


@dataclass(frozen=True, slots=True)
class Output:
    """Output of a session, escaped as JSON. Where the server tells no offsets, both are -1.

    `redraws`: it draws the screen anew instead of going on.
    """

    session: str
    text: bytes
    start: int = -1
    end: int = -1
    redraws: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """Any other message."""

    kind: str
    session: str = ""


@dataclass(frozen=True, slots=True)
class Control:
    """A ping or a close, with its payload."""

    opcode: int
    payload: bytes


Message = Output | Told | Control

# What follows one of these is nothing.
ENDS = frozenset({"session:completed", "session:failed", "disconnect"})
RESET = "session:reset"


def read(payload: bytes) -> Output | Told:
    """Read one text message; raises ValueError for output in an unknown form."""
    if payload.startswith(b"["):
        return _read_terminado(payload)
    found = _OUTPUT.match(payload)
    if found is None:
        return _read_other(payload)
    session, start, end = found.groups()
    replay = _REPLAY.search(payload, max(found.end(), len(payload) - _REPLAY_MOST))
    last = replay.start() if replay else len(payload) - 2
    return Output(
        session.decode(),
        payload[found.end() : last],
        int(start or -1),
        int(end or -1),
        redraws=replay is not None,
    )


def _read_other(payload: bytes) -> Told:
    kind = _TYPE.match(payload)
    if kind is None or kind[1] == b"session:output":
        raise ValueError(f"a message in an unknown form: {payload[:200]!r}")
    session = _SESSION.search(payload, 0, 300)
    return Told(kind[1].decode(), session[1].decode() if session else "")


def _read_terminado(payload: bytes) -> Output | Told:
    if payload.startswith(_TERMINADO):
        return Output("", payload[len(_TERMINADO) : -2])
    return Told(payload[2:].partition(b'"')[0].decode())


def read_stream(data: bytes) -> tuple[tuple[Message, ...], bytes]:
    """Return the messages in what was received, and the bytes after them."""
    frames, rest = websocket.split(data)
    messages = tuple(
        read(payload) if opcode == websocket.TEXT else Control(opcode, payload)
        for opcode, payload in frames
    )
    return messages, rest


def escaped(text: bytes) -> bytes:
    """Return what this looks like inside JSON; plain ASCII with line ends only."""
    return text.replace(b"\r\n", b"\\r\\n")


def unescaped(text: bytes) -> bytes:
    """Return what `escaped` was given."""
    return text.replace(b"\\r\\n", b"\r\n")
