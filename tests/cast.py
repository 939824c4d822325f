"""Who and what the tests play with: users, clients that are logged in, sessions with a log."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import zstandard
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from sessions_app import hosts
from sessions_app.callers import Caller
from sessions_app.credentials import ApiToken
from sessions_app.event_log import SEGMENT_SIZE
from sessions_app.events import Status
from sessions_app.hosts import Presence
from sessions_app.models import OutputSegment, Session
from sessions_app.rights import Role, rights_of


def with_role(name: str, role: Role) -> User:
    """Store a user who has this role."""
    user = User.objects.create_user(name)
    user.groups.add(Group.objects.get(name=role))
    return user


def scripted(user: User | None) -> Client:
    """Return a client that sends this user's API token, or none."""
    if user is None:
        return Client()
    return Client(headers={"Authorization": f"Bearer {ApiToken.issue(user, 'test')}"})


@dataclass(frozen=True)
class Known:
    """A credential that is good for as long as the user is."""

    user_id: int

    def examine(self) -> Caller | None:
        """Return the user as it is by now."""
        user = User.objects.filter(pk=self.user_id, is_active=True).first()
        return Caller(user=user, rights=rights_of(user), via="test") if user else None


def let_in(user: User) -> dict[str, Any]:
    """Return what a websocket's scope has once this user is let in."""
    return {
        "credential": Known(user.pk),
        "caller": Caller(user=user, rights=rights_of(user), via="test"),
    }


def browsing(user: User, *, csrf: bool = False) -> Client:
    """Return a client with this user's login cookie."""
    client = Client(enforce_csrf_checks=csrf)
    client.force_login(user)
    return client


def enter_host(name: str = "one", **changes: Any) -> None:
    """Let a host's manager come, by default with two slots and the label gpu."""
    facts = {"folder": name, "incarnation": "i", "slots": 2, "version": "9.9", "labels": ["gpu"]}
    hosts.enter(Presence(name=name, **{**facts, **changes}))


def make_session(**changes: Any) -> Session:
    """Store a session, by default one of `bash` in slot 1, alice's if there is an alice."""
    changes.setdefault("owner", User.objects.filter(username="alice").first())
    session = Session(
        **{
            "status": Status.RUNNING,
            "host": "test-host",
            "slot": 1,
            "working_dir": "/srv/project",
            "cols": 80,
            "rows": 24,
            "started_at": timezone.now(),
            **changes,
        }
    )
    session.set_command(changes.get("command", ["bash"]))
    session.save(force_insert=True)
    return session


def make_ended(**changes: Any) -> Session:
    """Store a session that has completed."""
    now = timezone.now()
    facts = {"status": Status.COMPLETED, "exit_code": 0, "ended_at": now, "last_activity_at": now}
    return make_session(**{**facts, "started_at": now - timedelta(minutes=5), **changes})


def store_output(session: Session, output: bytes) -> None:
    """Put the output into the archive."""
    for start in range(0, len(output), SEGMENT_SIZE):
        piece = output[start : start + SEGMENT_SIZE]
        OutputSegment.objects.create(
            session=session,
            start=start,
            end=start + len(piece),
            data=zstandard.compress(piece),
            recorded_at=timezone.now(),
        )
    Session.objects.filter(pk=session.pk).update(output_bytes=len(output))
