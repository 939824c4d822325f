"""Records of what was done are read in the administration, through the API and as a table."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from sessions_app import audit
from sessions_app.audit import Action, Actor, AuditRecord
from tests.access.audit_records import the_record
from tests.cast import browsing, make_session, scripted


def test_the_records_are_read_by_administrators_and_changed_by_nobody(
    alice: User, bob: User, carol: User
) -> None:
    audit.note(Action.LOGIN, Actor(alice.pk, "alice", "browser", "10.0.0.1"))
    record, path = the_record(), "/admin/sessions_app/auditrecord/"
    admin = browsing(carol)
    assert "10.0.0.1" in admin.get(path).content.decode()
    assert "10.0.0.1" in admin.get(f"{path}{record.pk}/change/").content.decode()
    for way in ("add/", f"{record.pk}/delete/"):
        assert admin.post(path + way, {"post": "yes"}).status_code == 403
    assert admin.post(f"{path}{record.pk}/change/", {"action": "logout"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [record.pk], "post": "yes"}
    admin.post(path, chosen)
    assert AuditRecord.objects.get(pk=record.pk).action == Action.LOGIN
    User.objects.filter(pk=bob.pk).update(is_staff=True)
    assert browsing(bob).get(path).status_code == 403


@pytest.mark.parametrize(
    "query",
    [{"q": "10.0.0.7"}, {"q": "wanted"}, {"q": "dave"}, {"action": "session-ended"}],
)
def test_records_are_found_by_what_they_say(carol: User, query: dict[str, str]) -> None:
    session = make_session(name="wanted")
    audit.note(Action.SESSION_ENDED, Actor(name="dave", address="10.0.0.7"), session)
    audit.note(Action.LOGIN, Actor(name="erin", address="10.0.0.8"))
    shown = browsing(carol).get("/admin/sessions_app/auditrecord/", query).content.decode()
    assert "10.0.0.7" in shown
    assert "10.0.0.8" not in shown


def test_a_session_leads_to_its_records(carol: User) -> None:
    session, other = make_session(slot=1), make_session(slot=2)
    for each in (session, other):
        audit.note(Action.SESSION_ENDED, Actor(name="dave", address=f"10.0.0.{each.slot}"), each)
    admin = browsing(carol)
    page = admin.get(f"/admin/sessions_app/session/{session.pk}/change/").content.decode()
    address = f"/admin/sessions_app/auditrecord/?session={session.pk}"
    assert f'href="{address}"' in page
    shown = admin.get(address).content.decode()
    assert "10.0.0.1" in shown
    assert "10.0.0.2" not in shown


def test_text_from_outside_is_shown_as_harmless_text(carol: User) -> None:
    session = make_session(name="a\u202eb\x1b[31m<b>c")
    audit.note(Action.SESSION_RENAMED, Actor(name="dave"), session, name="x\u202ey\x07<i>")
    assert the_record().session_name == "a\u202eb\x1b[31m<b>c"
    shown = browsing(carol).get("/admin/sessions_app/auditrecord/").content.decode()
    assert "ab&lt;b&gt;c" in shown
    assert "name: xy&lt;i&gt;" in shown


# Reading by programs


def test_administrators_read_the_records_page_by_page(carol: User) -> None:
    for number in range(5):
        audit.note(Action.LOGIN, Actor(name=f"user {number}"))
    client, seen, address = scripted(carol), [], "/api/audit?limit=2"
    while address:
        answer = client.get(address)
        assert answer.status_code == 200
        seen += [record["actor"] for record in answer.json()]
        address = answer.headers.get("Link", "").partition(">")[0].removeprefix("<")
    assert seen == [f"user {number}" for number in reversed(range(5))]


def test_nobody_else_reads_them(alice: User, vera: User) -> None:
    for user in (alice, vera):
        assert scripted(user).get("/api/audit").status_code == 403
    assert Client().get("/api/audit").status_code == 401


def test_records_are_narrowed_by_time_session_action_and_actor(carol: User) -> None:
    session = make_session(name="one")
    audit.note(Action.SESSION_ENDED, Actor(name="dave"), session)
    audit.note(Action.LOGIN, Actor(name="erin"))
    old = timezone.now() - timedelta(days=2)
    AuditRecord.objects.filter(actor_name="erin").update(at=old)
    client, day_ago = scripted(carol), timezone.now() - timedelta(days=1)
    for query, expected in (
        ({"since": day_ago.isoformat()}, ["dave"]),
        ({"until": day_ago.isoformat()}, ["erin"]),
        ({"session": str(session.pk)}, ["dave"]),
        ({"action": "login"}, ["erin"]),
        ({"actor": "dave"}, ["dave"]),
    ):
        found = client.get("/api/audit", query).json()
        assert [record["actor"] for record in found] == expected, query
    assert client.get("/api/audit?since=yesterday").status_code == 400


def exported(**options: str) -> str:
    printed = io.StringIO()
    arguments = [f"--{name}={value}" for name, value in options.items()]
    call_command("audit", *arguments, stdout=printed)
    return printed.getvalue()


def test_the_export_is_a_json_object_per_line_oldest_first(db: None) -> None:
    session = make_session(name="one")
    audit.note(Action.SESSION_STARTED, Actor(name="dave"), session, command="bash")
    audit.note(Action.LOGIN, Actor(name="erin"))
    lines = [json.loads(line) for line in exported().splitlines()]
    assert [line["actor"] for line in lines] == ["dave", "erin"]
    assert lines[0]["details"] == {"command": "bash"}
    (only,) = exported(session=str(session.pk)).splitlines()
    assert json.loads(only)["sessionName"] == "one"
    tomorrow = f"{timezone.now() + timedelta(days=1):%Y-%m-%d}"
    assert exported(since=tomorrow) == ""
    assert len(exported(until=tomorrow, since="2026-01-01T00:00:00Z").splitlines()) == 2


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\u202e=1", "\r=1"])
def test_no_cell_of_the_table_is_a_formula(db: None, name: str) -> None:
    audit.note(Action.LOGIN, Actor(name=name, via="browser"))
    header, row = csv.reader(io.StringIO(exported(format="csv")))
    assert header[:2] == ["at", "actor"]
    assert row[1].startswith("'")
    assert "\u202e" not in row[1]
    assert row[2] == "browser"


@pytest.mark.parametrize("options", [{"since": "soon"}, {"session": "one"}])
def test_an_export_that_makes_no_sense_is_refused(db: None, options: dict[str, str]) -> None:
    with pytest.raises(CommandError, match="is no"):
        exported(**options)


@pytest.mark.parametrize("action", Action)
def test_the_api_page_names_every_action(action: Action) -> None:
    page = Path(__file__).resolve().parents[2] / "docs/api.md"
    assert f"`{action}`" in page.read_text(encoding="utf-8")
