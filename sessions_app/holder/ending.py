"""How the whole process tree below the holder is ended: asked first, then killed.

Killing walks the tree again and again, because a process may fork while it is walked. The holder
is a subreaper, so having no child left to wait for is the proof that nothing of the tree is left.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time

from .processes import ProcessIdentity, caught_signals, descendants, send_signal

KILL_INTERVAL = 0.01  # seconds between rounds of killing
PATIENCE = 5.0  # seconds of killing before what is left is reported instead
_ASKING = (signal.SIGHUP, signal.SIGTERM)
_FREEZE_ROUNDS = 50


class Ending:
    """The end of a tree under way: until it is over, `step` is to be called after `wait()` seconds.

    The tree is asked when this is made; `grace` seconds later it is killed.
    """

    def __init__(self, grace: float) -> None:
        self._deadline = self._next_step = time.monotonic() + grace
        _ask_all()

    def ask_again(self, grace: float) -> None:
        """As if begun now, but never with more time than was left."""
        self._deadline = min(self._deadline, time.monotonic() + grace)
        self._next_step = self._deadline
        _ask_all()

    def wait(self) -> float:
        return max(0.0, self._next_step - time.monotonic())

    def step(self) -> None:
        """Kill what there is, if the time for it has come."""
        if time.monotonic() >= self._next_step:
            _kill_all()
            self._next_step = time.monotonic() + KILL_INTERVAL

    def survivors(self) -> list[ProcessIdentity]:
        """What could not be killed in all the time for it; empty before that."""
        if time.monotonic() < self._deadline + PATIENCE:
            return []
        return descendants(os.getpid())


def _ask_all() -> None:
    for process in descendants(os.getpid()):
        for number in _asking(process):
            _send(process, number)
        _send(process, signal.SIGCONT)  # a stopped one could not answer


def _asking(process: ProcessIdentity) -> tuple[signal.Signals, ...]:
    """What it has a handler for; the other signal would kill it before that handler is done."""
    caught = caught_signals(process.pid)
    return tuple(number for number in _ASKING if caught >> (number - 1) & 1) or _ASKING


def _kill_all() -> None:
    """Stop first, until a walk finds nothing new that could fork or respawn; then kill."""
    frozen: set[ProcessIdentity] = set()
    for _ in range(_FREEZE_ROUNDS):
        moving = [process for process in descendants(os.getpid()) if process not in frozen]
        if not moving:
            break
        for process in moving:
            _send(process, signal.SIGSTOP)
        frozen.update(moving)
    for process in frozen:
        _send(process, signal.SIGKILL)


def _send(process: ProcessIdentity, number: signal.Signals) -> None:
    with contextlib.suppress(PermissionError):  # another user's by now; reported if it stays
        send_signal(process, number)
