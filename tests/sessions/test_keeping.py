"""How much is kept: the output quota of a session, and the retention of ended ones."""

from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.utils import timezone
from pytest_django.fixtures import Settings

from harness_site import env
from sessions_app import event_log, lifecycle, output_archive
from sessions_app.events import Status
from sessions_app.launch import LaunchRequest
from sessions_app.models import OutputSegment, Session
from sessions_app.session_manager import PersistentSessionManager
from tests.sessions.kept import spool_of
from tests.waiting_for import auntil

MIB = 1024 * 1024


def ended_session(days_ago: int) -> Session:
    session = Session(
        host="test-host",
        working_dir="/tmp",
        cols=80,
        rows=24,
        status=Status.COMPLETED,
        ended_at=timezone.now() - timedelta(days=days_ago),
    )
    session.set_command(["true"])
    session.save()
    return session


async def test_of_more_output_than_the_quota_the_oldest_goes_and_offsets_stay(
    settings: Settings, manager: PersistentSessionManager
) -> None:
    settings.HARNESS_OUTPUT_QUOTA = 2 * MIB
    request = LaunchRequest(argv=["seq", "1", "900000"], working_dir="/tmp")
    session_id = await manager.create(request)
    whole = b"".join(b"%d\r\n" % n for n in range(1, 900_001))

    async def is_kept_to_the_quota() -> bool:
        base, head = await sync_to_async(event_log.output_range)(session_id)
        return head == len(whole) and 0 < head - base <= 2 * MIB + event_log.SEGMENT_SIZE

    await auntil(is_kept_to_the_quota, timeout=20)
    base, _ = await sync_to_async(event_log.output_range)(session_id)
    kept = await sync_to_async(event_log.read_output)(session_id, base, 4 * MIB)
    assert kept == whole[base:]


@pytest.mark.django_db
def test_what_went_before_it_could_be_archived_leaves_no_hole_in_the_log(
    state_folder: Path,
) -> None:
    session = ended_session(0)
    spool = spool_of(session, segment_size=100, quota=300)
    spool.append(b"a" * 150)
    output_archive.archive_output(str(session.pk), 150, [])
    for _ in range(10):
        spool.append(b"b" * 100)
    base = 150 + 1000 - 350
    assert output_archive.archive_output(str(session.pk), spool.size, []) == spool.size
    first = OutputSegment.objects.order_by("start").first()
    assert first is not None
    assert first.start == base
    assert event_log.output_range(str(session.pk)) == (base, spool.size)


async def test_old_sessions_are_forgotten_by_the_running_server(
    settings: Settings, transactional_db: None, state_folder: Path
) -> None:
    settings.HARNESS_RETENTION_DAYS = 30
    old = await sync_to_async(ended_session)(31)
    young = await sync_to_async(ended_session)(29)
    await lifecycle.start()

    async def is_gone() -> bool:
        return not await Session.objects.filter(pk=old.pk).aexists()

    await auntil(is_gone)
    assert await Session.objects.filter(pk=young.pk).aexists()
    assert lifecycle.manager().live_sessions() == []
    await lifecycle.stop()


@pytest.mark.django_db
def test_the_command_forgets_old_sessions_and_can_say_so_first() -> None:
    ended_session(10)
    ended_session(2)
    said = StringIO()
    call_command("forget_old", "--days=5", "--dry-run", stdout=said)
    assert Session.objects.count() == 2
    call_command("forget_old", "--days=5", stdout=said)
    assert Session.objects.count() == 1
    assert said.getvalue().splitlines() == [
        "1 sessions would be forgotten.",
        "1 sessions forgotten.",
    ]


@pytest.mark.parametrize(
    ("value", "size"),
    [("", 256 * MIB), ("64M", 64 * MIB), ("1g", 1024 * MIB), ("33554432", 32 * MIB)],
)
def test_a_size_is_read_with_its_unit(
    monkeypatch: pytest.MonkeyPatch, value: str, size: int
) -> None:
    monkeypatch.setenv("SIZE", value)
    assert env.byte_size("SIZE", "256M", least=32 * MIB) == size


@pytest.mark.parametrize("value", ["M", "-5M", "1M", "lots", "1.5G", "32"])
def test_a_size_that_makes_no_sense_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("SIZE", value)
    with pytest.raises(ImproperlyConfigured, match="must be a size like 256M"):
        env.byte_size("SIZE", "256M", least=32 * MIB)
