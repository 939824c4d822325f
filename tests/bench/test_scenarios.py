"""Every scenario, as small as it can be: what it measures is complete, in order and right."""

import math
from collections.abc import Iterator

import pytest

from bench import environment
from bench.figures import Measured
from bench.scenario import Scenario
from bench.scenarios import SCENARIOS
from bench.servers import KINDS, reference
from bench.servers.base import Server
from bench.servers.harness import HarnessServer
from bench.servers.nothing import Nothing

SLOTS = 12
OF_THE_HARNESS = [each for each in SCENARIOS.values() if "daphne" in each.servers]
OF_NO_SERVER = [each for each in SCENARIOS.values() if each.servers == ("none",)]
# The reference loses the end of what a program prints right before it ends.
OF_THE_OTHERS = [SCENARIOS[name] for name in ("fanout", "echo")]
INSTALL = {"reference": reference.install, "terminado": environment.install}


@pytest.fixture(scope="module")
def harness() -> Iterator[HarnessServer]:
    """Give one server for all scenarios."""
    with HarnessServer("daphne", {"HARNESS_SLOTS": str(SLOTS)}) as server:
        yield server


@pytest.fixture
def idle_harness(harness: HarnessServer) -> Iterator[HarnessServer]:
    """Give the server without programs of an earlier scenario."""
    yield harness
    harness.end_sessions()


@pytest.fixture(scope="module", params=sorted(INSTALL))
def other_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Give a server to compare with; the packages it needs are installed once."""
    try:
        INSTALL[request.param]()
    except RuntimeError as refusal:
        pytest.skip(str(refusal))
    with KINDS[request.param]({}) as server:
        yield server


def is_sound(measured: Measured) -> None:
    """Check that something was measured and nothing was wrong."""
    assert measured.faults == []
    assert measured.results
    assert all(math.isfinite(figure.value) for figure in measured.figures.values())


@pytest.mark.parametrize("scenario", OF_THE_HARNESS, ids=lambda each: each.name)
def test_everything_arrives_in(scenario: type[Scenario], idle_harness: HarnessServer) -> None:
    is_sound(scenario.smallest().measure(idle_harness))


@pytest.mark.parametrize("scenario", OF_NO_SERVER, ids=lambda each: each.name)
def test_a_part_alone_works_in(scenario: type[Scenario]) -> None:
    is_sound(scenario.smallest().measure(Nothing()))


@pytest.mark.parametrize("scenario", OF_THE_OTHERS, ids=lambda each: each.name)
def test_other_servers_are_watched_in(scenario: type[Scenario], other_server: Server) -> None:
    is_sound(scenario.smallest().measure(other_server))


def test_uvicorn_is_watched_too() -> None:
    with KINDS["uvicorn"]({}) as server:
        is_sound(SCENARIOS["fanout"].smallest().measure(server))
