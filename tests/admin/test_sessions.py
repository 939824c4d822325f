"""Sessions in the administration: found, looked at, ended, forgotten, and never changed."""

import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import DatabaseError
from django.test import Client

from sessions_app.admin import sessions
from sessions_app.credentials import ApiToken
from sessions_app.event_log import append_event
from sessions_app.events import EventType
from sessions_app.exceptions import ManagerUnavailable
from sessions_app.models import Session, SessionEvent
from tests.cast import browsing, make_ended, make_session, store_output
from tests.fake_manager import FakeManager

LIST = "/admin/sessions_app/session/"
TURNING = "\x00-\x08\x0b-\x1f\x7f-\x9f\u200f\u202a-\u202e\u2066-\u2069"


@pytest.fixture
def admin(carol: User) -> Client:
    """Carol in the administration."""
    return browsing(carol)


def page(admin: Client, url: str, **query: str) -> str:
    answer = admin.get(url, query)
    assert answer.status_code == 200
    return answer.content.decode()


def act(admin: Client, action: str, *chosen: Session, **more: str) -> Any:
    form: dict[str, Any] = {"action": action, "_selected_action": [s.pk for s in chosen], **more}
    return admin.post(LIST, form, follow=True)


def test_sessions_are_found_by_what_they_are(admin: Client) -> None:
    make_session(name="Deploy the shop")
    make_ended(name="Old build", working_dir="/srv/build")
    everything = page(admin, LIST)
    assert "Deploy the shop" in everything
    assert "Old build" in everything
    for query in ({"q": "shop"}, {"activity": "active"}, {"status__exact": "running"}):
        found = page(admin, LIST, **query)
        assert "Deploy the shop" in found
        assert "Old build" not in found
    assert "Old build" in page(admin, LIST, activity="ended", q="/srv/build")


def test_nothing_that_is_shown_turns_the_writing_around(admin: Client, carol: User) -> None:
    turned = {"name": "gnp\u202e.sh", "working_dir": "/srv/\u2066x\x1b", "error": "no\x9b\u200f!"}
    session = make_ended(command=["run\u202e", "\x07"], owner=carol, **turned)
    hidden = {"trigger": "menu\u202e"}
    Session.objects.filter(pk=session.pk).update(waiting=hidden, last_seq=1)
    event = SessionEvent.objects.create(
        session=session, seq=1, type=EventType.WAITING, offset=0, fields=hidden
    )
    token = ApiToken.objects.create(user=carol, name="key\u202e")
    addresses = [
        LIST,
        *(f"{LIST}{session.pk}/{verb}/" for verb in ("change", "delete", "history")),
        *(f"/admin/sessions_app/sessionevent/{part}" for part in ("", f"{event.pk}/change/")),
        *(f"/admin/sessions_app/apitoken/{part}" for part in ("", f"{token.pk}/change/")),
    ]
    for address in addresses:
        shown = page(admin, address)
        assert re.findall(f".{{0,40}}[{TURNING}]", shown) == [], address
    assert "gnp.sh" in page(admin, LIST)


def test_a_session_links_to_its_page_and_its_log(admin: Client) -> None:
    session = make_session()
    shown = page(admin, f"{LIST}{session.pk}/change/")
    assert f'href="/sessions/{session.pk}"' in shown
    for model in ("sessionevent", "outputsegment"):
        link = f"/admin/sessions_app/{model}/?session__id__exact={session.pk}"
        assert link in shown
        page(admin, link)


def test_events_are_listed_in_order(admin: Client) -> None:
    session = make_session()
    for cols in (71, 72):
        fields = {"cols": cols, "rows": 24}
        append_event(str(session.pk), EventType.RESIZED, offset=0, fields=fields)
    session.refresh_from_db()
    shown = page(admin, f"{LIST}{session.pk}/change/")
    assert 0 < shown.index("cols: 71") < shown.index("cols: 72")


def test_only_the_last_of_many_events_are_listed(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "SHOWN_EVENTS", 1)
    session = make_session()
    for cols in (71, 72):
        fields = {"cols": cols, "rows": 24}
        append_event(str(session.pk), EventType.RESIZED, offset=0, fields=fields)
    shown = page(admin, f"{LIST}{session.pk}/change/")
    assert "cols: 72" in shown
    assert "cols: 71" not in shown


def test_the_transcript_is_the_end_of_the_output_as_harmless_text(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "TRANSCRIPT_BYTES", 60)
    session = make_ended()
    store_output(
        session, b"dropped" * 20 + b"\r\n\x1b[31m<script>\x1b]0;title\x07\x00red\x1b[0m\r\n"
    )
    shown = page(admin, f"{LIST}{session.pk}/change/")
    assert "&lt;script&gt;red\n" in shown
    assert "title\x07" not in shown
    assert shown.count("dropped") < 10


def test_nothing_about_a_session_can_be_changed(admin: Client) -> None:
    session = make_ended(name="true")
    assert admin.get(f"{LIST}add/").status_code == 403
    answer = admin.post(f"{LIST}{session.pk}/change/", {"name": "false"})
    assert answer.status_code == 403
    session.refresh_from_db()
    assert session.name == "true"
    assert '<input type="text" name="name"' not in page(admin, f"{LIST}{session.pk}/change/")


def test_extra_variables_are_not_shown(admin: Client) -> None:
    session = make_session(environment={"TOKEN": "hush-hush"})
    assert "hush-hush" not in page(admin, f"{LIST}{session.pk}/change/")


def test_the_action_ends_active_ones_only(admin: Client, fake_manager: FakeManager) -> None:
    first, second, ended = make_session(slot=1), make_session(slot=2), make_ended()
    answer = act(admin, "end_sessions", first, second, ended)
    assert "2 asked to end" in answer.content.decode()
    assert {call[1] for call in fake_manager.calls} == {str(first.pk), str(second.pk)}
    assert {(call[0], call[3]) for call in fake_manager.calls} == {("end", "carol")}


def test_what_cannot_be_ended_is_said(admin: Client, fake_manager: FakeManager) -> None:
    fake_manager.trouble = ManagerUnavailable("It does not answer.")
    answer = act(admin, "end_sessions", make_session())
    assert "It does not answer." in answer.content.decode()


def test_an_ended_session_is_forgotten_through_the_manager(
    admin: Client, fake_manager: FakeManager
) -> None:
    session = make_ended()
    assert "Are you sure" in page(admin, f"{LIST}{session.pk}/delete/")
    admin.post(f"{LIST}{session.pk}/delete/", {"post": "yes"})
    assert not Session.objects.exists()
    assert LogEntry.objects.get().object_id == str(session.pk)


def test_an_active_session_is_not_forgotten(admin: Client, fake_manager: FakeManager) -> None:
    active, ended = make_session(), make_ended()
    assert admin.post(f"{LIST}{active.pk}/delete/", {"post": "yes"}).status_code == 403
    answer = act(admin, "delete_selected", active, ended, post="yes")
    assert "is still active" in answer.content.decode()
    assert Session.objects.count() == 2


def test_ended_sessions_are_forgotten_together(admin: Client, fake_manager: FakeManager) -> None:
    act(admin, "delete_selected", make_ended(), make_ended(), post="yes")
    assert not Session.objects.exists()


@pytest.mark.parametrize("way", ["page", "list"])
def test_what_cannot_be_forgotten_is_said_and_not_recorded_as_done(
    admin: Client, fake_manager: FakeManager, way: str
) -> None:
    session = make_ended()
    fake_manager.trouble = ManagerUnavailable("It does not answer.")
    if way == "page":
        answer = admin.post(f"{LIST}{session.pk}/delete/", {"post": "yes"}, follow=True)
    else:
        answer = act(admin, "delete_selected", session, post="yes")
    shown = answer.content.decode()
    assert "It does not answer." in shown
    assert "Successfully" not in shown
    assert not LogEntry.objects.exists()


def test_who_may_only_look_gets_no_actions(bob: User, fake_manager: FakeManager) -> None:
    bob.is_staff = True
    bob.save()
    bob.user_permissions.set(Permission.objects.filter(codename="view_session"))
    client = browsing(bob)
    session = make_session()
    assert "end_sessions" not in page(client, LIST)
    act(client, "end_sessions", session)
    assert fake_manager.calls == []


def test_the_recovery_page_tells_what_became_of_sessions(
    admin: Client, fake_manager: FakeManager
) -> None:
    fake_manager.recovery |= {"adopted": ["4711"], "strays": ["what-is-this"]}
    assert 'href="/admin/sessions_app/session/recovery/"' in page(admin, LIST)
    shown = page(admin, f"{LIST}recovery/")
    assert "4711" in shown
    assert "what-is-this" in shown


def test_the_recovery_page_says_when_there_is_no_manager(admin: Client) -> None:
    assert "not running" in page(admin, f"{LIST}recovery/")


def test_the_recovery_page_is_for_administrators(bob: User, fake_manager: FakeManager) -> None:
    bob.is_staff = True
    bob.save()
    assert browsing(bob).get(f"{LIST}recovery/").status_code == 403
    assert browsing(bob).post(f"{LIST}recovery/").status_code == 403
    assert fake_manager.calls == []


def test_the_recovery_page_looks_again_at_the_press_of_a_button(
    admin: Client, fake_manager: FakeManager
) -> None:
    assert "Look again now" in page(admin, f"{LIST}recovery/")
    answer = admin.post(f"{LIST}recovery/", follow=True)
    assert fake_manager.calls == [("recover",)]
    assert "Looked again: 1 sessions adopted" in answer.content.decode()


def test_a_database_that_is_locked_is_said_on_the_recovery_page(
    admin: Client, fake_manager: FakeManager
) -> None:
    fake_manager.trouble = DatabaseError("database is locked")
    answer = admin.post(f"{LIST}recovery/", follow=True)
    assert "atabase is locked" in answer.content.decode()
