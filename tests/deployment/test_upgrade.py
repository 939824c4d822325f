"""A version goes on running while the link `current` is pointed at the next one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.deployment.files import PROJECT

SHOW = """
import json, sys
from sessions_app import holder_client
print(json.dumps([str(holder_client._MAIN), *sys.path]))
"""


def put_there(version: Path) -> None:
    """Put the project into a folder, with an environment of its own."""
    version.mkdir()
    shutil.copy(PROJECT / "manage.py", version)
    for package in ("dashboard", "harness_site", "sessions_app"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PROJECT / package, version / package, ignore=ignored)
    environment = version / ".venv"
    command = [sys.executable, "-m", "venv", "--without-pip", str(environment)]
    subprocess.run(command, check=True, timeout=60)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "ours.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")


def test_whatever_is_imported_or_started_later_is_of_the_version_that_was_started(
    tmp_path: Path,
) -> None:
    version, current = tmp_path / "1", tmp_path / "current"
    put_there(version)
    current.symlink_to(version)

    shown = subprocess.run(
        [current / ".venv/bin/python", "-I", current / "manage.py", "shell", "-c", SHOW],
        env={"PATH": os.defpath, "HARNESS_STATE_DIR": str(tmp_path / "state")},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout

    holder, *searched = json.loads(shown.splitlines()[-1])
    assert holder == str(version / "sessions_app/holder/__main__.py")
    assert str(version) in searched
    assert any(folder.startswith(f"{version}/.venv/") for folder in searched)
    assert [folder for folder in searched if folder.startswith(str(current))] == []
