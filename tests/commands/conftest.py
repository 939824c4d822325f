"""What the tests of the commands share."""

from pathlib import Path

import pytest

from tests import engines
from tests.commands.commands import BareProject


@pytest.fixture
def bare_project(tmp_path: Path) -> BareProject:
    """Give a copy of the commands on a machine with next to nothing installed."""
    return BareProject(tmp_path)


@pytest.fixture
def free_port() -> int:
    """Give a port that nobody listens on."""
    return engines.free_port()
