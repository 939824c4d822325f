"""How much one user may start, so that a script gone wrong does not keep the others out."""

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from sessions_app.exceptions import TooManySessions, TooManyStarts

MINUTE = 60.0
MAX_QUEUED = 100


@dataclass(kw_only=True)
class StartLimits:
    """`sessions` at once and starts `per_minute`, for each user; 0 is no limit.

    Nobody queues more than MAX_QUEUED. What nobody owns is not limited. The starts of the last
    minute are counted in memory: a server that is started anew has counted none. For one thread.
    """

    sessions: int = 0
    per_minute: int = 0
    clock: Callable[[], float] = time.monotonic
    _starts: dict[int, deque[float]] = field(default_factory=dict, init=False)

    def check_rate(self, owner: int | None) -> None:
        """Raise TooManyStarts if another start has to wait."""
        starts = self._recent(owner)
        if self.per_minute and len(starts) >= self.per_minute:
            wait = math.ceil(starts[-self.per_minute] + MINUTE - self.clock())
            raise TooManyStarts(
                f"You have started {len(starts)} sessions within a minute, and more are not "
                f"allowed. Try again in {wait} seconds.",
                wait,
            )

    def check_number(self, owner: int | None, *, active: int, queued: int, queues: bool) -> None:
        """Raise TooManySessions if the user has `active` ones, `queued` among them, already.

        `queues` says whether one more would go into the queue.
        """
        if owner is None:
            return
        if self.sessions and active >= self.sessions:
            raise TooManySessions(
                f"You have {active} sessions, and more are not allowed at once. End one first."
            )
        if queues and queued >= MAX_QUEUED:
            raise TooManySessions(
                f"You have {queued} sessions in the queue. Take some out, or wait until they run."
            )

    def count(self, owner: int | None) -> None:
        """Note that a start was accepted."""
        if owner is not None and self.per_minute:
            self._starts.setdefault(owner, deque()).append(self.clock())

    def _recent(self, owner: int | None) -> deque[float]:
        """Return the user's starts of the last minute; older ones of anybody are forgotten."""
        since = self.clock() - MINUTE
        for user, starts in list(self._starts.items()):
            while starts and starts[0] <= since:
                starts.popleft()
            if not starts:
                del self._starts[user]
        return self._starts.get(owner, deque()) if owner is not None else deque()
