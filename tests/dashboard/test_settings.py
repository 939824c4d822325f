"""The settings page: tokens, links, the password, other browsers."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from dashboard.forms import MAX_TOKENS
from sessions_app.callers import TokenCredential
from sessions_app.credentials import ApiToken, ShareLink
from sessions_app.rights import Right
from tests.cast import browsing, make_session
from tests.dashboard.pages import Element, read

NEW = {"new_password1": "a-Long-1-indeed", "new_password2": "a-Long-1-indeed"}


@pytest.fixture
def browser(alice: User) -> Client:
    return browsing(alice)


def block(client: Client, name: str) -> Element:
    return read(client.get("/settings")).find(id=name)


def made(client: Client, **fields: object) -> str | None:
    """Make a token on the page; its secret, None if it was refused."""
    answer = client.post("/settings/tokens", {"name": "ci", "days": 30, **fields})
    shown = read(answer).find_all(id="new-token")
    assert answer.status_code == (200 if shown else 400)
    assert "no-store" in answer["Cache-Control"]
    return shown[0].attributes["value"] if shown else None


@pytest.mark.parametrize(
    "path",
    ["", "/tokens", "/tokens/1/revoke", "/links/1/withdraw", "/password", "/logout-elsewhere"],
)
def test_only_a_login_in_a_browser_opens_the_settings(alice: User, path: str) -> None:
    token = ApiToken.issue(alice, "ci")
    for client in (Client(), Client(headers={"Authorization": f"Bearer {token}"})):
        for answer in (client.get(f"/settings{path}"), client.post(f"/settings{path}")):
            assert (answer.status_code, answer.headers["Location"][:7]) == (302, "/login?")
    assert ApiToken.objects.count() == 1


def test_a_page_elsewhere_cannot_send_the_forms(alice: User) -> None:
    client = browsing(alice, csrf=True)
    for path in ("tokens", "password", "logout-elsewhere"):
        assert client.post(f"/settings/{path}", NEW).status_code == 403


def test_a_new_token_is_shown_once(browser: Client) -> None:
    secret = made(browser)
    assert secret is not None
    assert TokenCredential(secret).examine() is not None
    assert secret not in browser.get("/settings").content.decode()


@pytest.mark.parametrize(("days", "left"), [(1, 1), (365, 365), (0, None)])
def test_a_token_lasts_as_long_as_was_chosen(browser: Client, days: int, left: int | None) -> None:
    made(browser, days=days)
    expires = ApiToken.objects.get().expires_at
    if left is None:
        assert expires is None
    else:
        assert expires is not None
        assert abs(expires - timezone.now() - timedelta(days=left)) < timedelta(minutes=1)


def test_a_token_has_the_rights_that_were_ticked_and_may_look(browser: Client) -> None:
    made(browser)
    assert ApiToken.objects.get().rights == {Right.VIEW}
    made(browser, name="other", scopes=["input"])
    assert ApiToken.objects.get(name="other").rights == {Right.VIEW, Right.INPUT}


def test_a_token_for_metrics_alone_may_not_look(carol: User) -> None:
    browser = browsing(carol)
    made(browser, scopes=["metrics"])
    assert ApiToken.objects.get().rights == {Right.METRICS}
    made(browser, name="both", scopes=["view", "metrics"])
    assert ApiToken.objects.get(name="both").rights == {Right.VIEW, Right.METRICS}


def test_to_look_is_ticked_until_it_is_unticked(carol: User) -> None:
    def ticked(page: Element) -> list[str]:
        boxes = page.find(id="tokens").find_all("input", type="checkbox")
        return [box.attributes["value"] for box in boxes if "checked" in box.attributes]

    browser = browsing(carol)
    assert ticked(read(browser.get("/settings"))) == ["view"]
    refused = browser.post("/settings/tokens", {"name": "", "days": 30, "scopes": ["metrics"]})
    assert ticked(read(refused)) == ["metrics"]


@pytest.mark.parametrize(
    "scopes", [["admin"], ["metrics"], ["start", "admin"], ["input", "everything"]]
)
def test_nobody_makes_a_token_that_may_do_more_than_he(browser: Client, scopes: list[str]) -> None:
    assert made(browser, scopes=scopes) is None
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize("days", ["", "2", "-1", "x"])
def test_only_the_offered_times_are_taken(browser: Client, days: str) -> None:
    assert made(browser, days=days) is None


def test_each_is_offered_what_he_may_do_himself(browser: Client, vera: User, carol: User) -> None:
    def offered(client: Client) -> list[str]:
        boxes = block(client, "tokens").find_all("input", type="checkbox")
        return [box.attributes["value"] for box in boxes]

    assert offered(browser) == ["view", "input", "start"]
    assert offered(browsing(vera)) == ["view"]
    assert offered(browsing(carol)) == ["view", "input", "start", "admin", "metrics"]


def test_a_name_is_given_once(browser: Client) -> None:
    first = made(browser)
    assert first is not None
    assert made(browser) is None
    assert TokenCredential(first).examine() is not None


def test_nobody_has_tokens_without_bound(browser: Client, alice: User) -> None:
    for number in range(MAX_TOKENS):
        ApiToken.issue(alice, f"token {number}")
    assert made(browser) is None


def test_tokens_are_listed_with_what_matters(browser: Client, alice: User, bob: User) -> None:
    ApiToken.issue(alice, "laptop\u202e", scopes=[Right.START])
    ApiToken.issue(alice, "old", life=timedelta(seconds=-1))
    ApiToken.issue(bob, "somebody else's")
    new, old = sorted(item.text for item in block(browser, "tokens").find_all("li"))[::1]
    assert "laptop Look, Start Never expires Made" in new
    assert "Never used" in new
    assert "old Look, Type, Start Expired" in old


def test_a_token_is_revoked_by_its_own_user_alone(browser: Client, alice: User, bob: User) -> None:
    mine, theirs = ApiToken.issue(alice, "ci"), ApiToken.issue(bob, "ci")
    for token in ApiToken.objects.all():
        browser.post(f"/settings/tokens/{token.pk}/revoke")
    assert TokenCredential(mine).examine() is None
    assert TokenCredential(theirs).examine() is not None


def test_links_are_listed_and_withdrawn_by_whoever_made_them(
    browser: Client, alice: User, bob: User
) -> None:
    session = make_session(owner=alice, name="Nightly")
    mine, secret = ShareLink.issue(session.pk, alice.pk, timedelta(hours=1))
    other, _ = ShareLink.issue(session.pk, bob.pk, timedelta(hours=1))
    (item,) = block(browser, "links").find_all("li")
    assert "Nightly Until" in item.text
    for link in (mine, other):
        browser.post(f"/settings/links/{link.pk}/withdraw")
    assert list(ShareLink.objects.all()) == [other]
    assert ShareLink.find(secret) is None


def test_a_first_password_is_set_without_an_old_one(browser: Client, alice: User) -> None:
    alice.set_unusable_password()
    alice.save()
    browser.force_login(alice)
    fields = [field.attributes["name"] for field in block(browser, "password").find_all("input")]
    assert "old_password" not in fields
    assert browser.post("/settings/password", NEW).status_code == 302
    assert User.objects.get(pk=alice.pk).check_password("a-Long-1-indeed")


@pytest.fixture
def with_password(alice: User) -> Client:
    """Alice's browser, now that she has a password."""
    alice.set_password("the one before")
    alice.save()
    return browsing(alice)


def test_a_password_is_changed_by_whoever_knows_it(with_password: Client, alice: User) -> None:
    wrong = with_password.post("/settings/password", {**NEW, "old_password": "a guess"})
    assert wrong.status_code == 400
    assert "entered incorrectly" in read(wrong).find(id="password").text
    assert User.objects.get(pk=alice.pk).check_password("the one before")
    right = with_password.post("/settings/password", {**NEW, "old_password": "the one before"})
    assert right.status_code == 302
    assert User.objects.get(pk=alice.pk).check_password("a-Long-1-indeed")


def test_other_browsers_have_to_log_in_after_a_change(with_password: Client, alice: User) -> None:
    other = browsing(alice)
    with_password.post("/settings/password", {**NEW, "old_password": "the one before"})
    assert with_password.get("/").status_code == 200
    assert other.get("/").status_code == 302


def test_the_old_password_cannot_be_guessed_forever(with_password: Client) -> None:
    guesses = [
        with_password.post("/settings/password", {**NEW, "old_password": f"{n}"}).status_code
        for n in range(22)
    ]
    assert guesses == [400] * 20 + [429] * 2
    # Nor does it say whether this one is right.
    right = with_password.post("/settings/password", {**NEW, "old_password": "the one before"})
    assert right.status_code == 429
    wrong = with_password.post("/settings/password", {**NEW, "old_password": "guess"})
    for answer in (right, wrong):
        assert "Too many attempts" in answer.content.decode()
        assert "incorrectly" not in answer.content.decode()


@pytest.mark.parametrize("weak", ["short1!", "1234567890", "password1", "alice-12"])
def test_a_weak_password_is_refused(browser: Client, weak: str) -> None:
    both = {"new_password1": weak, "new_password2": weak}
    User.objects.update(password="!")
    browser.force_login(User.objects.get(username="alice"))
    assert browser.post("/settings/password", both).status_code == 400


def test_every_other_browser_of_the_user_is_logged_out(
    browser: Client, alice: User, bob: User
) -> None:
    others, somebody, guest = [browsing(alice) for _ in range(2)], browsing(bob), Client()
    link, secret = ShareLink.issue(make_session(team=False).pk, alice.pk, timedelta(hours=1))
    guest.post("/shared/link", {"token": secret})
    answer = browser.post("/settings/logout-elsewhere", follow=True)
    assert (
        "2 other browsers are logged out"
        in read(answer).find(role="status", **{"class": "flash"}).text
    )
    assert [client.get("/").status_code for client in others] == [302, 302]
    assert [client.get("/").status_code for client in (browser, somebody)] == [200, 200]
    assert guest.get(f"/sessions/{link.session_id}").status_code == 200


def test_what_was_done_is_told_after_a_redirect(browser: Client, alice: User) -> None:
    ApiToken.issue(alice, "laptop")
    answer = browser.post(f"/settings/tokens/{ApiToken.objects.get().pk}/revoke", follow=True)
    assert answer.redirect_chain == [("/settings", 302)]
    assert "“laptop” is revoked" in read(answer).text


def test_a_user_without_a_role_makes_no_tokens(db: None) -> None:
    nobody = browsing(User.objects.create_user("nobody"))
    assert block(nobody, "tokens").find_all("form") == []
    assert "no role" in read(nobody.get("/")).find(**{"class": "page-line"}).text
