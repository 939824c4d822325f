"""What holds for all pages."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.staticfiles import finders
from django.db import DataError, InterfaceError, OperationalError
from django.template.loader import render_to_string
from django.test import Client, RequestFactory

from sessions_app.models import SessionQuerySet
from tests.cast import browsing, make_ended, make_session
from tests.dashboard.pages import read

TEMPLATES = Path(__file__).parents[2] / "dashboard" / "templates"
ADDRESSES = ["/", "/history", "/hosts", "/settings", "/login", "/nowhere"]


@pytest.fixture
def browser(carol: User) -> Client:
    return browsing(carol)


def test_no_template_holds_script_or_style_of_its_own() -> None:
    inline = re.compile(r"\sstyle=|\son[a-z]+=|<style|<script(?![^>]*\ssrc=)|javascript:")
    found = {path.name: inline.findall(path.read_text()) for path in TEMPLATES.rglob("*.html")}
    assert found
    assert {name: hits for name, hits in found.items() if hits} == {}


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_file_that_a_page_names_exists_and_is_our_own(browser: Client, address: str) -> None:
    client = Client() if address == "/login" else browser
    page = read(client.get(address))
    named = [
        element.attributes[name]
        for tag, name in (("link", "href"), ("script", "src"), ("img", "src"), ("use", "href"))
        for element in page.find_all(tag)
    ]
    assert named
    for one in named:
        assert one.startswith("/static/")
        assert finders.find(one.removeprefix("/static/").split("#")[0]), one


def test_every_icon_that_is_drawn_is_in_the_sprite(browser: Client) -> None:
    make_session()
    make_ended()
    sprite = finders.find("dashboard/img/icons.svg")
    assert isinstance(sprite, str)
    known = set(re.findall(r'<symbol id="([^"]+)"', Path(sprite).read_text()))
    pages = "".join(path.read_text() for path in TEMPLATES.rglob("*.html"))
    assert set(re.findall(r'{% icon "([^"]+)" %}', pages)) <= known


def test_every_module_that_a_script_takes_in_exists() -> None:
    scripts = Path(str(finders.find("dashboard/js/page.js"))).parent
    for script in scripts.glob("*.js"):
        for target in re.findall(r'from "([^"]+)"', script.read_text()):
            found = (scripts / target).resolve()
            vendor = re.search(r"vendor/.*", target)
            assert found.exists() or (vendor and finders.find(vendor[0])), (
                f"{script.name}: {target}"
            )


def test_every_control_has_a_name(browser: Client) -> None:
    session = make_session()
    for address in ("/", "/history", "/settings", f"/sessions/{session.pk}"):
        page = read(browser.get(address))
        labelled = {label.attributes.get("for") for label in page.find_all("label")}
        for field in page.find_all("input") + page.find_all("textarea"):
            inside = any(field in label.find_all() for label in page.find_all("label"))
            kind = field.attributes.get("type")
            named = "aria-label" in field.attributes or field.attributes.get("id") in labelled
            assert kind == "hidden" or inside or named, field.attributes
        for button in page.find_all("button"):
            assert button.text or "aria-label" in button.attributes, button.attributes


def test_no_id_is_given_twice(browser: Client) -> None:
    session = make_session()
    for address in ("/", "/history", "/settings", f"/sessions/{session.pk}"):
        ids = [
            item.attributes["id"]
            for item in read(browser.get(address)).find_all()
            if "id" in item.attributes
        ]
        assert len(ids) == len(set(ids))


def test_staff_find_the_administration_and_others_do_not(browser: Client, alice: User) -> None:
    def links(client: Client) -> list[str]:
        menu = read(client.get("/")).find(id="user-menu")
        return [link.text for link in menu.find_all("a")]

    assert links(browser) == ["Settings", "Administration"]
    assert links(browsing(alice)) == ["Settings"]


def test_logging_out_takes_the_page_s_own_token(alice: User) -> None:
    client = browsing(alice, csrf=True)
    menu = read(client.get("/")).find(id="user-menu")
    token = menu.find("input", name="csrfmiddlewaretoken").attributes["value"]
    assert client.post("/logout").status_code == 403
    assert client.post("/logout", {"csrfmiddlewaretoken": token}).status_code == 302
    assert client.get("/").status_code == 302


def test_the_login_page_says_how_to_get_a_link(db: None) -> None:
    page = read(Client().get("/login"))
    assert "bin/run link" in page.find(id="login-help").text
    assert page.find("body").attributes["data-link-url"] == "/login/link"


def test_a_wrong_password_is_said_where_it_was_typed(db: None) -> None:
    response = Client().post("/login", {"username": "nobody", "password": "wrong"})
    assert "correct username and password" in read(response).find(role="alert").text


@pytest.mark.parametrize(
    ("name", "heading"),
    [
        ("400.html", "That makes no sense"),
        ("403.html", "Not allowed"),
        ("403_csrf.html", "Please try again"),
        ("404.html", "Not found"),
        ("500.html", "Something broke"),
        ("503.html", "Not right now"),
    ],
)
def test_error_pages_need_nothing_but_themselves(name: str, heading: str) -> None:
    assert heading in render_to_string(name, request=RequestFactory().get("/x"))
    assert heading in render_to_string(name)


@pytest.mark.parametrize(
    ("trouble", "status", "heading"),
    [
        (OperationalError("server closed the connection"), 503, "Not right now"),
        (InterfaceError("the connection is closed"), 503, "Not right now"),
        (DataError("a NUL"), 400, "That makes no sense"),
        (ValueError("a fault of ours"), 500, "Something broke"),
    ],
)
@pytest.mark.parametrize("address", ["/", "/admin/sessions_app/session/"])
def test_what_the_database_does_not_do_is_said_on_a_page(
    browser: Client,
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    trouble: Exception,
    status: int,
    heading: str,
) -> None:
    def fail(*_: object) -> None:
        raise trouble

    monkeypatch.setattr(SessionQuerySet, "visible_to", fail)
    browser.raise_request_exception = False
    answer = browser.get(address)
    assert answer.status_code == status
    assert heading in answer.content.decode()
    assert ("Retry-After" in answer) == (status == 503)


@pytest.mark.parametrize("address", ["/", "/api/sessions"])
def test_a_database_that_fails_before_any_view_is_said_as_well(
    monkeypatch: pytest.MonkeyPatch, carol: User, address: str
) -> None:
    def fail(*_: object) -> None:
        raise OperationalError("server closed the connection")

    browser = browsing(carol)
    monkeypatch.setattr("django.contrib.sessions.backends.db.SessionStore.load", fail)
    browser.raise_request_exception = False
    answer = browser.get(address)
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0


@pytest.mark.parametrize("address", ["/", "/api/sessions"])
def test_a_login_that_no_database_can_hold_is_no_fault_of_ours(db: None, address: str) -> None:
    client = Client(raise_request_exception=False)
    client.cookies[settings.SESSION_COOKIE_NAME] = '"01234567\\000"'
    assert client.get(address).status_code < 500
