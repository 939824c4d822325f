"""The cast: alice owns, bob is a stranger, carol administers, vera views; a manager; the engines.

The tests run twice: over SQLite and memory, and over PostgreSQL and Redis where `DATABASE_URL` and
`REDIS_URL` say so (`bin/test engines`).
"""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from pytest_django import DjangoDbBlocker

from sessions_app import session_verbs
from sessions_app.rights import Role
from tests import engines, real_server
from tests.cast import scripted, with_role
from tests.fake_manager import FakeManager

# What knows neither engine, so that a second run could only repeat the first: the programs' own
# process, the terminal, what is read off the screen; commands and measurements, whose servers leave
# both variables out; what comes before a request reaches anybody who asks the database.
WITH_THEIR_OWN = {"postgres", "redis_server"}
WITHOUT_ENGINES = {
    *("bench", "commands", "deployment", "holder", "screen", "waiting"),
    *("server/test_front_door.py", "server/test_tls.py", "server/test_under_attack.py"),
    "browser/test_full_disk.py",
    *("reliability/test_holder_crashes.py", "reliability/test_odd_output.py"),
}
# What a browser makes of what it has been sent, and what pages offer to whom, whichever engine that
# came from. Where the second run goes on beside the first, which takes longer, it takes this over.
TAKEN_OVER = {
    *("browser/test_content_security.py", "browser/test_hostile_output.py"),
    *("browser/test_other_origins.py", "browser/test_roles.py", "browser/test_settings.py"),
}
# What takes long: bin/test leaves it out where the second run goes on beside the first one;
# `bin/test engines` does not.
LENGTHY = {"reliability", "server", "api/test_schema.py"}


def pytest_configure() -> None:
    """Let programs be interrupted, though a shell had the tests in the background ignore that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def is_among(places: set[str], item: pytest.Item) -> bool:
    """Whether the test is in one of these folders or modules."""
    path = item.path.relative_to(Path(__file__).parent)
    return not places.isdisjoint((path.parts[0], str(path)))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out of the second run what belongs to the first alone."""
    for item in items:
        if WITH_THEIR_OWN & set(getattr(item, "fixturenames", ())):
            item.add_marker("own_engines")
        elif is_among(LENGTHY, item):
            item.add_marker("lengthy")
        elif is_among(TAKEN_OVER, item):
            item.add_marker("taken_over")
    if not real_server.ON_POSTGRESQL:
        return

    left_out = [
        item
        for item in items
        if is_among(WITHOUT_ENGINES, item) and item.get_closest_marker("own_engines") is None
    ]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in set(left_out)]
    for item in items:
        if marker := item.get_closest_marker("sqlite"):
            item.add_marker(pytest.mark.skip(reason=f"about SQLite: {marker.args[0]}"))


@pytest.fixture(scope="session")
def django_db_setup(
    django_db_setup: None,  # the fixture that this one extends
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[None]:
    """Cut off threads that live as long as the process: PostgreSQL drops no database in use."""
    yield
    if connection.vendor == "postgresql":
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"  # noqa: S608
            )


@pytest.fixture(scope="session")
def postgres() -> Iterator[engines.Postgres]:
    """A PostgreSQL of the tests' own, which may be stopped and paused."""
    with installed(engines.Postgres) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[engines.Redis]:
    """A Redis of the tests' own, which may be stopped and paused."""
    with installed(engines.Redis) as server:
        yield server


def installed(kind: type[engines.S]) -> engines.S:
    """One of these servers; a test that needs it is skipped where it cannot be had, never in CI."""
    try:
        return kind()
    except engines.NotInstalled as reason:
        if engines.in_ci():
            raise
        pytest.skip(str(reason))


@pytest.fixture(autouse=True)
def _databases_of_servers() -> Iterator[None]:
    """Drop the databases of real servers that were made during the test."""
    before = set(real_server.made)
    yield
    real_server.drop_made(before)


@pytest.fixture
def alice(db: None) -> User:
    """An operator, who owns what the tests make."""
    return with_role("alice", Role.OPERATOR)


@pytest.fixture
def bob(db: None) -> User:
    """Another operator."""
    return with_role("bob", Role.OPERATOR)


@pytest.fixture
def carol(db: None) -> User:
    """A user who may do everything in the administration."""
    return User.objects.create_superuser("carol", password="correct horse")


@pytest.fixture
def vera(db: None) -> User:
    """One who only looks."""
    return with_role("vera", Role.VIEWER)


@pytest.fixture
def api(alice: User) -> Client:
    """Alice's script."""
    return scripted(alice)


@pytest.fixture
def fake_manager(db: None, monkeypatch: pytest.MonkeyPatch) -> FakeManager:
    """A manager without programs, as the one of this process."""
    fake = FakeManager()
    monkeypatch.setattr(session_verbs, "call_manager", fake.call)
    monkeypatch.setattr(session_verbs, "get_manager", lambda: fake)
    return fake
