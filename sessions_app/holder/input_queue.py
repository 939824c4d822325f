"""What was typed and the terminal has not taken yet, in order and bounded."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable

LIMIT = 1 << 20  # bytes
_WRITE_SIZE = 64 << 10


class InputQueue:
    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._size = 0
        self._waiting: deque[tuple[memoryview, Callable[[bool], None]]] = deque()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, data: bytes, done: Callable[[bool], None]) -> bool:
        """False, and nothing is kept, when it is full.

        `done(True)` is called once the terminal has taken all of `data`, `done(False)` if it
        never will.
        """
        if self._size + len(data) > self._limit:
            return False
        self._size += len(data)
        self._waiting.append((memoryview(data), done))
        return True

    def write_to(self, master: int) -> None:
        """As much as the terminal takes now; raises OSError if it takes nothing any more."""
        while self._waiting:
            data, done = self._waiting[0]
            try:
                rest = data[os.write(master, data[:_WRITE_SIZE]) :] if data else data
            except BlockingIOError:
                return
            self._size -= len(data) - len(rest)
            self._waiting[0] = (rest, done)
            if not rest:
                self._waiting.popleft()
                done(True)

    def refuse_all(self) -> None:
        waiting, self._waiting, self._size = self._waiting, deque(), 0
        for _, done in waiting:
            done(False)
