"""What the manager needs of holders, so that tests can put others in their place."""

from pathlib import Path
from typing import Protocol

from sessions_app.holder_client import (
    Hello,
    HolderClient,
    HolderListener,
    HolderSpec,
    Identity,
    launch_holder,
)


class Holder(Protocol):
    """A connection to the process that keeps one session's terminal."""

    @property
    def hello(self) -> Hello:
        """What it said first."""

    async def write(self, data: bytes) -> None:
        """Type; raises InputQueueFull or HolderGone."""

    async def answer(self, data: bytes, offset: int) -> None:
        """Type what the terminal answers to the queries in the output before `offset`."""

    async def resize(self, cols: int, rows: int) -> int:
        """Change the size; return the output's size at that moment. Raises HolderGone."""

    async def end(self, grace: float) -> None:
        """Ask the whole tree to end and kill it after `grace` seconds. Raises HolderGone."""

    async def close(self) -> None:
        """Leave; the session goes on."""


class Holders(Protocol):
    """Where holders come from."""

    async def launch(self, folder: Path, spec: HolderSpec, environment: dict[str, str]) -> Identity:
        """Start a holder and its program; raises LaunchFailed."""

    async def connect(self, folder: Path, listener: HolderListener) -> Holder:
        """Connect to the holder of this folder; raises HolderGone."""


class ProcessHolders:
    """The real ones: one process per session."""

    async def launch(self, folder: Path, spec: HolderSpec, environment: dict[str, str]) -> Identity:
        """Start a holder and its program; raises LaunchFailed."""
        return await launch_holder(folder, spec, environment)

    async def connect(self, folder: Path, listener: HolderListener) -> Holder:
        """Connect to the holder of this folder; raises HolderGone."""
        return await HolderClient.connect(folder, listener)
