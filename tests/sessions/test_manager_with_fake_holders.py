"""What the manager makes of holders that behave in ways real ones rarely do."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from hypothesis import given
from hypothesis import strategies as st

from sessions_app import event_log, lifecycle, session_verbs
from sessions_app.callers import Caller
from sessions_app.events import (
    EventType,
    LifecycleEvent,
    OutputEvent,
    SessionChanged,
    Status,
    whole_characters,
)
from sessions_app.exceptions import InputQueueFull, OutcomeUnknown, SessionNotRunning
from sessions_app.holder_client import HolderGone, LaunchFailed
from sessions_app.launch import LaunchRequest
from sessions_app.models import OutputSegment, ScreenSnapshot, Session
from sessions_app.rights import Right
from sessions_app.session_manager import PersistentSessionManager
from sessions_app.session_verbs import set_manager, to_wire
from sessions_app.signals import session_event
from tests.locked_database import locked_database
from tests.sessions.fake_holders import FakeHolder, FakeHolders
from tests.sessions.kept import ended, row
from tests.waiting_for import auntil

REQUEST = LaunchRequest(argv=["cat"], working_dir="/tmp", cols=80, rows=24)


@pytest.fixture
def holders() -> FakeHolders:
    return FakeHolders()


@pytest.fixture
async def manager(
    transactional_db: None, state_folder: Path, holders: FakeHolders
) -> AsyncIterator[PersistentSessionManager]:
    await lifecycle.start(holders)
    yield lifecycle.manager()
    await lifecycle.stop()


async def started(
    manager: PersistentSessionManager, holders: FakeHolders
) -> tuple[str, FakeHolder]:
    session_id = await manager.create(REQUEST)
    return session_id, holders.by_session[session_id]


class Told:
    """What the manager announced, in order."""

    def __init__(self) -> None:
        self.events: list[object] = []
        session_event.connect(self.note)

    def note(self, event: object, **kwargs: object) -> None:
        self.events.append(event)

    def output(self) -> bytes:
        return b"".join(event.data for event in self.events if isinstance(event, OutputEvent))


async def test_a_program_that_cannot_be_started_leaves_a_failed_session_with_the_reason(
    manager: PersistentSessionManager, holders: FakeHolders
) -> None:
    holders.refusal = LaunchFailed("The file is not a program.", 8)
    session = await row(await manager.create(REQUEST))
    assert session.status == Status.FAILED
    assert session.error == "The program could not be started: The file is not a program."
    assert session.started_at is None


async def test_a_failed_start_frees_its_slot(
    manager: PersistentSessionManager, holders: FakeHolders
) -> None:
    holders.refusal = LaunchFailed("No.")
    for _ in range(manager.slots + 1):
        await manager.create(REQUEST)


async def test_a_holder_that_vanishes_fails_the_session_and_keeps_its_output(
    manager: PersistentSessionManager, holders: FakeHolders
) -> None:
    session_id, holder = await started(manager, holders)
    holder.print(b"the last words")
    holder.die()
    session = await ended(session_id, 10)
    assert session.status == Status.FAILED
    assert session.output_bytes == len(b"the last words")


async def test_a_signal_is_named(manager: PersistentSessionManager, holders: FakeHolders) -> None:
    session_id, holder = await started(manager, holders)
    holder.exit(code=None, signal=11)
    assert (await ended(session_id, 10)).error == "The program was ended by SIGSEGV."


async def test_a_full_input_queue_is_told_to_who_types(
    manager: PersistentSessionManager, holders: FakeHolders
) -> None:
    session_id, holder = await started(manager, holders)
    holder.refusal = InputQueueFull("full")
    with pytest.raises(InputQueueFull):
        await manager.write(session_id, b"x")


async def test_typing_into_a_session_whose_holder_just_died_is_refused(
    manager: PersistentSessionManager, holders: FakeHolders
) -> None:
    session_id, holder = await started(manager, holders)
    holder.refusal = HolderGone("gone")
    with pytest.raises(SessionNotRunning):
        await manager.write(session_id, b"x")


async def test_terminal_queries_that_the_program_never_reads_do_not_stop_its_output(
    manager: PersistentSessionManager, holders: FakeHolders
) -> None:
    told = Told()
    _, holder = await started(manager, holders)
    holder.refusal = InputQueueFull("full")
    holder.print(b"\x1b[6n" * 100 + b"more")
    await auntil(lambda: told.output().endswith(b"more"))


async def test_a_screen_changes_its_size_exactly_where_the_output_does(
    manager: PersistentSessionManager, holders: FakeHolders
) -> None:
    session_id, holder = await started(manager, holders)
    holder.spool.append(b"x" * 80)
    await manager.resize(session_id, 40, 24)
    holder.print(b"y" * 41)
    await auntil(lambda: manager.taken_in(session_id) == 121)
    lines = (await manager.screen(session_id)).lines
    assert lines[:4] == ["x" * 40, "x" * 40, "y" * 40, "y"]


async def test_a_new_size_is_told_before_anything_that_is_drawn_for_it(
    manager: PersistentSessionManager, holders: FakeHolders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sessions_app.live_session.TELL_SIZE_SECONDS", 20)
    told = Told()
    session_id, holder = await started(manager, holders)
    holder.print(b"before ")
    await auntil(lambda: told.output() == b"before ")
    holder.drawn_on_resize = b"drawn for the new size"
    with locked_database():
        resizing = asyncio.create_task(manager.resize(session_id, 40, 10))
        await asyncio.sleep(0.3)  # the database is locked for a while
    await resizing
    await auntil(lambda: told.output().endswith(b"new size"))
    kinds = [
        event.data if isinstance(event, OutputEvent) else event.type
        for event in told.events
        if isinstance(event, OutputEvent | LifecycleEvent)
    ]
    assert kinds[1:] == [b"before ", EventType.RESIZED, b"drawn for the new size"]


async def test_of_many_resizes_at_once_only_the_newest_is_made(
    manager: PersistentSessionManager, holders: FakeHolders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sessions_app.live_session.TELL_SIZE_SECONDS", 20)
    session_id, _ = await started(manager, holders)
    await asyncio.gather(*(manager.resize(session_id, 100, 1 + n) for n in range(1000)))
    session = await row(session_id)
    assert (session.cols, session.rows) == (100, 1000)
    assert session.last_seq <= 4


async def test_the_size_it_has_already_is_no_event(
    manager: PersistentSessionManager, holders: FakeHolders
) -> None:
    session_id, _ = await started(manager, holders)
    await manager.resize(session_id, 80, 24)
    assert (await row(session_id)).last_seq == 1


async def test_a_locked_database_delays_events_but_never_the_live_view(
    manager: PersistentSessionManager, holders: FakeHolders
) -> None:
    told = Told()
    session_id, holder = await started(manager, holders)
    with locked_database():
        holder.print(b"\x1b]7501;state=blocked:kind=question\x1b\\while locked")
        await auntil(lambda: told.output().endswith(b"while locked"))
        assert (await manager.screen(session_id)).lines[0] == "while locked"

    async def is_told() -> bool:
        return (await row(session_id)).status == Status.WAITING_CHECKPOINT

    await auntil(is_told, timeout=20)


async def test_the_log_tells_the_same_story_as_the_row(
    manager: PersistentSessionManager, holders: FakeHolders
) -> None:
    session_id, holder = await started(manager, holders)
    holder.print(b"hello")
    await manager.resize(session_id, 90, 30)
    await manager.report_checkpoint(session_id, {"type": "human-action", "action": "look"})
    await manager.write(session_id, b"done\r")
    await auntil_status(session_id, Status.RUNNING)
    holder.exit(code=7)
    session = await ended(session_id, 10)
    events = await sync_to_async(event_log.read_events)(session_id, after=0, limit=100)
    assert [event.type for event in events] == [
        EventType.STARTED,
        EventType.RESIZED,
        EventType.CHECKPOINT,
        EventType.RESUMED,
        EventType.FAILED,
    ]
    assert [event.seq for event in events] == [1, 2, 3, 4, 5]
    assert session.last_seq == 5
    assert (session.status, session.exit_code) == (Status.FAILED, 7)
    assert (session.cols, session.rows) == (90, 30)
    assert session.waiting is None
    assert events[-1].offset == session.output_bytes == 5


async def auntil_status(session_id: str, status: Status) -> None:
    async def has_status() -> bool:
        return (await row(session_id)).status == status

    await auntil(has_status)


@given(text=st.text(min_size=1, max_size=40), cuts=st.lists(st.integers(0, 160), max_size=8))
def test_pieces_end_between_characters_however_the_program_writes_them(
    text: str, cuts: list[int]
) -> None:
    data, rest, pieces = text.encode(), b"", []
    points = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    for begin, end in itertools.pairwise(points):
        rest += data[begin:end]
        cut = whole_characters(rest)
        pieces.append(rest[:cut])
        rest = rest[cut:]
    assert rest == b""
    assert "".join(piece.decode() for piece in pieces) == text


async def test_stopping_the_manager_leaves_the_holders_alone(
    manager: PersistentSessionManager, holders: FakeHolders
) -> None:
    session_id, holder = await started(manager, holders)
    holder.print(b"archived at the end")
    await lifecycle.stop()
    assert holder.closed
    assert (await row(session_id)).status == Status.RUNNING
    stored = await sync_to_async(event_log.read_output)(session_id, 0, 100)
    assert stored == b"archived at the end"


async def test_a_query_that_was_answered_before_a_crash_is_not_answered_again(
    manager: PersistentSessionManager, holders: FakeHolders
) -> None:
    _, holder = await started(manager, holders)
    holder.print(b"asks\x1b[6n")
    await auntil(lambda: holder.typed == [b"\x1b[1;5R"])
    await crash()
    holder.spool.append(b"asks again\x1b[6n")
    await lifecycle.start(holders)
    await auntil(lambda: len(holder.typed) == 2)
    assert holder.typed[1] == b"\x1b[1;15R"


async def test_a_report_that_was_answered_before_a_crash_is_not_raised_again(
    manager: PersistentSessionManager, holders: FakeHolders
) -> None:
    session_id, holder = await started(manager, holders)
    holder.print(b"\x1b]7501;state=blocked:kind=question\x1b\\")
    await auntil_status(session_id, Status.WAITING_CHECKPOINT)
    await manager.write(session_id, b"y")
    await auntil_status(session_id, Status.RUNNING)
    await crash()
    await lifecycle.start(holders)
    holder.print(b"more")
    await auntil(lambda: lifecycle.manager().taken_in(session_id) == holder.spool.size)
    assert (await row(session_id)).last_seq == 3


async def crash() -> None:
    """Stop, and lose what the archive and the snapshot have, as far as the spool has it."""
    await lifecycle.stop()
    await OutputSegment.objects.all().adelete()
    await ScreenSnapshot.objects.all().adelete()
    await Session.objects.all().aupdate(output_bytes=0)


async def test_why_output_stands_still_is_in_the_row_for_other_processes_and_told_once_it_is(
    manager: PersistentSessionManager, holders: FakeHolders, alice: User
) -> None:
    session_id, holder = await started(manager, holders)
    told = Told()
    assert holder.listener is not None
    holder.listener.stalled_changed("No space left on device")

    async def is_in_the_row() -> bool:
        return (await row(session_id)).stalled == "No space left on device"

    await auntil(is_in_the_row)
    # Before it is known here, and once it can be read elsewhere.
    await auntil(lambda: sum(isinstance(event, SessionChanged) for event in told.events) == 2)
    holder.listener.stalled_changed(None)
    session = await row(session_id)
    caller = Caller(user=alice, rights=frozenset(Right))
    # The row may be late; who follows the program knows better.
    session.stalled = "No space left on device"
    assert to_wire(session, caller)["stalled"] is None
    set_manager(None)
    assert to_wire(session, caller)["stalled"] == "No space left on device"
    set_manager(manager)


async def test_who_asks_from_a_thread_is_told_that_nobody_knows_after_a_while(
    manager: PersistentSessionManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_verbs, "CALL_SECONDS", 0.05)
    ended = asyncio.Event()

    async def never(verbs: object) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(OutcomeUnknown, match="look before you try again"):
        await asyncio.to_thread(session_verbs.call_manager, never)
    await asyncio.wait_for(ended.wait(), 5)
