"""Everything that is done leaves one record: who, by which proof, from where, and what."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin import site as admin_site
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from sessions_app import audit
from sessions_app.admin import read_only
from sessions_app.admin.audit import Audited
from sessions_app.audit import Action, Actor, AuditRecord
from sessions_app.credentials import ApiToken, LoginLink, ShareLink, session_token
from sessions_app.models import Session
from tests.access.audit_records import records, the_record
from tests.cast import browsing, make_ended, make_session, scripted
from tests.fake_manager import FakeManager

SCRIPT = ("alice", "token test", "127.0.0.1")
BROWSER = ("alice", "browser", "127.0.0.1")


def who(record: AuditRecord) -> tuple[str, str, str]:
    return record.actor_name, record.via, record.address


def post(client: Client, path: str, body: object) -> Any:
    return client.post(path, body, content_type="application/json")


# Sessions

VERBS: dict[Action, tuple[str, str, object, dict[str, Any]]] = {
    Action.SESSION_TYPED_INTO: ("POST", "/input", {"data": "ab\u00e9"}, {"bytes": 4, "times": 1}),
    Action.SESSION_RESIZED: ("POST", "/resize", {"cols": 9, "rows": 8}, {"cols": 9, "rows": 8}),
    Action.SESSION_ENDED: ("POST", "/end", {"grace": 1}, {"grace": 1}),
    Action.SESSION_RENAMED: ("PATCH", "", {"name": "new"}, {"name": "new"}),
    Action.SESSION_SHOWN: ("PATCH", "", {"team": True}, {}),
    Action.SESSION_FORGOTTEN: ("DELETE", "", None, {}),
    Action.CHECKPOINT_DECLARED: (
        "POST",
        "/checkpoint",
        {"type": "human-action", "action": "Look"},
        {"type": "human-action"},
    ),
    Action.OUTPUT_DOWNLOADED: ("GET", "/output?format=raw", None, {"times": 1}),
    Action.RECORDING_DOWNLOADED: ("GET", "/recording", None, {"times": 1}),
    Action.SHARE_MADE: ("POST", "/shares", {"hours": 2}, {"hours": 2}),
}


@pytest.mark.parametrize("action", VERBS)
@pytest.mark.parametrize("kind", ["script", "browser"])
def test_a_verb_on_a_session_leaves_one_record(
    alice: User, fake_manager: FakeManager, action: Action, kind: str
) -> None:
    method, path, body, details = VERBS[action]
    made = make_ended if action is Action.SESSION_FORGOTTEN else make_session
    session = made(name="old")
    client = scripted(alice) if kind == "script" else browsing(alice)
    given = {} if body is None else {"data": body, "content_type": "application/json"}
    answer = getattr(client, method.lower())(f"/api/sessions/{session.pk}{path}", **given)
    assert answer.status_code < 300, answer.content
    record = the_record()
    assert record.action == action
    assert record.actor == alice
    assert who(record) == (SCRIPT if kind == "script" else BROWSER)
    assert (record.session, record.session_name) == (str(session.pk), "old")
    assert details.items() <= record.details.items()


def test_looking_and_what_changes_nothing_leave_no_record(
    api: Client, fake_manager: FakeManager
) -> None:
    session = make_session(name="same")
    base = f"/api/sessions/{session.pk}"
    for path in ("", "/screen", "/events", "/output"):
        assert api.get(base + path).status_code == 200
    body = {"name": "same", "team": False}
    assert api.patch(base, body, content_type="application/json").status_code == 200
    assert api.head(f"{base}/recording").status_code == 200
    assert records() == []


def test_what_was_refused_is_recorded_and_not_as_done(
    alice: User, vera: User, fake_manager: FakeManager
) -> None:
    session = make_session(owner=alice, team=True)
    path = f"/api/sessions/{session.pk}/input"
    assert post(scripted(vera), path, {"data": "x"}).status_code == 403
    record = the_record()
    assert (record.action, record.actor, record.session) == (
        Action.REFUSED,
        vera,
        str(session.pk),
    )
    assert record.details["what"] == f"POST {path}"


def test_what_one_may_not_see_leaves_no_record(bob: User, fake_manager: FakeManager) -> None:
    session = make_session(owner=None)
    assert post(scripted(bob), f"/api/sessions/{session.pk}/end", {}).status_code == 404
    assert records() == []


def test_a_program_that_declares_a_checkpoint_is_named_by_its_session(
    client: Client, fake_manager: FakeManager
) -> None:
    session = make_session()
    secret = session_token(str(session.pk), session.epoch)
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    body = {"type": "human-action", "action": "Look"}
    assert post(client, f"/api/sessions/{session.pk}/checkpoint", body).status_code == 201
    record = the_record()
    assert (record.action, record.session) == (Action.CHECKPOINT_DECLARED, str(session.pk))
    assert who(record) == ("", "session", "127.0.0.1")


def test_a_session_stays_in_its_records_when_it_is_forgotten(
    alice: User, fake_manager: FakeManager
) -> None:
    session = make_ended(name="gone soon")
    scripted(alice).delete(f"/api/sessions/{session.pk}")
    alice.delete()
    assert not Session.objects.exists()
    record = the_record()
    assert (record.session, record.session_name) == (str(session.pk), "gone soon")
    assert (record.actor, record.actor_name) == (None, "alice")


# Getting in


def test_logins_by_link_and_by_password_are_recorded(alice: User, carol: User) -> None:
    Client().post("/login/link", {"token": LoginLink.issue(alice)})
    Client(REMOTE_ADDR="10.1.1.1").post(
        "/login", {"username": "carol", "password": "correct horse"}
    )
    link, password = records()
    assert (link.action, link.actor, link.details) == (Action.LOGIN, alice, {"way": "link"})
    assert who(link) == BROWSER
    assert (password.action, password.details) == (Action.LOGIN, {"way": "password"})
    assert who(password) == ("carol", "browser", "10.1.1.1")


def test_logins_that_fail_are_recorded_without_what_was_typed(carol: User) -> None:
    client = Client()
    client.post("/login", {"username": "carol", "password": "wrong horse"})
    client.post("/login", {"username": "correct horse", "password": ""})
    client.post("/login/link", {"token": "hush-hush"})
    client.post("/shared/link", {"token": "hush-hush"})
    known, unknown, link, share = records()
    assert {record.action for record in records()} == {Action.LOGIN_FAILED}
    assert known.actor == carol
    assert (unknown.actor_name, link.actor_name) == ("", "")
    assert [r.details["way"] for r in (known, link, share)] == ["password", "link", "share"]
    assert not set(everything()) & {"wrong horse", "correct horse", "hush-hush"}


def test_a_login_that_was_refused_is_recorded(carol: User) -> None:
    client = Client()
    for _ in range(20):
        client.post("/login", {"username": "carol", "password": "guess"})
    AuditRecord.objects.all().delete()
    client.post("/login", {"username": "carol", "password": "guess"})
    assert (the_record().action, the_record().actor) == (Action.LOGIN_REFUSED, carol)


def test_a_logout_is_recorded(alice: User) -> None:
    browsing(alice).post("/logout")
    assert (the_record().action, who(the_record())) == (Action.LOGOUT, BROWSER)


def test_a_link_is_followed_from_hand_to_hand(
    alice: User, api: Client, fake_manager: FakeManager
) -> None:
    session = make_session(owner=alice, name="shown")
    shares = f"/api/sessions/{session.pk}/shares"
    link = post(api, shares, {"hours": 1}).json()
    guest = Client(REMOTE_ADDR="10.2.2.2")
    guest.post("/shared/link", {"token": link["url"].partition("#token=")[2]})
    guest.get(f"/api/sessions/{session.pk}/recording")
    api.delete(f"{shares}/{link['id']}")
    found = records()
    assert [(record.action, who(record)) for record in found] == [
        (Action.SHARE_MADE, SCRIPT),
        (Action.SHARE_OPENED, ("", f"link {link['id']}", "10.2.2.2")),
        (Action.RECORDING_DOWNLOADED, ("", f"link {link['id']}", "10.2.2.2")),
        (Action.SHARE_WITHDRAWN, SCRIPT),
    ]
    assert {record.session for record in found} == {str(session.pk)}


def test_the_use_of_an_expired_token_is_recorded_and_that_of_an_unknown_one_is_not(
    alice: User,
) -> None:
    client = scripted(alice)
    Client(headers={"Authorization": "Bearer hrn_unknown"}).get("/api/sessions")
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(days=1))
    assert client.get("/api/sessions").status_code == 401
    assert (the_record().action, who(the_record())) == (Action.TOKEN_EXPIRED, SCRIPT)


def test_a_link_and_a_token_made_by_the_command_are_recorded(db: None, tmp_path: Any) -> None:
    printed = io.StringIO()
    call_command("loginlink", stdout=printed)
    record = the_record()
    assert (record.action, record.via) == (Action.LOGIN_LINK_MADE, "command loginlink")
    assert record.details["user"]
    assert printed.getvalue().strip().partition("#token=")[2] not in "".join(everything())


def test_who_may_not_enter_the_administration_is_recorded(alice: User) -> None:
    assert browsing(alice).get("/admin/login/?next=/admin/").status_code == 403
    assert (the_record().action, who(the_record())) == (Action.REFUSED, BROWSER)


# The administration


def test_what_is_done_in_the_administration_is_recorded(
    alice: User, carol: User, fake_manager: FakeManager
) -> None:
    admin = browsing(carol)
    running, ended = make_session(owner=alice), make_ended(owner=alice)
    ApiToken.issue(alice, "script")
    token = ApiToken.objects.get()
    path = "/admin/sessions_app/session/"
    admin.post(path, {"action": "end_sessions", "_selected_action": [running.pk]})
    admin.post(f"{path}{ended.pk}/delete/", {"post": "yes"})
    admin.post(f"{path}recovery/")
    admin.post(f"/admin/sessions_app/apitoken/{token.pk}/delete/", {"post": "yes"})
    assert [record.action for record in records()] == [
        Action.SESSION_ENDED,
        Action.SESSION_FORGOTTEN,
        Action.RECOVERED,
        Action.TOKEN_REVOKED,
    ]
    assert {who(record) for record in records()} == {("carol", "browser", "127.0.0.1")}


def test_changes_of_users_are_recorded_without_the_password(alice: User, carol: User) -> None:
    admin, path = browsing(carol), f"/admin/auth/user/{alice.pk}"
    operator, viewer = (Group.objects.get(name=name) for name in ("operator", "viewer"))
    assert alice.groups.get() == operator
    form = {"username": "alice", "is_active": "on", "groups": [viewer.pk]}
    moments = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    assert admin.post(f"{path}/change/", form | moments).status_code == 302
    password = {"usable_password": "true", "password1": "hush-hush", "password2": "hush-hush"}
    assert admin.post(f"{path}/password/", password).status_code == 302
    assert admin.post(f"{path}/delete/", {"post": "yes"}).status_code == 302
    found = records()
    assert [record.action for record in found] == [
        Action.CHANGED,
        Action.PASSWORD_CHANGED,
        Action.DELETED,
    ]
    assert {(record.actor_name, record.details["name"]) for record in found} == {("carol", "alice")}
    assert "groups" in found[0].details["change"].lower()
    assert "hush-hush" not in "".join(everything())


def test_a_login_link_made_in_the_administration_is_recorded(alice: User, carol: User) -> None:
    answer = browsing(carol).post(f"/admin/auth/user/{alice.pk}/login-link/")
    secret = answer.content.decode().partition("#token=")[2][:20]
    record = the_record()
    assert (record.action, record.actor) == (Action.LOGIN_LINK_MADE, carol)
    assert record.details == {"user": "alice"}
    assert len(secret) == 20
    assert secret not in "".join(everything())


def test_every_change_in_the_administration_is_recorded() -> None:
    changing = [
        model
        for model, page in admin_site._registry.items()
        if not isinstance(page, Audited)
        and type(page).has_change_permission.__module__ != read_only.__name__
    ]
    assert changing == []


# The settings page


def test_what_users_do_with_what_lets_them_in_is_recorded(carol: User) -> None:
    browser, elsewhere = browsing(carol), browsing(carol)
    session = make_session(owner=carol)
    link, _ = ShareLink.issue(session.pk, carol.pk, timedelta(hours=1))
    browser.post("/settings/tokens", {"name": "mine", "scopes": ["input"], "days": "1"})
    browser.post(f"/settings/tokens/{ApiToken.objects.get().pk}/revoke")
    browser.post(f"/settings/links/{link.pk}/withdraw")
    browser.post("/settings/logout-elsewhere")
    new = "correct horse battery"
    browser.post(
        "/settings/password",
        {"old_password": "correct horse", "new_password1": new, "new_password2": new},
    )
    assert elsewhere.get("/").status_code == 302
    assert [(record.action, record.details) for record in records()] == [
        (Action.TOKEN_MADE, {"name": "mine", "scopes": ["input"]}),
        (Action.TOKEN_REVOKED, {"name": "mine"}),
        (Action.SHARE_WITHDRAWN, {"share": link.pk}),
        (Action.LOGOUT, {"elsewhere": 1}),
        (Action.PASSWORD_CHANGED, {}),
    ]
    assert {who(record) for record in records()} == {("carol", "browser", "127.0.0.1")}
    assert "horse" not in "".join(everything())


# What is kept, and what is not


def everything() -> list[str]:
    """Return every text in the table."""
    rows = AuditRecord.objects.values_list()
    return [str(value) for row in rows for value in row]


def test_what_is_typed_is_counted_and_not_kept(api: Client, fake_manager: FakeManager) -> None:
    path = f"/api/sessions/{make_session().pk}/input"
    post(api, path, {"data": "hush-hush"})
    post(api, path, {"text": "hush-hush", "submit": True})
    assert [record.details["bytes"] for record in records()] == [9, 9]
    assert "hush-hush" not in "".join(everything())


def test_what_is_typed_is_kept_if_the_settings_say_so_in_pieces_of_64_kib(
    api: Client, fake_manager: FakeManager, settings: Settings
) -> None:
    settings.HARNESS_AUDIT_INPUT = True
    text = "x" + "\u00e9" * 70_000
    post(api, f"/api/sessions/{make_session().pk}/input", {"data": text})
    found = records()
    assert "".join(record.details["input"] for record in found) == text
    assert [record.details["bytes"] for record in found] == [65_535, 65_536, 8_930]


@pytest.mark.parametrize("name", ["\0", "\ud800", "x" * 1000])
def test_no_text_keeps_a_record_from_being_stored(db: None, name: str) -> None:
    audit.note(Action.LOGIN, Actor(name=name, via=name, address=name), what=name)
    assert len(the_record().actor_name) <= 150


def test_a_user_who_is_gone_by_then_stays_as_a_name(db: None) -> None:
    audit.note(Action.LOGIN, Actor(user_id=4711, name="dave"))
    assert (the_record().actor, the_record().actor_name) == (None, "dave")


def test_old_records_are_swept_and_younger_ones_stay(db: None) -> None:
    for days in (1, 29, 31, 400):
        audit.note(Action.LOGIN, Actor(name=str(days)))
        then = timezone.now() - timedelta(days=days)
        AuditRecord.objects.filter(actor_name=str(days)).update(at=then)
    assert AuditRecord.sweep(30) == 2
    assert [record.actor_name for record in records()] == ["1", "29"]
