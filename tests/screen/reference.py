"""What xterm.js shows for the same output: the reference that the server's screen is held to."""

import base64
import json
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

Chunk = bytes | tuple[int, int]
"""Output, or the columns and rows that the terminal is resized to."""

HERE = Path(__file__).parent
RECORDINGS = sorted((HERE.parent / "recordings").glob("*.raw"))


def _encoded(chunk: Chunk) -> str | list[int]:
    return base64.b64encode(chunk).decode() if isinstance(chunk, bytes) else list(chunk)


def shown(cases: Iterable[tuple[int, int, Sequence[Chunk]]]) -> list[dict[str, Any]]:
    """What a fresh terminal of each case's columns and rows shows after its chunks."""
    questions = "\n".join(
        json.dumps({"cols": cols, "rows": rows, "chunks": [_encoded(chunk) for chunk in chunks]})
        for cols, rows, chunks in cases
    )
    answers = subprocess.run(
        ["node", str(HERE / "reference.mjs")],  # noqa: S607  the tests' node is the one on the PATH
        input=questions,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    # a message of its own: the usual cause is a package that `npm install` has not brought yet
    assert answers.returncode == 0, answers.stderr
    return [json.loads(line) for line in answers.stdout.splitlines()]
