"""Verbs find their way: to this process's manager, to another host's, or to the database."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from sessions_app.audit import Actor
from sessions_app.events import Status
from sessions_app.exceptions import (
    HostDraining,
    HostSilent,
    InvalidRequest,
    NoFreeSlot,
    SessionNotRunning,
)
from sessions_app.host_router import HostRouter, verbs_of
from sessions_app.host_state import HostState
from sessions_app.launch import LaunchRequest
from sessions_app.screen_state import ScreenState
from sessions_app.session_rows import Whereabouts

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
SCREEN = ScreenState(
    cols=4, rows=1, cursor_x=0, cursor_y=0, lines=["$ "], ansi=b"\x1b[H$ ", offset=2
)
REQUEST = LaunchRequest(argv=["bash"], working_dir="/tmp", asked_by=Actor(1, "alice", "token"))


def host(name: str, **changes: Any) -> HostState:
    facts = {"slots": 2, "used": 0, "last_seen": NOW, "started_at": NOW}
    return HostState(name=name, **{**facts, **changes})


class Local:
    """This process's manager: of the host "here", with one session that runs."""

    host = "here"

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.full = False

    def follows(self, session_id: str) -> bool:
        return session_id == "local"

    async def create(self, request: LaunchRequest) -> str:
        self.asked.append(("create", request))
        if self.full:
            raise NoFreeSlot("All 2 slots are taken.")
        return "new here"

    async def write(self, session_id: str, data: bytes, *, patience: float | None = None) -> None:
        self.asked.append(("write", session_id, data))

    async def end(self, session_id: str, *, grace: float = 5.0, by: str = "") -> None:
        self.asked.append(("end", session_id))

    async def screen(self, session_id: str) -> ScreenState:
        return SCREEN

    async def heads(self, session_ids: Collection[str]) -> dict[str, int]:
        return dict.fromkeys(session_ids, 1)


class Calls:
    """The managers of other hosts; `silent` ones do not answer, `full` ones have no slot."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.repeatable: list[bool] = []
        self.silent: set[str] = set()
        self.full: set[str] = set()

    async def ask(
        self,
        name: str,
        verb: str,
        *,
        repeatable: bool = False,
        received: Callable[[], None] | None = None,
        **details: Any,
    ) -> Any:
        self.asked.append((name, verb, details))
        self.repeatable.append(repeatable)
        if name in self.silent:
            raise HostSilent(f"The host {name} does not answer.")
        if verb == "create":
            if name in self.full:
                raise NoFreeSlot("All 2 slots are taken.")
            return f"new on {name}"
        answers = {"screen": vars(SCREEN), "read_output": b"bytes", "heads": {"remote": 7}}
        return answers.get(verb)


class Stored:
    """What the database says of sessions."""

    def __init__(self) -> None:
        self.places = {
            "local": Whereabouts(Status.RUNNING, "here", True),
            "remote": Whereabouts(Status.RUNNING, "there", True),
            "queued": Whereabouts(Status.IDLE, "", False),
            "ended": Whereabouts(Status.COMPLETED, "there", True),
        }
        self.looked = 0
        # How long the next looks take, in seconds.
        self.delays: list[float] = []
        self.taken_out: list[str] = []

    async def whereabouts(self, session_id: str) -> Whereabouts:
        self.looked += 1
        await asyncio.sleep(self.delays.pop(0) if self.delays else 0)
        return self.places[session_id]

    async def take_out_of_queue(self, session_id: str, *, by: str = "") -> bool:
        self.looked += 1
        if session_id == "queued":
            self.taken_out.append(by)
        return session_id == "queued"

    async def screen(self, session_id: str) -> ScreenState:
        return replace(SCREEN, offset=1)


class Layer:
    """Only wakes."""

    def __init__(self) -> None:
        self.woken = 0

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        self.woken += 1


class Directory:
    """Knows what it is told, and `news` once it has looked again."""

    def __init__(self, *hosts: HostState) -> None:
        self.known = list(hosts)
        self.news: list[HostState] = []

    async def hosts(self) -> list[HostState]:
        return self.known

    async def refresh(self) -> None:
        self.known = self.news or self.known

    def taken(self, name: str) -> None:
        self.known = [
            replace(one, used=one.used + 1) if one.name == name else one for one in self.known
        ]


class World:
    def __init__(self, *hosts: HostState, local: bool = True) -> None:
        self.local, self.calls, self.stored = Local(), Calls(), Stored()
        self.layer, self.directory = Layer(), Directory(*hosts)
        parts: Any = (self.stored, self.directory, self.calls, self.layer)
        manager: Any = self.local if local else None
        self.router = HostRouter(manager, *parts)


async def test_a_session_of_this_process_costs_no_look_at_the_database() -> None:
    world = World()
    await world.router.write("local", b"x")
    await world.router.end("local")
    assert world.local.asked == [("write", "local", b"x"), ("end", "local")]
    assert world.stored.looked == 0


async def test_a_session_of_another_host_is_looked_up_once() -> None:
    world = World()
    for _ in range(3):
        await world.router.write("remote", b"x")
    await world.router.end("remote")
    details = {"session_id": "remote", "data": b"x", "patience": None}
    assert world.calls.asked[:3] == [("there", "write", details)] * 3
    assert world.calls.asked[3][:2] == ("there", "end")
    assert world.stored.looked == 1


async def test_keys_stay_in_order_while_it_is_looked_up_where_they_go() -> None:
    world = World(local=False)
    world.stored.delays = [0.05, 0.0]
    await asyncio.gather(*(world.router.write("remote", key) for key in (b"a", b"b")))
    assert [details["data"] for _, _, details in world.calls.asked] == [b"a", b"b"]


@pytest.mark.parametrize(("session", "why"), [("queued", "wait for its slot"), ("ended", "ended")])
async def test_what_does_not_run_is_not_typed_into(session: str, why: str) -> None:
    with pytest.raises(SessionNotRunning, match=why):
        await World().router.write(session, b"x")


async def test_what_waits_in_the_queue_is_ended_without_any_host() -> None:
    world = World(local=False)
    await world.router.end("queued", by="alice")
    assert world.stored.taken_out == ["alice"]
    assert world.calls.asked == []


async def test_the_emptiest_host_gets_the_session_wherever_it_is_asked_for() -> None:
    world = World(host("here", used=1), host("there"))
    assert await world.router.create(REQUEST) == "new on there"
    # It counts as taken at once, so that a burst is spread.
    assert await world.router.create(REQUEST) == "new here"


async def test_a_request_goes_to_the_other_host_whole() -> None:
    world = World(host("there"))
    request = replace(REQUEST, environment={"A": "b"}, host="there", priority=2, queue=True)
    await world.router.create(request)
    (_, _, details) = world.calls.asked[0]
    seen: list[LaunchRequest] = []

    async def create(received: LaunchRequest) -> str:
        seen.append(received)
        return "id"

    verbs = verbs_of(SimpleNamespace(create=create, **dict.fromkeys(_NAMES)))  # type: ignore[arg-type]  # only create is asked
    assert await verbs["create"](**details) == "id"
    assert seen == [request]
    assert world.layer.woken == 1


async def test_only_a_start_with_a_key_may_be_asked_for_twice() -> None:
    world = World(host("there", slots=9))
    for key in (None, "a key"):
        await world.router.create(replace(REQUEST, idempotency_key=key))
    await world.router.write("remote", b"x")
    assert world.calls.repeatable == [False, True, False]


_NAMES = (
    "folders",
    "write",
    "type_text",
    "resize",
    "end",
    "heads",
    "read_spool",
    "bring_up_to_date",
)


async def test_this_process_is_never_silent_to_itself() -> None:
    world = World(host("here", silent_seconds=60.0))
    assert await world.router.create(REQUEST) == "new here"


async def test_a_host_that_has_filled_up_meanwhile_is_passed_over() -> None:
    world = World(host("here", used=1), host("there"))
    world.calls.full = {"there"}
    assert await world.router.create(REQUEST) == "new here"


async def test_without_room_anywhere_the_refusal_counts_all_hosts() -> None:
    world = World(host("here", used=2), host("there", used=2))
    world.local.full, world.calls.full = True, {"there"}
    with pytest.raises(NoFreeSlot, match="All 4 slots of 2 hosts are taken"):
        await world.router.create(REQUEST)


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        ({"host": "nowhere"}, InvalidRequest),
        ({"labels": ["gpu"]}, InvalidRequest),
        ({"host": "silent"}, HostSilent),
        ({"host": "draining"}, HostDraining),
    ],
)
async def test_a_host_that_cannot_take_it_is_not_asked(
    wanted: dict[str, Any], error: type[Exception]
) -> None:
    world = World(host("silent", silent_seconds=60.0), host("draining", draining=True))
    with pytest.raises(error):
        await world.router.create(replace(REQUEST, **wanted))
    assert world.calls.asked == []


@pytest.mark.parametrize("known", [[host("there", draining=True)], []])
async def test_nobody_is_refused_for_what_was_so_a_second_ago(known: list[HostState]) -> None:
    world = World(*known, local=False)
    world.directory.news = [host("there")]
    assert await world.router.create(replace(REQUEST, host="there")) == "new on there"
    world.directory.known = known
    await world.router.folders("/", "there")
    assert [verb for _, verb, _ in world.calls.asked] == ["create", "folders"]


async def test_the_screen_comes_from_where_the_session_is() -> None:
    world = World()
    assert await world.router.screen("remote") == SCREEN
    assert (await world.router.screen("ended")).offset == 1
    assert world.calls.asked == [("there", "screen", {"session_id": "remote"})]


async def test_a_viewer_gets_the_kept_screen_of_a_host_that_does_not_answer() -> None:
    world = World()
    world.calls.silent = {"there"}
    assert (await world.router.last_screen("remote")).offset == 1
    with pytest.raises(HostSilent):
        await world.router.screen("remote")


async def test_a_session_that_ended_before_its_host_fell_silent_is_one_that_has_ended() -> None:
    world = World()
    await world.router.write("remote", b"x")  # from then on its host is remembered
    world.stored.places["remote"] = Whereabouts(Status.COMPLETED, "there", True)
    world.calls.silent = {"there"}
    with pytest.raises(SessionNotRunning, match="has ended"):
        await world.router.write("remote", b"x")
    assert (await world.router.screen("remote")).offset == 1


async def test_heads_are_asked_for_once_per_host_and_missed_where_it_is_silent() -> None:
    world = World()
    world.stored.places["other"] = Whereabouts(Status.RUNNING, "there", True)
    heads = await world.router.heads(["local", "remote", "other", "queued", "ended"])
    assert heads == {"local": 1, "remote": 7}
    assert world.calls.asked == [("there", "heads", {"session_ids": ["remote", "other"]})]
    world.calls.silent = {"there"}
    assert await world.router.heads(["local", "remote"]) == {"local": 1}


async def test_output_is_fetched_from_another_host_only() -> None:
    world = World()
    assert await world.router.read_output("remote", 3, 10) == b"bytes"
    assert await world.router.read_output("local", 3, 10) == b""
    assert await world.router.read_output("ended", 3, 10) == b""
    world.calls.silent = {"there"}
    assert await world.router.read_output("remote", 3, 10) == b""


async def test_a_process_without_sessions_is_well_without_any() -> None:
    world = World(local=False)
    assert world.router.health()["host"] is None
    assert world.router.stalled("remote") is None
