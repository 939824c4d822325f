"""Where the program's output goes: into the spool, with hints of its size to whoever listens."""

from __future__ import annotations

from collections.abc import Callable

from .loop import Loop
from .spool import SpoolWriter

HINT_INTERVAL = 0.004  # seconds; the first output after silence is announced at once
SYNC_INTERVAL = 1.0
RETRY_INTERVAL = 1.0


class Output:
    """`stalled` is why the disk takes no more, None while it does; nobody may `store` meanwhile.

    `announce()` is called when there is more, `stall_changed()` when `stalled` has changed.
    """

    def __init__(
        self,
        loop: Loop,
        announce: Callable[[], None],
        stall_changed: Callable[[], None],
        quota: int,
    ) -> None:
        self.stalled: str | None = None
        self._spool = SpoolWriter(".", quota=quota)
        self._loop = loop
        self._announce = announce
        self._stall_changed = stall_changed
        self._announced = 0

    @property
    def size(self) -> int:
        """How many bytes the spool holds."""
        return self._spool.size

    def store(self, data: memoryview) -> None:
        """Never fails: what the disk refuses is kept, and tried again until it is written."""
        try:
            self._spool.append(data)
        except OSError as error:
            self.stall(error, self._retry)
        self.announce_size()
        if self._spool.dirty and not self._loop.is_due_later("sync"):
            self._loop.call_in(SYNC_INTERVAL, "sync", self.sync)

    def sync(self) -> None:
        """Make everything durable; raises OSError and may then be called again."""
        self._spool.sync()

    def announce_size(self) -> None:
        if self._announced == self.size or self._loop.is_due_later("hint"):
            return
        self._announced = self.size
        self._announce()
        self._loop.call_in(HINT_INTERVAL, "hint", self.announce_size)

    def announce_last_size(self) -> None:
        self._loop.cancel("hint")
        self.announce_size()

    def stall(self, error: OSError, again: Callable[[], None]) -> None:
        """Say so, and call `again` in a while; that ends with `recover`."""
        self._loop.call_in(RETRY_INTERVAL, "retry", again)
        self._set_stalled(error.strerror or str(error))

    def recover(self) -> None:
        self._set_stalled(None)

    def _set_stalled(self, reason: str | None) -> None:
        if reason != self.stalled:
            self.stalled = reason
            self._stall_changed()

    def _retry(self) -> None:
        try:
            self._spool.retry()
        except OSError as error:
            self.stall(error, self._retry)
        else:
            self.recover()
        self.announce_size()
