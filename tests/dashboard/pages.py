"""Reading rendered pages as a reader does: by element, with the text in it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Protocol

VOID = frozenset({"link", "meta", "input", "img", "br", "hr", "use"})


@dataclass
class Element:
    """An element with its attributes and what is inside it."""

    tag: str
    attributes: dict[str, str]
    parts: list[Element | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The text inside, white space made single."""
        pieces = [part if isinstance(part, str) else part.text for part in self.parts]
        return " ".join(" ".join(pieces).split())

    def find_all(self, tag: str = "", **attributes: str) -> list[Element]:
        """Every element inside with this tag and these attributes (`_` stands for `-`).

        What is inside a `template` is not part of the page.
        """
        wanted = {name.replace("_", "-"): value for name, value in attributes.items()}
        found: list[Element] = []
        for part in self.parts:
            if isinstance(part, str) or part.tag == "template":
                continue
            if tag in ("", part.tag) and wanted.items() <= part.attributes.items():
                found.append(part)
            found.extend(part.find_all(tag, **attributes))
        return found

    def find(self, tag: str = "", **attributes: str) -> Element:
        """The only such element."""
        (found,) = self.find_all(tag, **attributes)
        return found

    @property
    def is_hidden(self) -> bool:
        """Whether the element is marked as not shown."""
        return "hidden" in self.attributes


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Element("", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].parts.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
            self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].parts.append(data)


class Answer(Protocol):
    """What a view or the test client answers."""

    @property
    def content(self) -> bytes:
        """The body."""


def read(response: Answer) -> Element:
    """Parse a page; every element must be closed where it was opened."""
    builder = _Builder()
    builder.feed(re.sub(r"(<(?:path|circle|rect)[^>]*)/>", "", response.content.decode()))
    assert builder.open == [builder.root]
    return builder.root
