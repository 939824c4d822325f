"""bin/test: which checks it runs, and that a failing one is not overlooked."""

import re
import shutil
import subprocess

import psutil
import pytest

from tests.commands.commands import PROJECT, BareProject, executable, run
from tests.waiting_for import until

PYTHON_STUB = """#!/bin/sh
case "$*" in
    *version_info*) echo "python 3.11" ;;
    *"pip check") echo "package a needs b"; exit 1 ;;
    *pytest*) echo "pytest ran: $*" ;;
esac
"""


@pytest.fixture
def set_up_project(bare_project: BareProject) -> BareProject:
    """Give a project in which everything seems to be installed already, as stubs."""
    folder = bare_project.folder
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / "node_modules").mkdir()
    executable(folder / ".venv/bin/python", PYTHON_STUB)
    executable(folder / ".venv/bin/ruff", "#!/bin/sh\necho ruff ran\n")
    names = ("requirements.txt", "constraints.txt", "requirements-dev.txt")
    wanted = "python 3.11\n" + "".join((folder / name).read_text() for name in names)
    (folder / ".venv/installed-dev").write_text(wanted)
    wanted = "".join((folder / name).read_text() for name in ("package.json", "package-lock.json"))
    (folder / "node_modules/.installed-dev").write_text(wanted)
    bare_project.python_that()
    bare_project.program("npm", "echo 11.0.0")
    programs = ["bwrap", "chromium", "faketime", "htop", "initdb", "less", "nginx", "openssl"]
    programs += ["redis-server", "sqlite3", "systemd-analyze", "vim"]
    for name in programs:
        bare_project.program(name, "exit 0")
    return bare_project


def test_a_failing_step_is_counted_and_the_next_one_runs(set_up_project: BareProject) -> None:
    ended = set_up_project.run("bin/test", "packages", "lint")

    assert ended.returncode == 1
    assert "package a needs b" in ended.stdout
    assert "ruff ran" in ended.stdout
    assert ended.stdout.splitlines()[-1] == "1 passed, 1 failed"


def test_steps_that_pass_are_listed_with_their_duration(set_up_project: BareProject) -> None:
    ended = set_up_project.run("bin/test", "format")

    assert ended.returncode == 0
    *_, row, blank, total = ended.stdout.splitlines()
    # A busy machine may need a second or more even for a stub.
    assert re.fullmatch(r"format +passed +\d+ s", row)
    assert (blank, total) == ("", "1 passed, 0 failed")


def test_long_tests_are_left_out_unless_asked_for(set_up_project: BareProject) -> None:
    assert "pytest ran: -m pytest -m not long\n" in set_up_project.run("bin/test", "python").stdout


def test_the_tests_run_once_more_on_postgresql_and_redis(set_up_project: BareProject) -> None:
    printed = set_up_project.run("bin/test", "engines").stdout

    assert "pytest ran: -m tests.engines .venv/bin/python -m pytest -m not long\n" in printed


def test_both_runs_of_the_tests_go_on_side_by_side_and_share_what_has_engines_of_its_own(
    set_up_project: BareProject,
) -> None:
    python = set_up_project.folder / ".venv/bin/python"
    # Each of them waits for the other.
    meet = ': >"$HOME/{}"; until [ -e "$HOME/{}" ]; do :; done; echo "$*"'
    meeting = f"""*tests.engines*) {meet.format("engines", "python")} ;;
    *pytest*) {meet.format("python", "engines")}; exit 1 ;;"""
    executable(python, PYTHON_STUB.replace('*pytest*) echo "pytest ran: $*" ;;', meeting))

    printed = set_up_project.run("bin/test", "engines", "lint", "python").stdout.splitlines()

    assert "-m pytest -m not long and not own_engines and not taken_over" in printed
    assert printed[printed.index("=== engines ===") + 1] == (
        "-m tests.engines .venv/bin/python -m pytest -m not long and not lengthy"
    )
    assert [row.split()[:2] for row in printed[-5:-2]] == [
        ["lint", "passed"],
        ["python", "FAILED"],
        ["engines", "passed"],
    ]


def test_who_ends_the_command_ends_the_run_beside_it(set_up_project: BareProject) -> None:
    python = set_up_project.folder / ".venv/bin/python"
    asleep = '*tests.engines*) echo $$ >"$HOME/engines"; exec sleep 100 ;;\n    *pytest*)'
    executable(python, PYTHON_STUB.replace("*pytest*)", asleep))
    set_up_project.program("sleep", f'exec "{shutil.which("sleep")}" "$@"')
    began = set_up_project.folder.parent / "engines"

    with subprocess.Popen(
        [str(set_up_project.folder / "bin/test"), "python", "engines"],
        cwd=set_up_project.folder,
        env=set_up_project.environment,
        stdout=subprocess.DEVNULL,
    ) as running:
        until(lambda: began.exists() and began.read_text(), timeout=20)
        beside = psutil.Process(int(began.read_text()))
        running.terminate()
        assert running.wait(10) == 143
    until(lambda: not beside.is_running() or beside.status() == psutil.STATUS_ZOMBIE)


def test_a_step_whose_servers_cannot_be_had_is_listed_as_skipped(
    set_up_project: BareProject,
) -> None:
    python = set_up_project.folder / ".venv/bin/python"
    executable(python, PYTHON_STUB.replace("*pytest*)", "*pytest*) exit 77 ;;\n    *none*)"))

    ended = set_up_project.run("bin/test", "engines")

    assert ended.returncode == 0
    *_, row, _, total = ended.stdout.splitlines()
    assert re.fullmatch(r"engines +skipped +\d+ s", row)
    assert total == "0 passed, 0 failed"


def test_arguments_after_two_dashes_go_to_pytest_alone(set_up_project: BareProject) -> None:
    ended = set_up_project.run("bin/test", "--", "-k", "words apart")

    assert "pytest ran: -m pytest -m not long -k words apart\n" in ended.stdout
    assert ended.stdout.splitlines()[-1] == "1 passed, 0 failed"


def test_a_missing_program_is_named_to_those_who_may_not_install_it(
    set_up_project: BareProject,
) -> None:
    (set_up_project.programs / "htop").unlink()

    ended = set_up_project.run("bin/test", "lint")

    assert "programs that are not installed and will fail. Install them: htop" in ended.stderr


def test_an_unknown_step_is_refused_before_anything_is_installed(bare_project: BareProject) -> None:
    ended = bare_project.run("bin/test", "formatt")

    assert ended.returncode == 2
    assert "There is no step 'formatt'." in ended.stderr
    assert not (bare_project.folder / ".venv").exists()


def test_the_help_names_every_step(bare_project: BareProject) -> None:
    ended = bare_project.run("bin/test", "--help")

    script = (PROJECT / "bin/test").read_text()
    steps = next(line for line in script.splitlines() if line.startswith("steps="))
    listed = {line.split()[0] for line in ended.stdout.splitlines() if line.startswith("  ")}
    assert set(steps.partition("=")[2].strip('"').split()) <= listed


def test_the_commands_work_through_a_link_from_another_folder(bare_project: BareProject) -> None:
    link = bare_project.folder.parent / "harness-test"
    link.symlink_to(bare_project.folder / "bin/test")
    (bare_project.folder.parent / "bin").mkdir()
    shutil.move(link, bare_project.folder.parent / "bin" / "test")

    ended = run(
        "bin/test", "--help",
        folder=bare_project.folder.parent, environment=bare_project.environment,
    )  # fmt: skip

    assert ended.stdout.startswith("Usage: bin/test")
