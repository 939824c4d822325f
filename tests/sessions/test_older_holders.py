"""Programs that an older server has started go on under a newer one: their holders are older."""

import re
import shutil
import sys
from pathlib import Path

import pytest

from sessions_app import event_log, holder_client, lifecycle
from sessions_app.holder import frames
from sessions_app.launch import LaunchRequest
from sessions_app.session_manager import PersistentSessionManager
from tests.sessions.conftest import end_everything
from tests.waiting_for import auntil

ASKS_TWICE = """
import os, sys, tty
tty.setraw(0)
print("ready", flush=True)
for _ in range(2):
    sys.stdin.buffer.raw.read(1)
    os.write(1, b"\\x1b[6n")
    print(os.read(0, 20), end="\\r\\n", flush=True)
"""


@pytest.fixture
def older_holders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start holders as they were before they remembered which queries have been answered."""
    newer = Path(holder_client.__file__).parent / "holder"
    older = tmp_path / "older" / "sessions_app" / "holder"
    older.parent.mkdir(parents=True)
    (older.parent / "__init__.py").touch()
    shutil.copytree(newer, older, ignore=shutil.ignore_patterns("__pycache__"))
    process = older / "process.py"
    text, removed = re.subn(
        r'.*(frames\.ANSWER: self|"answered": self).*\n', "", process.read_text()
    )
    assert removed == 2
    process.write_text(text)
    monkeypatch.setattr(holder_client, "_MAIN", older / "__main__.py")


@pytest.mark.usefixtures("older_holders")
async def test_a_program_of_an_older_holder_is_adopted_typed_into_and_answered(
    manager: PersistentSessionManager,
) -> None:
    request = LaunchRequest(argv=[sys.executable, "-c", ASKS_TWICE], working_dir="/tmp")
    session_id = await manager.create(request)
    await auntil(lambda: manager.taken_in(session_id) == len("ready\n"))
    await manager.write(session_id, b"1")
    await auntil(lambda: manager.taken_in(session_id) > len("ready\n\x1b[6n"))

    await lifecycle.stop()
    await lifecycle.start()

    adopted = lifecycle.manager()
    assert adopted.recovery.adopted == [session_id]
    await adopted.write(session_id, b"2")
    await auntil(lambda: not adopted.live_sessions())
    output = event_log.read_output
    printed = await adopted._runs.log.run(output, session_id, 0, 1000)
    assert printed.count(b"R'") == 2
    await end_everything()


def test_an_older_holder_says_less_and_is_understood() -> None:
    process = {"pid": 1, "start": 2}
    facts = {"version": frames.VERSION, "epoch": "e", "base": 0, "size": 3, "state": "running"}
    sizes = {"stalled": None, "cols": 80, "rows": 24, "holder": process, "child": process}
    older = holder_client._hello_from_json({**facts, **sizes})
    newer = holder_client._hello_from_json({**facts, **sizes, "answered": 2, "news": "ignored"})
    assert (older.answered, older.takes_answers) == (0, False)
    assert (newer.answered, newer.takes_answers) == (2, True)
