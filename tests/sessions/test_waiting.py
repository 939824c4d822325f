"""Sessions that wait: what says so, what becomes of the status, and what ends it."""

import base64
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError

from sessions_app import event_log, lifecycle, waiting_watch
from sessions_app.events import EventType, LifecycleEvent, Status
from sessions_app.exceptions import InvalidTransition, ManagerUnavailable
from sessions_app.launch import LaunchRequest
from sessions_app.models import Session
from sessions_app.session_manager import PersistentSessionManager
from tests.waiting_for import auntil

RULE = "═" * 56
BOX = f"""{RULE}
CHECKPOINT: human-verify
{RULE}
What was built: A login page
How to verify:
1. Open the page
2. Log in
Type "approved" or describe what is wrong
{RULE}
"""


@sync_to_async
def row(session_id: str) -> Session:
    return Session.objects.get(pk=session_id)


@sync_to_async
def events(session_id: str) -> list[tuple[EventType, dict[str, Any]]]:
    found = event_log.read_events(session_id, after=0, limit=100)
    return [(event.type, dict(event.fields)) for event in found]


async def has_status(session_id: str, status: Status) -> None:
    async def it_has() -> bool:
        return (await row(session_id)).status == status

    await auntil(it_has, timeout=10)


async def start(manager: PersistentSessionManager, script: str) -> str:
    return await manager.create(LaunchRequest(argv=["bash", "-c", script], working_dir="/tmp"))


def reported(**keys: str) -> str:
    body = ":".join(f"{key}={value}" for key, value in keys.items())
    return rf"\033]7501;{body}\033\\"


async def test_a_box_on_the_screen_is_a_checkpoint_until_somebody_answers(
    manager: PersistentSessionManager,
) -> None:
    session_id = await start(manager, f"cat <<'END'\n{BOX}\nEND\nread answer; sleep 99")
    await has_status(session_id, Status.WAITING_CHECKPOINT)
    waiting = (await row(session_id)).waiting
    assert waiting is not None
    assert waiting["type"] == "session:checkpoint"
    assert waiting["checkpoint"]["whatBuilt"] == "A login page"
    assert waiting["checkpoint"]["howToVerify"] == ["Open the page", "Log in"]
    await manager.write(session_id, b"approved\r")
    await has_status(session_id, Status.RUNNING)
    assert (await row(session_id)).waiting is None
    kinds = [kind for kind, _ in await events(session_id)]
    assert kinds == [EventType.STARTED, EventType.CHECKPOINT, EventType.RESUMED]


async def test_a_program_reports_that_it_is_blocked_and_that_it_goes_on(
    manager: PersistentSessionManager,
) -> None:
    title = base64.b64encode(b"Run rm?").decode()
    blocked = reported(state="blocked", kind="permission", title=title)
    working = reported(state="working")
    script = f"printf '{blocked}'; read; printf '{working}'; sleep 99"
    session_id = await start(manager, script)
    await has_status(session_id, Status.WAITING_CHECKPOINT)
    waiting = (await row(session_id)).waiting
    assert waiting is not None
    assert waiting["waitType"] == "permission"
    assert "Run rm?" in str(waiting)
    await manager.write(session_id, b"\r")
    await has_status(session_id, Status.RUNNING)


async def test_a_program_learns_that_reports_are_understood(
    manager: PersistentSessionManager,
) -> None:
    script = r"stty raw -echo; printf '\033]7501;?\033\\'; head -c 9 | od -An -c"
    session_id = await start(manager, script)

    async def is_answered() -> bool:
        return "7   5   0   1" in "".join((await manager.screen(session_id)).lines)

    await auntil(is_answered, timeout=10)


async def test_a_checkpoint_that_is_posted_is_an_event_with_its_fields(
    manager: PersistentSessionManager,
) -> None:
    session_id = await start(manager, "read; sleep 99")
    checkpoint = {"type": "decision", "decision": "Which?", "options": [{"id": "a", "name": "A"}]}
    event = await manager.report_checkpoint(session_id, checkpoint)
    assert event.type is EventType.CHECKPOINT
    assert event.fields["checkpoint"] == checkpoint
    assert (event.fields["source"], event.fields["confidence"]) == ("explicit", 1.0)
    assert (await row(session_id)).status == Status.WAITING_CHECKPOINT


async def test_the_same_checkpoint_twice_is_refused(manager: PersistentSessionManager) -> None:
    session_id = await start(manager, "read; sleep 99")
    checkpoint = {"type": "human-action", "action": "Plug it in"}
    await manager.report_checkpoint(session_id, checkpoint)
    with pytest.raises(InvalidTransition, match="already"):
        await manager.report_checkpoint(session_id, checkpoint)


async def test_a_checkpoint_that_the_database_did_not_take_can_be_posted_again(
    manager: PersistentSessionManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = await start(manager, "read; sleep 99")
    checkpoint = {"type": "human-action", "action": "Plug it in"}

    def fail(*args: object, **details: object) -> None:
        raise OperationalError("gone")

    with monkeypatch.context() as broken:
        broken.setattr(event_log, "append_event", fail)
        with pytest.raises(OperationalError):
            await manager.report_checkpoint(session_id, checkpoint)
    event = await manager.report_checkpoint(session_id, checkpoint)
    assert event.fields["checkpoint"] == checkpoint
    assert (await row(session_id)).status == Status.WAITING_CHECKPOINT


async def test_a_checkpoint_does_not_overtake_what_the_database_has_not_taken_yet(
    manager: PersistentSessionManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = await start(manager, "read; sleep 99")
    await manager.report_checkpoint(session_id, {"type": "human-action", "action": "First"})
    monkeypatch.setattr(waiting_watch, "TELL_SECONDS", 0.1)
    append_event = event_log.append_event

    def locked(session: str, kind: EventType, **details: Any) -> LifecycleEvent:
        if kind is EventType.RESUMED:
            raise OperationalError("locked")
        return append_event(session, kind, **details)

    second = {"type": "human-action", "action": "Second"}
    with monkeypatch.context() as trouble:
        trouble.setattr(event_log, "append_event", locked)
        await manager.write(session_id, b"done\r")
        with pytest.raises(ManagerUnavailable, match="try again"):
            await manager.report_checkpoint(session_id, second)
    monkeypatch.setattr(waiting_watch, "TELL_SECONDS", 10.0)
    await manager.report_checkpoint(session_id, second)
    kinds = [kind for kind, _ in await events(session_id)]
    assert kinds[1:] == [EventType.CHECKPOINT, EventType.RESUMED, EventType.CHECKPOINT]
    assert (await row(session_id)).status == Status.WAITING_CHECKPOINT


@pytest.fixture
async def unseen_box(manager: PersistentSessionManager, monkeypatch: pytest.MonkeyPatch) -> str:
    """A session that shows a box which nobody has looked at yet."""
    monkeypatch.setattr(waiting_watch, "SETTLE_SECONDS", 60.0)
    session_id = await start(manager, f"cat <<'END'\n{BOX}\nEND\nread answer; sleep 99")

    async def is_shown() -> bool:
        return "Type" in "\n".join((await manager.screen(session_id)).lines)

    await auntil(is_shown)
    return session_id


async def test_a_box_that_is_resized_before_anybody_looked_at_it_is_a_checkpoint(
    manager: PersistentSessionManager, unseen_box: str
) -> None:
    await manager.resize(unseen_box, 100, 30)
    await has_status(unseen_box, Status.WAITING_CHECKPOINT)


async def test_a_box_that_is_answered_before_anybody_looked_at_it_is_not_waited_at_for_ever(
    manager: PersistentSessionManager, unseen_box: str
) -> None:
    await manager.write(unseen_box, b"approved\r")

    async def told() -> bool:
        return len(await events(unseen_box)) == 3

    await auntil(told)
    kinds = [kind for kind, _ in await events(unseen_box)]
    assert kinds == [EventType.STARTED, EventType.CHECKPOINT, EventType.RESUMED]
    assert (await row(unseen_box)).status == Status.RUNNING


async def test_a_box_that_nobody_looked_at_before_a_restart_is_a_checkpoint_after_it(
    unseen_box: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await lifecycle.stop()
    assert (await row(unseen_box)).status == Status.RUNNING
    monkeypatch.setattr(waiting_watch, "SETTLE_SECONDS", 0.05)
    await lifecycle.start()
    await has_status(unseen_box, Status.WAITING_CHECKPOINT)


async def test_what_a_terminal_answers_by_itself_is_no_answer_to_a_checkpoint(
    manager: PersistentSessionManager,
) -> None:
    session_id = await start(manager, "read; sleep 99")
    await manager.report_checkpoint(session_id, {"type": "human-action", "action": "Look"})
    await manager.write(session_id, b"\x1b[I")
    await manager.write(session_id, b"\x1b[<0;5;5M")
    assert (await row(session_id)).status == Status.WAITING_CHECKPOINT
    await manager.write(session_id, b"y")
    await has_status(session_id, Status.RUNNING)


async def test_a_session_still_waits_after_a_restart_and_is_not_told_twice(
    manager: PersistentSessionManager,
) -> None:
    session_id = await start(manager, f"cat <<'END'\n{BOX}\nEND\nread answer; sleep 99")
    await has_status(session_id, Status.WAITING_CHECKPOINT)
    await lifecycle.stop()
    await lifecycle.start()
    assert (await row(session_id)).status == Status.WAITING_CHECKPOINT
    await lifecycle.manager().write(session_id, b"approved\r")
    await has_status(session_id, Status.RUNNING)
    kinds = [kind for kind, _ in await events(session_id)]
    assert kinds == [EventType.STARTED, EventType.CHECKPOINT, EventType.RESUMED]


async def test_an_ended_session_waits_for_nothing(manager: PersistentSessionManager) -> None:
    session_id = await start(manager, "read; exit 0")
    await manager.report_checkpoint(session_id, {"type": "human-action", "action": "Look"})
    await manager.end(session_id, grace=0)
    await has_status(session_id, Status.FAILED)
    assert (await row(session_id)).waiting is None
