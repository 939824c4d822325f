"""What a page says while the disk is full."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.browser.visitor import Visitor
from tests.real_server import RealServer, running
from tests.small_disk import full, small_disk

PRINTER = "while :; do echo line; sleep 0.01; done"


def test_a_full_disk_is_said_on_the_page_for_as_long_as_it_is_full(
    chromium: Browser, running_server: RealServer, tmp_path: Path
) -> None:
    with small_disk(tmp_path) as disk, running(disk / "state") as server:
        session_id = server.launch("sh", "-c", PRINTER, name="Printer")
        with chromium.new_context() as context:
            home, page = (Visitor(context.new_page(), server) for _ in range(2))
            home.log_in()
            page.open(session_id)
            said = page.page.locator("#stall-line")
            card = home.page.locator(".card .card-stalled")
            expect(said).to_be_hidden()
            with full(disk):
                for place in (said, card):
                    expect(place).to_contain_text("No space left on device", timeout=10_000)
            for place in (said, card):
                expect(place).to_be_hidden(timeout=10_000)
            assert home.errors + page.errors == []
