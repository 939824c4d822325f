"""A site of several processes, and programs whose output is known."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.engines import Postgres, Redis
from tests.reliability.programs import Printer, printers
from tests.reliability.test_clock import library
from tests.site import processes
from tests.site.processes import Site


@pytest.fixture
def site(tmp_path: Path, postgres: Postgres, redis_server: Redis) -> Iterator[Site]:
    """Processes that share a PostgreSQL and a Redis; none of them runs yet."""
    with processes.site(tmp_path, postgres, redis_server) as made:
        yield made


@pytest.fixture
def printer(tmp_path: Path) -> Iterator[Callable[..., Printer]]:
    """printer(name, pause=) gives a program that prints; all of them end with the test."""
    with printers(tmp_path) as make:
        yield make


@pytest.fixture
def libfaketime() -> str:
    """The library that gives one process another wall clock."""
    return library()
