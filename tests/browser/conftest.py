"""Real Chromium on a real server, logged in through a real one-time link."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from playwright.sync_api import Browser, Playwright, StorageState, sync_playwright

from tests.browser.visitor import Visitor
from tests.real_server import PROJECT, RealServer

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


@pytest.fixture(scope="package")
def running_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    server = RealServer(tmp_path_factory.mktemp("state"))
    collect = [sys.executable, "manage.py", "collectstatic", "--noinput", "-v0"]
    subprocess.run(collect, cwd=PROJECT, env=server.environment, check=True, timeout=60)
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
    with chromium.new_context() as context:
        Visitor(context.new_page(), running_server).log_in()
        return context.storage_state()


@pytest.fixture
def visit(chromium: Browser, server: RealServer, logged_in: StorageState) -> Iterator[Visit]:
    """Open another browser, logged in. At the end none of them may have met an error."""
    visitors: list[Visitor] = []
    with ExitStack() as stack:

        def open_one(**options: Any) -> Visitor:
            context = chromium.new_context(
                storage_state=logged_in,
                **{"viewport": {"width": 1280, "height": 800}, **options},
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
