"""Programs that print, and write the same bytes into a side file first: what was meant."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# Raw mode, so that the terminal changes nothing on the way.
_PRINTER = """
import os, random, sys, time, tty
side, stop, seed, pause = sys.argv[1:]
tty.setraw(1)
file = os.open(side, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
chance = random.Random(seed)
letters = "abcdefghijklmnopqrstuvwxyz     \\u00e9\\u00df\\u4e2d\\U0001f642\\n"
while not os.path.exists(stop):
    piece = "".join(chance.choices(letters, k=chance.randint(1, 400))).replace("\\n", "\\r\\n")
    piece = piece.encode()
    os.write(file, piece)
    while piece:
        piece = piece[os.write(1, piece):]
    time.sleep(float(pause))
"""


class Printer:
    """Prints text of one to four bytes a character, until it is told to stop."""

    def __init__(self, folder: Path, name: str, *, pause: float = 0.001) -> None:
        self._side = folder / f"{name}.side"
        self._stop = folder / f"{name}.stop"
        arguments = (str(self._side), str(self._stop), name, str(pause))
        self.argv = (sys.executable, "-I", "-S", "-c", _PRINTER, *arguments)

    def stop(self) -> None:
        """Let it come to its end."""
        self._stop.touch()

    def printed(self) -> bytes:
        """What it has printed, or was about to."""
        return self._side.read_bytes() if self._side.exists() else b""


@contextmanager
def printers(folder: Path) -> Iterator[Callable[..., Printer]]:
    """What makes programs that print, by name; at the end all of them are told to stop."""
    made: list[Printer] = []

    def make(name: str, *, pause: float = 0.001) -> Printer:
        made.append(Printer(folder, name, pause=pause))
        return made[-1]

    try:
        yield make
    finally:
        for one in made:
            one.stop()


def python(code: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs this code."""
    return (sys.executable, "-I", "-S", "-c", code, *arguments)
