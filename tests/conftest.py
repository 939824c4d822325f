"""The cast: alice owns, bob is a stranger, carol administers, vera views; and a manager."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from sessions_app import session_manager
from sessions_app.rights import Role
from tests.cast import scripted, with_role
from tests.fake_manager import FakeManager


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
    monkeypatch.setattr(session_manager, "call_manager", fake.call)
    monkeypatch.setattr(session_manager, "get_manager", lambda: fake)
    return fake
