"""Recordings of real programs play in asciinema's player and end with the screen that was there."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from sessions_app import event_log
from sessions_app.events import OutputEvent, Status
from sessions_app.models import Session
from sessions_app.recording import recording
from sessions_app.screen_state import ScreenState
from sessions_app.session_manager import PersistentSessionManager
from sessions_app.signals import session_event
from tests.sessions.kept import ended
from tests.sessions.test_manager import request, shows
from tests.waiting_for import auntil

PLAYER = Path(__file__).parent.parent / "api" / "player.mjs"


def lines(session_id: str) -> Iterator[bytes]:
    session = Session.objects.get(pk=session_id)
    return recording(session, *event_log.output_range(session_id))


def played(session_id: str) -> dict[str, Any]:
    """What the player makes of the recording: lines at the end, sizes, markers, duration."""
    done = subprocess.run(
        ["node", str(PLAYER)],  # noqa: S607  # the tests' node is the one on the PATH
        input=b"".join(lines(session_id)),
        capture_output=True,
        check=True,
        timeout=60,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def times_of_output(session_id: str) -> list[float]:
    _, *events = map(json.loads, lines(session_id))
    return [seconds for seconds, kind, _ in events if kind == "o"]


def trimmed(screen: ScreenState) -> list[str]:
    return [line.rstrip() for line in screen.lines]


async def quiet(manager: PersistentSessionManager, session_id: str) -> ScreenState:
    """Return the screen once all output that came so far is in the archive."""

    async def archived() -> bool:
        row = await sync_to_async(Session.objects.get)(pk=session_id)
        return row.output_bytes == manager.taken_in(session_id)

    await auntil(archived)
    return await manager.screen(session_id)


def has(manager: PersistentSessionManager, session_id: str, text: str) -> Callable[[], Any]:
    async def shown() -> bool:
        return text in "\n".join((await manager.screen(session_id)).lines)

    return shown


async def test_vim_with_a_change_of_size_in_between(
    manager: PersistentSessionManager, tmp_path: Path
) -> None:
    file = tmp_path / "text"
    file.write_text("".join(f"line {number} größe 漢字\n" for number in range(100)))
    session_id = await manager.create(
        request("vim", "-u", "NONE", "-N", str(file), cols=80, rows=24)
    )
    await shows(manager, session_id, "line 0")
    await manager.resize(session_id, 60, 12)
    await manager.write(session_id, b":set number\r20G")
    await shows(manager, session_id, "20 line 19")
    await manager.resize(session_id, 100, 30)
    await manager.write(session_id, b"50GoSo it is.\x1b")
    await shows(manager, session_id, "So it is.")

    async def is_in_normal_mode() -> bool:
        # After an escape vim waits a second for more before it says so.
        return "INSERT" not in "\n".join((await manager.screen(session_id)).lines)

    await auntil(is_in_normal_mode)
    screen = await quiet(manager, session_id)
    found = await sync_to_async(played)(session_id)
    assert found["sizes"] == [[80, 24], [60, 12], [100, 30]]
    assert found["lines"] == trimmed(screen)


async def test_htop_ends_with_the_screen_that_was_kept(manager: PersistentSessionManager) -> None:
    session_id = await manager.create(request("htop", "-d", "1", cols=100, rows=30))
    await shows(manager, session_id, "F10")
    await manager.resize(session_id, 120, 35)
    seen = manager.taken_in(session_id)
    await auntil(lambda: manager.taken_in(session_id) > seen + 2000)
    await manager.end(session_id, grace=0)
    await ended(session_id)
    found = await sync_to_async(played)(session_id)
    assert found["sizes"] == [[100, 30], [120, 35]]
    assert found["lines"] == trimmed(await manager.screen(session_id))


async def test_a_program_whose_size_changes_while_it_prints(
    manager: PersistentSessionManager,
) -> None:
    code = "for n in range(20_000): print('%05d' % n, 'x' * 70)\ninput()"
    session_id = await manager.create(request(sys.executable, "-c", code))
    for number in range(20):
        await manager.resize(session_id, 60 + number, 20 + number % 3)
    await auntil(has(manager, session_id, "19999"), timeout=20)
    screen = await quiet(manager, session_id)
    found = await sync_to_async(played)(session_id)
    assert found["sizes"][-1] == [79, 21]
    assert found["lines"] == trimmed(screen)


async def test_a_recording_lasts_as_long_as_the_program_ran(
    manager: PersistentSessionManager,
) -> None:
    told: list[datetime] = []

    def note(sender: object, event: object, **_: object) -> None:
        if isinstance(event, OutputEvent):
            told.append(event.timestamp)

    session_event.connect(note)
    code = "stty -echo; echo one; read key; echo two; exit 3"
    session_id = await manager.create(request("sh", "-c", code))
    await auntil(lambda: told and datetime.now(UTC) - told[0] > timedelta(seconds=0.6))
    await manager.write(session_id, b"\r")
    session = await ended(session_id)
    assert session.status == Status.FAILED
    assert session.started_at is not None
    assert session.ended_at is not None
    found = await sync_to_async(played)(session_id)
    lasted = (session.ended_at - session.started_at).total_seconds()
    assert found["duration"] == pytest.approx(lasted, abs=0.05)
    assert found["markers"] == [[found["duration"], "failed: The program exited with code 3."]]
    assert found["lines"][:2] == ["one", "two"]
    first, second = await sync_to_async(times_of_output)(session_id)
    assert second - first == pytest.approx((told[1] - told[0]).total_seconds(), abs=0.01)
    assert second - first > 0.5
