"""How cost and lateness grow: the curves, and the scenarios that are their points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.scenario import Scenario
from bench.scenarios.fanout import Fanout
from bench.scenarios.late import LateViewer
from bench.scenarios.listing import Listing
from bench.scenarios.wall import Wall

VIEWERS = (1, 10, 100, 300, 1000)
SESSIONS = (10, 25, 50, 100)
RATES = (100, 300, 1000, 3000)
MEGABYTES = (1.0, 10.0, 50.0, 200.0)
STORED = (1000, 10_000, 100_000)


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One figure against one parameter; `line` is a value to compare with, and its name.

    Without `logarithmic` the figure's axis begins at 0. The parameter's is always logarithmic.
    """

    points: Sequence[Scenario]
    parameter: str
    across: str
    figure: str
    title: str
    logarithmic: bool = True
    line: tuple[float, str] | None = None

    def place_of(self, point: Scenario) -> float:
        """Return the value of the parameter."""
        return float(getattr(point, self.parameter))


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Panels that are read together, a picture."""

    title: str
    panels: Sequence[Panel]

    @property
    def points(self) -> list[Scenario]:
        """Return what is to be measured for it."""
        return list(dict.fromkeys(point for panel in self.panels for point in panel.points))


def _cost_and_lateness(
    points: Sequence[Fanout] | Sequence[Wall], parameter: str, across: str
) -> tuple[Panel, Panel]:
    seconds = points[0].seconds
    return (
        Panel(
            points=points, parameter=parameter, across=across, figure="server CPU",
            title=f"Server CPU (s) for {seconds:g} s of output", line=(seconds, "one core"),
        ),
        Panel(
            points=points, parameter=parameter, across=across, figure="p99",
            title="Lateness of lines, p99 (ms)",
        ),
    )  # fmt: skip


CURVES: dict[str, Curve] = {
    "viewers": Curve(
        title="One session of 1,000 lines/s, more and more viewers",
        panels=_cost_and_lateness(
            [Fanout(viewers=viewers) for viewers in VIEWERS], "viewers", "viewers"
        ),
    ),
    "sessions": Curve(
        title="More and more sessions of 20 lines/s, 10 viewers of everything",
        panels=_cost_and_lateness(
            [Wall(sessions=sessions) for sessions in SESSIONS], "sessions", "sessions"
        ),
    ),
    "rate": Curve(
        title="One session of more and more lines/s, 100 viewers",
        panels=_cost_and_lateness([Fanout(rate=rate) for rate in RATES], "rate", "lines/s"),
    ),
    "history": Curve(
        title="Longer and longer histories",
        panels=(
            Panel(
                points=[LateViewer(megabytes=megabytes) for megabytes in MEGABYTES],
                parameter="megabytes", across="MB of history", figure="right screen, p50",
                title="Late viewer: right screen, p50 (ms)", logarithmic=False,
                line=(50, "to be reached"),
            ),
            Panel(
                points=[Listing(stored=stored) for stored in STORED],
                parameter="stored", across="stored sessions", figure="p50",
                title="GET /api/sessions, p50 (ms)", logarithmic=False,
                line=(10, "to be reached"),
            ),
        ),
    ),
}  # fmt: skip

# Points that only curves need: no scenario measures them when no parameter is given.
BETWEEN = frozenset(
    point
    for curve in CURVES.values()
    for point in curve.points
    if point not in type(point).variants()
)


def points_of(names: Sequence[str]) -> list[Scenario]:
    """Return the points of these curves; one that is on several curves is there once."""
    return list(dict.fromkeys(point for name in names for point in CURVES[name].points))


def expected_seconds(scenario: Scenario) -> float:
    """Return about how long one run of a point takes with one server, its start included."""
    match scenario:
        case Fanout():
            return 3 + scenario.seconds
        case Wall():
            return 3 + scenario.seconds + scenario.sessions / 8
        case LateViewer():
            return 3 + scenario.megabytes / 30
        case Listing():
            return 12 + scenario.stored / 1000
    raise TypeError(f"{scenario.name} is on no curve")
