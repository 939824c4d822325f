"""What the tests of the commands share."""

import socket
from pathlib import Path

import pytest

from tests.commands.commands import BareProject


@pytest.fixture
def bare_project(tmp_path: Path) -> BareProject:
    """Give a copy of the commands on a machine with next to nothing installed."""
    return BareProject(tmp_path)


@pytest.fixture
def free_port() -> int:
    """Give a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
