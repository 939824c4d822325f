"""Beyond the loopback address the server serves only when everything is in order."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from sessions_app.management.commands import prepare, serve
from sessions_app.network_exposure import is_exposed, listening_addresses, missing, refusal
from tests.certificates import make_certificate


@pytest.fixture
def exposed(settings: Settings, db: None, tmp_path: Path) -> Settings:
    """Settings in which all is in order."""
    settings.HARNESS_HOST = "0.0.0.0"  # noqa: S104  # nothing is bound
    settings.HARNESS_PUBLIC_URL = "https://harness.example"
    settings.HARNESS_TLS_CERTIFICATE, settings.HARNESS_TLS_KEY = make_certificate(tmp_path)
    settings.SECURE_HSTS_SECONDS = 3600
    for name in ("SECURE_SSL_REDIRECT", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE"):
        setattr(settings, name, True)
    User.objects.create_user("alice", password="correct horse battery")
    return settings


@pytest.mark.parametrize(
    ("host", "far"),
    [
        ("127.0.0.1", False),
        ("127.8.8.8", False),
        ("::1", False),
        ("[::1]", False),
        ("localhost", False),
        ("0.0.0.0", True),  # noqa: S104  # nothing is bound
        ("::", True),
        ("192.168.1.4", True),
        ("harness.example", True),
    ],
)
def test_what_other_machines_can_reach(settings: Settings, host: str, far: bool) -> None:
    settings.HARNESS_HOST = host
    assert is_exposed() == far


def test_nothing_is_missing_when_all_is_in_order(exposed: Settings) -> None:
    assert missing() == []


def test_nothing_is_asked_of_a_server_for_this_machine(settings: Settings, db: None) -> None:
    User.objects.create_user("alice")
    assert missing() == []


def broken(exposed: Settings, tmp_path: Path) -> dict[str, dict[str, Any]]:
    other, expired = tmp_path / "other", tmp_path / "expired"
    other.mkdir()
    expired.mkdir()
    old, old_key = make_certificate(expired, days=-1)
    open_key = tmp_path / "open.key"
    open_key.write_bytes(exposed.HARNESS_TLS_KEY.read_bytes())
    open_key.chmod(0o644)
    return {
        "beginning with https": {"HARNESS_PUBLIC_URL": "http://harness.localhost:3333"},
        "TLS: set": {"HARNESS_TLS_CERTIFICATE": None, "HARNESS_TLS_KEY": None},
        "one is of no use": {"HARNESS_TLS_KEY": None},
        "cannot be read": {"HARNESS_TLS_KEY": tmp_path / "nowhere"},
        "is not the key of": {"HARNESS_TLS_KEY": make_certificate(other)[1]},
        "has expired": {"HARNESS_TLS_CERTIFICATE": old, "HARNESS_TLS_KEY": old_key},
        "Other users may read the key": {"HARNESS_TLS_KEY": open_key},
        "HARNESS_DEBUG": {"DEBUG": True},
        "security.W009": {"SECRET_KEY": "short"},
    }


@pytest.mark.parametrize("number", range(9))
def test_each_thing_that_is_missing_is_said(exposed: Settings, tmp_path: Path, number: int) -> None:
    sentence, changes = list(broken(exposed, tmp_path).items())[number]
    for name, value in changes.items():
        setattr(exposed, name, value)
    said = missing()
    assert len(said) == 1, said
    assert sentence in said[0]


def test_a_proxy_that_has_the_certificate_is_as_good(exposed: Settings) -> None:
    exposed.HARNESS_TLS_CERTIFICATE = exposed.HARNESS_TLS_KEY = None
    exposed.HARNESS_TRUSTED_PROXIES = (ip_network("10.0.0.1"),)
    assert missing() == []


@pytest.mark.parametrize(
    ("role", "command"),
    [("all", "bin/run manage changepassword bob"), ("web", "manage.py changepassword bob")],
)
def test_every_user_who_may_log_in_needs_a_password(
    exposed: Settings, role: str, command: str
) -> None:
    exposed.HARNESS_ROLE = role
    User.objects.create_user("bob")
    User.objects.create_user("off", is_active=False)
    said = [each for each in missing() if "every user" in each]
    assert len(said) == 1
    assert f"bob has none: {command}" in said[0]


@pytest.mark.parametrize("command", [prepare.Command, serve.Command])
def test_the_server_refuses_to_start_and_lists_what_is_missing(
    exposed: Settings, monkeypatch: pytest.MonkeyPatch, command: type
) -> None:
    exposed.HARNESS_PUBLIC_URL = "http://harness.localhost:3333"
    User.objects.create_user("bob")
    monkeypatch.setattr(prepare, "check_address", lambda host, port: None)
    monkeypatch.setattr(prepare, "running_server", lambda folder: None)
    with pytest.raises(CommandError) as refused:
        call_command(command())
    text = str(refused.value)
    assert "HARNESS_HOST=0.0.0.0 would let other machines in" in text
    assert text.count("\n  - ") == 2
    assert "ssh -L" in text


def test_the_checks_say_so_too(exposed: Settings) -> None:
    User.objects.create_user("bob")
    with pytest.raises(CommandError, match=r"E002"):
        call_command("check", databases=["default"])


def test_the_refusal_is_a_list(exposed: Settings) -> None:
    assert refusal(["one", "two"]).splitlines()[1:3] == ["  - one", "  - two"]


def test_a_server_for_this_machine_leaves_neither_loopback_address_to_others() -> None:
    assert listening_addresses("127.0.0.1") == ["127.0.0.1", "::1"]
    assert listening_addresses("127.0.0.2") == ["127.0.0.2"]
    assert listening_addresses("192.168.1.4") == ["192.168.1.4"]


def test_without_ipv6_one_address_is_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("Address family not supported by protocol")

    monkeypatch.setattr("socket.socket", refuse)
    assert listening_addresses("127.0.0.1") == ["127.0.0.1"]
