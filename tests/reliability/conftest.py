"""Real servers to break, and programs whose output is known."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.real_server import RealServer, running
from tests.reliability.programs import Printer


@pytest.fixture
def daphne(tmp_path: Path) -> Iterator[RealServer]:
    """The server that `bin/run` starts."""
    with running(tmp_path / "state") as server:
        yield server


@pytest.fixture
def printer(tmp_path: Path) -> Iterator[Callable[..., Printer]]:
    """printer(name, pause=) gives a program that prints; all of them end with the test."""
    made: list[Printer] = []

    def make(name: str, *, pause: float = 0.001) -> Printer:
        made.append(Printer(tmp_path, name, pause=pause))
        return made[-1]

    yield make
    for one in made:
        one.stop()
