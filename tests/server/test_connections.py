"""Which connections are counted, whatever comes in whatever order."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.front_door.connections import Connection, Connections, Phase
from sessions_app.front_door.limits import Limits
from tests.real_server import PROJECT

LIMITS = Limits(connections=6, connections_per_address=4, unfinished_heads=3, unfinished_seconds=0)
HOSTS = ("10.0.0.1", "::ffff:10.0.0.1", "2001:db8::1", "2001:db8::2", "10.0.0.9", "no address")
STEPS = st.one_of(
    st.tuples(st.just("admit"), st.sampled_from(HOSTS)),
    st.tuples(st.sampled_from([*Phase, None]), st.integers(0, 20)),
)

AT_WORK = (Phase.BUSY, Phase.STREAM)


class Seen:
    """What became of the connections that were let in."""

    def __init__(self) -> None:
        self.connections = Connections(LIMITS, ["10.0.0.9"])
        self.admitted: list[Connection] = []
        self.cut: list[Connection] = []

    def admit(self, host: str) -> Connection | None:
        """Let one in, or not."""
        connection = self.connections.admit(host, lambda: self.cut.append(self.admitted[-1]))
        if connection is not None:
            connection.cut = lambda: self.cut.append(connection)
            self.admitted.append(connection)
        return connection

    def alive(self) -> list[Connection]:
        """Those that are counted."""
        return [connection for connection in self.admitted if connection.phase is not None]


@given(st.lists(STEPS, max_size=60))
def test_in_any_order_nobody_has_more_than_the_limits_and_nobody_at_work_is_cut(
    steps: list[tuple[object, object]],
) -> None:
    seen = Seen()
    for what, which in steps:
        at_work = [one for one in seen.alive() if one.phase in AT_WORK]
        if what == "admit":
            refused = seen.admit(str(which)) is None
            assert not refused or len(at_work) >= LIMITS.connections_per_address
        elif seen.admitted:
            connection = seen.admitted[int(str(which)) % len(seen.admitted)]
            if isinstance(what, Phase):
                seen.connections.enter(connection, what)
            else:
                seen.connections.forget(connection)
            at_work = []
        alive = seen.alive()
        assert len(seen.connections) == len(alive) <= LIMITS.connections
        assert all(one.phase in AT_WORK for one in at_work)
        assert not set(seen.cut) & set(alive)
        for client in {one.client for one in alive} - {None}:
            assert sum(one.client == client for one in alive) <= LIMITS.connections_per_address


def test_one_customers_addresses_are_counted_together() -> None:
    seen = Seen()
    hosts = ["10.0.0.1", "::ffff:10.0.0.1", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"]
    clients = [connection.client for host in hosts if (connection := seen.admit(host))]
    assert clients[0] == clients[1]
    assert clients[2] == clients[3] != clients[4]


def test_few_descriptors_mean_few_connections() -> None:
    assert Limits().within(10_000).connections == 2000
    assert Limits().within(700).connections == 350
    assert Limits().within(-5).connections == 1


LIMITED = """
import json, resource
from sessions_app.front_door.limits import Limits, descriptors_for_clients
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
clients = descriptors_for_clients(Limits(), 100)
print(json.dumps([clients, resource.getrlimit(resource.RLIMIT_NOFILE)[0]]))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "clients", "raised"),
    [(256, 8000, 4000, 4420), (256, 1024, 604, 1024), (8000, 8000, 7580, 8000)],
    ids=["as far as needed", "as far as allowed", "not"],
)
def test_the_limit_of_open_files_is_raised(soft: int, hard: int, clients: int, raised: int) -> None:
    printed = subprocess.run(
        [sys.executable, "-c", LIMITED.format(soft=soft, hard=hard)],
        cwd=PROJECT,
        capture_output=True,
        timeout=20,
        check=True,
    ).stdout
    assert json.loads(printed) == [clients, raised]
