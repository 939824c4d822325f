"""The holder's socket: one byte of kind, a big-endian 32-bit length, then the payload.

Every request starts its payload with a 32-bit number that its one answer repeats.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

VERSION = 1
MAX_PAYLOAD = (1 << 20) + 64

# Requests, client to holder.
INPUT = b"i"  # bytes to type; acknowledged once the terminal has taken all of them
ANSWER = b"a"  # OFFSET, then bytes: as INPUT, and all queries in the output before it are answered
RESIZE = b"r"  # SIZE_OF_TERMINAL; the acknowledgement carries the output's OFFSET
END = b"e"  # GRACE; acknowledged at once

# Answers and news, holder to client.
ACKNOWLEDGED = b"A"
REFUSED = b"N"  # an ASCII word: full, ended, bad-request, unknown-kind
HELLO = b"H"  # JSON, the first frame of every connection
SIZE = b"S"  # OFFSET: how much output the spool holds by now
STALLED = b"D"  # UTF-8: why output cannot be stored; empty when it can again
EXIT = b"X"  # JSON, the exit record

HEADER = struct.Struct(">cI")
REQUEST = struct.Struct(">I")
OFFSET = struct.Struct(">Q")
SIZE_OF_TERMINAL = struct.Struct(">HH")  # columns, rows
GRACE = struct.Struct(">d")  # seconds


class FrameTooLong(ValueError):
    """The other side announced more than MAX_PAYLOAD: the stream cannot be followed any further."""


def encode(kind: bytes, payload: bytes = b"") -> bytes:
    return HEADER.pack(kind, len(payload)) + payload


def encode_request(kind: bytes, number: int, body: bytes = b"") -> bytes:
    return encode(kind, REQUEST.pack(number) + body)


def decode_request(payload: bytes) -> tuple[int, bytes]:
    """The number and body of a request or an answer; raises struct.error if it has no number."""
    return REQUEST.unpack_from(payload)[0], payload[REQUEST.size :]


class FrameReader:
    """Cuts a byte stream into frames, however it arrives."""

    def __init__(self) -> None:
        self._received = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield (kind, payload) of each complete frame; raises FrameTooLong."""
        self._received += data
        while len(self._received) >= HEADER.size:
            kind, length = HEADER.unpack_from(self._received)
            if length > MAX_PAYLOAD:
                raise FrameTooLong(f"a frame of {length} bytes")
            end = HEADER.size + length
            if len(self._received) < end:
                return
            payload = bytes(self._received[HEADER.size : end])
            del self._received[:end]
            yield kind, payload
