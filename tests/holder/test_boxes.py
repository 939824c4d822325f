"""The box around a program that the documentation describes, with bubblewrap."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import Start

PAGE = Path(__file__).parents[2] / "docs/programs.md"


def boxes_work() -> bool:
    """Whether bubblewrap is installed, and the system lets it make namespaces."""
    bwrap = shutil.which("bwrap")
    attempt = [bwrap or "", "--unshare-all", "--ro-bind", "/", "/", "true"]
    return bwrap is not None and subprocess.run(attempt, capture_output=True).returncode == 0


pytestmark = pytest.mark.skipif(not boxes_work(), reason="bubblewrap is not installed or not let")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with the documented script, a secret and a project."""
    script = re.search(r"^#!/bin/sh\n# boxed .*?^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert script
    home = tmp_path / "home"
    (home / "project").mkdir(parents=True)
    (home / "secret").write_text("canary")
    (home / "boxed").write_text(script[0].removesuffix("```"))
    (home / "boxed").chmod(0o755)
    return home


async def test_a_program_in_a_box_sees_its_folder_and_nothing_else_of_the_user(
    start: Start, home: Path
) -> None:
    shell = "pwd; ls -A ~; ls -A /tmp; cat ~/secret; echo made > made; echo ok"
    command = (str(home / "boxed"), "sh", "-c", shell)
    session = await start(*command, cwd=home / "project", environment={"HOME": str(home)})
    await session.ends()
    output = session.output().decode()
    assert output.startswith(str(home / "project"))
    assert "canary" not in output
    assert output.splitlines()[1] == "project"
    assert output.endswith("ok\r\n")
    assert (home / "project" / "made").read_text() == "made\n"


async def test_a_box_ends_with_its_session(start: Start, home: Path) -> None:
    command = (str(home / "boxed"), "sh", "-c", "sleep 1000 & echo ready; wait")
    session = await start(*command, cwd=home / "project", environment={"HOME": str(home)})
    await session.prints(b"ready")
    assert len(session.tree()) > 1
    await session.client.end(0)
    await session.ends()
    assert session.tree() == []
