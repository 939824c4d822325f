"""The manager with the rights that the deployment files leave it, and no others."""

from __future__ import annotations

import os
import pwd
import shutil
import struct
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployment.files import compose, unit
from tests.real_server import RealServer
from tests.waiting_for import until

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may start somebody else's programs"),
    pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not installed"),
]
AGENT = pwd.getpwnam("nobody")


def in_the_container() -> list[str]:
    """Return what gives a process the rights of the manager's container."""
    added = compose("compose.yaml")["services"]["manager"]["cap_add"]
    bounds = ",".join(["-all", *(f"+{name.lower()}" for name in added)])
    return ["setpriv", "--no-new-privs", "--bounding-set", bounds, "--inh-caps", "-all"]


def in_the_service() -> list[str]:
    """Return what gives a process the rights of the service."""
    service = unit("harness-manager.service")
    names = _as_setpriv_has_them(service["AmbientCapabilities"])
    user = ["--reuid", "daemon", "--regid", "daemon", "--clear-groups"]
    bounding = service.get("CapabilityBoundingSet")
    bounds = ["--bounding-set", f"-all,{_as_setpriv_has_them(bounding)}"] if bounding else []
    return ["setpriv", *user, *bounds, "--inh-caps", names, "--ambient-caps", names]


def _as_setpriv_has_them(lines: list[str]) -> str:
    return ",".join(f"+{name.removeprefix('CAP_').lower()}" for name in lines[0].split())


def everybodys_python(folder: Path) -> str:
    """Return an interpreter with our packages that every user may execute.

    Ours may lie where only its owner looks; then one of the system's stands in.
    """
    ours = Path(sys.executable).resolve()
    if all(each.stat().st_mode & 0o005 == 0o005 for each in [ours, *ours.parents]):
        return sys.executable
    made = folder / "venv"
    command = ["/usr/bin/python3", "-m", "venv", "--without-pip", str(made)]
    subprocess.run(command, check=True, timeout=60)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = made / "lib" / version / "site-packages"
    assert packages.is_dir(), "the system's Python is another version"
    (packages / "ours.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return str(made / "bin" / "python")


class Confined(RealServer):
    """A server with these rights."""

    def __init__(self, state: Path, rights: list[str]) -> None:
        super().__init__(state)
        self.rights = rights
        self.python = everybodys_python(state.parent)
        self.environment |= {"HARNESS_RUN_AS": AGENT.pw_name, "SECRET": "not for programs"}

    def command(self) -> list[str]:
        """What starts it."""
        return [*self.rights, self.python, *super().command()[1:]]


@pytest.fixture(params=[in_the_container(), in_the_service()], ids=["container", "service"])
def server(request: pytest.FixtureRequest) -> Iterator[Confined]:
    # Not in pytest's own folders, into which only root may look.
    folder = Path(tempfile.mkdtemp(prefix="harness-rights-"))
    folder.chmod(0o755)
    state = folder / "state"
    state.mkdir(mode=0o700)
    server = Confined(state, request.param)
    if "--reuid" in request.param:
        daemon = pwd.getpwnam("daemon")
        for path in (state, *state.rglob("*")):
            os.chown(path, daemon.pw_uid, daemon.pw_gid)
    server.start()
    yield server
    server.end_sessions()
    server.stop()
    shutil.rmtree(folder)


def printed(server: RealServer, script: str) -> str:
    """Return what a shell prints that runs as a program of the server."""
    session = server.launch("sh", "-c", script)
    until(lambda: server.session(session)["endedAt"], timeout=20)
    return server.output(session).decode()


def test_programs_are_somebody_elses_and_read_nothing_of_the_managers(server: Confined) -> None:
    assert server.process is not None
    script = f"""
        id -u
        grep -E '^Cap(Prm|Eff|Amb)' /proc/self/status
        cat {server.state}/secret-key /proc/{server.process.pid}/environ
    """
    shown = printed(server, script)

    assert shown.splitlines()[0] == str(AGENT.pw_uid)
    assert shown.count("0000000000000000") == 3
    assert shown.count("Permission denied") == 2
    assert "not for programs" not in shown


def test_programs_are_typed_into_and_ended(server: Confined) -> None:
    session = server.launch("sh", "-c", "trap '' HUP TERM; cat")
    server.request("POST", f"/api/sessions/{session}/input", {"data": "hello\r"})
    until(lambda: b"hello\r\nhello" in server.output(session), timeout=10)
    server.request("POST", f"/api/sessions/{session}/end", {"grace": 0.2})
    until(lambda: server.session(session)["endedAt"], timeout=20)


# As the kernel reads it: version 2, effective at once, the right to listen on ports below 1024.
BRINGS_A_CAPABILITY = struct.pack("<5I", 0x02000000 | 1, 1 << 10, 0, 0, 0)


@pytest.mark.parametrize("server", [in_the_service()], ids=["service"], indirect=True)
def test_files_that_bring_capabilities_are_executed_without_them(server: Confined) -> None:
    grep = shutil.copy("/bin/grep", server.state.parent / "grep")
    os.setxattr(grep, "security.capability", BRINGS_A_CAPABILITY)

    shown = printed(server, f"{grep} CapPrm /proc/self/status")

    assert shown.split() == ["CapPrm:", "0000000000000000"]
