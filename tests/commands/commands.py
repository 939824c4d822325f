"""Running bin/run and bin/test as a person would, on a copy of the project or on this one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]

SET_UP_FILES = (
    "requirements.txt",
    "requirements-dev.txt",
    "requirements-node.txt",
    "constraints.txt",
    "package.json",
    "package-lock.json",
)
SHELL_TOOLS = (
    *("cat", "cmp", "cp", "date", "dirname", "env", "find", "head", "id", "ln", "mkdir", "mktemp"),
    *("readlink", "rm", "sed", "sh", "tail"),
)


def executable(path: Path, text: str) -> None:
    """Write a script that can be run."""
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


class BareProject:
    """A copy of the two commands and of what they install, on a machine with next to nothing.

    Its PATH holds the tools of a POSIX shell and what `program` adds; no Python, no npm.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "project"
        self.programs = folder / "programs"
        self.programs.mkdir()
        shutil.copytree(PROJECT / "bin", self.folder / "bin")
        for name in SET_UP_FILES:
            shutil.copy(PROJECT / name, self.folder / name)
        for name in SHELL_TOOLS:
            found = shutil.which(name)
            assert found, f"{name} is no program of this machine"
            (self.programs / name).symlink_to(found)
        (folder / "state").mkdir()
        self.environment = {
            "PATH": str(self.programs),
            "HOME": str(folder),
            "HARNESS_STATE_DIR": str(folder / "state"),
        }

    def program(self, name: str, script: str) -> None:
        """Put a shell script on the PATH."""
        executable(self.programs / name, f"#!/bin/sh\n{script}\n")

    def python_that(self, *exceptions: str) -> None:
        """Put this Python on the PATH as python3; `exceptions` are `case` branches on "$*"."""
        branches = "\n".join(exceptions)
        self.program("python3", f'case "$*" in\n{branches}\nesac\nexec "{sys.executable}" "$@"')

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run one of the commands to its end."""
        return run(*command, folder=self.folder, environment=self.environment)


def run(
    *command: str, folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command of the project with nobody at the keyboard."""
    return subprocess.run(
        [str(folder / command[0]), *command[1:]],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def environment_of(state: Path, port: int) -> dict[str, str]:
    """Return the environment for this project's own commands on that state folder and port."""
    inherited = {name: value for name, value in os.environ.items() if "HARNESS" not in name}
    for name in ("DJANGO_SETTINGS_MODULE", "DATABASE_URL", "REDIS_URL"):
        inherited.pop(name, None)
    return inherited | {"HARNESS_STATE_DIR": str(state), "HARNESS_PORT": str(port)}
