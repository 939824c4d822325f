"""`manage.py loginlink`: a first user, a link on one line, and a token for scripts."""

import os
import pwd
import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django.fixtures import Settings

from sessions_app.credentials import ApiToken

ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture(autouse=True)
def token_file(settings: Settings, tmp_path: Path, db: None) -> Iterator[Path]:
    """An empty state folder."""
    settings.HARNESS_STATE_DIR = tmp_path
    yield tmp_path / "api-token"
    assert {path.name for path in tmp_path.iterdir()} <= {"api-token"}


def printed(*arguments: str) -> str:
    out = StringIO()
    call_command("loginlink", *arguments, stdout=out)
    return out.getvalue()


def test_the_link_lets_the_first_user_in() -> None:
    link = printed()
    match = re.fullmatch(r"http://harness\.localhost:3333/login#token=(\S+)\n", link)
    assert match
    client = Client()
    assert client.post("/login/link", {"token": match[1]}).status_code == 204
    user = User.objects.get()
    assert user.username == ME
    assert user.is_superuser
    assert user.is_staff
    assert not user.has_usable_password()


def test_every_link_is_another_one_for_the_same_user() -> None:
    assert printed() != printed()
    assert User.objects.count() == 1


def test_the_link_leads_to_the_public_address(settings: Settings) -> None:
    settings.HARNESS_PUBLIC_URL = "https://box.example"
    assert printed().startswith("https://box.example/login#token=")


def test_the_token_file_lets_scripts_in_and_is_private(token_file: Path) -> None:
    printed("--write-token")
    secret = token_file.read_text().strip()
    assert secret.startswith("hrn_")
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    assert client.get("/api/sessions").status_code == 200
    assert token_file.stat().st_mode & 0o777 == 0o600


def test_a_token_that_is_still_good_is_kept(token_file: Path) -> None:
    printed("--write-token")
    secret = token_file.read_text()
    token_file.chmod(0o644)
    printed("--write-token")
    assert token_file.read_text() == secret
    assert token_file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"hrn_withdrawn\n", b"\xff\xfe"])
def test_a_token_that_is_no_longer_good_is_replaced(token_file: Path, content: bytes) -> None:
    token_file.write_bytes(content)
    printed("--write-token")
    assert ApiToken.find(token_file.read_text().strip()) is not None


def test_machines_that_share_a_database_have_a_token_each(
    token_file: Path, settings: Settings
) -> None:
    secrets = []
    for name in ("one", "other"):
        settings.HARNESS_HOST_NAME = name
        printed("--write-token")
        secrets.append(token_file.read_text().strip())
        token_file.unlink()
    assert all(ApiToken.find(secret) for secret in secrets)


def test_without_the_flag_no_token_is_written(token_file: Path) -> None:
    printed()
    assert not token_file.exists()


def test_a_first_user_who_is_switched_off_stays_so() -> None:
    User.objects.create_user(ME, is_active=False)
    with pytest.raises(CommandError, match="switched off"):
        printed()
