"""The images: what goes in, who runs them, and whether what goes in is enough.

There is no Docker where these tests run, so what the Dockerfile copies is put together by hand.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployment.files import DEPLOY, PROJECT, compose, harness_variables, known_variables
from tests.engines import free_port
from tests.real_server import RealServer
from tests.waiting_for import until

LINES = re.sub(r"\\\n\s*", "", (DEPLOY / "Dockerfile").read_text(encoding="utf-8")).splitlines()


def stages() -> dict[str, list[str]]:
    """Return the instructions of each stage, in order."""
    found: dict[str, list[str]] = {}
    for line in LINES:
        if match := re.fullmatch(r"FROM (\S+) AS (\S+)", line):
            found[match[2]] = [line]
        elif found and line and not line.startswith("#"):
            found[list(found)[-1]].append(line)
    return found


def instructions(stage: str, name: str) -> list[str]:
    """Return what stands after the instruction of this name."""
    return [
        line.removeprefix(f"{name} ") for line in stages()[stage] if line.startswith(f"{name} ")
    ]


def copied() -> list[tuple[str, str]]:
    """Return what the image of web processes gets from the project: source and destination."""
    found = []
    for line in instructions("web", "COPY"):
        *sources, destination = line.split()
        if not sources[0].startswith("--from="):
            found += [(each, each if destination == "./" else destination) for each in sources]
    return found


def variables(stage: str) -> dict[str, str]:
    """Return the variables that the image sets."""
    words = (word for line in instructions(stage, "ENV") for word in line.split())
    return dict(word.split("=", 1) for word in words)


def test_what_is_served_runs_as_nobody_in_particular() -> None:
    assert instructions("web", "USER") == ["harness"]
    # The manager changes users for programs; compose.yaml leaves it four capabilities.
    assert instructions("manager", "USER") == ["root"]
    assert variables("manager")["HARNESS_RUN_AS"] == "agent"


def test_the_stages_build_on_each_other_and_compose_names_those_there_are() -> None:
    assert list(stages()) == ["front-end", "packages", "web", "manager"]
    assert stages()["manager"][0] == "FROM web AS manager"
    named = re.findall(r"COPY --from=(\S+)", "\n".join(LINES))
    assert set(named) <= set(stages())
    services = compose("compose.yaml")["services"]
    targets = {each["build"]["target"] for each in services.values() if "build" in each}
    assert targets == {"web", "manager"}


def test_no_image_moves_under_a_name_without_a_version() -> None:
    bases = {stage[0].split()[1] for stage in stages().values()} - set(stages())
    assert all(re.search(r":\d", base) for base in bases)
    images = {each["image"] for each in compose("compose.yaml")["services"].values()}
    assert all(re.search(r":\d", each) for each in images if not each.startswith("session-"))


def test_the_first_process_reaps_and_passes_signals_on() -> None:
    (entry,) = instructions("web", "ENTRYPOINT")
    assert json.loads(entry)[:2] == ["/usr/bin/tini", "--"]
    assert "tini" in " ".join(instructions("web", "RUN"))


def test_the_settings_know_every_variable_of_the_images() -> None:
    for stage in ("web", "manager"):
        assert harness_variables(variables(stage)) == set(variables(stage))
        assert set(variables(stage)) <= known_variables()


def test_only_what_is_copied_is_sent_to_docker_at_all() -> None:
    lines = (PROJECT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    let_through = {line.removeprefix("!") for line in rules if line.startswith("!")}
    wanted = {source for source, _ in copied()}
    for stage in ("front-end", "packages"):
        for line in instructions(stage, "COPY"):
            wanted |= set(line.split()[:-1])
    assert let_through == wanted
    assert all((PROJECT / each).exists() for each in wanted)


def test_no_secret_is_part_of_an_image() -> None:
    instructions_alone = [line for stage in stages().values() for line in stage]
    assert not re.search("(?i)password|token|secret|api_key", "\n".join(instructions_alone))
    # The one command that needs a state folder leaves none.
    (collect,) = (line for line in instructions("web", "RUN") if "collectstatic" in line)
    assert re.search(r"HARNESS_STATE_DIR=(\S+) .* && rm -rf \1 ", collect)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the image has in its folder, with the front-end's packages and collected files."""
    folder = tmp_path_factory.mktemp("image")
    for source, destination in copied():
        here, there = PROJECT / source, folder / destination
        there.parent.mkdir(parents=True, exist_ok=True)
        if here.is_dir():
            shutil.copytree(here, there, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(here, there)
    packages = json.loads((PROJECT / "package.json").read_text(encoding="utf-8"))["dependencies"]
    for name in packages:
        shutil.copytree(PROJECT / "node_modules" / name, folder / "node_modules" / name)
    environment = {"HARNESS_STATE_DIR": str(folder / "throw-away"), "HOME": str(folder)}
    subprocess.run(
        [sys.executable, "-I", "manage.py", "collectstatic", "--noinput", "-v0"],
        cwd=folder,
        env=environment,
        check=True,
        timeout=120,
    )
    shutil.rmtree(folder / "throw-away")
    return folder


class InTheImage(RealServer):
    """A server that has nothing but what is in the image."""

    def __init__(self, state: Path, image: Path) -> None:
        super().__init__(state)
        self.image = image

    def command(self) -> list[str]:
        """What the image's entry point runs."""
        return [sys.executable, "-I", str(self.image / "manage.py"), "serve"]


@pytest.fixture
def server(image: Path, tmp_path: Path) -> Iterator[InTheImage]:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    server = InTheImage(state, image)
    server.start()
    yield server
    if server.process is None:
        server.start()
    server.end_sessions()
    server.stop()


def test_what_is_in_the_image_serves_pages_and_runs_programs(server: InTheImage) -> None:
    session = server.launch("sh", "-c", "echo from $((6 * 7))")
    until(lambda: b"from 42" in server.output(session), timeout=10)
    assert server.process is not None
    assert os.readlink(f"/proc/{server.process.pid}/cwd") == "/"
    manifest = json.loads((server.image / "staticfiles/staticfiles.json").read_text())
    path = manifest["paths"]["dashboard/js/home.js"]
    assert b"import" in server.request_raw("GET", f"/static/{path}")
    assert b"xterm" in server.request_raw("GET", f"/static/{manifest['paths'][XTERM]}")


XTERM = "vendor/xterm/css/xterm.css"


def health(image: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the health check as Docker does."""
    return subprocess.run(
        [sys.executable, "-I", str(image / "deploy/healthy.py")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_a_web_process_is_healthy_while_it_answers(server: InTheImage) -> None:
    where = {"HARNESS_ROLE": "web", "HARNESS_HOST": "127.0.0.1", "HARNESS_PORT": str(server.port)}
    assert health(server.image, **where).returncode == 0
    everywhere = where | {"HARNESS_HOST": "0.0.0.0"}  # noqa: S104  # nothing is bound
    assert health(server.image, **everywhere).returncode == 0

    server.stop()

    checked = health(server.image, **where)
    assert checked.returncode == 1
    assert "does not answer" in checked.stdout


def test_a_web_process_that_says_what_is_wrong_is_not_healthy(image: Path) -> None:
    assert health(image, HARNESS_PORT=str(free_port())).returncode == 1


def test_a_manager_is_healthy_while_its_state_folder_is_taken(
    server: InTheImage, tmp_path: Path
) -> None:
    where = {"HARNESS_ROLE": "manager", "HARNESS_STATE_DIR": str(server.state)}
    assert health(server.image, **where).returncode == 0

    server.stop()
    checked = health(server.image, **where)
    assert (checked.returncode, checked.stdout) == (1, "No manager works on the state folder.\n")

    empty = where | {"HARNESS_STATE_DIR": str(tmp_path)}
    assert health(server.image, **empty).stdout == "The manager has not begun.\n"
