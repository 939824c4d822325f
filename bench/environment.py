"""An environment of its own for what the bench measures beside the server, and measures with."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

from bench.machine import PROJECT

FOLDER = PROJECT / "bench" / ".venv"
PROGRAMS = FOLDER / "bin"
PYTHON = PROGRAMS / "python"
REQUIREMENTS = PROJECT / "requirements-bench.txt"


def install() -> None:
    """Install what requirements-bench.txt says unless it is; raises RuntimeError."""
    mark = FOLDER / "installed"
    wanted = f"{sys.version}\n{REQUIREMENTS.read_text()}"
    if mark.exists() and mark.read_text() == wanted:
        return
    pip = [_python_with_pip(), "-m", "pip", "--python", str(PYTHON)]
    options = ["--no-input", "--disable-pip-version-check", "--quiet", "-r", str(REQUIREMENTS)]
    for command in (
        [sys.executable, "-m", "venv", "--clear", "--without-pip", str(FOLDER)],
        [*pip, "install", *options],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(
                f"What {REQUIREMENTS.name} names could not be installed.\n{done.stderr[-2000:]}"
            )
    mark.write_text(wanted)


def _python_with_pip() -> str:
    """Return an interpreter that has pip: this one's environment may have been made without."""
    return sys.executable if importlib.util.find_spec("pip") else "python3"
