"""Several users: each sees what he may, and does what he may, in pages that stay open."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.browser.people import Company, Person, Watched, gathering, says, settle
from tests.real_server import RealServer

NEW_ROLE = (
    "from django.contrib.auth.models import Group, User; "
    "User.objects.get(username='bob').groups.set([Group.objects.get(name='%s')])"
)
ECHOING = "bash --norc -c 'echo ready; cat'"


@pytest.fixture(scope="module")
def people(running_server: RealServer) -> dict[str, Person]:
    return settle(running_server)


@pytest.fixture
def company(chromium: Browser, server: RealServer, people: dict[str, Person]) -> Iterator[Company]:
    yield from gathering(chromium, server, people)


def shared_link(owner: Watched) -> str:
    """Make a link in the dialog of the session's page; its address."""
    owner.page.locator("#share").click()
    owner.page.get_by_role("button", name="Make a link").click()
    field = owner.page.locator("#share-url")
    expect(field).to_have_value(re.compile("/shared#token=hrs_"))
    address = field.input_value()
    owner.page.locator("#share-dialog [data-close]").click()
    return address


def tries_to_type(visitor: Watched) -> None:
    """Do all that types or resizes where that is allowed."""
    visitor.page.locator("#terminal").click()
    visitor.type("intruder\n")
    visitor.page.evaluate(
        """() => {
          const data = new DataTransfer();
          data.setData("text/plain", "intruder");
          const paste = new ClipboardEvent("paste", {clipboardData: data, bubbles: true});
          document.querySelector("#terminal textarea").dispatchEvent(paste);
        }"""
    )
    visitor.page.evaluate("document.activeElement.blur()")
    visitor.press("f", "r", "Enter")
    visitor.type("intruder\n")
    visitor.page.set_viewport_size({"width": 700, "height": 500})


def test_nobody_finds_the_sessions_of_others(company: Company) -> None:
    session = company.session("alice", ECHOING, name="Private matter")
    for name in ("bob", "vera"):
        visitor = company.enter(name)
        expect(visitor.page.locator("article.card")).to_have_count(0)
        visitor.go("/history?q=Private")
        expect(visitor.page.locator("main")).to_contain_text("Nothing fits")
        answer = visitor.page.goto(f"{company.server.public_url}/sessions/{session}")
        assert answer is not None
        assert answer.status == 404
        assert "Private matter" not in visitor.page.content()


def test_what_is_shown_to_the_team_comes_and_goes_in_open_pages(company: Company) -> None:
    session = company.session("alice", ECHOING, name="For the team")
    alice, bob = company.enter("alice"), company.enter("bob")
    alice.open(session)
    alice.page.locator("#share").click()
    alice.page.get_by_role("switch").check()
    card = bob.page.locator(f'article[data-session="{session}"]')
    expect(card.locator('[data-field="owner"]')).to_have_text("alice")
    reader = company.tab(bob)
    reader.open(session)
    reader.sees("ready")
    alice.page.locator("#share-dialog [data-close]").click()
    alice.page.locator("#terminal").click()
    alice.type("hello team\n")
    reader.sees("hello team")
    alice.page.locator("#share").click()
    alice.page.get_by_role("switch").uncheck()
    says(reader, "This session is not shown to you any more.")
    expect(reader.page.locator("#terminal")).to_be_hidden()
    expect(card).to_have_count(0)
    assert reader.steered() == []


def test_what_is_being_shown_to_the_team_stays_so_whatever_else_is_heard(company: Company) -> None:
    session = company.session("alice", ECHOING)
    alice = company.enter("alice")
    alice.open(session)
    held: list[Route] = []
    alice.page.route(f"**/api/sessions/{session}", lambda route: held.append(route))
    alice.page.locator("#share").click()
    alice.page.get_by_role("switch").check()
    alice.awaits(lambda: held, "the question to the server")
    company.script("alice", "PATCH", f"/api/sessions/{session}", {"name": "Renamed meanwhile"})
    expect(alice.page).to_have_title(re.compile("Renamed meanwhile"))
    expect(alice.page.get_by_role("switch")).to_be_checked()
    held[0].continue_()
    bob = company.enter("bob")
    expect(bob.page.locator(f'article[data-session="{session}"]')).to_have_count(1)
    expect(alice.page.get_by_role("switch")).to_be_checked()


def test_a_guest_watches_live_until_the_link_is_withdrawn(company: Company) -> None:
    session = company.session("alice", ECHOING)
    alice, guest = company.enter("alice"), company.browser()
    alice.open(session)
    guest.page.goto(shared_link(alice))
    guest.page.wait_for_url(f"**/sessions/{session}")
    guest.is_live()
    guest.sees("ready")
    tries_to_type(guest)
    alice.page.locator("#terminal").click()
    alice.type("for everybody\n")
    guest.sees("for everybody")
    assert guest.steered() == []
    assert "intruder" not in "".join(alice.rows())
    assert guest.page.get_by_role("navigation").count() == 0
    alice.page.locator("#share").click()
    expect(alice.page.locator("#share-list li")).to_contain_text("Opened just now")
    alice.page.get_by_role("button", name="Withdraw").click()
    expect(alice.page.locator("#share-list li")).to_have_count(0)
    says(guest, "This link has ended.")
    expect(guest.page.locator("#page-notice-action")).to_be_hidden()
    guest.page.reload()
    guest.page.wait_for_url(re.compile("/login\\?next="))


def test_who_may_only_look_sees_what_is_asked_and_cannot_answer(company: Company) -> None:
    session = company.session("alice", ECHOING, team=True)
    options = [{"id": "a", "name": "Deploy"}, {"id": "b", "name": "Wait"}]
    question = {"type": "decision", "decision": "Deploy now?", "options": options}
    company.script("alice", "POST", f"/api/sessions/{session}/checkpoint", question)
    vera = company.enter("vera")
    vera.press("n")
    expect(vera.page.locator("dialog[open]")).to_have_count(0)
    vera.open(session)
    expect(vera.page.locator("#ask")).to_contain_text("Deploy now?")
    expect(vera.page.locator("#ask button, #ask textarea, #key-bar")).to_have_count(0)
    expect(vera.page.locator("#look-line")).to_have_text("You may look, not type.")
    tries_to_type(vera)
    company.script("alice", "POST", f"/api/sessions/{session}/input", {"data": "done\n"})
    vera.sees("done")
    assert vera.steered() == []
    assert "intruder" not in "".join(vera.rows())


def test_a_logout_and_another_role_end_the_streams_of_other_tabs(
    company: Company, server: RealServer
) -> None:
    sessions = {name: company.session(name, ECHOING) for name in ("alice", "bob")}
    alice, bob = company.enter("alice"), company.enter("bob")
    tab = company.tab(alice)
    for visitor, session in ((tab, sessions["alice"]), (bob, sessions["bob"])):
        visitor.open(session)
        visitor.page.locator("#terminal").click()
    alice.page.locator("#user-menu summary").click()
    alice.page.get_by_role("button", name="Log out").click()
    alice.page.wait_for_url("**/login")
    server.manage("shell", "-v0", "-c", NEW_ROLE % "viewer")
    for visitor in (tab, bob):
        visitor.type("x")
    says(tab, "You have been logged out.")
    tab.page.get_by_role("button", name="Log in again").click()
    tab.page.wait_for_url(f"**/login?next=/sessions/{sessions['alice']}")
    says(bob, "What you may do here has changed.")
    bob.page.get_by_role("button", name="Reload").click()
    bob.is_live()
    expect(bob.page.locator("#new-session, #end, #key-bar")).to_have_count(0)
    server.manage("shell", "-v0", "-c", NEW_ROLE % "operator")
    for name, session in sessions.items():
        assert "x" not in company.script(name, "GET", f"/api/sessions/{session}/screen")["lines"]


def test_the_pages_for_others_fit_a_phone(company: Company) -> None:
    session = company.session("alice", ECHOING, team=True)
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    alice, vera = company.enter("alice", **phone), company.enter("vera", **phone)
    for visitor, path in ((vera, f"/sessions/{session}"), (alice, "/settings")):
        visitor.go(path)
        assert visitor.page.evaluate("document.documentElement.scrollWidth") == 390
    alice.go(f"/sessions/{session}")
    alice.page.locator("#share").click()
    assert alice.page.evaluate("document.documentElement.scrollWidth") == 390
