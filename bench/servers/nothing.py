"""No server at all, for scenarios that measure a part or the machine."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import NoReturn

from bench.servers.base import Server, Stream


class Nothing(Server):
    """Starts nothing and does nothing."""

    kind = "none"

    def start(self) -> None:
        """There is nothing to start."""

    def spawn(self) -> subprocess.Popen[bytes]:
        """Refuse."""
        self._refuse()

    def launch(self, argv: list[str]) -> str:
        """Refuse."""
        self._refuse()

    def stream(self, sessions: Sequence[str], *, everything: bool = False) -> Stream:
        """Refuse."""
        self._refuse()

    def typing(self, session: str, text: str) -> str:
        """Refuse."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise NotImplementedError("this scenario measures no server")
