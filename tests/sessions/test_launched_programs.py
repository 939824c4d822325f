"""What a program finds that the manager has started: its folder, its variables, its user."""

import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from pytest_django.fixtures import Settings

from sessions_app import event_log
from sessions_app.events import Status
from sessions_app.launch import LaunchRequest
from sessions_app.session_manager import PersistentSessionManager
from tests.sessions.kept import ended

SECRETS = {
    "HARNESS_CANARY_API_KEY": "canary-1",
    "DJANGO_CANARY_API_KEY": "canary-2",
    "SECRET_API_KEY": "canary-3",
    "DATABASE_URL": "canary-4",
    "REDIS_URL": "canary-5",
}


@sync_to_async
def output(session_id: str) -> str:
    return event_log.read_output(session_id, 0, 1 << 30).decode()


async def printed(manager: PersistentSessionManager, *argv: str, folder: object = "/") -> list[str]:
    """What a program prints, by lines."""
    session_id = await manager.create(LaunchRequest(argv=list(argv), working_dir=str(folder)))
    await ended(session_id)
    return (await output(session_id)).splitlines()


@pytest.fixture
def root(settings: Settings, tmp_path: Path) -> Path:
    """The only root; beside it lies `outside`."""
    (tmp_path / "root").mkdir()
    (tmp_path / "outside").mkdir()
    settings.HARNESS_ROOTS = [str(tmp_path / "root")]
    return tmp_path / "root"


async def test_a_folder_that_leads_outside_once_its_slot_is_free_is_refused_then(
    manager: PersistentSessionManager, root: Path
) -> None:
    link = root / "link"
    link.symlink_to(root)
    waiting = [LaunchRequest(argv=["cat"], working_dir=str(root)) for _ in range(manager.slots)]
    running = [await manager.create(request) for request in waiting]
    queued = await manager.create(
        LaunchRequest(argv=["touch", "was-here"], working_dir=str(link), queue=True)
    )
    lead_to(link, root.parent / "outside")
    await manager.end(running[0], grace=0)
    session = await ended(queued)
    assert session.status == Status.FAILED
    assert session.error == (
        "The program could not be started: "
        f"The folder {link} is outside the folders that programs may work in."
    )
    assert os.listdir(root.parent / "outside") == []


def lead_to(link: Path, target: Path) -> None:
    link.unlink()
    link.symlink_to(target)


async def test_none_of_the_servers_secrets_reach_a_program(
    manager: PersistentSessionManager, settings: Settings
) -> None:
    settings.HARNESS_INHERITED_ENV = {**settings.HARNESS_INHERITED_ENV, **SECRETS, "KEPT": "yes"}
    settings.HARNESS_PASS_ENV = ["*"]
    lines = await printed(manager, "env")
    assert "KEPT=yes" in lines
    assert "canary" not in "\n".join(lines)
    own = {line.split("=")[0] for line in lines if line.startswith("HARNESS_")}
    assert own == {"HARNESS_URL", "HARNESS_SESSION_ID", "HARNESS_SESSION_TOKEN"}


async def test_no_shell_reads_the_words_of_a_command(manager: PersistentSessionManager) -> None:
    words = ["$HOME", "`id`", "$(id)", "; id", "*", "a  b", "~"]
    assert await printed(manager, "printf", "%s\\n", *words) == words


async def test_a_program_has_its_terminal_and_no_other_descriptor(
    manager: PersistentSessionManager,
) -> None:
    leaked = os.open(os.devnull, os.O_RDONLY)
    os.set_inheritable(leaked, True)
    try:
        lines = await printed(manager, "ls", "-l", "/proc/self/fd")
    finally:
        os.close(leaked)
    opened = [line.split(" ")[-1] for line in lines if " -> " in line]
    listed = [target for target in opened if target.endswith("/fd")]
    assert len(listed) == 1  # of the listing itself
    assert {target for target in opened if target not in listed} == {opened[0]}
    assert opened[0].startswith("/dev/pts/")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter; pytest's own are for this user only."""
    folder = Path(tempfile.mkdtemp(prefix="harness-run-as-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
async def test_programs_run_as_the_user_that_the_settings_name(
    settings: Settings, open_folder: Path, manager: PersistentSessionManager
) -> None:
    settings.HARNESS_RUN_AS = "nobody"
    settings.HARNESS_ROOTS = [str(open_folder)]
    home = pwd.getpwnam("nobody").pw_dir
    script = 'id -un; echo "$USER $HOME"; pwd'
    lines = await printed(manager, "sh", "-c", script, folder=open_folder)
    assert lines == ["nobody", f"nobody {home}", str(open_folder)]
    (open_folder / "closed").mkdir(mode=0o700)
    request = LaunchRequest(argv=["true"], working_dir=str(open_folder / "closed"))
    session = await ended(await manager.create(request))
    assert session.status == Status.FAILED
    assert "closed may not be entered" in session.error
