"""How answers become JSON: as the framework writes them, only faster."""

import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from rest_framework.renderers import JSONRenderer

from sessions_app.api.rendering import FastJSONRenderer
from tests.cast import make_ended


@pytest.mark.parametrize(
    "data",
    [
        None,
        {"text": 'ä "quoted" \\ \x1b[0m \u0000 🎉', "none": None, "yes": True, "number": 1.5},
        {"moment": datetime(2026, 1, 31, 23, 59, 59, 123456, tzinfo=UTC), "day": date(2026, 1, 31)},
        {"id": uuid.UUID(int=7), "price": Decimal("1.10"), 3: "a number as a name"},
        [{"nested": [(), {"deeper": {}}]}, 2**63],
    ],
)
def test_it_writes_what_the_framework_writes(data: Any) -> None:
    for media_type in ("application/json", "application/json; indent=4"):
        written = FastJSONRenderer().render(data, media_type)
        assert written == JSONRenderer().render(data, media_type)


def test_a_client_may_ask_for_indented_json(api: Client) -> None:
    make_ended(name="Ä")
    answer = api.get("/api/sessions", headers={"Accept": "application/json; indent=2"})
    assert '\n    "name": "Ä",' in answer.content.decode()
    assert answer.json() == api.get("/api/sessions").json()
