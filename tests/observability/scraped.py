"""What a scrape says, read by Prometheus's own parser."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as read_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.real_server import RealServer


@dataclass(frozen=True)
class Scrape:
    """The metrics of one scrape."""

    families: Mapping[str, Metric]
    samples: Mapping[str, list[Sample]] = field(default_factory=dict)

    def value(self, name: str, **labels: str) -> float:
        """The value of the one sample that has these labels, among others."""
        (found,) = [
            sample.value
            for sample in self.samples.get(name, [])
            if labels.items() <= sample.labels.items()
        ]
        return found

    def labels(self, name: str) -> set[str]:
        """The names of the labels that a metric has."""
        return {label for sample in self.samples[name] for label in sample.labels}


def _collected(families: Iterable[Metric]) -> Scrape:
    by_name = {family.name: family for family in families}
    samples: dict[str, list[Sample]] = {}
    for family in by_name.values():
        for sample in family.samples:
            samples.setdefault(sample.name, []).append(sample)
    return Scrape(by_name, samples)


def read(text: str | bytes, *, openmetrics: bool = False) -> Scrape:
    """Return what the answer of `/metrics` says."""
    text = text if isinstance(text, str) else text.decode()
    parse = read_openmetrics if openmetrics else text_string_to_metric_families
    return _collected(parse(text))


def scraper_of(server: RealServer) -> Callable[[], Scrape]:
    """Return what scrapes a real server, with a token that is good for nothing else."""
    token = server.manage("metricstoken").strip()

    def scrape() -> Scrape:
        answer = server.answer("GET", "/metrics", headers={"Authorization": f"Bearer {token}"})
        assert answer.status == 200, answer.body
        return read(answer.body)

    return scrape
