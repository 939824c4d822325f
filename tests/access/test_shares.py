"""Links that show one session to whoever has them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from sessions_app.callers import CookieCredential
from sessions_app.credentials import ShareLink, digest
from sessions_app.models import Session
from tests.cast import browsing, make_session
from tests.fake_manager import FakeManager


@pytest.fixture
def session(alice: User) -> Session:
    """One of alice's."""
    return make_session(owner=alice)


def issued(client: Client, session: Session, **body: Any) -> dict[str, Any]:
    answer = client.post(
        f"/api/sessions/{session.pk}/shares", body, content_type="application/json"
    )
    assert answer.status_code == 201, answer.content
    link: dict[str, Any] = answer.json()
    return link


def opened(link: dict[str, Any], client: Client | None = None) -> Client:
    """Return a browser that has opened the link."""
    guest = client or Client()
    secret = link["url"].partition("#token=")[2]
    answer = guest.post("/shared/link", {"token": secret})
    assert answer.status_code == 200, answer.content
    return guest


def test_a_link_shows_its_session_and_nothing_else(
    api: Client, session: Session, fake_manager: FakeManager
) -> None:
    other = make_session(owner=session.owner, slot=2)
    guest = opened(issued(api, session))
    assert [one["id"] for one in guest.get("/api/sessions").json()] == [str(session.pk)]
    assert guest.get(f"/sessions/{session.pk}").status_code == 200
    assert guest.get(f"/sessions/{other.pk}").status_code == 404
    for path in ("", "/screen", "/events", "/output", "/recording"):
        assert guest.get(f"/api/sessions/{session.pk}{path}").status_code == 200
        assert guest.get(f"/api/sessions/{other.pk}{path}").status_code == 404


def test_nobody_types_starts_or_ends_by_a_link(
    api: Client, session: Session, fake_manager: FakeManager
) -> None:
    guest = opened(issued(api, session))
    base = f"/api/sessions/{session.pk}"
    bodies: dict[str, object] = {
        f"{base}/input": {"data": "x"},
        f"{base}/resize": {"cols": 80, "rows": 24},
        f"{base}/end": {},
        f"{base}/shares": {"hours": 1},
        "/api/sessions": {"command": "cat"},
    }
    for path, body in bodies.items():
        assert guest.post(path, body, content_type="application/json").status_code == 403
    assert fake_manager.calls == []
    assert fake_manager.launched == []


@pytest.mark.parametrize("path", ["/", "/history", "/admin/", "/admin/sessions_app/session/"])
def test_who_came_by_a_link_sees_no_other_page(api: Client, session: Session, path: str) -> None:
    guest = opened(issued(api, session))
    assert guest.get(path).status_code == 302


def test_a_link_ends_at_its_time_and_when_it_is_withdrawn(
    api: Client, session: Session, fake_manager: FakeManager
) -> None:
    first, second = issued(api, session, hours=2), issued(api, session)
    early, late = opened(first), opened(second)
    ShareLink.objects.filter(pk=first["id"]).update(expires_at=timezone.now())
    assert early.get(f"/sessions/{session.pk}").status_code == 302
    assert late.get(f"/sessions/{session.pk}").status_code == 200
    path = f"/api/sessions/{session.pk}/shares"
    assert [link["id"] for link in api.get(path).json()] == [second["id"]]
    assert api.delete(f"{path}/{second['id']}").status_code == 204
    assert api.delete(f"{path}/{second['id']}").status_code == 404
    assert late.get(f"/sessions/{session.pk}").status_code == 302
    key = late.session.session_key
    assert key is not None
    assert CookieCredential(key).examine() is None
    secret = second["url"].partition("#token=")[2]
    assert Client().post("/shared/link", {"token": secret}).status_code == 400


def test_a_link_can_be_opened_by_somebody_who_is_logged_in(
    api: Client, session: Session, bob: User
) -> None:
    member = opened(issued(api, session), browsing(bob))
    assert member.get(f"/sessions/{session.pk}").status_code == 200
    assert member.get("/").status_code == 200
    assert member.get("/api/sessions").json()[0]["access"] == "view"


def test_the_secret_is_told_once_and_stored_as_a_hash(api: Client, session: Session) -> None:
    link = issued(api, session)
    secret = link["url"].partition("#token=")[2]
    assert secret.startswith("hrs_")
    assert ShareLink.objects.get().token_hash == digest(secret)
    listed = api.get(f"/api/sessions/{session.pk}/shares")
    assert secret not in listed.content.decode()
    assert "url" not in listed.json()[0]


@pytest.mark.parametrize("hours", [0, -1, 721, 1.5, "2", None, True])
def test_the_time_of_a_link_is_bounded(api: Client, session: Session, hours: object) -> None:
    answer = api.post(
        f"/api/sessions/{session.pk}/shares", {"hours": hours}, content_type="application/json"
    )
    assert answer.status_code == 400
    assert answer.json()["fields"].keys() == {"hours"}


def test_links_cannot_be_guessed_forever(db: None) -> None:
    guest = Client()
    codes = [guest.post("/shared/link", {"token": f"hrs_{n}"}).status_code for n in range(25)]
    assert codes == [400] * 20 + [429] * 5


def test_an_expired_link_is_swept_away(alice: User, session: Session) -> None:
    ShareLink.issue(session.pk, alice.pk, timedelta(seconds=-1))
    ShareLink.issue(session.pk, alice.pk, timedelta(hours=1))
    assert ShareLink.objects.count() == 1


def test_links_go_with_their_session(alice: User, session: Session) -> None:
    ShareLink.issue(session.pk, alice.pk, timedelta(hours=1))
    Session.objects.all().delete()
    assert not ShareLink.objects.exists()


def test_the_page_of_a_link_says_what_it_is_for(client: Client, db: None) -> None:
    page = client.get("/shared").content.decode()
    assert "the whole link that you were given" in page
    assert 'data-link-url="/shared/link"' in page
    assert client.post("/shared").status_code == 405
    assert client.get("/shared/link").status_code == 405


def test_a_link_of_a_user_who_is_switched_off_shows_nothing(
    api: Client, session: Session, alice: User
) -> None:
    guest = opened(issued(api, session))
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert guest.get(f"/sessions/{session.pk}").status_code == 302
