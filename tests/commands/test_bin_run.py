"""bin/run: what it says, what it refuses, and the server that it starts."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.certificates import NAME, make_certificate
from tests.commands.commands import PROJECT, BareProject, environment_of, run
from tests.waiting_for import until

START_SECONDS = 60.0
"""Far more than a start takes; a busy machine is no reason to fail."""


class Started:
    """A server that bin/run has started on a state folder of its own."""

    def __init__(self, folder: Path, port: int, **environment: str) -> None:
        self.state = folder / "state"
        self.port = port
        self.environment = environment_of(self.state, port) | environment
        self.output = folder / "output"
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [PROJECT / "bin/run"],
                env=self.environment,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def printed(self) -> str:
        """Return what it has printed so far; the process must not have ended."""
        assert self.process.poll() is None, self.output.read_text()
        return self.output.read_text()

    def get(self, path: str, **headers: str) -> tuple[int, bytes]:
        """Return status and body of what the server answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def bin_run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run bin/run again beside it."""
        return run("bin/run", *arguments, folder=PROJECT, environment=self.environment)


@pytest.fixture
def started(tmp_path: Path, free_port: int) -> Iterator[Started]:
    """Give a server that has announced itself; it is stopped afterwards."""
    with announced(Started(tmp_path, free_port)) as server:
        yield server


@contextlib.contextmanager
def announced(server: Started) -> Iterator[Started]:
    """Wait until it has announced itself; stop it afterwards."""
    try:
        until(lambda: "Stop with Ctrl+C" in server.printed(), timeout=START_SECONDS)
        yield server
    finally:
        if server.process.poll() is None:
            server.process.send_signal(signal.SIGINT)
        try:
            server.process.wait(timeout=15)
        finally:
            server.process.kill()


def test_the_server_is_announced_when_it_answers_and_its_token_lets_scripts_in(
    started: Started,
) -> None:
    printed = started.printed()
    token = (started.state / "api-token").read_text().strip()

    assert f"running at http://harness.localhost:{started.port}\n" in printed
    assert re.search(rf"http://harness\.localhost:{started.port}/login#token=\S{{40,}}", printed)
    assert f"API token for scripts: {started.state}/api-token" in printed
    assert started.get("/health")[0] == 200
    assert started.get("/api/sessions")[0] == 401
    status, body = started.get("/api/sessions", Authorization=f"Bearer {token}")
    assert (status, json.loads(body)) == (200, [])
    assert started.state.stat().st_mode & 0o777 == 0o700
    assert {path.name for path in started.state.iterdir() if path.stat().st_mode & 0o077} == set()


def test_a_server_that_speaks_tls_is_announced_as_well(tmp_path: Path, free_port: int) -> None:
    certificate, key = make_certificate(tmp_path)
    environment = {
        "HARNESS_TLS_CERTIFICATE": str(certificate),
        "HARNESS_TLS_KEY": str(key),
        "HARNESS_PUBLIC_URL": f"https://{NAME}:{free_port}",
    }
    with announced(Started(tmp_path, free_port, **environment)) as server:
        assert f"Open this link within 10 minutes: https://{NAME}" in server.printed()


def test_the_announcer_is_gone_and_the_server_is_the_process_that_was_started(
    started: Started,
) -> None:
    def members() -> list[int]:
        listed = subprocess.run(
            ["ps", "-A", "-o", "pid=,pgid="],  # noqa: S607
            capture_output=True,
            text=True,
            check=True,
        )
        rows = (tuple(map(int, line.split())) for line in listed.stdout.splitlines())
        return [pid for pid, group in rows if group == started.process.pid]

    until(lambda: members() == [started.process.pid])
    arguments = Path(f"/proc/{started.process.pid}/cmdline").read_bytes()
    assert arguments.split(b"\0")[1:4] == [b"-I", bytes(PROJECT / "manage.py"), b"serve"]
    assert b"token" not in arguments


PLANTED = ("daphne", "django", "harness_site", "json", "sitecustomize", "twisted", "usercustomize")


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """Give a folder with modules that tell when they are imported."""
    for name in PLANTED:
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'a').close()")
    return tmp_path


def pointing_at(folder: Path) -> dict[str, str]:
    """Return variables by which Python finds code, or what runs it, in that folder."""
    return {
        "PYTHONPATH": str(folder),
        "PYTHONSTARTUP": str(folder / "json.py"),
        "PYTHONUSERBASE": str(folder),
        "PYTHONWARNINGS": "ignore::sitecustomize.Anything",
    }


def test_nothing_is_imported_from_the_folder_it_is_called_from_nor_from_where_variables_say(
    planted: Path, free_port: int
) -> None:
    with announced(Started(planted, free_port, **pointing_at(planted))) as server:
        assert server.get("/health")[0] == 200
        assert not (planted / "imported").exists()
        assert os.readlink(f"/proc/{server.process.pid}/cwd") == "/"


def test_the_path_of_modules_has_the_project_and_the_installed_packages_only(
    planted: Path, free_port: int
) -> None:
    asked = "import json, sys; print(json.dumps([sys.path, sys.flags.isolated]))"
    ended = subprocess.run(
        [PROJECT / "bin/run", "manage", "shell", "-v0", "-c", asked],
        cwd=planted,
        env=environment_of(planted / "state", free_port) | pointing_at(planted),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    path, isolated = json.loads(ended.stdout)
    assert isolated
    assert path[0] == str(PROJECT)
    assert not {"", ".", str(planted), "/"} & set(path)


def test_no_variable_by_which_python_finds_code_is_handed_on(tmp_path: Path) -> None:
    kept = {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    ended = subprocess.run(
        ["sh", "-eu", "-c", ". bin/lib.sh; env"],  # noqa: S607
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], "project": str(PROJECT), **pointing_at(tmp_path), **kept},
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    pairs = (line.split("=", 1) for line in ended.stdout.splitlines())
    assert {name: value for name, value in pairs if name.startswith("PYTHON")} == kept


def test_query_strings_are_not_logged(started: Started) -> None:
    started.get("/health?secret=canary")

    started.process.send_signal(signal.SIGINT)
    started.process.wait(timeout=15)

    assert "canary" not in started.output.read_text()


def test_ctrl_c_stops_it_without_an_outcry(started: Started) -> None:
    os.killpg(started.process.pid, signal.SIGINT)

    assert started.process.wait(timeout=15) == 0
    assert "Traceback" not in started.output.read_text()


def test_it_stops_at_once_while_requests_are_under_way(started: Started) -> None:
    def ask_until_it_is_gone() -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            while True:
                started.get("/health")

    askers = [threading.Thread(target=ask_until_it_is_gone) for _ in range(8)]
    for asker in askers:
        asker.start()
    for _ in range(20):
        started.get("/health")

    started.process.send_signal(signal.SIGTERM)

    try:
        assert started.process.wait(timeout=10) in {0, -signal.SIGTERM}
    finally:
        started.process.kill()
        for asker in askers:
            asker.join()


def test_a_second_start_says_that_it_runs_and_prints_another_link(started: Started) -> None:
    again = started.bin_run()

    assert again.returncode == 0
    assert f"running already (process {started.process.pid})" in again.stdout
    link = re.search(r"http://\S+/login#token=\S+", again.stdout)
    assert link
    assert link[0] not in started.printed()
    assert started.process.poll() is None


def test_a_start_on_its_state_folder_with_another_port_is_refused(started: Started) -> None:
    started.environment["HARNESS_PORT"] = str(started.port - 1)

    ended = started.bin_run()

    assert ended.returncode == 1
    assert f"already works on {started.state}, at port {started.port}." in ended.stderr


def test_link_prints_a_link_that_logs_in(started: Started) -> None:
    ended = started.bin_run("link")

    assert (ended.returncode, ended.stderr) == (0, "")
    secret = ended.stdout.strip().partition("#token=")[2]
    address = http.client.HTTPConnection("127.0.0.1", started.port, timeout=10)
    with contextlib.closing(address) as connection:
        public = f"harness.localhost:{started.port}"
        connection.request("GET", "/login", headers={"Host": public})
        page = connection.getresponse()
        page.read()
        cookie = page.headers["Set-Cookie"].partition(";")[0]
        connection.request(
            "POST",
            "/login/link",
            body=urllib.parse.urlencode({"token": secret}),
            headers={
                "Host": public,
                "Content-Type": "application/x-www-form-urlencoded",
                "Cookie": cookie,
                "X-CSRFToken": cookie.partition("=")[2],
                "Origin": f"http://{public}",
            },
        )
        assert connection.getresponse().status == 204


def test_link_says_so_when_no_server_runs(tmp_path: Path, free_port: int) -> None:
    environment = environment_of(tmp_path / "state", free_port)

    ended = run("bin/run", "link", folder=PROJECT, environment=environment)

    assert ended.returncode == 0
    assert "The server is not running; bin/run starts it." in ended.stderr


def test_a_port_in_use_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        environment = environment_of(tmp_path / "state", port)

        ended = run("bin/run", folder=PROJECT, environment=environment)

    assert ended.returncode == 1
    assert f"Port {port} on 127.0.0.1 is in use by another program." in ended.stderr
    assert f"HARNESS_PORT={port + 1} bin/run" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_address_of_another_machine_is_refused(tmp_path: Path, free_port: int) -> None:
    environment = environment_of(tmp_path / "state", free_port) | {"HARNESS_HOST": "192.0.2.1"}

    ended = run("bin/run", folder=PROJECT, environment=environment)

    assert ended.returncode == 1
    assert "192.0.2.1 is not an address of this machine" in ended.stderr


def test_manage_runs_in_the_folder_it_was_called_from(tmp_path: Path, free_port: int) -> None:
    environment = environment_of(tmp_path / "state", free_port)

    ended = subprocess.run(
        [PROJECT / "bin/run", "manage", "shell", "-v0", "-c", "import os; print(os.getcwd())"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.stdout.strip() == str(tmp_path)


def test_the_help_needs_nothing_installed(bare_project: BareProject) -> None:
    ended = bare_project.run("bin/run", "--help")

    assert ended.returncode == 0
    assert ended.stdout.startswith("Usage: bin/run")
    assert not (bare_project.folder / ".venv").exists()


@pytest.mark.parametrize("arguments", [["strat"], ["--port"], ["link", "twice"]])
def test_what_it_does_not_know_is_refused_before_anything_is_installed(
    bare_project: BareProject, arguments: list[str]
) -> None:
    ended = bare_project.run("bin/run", *arguments)

    assert ended.returncode == 2
    assert "bin/run --help lists what there is." in ended.stderr
    assert not (bare_project.folder / ".venv").exists()
