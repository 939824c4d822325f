"""What the system checks say about settings under which programs cannot be started well."""

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.checks import CheckMessage
from pytest_django.fixtures import Settings

from sessions_app import checks
from sessions_app.holder.account import may_become_others
from tests.engines import free_port

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")


def identifiers(messages: list[CheckMessage]) -> list[str | None]:
    return [message.id for message in messages]


def test_roots_that_exist_need_no_word(settings: Settings, tmp_path: Path) -> None:
    settings.HARNESS_ROOTS = [str(tmp_path)]
    assert checks.programs_have_somewhere_to_work(None) == []


def test_roots_of_which_none_exists_are_an_error(settings: Settings) -> None:
    settings.HARNESS_ROOTS = ["/no/such/folder"]
    (message,) = checks.programs_have_somewhere_to_work(None)
    assert message.id == "sessions_app.E010"
    assert "/no/such/folder" in message.msg
    assert "HARNESS_ROOTS" in str(message.hint)


def test_one_root_that_is_missing_is_a_warning(settings: Settings, tmp_path: Path) -> None:
    settings.HARNESS_ROOTS = [str(tmp_path), "/no/such/folder"]
    assert identifiers(checks.programs_have_somewhere_to_work(None)) == ["sessions_app.W010"]


def test_a_root_that_is_everything_is_a_warning(settings: Settings) -> None:
    settings.HARNESS_ROOTS = ["/"]
    assert identifiers(checks.programs_have_somewhere_to_work(None)) == ["sessions_app.W011"]


def test_without_another_user_nothing_is_needed(settings: Settings) -> None:
    settings.HARNESS_RUN_AS = ""
    assert checks.programs_can_become_another_user(None) == []


@pytest.mark.parametrize("name", ["root", pwd.getpwuid(os.geteuid()).pw_name])
def test_root_and_the_servers_own_user_are_no_other_user(settings: Settings, name: str) -> None:
    settings.HARNESS_RUN_AS = name
    assert identifiers(checks.programs_can_become_another_user(None)) == ["sessions_app.E011"]


@as_root
def test_root_may_name_another_user(settings: Settings) -> None:
    settings.HARNESS_RUN_AS = "nobody"
    assert checks.programs_can_become_another_user(None) == []


def test_who_may_not_change_users_is_told(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.HARNESS_RUN_AS = "daemon"
    monkeypatch.setattr(checks, "may_become_others", lambda: False)
    (message,) = checks.programs_can_become_another_user(None)
    assert message.id == "sessions_app.E012"
    assert "Run it as root" in str(message.hint)


@as_root
def test_root_without_its_capabilities_may_not_change_users() -> None:
    assert may_become_others()
    question = "from sessions_app.holder.account import *; print(may_become_others())"
    dropped = ["setpriv", "--bounding-set", "-setuid", "--inh-caps", "-setuid"]
    asked = subprocess.run(
        [*dropped, sys.executable, "-c", question],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert asked.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("HARNESS_ROOTS", "projects", "HARNESS_ROOTS must be absolute paths, not 'projects'."),
        ("HARNESS_ROOTS", "/srv,x", "HARNESS_ROOTS must be absolute paths, not '/srv,x'."),
        ("HARNESS_ROOTS", ",", "HARNESS_ROOTS must be absolute paths, not ','."),
        ("HARNESS_RUN_AS", "nosuchuser", "HARNESS_RUN_AS: there is no user 'nosuchuser'."),
        ("HARNESS_USER_SESSIONS", "-1", "HARNESS_USER_SESSIONS must be a whole number"),
        ("HARNESS_STARTS_PER_MINUTE", "fast", "HARNESS_STARTS_PER_MINUTE must be a whole number"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(
    tmp_path: Path, variable: str, value: str, sentence: str
) -> None:
    assert sentence in settings_with(tmp_path, "0", **{variable: value})


def test_roots_are_real_paths_and_begin_with_the_home_of_programs(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/usr")
    shown = settings_with(tmp_path, "settings.HARNESS_ROOTS", HARNESS_ROOTS=f"~/a:{tmp_path}/link")
    assert shown.strip() == str([os.path.realpath(Path.home() / "a"), "/usr"])
    assert settings_with(tmp_path, "settings.HARNESS_ROOTS").strip() == str(
        [os.path.realpath(Path.home())]
    )
    as_nobody = settings_with(tmp_path, "settings.HARNESS_ROOTS", HARNESS_RUN_AS="nobody")
    assert as_nobody.strip() == str([pwd.getpwnam("nobody").pw_dir])


def settings_with(state: Path, expression: str, **variables: str) -> str:
    """What a process with these variables prints for `expression`, or why it cannot begin."""
    inherited = {name: value for name, value in os.environ.items() if "HARNESS" not in name}
    asked = subprocess.run(
        [sys.executable, "-c", f"from harness_site import settings; print({expression})"],
        cwd=Path(__file__).parents[2],
        env={**inherited, "HARNESS_STATE_DIR": str(state / "state"), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout + asked.stderr


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("HARNESS_ROOTS", "/no/such/folder", "There is no folder /no/such/folder"),
        ("HARNESS_RUN_AS", "root", "names root or the user that the server runs as"),
    ],
)
def test_a_server_that_could_start_no_program_does_not_start(
    tmp_path: Path, variable: str, value: str, sentence: str
) -> None:
    inherited = {name: text for name, text in os.environ.items() if "HARNESS" not in name}
    state = tmp_path / "state"
    environment = {**inherited, "HARNESS_STATE_DIR": str(state), "HARNESS_PORT": str(free_port())}
    ended = subprocess.run(
        [sys.executable, "manage.py", "prepare"],
        cwd=Path(__file__).parents[2],
        env={**environment, "DJANGO_SETTINGS_MODULE": "harness_site.settings", variable: value},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr
