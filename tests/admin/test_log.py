"""The log and the tokens in the administration."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from sessions_app.credentials import ApiToken, LoginLink, digest
from sessions_app.event_log import append_event
from sessions_app.events import EventType
from sessions_app.models import OutputSegment, SessionEvent
from tests.cast import browsing, make_ended, make_session, store_output


@pytest.fixture
def admin(carol: User) -> Client:
    """Carol in the administration."""
    return browsing(carol)


@pytest.mark.parametrize("model", ["sessionevent", "outputsegment"])
def test_the_log_is_looked_at_and_never_changed(admin: Client, model: str) -> None:
    session = make_session()
    append_event(str(session.pk), EventType.RESIZED, offset=0, fields={"cols": 1, "rows": 1})
    store_output(session, b"some output")
    kinds = {"sessionevent": SessionEvent, "outputsegment": OutputSegment}
    row = kinds[model].objects.get()  # type: ignore[attr-defined]  # both are models
    base = f"/admin/sessions_app/{model}/"
    assert admin.get(base).status_code == 200
    assert admin.get(base, {"q": str(session.pk)}).status_code == 200
    assert admin.get(f"{base}{row.pk}/change/").status_code == 200
    assert admin.post(f"{base}{row.pk}/change/", {"seq": 9, "start": 9}).status_code == 403
    assert admin.post(f"{base}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert admin.get(f"{base}add/").status_code == 403


def test_stored_output_is_listed_by_range(admin: Client) -> None:
    store_output(make_ended(), b"x" * 70_000)
    shown = admin.get("/admin/sessions_app/outputsegment/").content.decode()
    assert "65536" in shown
    assert "4464" in shown


def test_a_token_is_withdrawn_and_its_hash_never_shown(admin: Client, alice: User) -> None:
    secret = ApiToken.issue(alice, "laptop")
    token = ApiToken.objects.get()
    base = "/admin/sessions_app/apitoken/"
    for url in (base, f"{base}{token.pk}/change/", f"{base}{token.pk}/delete/"):
        shown = admin.get(url).content.decode()
        assert "laptop" in shown
        assert digest(secret) not in shown
    assert admin.get(f"{base}add/").status_code == 403
    admin.post(f"{base}{token.pk}/delete/", {"post": "yes"})
    assert ApiToken.find(secret) is None


def test_one_time_links_are_nowhere(admin: Client, alice: User) -> None:
    LoginLink.issue(alice)
    assert admin.get("/admin/sessions_app/loginlink/").status_code == 404
    assert "loginlink" not in admin.get("/admin/").content.decode()


def test_the_administration_has_its_own_name(admin: Client) -> None:
    assert "Session harness" in admin.get("/admin/").content.decode()
