"""GET /api/sessions: order, filters and pages that hold still while sessions start and end."""

from datetime import timedelta
from itertools import chain
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from sessions_app.api.pagination import decode, encode
from sessions_app.events import Status
from sessions_app.models import Session
from sessions_app.session_lists import Place
from tests.cast import make_ended, make_session


def listed(client: Client, **query: Any) -> list[str]:
    answer = client.get("/api/sessions", query)
    assert answer.status_code == 200, answer.content
    return [session["id"] for session in answer.json()]


def ids(*sessions: Session) -> list[str]:
    return [str(session.pk) for session in sessions]


def test_no_sessions_are_an_empty_array(api: Client) -> None:
    answer = api.get("/api/sessions")
    assert answer.json() == []
    assert "Link" not in answer


def test_active_ones_come_first_then_the_newest(api: Client) -> None:
    now = timezone.now()
    old = make_session(slot=1, created_at=now - timedelta(hours=3))
    ended = make_ended(created_at=now - timedelta(hours=2))
    newer_ended = make_ended(created_at=now - timedelta(hours=1))
    queued = make_session(slot=None, status=Status.IDLE, started_at=None, created_at=now)
    assert listed(api) == ids(queued, old, newer_ended, ended)


def test_filters_narrow_the_list(api: Client) -> None:
    running = make_session(working_dir="/srv/one", name="Deploy the shop")
    ended = make_ended(working_dir="/srv/two", host="other")
    assert listed(api, status="running") == ids(running)
    assert listed(api, status="completed,failed") == ids(ended)
    assert listed(api, workingDir="/srv/two") == ids(ended)
    assert listed(api, host="other") == ids(ended)
    assert listed(api, search="SHOP") == ids(running)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"status": "asleep"}, "status"),
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"limit": "9" * 30}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"search": "a\0b"}, "search"),
        ({"workingDir": "\0"}, "workingDir"),
        ({"cursor": "AAAA"}, "cursor"),
        ({"cursor": "\u00e9"}, "cursor"),
    ],
)
def test_a_filter_that_makes_no_sense_is_named(
    api: Client, query: dict[str, str], field: str
) -> None:
    answer = api.get("/api/sessions", query)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert field in answer.json()["fields"]


def pages(client: Client, url: str) -> Any:
    """Follow the Link headers and yield the ids of each page."""
    while url:
        answer = client.get(url)
        yield [session["id"] for session in answer.json()]
        url = answer.get("Link", "").partition(">")[0].removeprefix("<http://testserver")


def test_pages_together_are_the_list(api: Client) -> None:
    moment = timezone.now()
    for number in range(7):
        # Some were created in the same moment.
        make_ended(created_at=moment - timedelta(hours=number // 3))
    make_session()
    found = list(pages(api, "/api/sessions?limit=3&host=test-host"))
    assert [len(page) for page in found] == [3, 3, 2]
    assert list(chain(*found)) == listed(api)


def test_a_session_that_ends_between_two_pages_is_seen_once(api: Client) -> None:
    sessions = [make_session(slot=number) for number in range(1, 5)]
    found = pages(api, "/api/sessions?limit=2")
    first = next(found)
    Session.objects.filter(pk__in=[sessions[3].pk, sessions[0].pk]).update(
        status=Status.COMPLETED, ended_at=timezone.now()
    )
    make_session(slot=9)
    assert first + list(chain(*found)) == ids(*reversed(sessions))


def test_a_cursor_survives_its_way_through_the_client() -> None:
    session = Session()
    place = Place(timezone.now(), 1, timezone.now(), session.pk)
    assert decode(encode(place)) == place


def test_the_number_of_queries_does_not_grow_with_the_list(
    api: Client, alice: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(20):
        make_ended(owner=alice)
    api.get("/api/sessions")  # its first use in a minute is noted with the token
    # The token, its user's rights (2), and what is active, one's own and the team's.
    with django_assert_max_num_queries(6):
        assert {session["owner"] for session in api.get("/api/sessions").json()} == {"alice"}


def test_projects_group_sessions_by_folder(api: Client) -> None:
    old = make_ended(working_dir="/srv/old", created_at=timezone.now() - timedelta(days=1))
    first = make_session(slot=1, working_dir="/srv/new")
    second = make_session(slot=2, working_dir="/srv/new")
    projects = api.get("/api/projects").json()
    assert [project["workingDir"] for project in projects] == ["/srv/new", "/srv/old"]
    assert [s["id"] for s in projects[0]["sessions"]] == ids(second, first)
    assert [s["id"] for s in projects[1]["sessions"]] == ids(old)
