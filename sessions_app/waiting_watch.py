"""Finds out what one running session waits for, and has it told."""

import asyncio
import random
from collections.abc import Callable, Iterable
from typing import Any

from sessions_app.event_teller import EventTeller, reported
from sessions_app.events import LifecycleEvent
from sessions_app.exceptions import InvalidTransition, ManagerUnavailable
from sessions_app.screen import Screen, Signal
from sessions_app.waiting.reports import Report, Wait
from sessions_app.waiting.tracker import WaitingTracker

# The screen is looked at when the program has paused for this long, and at the latest after MOST.
SETTLE_SECONDS = 0.15
SETTLE_MOST_SECONDS = 0.6
# A program that posts a checkpoint waits so long for what is to be told before it.
TELL_SECONDS = 5.0


class WaitingWatch:
    """Belongs to one event loop; `head` returns up to which offset output has been taken in.

    `noted` is the offset of the last event that an earlier server wrote: what was said about
    waiting before that is in the log.
    """

    def __init__(
        self, session_id: str, screen: Screen, teller: EventTeller, head: Callable[[], int]
    ) -> None:
        self.noted = 0
        self._session_id = session_id
        self._screen = screen
        self._teller = teller
        self._head = head
        self._tracker = WaitingTracker()
        self._settling: asyncio.Task[None] | None = None

    def restore(self, waiting: Wait | None, noted: int) -> None:
        """Go on from what was current before a restart."""
        self.noted = noted
        self._tracker.restore(waiting)
        self.look_soon()

    def prime(self) -> None:
        """Take what is on the screen for old."""
        self._tracker.prime(self._screen.text())

    def close(self) -> None:
        """Look no more."""
        if self._settling is not None:
            self._settling.cancel()

    # What is noticed

    def signals(self, signals: tuple[Signal, ...]) -> None:
        """Take in what the program said of itself in the output up to `head`."""
        waiting = self._tracker.current
        reports = self._tracker.signals(signals)
        if self._head() > self.noted:
            self._note(reports)
        else:
            self._tracker.restore(waiting)

    def typed(self, data: bytes) -> None:
        """Note that this was typed."""
        self._note(self._tracker.typed(data))

    def look_soon(self) -> None:
        """Look at the screen once the program pauses, but not much later than that."""
        if self._settling is None or self._settling.done():
            self._settling = asyncio.create_task(
                self._look_when_settled(), name=f"judge-screen-{self._session_id}"
            )

    def look_now(self) -> None:
        """Look at what the program has shown and nobody has looked at yet."""
        if self._settling is not None and not self._settling.done():
            self._look()

    async def _look_when_settled(self) -> None:
        deadline = asyncio.get_running_loop().time() + SETTLE_MOST_SECONDS
        seen = -1
        while seen != self._head() and asyncio.get_running_loop().time() < deadline:
            seen = self._head()
            # Not all sessions that print at once are looked at in the same turn of the loop.
            await asyncio.sleep(SETTLE_SECONDS * random.uniform(1.0, 1.4))  # noqa: S311
        self._look()

    def _look(self) -> None:
        self._note(self._tracker.screen(self._screen.text()))

    def _note(self, reports: Iterable[Report]) -> None:
        self._teller.note(reported(report, self._head()) for report in reports)

    # What is declared

    async def declare(self, checkpoint: dict[str, Any]) -> LifecycleEvent:
        """Note a checkpoint that the program declared itself; returns its event.

        Raises InvalidTransition if the session waits at it already, ManagerUnavailable while the
        log cannot be written.
        """
        # It is not to overtake what the database has not taken yet.
        try:
            await asyncio.wait_for(self._teller.all_told(), TELL_SECONDS)
        except TimeoutError as error:
            raise ManagerUnavailable(
                "The log cannot be written at the moment; try again."
            ) from error
        before = self._tracker.current
        reports = self._tracker.explicit(checkpoint)
        if not reports:
            raise InvalidTransition("The session is waiting at this very checkpoint already.")
        (report,) = reports
        async with self._teller.in_order:
            try:
                return await self._teller.append(reported(report, self._head()))
            except Exception:
                # It is not in the log: the program is told so, and may declare it once more.
                if self._tracker.current == report:
                    self._tracker.restore(before)
                raise
