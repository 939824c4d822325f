"""Starts programs in terminals at the same moment, past whatever server runs them."""

from __future__ import annotations

import fcntl
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.machine import wait_for
from bench.programs import printer

# From the shot to when the first line is due: long enough for all programs to have woken.
NOTICE_NS = 100_000_000


class StartingGun:
    """A file that programs wait at; it is locked until it is fired and says when to begin."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="bench-gun-")
        self.path = Path(self._folder.name) / "gun"
        self._file = self.path.open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._file.close()
        self._folder.cleanup()

    def program(self, what: str, *numbers: float) -> list[str]:
        """Return the command of a printer that waits here."""
        interpreter = [sys.executable, "-I", "-S", printer.__file__]
        return [*interpreter, what, str(self.path), *map(str, numbers)]

    def wait_until_ready(self, programs: int) -> None:
        """Wait until so many programs stand here."""
        ready = self.path.parent
        wait_for(
            lambda: sum(1 for _ in ready.glob("gun.ready.*")) >= programs,
            f"{programs} programs are ready",
        )

    def fire(self) -> int:
        """Let the programs go; return when they begin (ns, monotonic clock)."""
        begin = time.monotonic_ns() + NOTICE_NS
        self._file.write(str(begin))
        self._file.flush()
        fcntl.flock(self._file, fcntl.LOCK_UN)
        return begin
