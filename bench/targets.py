"""What is to be reached, on two cores that are shared with the load."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bench.scenario import Scenario
from bench.scenarios.bulk import Bulk, BulkWithDeafViewer
from bench.scenarios.echo import BusyEcho, Echo
from bench.scenarios.fanout import Fanout
from bench.scenarios.late import LateViewer
from bench.scenarios.listing import Listing, Search
from bench.scenarios.memory import Memory
from bench.scenarios.page import HomePage
from bench.scenarios.restart import Restart
from bench.scenarios.start import Start
from bench.scenarios.wall import Wall


@dataclass(frozen=True)
class Target:
    """A bound for the median of a figure: the most, or with `at_least` the least.

    With `of_reference` it is a multiple of the reference's median, with `more_than` it comes on top
    of the median that the same server has in that scenario.
    """

    bound: float
    unit: str = ""
    at_least: bool = False
    of_reference: bool = False
    more_than: Scenario | None = None

    def __str__(self) -> str:
        sign = "≥" if self.at_least else "≤"
        if self.of_reference:
            return f"{sign} x {self.bound:.2f}"
        more = " more than without" if self.more_than else ""
        return f"{sign} {self.bound:,g} {self.unit}{more}"

    def is_missed_by(self, median: float, compared: float | None) -> bool:
        """Tell whether the median is beyond it; `compared` is the one that this is relative to.

        What cannot be compared is not missed.
        """
        if not (self.of_reference or self.more_than):
            limit = self.bound
        elif compared is None:
            return False
        else:
            limit = self.bound * compared if self.of_reference else self.bound + compared
        return median < limit if self.at_least else median > limit


def _no_more_than_reference(times: float = 1.0) -> Target:
    return Target(times, of_reference=True)


_SOON = {"p50": Target(8, "ms"), "p99": Target(20, "ms")}
_FREE_MEMORY = Target(150, "MB")
_RIGHT_SCREEN = {"right screen, p50": Target(50, "ms")}
_FAST_LIST = {"p50": Target(10, "ms"), "four clients": Target(200, "requests/s", at_least=True)}


def _bulk_rate(rate: float) -> dict[str, Target]:
    slowest = Target(rate, "MB/s", at_least=True)
    return {"to the slowest viewer": slowest, "server memory, peak": _FREE_MEMORY}


TARGETS: Mapping[Scenario, Mapping[str, Target]] = {
    Fanout(viewers=1): {**_SOON, "server CPU": _no_more_than_reference()},
    Fanout(viewers=10): {**_SOON, "server CPU": _no_more_than_reference()},
    Fanout(viewers=100): {**_SOON, "server CPU": _no_more_than_reference(0.4)},
    Fanout(viewers=1000): {
        "p99": _no_more_than_reference(),
        "server CPU": _no_more_than_reference(),
    },
    Echo(): {"p50": Target(3, "ms"), "p99": Target(15, "ms")},
    BusyEcho(): {"p99": Target(50, "ms")},
    Bulk(viewers=1): _bulk_rate(25),
    Bulk(viewers=10): _bulk_rate(22),
    Bulk(viewers=100): _bulk_rate(10),
    BulkWithDeafViewer(deaf=1): {
        "server memory, peak": Target(8, "MB", more_than=BulkWithDeafViewer(deaf=0)),
    },
    # One core for as long as the programs print.
    Wall(): {"p99": Target(60, "ms"), "server CPU": Target(Wall().seconds, "s")},
    LateViewer(megabytes=1.0): _RIGHT_SCREEN,
    LateViewer(megabytes=10.0): _RIGHT_SCREEN,
    LateViewer(megabytes=50.0): _RIGHT_SCREEN,
    LateViewer(megabytes=200.0): _RIGHT_SCREEN,
    Restart(): {
        "stopped: all screens right after": Target(3, "s"),
        "killed: all screens right after": Target(3, "s"),
    },
    Start(): {
        "first output, p50": Target(80, "ms"),
        "all, one after another": Target(8, "s"),
        "all at once": Target(8, "s"),
    },
    Listing(stored=1000): _FAST_LIST,
    Listing(stored=10_000): _FAST_LIST,
    Listing(stored=100_000): _FAST_LIST,
    Search(): {
        "the page, rare word, p50": Target(100, "ms"),
        "the page, common word, p50": Target(100, "ms"),
        "the API, rare word, p50": Target(100, "ms"),
    },
    Memory(): {
        "server, idle": Target(120, "MB"),
        "more per session": Target(1000, "kB"),
        "more per further viewer": Target(50, "kB"),
    },
    HomePage(): {
        "compressed": Target(500, "kB"),
        "live, all terminals drawn": Target(1000, "ms"),
        "frames": Target(60, "/s", at_least=True),
    },
}


def asked(scenario: Scenario) -> Scenario:
    """Return the scenario as it is asked whatever makes the load."""
    return replace(scenario, generators=1) if isinstance(scenario, Fanout) else scenario


def targets_of(scenario: Scenario) -> Mapping[str, Target]:
    """Return the targets by figure; none for parameters that none was set for."""
    return TARGETS.get(asked(scenario), {})
