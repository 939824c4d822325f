"""What the public URL and the proxies mean for cookies, and which of them deserve a warning."""

import json
import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.core import checks
from pytest_django.fixtures import Settings

from sessions_app.checks import login_goes_to_nobody_else, not_everybody_is_a_proxy
from tests.real_server import PROJECT

PRINT = """
import json
from harness_site import settings
print(json.dumps({name: getattr(settings, name) for name in dir(settings) if "COOKIE" in name
    or name in ("ALLOWED_HOSTS", "CHANNEL_LAYERS", "CSRF_TRUSTED_ORIGINS", "DATABASES",
    "HARNESS_LOCAL_URL", "SECRET_KEY")}, default=str))
"""


def settings_with(state: Path, **environment: str) -> Any:
    """The settings that a server with this environment would have."""
    printed = subprocess.run(
        [sys.executable, "-c", PRINT],
        cwd=PROJECT,
        env={"HARNESS_STATE_DIR": str(state / "state"), "HOME": str(state), **environment},
        capture_output=True,
        check=True,
        timeout=30,
    )
    return json.loads(printed.stdout)


def test_without_tls_the_cookies_have_the_port_in_their_names(tmp_path: Path) -> None:
    found = settings_with(tmp_path, HARNESS_PORT="4444")
    assert found["SESSION_COOKIE_NAME"] == "harness_session_4444"
    assert found["CSRF_COOKIE_NAME"] == "harness_csrf_4444"
    assert not found["SESSION_COOKIE_SECURE"]
    assert found["SESSION_COOKIE_HTTPONLY"]
    assert found["SESSION_COOKIE_SAMESITE"] == "Strict"
    assert found["CSRF_TRUSTED_ORIGINS"] == ["http://harness.localhost:4444"]
    names = {"harness.localhost", "localhost", "127.0.0.1", "[::1]"}
    assert set(found["ALLOWED_HOSTS"]) == names
    assert found["HARNESS_LOCAL_URL"] == "http://127.0.0.1:4444"


def test_over_tls_no_other_name_or_port_gets_at_the_cookies(tmp_path: Path) -> None:
    found = settings_with(tmp_path, HARNESS_PUBLIC_URL="https://box.example/")
    assert found["SESSION_COOKIE_NAME"] == "__Host-harness_session_443"
    assert found["CSRF_COOKIE_NAME"] == "__Host-harness_csrf_443"
    assert found["SESSION_COOKIE_SECURE"]
    assert found["CSRF_COOKIE_SECURE"]
    assert "box.example" in found["ALLOWED_HOSTS"]
    assert "harness.localhost" not in found["ALLOWED_HOSTS"]


@pytest.mark.parametrize(
    ("url", "port"),
    [("https://box.example:8443", 8443), ("http://box.example", 80), ("http://box:8080", 8080)],
)
def test_servers_behind_one_proxy_share_their_cookies(tmp_path: Path, url: str, port: int) -> None:
    one, other = (
        settings_with(tmp_path, HARNESS_PUBLIC_URL=url, HARNESS_PORT=each) for each in ("1", "2")
    )
    for kind in ("SESSION", "CSRF"):
        name = f"{kind}_COOKIE_NAME"
        assert one[name] == other[name]
        assert one[name].endswith(f"harness_{kind.lower()}_{port}")


def ids(messages: list[checks.CheckMessage]) -> list[str | None]:
    """The checks that had something to say."""
    return [message.id for message in messages]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://localhost:3333", ["sessions_app.W020"]),
        ("http://127.0.0.1:3333", ["sessions_app.W020"]),
        ("https://localhost", []),
        ("http://harness.localhost:3333", []),
    ],
)
def test_a_name_that_others_serve_pages_by_deserves_a_warning(
    settings: Settings, url: str, said: list[str]
) -> None:
    settings.HARNESS_PUBLIC_URL = url
    assert ids(login_goes_to_nobody_else(None)) == said


@pytest.mark.parametrize(
    ("networks", "said"),
    [
        ([], []),
        (["127.0.0.1", "10.0.0.0/8"], []),
        (["10.0.0.0/8", "0.0.0.0/0"], ["sessions_app.E020"]),
        (["::/0"], ["sessions_app.E020"]),
    ],
)
def test_everybody_is_no_proxy(settings: Settings, networks: list[str], said: list[str]) -> None:
    settings.HARNESS_TRUSTED_PROXIES = tuple(map(ip_network, networks))
    assert ids(not_everybody_is_a_proxy(None)) == said
