"""The manager runs real programs, and the log says what happened to them."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError

from sessions_app import (
    event_log,
    event_teller,
    lifecycle,
    live_session,
    recovery,
    session_runs,
)
from sessions_app.events import EventType, LifecycleEvent, SessionChanged, Status
from sessions_app.exceptions import (
    InvalidRequest,
    NoFreeSlot,
    SessionNotFound,
    SessionNotRunning,
    SessionStillActive,
    StateFolderInUse,
)
from sessions_app.launch import LaunchRequest
from sessions_app.models import OutputSegment, Session
from sessions_app.session_manager import (
    PersistentSessionManager,
)
from sessions_app.signals import session_event
from sessions_app.state_lock import lock_state_folder
from tests.sessions.kept import ended, row
from tests.waiting_for import auntil


def request(*argv: str, **details: object) -> LaunchRequest:
    return LaunchRequest(argv=list(argv), **{"working_dir": "/tmp", **details})  # type: ignore[arg-type]


@sync_to_async
def output(session_id: str) -> bytes:
    return event_log.read_output(session_id, 0, 1 << 30)


@sync_to_async
def event_types(session_id: str) -> list[EventType]:
    return [event.type for event in event_log.read_events(session_id, after=0, limit=1000)]


async def shows(manager: PersistentSessionManager, session_id: str, text: str) -> None:
    async def is_shown() -> bool:
        return any(text in line for line in (await manager.screen(session_id)).lines)

    await auntil(is_shown, timeout=10)


async def test_a_program_that_exits_with_zero_is_completed_and_its_output_is_in_the_log(
    manager: PersistentSessionManager,
) -> None:
    session_id = await manager.create(request("echo", "hello"))
    session = await ended(session_id)
    assert session.status == Status.COMPLETED
    assert session.exit_code == 0
    assert await output(session_id) == b"hello\r\n"
    assert await event_types(session_id) == [EventType.STARTED, EventType.COMPLETED]


async def test_a_program_that_exits_with_another_code_has_failed_and_says_so(
    manager: PersistentSessionManager,
) -> None:
    session = await ended(await manager.create(request("sh", "-c", "exit 3")))
    assert session.status == Status.FAILED
    assert session.exit_code == 3
    assert session.error == "The program exited with code 3."


async def test_what_is_typed_reaches_the_program_and_shows_on_the_screen(
    manager: PersistentSessionManager,
) -> None:
    session_id = await manager.create(request("bash", "--norc", "-i"))
    await manager.write(session_id, b"echo $((6*7))\r")
    await shows(manager, session_id, "42")
    await manager.write(session_id, b"exit\r")
    assert (await ended(session_id)).status == Status.COMPLETED


async def test_the_screen_of_an_ended_session_is_kept(manager: PersistentSessionManager) -> None:
    session_id = await manager.create(request("printf", "last words"))
    await ended(session_id)
    assert (await manager.screen(session_id)).lines[0] == "last words"


async def test_a_resize_reaches_the_program_and_is_an_event(
    manager: PersistentSessionManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_session, "TELL_SIZE_SECONDS", 20.0)
    session_id = await manager.create(request("bash", "--norc", "-i"))
    await manager.resize(session_id, 101, 33)
    assert await event_types(session_id) == [EventType.STARTED, EventType.RESIZED]
    await manager.write(session_id, b"stty size\r")
    await shows(manager, session_id, "33 101")
    session = await row(session_id)
    assert (session.cols, session.rows) == (101, 33)


@pytest.mark.parametrize(("cols", "rows"), [(0, 24), (80, 0), (100000, 24), (80, 1001), (-1, 5)])
async def test_an_impossible_size_is_refused(
    manager: PersistentSessionManager, cols: int, rows: int
) -> None:
    session_id = await manager.create(request("cat"))
    with pytest.raises(InvalidRequest, match="from 1 to 1000"):
        await manager.resize(session_id, cols, rows)


async def test_the_server_alone_answers_what_the_program_asks_its_terminal(
    manager: PersistentSessionManager,
) -> None:
    ask = "import os,tty; tty.setraw(0); os.write(1, b'\\x1b[6n'); print(os.read(0, 20))"
    session_id = await manager.create(request(sys.executable, "-c", ask))
    await ended(session_id)
    assert rb"b'\x1b[1;1R'" in await output(session_id)


async def test_more_sessions_than_slots_are_refused_or_queued(
    manager: PersistentSessionManager,
) -> None:
    running = [await manager.create(request("cat")) for _ in range(manager.slots)]
    with pytest.raises(NoFreeSlot, match="slots are taken"):
        await manager.create(request("cat"))
    queued = await manager.create(request("cat", queue=True))
    assert (await row(queued)).status == Status.IDLE
    await manager.end(running[1], grace=0)

    async def has_its_slot() -> bool:
        return (await row(queued)).status == Status.RUNNING

    await auntil(has_its_slot, timeout=15)
    assert (await row(queued)).slot == 2


async def test_whoever_is_queued_is_told_of_with_its_slot_and_host(
    manager: PersistentSessionManager,
) -> None:
    running = [await manager.create(request("cat")) for _ in range(4)]
    queued = await manager.create(request("cat", queue=True))
    told = []

    def note(sender: object, event: object, **_: object) -> None:
        if event == SessionChanged(session_id=queued):
            told.append(event)

    session_event.connect(note)
    await manager.end(running[0], grace=0)
    await auntil(lambda: queued in manager.live_sessions())
    assert told
    assert (await row(queued)).host == manager.host


async def test_what_cannot_be_started_keeps_nobody_else_in_the_queue(
    manager: PersistentSessionManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = [await manager.create(request("cat")) for _ in range(4)]
    first, second = [await manager.create(request("cat", queue=True)) for _ in range(2)]
    launch = manager._runs._launch_program

    async def fail_first(session: Session) -> None:
        if str(session.pk) == first:
            raise RuntimeError("can't start new thread")
        await launch(session)

    monkeypatch.setattr(manager._runs, "_launch_program", fail_first)
    for session_id in running[:2]:
        await manager.end(session_id, grace=0)
    await auntil(lambda: second in manager.live_sessions())
    monkeypatch.setattr(recovery, "START_SECONDS", 0.0)
    await manager.recover()
    assert (await row(first)).error.startswith("The server stopped, or failed, before")


async def test_racing_starts_never_share_a_slot(manager: PersistentSessionManager) -> None:
    outcomes = await asyncio.gather(
        *(manager.create(request("cat")) for _ in range(12)), return_exceptions=True
    )
    started = [outcome for outcome in outcomes if isinstance(outcome, str)]
    assert len(started) == manager.slots
    assert all(isinstance(o, NoFreeSlot) for o in outcomes if not isinstance(o, str))
    assert {(await row(one)).slot for one in started} == set(range(1, manager.slots + 1))


async def test_a_repeated_start_starts_once(manager: PersistentSessionManager) -> None:
    wanted = request("cat", idempotency_key="k1")
    ids = await asyncio.gather(*(manager.create(wanted) for _ in range(10)))
    assert len(set(ids)) == 1
    assert (await row(ids[0])).status == Status.RUNNING
    assert await manager.create(request("cat", idempotency_key="k2")) not in ids


async def test_a_queued_session_can_be_taken_out_of_the_queue(
    manager: PersistentSessionManager,
) -> None:
    for _ in range(manager.slots):
        await manager.create(request("cat"))
    queued = await manager.create(request("cat", queue=True))
    await manager.end(queued, by="alice")
    session = await row(queued)
    assert session.status == Status.FAILED
    assert session.error == "Taken out of the queue by alice before it was started."


async def test_ending_says_who_asked_for_it(manager: PersistentSessionManager) -> None:
    session_id = await manager.create(request("cat"))
    await manager.end(session_id, grace=2, by="alice")
    session = await ended(session_id)
    assert session.status == Status.FAILED
    assert session.error.startswith("Ended on request of alice: the program was ended by SIG")


async def test_nothing_can_be_typed_into_an_ended_session(
    manager: PersistentSessionManager,
) -> None:
    session_id = await manager.create(request("true"))
    await ended(session_id)
    with pytest.raises(SessionNotRunning, match="has ended"):
        await manager.write(session_id, b"x")


async def test_an_unknown_session_is_not_found(manager: PersistentSessionManager) -> None:
    unknown = "00000000-0000-4000-8000-000000000000"
    for verb in (
        manager.write(unknown, b"x"),
        manager.resize(unknown, 80, 24),
        manager.end(unknown),
        manager.screen(unknown),
        manager.change(unknown, name="x"),
        manager.forget(unknown),
    ):
        with pytest.raises(SessionNotFound):
            await verb


async def test_only_an_ended_session_can_be_forgotten(manager: PersistentSessionManager) -> None:
    session_id = await manager.create(request("cat"))
    with pytest.raises(SessionStillActive):
        await manager.forget(session_id)
    await manager.end(session_id, grace=0)
    await ended(session_id)
    await manager.forget(session_id)
    assert not await Session.objects.filter(pk=session_id).aexists()
    assert not await OutputSegment.objects.filter(session_id=session_id).aexists()


async def test_the_spool_is_dropped_once_everything_is_archived(
    manager: PersistentSessionManager, state_folder: Path
) -> None:
    session_id = await manager.create(request("seq", "1", "1000"))
    await ended(session_id)
    await auntil(lambda: not (state_folder / "sessions" / session_id).exists(), timeout=5)
    assert await output(session_id) == b"".join(b"%d\r\n" % n for n in range(1, 1001))


async def test_a_program_sees_a_clean_environment_and_the_address_of_its_session(
    manager: PersistentSessionManager,
) -> None:
    session_id = await manager.create(request("env", environment={"COLOUR": "blue"}))
    await ended(session_id)
    lines = (await output(session_id)).decode().splitlines()
    names = {line.partition("=")[0] for line in lines}
    assert {"COLOUR=blue", "TERM=xterm-256color", "COLORTERM=truecolor"} <= set(lines)
    assert f"HARNESS_SESSION_ID={session_id}" in lines
    assert {"HARNESS_URL", "HARNESS_SESSION_TOKEN"} <= names
    assert not names & {"DJANGO_SETTINGS_MODULE", "HARNESS_STATE_DIR", "PYTEST_VERSION"}


async def test_extra_variables_are_forgotten_once_the_program_runs(
    manager: PersistentSessionManager,
) -> None:
    session_id = await manager.create(request("cat", environment={"SECRET": "s3cret"}))
    assert (await row(session_id)).environment == {}


async def test_an_adopted_session_goes_on_where_the_log_ends(
    manager: PersistentSessionManager,
) -> None:
    session_id = await manager.create(request("bash", "--norc", "-i"))
    await manager.write(session_id, b"answer=42; printf 'first\\n'\r")
    await shows(manager, session_id, "first")
    await lifecycle.stop()
    await lifecycle.start()
    again = lifecycle.manager()
    assert again.recovery.adopted == [session_id]
    await shows(again, session_id, "first")
    await again.write(session_id, b"echo still=$answer\r")
    await shows(again, session_id, "still=42")
    assert (await row(session_id)).status == Status.RUNNING


async def test_output_written_while_the_server_was_down_is_archived_byte_for_byte(
    manager: PersistentSessionManager, tmp_path: Path
) -> None:
    go_on = tmp_path / "go-on"
    script = f"seq 1 2000; while [ ! -e {go_on} ]; do sleep 0.01; done; seq 2001 4000"
    session_id = await manager.create(request("bash", "-c", script))
    await shows(manager, session_id, "2000")
    await lifecycle.stop()
    go_on.touch()
    await lifecycle.start()
    assert (await ended(session_id)).status == Status.COMPLETED
    assert await output(session_id) == b"".join(b"%d\r\n" % n for n in range(1, 4001))


async def test_a_session_whose_holder_was_killed_fails_with_a_true_sentence(
    manager: PersistentSessionManager,
) -> None:
    session_id = await manager.create(request("cat"))
    await manager.write(session_id, b"kept\r")
    await shows(manager, session_id, "kept")
    os.kill(manager.holder_pid(session_id), 9)
    session = await ended(session_id)
    assert session.status == Status.FAILED
    assert "the process that kept this session's terminal is gone" in session.error.lower()
    assert b"kept" in await output(session_id)


async def test_text_is_pasted_as_one_piece_where_the_program_asked_for_that(
    manager: PersistentSessionManager,
) -> None:
    read = (
        "import os,tty; tty.setraw(0); os.write(1, b'\\x1b[?2004hready');"
        "data = b''\n"
        "while not data.endswith(b'\\r'): data += os.read(0, 100)\n"
        "print(data)"
    )
    session_id = await manager.create(request(sys.executable, "-c", read))
    await shows(manager, session_id, "ready")
    await manager.type_text(session_id, "one\ntwo", submit=True)
    await ended(session_id)
    assert rb"b'\x1b[200~one\rtwo\x1b[201~\r'" in await output(session_id)


async def test_a_program_that_does_not_read_keeps_nobody_waiting(
    manager: PersistentSessionManager,
) -> None:
    sleepy = "import time,tty; tty.setraw(0); print('deaf'); time.sleep(99)"
    session_id = await manager.create(request(sys.executable, "-c", sleepy))
    await shows(manager, session_id, "deaf")
    await asyncio.wait_for(manager.write(session_id, b"x" * 100_000, patience=0.1), 5)


async def test_a_second_manager_on_the_same_state_folder_is_refused(
    manager: PersistentSessionManager, state_folder: Path
) -> None:
    with pytest.raises(StateFolderInUse, match=r"already works on .* HARNESS_STATE_DIR"):
        lock_state_folder(state_folder)


async def test_an_event_that_was_committed_without_an_answer_is_in_the_log_once(
    manager: PersistentSessionManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_teller, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(session_runs, "RETRY_SECONDS", 0.01)
    append_event, unanswered = event_log.append_event, []

    def dies_after_the_commit(session_id: str, kind: EventType, **what: Any) -> LifecycleEvent:
        event = append_event(session_id, kind, **what)
        if kind not in unanswered:
            unanswered.append(kind)
            raise OperationalError("the server closed the connection unexpectedly")
        return event

    monkeypatch.setattr(event_log, "append_event", dies_after_the_commit)
    session_id = await manager.create(request("cat"))
    await manager.resize(session_id, 90, 30)
    await manager.write(session_id, b"\x04")
    assert (await ended(session_id)).status == Status.COMPLETED
    kinds = [EventType.STARTED, EventType.RESIZED, EventType.COMPLETED]
    assert unanswered == kinds
    assert await event_types(session_id) == kinds
