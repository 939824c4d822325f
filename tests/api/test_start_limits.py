"""What a caller is answered who starts too much."""

import json
from typing import Any

from django.test import Client

from sessions_app.start_limits import StartLimits
from tests.fake_manager import FakeManager


def start(api: Client) -> Any:
    return api.generic(
        "POST", "/api/sessions", json.dumps({"command": "cat", "queue": True}), "application/json"
    )


def test_too_many_sessions_are_a_conflict(api: Client, fake_manager: FakeManager) -> None:
    fake_manager.limits = StartLimits(sessions=1)
    assert start(api).status_code == 201
    refused = start(api)
    assert (refused.status_code, refused.json()["code"]) == (409, "too-many-sessions")
    assert "End one first" in refused.json()["error"]


def test_too_many_starts_are_told_when_to_come_again(
    api: Client, fake_manager: FakeManager
) -> None:
    fake_manager.limits = StartLimits(per_minute=1)
    assert start(api).status_code == 201
    refused = start(api)
    assert (refused.status_code, refused.json()["code"]) == (429, "too-many-starts")
    assert 55 <= int(refused["Retry-After"]) <= 60
