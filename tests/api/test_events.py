"""GET events: every fact but output, in order, from where the reader is."""

import pytest
from django.test import Client

from sessions_app.event_log import append_event
from sessions_app.events import EventType
from sessions_app.models import Session
from tests.cast import make_session


@pytest.fixture
def session(db: None) -> Session:
    """A session that was resized three times."""
    session = make_session()
    for cols in (90, 91, 92):
        fields = {"cols": cols, "rows": 24}
        append_event(str(session.pk), EventType.RESIZED, offset=cols, fields=fields)
    return session


def test_events_are_read_in_order_with_their_fields(api: Client, session: Session) -> None:
    events = api.get(f"/api/sessions/{session.pk}/events").json()
    assert [(event["seq"], event["cols"], event["offset"]) for event in events] == [
        (1, 90, 90),
        (2, 91, 91),
        (3, 92, 92),
    ]
    assert {event["type"] for event in events} == {"session:resized"}
    assert {event["sessionId"] for event in events} == {str(session.pk)}


def test_a_reader_goes_on_after_what_it_knows(api: Client, session: Session) -> None:
    url = f"/api/sessions/{session.pk}/events"
    assert [event["seq"] for event in api.get(url, {"after": 1}).json()] == [2, 3]
    assert [event["seq"] for event in api.get(url, {"after": 1, "limit": 1}).json()] == [2]
    assert api.get(url, {"after": 3}).json() == []


@pytest.mark.parametrize(
    "query", [{"after": "-1"}, {"after": str(2**63)}, {"limit": "0"}, {"limit": "1e3"}]
)
def test_a_place_that_makes_no_sense_is_named(
    api: Client, session: Session, query: dict[str, str]
) -> None:
    answer = api.get(f"/api/sessions/{session.pk}/events", query)
    assert answer.status_code == 400
    assert answer.json()["fields"].keys() == query.keys()
