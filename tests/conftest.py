"""The cast: alice owns, bob is a stranger, carol is staff; and a manager without programs."""

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client

from sessions_app import session_manager
from tests.cast import scripted
from tests.fake_manager import FakeManager


@pytest.fixture
def alice(db: None) -> User:
    """An ordinary user."""
    return User.objects.create_user("alice")


@pytest.fixture
def bob(db: None) -> User:
    """Another ordinary user."""
    return User.objects.create_user("bob")


@pytest.fixture
def carol(db: None) -> User:
    """A user who may do everything in the administration."""
    return User.objects.create_superuser("carol", password="correct horse")


@pytest.fixture
def api(alice: User) -> Client:
    """Alice's script."""
    return scripted(alice)


@pytest.fixture
def fake_manager(db: None, monkeypatch: pytest.MonkeyPatch) -> FakeManager:
    """A manager without programs, as the one of this process."""
    fake = FakeManager()
    monkeypatch.setattr(session_manager, "call_manager", fake.call)
    monkeypatch.setattr(session_manager, "get_manager", lambda: fake)
    return fake


@pytest.fixture(autouse=True)
def _no_attempts_counted() -> None:
    """Forget the login attempts of earlier tests."""
    cache.clear()
