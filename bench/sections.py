"""The places on a page that figures are written to, between two comments.

What stands elsewhere on the page is left as it is, and so is a place that nothing is written to.
"""

from __future__ import annotations

import re


def places(page: str) -> list[str]:
    """Return the names of all places, in their order."""
    return re.findall(r"^<!-- begin (.+) -->$", page, re.MULTILINE)


def place(name: str, content: str = "") -> str:
    """Return the lines of a place with this content."""
    inner = f"\n{content.strip()}\n\n" if content else ""
    return f"<!-- begin {name} -->\n{inner}<!-- end {name} -->\n"


def written(page: str, name: str, content: str) -> str:
    """Return the page with this content in a place; raises ValueError if it has no such place."""
    ends = re.escape(f"<!-- begin {name} -->"), re.escape(f"<!-- end {name} -->")
    found = re.findall(rf"^{ends[0]}\n.*?^{ends[1]}\n", page, re.MULTILINE | re.DOTALL)
    if len(found) != 1:
        raise ValueError(f"there is no place, or no single one, for {name}:\n\n{place(name)}")
    return page.replace(found[0], place(name, content))
