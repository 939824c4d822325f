"""What the metrics say, of this process, of the log, and of managers elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from pytest_django import DjangoAssertNumQueries

from sessions_app import exposition, lifecycle
from sessions_app.events import Status
from sessions_app.exposition import Exposition, registry
from sessions_app.metrics import SILENT_SECONDS, counts, follow, loop_delay
from tests.cast import make_ended, make_session
from tests.observability.scraped import Scrape, read
from tests.observability.test_manager_stats import Stand

FROM_ELSEWHERE: dict[str, dict[str, Any]] = {
    "build-1": {
        "outputBytes": 4096,
        "archiveLagSeconds": 0.25,
        "archiveBacklogBytes": 10,
        "sessionsFollowed": 3,
        "sessionsStalled": 0,
        "slots": 8,
        "sessionsStarted": 5,
        "startFailures": 1,
        "sessionsCompleted": 2,
        "sessionsFailed": 1,
        "eventsLost": 7,
        "layerErrors": 9,
        "loopDelaySeconds": 0.002,
        SILENT_SECONDS: 1.5,
    },
    'build-2 "the old one"': {"outputBytes": 1, "somethingNew": 2, "slots": "many"},
}


def scrape(hosts: Mapping[str, Mapping[str, Any]] | None = None) -> Scrape:
    """Read what such a process tells."""
    made = CollectorRegistry(auto_describe=False)
    made.register(Exposition(lambda: hosts or {}))
    return read(generate_latest(made))


@pytest.mark.django_db
def test_figures_of_managers_elsewhere_have_the_name_of_their_host() -> None:
    found = scrape(FROM_ELSEWHERE)
    host = "build-1"
    assert found.value("harness_output_bytes_total", host=host) == 4096
    assert found.value("harness_archive_lag_seconds", host=host) == 0.25
    assert found.value("harness_archive_backlog_bytes", host=host) == 10
    assert found.value("harness_sessions_followed", host=host) == 3
    assert found.value("harness_slots", host=host) == 8
    assert found.value("harness_sessions_started_total", host=host) == 5
    assert found.value("harness_session_start_failures_total", host=host) == 1
    assert found.value("harness_sessions_ended_total", host=host, status="completed") == 2
    assert found.value("harness_sessions_ended_total", host=host, status="failed") == 1
    assert found.value("harness_events_lost_total", host=host) == 7
    assert found.value("harness_manager_layer_errors_total", host=host) == 9
    assert found.value("harness_manager_loop_delay_p99_seconds", host=host) == 0.002
    assert found.value("harness_manager_silent_seconds", host=host) == 1.5


@pytest.mark.django_db
def test_what_a_manager_of_another_version_tells_is_taken_as_far_as_it_is_known() -> None:
    found = scrape(FROM_ELSEWHERE)
    host = 'build-2 "the old one"'
    assert found.value("harness_output_bytes_total", host=host) == 1
    named = {name for name, samples in found.samples.items() for s in samples if host in str(s)}
    assert named == {"harness_output_bytes_total"}


@pytest.mark.django_db
def test_this_process_knows_its_own_manager_better_than_the_database() -> None:
    follow(Stand(backlog=5))
    counts.output_bytes = 50
    own = {settings.HARNESS_HOST_NAME: {"outputBytes": 40, SILENT_SECONDS: 3.0}}
    found = scrape({**FROM_ELSEWHERE, **own})
    name = settings.HARNESS_HOST_NAME
    assert found.value("harness_output_bytes_total", host=name) == 50
    assert found.value("harness_archive_backlog_bytes", host=name) == 5
    assert found.value("harness_manager_silent_seconds", host=name) == 0
    assert found.value("harness_output_bytes_total", host="build-1") == 4096


@pytest.mark.django_db
def test_a_process_without_a_manager_tells_of_the_others_only() -> None:
    assert "harness_output_bytes_total" not in scrape().samples
    (sample,) = scrape({"a": {"outputBytes": 3}}).samples["harness_output_bytes_total"]
    assert sample.labels == {"host": "a"}


def test_sessions_are_counted_by_host_and_status(alice: User) -> None:
    make_session(slot=None, status=Status.IDLE)
    make_session(slot=1)
    make_session(slot=2)
    make_session(slot=3, status=Status.WAITING_CHECKPOINT)
    make_ended(host="other")
    found = scrape()

    def of(host: str) -> dict[str, float]:
        return {s: found.value("harness_sessions", host=host, status=s) for s in Status}

    ours, other = of("test-host"), of("other")
    assert list(ours.values()) == [1, 2, 1, 0, 0]
    assert list(other.values()) == [0, 0, 0, 1, 0]
    assert len(found.samples["harness_sessions"]) == 2 * len(Status)


def test_a_host_without_sessions_is_there_with_none(db: None) -> None:
    found = scrape()
    assert {s.value for s in found.samples["harness_sessions"]} == {0}
    assert found.labels("harness_sessions") == {"host", "status"}


def test_who_asks_again_within_a_second_costs_no_query(
    alice: User,
    django_assert_num_queries: DjangoAssertNumQueries,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number in range(1, 30):
        make_session(slot=number, host=f"host-{number}")
    made = Exposition()
    monkeypatch.setattr(exposition, "REMEMBERED_SECONDS", 3600.0)
    with django_assert_num_queries(1):
        list(made.collect())
        list(made.collect())
    monkeypatch.setattr(exposition, "REMEMBERED_SECONDS", 0.0)
    with django_assert_num_queries(1):
        list(made.collect())


def test_a_database_that_does_not_answer_is_told_and_everything_else_as_well(db: None) -> None:
    counts.layer_errors = 4
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE sessions_app_session RENAME TO gone")
    found = scrape()
    assert found.value("harness_database_up") == 0
    assert "harness_sessions" not in found.samples
    assert found.value("harness_layer_errors_total") == 4


@pytest.mark.django_db
def test_a_database_that_answers_is_told_too() -> None:
    assert scrape().value("harness_database_up") == 1


@pytest.mark.django_db
def test_what_this_process_counts_is_told_without_a_label() -> None:
    counts.sent_bytes, counts.sent_messages, counts.gaps_healed = 900, 3, 2
    found = scrape()
    assert found.value("harness_sent_bytes_total") == 900
    assert found.value("harness_sent_messages_total") == 3
    assert found.value("harness_layer_gaps_total") == 2
    assert found.labels("harness_sent_bytes_total") == set()


@pytest.mark.django_db
def test_open_live_streams_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "consumers", {object(), object()})
    assert scrape().value("harness_live_streams") == 2


@pytest.mark.django_db
def test_the_delay_of_the_loop_is_a_histogram() -> None:
    before = scrape().value("harness_loop_delay_seconds_count")
    loop_delay.note(0.003)
    found = scrape()
    assert found.value("harness_loop_delay_seconds_count") == before + 1
    assert found.value("harness_loop_delay_seconds_bucket", le="+Inf") == before + 1
    assert found.families["harness_loop_delay_seconds"].type == "histogram"


@pytest.mark.django_db
def test_it_is_told_what_runs_here() -> None:
    (sample,) = scrape().samples["harness_build_info"]
    assert sample.labels == {"version": settings.VERSION, "role": "all", "host": "test-host"}


@pytest.mark.django_db
def test_every_metric_has_a_name_with_its_unit_and_a_sentence_that_explains_it() -> None:
    follow(Stand())
    for family in scrape(FROM_ELSEWHERE).families.values():
        assert family.name.startswith("harness_")
        assert re.fullmatch(r"[A-Z].*[a-z]\.", family.documentation), family.documentation
        units = ("_milliseconds", "_ms", "_kilobytes", "_mb", "_percent", "_minutes")
        assert not family.name.endswith(units)
        for sample in family.samples:
            assert (family.type == "counter") == sample.name.endswith("_total")


@pytest.mark.django_db
def test_the_library_tells_of_the_process_in_a_registry_of_our_own() -> None:
    found = read(generate_latest(registry()))
    assert found.value("process_resident_memory_bytes") > 1e6
    assert found.value("process_open_fds") > 0
    assert found.value("python_info") == 1
    assert "harness_build_info" in found.samples
    assert registry() is registry()
    assert "harness" not in generate_latest(REGISTRY).decode()


@pytest.mark.django_db
def test_openmetrics_says_the_same() -> None:
    follow(Stand())
    text = openmetrics.generate_latest(registry())  # type: ignore[no-untyped-call]
    found = read(text, openmetrics=True)
    assert found.value("harness_slots") == 7
    assert found.value("harness_output_bytes_total") == 0
