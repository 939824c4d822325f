"""How late the event loop is: whoever waits for it waits at least as long."""

import asyncio
import math
from collections import deque
from collections.abc import Iterator
from contextvars import Context

EVERY_SECONDS = 0.25
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
# The last minute.
RECENT = 240


class LoopDelay:
    """Lets itself be called four times a second and notes how late that was, in seconds.

    A loop that stands still for three seconds is late for all who come meanwhile, so it counts as
    late for each of the moments at which this would have been called.
    """

    def __init__(self) -> None:
        self.total = 0.0
        self._in_bucket = [0] * (len(BUCKETS) + 1)
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin in the running loop."""
        self.stop()
        self._wait(asyncio.get_running_loop())

    def stop(self) -> None:
        """End; what was noted stays."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        due = loop.time() + EVERY_SECONDS
        # A fresh context: this goes on after whatever began it.
        self._timer = loop.call_at(due, self._called, loop, due, context=Context())

    def _called(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        self.note(loop.time() - due)
        self._wait(loop)

    def note(self, late: float) -> None:
        """Note one delay, and those of the moments that fell into it; of a minute at most."""
        for missed in range(RECENT):
            delay = late - missed * EVERY_SECONDS
            if missed and delay <= 0:
                break
            self._note_one(max(delay, 0.0))

    def _note_one(self, delay: float) -> None:
        bucket = sum(delay > bound for bound in BUCKETS)
        self._in_bucket[bucket] += 1
        self.total += delay
        self._recent.append(delay)

    def buckets(self) -> Iterator[tuple[float, int]]:
        """Yield each upper bound, the last one infinite, and how many delays were no longer."""
        reached = 0
        for bound, number in zip((*BUCKETS, math.inf), tuple(self._in_bucket), strict=True):
            reached += number
            yield bound, reached

    def percentile(self, share: float) -> float:
        """Return what this share (0 to 1) of the last minute's delays did not exceed; else 0."""
        delays = sorted(self._recent)
        return delays[max(math.ceil(share * len(delays)), 1) - 1] if delays else 0.0


loop_delay = LoopDelay()
