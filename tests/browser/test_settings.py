"""The settings page in a browser: tokens, the password, other browsers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.people import Company, Person, Watched, gathering, says, settle
from tests.real_server import RealServer

PASSWORD = "correct-horse-9"  # noqa: S105  # a test user's


@pytest.fixture(scope="module")
def people(running_server: RealServer) -> dict[str, Person]:
    return settle(running_server)


@pytest.fixture
def company(chromium: Browser, server: RealServer, people: dict[str, Person]) -> Iterator[Company]:
    yield from gathering(chromium, server, people)


def status_of(server: RealServer, token: str) -> int:
    return server.answer(
        "GET", "/api/sessions", headers={"Authorization": f"Bearer {token}"}
    ).status


def open_settings(visitor: Watched) -> None:
    visitor.page.locator("#user-menu summary").click()
    visitor.page.get_by_role("link", name="Settings").click()
    visitor.page.wait_for_url("**/settings")
    visitor.is_live()


def typing_in(company: Company, name: str) -> Watched:
    """Another browser of this user, at a terminal: before every key it is asked who that is."""
    visitor = company.enter(name)
    visitor.open(company.session(name, "bash --norc -c 'echo ready; cat'"))
    visitor.page.locator("#terminal").click()
    return visitor


def test_a_token_is_made_copied_used_and_revoked(company: Company, server: RealServer) -> None:
    alice = company.enter("alice")
    open_settings(alice)
    alice.page.get_by_text("New token").click()
    alice.page.locator("#token-name").fill("from the page")
    alice.page.get_by_label("Type").check()
    alice.page.get_by_role("button", name="Make token").click()
    alice.page.locator(".secret").get_by_role("button", name="Copy").click()
    expect(alice.page.locator("#notices")).to_contain_text("Copied.")
    # No page may read the clipboard, so it is pasted by hand.
    alice.page.get_by_text("New token").click()
    alice.page.locator("#token-name").focus()
    alice.press("Control+V")
    token = alice.page.locator("#token-name").input_value()
    assert status_of(server, token) == 200
    alice.page.reload()
    alice.is_live()
    assert token not in alice.page.content()
    alice.page.get_by_role("button", name="Revoke from the page").click()
    expect(alice.page.locator("#confirm-text")).to_contain_text("“from the page”")
    alice.page.get_by_role("button", name="Cancel").click()
    assert status_of(server, token) == 200
    alice.page.get_by_role("button", name="Revoke from the page").click()
    alice.page.get_by_role("button", name="Revoke", exact=True).click()
    expect(alice.page.locator(".flash")).to_contain_text("is revoked")
    assert status_of(server, token) == 401


def test_what_is_wrong_with_a_token_is_said_at_its_field(company: Company) -> None:
    alice = company.enter("alice")
    alice.go("/settings")
    alice.page.get_by_text("New token").click()
    alice.page.locator("#token-name").fill("script")
    alice.page.get_by_role("button", name="Make token").click()
    expect(alice.page.locator("#token-name-error")).to_contain_text("Choose another one")
    expect(alice.page.locator("#token-name")).to_be_focused()
    expect(alice.page).to_have_url(f"{company.server.public_url}/settings")


def test_another_password_logs_out_every_other_browser_and_lets_in(company: Company) -> None:
    bob, other = company.enter("bob"), typing_in(company, "bob")
    bob.go("/settings")
    bob.page.get_by_text("Set a password").click()
    bob.page.get_by_label("New password", exact=True).fill(PASSWORD)
    bob.page.get_by_label("New password confirmation").fill(PASSWORD)
    bob.page.get_by_role("button", name="Set the password").click()
    expect(bob.page.locator(".flash")).to_contain_text("The password is changed.")
    bob.go("/")
    other.type("x")
    says(other, "You have been logged out.")
    other.page.get_by_role("button", name="Log in again").click()
    other.page.get_by_text("Use a password").click()
    other.page.get_by_label("Username").fill("bob")
    other.page.get_by_label("Password").fill(PASSWORD)
    other.page.get_by_role("button", name="Log in").click()
    other.page.wait_for_url("**/sessions/*")
    other.is_live()


def test_a_user_logs_out_everywhere_but_here(company: Company) -> None:
    alice, other = company.enter("alice"), typing_in(company, "alice")
    alice.go("/settings")
    alice.page.get_by_role("button", name="Log out everywhere else").click()
    alice.page.get_by_role("button", name="Log out", exact=True).last.click()
    expect(alice.page.locator(".flash")).to_contain_text("logged out")
    other.type("x")
    says(other, "You have been logged out.")
    alice.go("/")
