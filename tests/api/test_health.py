"""/health tells whether the server can do its work, to anybody."""

import pytest
from django.conf import settings
from django.db import OperationalError
from django.test import Client

from sessions_app import health
from sessions_app.exceptions import ManagerUnavailable
from tests.fake_manager import FakeManager


def test_a_server_that_works_says_so_without_a_login(
    client: Client, fake_manager: FakeManager
) -> None:
    fake_manager.recovery["adopted"] = ["one", "two"]
    answer = client.get("/health")
    assert answer.status_code == 200
    body = answer.json()
    assert body["status"] == "ok"
    assert body["version"] == settings.VERSION
    assert body["started"] == fake_manager.started_at
    assert body["recovery"]["adopted"] == 2


def test_the_head_is_enough(client: Client, fake_manager: FakeManager) -> None:
    assert client.head("/health").status_code == 200


def test_nothing_can_be_posted(client: Client, fake_manager: FakeManager) -> None:
    assert client.post("/health").status_code == 405


@pytest.mark.django_db
def test_a_server_without_its_manager_is_down(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody() -> None:
        raise ManagerUnavailable("The session manager is not running yet.")

    monkeypatch.setattr("sessions_app.session_verbs.get_manager", nobody)
    answer = client.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (503, "error")
    assert "not running" in answer.json()["reason"]
    assert "Retry-After" in answer


def test_a_server_that_cannot_write_its_log_is_down(
    client: Client, fake_manager: FakeManager
) -> None:
    fake_manager.archive_error = "disk full"
    answer = client.get("/health")
    assert answer.status_code == 503
    assert "disk full" in answer.json()["reason"]


def test_a_server_that_cannot_store_output_is_down(
    client: Client, fake_manager: FakeManager
) -> None:
    fake_manager.stalled_sessions = {"some-session": "No space left on device"}
    answer = client.get("/health")
    assert answer.status_code == 503
    assert "No space left on device" in answer.json()["reason"]
    assert "some-session" not in answer.content.decode()


def test_a_server_without_its_database_is_down(
    client: Client, fake_manager: FakeManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Down:
        def cursor(self) -> None:
            raise OperationalError("unable to open database file")

    monkeypatch.setattr(health, "connection", Down())
    answer = client.get("/health")
    assert answer.status_code == 503
    assert "unable to open" in answer.json()["reason"]
