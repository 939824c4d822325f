"""Real servers to break, and programs whose output is known."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.real_server import RealServer, running
from tests.reliability.programs import Printer, printers


@pytest.fixture
def daphne(tmp_path: Path) -> Iterator[RealServer]:
    """The server that `bin/run` starts."""
    with running(tmp_path / "state") as server:
        yield server


@pytest.fixture
def printer(tmp_path: Path) -> Iterator[Callable[..., Printer]]:
    """printer(name, pause=) gives a program that prints; all of them end with the test."""
    with printers(tmp_path) as make:
        yield make
