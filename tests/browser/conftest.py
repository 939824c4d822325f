"""Real Chromium on a real server, logged in through a real one-time link."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from playwright.sync_api import Browser, Playwright, StorageState, sync_playwright

from tests.browser.visitor import Visitor
from tests.deployment.conftest import ONE, SEVERAL, collect_static_files, several_processes
from tests.real_server import ON_POSTGRESQL, RealServer
from tests.site.processes import WholeSite

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

Visit = Callable[..., Visitor]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


# These end with this folder's last test: playwright's event loop must not run during others' tests.


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="package")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    path = shutil.which("chromium")
    browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
    yield browser
    browser.close()


# The second run looks at pages behind the proxy, of two web processes and a manager over TLS, where
# a module says `pytestmark = WHERE_IT_RUNS`; all others look at one process.
WHERE_IT_RUNS = pytest.mark.parametrize(
    "running_server", [SEVERAL if ON_POSTGRESQL else ONE], indirect=True, scope="package"
)


@pytest.fixture(scope="package")
def running_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealServer]:
    if getattr(request, "param", ONE) == SEVERAL:
        folder = tmp_path_factory.mktemp("arrangement")
        with several_processes(request, folder, first=WholeSite) as arrangement:
            yield arrangement.web
        return
    collect_static_files()
    server = RealServer(tmp_path_factory.mktemp("state"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def server(running_server: RealServer) -> Iterator[RealServer]:
    """The server, without sessions of an earlier test."""
    yield running_server
    if running_server.process is None:
        running_server.start()
    try:
        running_server.end_sessions()
    except HTTPError:  # one that was listed ended by itself meanwhile
        running_server.end_sessions()


@pytest.fixture(scope="package")
def logged_in(chromium: Browser, running_server: RealServer) -> StorageState:
    """What a browser keeps after it has opened a one-time link."""
    with chromium.new_context(**certainly(running_server)) as context:
        Visitor(context.new_page(), running_server).log_in()
        return context.storage_state()


def certainly(server: RealServer) -> dict[str, Any]:
    """What a browser is told of a server whose certificate nobody has signed but itself."""
    return {"ignore_https_errors": server.public_url.startswith("https:")}


@pytest.fixture
def visit(chromium: Browser, server: RealServer, logged_in: StorageState) -> Iterator[Visit]:
    """Open another browser, logged in. At the end none of them may have met an error."""
    visitors: list[Visitor] = []
    with ExitStack() as stack:

        def open_one(**options: Any) -> Visitor:
            context = chromium.new_context(
                storage_state=logged_in,
                **{"viewport": {"width": 1280, "height": 800}, **certainly(server), **options},
            )
            stack.callback(context.close)
            visitors.append(Visitor(context.new_page(), server))
            visitors[-1].go("/")
            return visitors[-1]

        yield open_one
    assert [error for visitor in visitors for error in visitor.errors] == []


@pytest.fixture
def start(server: RealServer, tmp_path: Path) -> Callable[..., str]:
    """Start a session from elsewhere, as a script would; its id."""

    def start_one(command: str, **launch: Any) -> str:
        body = {"command": command, "workingDir": str(tmp_path), **launch}
        return str(server.request("POST", "/api/sessions", body)["id"])

    return start_one
