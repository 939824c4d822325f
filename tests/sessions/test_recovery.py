"""Recovery: whatever a start-up finds, only legal states follow, and nobody is signalled."""

import asyncio
import itertools
import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from asgiref.sync import sync_to_async

from sessions_app import event_log, lifecycle, recovery
from sessions_app.events import Status
from sessions_app.holder.processes import boot_id, identify
from sessions_app.launch import LaunchRequest
from sessions_app.models import Session
from sessions_app.recovery import Found, Outcome, Row, decide
from sessions_app.session_manager import PersistentSessionManager
from sessions_app.session_runs import SessionRuns
from tests.sessions.conftest import end_everything
from tests.sessions.kept import ended, row
from tests.waiting_for import auntil

FLAGS = ("folder", "identity", "exit_record", "holder_runs", "child_runs", "is_young")


def every_combination() -> list[Found]:
    return [
        Found(row=row, **dict(zip(FLAGS, flags, strict=True)))
        for row in Row
        for flags in itertools.product([False, True], repeat=len(FLAGS))
    ]


@pytest.mark.parametrize("row", Row)
def test_the_table_has_an_answer_for_everything_that_can_be_found(row: Row) -> None:
    for found in every_combination():
        if found.row is row:
            assert decide(found) in (*Outcome, None)


def test_a_session_that_runs_is_always_adopted() -> None:
    assert {decide(found) for found in every_combination() if found.row is Row.ALIVE} == {
        Outcome.ADOPT
    }


def test_a_folder_is_swept_only_when_its_session_has_ended_and_nothing_of_it_runs() -> None:
    for found in every_combination():
        if decide(found) is Outcome.SWEEP:
            assert found.row is Row.ENDED
            assert not found.holder_runs
            assert not found.child_runs


def test_a_start_that_may_be_under_way_is_left_alone() -> None:
    assert decide(Found(row=Row.STARTING, folder=True, is_young=True)) is Outcome.WAIT
    assert decide(Found(row=Row.STARTING, folder=True)) is Outcome.NEVER_STARTED
    assert decide(Found(row=Row.STARTING)) is Outcome.NEVER_STARTED


@pytest.fixture
async def stopped(transactional_db: None, state_folder: Path) -> AsyncIterator[Path]:
    """A state folder without a server; what a test starts is ended."""
    (state_folder / "sessions").mkdir(mode=0o700)
    yield state_folder
    await end_everything()
    await lifecycle.stop()


@sync_to_async
def left_behind(status: Status, **details: Any) -> str:
    """A row as an earlier server left it."""
    session = Session(
        host="test-host", working_dir="/tmp", cols=80, rows=24, slot=1, status=status, **details
    )
    session.set_command(["cat"])
    session.save()
    return str(session.pk)


def write_folder(session_id: str, *, boot: str | None = None, spool: bytes = b"") -> Path:
    """What a holder leaves: an identity with this test's own process, and output."""
    folder = event_log.session_folder(session_id)
    folder.mkdir(mode=0o700, exist_ok=True)
    this = identify(os.getpid())
    assert this is not None
    process = {"pid": this.pid, "start": this.start}
    identity = {"boot_id": boot or boot_id(), "epoch": "e", "holder": process, "child": process}
    (folder / "identity.json").write_text(json.dumps({"version": 1, **identity}))
    (folder / f"spool.{0:020}").write_bytes(spool)
    return folder


async def test_a_session_without_anything_left_fails_with_a_true_sentence(stopped: Path) -> None:
    session_id = await left_behind(Status.RUNNING)
    await lifecycle.start()
    session = await ended(session_id, 10)
    assert session.status == Status.FAILED
    assert "terminal is gone" in session.error
    assert lifecycle.manager().recovery.ended == [session_id]


async def test_a_start_that_was_cut_off_fails_with_the_reason(stopped: Path) -> None:
    session_id = await left_behind(Status.IDLE)
    await lifecycle.start()
    assert (await row(session_id)).error == recovery.NEVER_RELEASED


async def test_a_start_that_was_cut_off_before_the_clock_was_set_back_fails_too(
    stopped: Path,
) -> None:
    session_id = await left_behind(Status.IDLE)
    folder = event_log.session_folder(session_id)
    folder.mkdir(mode=0o700)
    tomorrow = time.time() + 24 * 3600
    os.utime(folder, (tomorrow, tomorrow))
    await lifecycle.start()
    assert (await row(session_id)).error == recovery.NEVER_RELEASED


async def test_a_queued_session_stays_queued_and_is_started(stopped: Path) -> None:
    session_id = await left_behind(Status.IDLE)
    await Session.objects.filter(pk=session_id).aupdate(slot=None)
    await lifecycle.start()

    async def runs() -> bool:
        return (await row(session_id)).status == Status.RUNNING

    await auntil(runs, timeout=10)


async def test_after_a_reboot_nothing_is_signalled_and_sessions_fail(stopped: Path) -> None:
    session_id = await left_behind(Status.RUNNING)
    # The pids of the earlier boot are taken by strangers: here, by this very process.
    write_folder(session_id, boot="another-boot", spool=b"before the reboot")
    await lifecycle.start()
    session = await ended(session_id, 10)
    assert session.status == Status.FAILED
    assert session.output_bytes == len(b"before the reboot")


async def test_output_that_was_not_archived_is_archived_before_the_session_is_closed(
    stopped: Path,
) -> None:
    session_id = await left_behind(Status.RUNNING)
    folder = write_folder(session_id, boot="another-boot", spool=b"all of it")
    record = {"code": 0, "signal": None, "bytes": 9, "at": time.time(), "cause": "exited"}
    (folder / "exit.json").write_text(json.dumps({"version": 1, "error": None, **record}))
    await lifecycle.start()
    session = await ended(session_id, 10)
    assert session.status == Status.COMPLETED
    stored = await sync_to_async(event_log.read_output)(session_id, 0, 100)
    assert stored == b"all of it"
    await auntil(lambda: not folder.exists())


async def test_a_folder_without_a_session_is_reported_and_never_touched(stopped: Path) -> None:
    for name in ("19e6a653-841e-4fe3-8493-ecdf33372186", "what is this"):
        (stopped / "sessions" / name).mkdir()
    await lifecycle.start()
    assert len(lifecycle.manager().recovery.strays) == 2
    assert len(list((stopped / "sessions").iterdir())) == 2


async def test_a_folder_of_an_ended_session_is_swept(stopped: Path) -> None:
    session_id = await left_behind(Status.COMPLETED)
    folder = write_folder(session_id, boot="another-boot")
    await lifecycle.start()
    assert not folder.exists()


async def test_processes_of_an_ended_session_are_reported_and_left_alone(stopped: Path) -> None:
    session_id = await left_behind(Status.FAILED)
    folder = write_folder(session_id)
    await lifecycle.start()
    assert lifecycle.manager().recovery.orphans == [session_id]
    assert folder.exists()


async def test_a_holder_that_runs_and_does_not_answer_is_tried_again(
    stopped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(
        "sessions_app.live_session.send_signal", lambda process, number: asked.append(number)
    )
    session_id = await left_behind(Status.RUNNING)
    folder = write_folder(session_id)
    await lifecycle.start()
    assert lifecycle.manager().recovery.unresponsive == [session_id]
    assert (await row(session_id)).status == Status.RUNNING
    assert set(asked) == {10}
    (folder / "identity.json").unlink()
    await lifecycle.manager().recover()
    assert (await ended(session_id, 10)).status == Status.FAILED


async def test_recovering_twice_changes_nothing(manager: PersistentSessionManager) -> None:
    session_id = await manager.create(LaunchRequest(argv=["cat"], working_dir="/tmp"))
    for _ in range(3):
        assert not await manager.recover()
    assert (await row(session_id)).last_seq == 1


async def test_a_start_under_way_is_not_taken_for_one_that_was_cut_off(
    manager: PersistentSessionManager,
) -> None:
    request = LaunchRequest(argv=["true"], working_dir="/tmp", queue=True)
    starts = [asyncio.create_task(manager.create(request)) for _ in range(8)]
    while not all(start.done() for start in starts):
        assert not (await manager.recover()).never_started
    for start in starts:
        session = await ended(await start, 10)
        assert session.status == Status.COMPLETED, session.error


async def test_a_session_whose_follower_failed_is_found_again(
    manager: PersistentSessionManager,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    session_id = await manager.create(LaunchRequest(argv=["cat"], working_dir="/tmp"))
    with monkeypatch.context() as patch:
        patch.setattr("sessions_app.live_session.OutputEvent", None)
        await manager.write(session_id, b"x")
        await auntil(lambda: "failed" in caplog.text)
    assert (await manager.recover()).adopted == [session_id]
    await manager.write(session_id, b"still here\r")


async def test_what_cannot_be_recovered_keeps_nothing_else_from_it(
    manager: PersistentSessionManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = [
        await manager.create(LaunchRequest(argv=["cat"], working_dir="/tmp")) for _ in range(2)
    ]
    (event_log.sessions_folder() / "a-file").touch()
    await lifecycle.stop()
    adopt = SessionRuns.adopt

    async def fail_first(runs: SessionRuns, session: Session) -> bool:
        if str(session.pk) == first:
            raise RuntimeError("broken")
        return await adopt(runs, session)

    monkeypatch.setattr(SessionRuns, "adopt", fail_first)
    await lifecycle.start()
    assert lifecycle.manager().recovery.adopted == [second]
    assert lifecycle.manager().recovery.strays == []
    monkeypatch.undo()
    await lifecycle.manager().recover()
    assert first in lifecycle.manager().live_sessions()


async def test_an_adoption_that_fails_lets_go_of_the_holder_and_is_tried_again(
    manager: PersistentSessionManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "RECOVER_SECONDS", 0.05)
    session_id = await manager.create(LaunchRequest(argv=["cat"], working_dir="/tmp"))
    holder = psutil.Process(manager.holder_pid(session_id))
    with_one_client = len(holder.net_connections("unix"))
    await lifecycle.stop()
    resizes_after, failures = event_log.resizes_after, [ZeroDivisionError()]

    def broken_once(session_id: str, offset: int) -> list[tuple[int, int, int]]:
        if failures:
            raise failures.pop()
        return resizes_after(session_id, offset)

    monkeypatch.setattr(event_log, "resizes_after", broken_once)
    await lifecycle.start()
    await auntil(lambda: session_id in lifecycle.manager().live_sessions())
    await auntil(lambda: len(holder.net_connections("unix")) == with_one_client)
