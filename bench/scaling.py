"""`python -m bench.scaling`: what hosts and viewers need, calculated from what was measured.

Writes its tables into docs/scaling.md. Nothing is measured here: every number that goes in stands
in bench/scaling_inputs.py and says where it is from, and bench/scaling_model.py has the formulas.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import sections
from bench.figures import markdown
from bench.machine import PROJECT
from bench.scaling_inputs import ASSUMPTION, INPUTS, LOADS, Input, Load
from bench.scaling_model import PARTS, Needs, hosts_until_full

PAGE = PROJECT / "docs" / "scaling.md"
HOSTS = (10, 100, 1000)


def number(value: float, digits: int = 3) -> str:
    """Write a number as people say it: so many digits that count, and thousands apart."""
    if math.isinf(value):
        return "**no number is enough**"
    if value == round(value):
        return f"{value:,.0f}"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{places}f}"


def about(value: float) -> str:
    """Write what was calculated: two digits are more than the inputs are worth."""
    if value < 100 or math.isinf(value):
        return number(value, 2)
    zeros = math.floor(math.log10(value)) - 1
    return number(round(value, -zeros))


def inputs_table(inputs: Sequence[Input] = INPUTS) -> str:
    """Return everything that goes in, assumptions last and marked."""
    ordered = sorted(inputs, key=lambda each: each.source == ASSUMPTION)
    rows = [
        [
            each.what,
            f"{number(each.value)} {each.unit}".strip(),
            f"**{each.source}**" if each.source == ASSUMPTION else each.source,
        ]
        for each in ordered
    ]
    return markdown(["what", "how much", "from"], rows)


ROWS: tuple[tuple[str, Callable[[Needs], str]], ...] = (
    ("sessions", lambda needs: number(needs.sessions)),
    ("of these print", lambda needs: number(needs.printing)),
    ("pieces of output", lambda needs: f"{about(needs.pieces)} /s"),
    ("Redis: messages in", lambda needs: f"{about(needs.redis_in)} /s"),
    ("Redis: messages out", lambda needs: f"{about(needs.redis_out)} /s"),
    ("Redis: in", lambda needs: f"{about(needs.redis_bytes[0] / 1e6)} MB/s"),
    ("Redis: out", lambda needs: f"{about(needs.redis_bytes[1] / 1e6)} MB/s"),
    ("Redis: CPU", lambda needs: f"{about(needs.redis_cores)} cores"),
    ("PostgreSQL: writes", lambda needs: f"{about(needs.writes)} transactions/s"),
    ("PostgreSQL: output stored", lambda needs: f"{about(needs.stored_bytes / 1e6)} MB/s"),
    ("PostgreSQL: heads read", lambda needs: f"{about(needs.heads_read)} rows/s"),
    ("PostgreSQL: other questions", lambda needs: f"{about(needs.questions)} /s"),
    ("PostgreSQL: CPU", lambda needs: f"{about(needs.database_cores)} cores"),
    ("PostgreSQL: connections", lambda needs: about(needs.connections)),
    ("web processes", lambda needs: number(needs.web_processes or math.inf)),
    ("each of them: CPU", lambda needs: f"{about(needs.web_cores(needs.counted_webs))} cores"),
    ("each of them: memory", lambda needs: f"{about(needs.web_megabytes)} MB"),
    ("each of them: sessions watched", lambda needs: about(needs.watched(needs.counted_webs))),
    ("each manager: CPU", lambda needs: f"{about(needs.manager_cores)} cores"),
)


def needs_table(load: Load, hosts: Sequence[int] = HOSTS) -> str:
    """Return what so many hosts need; what is full is marked."""
    columns = [Needs(count, load) for count in hosts]
    head = ["", *(f"{count:,} hosts" for count in hosts)]
    rows = [[name, *(cell(needs) for needs in columns)] for name, cell in ROWS]
    full = ["; ".join(f"**{name}**" for name in full_parts(needs)) for needs in columns]
    return markdown(head, [*rows, ["full", *(each or "nothing" for each in full)]])


def full_parts(needs: Needs) -> list[str]:
    """Return the names of the parts that are full."""
    return [part.name for part in PARTS if part.used(needs) >= 1]


def limits_table() -> str:
    """Return with how many hosts each part is full, the first one first."""
    found = {part.name: [hosts_until_full(part, load) for load in LOADS] for part in PARTS}
    ordered = sorted(found, key=lambda name: min(each or math.inf for each in found[name]))
    rows = [[name, *(_hosts(each) for each in found[name])] for name in ordered]
    return markdown(["", *(f"{load.name} load" for load in LOADS)], rows)


def _hosts(count: int | None) -> str:
    if count is None:
        return "never"
    return "any number" if count == 1 else f"{count:,} hosts"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the tables; raises SystemExit with advice if the page is not as expected."""
    parser = argparse.ArgumentParser(prog="python -m bench.scaling", description=__doc__)
    parser.add_argument("--page", type=Path, default=PAGE, help=f"default {PAGE}")
    options = parser.parse_args(arguments)
    page = options.page.read_text(encoding="utf-8")
    try:
        for name, content in tables().items():
            page = sections.written(page, name, content)
    except ValueError as error:
        raise SystemExit(f"On {options.page} {error}") from error
    options.page.write_text(page, encoding="utf-8")
    return 0


def tables() -> dict[str, str]:
    """Return every table of the page, by its place."""
    return {
        "inputs": inputs_table(),
        **{f"needs: {load.name}": needs_table(load) for load in LOADS},
        "limits": limits_table(),
    }


if __name__ == "__main__":
    sys.exit(main())
