"""Coming late to sessions: the screen that is drawn, and whether it is the right one."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

from bench import wire
from bench.programs.printer import LINE_BYTES
from bench.servers.base import ROWS
from bench.servers.harness import HarnessServer
from bench.websocket import Connection

_NUMBER = re.compile(rb"#(\d{10}) ")


def is_right_screen(text: bytes, size: int) -> bool:
    """Tell whether this draws a screenful of what follows `size` bytes of printer's `bulk`."""
    numbers = [int(number) for number in _NUMBER.findall(text)]
    last = size // LINE_BYTES - 1
    screenful = min(ROWS - 1, last + 1)
    expected = list(range(last - len(numbers) + 1, last + 1))
    return len(numbers) >= screenful and numbers == expected


def come_late(
    server: HarnessServer, sessions: Sequence[str], size: int, seconds: float
) -> tuple[float, list[str]]:
    """Connect, and return the seconds until the last session's screen is drawn, and faults."""
    begun = time.monotonic()
    stream = server.screens(sessions)
    connection = Connection(stream.endpoint)
    missing, faults = set(sessions), []
    try:
        for text in stream.hello:
            connection.send(text)
        for payload in connection.texts(seconds):
            message = wire.read(payload)
            if isinstance(message, wire.Output) and message.session in missing:
                missing.remove(message.session)
                if not (message.redraws and is_right_screen(message.text, size)):
                    faults.append(f"another screen than was printed: {message.text[-200:]!r}")
            if not missing:
                break
    except TimeoutError:
        faults.append(f"{len(missing)} of {len(sessions)} screens did not come")
    finally:
        connection.close()
    return time.monotonic() - begun, faults
