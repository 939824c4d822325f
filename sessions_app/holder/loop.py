"""One selector, one timer per name, and a guard around every callback."""

from __future__ import annotations

import selectors
import sys
import time
import traceback
from collections.abc import Callable

READ = selectors.EVENT_READ
WRITE = selectors.EVENT_WRITE
_MAX_REPORTED_ERRORS = 100

Watcher = Callable[[int], None]
"""Called with READ, WRITE or both, whatever its descriptor is ready for."""


class Loop:
    """A callback that fails is reported on standard error and costs only itself."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._timers: dict[str, tuple[float, Callable[[], None]]] = {}
        self._stopped = False
        self._errors = 0

    def watch(self, descriptor: int, events: int, watcher: Watcher) -> None:
        """Replaces what was asked for before; no events means not to watch any more."""
        known = self._selector.get_map().get(descriptor)
        if not events:
            self.unwatch(descriptor)
        elif known is None:
            self._selector.register(descriptor, events, watcher)
        elif known.events != events:
            self._selector.modify(descriptor, events, watcher)

    def unwatch(self, descriptor: int) -> None:
        if descriptor in self._selector.get_map():
            self._selector.unregister(descriptor)

    def call_in(self, delay: float, name: str, callback: Callable[[], None]) -> None:
        """Once, after `delay` seconds; replaces the timer of that name."""
        self._timers[name] = (time.monotonic() + delay, callback)

    def cancel(self, name: str) -> None:
        self._timers.pop(name, None)

    def is_due_later(self, name: str) -> bool:
        return name in self._timers

    def stop(self) -> None:
        self._stopped = True

    def run(self) -> None:
        while not self._stopped:
            self._run_ready()
            self._run_timers()

    def _run_ready(self) -> None:
        for key, events in self._selector.select(self._timeout()):
            # An earlier callback of this batch may have closed it, and the number may be new.
            if self._selector.get_map().get(key.fd) is key:
                self._guard(key.data, events)

    def _run_timers(self) -> None:
        now = time.monotonic()
        due = [name for name, (when, _) in self._timers.items() if when <= now]
        for name in due:
            timer = self._timers.pop(name, None)
            if timer is not None:
                self._guard(timer[1])

    def _timeout(self) -> float | None:
        if not self._timers:
            return None
        return max(0.0, min(when for when, _ in self._timers.values()) - time.monotonic())

    def _guard(self, callback: Callable[..., None], *arguments: int) -> None:
        try:
            callback(*arguments)
        except Exception:
            self._report()

    def _report(self) -> None:
        self._errors += 1
        if self._errors > _MAX_REPORTED_ERRORS:
            return
        try:
            traceback.print_exc()
            sys.stderr.flush()
        except OSError:  # the report goes to the same disk, and that may be full
            pass
