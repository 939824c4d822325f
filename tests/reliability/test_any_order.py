"""Whatever is done in whatever order, crashes included: only legal states, and no row that lies."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import orjson
import psutil
import pytest
import websockets.sync.client
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from sessions_app.events import ALIVE, ENDED, TRANSITIONS, EventType, Status
from tests.real_server import RealServer, running
from tests.waiting_for import until

SLOTS = 4
# Mostly one that stays and can be typed into.
COMMANDS = (
    ["cat"],
    ["cat"],
    ["sleep", "600"],
    ["true"],
    ["sh", "-c", "echo bye; exit 3"],
    ["/etc/hostname"],
)
some_session = st.integers(0, 63)
size = st.integers(1, 200)


class Harness(RuleBasedStateMachine):
    """A person who starts, types, drags and ends, while the server is killed now and then."""

    server: RealServer  # one for all runs; every run has sessions of its own

    @initialize()
    def begin(self) -> None:
        """No session is left of an earlier run."""
        self.started: list[str] = []
        self.cursors: dict[str, tuple[int, int]] = {}
        self.server.end_sessions()
        for _ in range(2):
            self.start(["cat"], queue=False)

    @rule(command=st.sampled_from(COMMANDS), queue=st.booleans())
    def start(self, command: list[str], queue: bool) -> None:
        """A start is granted, queued or refused."""
        body = {"command": command, "workingDir": "/tmp", "queue": queue}
        answer = self.server.answer("POST", "/api/sessions", body)
        assert answer.status in (201, 400, 409), answer.body
        if answer.status == 201:
            self.started.append(answer.json()["id"])

    def _ask(self, which: int, verb: str, body: object, *statuses: int) -> None:
        session_id = self.started[which % len(self.started)]
        answer = self.server.answer("POST", f"/api/sessions/{session_id}/{verb}", body)
        assert answer.status in statuses, answer.body

    @precondition(lambda self: self.started)
    @rule(which=some_session, text=st.text("abc é中\r", max_size=20))
    def type(self, which: int, text: str) -> None:
        """Typing is taken, or refused because nothing runs."""
        self._ask(which, "input", {"data": text + "\r"}, 202, 409)

    @precondition(lambda self: self.started)
    @rule(which=some_session, cols=size, rows=size)
    def resize(self, which: int, cols: int, rows: int) -> None:
        """Another size is made, or refused because nothing runs."""
        self._ask(which, "resize", {"cols": cols, "rows": rows}, 202, 204, 200, 409)

    @precondition(lambda self: self.started)
    @rule(which=some_session)
    def declare_checkpoint(self, which: int) -> None:
        """A program that runs may wait."""
        checkpoint = {"type": "human-action", "action": "look", "instructions": "at it"}
        self._ask(which, "checkpoint", checkpoint, 200, 201, 202, 400, 409)

    @precondition(lambda self: self.started)
    @rule(which=some_session, grace=st.sampled_from([None, None, 0, 5]))
    def end(self, which: int, grace: int | None) -> None:
        """Ending is asked for, or there is nothing to end; half the time nobody asks."""
        if grace is not None:
            self._ask(which, "end", {"grace": grace}, 202, 409)

    @rule(dice=st.integers(1, 5))
    def kill_the_server(self, dice: int) -> None:
        """It comes back and knows everything; one time in five, for this takes a second."""
        if dice == 5:
            self.server.kill()
            self.server.start()
            for session in list(self._with_status(*ALIVE)):
                self._is_steered_or_has_ended(session["id"])

    def _is_steered_or_has_ended(self, session_id: str) -> None:
        path = f"/api/sessions/{session_id}"
        if self.server.answer("POST", f"{path}/input", {"data": "\r"}).status != 202:
            until(lambda: self.server.session(session_id)["status"] in ENDED, timeout=5)

    @precondition(lambda self: any(self._with_status(*ALIVE)))
    @rule(which=some_session)
    def kill_a_program(self, which: int) -> None:
        """A program dies by itself."""
        alive = list(self._with_status(*ALIVE))
        with psutil_errors_ignored():
            psutil.Process(alive[which % len(alive)]["pid"]).kill()

    @precondition(lambda self: self.started)
    @rule(which=some_session)
    def look(self, which: int) -> None:
        """A viewer goes on where it was: in order, without gaps, and to the end of the log."""
        session_id = self.started[which % len(self.started)]
        seq, offset = self.cursors.get(session_id, (0, 0))
        row = self.server.session(session_id)
        with websockets.sync.client.connect(
            f"ws://127.0.0.1:{self.server.port}/ws?subscribe=none",
            additional_headers={"Authorization": f"Bearer {self.server.token}"},
        ) as socket:
            socket.recv(5)
            cursors = {session_id: {"seq": seq, "offset": offset, "epoch": row["epoch"]}}
            subscribe = {"type": "subscribe", "sessions": [session_id], "cursors": cursors}
            socket.send(orjson.dumps(subscribe).decode())
            while seq < row["lastSeq"] or offset < row["outputBytes"]:
                message = orjson.loads(socket.recv(5))
                assert message["type"] != "session:reset"
                if message["type"] == "session:output":
                    assert message["offset"] == offset
                    offset = message["nextOffset"]
                elif "seq" in message:
                    assert message["seq"] == seq + 1
                    seq = message["seq"]
        self.cursors[session_id] = (seq, offset)

    def _with_status(self, *statuses: Status) -> Iterator[dict[str, Any]]:
        for session in self.server.request("GET", "/api/sessions?limit=1000"):
            if session["id"] in self.started and session["status"] in statuses:
                yield session

    @invariant()
    def every_log_tells_how_its_session_came_to_its_status(self) -> None:
        """Statuses follow from the events, which are numbered without gaps, offsets in order."""
        for session_id, status, last_seq, events in self._logs():
            assert [seq for seq, _, _ in events] == list(range(1, last_seq + 1))
            offsets = [offset for _, _, offset in events]
            assert offsets == sorted(offsets)
            replayed = Status.IDLE
            for _, kind, _ in events:
                transition = TRANSITIONS[EventType(kind)]
                assert replayed in transition.allowed, (session_id, events)
                replayed = transition.to or replayed
            assert replayed == status, (session_id, events)

    def _logs(self) -> list[tuple[str, str, int, list[tuple[int, str, int]]]]:
        """Every session and its events, as they are at one moment."""
        sessions, events = self.server.rows(
            "SELECT id, status, last_seq FROM sessions_app_session",
            'SELECT session_id, seq, type, "offset" FROM sessions_app_sessionevent ORDER BY seq',
        )
        return [
            (str(key), status, seq, [(*event,) for owner, *event in events if owner == key])
            for key, status, seq in sessions
        ]

    @invariant()
    def what_is_said_to_run_runs_and_the_rest_does_not(self) -> None:
        """At the latest a moment after the last thing that happened."""
        until(self._rows_and_processes_agree, timeout=8)

    def _rows_and_processes_agree(self) -> bool:
        sessions = self.server.request("GET", "/api/sessions?limit=1000")
        alive = [session for session in sessions if session["status"] in ALIVE]
        slots = [session["slot"] for session in alive]
        assert len(set(slots)) == len(slots) <= SLOTS
        folders = {folder.name for folder in (self.server.state / "sessions").iterdir()}
        return all(is_there(session["pid"]) for session in alive) and folders == {
            session["id"] for session in alive
        }

    def teardown(self) -> None:
        """In the end everything can be ended."""
        self.server.end_sessions()
        assert not any(self._with_status(*set(Status) - ENDED))


def psutil_errors_ignored() -> ExitStack:
    """For a process that is gone already."""
    stack = ExitStack()
    stack.push(lambda kind, *_: kind is not None and issubclass(kind, psutil.Error))
    return stack


def is_there(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize(
    ("runs", "steps"), [(14, 20), pytest.param(100, 40, marks=pytest.mark.long)]
)
def test_nothing_that_is_done_in_any_order_leads_to_an_illegal_state(runs: int, steps: int) -> None:
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "state") as server:
        Harness.server = server
        run_state_machine_as_test(
            Harness,
            settings=settings(
                max_examples=runs,
                stateful_step_count=steps,
                deadline=None,
                # Each time the same few; the long version looks for new ones.
                derandomize=runs < 20,
                database=None,
                # A real server is too slow to look for the shortest way to a failure.
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
