"""What `/metrics` tells, as Prometheus reads it (https://prometheus.io/docs/instrumenting/).

Two kinds: what this process measures of itself, without a label that says which process it is,
for Prometheus adds that; and what is the same wherever it is asked, the sessions in the log and the
figures of each host's manager, with the label `host`.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from django.conf import settings
from django.db import Error
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from sessions_app import lifecycle
from sessions_app.events import Status
from sessions_app.hosts import all_hosts
from sessions_app.metrics import FIGURES, SILENT_SECONDS, Figure, counts, loop_delay, stats
from sessions_app.models import Session

# Several who ask at once, and who asks again and again, cost one query a second.
REMEMBERED_SECONDS = 1.0

Stats = Mapping[str, Any]
Hosts = Callable[[], Mapping[str, Stats]]
"""Returns the last stats of each host (see sessions_app.metrics.stats), with SILENT_SECONDS added:
how long ago they came. May ask the database."""


def manager_families(hosts: Mapping[str, Stats]) -> Iterator[Metric]:
    """Return the metrics of these hosts' managers, with the label `host`.

    What a manager of another version does not tell is left out, and what it tells besides as well.
    """
    families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
    for figure in FIGURES:
        family = families.setdefault(figure.name, _family_of(figure))
        for host, told in sorted(hosts.items()):
            value = told.get(figure.key)
            if isinstance(value, int | float):
                family.add_metric([host, *figure.labels.values()], value)
    yield from families.values()


def _family_of(figure: Figure) -> CounterMetricFamily | GaugeMetricFamily:
    kind = CounterMetricFamily if figure.grows else GaugeMetricFamily
    return kind(figure.name, figure.help, labels=["host", *figure.labels])


class Exposition(Collector):
    """The metrics of the harness; those of Python and the process are the library's own."""

    def __init__(self, hosts: Hosts = dict) -> None:
        self._hosts = hosts
        self._lock = threading.Lock()
        self._remembered: tuple[dict[tuple[str, str], int], Mapping[str, Stats]] | None = None
        self._asked_at = -REMEMBERED_SECONDS

    def collect(self) -> Iterator[Metric]:
        """Yield them; what only the database knows is left out while that does not answer."""
        yield _build()
        yield from _process_families()
        known = self._from_database()
        yield GaugeMetricFamily(
            "harness_database_up", "Whether the database answers.", int(known is not None)
        )
        sessions, hosts = known or ({}, {})
        if known is not None:
            yield _sessions_family(sessions)
        if own := stats():
            hosts = {**hosts, settings.HARNESS_HOST_NAME: {**own, SILENT_SECONDS: 0}}
        yield from manager_families(hosts)

    def _from_database(self) -> tuple[dict[tuple[str, str], int], Mapping[str, Stats]] | None:
        with self._lock:
            if time.monotonic() - self._asked_at >= REMEMBERED_SECONDS:
                try:
                    self._remembered = Session.objects.counted(), self._hosts()
                except Error:
                    self._remembered = None
                self._asked_at = time.monotonic()
            return self._remembered


def _build() -> Metric:
    build = InfoMetricFamily("harness_build", "What runs here.")
    facts = {
        "version": settings.VERSION,
        "role": settings.HARNESS_ROLE,
        "host": settings.HARNESS_HOST_NAME,
    }
    build.add_metric([], facts)
    return build


def _process_families() -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "harness_live_streams", "Live streams that are open.", len(lifecycle.consumers)
    )
    for name, text, value in (
        ("sent_messages", "Messages sent to live streams.", counts.sent_messages),
        ("sent_bytes", "Bytes sent to live streams, as frames.", counts.sent_bytes),
        ("layer_errors", "Errors of the channel layer.", counts.layer_errors),
        (
            "layer_gaps",
            "Times that the log had more of a session than the channel layer had told.",
            counts.gaps_healed,
        ),
    ):
        yield CounterMetricFamily(f"harness_{name}_total", text, value)
    yield HistogramMetricFamily(
        "harness_loop_delay_seconds",
        "How late the event loop was, looked at four times a second.",
        buckets=[(_bound(bound), number) for bound, number in loop_delay.buckets()],
        sum_value=loop_delay.total,
    )


def _bound(bound: float) -> str:
    return "+Inf" if bound == float("inf") else str(bound)


def _sessions_family(sessions: Mapping[tuple[str, str], int]) -> Metric:
    """Return a sample for each status on each host that has ever had a session, and on this one."""
    family = GaugeMetricFamily(
        "harness_sessions", "Sessions in the log, by where they stand.", labels=["host", "status"]
    )
    for host in sorted({settings.HARNESS_HOST_NAME, *(host for host, _ in sessions)}):
        for status in Status:
            family.add_metric([host, status], sessions.get((host, status), 0))
    return family


@cache
def registry() -> CollectorRegistry:
    """Return the process's registry."""
    made = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=made)
    PlatformCollector(registry=made)
    GCCollector(registry=made)
    made.register(Exposition(_reported))
    return made


def _reported() -> Mapping[str, Stats]:
    """Return what the managers of all hosts have said of themselves last."""
    return {host.name: {**host.stats, SILENT_SECONDS: host.silent_seconds} for host in all_hosts()}
