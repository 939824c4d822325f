"""Finding, ending, starting wrongly, and small screens."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import WHERE_IT_RUNS, Visit, certainly
from tests.browser.visitor import Visitor
from tests.real_server import ON_POSTGRESQL, RealServer

pytestmark = WHERE_IT_RUNS

# With as much in the header as there ever is.
WIDTH_IN_TROUBLE = """() => {
  document.getElementById("connection").dataset.state = "lost";
  document.getElementById("connection-text").textContent = "Reconnecting in 15 s";
  document.getElementById("waiting-pill").hidden = false;
  document.getElementById("waiting-count").textContent = "12";
  return document.documentElement.scrollWidth;
}"""


def test_a_session_is_ended_after_one_question_and_found_in_the_history(
    visit: Visit, start: Callable[..., str], server: RealServer
) -> None:
    visitor = visit()
    session = start("sleep 1000", name="Sleeper of the browser test")
    visitor.open_without_output(session)
    visitor.page.locator("#end").click()
    visitor.page.get_by_role("button", name="Cancel").click()
    assert server.session(session)["endedAt"] is None
    visitor.page.locator("#end").click()
    visitor.page.get_by_role("button", name="End session").click()
    expect(visitor.page.locator("#end-line")).to_be_visible()
    visitor.press("/")
    visitor.page.wait_for_url("**/history*")
    visitor.type("sleeper of\n")
    row = visitor.page.locator("#history-list tr")
    expect(row).to_have_count(1)
    row.get_by_role("link").click()
    expect(visitor.page).to_have_url(re.compile(session))


def test_what_is_wrong_is_said_at_its_field(visit: Visit, tmp_path: Path) -> None:
    visitor = visit()
    visitor.press("n")
    visitor.page.get_by_label("Command", exact=True).fill("no-such-program-anywhere")
    visitor.page.get_by_label("Folder", exact=True).fill(str(tmp_path / "missing"))
    visitor.press("Enter")
    expect(visitor.page.locator("#start-dialog .field-error:visible").first).to_be_visible()
    expect(visitor.page.locator('#start-dialog [aria-invalid="true"]').first).to_be_focused()


def test_a_folder_is_completed_from_the_keyboard(visit: Visit, tmp_path: Path) -> None:
    (tmp_path / "project-one").mkdir()
    (tmp_path / "project-two").mkdir()
    visitor = visit()
    visitor.press("n")
    field = visitor.page.get_by_label("Folder", exact=True)
    field.fill("")
    field.press_sequentially(str(tmp_path / "proj"))
    options = visitor.page.locator("#start-folders").get_by_role("option")
    expect(options).to_have_count(2)
    visitor.press("ArrowDown", "ArrowDown", "Enter")
    expect(field).to_have_value(f"{tmp_path / 'project-two'}/")
    expect(visitor.page.locator("#start-dialog")).to_be_visible()


def test_no_folder_is_offered_that_does_not_go_on_with_what_is_typed(
    visit: Visit, tmp_path: Path
) -> None:
    for name in ("project-one", "project-two"):
        (tmp_path / name).mkdir()
    visitor = visit()
    visitor.press("n")
    field = visitor.page.get_by_label("Folder", exact=True)
    field.fill(str(tmp_path / "proj"))
    options = visitor.page.locator("#start-folders").get_by_role("option")
    expect(options).to_have_count(2)
    visitor.page.route("**/api/directories*", lambda route: None)  # which is never answered
    field.press_sequentially("ect-t")
    expect(options).to_have_count(1)
    visitor.press("Tab")
    expect(field).to_have_value(f"{tmp_path / 'project-two'}/")


def test_a_full_house_is_said_and_can_be_waited_for(
    visit: Visit, start: Callable[..., str]
) -> None:
    for _ in range(4):
        start("cat")
    visitor = visit()
    visitor.press("n")
    visitor.page.get_by_label("Command", exact=True).fill("cat")
    visitor.press("Enter")
    expect(visitor.page.locator("#start-error")).to_contain_text("slot")
    visitor.page.get_by_label("Wait for a free slot").check()
    visitor.page.locator("#start-submit").click()
    visitor.page.wait_for_url("**/sessions/*")
    expect(visitor.page.locator("#queued-line")).to_be_visible()
    visitor.page.locator("#end").click()
    visitor.page.get_by_role("button", name="Take out").click()
    expect(visitor.page.locator("#end-line")).to_be_visible()


def test_the_token_of_a_login_link_leaves_the_address_bar(visit: Visit, server: RealServer) -> None:
    visitor = visit()
    visitor.page.context.clear_cookies()
    visitor.page.goto(f"{server.public_url}/login#token=used-up")
    expect(visitor.page.locator("#login-state")).to_contain_text("This link is used up")
    expect(visitor.page).to_have_url(f"{server.public_url}/login")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_colours_follow_the_system_and_can_be_chosen(visit: Visit, scheme: str) -> None:
    visitor = visit(color_scheme=scheme)
    ground = "getComputedStyle(document.body).backgroundColor"
    automatic = visitor.page.evaluate(ground)
    other = "dark" if scheme == "light" else "light"
    while visitor.page.locator("html").get_attribute("data-theme") != other:
        visitor.page.locator("#theme-toggle").click()
    chosen = visitor.page.evaluate(ground)
    assert chosen != automatic
    visitor.page.reload()
    assert visitor.page.evaluate(ground) == chosen


def test_every_page_fits_a_phone(visit: Visit, start: Callable[..., str]) -> None:
    session = start("cat", name="A rather long name for such a small screen, is it not?")
    visitor = visit(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    for path in ("/", "/history", f"/sessions/{session}"):
        visitor.go(path)
        assert visitor.page.evaluate("document.documentElement.scrollWidth") == 390, path
        assert visitor.page.evaluate(WIDTH_IN_TROUBLE) == 390, path


def test_a_phone_has_the_keys_that_its_keyboard_lacks(
    visit: Visit, start: Callable[..., str]
) -> None:
    visitor = visit(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    visitor.open_without_output(start("bash -c 'trap \"echo got it\" INT; read; read'"))
    visitor.page.locator("#terminal").tap()
    visitor.page.locator('[data-key="ctrl"]').tap()
    visitor.type("c")
    visitor.awaits(lambda: any("got it" in row for row in visitor.rows()), "the signal")


def test_a_question_mark_shows_the_keyboard_shortcuts(visit: Visit) -> None:
    visitor = visit()
    dialog = visitor.page.locator("#start-dialog")
    visitor.press("n")
    expect(dialog).to_be_visible()
    visitor.press("Escape")
    expect(dialog).to_be_hidden()
    visitor.press("?")
    sheet = visitor.page.locator("#shortcuts-dialog")
    expect(sheet).to_be_visible()
    expect(sheet).to_contain_text("New session")
    visitor.press("Escape")
    expect(sheet).to_be_hidden()


def test_a_page_of_which_a_part_did_not_arrive_says_so(visit: Visit, server: RealServer) -> None:
    visitor = visit()
    part = "**/js/backoff*.js"
    visitor.page.route(part, lambda route: route.abort("connectionreset"))
    visitor.page.goto(f"{server.public_url}/history")
    notice = visitor.page.locator("#page-notice")
    expect(notice).to_contain_text("This page did not load completely.")
    expect(visitor.page.locator("#connection")).to_have_text("Not loaded")
    visitor.page.unroute(part)
    notice.get_by_role("button", name="Reload").click()
    visitor.is_live()
    # Something that an extension has added does not arrive.
    visitor.page.evaluate(
        """() => {
          const added = document.createElement("script");
          document.body.append(added);
          added.dispatchEvent(new Event("error"));
        }"""
    )
    expect(notice).to_be_hidden()


def test_a_login_link_lets_in_after_a_reload_where_a_part_did_not_arrive(
    chromium: Browser, server: RealServer
) -> None:
    with chromium.new_context(**certainly(server)) as context:
        visitor = Visitor(context.new_page(), server)
        part = "**/js/login*.js"
        visitor.page.route(part, lambda route: route.abort("connectionreset"))
        visitor.page.goto(server.manage("loginlink").strip())
        state = visitor.page.locator("#login-state")
        expect(state).to_have_text("This page did not load completely. Reload it.")
        visitor.page.unroute(part)
        visitor.page.reload()
        visitor.page.wait_for_url(f"{server.public_url}/")
        visitor.is_live()


def test_the_history_shows_how_and_why_a_session_ended_while_it_is_open(
    visit: Visit, start: Callable[..., str]
) -> None:
    session = start("sh -c 'read answer; exit 3'", name="Ends while it is looked at")
    visitor = visit()
    visitor.go("/history")
    row = visitor.page.locator(f'tr[data-session="{session}"]')
    expect(row.locator('[data-field="status"]')).to_have_attribute("data-status", "running")
    visitor.is_live()
    visitor.server.request("POST", f"/api/sessions/{session}/input", {"data": "x\r"})
    expect(row.locator('[data-field="status"]')).to_have_attribute("data-status", "failed")
    expect(row.locator('[data-field="outcome"]')).to_be_visible()
    expect(row.locator("time.ticking")).to_have_attribute("data-until", re.compile(r"\d"))


def test_a_queued_session_that_starts_appears_in_its_slot(
    visit: Visit, start: Callable[..., str], server: RealServer
) -> None:
    slots = server.request("GET", "/api/hosts")[0]["slots"]
    running = [start("sleep 1000") for _ in range(slots)]
    queued = start("sleep 1000", queue=True)
    visitor = visit()
    expect(visitor.page.locator("#queue-list [data-session]")).to_have_count(1)
    server.request("POST", f"/api/sessions/{running[0]}/end", {"grace": 0})
    # A page of a web process has no slots of its own, only sessions of other machines.
    place = "[data-elsewhere]" if ON_POSTGRESQL else "[data-slot]"
    card = visitor.page.locator(f'#slots {place} .card[data-session="{queued}"]')
    expect(card).to_be_visible()
