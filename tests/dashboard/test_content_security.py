"""The policies of pages, by who made them."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client, RequestFactory

from sessions_app.content_security import ContentSecurityMiddleware
from tests.cast import browsing, make_ended, make_session

TEMPLATES = Path(__file__).parents[2] / "dashboard" / "templates"
# It may be rendered without a request, and so without a nonce.
WITHOUT_NONCE = {"error.html"}


@pytest.fixture
def browser(carol: User) -> Client:
    return browsing(carol)


def policy(answer: Any) -> dict[str, str]:
    directives = answer.headers["Content-Security-Policy"].split("; ")
    return dict(directive.split(" ", 1) for directive in directives)


def test_every_script_in_the_templates_carries_the_nonce() -> None:
    bare = re.compile(r'<script(?! nonce="{{ request.csp_nonce }}" )')
    found = {path.name for path in TEMPLATES.rglob("*.html") if bare.search(path.read_text())}
    assert found == WITHOUT_NONCE


@pytest.mark.parametrize("address", ["/", "/history", "/settings", "/sessions/{running}"])
def test_a_page_runs_the_scripts_that_it_marks_and_no_others(browser: Client, address: str) -> None:
    answer = browser.get(address.format(running=make_session().pk))
    assert answer.status_code == 200
    (nonce,) = set(re.findall(rb'nonce="([^"]+)"', answer.content))
    assert policy(answer)["script-src"] == f"'nonce-{nonce.decode()}'"
    assert policy(answer)["trusted-types"] == "'none'"


def test_an_error_page_runs_scripts_of_this_server(browser: Client) -> None:
    answer = browser.get("/nowhere")
    assert answer.status_code == 404
    assert policy(answer)["script-src"] == policy(answer)["style-src"] == "'self'"
    assert policy(answer)["trusted-types"] == "'none'"


def test_the_administration_has_one_policy_for_markup(browser: Client) -> None:
    for path in ("", "sessions_app/session/", f"sessions_app/session/{make_ended().pk}/change/"):
        answer = browser.get(f"/admin/{path}")
        assert answer.status_code == 200
        assert policy(answer)["script-src"] == "'self'"
        assert policy(answer)["trusted-types"] == "default"
        assert b"sessions_app/trusted-types.js" in answer.content


def test_a_header_that_a_view_has_set_stays() -> None:
    view = {"Content-Security-Policy": "default-src 'self'", "Permissions-Policy": "camera=(self)"}
    middleware = ContentSecurityMiddleware(lambda _: HttpResponse(headers=view))
    answer = middleware(RequestFactory().get("/"))
    assert isinstance(answer, HttpResponse)
    assert {name: answer.headers[name] for name in view} == view
