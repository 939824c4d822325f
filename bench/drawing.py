"""Draws a picture of curves: `python -I drawing.py PICTURE.svg`, in the bench's own environment.

The standard input is JSON: a `title` and `panels` (bench.pictures). The same input makes the same
bytes. The picture has a background of its own, so that it can be read on light and dark pages.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

BACKGROUND, INK, QUIET, GRID = "#f7f8fa", "#24292f", "#626c78", "#dde2e8"
# Told apart by colour-blind eyes, and by their marks without any colour.
STYLES = {
    "daphne": ("#0b5cad", "o"),
    "uvicorn": ("#b3480c", "s"),
    "reference": ("#4d5661", "D"),
    "terminado": ("#8a3f9e", "^"),
}
WIDTH, HEIGHT = 8.6, 3.4  # inches
LEFT = 0.055  # of the width
LABEL_GAP = 11.0  # points between the middles of two labels
STEPS = (1, 2, 5)
MOST_TICKS = 10

mpl.rcParams.update({
    "svg.hashsalt": "bench",
    "svg.fonttype": "none",
    # What comes with matplotlib, so that the layout is the same everywhere; then what is as wide.
    "font.family": ["DejaVu Sans", "Verdana", "sans-serif"],
    "font.size": 8.5,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.facecolor": BACKGROUND,
    "axes.grid": True,
    "axes.labelcolor": QUIET,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "ytick.left": False,
})  # fmt: skip


def draw(picture: dict[str, Any], path: str) -> None:
    """Draw all panels, side by side."""
    panels = picture["panels"]
    figure = Figure(figsize=(WIDTH, HEIGHT), facecolor=BACKGROUND)
    figure.subplots_adjust(left=LEFT, right=0.895, top=0.77, bottom=0.145, wspace=0.42)
    figure.text(LEFT, 0.915, picture["title"], fontsize=10.5, fontweight="bold")
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        draw_panel(axes, panel)
    if any(not point["sound"] for panel in panels for point in points_of(panel)):
        note = "Hollow: not every run was complete and in order."
        figure.text(0.985, 0.915, note, fontsize=7.5, color=QUIET, ha="right")
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def points_of(panel: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Return the points of all servers."""
    return itertools.chain.from_iterable(each["points"] for each in panel["series"])


def draw_panel(axes: Axes, panel: dict[str, Any]) -> None:
    """Draw one figure of all servers against one parameter."""
    axes.set_title(panel["title"], loc="left", fontsize=8.5, color=INK, pad=9)
    axes.set_xlabel(panel["across"], labelpad=3)
    set_scales(axes, panel)
    if panel["line"]:
        draw_line(axes, *panel["line"])
    for series in reversed(panel["series"]):  # the first on top
        draw_series(axes, series)
    label_ends(axes, panel["series"])


def set_scales(axes: Axes, panel: dict[str, Any]) -> None:
    """Set both axes: ticks across where something was measured, upwards at 1, 2 and 5."""
    across = sorted({point["x"] for point in points_of(panel)})
    axes.set_xscale("log")
    axes.set_xlim(across[0] / 1.25, across[-1] * 1.25)
    axes.xaxis.set_major_locator(FixedLocator(across))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.grid(visible=False, axis="x")
    values = [point[end] for point in points_of(panel) for end in ("least", "most")]
    if panel["logarithmic"]:
        ticks = around(min(values), max(values))
        axes.set_yscale("log")
        axes.set_ylim(ticks[0], ticks[-1])
        axes.yaxis.set_major_locator(FixedLocator(ticks))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.set_ylim(0, max([*values, *(panel["line"] or ())[:1]]) * 1.15)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))


def around(least: float, most: float) -> list[float]:
    """Return 1, 2 and 5 of each decade, from below the least value to above the most.

    Where that is too many, the decades alone.
    """
    every = [step * 10.0**decade for decade in range(-4, 8) for step in STEPS]
    ticks = between(every, least, most)
    return ticks if len(ticks) <= MOST_TICKS else between(every[:: len(STEPS)], least, most)


def between(every: Sequence[float], least: float, most: float) -> list[float]:
    """Return what is between the two, and the next ones on both sides."""
    first = max((each for each in every if each < least), default=every[0])
    last = min((each for each in every if each > most), default=every[-1])
    return [each for each in every if first <= each <= last]


def draw_line(axes: Axes, value: float, name: str) -> None:
    """Draw a value to compare with, where it is in the picture."""
    if not axes.get_ylim()[0] <= value <= axes.get_ylim()[1]:
        return
    axes.axhline(value, color=QUIET, linewidth=0.8, dashes=(4, 3))
    axes.annotate(
        name, (0, value), xycoords=axes.get_yaxis_transform(), xytext=(2, -3),
        textcoords="offset points", va="top", fontsize=7.5, color=QUIET,
    )  # fmt: skip


def draw_series(axes: Axes, series: dict[str, Any]) -> None:
    """Draw one server: medians, spread as thin bars, hollow where a run had a fault."""
    colour, mark = STYLES.get(series["name"], (INK, "o"))
    points = series["points"]
    across, medians = ([point[name] for point in points] for name in ("x", "median"))
    below = [point["median"] - point["least"] for point in points]
    above = [point["most"] - point["median"] for point in points]
    axes.errorbar(
        across, medians, yerr=[below, above], color=colour, linewidth=1.6, elinewidth=0.9,
        capsize=0, zorder=2,
    )  # fmt: skip
    for point in points:
        inside = colour if point["sound"] else BACKGROUND
        axes.plot(
            point["x"], point["median"], mark, color=colour, markersize=4.6,
            markerfacecolor=inside, markeredgewidth=1.1, zorder=3, clip_on=False,
        )  # fmt: skip


def label_ends(axes: Axes, shown: Sequence[dict[str, Any]]) -> None:
    """Name each server where its curve ends; names that would touch are moved apart."""
    ends = {each["name"]: each["points"][-1] for each in shown}
    heights = {
        name: axes.transData.transform((end["x"], end["median"]))[1] * 72 / axes.figure.dpi
        for name, end in ends.items()
    }
    for names in by_place(ends):
        for name, height in apart({each: heights[each] for each in names}).items():
            end = ends[name]
            axes.annotate(
                name, (end["x"], end["median"]), xytext=(8, height - heights[name]),
                textcoords="offset points", va="center", fontsize=8.5,
                color=STYLES.get(name, (INK, ""))[0], annotation_clip=False,
            )  # fmt: skip


def by_place(ends: dict[str, dict[str, Any]]) -> Iterable[list[str]]:
    """Return the names of curves that end at the same place across, together."""
    places = sorted({end["x"] for end in ends.values()})
    return [[name for name, end in ends.items() if end["x"] == place] for place in places]


def apart(heights: dict[str, float]) -> dict[str, float]:
    """Return heights in the same order with a gap between them, none moved more than needed."""
    names = sorted(heights, key=lambda name: heights[name])
    groups: list[list[str]] = []
    for name in names:
        groups.append([name])
        while len(groups) > 1 and bottom(groups[-1], heights) < top(groups[-2], heights):
            groups[-2:] = [groups[-2] + groups[-1]]
    return {
        name: middle(group, heights) + (place - (len(group) - 1) / 2) * LABEL_GAP
        for group in groups
        for place, name in enumerate(group)
    }


def middle(group: Sequence[str], heights: dict[str, float]) -> float:
    """Return where the middle of a group of labels is."""
    return sum(heights[name] for name in group) / len(group)


def top(group: Sequence[str], heights: dict[str, float]) -> float:
    """Return where a group of labels ends."""
    return middle(group, heights) + len(group) * LABEL_GAP / 2


def bottom(group: Sequence[str], heights: dict[str, float]) -> float:
    """Return where a group of labels begins."""
    return middle(group, heights) - len(group) * LABEL_GAP / 2


if __name__ == "__main__":
    draw(json.load(sys.stdin), sys.argv[1])
