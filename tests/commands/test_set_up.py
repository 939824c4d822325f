"""What bin/run installs, and what it says when it cannot."""

import fcntl
import subprocess

from tests.commands.commands import BareProject
from tests.waiting_for import until


def test_a_machine_without_python_is_told_what_to_install(bare_project: BareProject) -> None:
    ended = bare_project.run("bin/run")

    assert ended.returncode == 1
    assert "Python 3.11 or later is needed. There is no python3 on the PATH." in ended.stderr
    assert "apt-get install python3 python3-venv" in ended.stderr


def test_a_python_that_is_too_old_is_named(bare_project: BareProject) -> None:
    bare_project.program("python3", "echo 3.9")

    ended = bare_project.run("bin/run")

    assert ended.returncode == 1
    assert "python3 here is Python 3.9." in ended.stderr


def test_a_newer_python_under_another_name_is_found(bare_project: BareProject) -> None:
    bare_project.program("python3", "echo 3.9")
    bare_project.program(
        "python3.12", 'case "$*" in *version_info*) echo 3.12 ;; *) exit 1 ;; esac'
    )

    ended = bare_project.run("bin/run")

    assert "Python 3.11 or later is needed" not in ended.stderr


def test_a_python_that_cannot_make_environments_is_told_what_to_install(
    bare_project: BareProject,
) -> None:
    bare_project.python_that("*ensurepip*) exit 1 ;;", '"-m pip"*) exit 1 ;;')

    ended = bare_project.run("bin/run")

    assert ended.returncode == 1
    assert "apt-get install python3-venv" in ended.stderr


def test_without_ensurepip_the_pip_of_the_system_serves(bare_project: BareProject) -> None:
    bare_project.python_that("*ensurepip*) exit 1 ;;", "*install*) echo system pip: $*; exit 1 ;;")

    ended = bare_project.run("bin/run")

    assert "Making the Python environment with the system's pip ... done" in ended.stderr
    assert "system pip: -m pip --python .venv/bin/python install" in ended.stderr


def test_a_step_that_fails_shows_its_last_lines_and_what_to_do(bare_project: BareProject) -> None:
    bare_project.python_that("*ensurepip*) exit 1 ;;", "*install*) echo no route; exit 1 ;;")

    ended = bare_project.run("bin/run")

    assert ended.returncode == 1
    assert "Installing Python packages ... failed" in ended.stderr
    assert "    no route" in ended.stderr
    assert "tell pip about it (pip config)" in ended.stderr
    assert not (bare_project.folder / ".venv" / "installed-run").exists()


def test_of_two_set_ups_of_a_folder_the_later_waits(bare_project: BareProject) -> None:
    bare_project.python_that("*ensurepip*) exit 1 ;;", "*install*) exit 1 ;;")
    environment = bare_project.folder / ".venv"
    environment.mkdir()
    with (environment / "set-up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        progress = bare_project.folder / "progress"
        with progress.open("w") as output:
            later = subprocess.Popen(
                [str(bare_project.folder / "bin/run")],
                env=bare_project.environment,
                stderr=output,
            )
        until(lambda: "waiting for it" in progress.read_text(), timeout=20)
        assert [each.name for each in environment.iterdir()] == ["set-up.lock"]
    later.wait(timeout=60)

    assert "Making the Python environment" in progress.read_text()


def test_npm_comes_from_pypi_where_the_system_has_none_or_an_old_one(
    bare_project: BareProject,
) -> None:
    bare_project.program("npm", "echo 8.19.4")
    pip = '*ensurepip*) exit 1 ;;\n*install*requirements-node*) echo "$*"; exit 1 ;;\n'
    bare_project.python_that(pip + "*install*) exit 0 ;;")

    ended = bare_project.run("bin/run")

    assert "Installing Node.js, which brings npm ... failed" in ended.stderr
    assert "requirements-node.txt" in ended.stderr


def test_the_front_end_packages_are_installed_as_locked_without_their_scripts(
    bare_project: BareProject,
) -> None:
    bare_project.program(
        "npm", 'case "$*" in --version) echo 11.0.0 ;; *) echo "npm $*"; exit 1 ;; esac'
    )
    bare_project.python_that("*ensurepip*) exit 1 ;;", "*install*) exit 0 ;;")

    ended = bare_project.run("bin/run")

    assert "npm ci --omit=dev --ignore-scripts" in ended.stderr
    assert ended.returncode == 1
