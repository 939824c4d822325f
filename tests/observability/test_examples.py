"""The example dashboard, alerts and scrape configuration name only what a server really tells."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from promql_parser import AggregateExpr, BinaryExpr, Expr, VectorSelector

from tests.observability.scraped import Scrape, scraper_of
from tests.real_server import PROJECT, running

EXAMPLES = PROJECT / "docs/observability"
# What Prometheus adds to whatever it reads.
OF_PROMETHEUS = {"instance", "job"}
ITS_OWN = {"up"}
# What Grafana fills in.
GRAFANA = {"$__rate_interval": "5m", "$host": ".*"}


def dashboard() -> Any:
    return json.loads((EXAMPLES / "dashboard.json").read_text(encoding="utf-8"))


def panels() -> list[Any]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def alerts() -> list[Any]:
    read = yaml.safe_load((EXAMPLES / "alerts.yml").read_text(encoding="utf-8"))
    return [rule for group in read["groups"] for rule in group["rules"]]


def queries() -> dict[str, str]:
    """Return every query by where it stands."""
    found = {f"alert {rule['alert']}": rule["expr"] for rule in alerts()}
    for panel in panels():
        for target in panel["targets"]:
            found[f"panel {panel['id']}, {panel['title']}, {target['refId']}"] = target["expr"]
    for annotation in dashboard()["annotations"]["list"]:
        found[f"annotation {annotation['name']}"] = annotation["expr"]
    return found


def parsed(query: str) -> Expr:
    for variable, value in GRAFANA.items():
        query = query.replace(variable, value)
    assert "$" not in query
    return promql_parser.parse(query)


def parts(expr: Expr) -> list[Any]:
    found: list[Any] = []
    promql_parser.walk(expr, found.append)
    return found


def labels_named(part: Any) -> Iterator[str]:
    """Yield the labels that this part of a query groups or matches by."""
    if isinstance(part, AggregateExpr) and part.modifier:
        yield from part.modifier.labels
    if isinstance(part, BinaryExpr) and part.modifier:
        yield from part.modifier.matching.labels if part.modifier.matching else ()
        yield from part.modifier.group_labels or ()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scrape]:
    """What a real server tells that has just been started."""
    with running(tmp_path_factory.mktemp("examples") / "state") as server:
        yield scraper_of(server)()


def wrong(query: str, told: Scrape) -> list[str]:
    """Return what the query names that no server tells."""
    every_part = parts(parsed(query))
    selectors = [part for part in every_part if isinstance(part, VectorSelector)]
    labels: set[str] = set()
    found = [] if selectors else ["no metric at all"]
    for selector in selectors:
        name = str(selector.name)
        if name not in told.samples and name not in ITS_OWN:
            found.append(name)
            continue
        has = OF_PROMETHEUS | (told.labels(name) if name not in ITS_OWN else set())
        labels |= has
        for matcher in selector.matchers.matchers:
            values = {sample.labels.get(matcher.name) for sample in told.samples.get(name, [])}
            if matcher.name not in has:
                found.append(f"{name}{{{matcher.name}}}")
            elif matcher.name == "status" and not values & set(matcher.value.split("|")):
                found.append(f"{name}{{{matcher}}}")
    named = {label for part in every_part for label in labels_named(part)}
    return found + sorted(named - labels)


@pytest.mark.parametrize("place", queries())
def test_a_query_names_what_a_server_tells(told: Scrape, place: str) -> None:
    assert wrong(queries()[place], told) == []


@pytest.mark.parametrize(
    "query",
    [
        "harness_nothing",
        "sum(harness_sessions) + harness_nothing",
        'harness_sessions{state="idle"}',
        'harness_sessions{status="asleep"}',
        "sum by (state) (harness_sessions)",
        "harness_sessions / on (state) harness_slots",
        "vector(1)",
    ],
)
def test_a_query_that_names_something_else_would_be_found(told: Scrape, query: str) -> None:
    assert wrong(query, told) != []


def test_rates_are_taken_of_counters_and_of_nothing_else(told: Scrape) -> None:
    kinds = {sample: family.type for family in told.families.values() for sample in _names(family)}
    for place, query in queries().items():
        for part in parts(parsed(query)):
            if isinstance(part, promql_parser.Call) and part.func.name in ("rate", "increase"):
                (selected,) = [p for p in parts(part) if isinstance(p, VectorSelector)]
                assert kinds[str(selected.name)] in ("counter", "histogram"), place


def _names(family: Any) -> set[str]:
    return {sample.name for sample in family.samples}


def test_every_metric_of_ours_that_is_told_is_explained_on_the_page(told: Scrape) -> None:
    page = (PROJECT / "docs/observability.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"`(harness_\w+)", page))
    ours = {name for name in told.samples if name.startswith("harness_")}
    of_the_histogram = {f"harness_loop_delay_seconds_{part}" for part in ("bucket", "count", "sum")}
    assert explained - {"harness_loop_delay_seconds"} == ours - of_the_histogram


def test_every_alert_says_what_is_wrong_and_what_to_do(told: Scrape) -> None:
    rules = alerts()
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert set(rule["annotations"]) == {"summary", "description"}
        for sentence in rule["annotations"].values():
            assert sentence.endswith((".", "}}."))
            assert _labels_of(rule["expr"], told) >= set(re.findall(r"\$labels\.(\w+)", sentence))


def _labels_of(query: str, told: Scrape) -> set[str]:
    """Return the labels that the result of a query can have."""
    expr = parsed(query)
    grouped = [p for p in parts(expr) if isinstance(p, AggregateExpr)]
    if grouped:
        return set(grouped[0].modifier.labels) if grouped[0].modifier else set()
    names = [str(part.name) for part in parts(expr) if isinstance(part, VectorSelector)]
    return OF_PROMETHEUS.union(*(told.labels(name) for name in names if name not in ITS_OWN))


def test_panels_have_numbers_of_their_own_and_lie_beside_each_other() -> None:
    every = dashboard()["panels"]
    assert len({panel["id"] for panel in every}) == len(every)
    taken: set[tuple[int, int]] = set()
    for panel in every:
        place: Mapping[str, int] = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    assert all(panel["description"].endswith(".") for panel in panels())


def test_the_variable_of_the_dashboard_has_a_metric_and_a_label(told: Scrape) -> None:
    (host,) = [each for each in dashboard()["templating"]["list"] if each["name"] == "host"]
    match = re.fullmatch(r"label_values\((\w+), (\w+)\)", host["query"]["query"])
    assert match
    assert match[2] in told.labels(match[1])


def test_the_scrape_configuration_reads_the_rules_and_asks_with_a_token() -> None:
    read = yaml.safe_load((EXAMPLES / "prometheus.yml").read_text(encoding="utf-8"))
    assert [Path(EXAMPLES / name).exists() for name in read["rule_files"]] == [True]
    (job,) = read["scrape_configs"]
    assert job["job_name"] == "harness"
    # What is not said is Prometheus's default: http on the path /metrics, and Bearer.
    assert job.get("metrics_path", "/metrics") == "/metrics"
    assert set(job["authorization"]) == {"credentials_file"}
