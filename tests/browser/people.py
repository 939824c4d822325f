"""Several users of one server, each with tokens for scripts and links to log in by."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, Page, expect

from tests.browser.visitor import Visitor
from tests.real_server import RealServer

LINKS_EACH = 12
_SET_UP = """
import json
from django.contrib.auth.models import Group, User
from sessions_app.credentials import ApiToken, LoginLink
found = {}
for name, role in {"alice": "operator", "bob": "operator", "vera": "viewer"}.items():
    user = User.objects.filter(username=name).first() or User.objects.create_user(name)
    user.groups.set([Group.objects.get(name=role)])
    links = [LoginLink.issue(user) for _ in range(%d)]
    found[name] = {"token": ApiToken.issue(user, "script"), "links": links}
print(json.dumps(found))
"""


@dataclass
class Person:
    """A user, by what lets it in."""

    token: str
    links: list[str]


@dataclass
class Watched(Visitor):
    """A visitor whose page is asked what it sends over the live stream."""

    page: Page
    server: RealServer
    sent: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        Visitor.__init__(self, self.page, self.server)
        self.page.on("websocket", lambda ws: ws.on("framesent", self._sent))

    def _sent(self, frame: str | bytes) -> None:
        self.sent.append(json.loads(frame))

    def steered(self) -> list[dict[str, Any]]:
        """What was sent that would change the session."""
        return [message for message in self.sent if message["type"] in ("input", "resize")]


def settle(server: RealServer) -> dict[str, Person]:
    """Make the users: alice and bob are operators, vera is a viewer."""
    told = server.manage("shell", "-v0", "-c", _SET_UP % LINKS_EACH)
    return {name: Person(**facts) for name, facts in json.loads(told.splitlines()[-1]).items()}


class Company:
    """The users, and the browsers that they have open."""

    def __init__(self, chromium: Browser, server: RealServer, people: dict[str, Person]) -> None:
        self.server, self.people = server, people
        self._chromium, self._stack = chromium, ExitStack()
        self._visitors: list[Watched] = []

    def browser(self, **options: Any) -> Watched:
        """A browser that nobody has logged in with."""
        context = self._chromium.new_context(
            **{"viewport": {"width": 1280, "height": 800}, **options}
        )
        self._stack.callback(context.close)
        return self._watch(context.new_page())

    def enter(self, name: str, **options: Any) -> Watched:
        """A browser in which this user has just logged in, at the home page."""
        visitor = self.browser(**options)
        secret = self.people[name].links.pop()
        visitor.page.goto(f"{self.server.public_url}/login#token={secret}")
        visitor.page.wait_for_url(f"{self.server.public_url}/")
        visitor.is_live()
        return visitor

    def tab(self, visitor: Watched) -> Watched:
        """Another tab of the same browser."""
        return self._watch(visitor.page.context.new_page())

    def _watch(self, page: Page) -> Watched:
        self._visitors.append(Watched(page, self.server))
        return self._visitors[-1]

    def script(self, name: str, method: str, path: str, body: object = None) -> Any:
        """Call the API with this user's token; the JSON of the answer."""
        headers = {"Authorization": f"Bearer {self.people[name].token}"}
        answer = self.server.answer(method, path, body, headers)
        assert answer.status < 300, answer.body
        return answer.json() if answer.body else None

    def session(self, owner: str, command: str, **launch: Any) -> str:
        """Start a session of this user; its id."""
        body = {"command": command, "workingDir": "/tmp", **launch}
        return str(self.script(owner, "POST", "/api/sessions", body)["id"])

    def leave(self) -> None:
        """Close every browser; none of them may have met an error."""
        self._stack.close()
        assert [error for visitor in self._visitors for error in visitor.errors] == []


def says(visitor: Visitor, sentence: str) -> None:
    """Wait until the page as a whole says this; rights are asked again every ten seconds."""
    expect(visitor.page.locator("#page-notice")).to_contain_text(sentence, timeout=15_000)


def gathering(
    chromium: Browser, server: RealServer, people: dict[str, Person]
) -> Iterator[Company]:
    """The company, for one test."""
    company = Company(chromium, server, people)
    yield company
    company.leave()
