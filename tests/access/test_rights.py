"""Roles, owners, teams and tokens: who sees what, and who may do what with it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User
from django.contrib.sessions.models import Session as Login
from django.test import Client
from django.utils import timezone

from sessions_app.callers import Caller, CookieCredential, TokenCredential, with_shares
from sessions_app.credentials import ApiToken, ShareLink
from sessions_app.models import Session
from sessions_app.rights import Right, Role, make_groups, rights_of, role_of
from tests.cast import browsing, make_ended, make_session, scripted, with_role
from tests.fake_manager import FakeManager

BODIES: dict[str, tuple[str, str, object]] = {
    "look": ("GET", "", None),
    "screen": ("GET", "/screen", None),
    "output": ("GET", "/output", None),
    "events": ("GET", "/events", None),
    "recording": ("GET", "/recording", None),
    "type": ("POST", "/input", {"data": "x"}),
    "resize": ("POST", "/resize", {"cols": 80, "rows": 24}),
    "checkpoint": ("POST", "/checkpoint", {"type": "human-action", "action": "Look"}),
    "end": ("POST", "/end", {}),
    "rename": ("PATCH", "", {"name": "x"}),
    "show": ("PATCH", "", {"team": True}),
    "forget": ("DELETE", "", None),
    "share": ("POST", "/shares", {"hours": 1}),
    "shares": ("GET", "/shares", None),
}
LOOKING = {"look", "screen", "output", "events", "recording"}
TYPING = {"type", "resize", "checkpoint"}


def outcome(client: Client, verb: str, session: Session) -> int:
    method, path, body = BODIES[verb]
    kind = {} if body is None else {"data": body, "content_type": "application/json"}
    address = f"/api/sessions/{session.pk}{path}"
    return int(getattr(client, method.lower())(address, **kind).status_code)


def ended_if_needed(verb: str, **details: Any) -> Session:
    return make_ended(**details) if verb == "forget" else make_session(**details)


@pytest.mark.parametrize("verb", BODIES)
def test_what_is_somebody_elses_does_not_exist(
    alice: User, bob: User, vera: User, fake_manager: FakeManager, verb: str
) -> None:
    session = ended_if_needed(verb, owner=alice)
    for stranger in (bob, vera):
        assert outcome(scripted(stranger), verb, session) == 404
    assert fake_manager.calls == []
    assert Session.objects.filter(pk=session.pk, name="").exists()


@pytest.mark.parametrize("verb", BODIES)
def test_what_is_shown_to_the_team_may_be_looked_at_and_no_more(
    alice: User, bob: User, vera: User, fake_manager: FakeManager, verb: str
) -> None:
    session = ended_if_needed(verb, owner=alice, team=True)
    for member in (bob, vera):
        assert outcome(scripted(member), verb, session) == (200 if verb in LOOKING else 403)


@pytest.mark.parametrize("verb", BODIES)
def test_owners_and_administrators_do_everything(
    alice: User, carol: User, fake_manager: FakeManager, verb: str
) -> None:
    for somebody in (alice, carol):
        session = ended_if_needed(verb, owner=alice)
        assert outcome(scripted(somebody), verb, session) < 300
        Session.objects.all().delete()


@pytest.mark.parametrize("verb", BODIES)
@pytest.mark.parametrize("scope", list(Right))
def test_a_token_does_only_what_its_scope_says(
    alice: User, carol: User, fake_manager: FakeManager, verb: str, scope: Right
) -> None:
    owner = carol if scope in (Right.ADMIN, Right.METRICS) else alice
    secret = ApiToken.issue(owner, "narrow", scopes=[scope])
    session = ended_if_needed(verb, owner=owner)
    allowed = {
        Right.VIEW: LOOKING,
        Right.INPUT: LOOKING | TYPING,
        Right.START: BODIES.keys() - TYPING,
        Right.ADMIN: BODIES.keys(),
        Right.METRICS: set(),
    }[scope]
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    status = outcome(client, verb, session)
    # To who may not look, it does not exist.
    refused = 404 if scope is Right.METRICS else 403
    assert status < 300 if verb in allowed else status == refused


def test_a_token_never_has_more_than_its_user(vera: User, fake_manager: FakeManager) -> None:
    caller = TokenCredential(ApiToken.issue(vera, "all")).examine()
    assert caller is not None
    assert caller.rights == {Right.VIEW}


def test_who_only_looks_starts_nothing(vera: User, fake_manager: FakeManager) -> None:
    body = {"command": "cat", "workingDir": "/tmp"}
    for client in (scripted(vera), browsing(vera)):
        answer = client.post("/api/sessions", body, content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (403, "not-allowed")
        assert client.get("/api/directories?path=/").status_code == 403
    assert fake_manager.launched == []


def test_an_expired_token_is_unknown(alice: User) -> None:
    secret = ApiToken.issue(alice, "short", life=timedelta(hours=1))
    assert TokenCredential(secret).examine() is not None
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert TokenCredential(secret).examine() is None
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    assert client.get("/api/sessions").status_code == 401


def test_a_user_without_a_role_sees_nothing(db: None) -> None:
    nobody = User.objects.create_user("nobody")
    make_session(owner=nobody, team=True)
    assert scripted(nobody).get("/api/sessions").json() == []
    assert rights_of(nobody) == frozenset()
    assert rights_of(AnonymousUser()) == frozenset()


def test_what_has_no_owner_any_more_is_for_administrators(bob: User, carol: User) -> None:
    make_session(owner=None)
    assert scripted(bob).get("/api/sessions").json() == []
    assert len(scripted(carol).get("/api/sessions").json()) == 1


def test_a_session_says_what_the_caller_may_do_with_it(alice: User, bob: User, carol: User) -> None:
    make_session(owner=alice, team=True)
    access = [
        scripted(user).get("/api/sessions").json()[0]["access"] for user in (alice, bob, carol)
    ]
    assert access == ["control", "view", "control"]


@pytest.mark.parametrize("role", list(Role))
def test_every_role_is_told_by_its_rights(db: None, role: Role) -> None:
    assert role_of(rights_of(with_role("somebody", role))) == role


def test_groups_that_were_changed_stay_as_they_are(db: None) -> None:
    viewers = Group.objects.get(name=Role.VIEWER)
    viewers.permissions.clear()
    make_groups()
    assert viewers.permissions.count() == 0


def test_seeing_is_the_same_in_python_and_in_the_database(
    alice: User, bob: User, vera: User, carol: User
) -> None:
    nobody = User.objects.create_user("nobody")
    rows = [
        make_session(owner=owner, team=team, slot=None)
        for owner in (alice, bob, None)
        for team in (True, False)
    ]
    link, _ = ShareLink.issue(rows[1].pk, alice.pk, timedelta(hours=1))
    guest = with_shares(AnonymousUser(), {"shares": [link.pk]})
    callers = [
        Caller(user=user, rights=rights_of(user)) for user in (alice, bob, vera, carol, nobody)
    ]
    for caller in (*callers, guest, Caller(user=AnonymousUser())):
        visible = set(Session.objects.visible_to(caller))
        seen = {row for row in rows if caller.sees(row.pk, row.owner_id, team=row.team)}
        assert seen == visible


def test_a_login_ends_with_a_logout_another_password_and_an_account_switched_off(
    alice: User,
) -> None:
    def credential() -> CookieCredential:
        key = browsing(alice).session.session_key
        assert key
        return CookieCredential(key)

    left, changed, off = credential(), credential(), credential()
    assert None not in [each.examine() for each in (left, changed, off)]
    Login.objects.filter(pk=left.session_key).delete()
    assert left.examine() is None
    alice.set_password("another one")
    alice.save()
    assert changed.examine() is None
    off = credential()
    User.objects.update(is_active=False)
    assert off.examine() is None
    assert CookieCredential("no-such-key").examine() is None
