"""What may be started: folders inside the roots, words that no shell sees, harmless variables."""

import os
import pwd
from pathlib import Path

import pytest

from sessions_app.exceptions import InvalidRequest
from sessions_app.launch import MAX_FOLDER, LaunchRequest, LaunchRules, check_launch
from sessions_app.program_environment import child_environment

CODE_CHOOSING = [
    *("LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "DYLD_INSERT_LIBRARIES", "GLIBC_TUNABLES"),
    *("PYTHONPATH", "PYTHONSTARTUP", "PYTHONHOME", "NODE_OPTIONS", "NODE_PATH", "PERL5OPT"),
    *("PERL5LIB", "RUBYOPT", "RUBYLIB", "BASH_ENV", "ENV", "SHELLOPTS", "BASHOPTS", "PS4", "IFS"),
    *("PROMPT_COMMAND", "BASH_FUNC_ls%%", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_EXTERNAL_DIFF"),
    *("GIT_PAGER", "GIT_CONFIG_COUNT", "GIT_EXEC_PATH", "GIT_DIR", "PAGER", "EDITOR", "VISUAL"),
    *("BROWSER", "GCONV_PATH", "LOCPATH", "MALLOC_CHECK_", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS"),
    *("PATH", "HOME", "SHELL", "LESSOPEN", "npm_config_script_shell"),
]
HARMLESS = ["MODE", "LANG", "TERM", "PATHS", "MY_PATH", "GIT_AUTHOR_NAME", "GIT_TERMINAL_PROMPT"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with a folder in it; beside it lies `outside`."""
    (tmp_path / "root" / "project").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    return tmp_path / "root"


def rules(root: Path, *, home: str = "/", run_as: str = "") -> LaunchRules:
    environment = {"PATH": os.defpath, "HOME": home}
    return LaunchRules(environment=environment, roots=[str(root)], run_as=run_as)


def request(folder: object = "", *argv: str, **environment: str) -> LaunchRequest:
    return LaunchRequest(
        argv=list(argv) or ["cat"], working_dir=str(folder), environment=environment
    )


def refusal(asked: LaunchRequest, allowed: LaunchRules) -> tuple[str, str]:
    """The field at fault and its sentence."""
    with pytest.raises(InvalidRequest) as caught:
        check_launch(asked, allowed)
    ((name, (sentence,)),) = caught.value.fields.items()
    return name, sentence


@pytest.mark.parametrize("place", ["", "project", "project/.."])
def test_a_folder_inside_the_roots_is_accepted(root: Path, place: str) -> None:
    assert check_launch(request(root / place), rules(root)).working_dir == str(root / place)


@pytest.mark.parametrize("place", ["..", "../outside", "/", "/etc", "../no-such-folder"])
def test_a_folder_outside_the_roots_is_refused_and_says_which_ones_are_not(
    root: Path, place: str
) -> None:
    name, sentence = refusal(request(root / place), rules(root))
    assert name == "workingDir"
    assert "is outside the folders that programs may work in" in sentence
    assert f"Choose a folder in {root}" in sentence


def test_a_link_counts_for_where_it_leads(root: Path) -> None:
    (root / "in").symlink_to(root / "project")
    (root / "out").symlink_to(root.parent / "outside")
    (root / "nowhere").symlink_to(root.parent / "no-such-folder")
    assert check_launch(request(root / "in"), rules(root)).working_dir == str(root / "in")
    for name in ("out", "nowhere"):
        assert "is outside" in refusal(request(root / name), rules(root))[1]


def test_a_path_that_no_index_takes_is_refused_whatever_its_characters(root: Path) -> None:
    room = MAX_FOLDER - len(bytes(root)) - 1
    for name in ("x" * (room + 1), "\u00e9" * (room // 2 + 1)):
        assert "longer than 2500 bytes" in refusal(request(root / name), rules(root))[1]
    assert "longer" not in refusal(request(root / ("x" * room)), rules(root))[1]


def test_what_does_not_exist_is_told_from_what_exists_only_inside(root: Path) -> None:
    assert "There is no folder" in refusal(request(root / "missing"), rules(root))[1]
    (root / "file").touch()
    assert "is not a folder" in refusal(request(root / "file"), rules(root))[1]
    (root.parent / "file").touch()
    assert "is outside" in refusal(request(root.parent / "file"), rules(root))[1]


def test_the_tilde_is_the_home_that_programs_have(root: Path) -> None:
    allowed = rules(root, home=str(root))
    assert check_launch(request("~"), allowed).working_dir == str(root)
    assert check_launch(request("~/project"), allowed).working_dir == str(root / "project")


def test_without_a_folder_it_is_the_home_or_the_first_root(root: Path) -> None:
    at_home = rules(root, home=str(root / "project"))
    assert check_launch(request(), at_home).working_dir == str(root / "project")
    elsewhere = rules(root, home=str(root.parent / "outside"))
    assert check_launch(request(), elsewhere).working_dir == str(root)


def test_words_are_passed_as_they_are(root: Path) -> None:
    words = ["printf", "$HOME", "`id`", "$(id)", "; rm -rf /", "*", "a b", "~", ""]
    assert check_launch(request(root, *words), rules(root)).argv == words


@pytest.mark.parametrize("name", CODE_CHOOSING)
def test_a_variable_that_chooses_code_is_refused_by_name(root: Path, name: str) -> None:
    field, sentence = refusal(request(root, **{name: "x"}), rules(root))
    assert (field, sentence.split()[0]) == ("env", name)


@pytest.mark.parametrize("name", HARMLESS)
def test_other_variables_are_accepted(root: Path, name: str) -> None:
    assert check_launch(request(root, **{name: "x"}), rules(root)).environment == {name: "x"}


def test_the_servers_own_variables_are_never_inherited() -> None:
    secrets = {
        "HARNESS_API_KEY": "1",
        "DJANGO_API_KEY": "2",
        "SECRET_KEY": "3",
        "SECRET_API_KEY": "4",
        "DATABASE_URL": "5",
        "REDIS_URL": "6",
        "harness_password": "7",
    }
    environment = child_environment({**secrets, "OPENAI_API_KEY": "for it"}, ["*"])
    assert environment.keys().isdisjoint(secrets)
    assert environment["OPENAI_API_KEY"] == "for it"


def test_only_what_is_listed_or_named_is_inherited() -> None:
    inherited = {"LANG": "de", "A_TOKEN": "1", "A_API_KEY": "2", "LD_PRELOAD": "evil.so"}
    environment = child_environment(inherited, ["*_API_KEY"])
    assert environment["LANG"] == "de"
    assert environment["A_API_KEY"] == "2"
    assert environment.keys().isdisjoint({"A_TOKEN", "LD_PRELOAD"})


def test_another_user_has_its_own_home_and_name() -> None:
    inherited = {"HOME": "/root", "USER": "root", "TMPDIR": "/root/tmp", "LANG": "de"}
    inherited["XDG_RUNTIME_DIR"] = "/run/user/0"
    environment = child_environment(inherited, ["*"], run_as="daemon")
    assert (environment["USER"], environment["LOGNAME"]) == ("daemon", "daemon")
    assert environment["HOME"] == os.path.expanduser("~daemon")
    assert environment.keys().isdisjoint({"TMPDIR", "XDG_RUNTIME_DIR"})
    assert environment["LANG"] == "de"


def test_what_another_user_may_execute_is_not_judged_with_the_servers_eyes(root: Path) -> None:
    closed = root / "program"
    closed.touch(mode=0o600)
    assert "is not executable" in refusal(request(root, str(closed)), rules(root))[1]
    assert check_launch(request(root, str(closed)), rules(root, run_as="daemon"))


def test_a_server_under_a_number_without_a_name_starts_programs_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unknown(number: int) -> None:
        raise KeyError(number)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    environment = child_environment({"HOME": "/srv/agents"}, [])
    assert (environment["HOME"], environment["USER"]) == ("/srv/agents", str(os.getuid()))
    assert environment["SHELL"] == "/bin/sh"
