"""The systemd units: what systemd says about them, and what they promise."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deployment.files import (
    DEPLOY,
    PAGE,
    PROJECT,
    assignments,
    harness_variables,
    known_variables,
    unit,
    unit_environment,
)

MANAGER, WEB = "harness-manager.service", "harness-web@.service"
UNITS = [MANAGER, WEB]
ANALYZE = shutil.which("systemd-analyze") or "/usr/bin/systemd-analyze"
INTERPRETER = "/opt/session-harness/current/.venv/bin/python"


def verified(folder: Path, name: str, text: str) -> str:
    """Let systemd look at a unit; what it has to say."""
    file = folder / name.replace("@.", "@3333.")
    # systemd looks whether there is such a program.
    file.write_text(text.replace(INTERPRETER, sys.executable), encoding="utf-8")
    checked = subprocess.run(
        [ANALYZE, "verify", "--man=no", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    return checked.stdout + checked.stderr


@pytest.mark.parametrize("name", UNITS)
def test_systemd_has_nothing_to_say_against(name: str, tmp_path: Path) -> None:
    text = (DEPLOY / "systemd" / name).read_text(encoding="utf-8")
    assert verified(tmp_path, name, text) == ""


def test_systemd_does_find_what_is_wrong(tmp_path: Path) -> None:
    text = (DEPLOY / "systemd" / MANAGER).read_text(encoding="utf-8")
    wrong = text.replace("KillMode=process", "KillModes=process")
    assert "KillModes" in verified(tmp_path, MANAGER, wrong)


def test_no_end_of_the_manager_takes_a_program_along() -> None:
    manager = unit(MANAGER)
    assert manager["KillMode"] == ["process"]
    assert manager["OOMPolicy"] == ["continue"]
    assert manager["TasksMax"] == ["infinity"]
    # These kill by themselves, or at the wrong time.
    for name in ("FinalKillSignal", "RuntimeMaxSec", "WatchdogSec", "BindsTo", "PartOf"):
        assert name not in manager


FILE_SYSTEMS_OF_THEIR_OWN = re.compile(
    r"Private(Tmp|Devices|Users|Mounts)|Protect\w+|(ReadWrite|ReadOnly|Inaccessible|Bind)\w*Paths"
    r"|TemporaryFileSystem|Root\w+|DynamicUser|RuntimeDirectory"
)


def test_programs_find_what_a_terminal_has_and_keep_it_when_the_manager_is_replaced() -> None:
    assert [name for name in unit(MANAGER) if FILE_SYSTEMS_OF_THEIR_OWN.fullmatch(name)] == []
    hindering = {"NoNewPrivileges", "SystemCallFilter", "UMask", "MemoryMax", "LimitNOFILE"}
    assert (hindering | {"CapabilityBoundingSet"}) & set(unit(MANAGER)) == set()


def test_the_manager_may_become_others_and_nothing_else() -> None:
    four = {"CAP_CHOWN", "CAP_KILL", "CAP_SETGID", "CAP_SETUID"}
    assert set(unit(MANAGER)["AmbientCapabilities"][0].split()) == four
    assert assignments(DEPLOY / "systemd/host.env.example")["HARNESS_RUN_AS"] == "agent"


def test_a_web_process_is_shut_in() -> None:
    web = unit(WEB)
    assert web["NoNewPrivileges"] == ["yes"]
    assert web["CapabilityBoundingSet"] == web["AmbientCapabilities"] == [""]
    assert web["ProtectSystem"] == ["strict"]
    assert web["PrivateTmp"] == web["ProtectHome"] == ["yes"]
    assert web["SystemCallFilter"] == ["@system-service"]


@pytest.mark.parametrize("name", UNITS)
def test_whatever_ends_it_it_is_started_again(name: str) -> None:
    found = unit(name)
    assert found["Restart"] == ["always"]
    assert found["StartLimitIntervalSec"] == ["0"]
    assert found["User"] == ["harness"]
    # A stop takes 5 s at most.
    assert 5 < int(found["TimeoutStopSec"][0]) < 60


def test_each_web_process_has_its_own_port_and_state() -> None:
    environment = unit_environment(WEB)
    assert environment["HARNESS_PORT"] == "%i"
    assert environment["HARNESS_STATE_DIR"] == f"/var/lib/{unit(WEB)['StateDirectory'][0]}"
    assert "%i" in environment["HARNESS_STATE_DIR"]
    assert unit_environment(MANAGER)["HARNESS_STATE_DIR"] == "/var/lib/harness"
    assert unit(MANAGER)["StateDirectory"] == ["harness"]


def test_the_roles_fit_the_commands() -> None:
    for name, role, command in ((WEB, "web", "serve"), (MANAGER, "manager", "runmanager")):
        assert unit_environment(name)["HARNESS_ROLE"] == role
        (start,) = unit(name)["ExecStart"]
        assert start == f"{INTERPRETER} -I /opt/session-harness/current/manage.py {command}"


@pytest.mark.parametrize("name", UNITS)
def test_the_settings_know_every_variable_of(name: str) -> None:
    assert set(unit_environment(name)) <= known_variables()


@pytest.mark.parametrize("name", ["harness.env.example", "host.env.example"])
def test_the_settings_know_every_variable_of_the_example(name: str) -> None:
    example = assignments(DEPLOY / "systemd" / name)
    assert harness_variables(example) == set(example)
    assert set(example) <= known_variables()


def test_what_is_about_programs_is_the_managers_alone() -> None:
    # A web process would refuse to start for a user or a folder that only other machines have.
    assert unit(WEB)["EnvironmentFile"] == ["/etc/harness/harness.env"]
    assert unit(MANAGER)["EnvironmentFile"] == [
        "/etc/harness/harness.env",
        "/etc/harness/host.env",
    ]
    shared = assignments(DEPLOY / "systemd/harness.env.example")
    assert not {"HARNESS_RUN_AS", "HARNESS_ROOTS", "HARNESS_HOST_NAME"} & set(shared)


def test_the_page_sets_what_the_examples_have() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name, file in (("ENV", "harness.env.example"), ("'ENV'", "host.env.example")):
        (block,) = re.findall(rf"<<{name}\n(.*?)^ENV$", page, re.MULTILINE | re.DOTALL)
        set_there = {line.partition("=")[0] for line in block.splitlines()}
        assert set_there == set(assignments(DEPLOY / "systemd" / file))


def test_the_proxy_asks_the_ports_that_the_page_starts() -> None:
    places = (DEPLOY / "nginx/debian/web-processes.conf").read_text(encoding="utf-8")
    asked = re.findall(r"^server 127\.0\.0\.1:(\d+) max_fails=2 ", places, re.MULTILINE)
    assert re.findall(r"^server 127\.0\.0\.1:(\d+) .* backup;", places, re.MULTILINE) == asked
    page = PAGE.read_text(encoding="utf-8")
    (started,) = re.findall(r"systemctl enable --now (harness-web@.*)", page)
    assert re.findall(r"@(\d+)", started) == asked
    assert f"for port in {' '.join(asked)};" in page


def test_commands_run_with_what_the_services_are_set_up_with(tmp_path: Path) -> None:
    settings = tmp_path / "harness.env"
    settings.write_text(
        'HARNESS_PUBLIC_URL="https://harness.example"\nREDIS_URL="redis://:a@b&c"\n'
    )
    interpreter = tmp_path / "python"
    interpreter.write_text('#!/bin/sh\npwd\nenv | grep -E "^(HARNESS|REDIS|HOME)"\necho "$@"\n')
    interpreter.chmod(0o755)
    script = (DEPLOY / "systemd/harness-manage").read_text(encoding="utf-8")
    for there, here in (
        ("/etc/harness/harness.env", str(settings)),
        (INTERPRETER, str(interpreter)),
        ("runuser --user harness --", "env --"),
    ):
        assert there in script
        script = script.replace(there, here)

    printed = subprocess.run(
        ["/bin/sh", "-c", script, "harness-manage", "loginlink", "--write-token"],
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
    ).stdout.splitlines()

    assert printed[0] == "/"
    assert "HARNESS_PUBLIC_URL=https://harness.example" in printed
    assert "REDIS_URL=redis://:a@b&c" in printed
    assert "HARNESS_STATE_DIR=/var/lib/harness" in printed
    assert printed[-1].endswith("/manage.py loginlink --write-token")


def test_the_page_names_files_that_there_are() -> None:
    page = PAGE.read_text(encoding="utf-8")
    named = re.findall(r"(?<![\w/])deploy/[\w./*@-]*\w", page)
    assert named
    assert [each for each in named if not list(PROJECT.glob(each))] == []
