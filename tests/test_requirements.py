"""The pinned packages: every one, once, and the ones that are installed."""

import re
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).resolve().parents[1]


def requirements_of(name: str) -> list[Requirement]:
    """Return the packages that a requirements file names itself."""
    lines = (PROJECT / name).read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and line[0] not in "#-"]


def pins() -> dict[str, str]:
    """Return the version of every package in constraints.txt."""
    return {
        canonicalize_name(each.name): str(each.specifier).removeprefix("==")
        for each in requirements_of("constraints.txt")
    }


def needed_by(roots: list[Requirement]) -> set[str]:
    """Return these packages and all that they need in turn, on this machine."""
    found: set[tuple[str, str]] = set()
    open_ends = [(each, "") for each in roots]
    while open_ends:
        requirement, extra = open_ends.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        needs = distribution(requirement.name).requires or []
        for extra in {"", *requirement.extras}:
            if (key := (canonicalize_name(requirement.name), extra)) not in found:
                found.add(key)
                open_ends += [(Requirement(need), extra) for need in needs]
    return {name for name, _ in found}


@pytest.mark.parametrize(
    "name",
    [
        "requirements.txt",
        "requirements-dev.txt",
        "requirements-node.txt",
        "requirements-bench.txt",
        "constraints.txt",
    ],
)
def test_every_package_is_pinned_to_one_version(name: str) -> None:
    loose = [str(each) for each in requirements_of(name) if not re.match("==", str(each.specifier))]

    assert loose == []


def test_what_is_required_is_what_is_constrained() -> None:
    required = [*requirements_of("requirements.txt"), *requirements_of("requirements-dev.txt")]

    for each in required:
        assert pins()[canonicalize_name(each.name)] == str(each.specifier).removeprefix("==")


def test_whatever_gets_installed_is_pinned() -> None:
    required = [*requirements_of("requirements.txt"), *requirements_of("requirements-dev.txt")]
    unpinned = needed_by(required) - set(pins())

    assert unpinned == set()


def test_the_pinned_versions_are_the_installed_ones() -> None:
    required = [*requirements_of("requirements.txt"), *requirements_of("requirements-dev.txt")]
    installed = {name: distribution(name).version for name in needed_by(required)}

    assert {name: pins()[name] for name in installed} == installed


def test_no_file_names_a_registry() -> None:
    for path in [*PROJECT.glob("requirements*.txt"), *(PROJECT / "bin").iterdir()]:
        assert not re.search(r"--(extra-)?index-url|--registry|https?://", path.read_text()), path
    assert '"resolved"' not in (PROJECT / "package-lock.json").read_text()
