"""GET directories: completion of folders' paths, which never fails."""

import os
from pathlib import Path

import pytest
from django.test import Client
from pytest_django.fixtures import Settings


def completed(api: Client, path: str) -> list[str]:
    answer = api.get("/api/directories", {"path": path})
    assert answer.status_code == 200, answer.content
    assert answer.json()["path"] == path
    directories: list[str] = answer.json()["directories"]
    return directories


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with folders, a file, a hidden folder and links."""
    for name in ("project", "prose", "other", ".private"):
        (tmp_path / name).mkdir()
    (tmp_path / "program").touch()
    (tmp_path / "proxy").symlink_to(tmp_path / "other")
    (tmp_path / "broken").symlink_to(tmp_path / "broken")
    os.mkdir(os.fsencode(tmp_path) + b"/pro\xff")
    return tmp_path


def test_folders_that_begin_so_are_offered(api: Client, root: Path) -> None:
    assert completed(api, f"{root}/pro") == [f"{root}/{n}" for n in ("project", "prose", "proxy")]
    assert completed(api, f"{root}/nothing") == []


def test_hidden_folders_are_offered_only_when_asked_for(api: Client, root: Path) -> None:
    visible = [f"{root}/{name}" for name in ("other", "project", "prose", "proxy")]
    assert completed(api, f"{root}/") == visible
    assert completed(api, f"{root}/.") == [f"{root}/.private"]


def test_the_home_is_where_one_begins(api: Client, root: Path, settings: Settings) -> None:
    settings.HARNESS_INHERITED_ENV = {"HOME": str(root)}
    assert completed(api, "~/oth") == [f"{root}/other"]
    assert f"{root}/other" in api.get("/api/directories").json()["directories"]


def test_at_most_fifty_are_offered_in_order(api: Client, tmp_path: Path) -> None:
    for number in range(70):
        (tmp_path / f"{number:02}").mkdir()
    assert completed(api, f"{tmp_path}/") == [f"{tmp_path}/{number:02}" for number in range(50)]


@pytest.mark.parametrize(
    "path", ["relative", "~nobody/x", "/no/such/folder", "/etc/passwd/x", "/" + "x/" * 2000]
)
def test_what_cannot_be_read_has_no_folders(api: Client, path: str) -> None:
    assert completed(api, path) == []


def test_a_path_with_a_nul_is_refused(api: Client) -> None:
    assert api.get("/api/directories", {"path": "/\0"}).status_code == 400


def test_only_folders_in_the_roots_are_offered(api: Client, root: Path, settings: Settings) -> None:
    settings.HARNESS_ROOTS = [str(root / "project"), str(root / "prose")]
    (root / "project" / "inner").mkdir()
    (root / "project" / "inside").symlink_to(root / "prose")
    (root / "project" / "into-other").symlink_to(root / "other")
    assert completed(api, f"{root}/project/in") == [
        f"{root}/project/{name}" for name in ("inner", "inside")
    ]
    assert completed(api, f"{root}/other/") == []
    assert completed(api, f"{root}/project/../") == []
    assert completed(api, f"{root}/project/into-other/") == []


def test_the_roots_themselves_are_offered(api: Client, root: Path, settings: Settings) -> None:
    settings.HARNESS_ROOTS = [str(root / "project"), str(root / "prose")]
    both = [f"{root}/project", f"{root}/prose"]
    assert completed(api, "/") == both
    assert completed(api, f"{root}/") == both
    assert completed(api, f"{root}/proj") == both[:1]
    assert completed(api, f"{root}/x") == []
