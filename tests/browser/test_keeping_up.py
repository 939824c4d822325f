"""Pages that keep up by themselves, and come back after a loss."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.conftest import WHERE_IT_RUNS, Visit
from tests.real_server import RealServer

pytestmark = WHERE_IT_RUNS


def test_a_session_started_elsewhere_appears_with_its_terminal(
    visit: Visit, start: Callable[..., str]
) -> None:
    visitor = visit()
    start("bash -c 'echo I am here; read'", name="From a script")
    card = visitor.page.locator(".card", has_text="From a script")
    expect(card).to_be_visible()
    visitor.sees("I am here", place=".card .preview")


def test_a_session_that_ends_moves_from_its_slot_to_the_list(
    visit: Visit, start: Callable[..., str], server: RealServer
) -> None:
    visitor = visit()
    session = start("cat", name="Short life")
    expect(visitor.page.locator(".card", has_text="Short life")).to_be_visible()
    server.request("POST", f"/api/sessions/{session}/end", {"grace": 0})
    expect(visitor.page.locator("#ended-list tr", has_text="Short life")).to_be_visible()
    expect(visitor.page.locator(".card", has_text="Short life")).to_have_count(0)


def test_a_new_name_is_seen_everywhere(visit: Visit, start: Callable[..., str]) -> None:
    session = start("cat")
    home, page = visit(), visit()
    page.open_without_output(session)
    page.page.locator("#rename").click()
    page.type("Listener")
    page.press("Enter")
    expect(page.page.locator("#session-title")).to_have_text("Listener")
    expect(page.page).to_have_title(re.compile("^Listener"))
    expect(home.page.locator(".card h3")).to_have_text("Listener")


def test_a_question_is_shown_on_every_page_and_answered_with_one_press(
    visit: Visit, start: Callable[..., str], server: RealServer
) -> None:
    session = start("cat", name="Archivist")
    history, page = visit(), visit()
    history.go("/history")
    page.open_without_output(session)
    options = [{"id": "option-a", "name": "Keep it"}, {"id": "option-b", "name": "Drop it"}]
    question = {"type": "decision", "decision": "What about the log?", "options": options}
    server.request("POST", f"/api/sessions/{session}/checkpoint", question)
    expect(history.page.locator("#waiting-pill")).to_have_text(re.compile(r"1\s*waiting"))
    expect(history.page).to_have_title(re.compile(r"^\(1\) History"))
    expect(page.page.locator("#ask-body")).to_contain_text("What about the log?")
    page.page.get_by_role("button", name="Drop it").click()
    page.sees("option-b")
    expect(page.page.locator("#ask")).to_be_hidden()
    expect(history.page.locator("#waiting-pill")).to_be_hidden()


def test_a_crash_of_the_server_is_shown_mended_and_both_go_on_typing_in_vim(
    visit: Visit, start: Callable[..., str], server: RealServer
) -> None:
    session = start("vim --clean notes.txt")
    one, other = visit(), visit()
    for visitor in (one, other):
        visitor.open(session)
    one.type("ibefore")
    other.sees("before")
    server.kill()
    for visitor in (one, other):
        expect(visitor.page.locator("#terminal-notice")).to_be_visible()
        expect(visitor.page.locator("#connection-text")).to_contain_text("Reconnecting")
        visitor.type("LOST")
    server.start()
    for visitor in (one, other):
        visitor.is_live()
        expect(visitor.page.locator("#terminal-notice")).to_be_hidden()
    one.type(" and after")
    other.sees("before and after")
    other.type(", from both")
    one.sees("before and after, from both")


def test_a_session_that_ended_while_nobody_could_hear_it_is_shown_as_ended(
    visit: Visit, start: Callable[..., str], server: RealServer
) -> None:
    visitor = visit()
    session = start("bash -c 'read; echo the last words'")
    visitor.open_without_output(session)
    visitor.page.context.set_offline(True)
    visitor.page.evaluate("dispatchEvent(new Event('offline'))")
    server.kill()
    # A browser that plays offline may keep back the end of its sockets for a while.
    offline = expect(visitor.page.locator("#connection"))
    offline.to_have_attribute("data-state", "offline", timeout=40_000)
    server.start()
    server.request("POST", f"/api/sessions/{session}/input", {"text": "", "submit": True})
    visitor.awaits(lambda: server.session(session)["endedAt"], "the end")
    visitor.page.context.set_offline(False)
    visitor.is_live()
    expect(visitor.page.locator("#end-text")).to_have_text("Exit code 0")
    visitor.sees("the last words")


def test_logging_out_in_one_tab_ends_the_login_of_the_others(visit: Visit) -> None:
    visitor = visit()
    # A login of its own: the one that all tests share must stay.
    visitor.page.context.clear_cookies()
    visitor.log_in()
    other = visitor.page.context.new_page()
    other.goto(visitor.page.url)
    other.locator("#user-menu summary").click()
    other.get_by_role("button", name="Log out").click()
    other.wait_for_url("**/login*")
    visitor.page.reload()
    expect(visitor.page).to_have_url(re.compile("/login"))
