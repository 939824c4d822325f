"""What is sent to the viewers of a session, encoded once however many they are."""

import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import orjson

from sessions_app.events import OutputEvent, output_head

# RFC 6455, section 5.2: a whole text message in one frame; a server does not mask.
_TEXT_FRAME = 0x81
_SHORT, _LONG = 125, 0xFFFF
_LENGTH_IN_2_BYTES, _LENGTH_IN_8_BYTES = 126, 127

# Pieces that a viewer has missed are joined up to this many bytes of output.
JOINED_BYTES = 64 * 1024
# Viewers that are level begin at one offset, those behind at a few others.
JOINED_KEPT = 4


class Frame:
    """One message, as the ready websocket frame (`wire`) and as `text`."""

    __slots__ = ("_payload_at", "wire")

    def __init__(self, payload: bytes) -> None:
        header = _header(len(payload))
        self.wire = header + payload
        self._payload_at = len(header)

    @classmethod
    def of(cls, message: object) -> "Frame":
        """Encode a message as JSON."""
        return cls(orjson.dumps(message))

    @property
    def text(self) -> str:
        """Return the message for a server that makes the frame itself."""
        return self.wire[self._payload_at :].decode()


def _header(length: int) -> bytes:
    if length <= _SHORT:
        return struct.pack(">BB", _TEXT_FRAME, length)
    if length <= _LONG:
        return struct.pack(">BBH", _TEXT_FRAME, _LENGTH_IN_2_BYTES, length)
    return struct.pack(">BBQ", _TEXT_FRAME, _LENGTH_IN_8_BYTES, length)


@dataclass(frozen=True, slots=True)
class Piece:
    """Output from `start` to `end`; `data` is its text as the inside of a JSON string."""

    start: int
    end: int
    timestamp: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Output:
    """A frame that brings a viewer up to `end`."""

    end: int
    frame: Frame


def json_text(event: OutputEvent) -> bytes:
    """Return the event's text as the inside of a JSON string: such may be joined."""
    return orjson.dumps(event.data.decode("utf-8", "replace"))[1:-1]


def _output_frame(session_id: str, pieces: list[Piece]) -> Frame:
    """Return one `session:output` for consecutive pieces, as OutputEvent.to_wire has it."""
    first, last = pieces[0], pieces[-1]
    head = orjson.dumps(output_head(session_id, last.timestamp, first.start, last.end))
    return Frame(b"".join([head[:-1], b',"data":"', *(piece.data for piece in pieces), b'"}']))


class RecentOutput:
    """The newest consecutive pieces of one session, and frames made of them.

    `room` tells how many bytes of text may be kept; the newest piece is kept however large it is.
    """

    def __init__(self, session_id: str, room: Callable[[], int]) -> None:
        self._session_id = session_id
        self._room = room
        self._pieces: deque[Piece] = deque()
        self._size = 0
        self._joined: dict[tuple[int, int], Output] = {}

    def add(self, piece: Piece) -> None:
        """Add the piece that follows the last one."""
        self._joined.clear()
        self._pieces.append(piece)
        self._size += len(piece.data)
        room = self._room()
        while self._size > room and len(self._pieces) > 1:
            self._size -= len(self._pieces.popleft().data)

    def clear(self) -> None:
        """Forget everything."""
        self._joined.clear()
        self._pieces.clear()
        self._size = 0

    def after(self, offset: int, end: int) -> Output | None:
        """Return what follows `offset`, not beyond `end`; None where no piece begins there.

        Pieces are joined, so that who comes less often gets less and larger frames.
        """
        output = self._joined.get((offset, end))
        if output is None and (pieces := self._consecutive(offset, end)):
            output = Output(pieces[-1].end, _output_frame(self._session_id, pieces))
            if len(self._joined) < JOINED_KEPT:
                self._joined[offset, end] = output
        return output

    def _consecutive(self, offset: int, end: int) -> list[Piece]:
        """Return the pieces from `offset` on: one, or as many as are no more than JOINED_BYTES."""
        found: list[Piece] = []
        for piece in reversed(self._pieces):
            if piece.start < offset:
                break
            if piece.end <= end:
                found.append(piece)
        if not found or found[-1].start != offset:
            return []
        found.reverse()
        last = offset + JOINED_BYTES
        return [piece for piece in found if piece is found[0] or piece.end <= last]
