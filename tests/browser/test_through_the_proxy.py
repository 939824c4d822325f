"""The pages behind the proxy of the deployment files, over TLS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.visitor import Visitor
from tests.deployment.conftest import several_processes
from tests.real_server import RealServer


@pytest.fixture
def web(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RealServer]:
    with several_processes(request, tmp_path) as arrangement:
        yield arrangement.web


def test_a_link_lets_in_and_what_is_typed_is_shown(chromium: Browser, web: RealServer) -> None:
    session = web.launch("sh", "-c", "echo ready; cat")
    # Nobody has signed its certificate but itself.
    with chromium.new_context(ignore_https_errors=True) as context:
        visitor = Visitor(context.new_page(), web)
        visitor.log_in()
        visitor.open(session)
        visitor.sees("ready")
        visitor.page.locator("#terminal").click()
        visitor.type("through the proxy")
        visitor.press("Enter")
        visitor.awaits(
            lambda: visitor.rows().count("through the proxy") == 2, "what was typed, twice"
        )
    assert visitor.errors == []
