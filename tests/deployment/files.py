"""The deployment files, read as those read them whom they are for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.test_docs import variables_read

PROJECT = Path(__file__).resolve().parents[2]
DEPLOY = PROJECT / "deploy"
PAGE = PROJECT / "docs/deployment.md"

# ${NAME}, ${NAME:-default} and ${NAME:?message}, as Compose reads them; $$ is a dollar sign.
_PLACE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\})")


class MissingVariable(Exception):
    """Compose refuses to go on without it."""


def interpolated(value: Any, environment: Mapping[str, str]) -> Any:
    """Return the value with variables in their places; raises MissingVariable."""
    if isinstance(value, dict):
        return {key: interpolated(each, environment) for key, each in value.items()}
    if isinstance(value, list):
        return [interpolated(each, environment) for each in value]
    if not isinstance(value, str):
        return value

    def put(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        given = environment.get(match["name"], "")
        if given or match["kind"] is None:
            return given
        if match["kind"] == "?":
            raise MissingVariable(match["name"])
        return str(match["rest"])

    return _PLACE.sub(put, value)


def compose(name: str, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return a compose file; with an environment, as Compose sees it then."""
    content: dict[str, Any] = yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))
    return content if environment is None else interpolated(content, environment)


def assignments(path: Path) -> dict[str, str]:
    """Return the variables of a file of assignments, without quotes."""
    lines = path.read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: value.strip('"') for name, _, value in pairs}


def unit(name: str) -> dict[str, list[str]]:
    """Return the settings of a systemd unit, each with all its values in order."""
    found: dict[str, list[str]] = {}
    for line in (DEPLOY / "systemd" / name).read_text(encoding="utf-8").splitlines():
        if line and line[0] not in "#[":
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def unit_environment(name: str) -> dict[str, str]:
    """Return the variables that a unit sets itself."""
    words = (word for line in unit(name).get("Environment", []) for word in line.split())
    return dict(word.split("=", 1) for word in words)


def harness_variables(names: Iterator[str] | Mapping[str, str]) -> set[str]:
    """Return those of the names that are the harness's own."""
    return {
        name
        for name in names
        if name.startswith("HARNESS_") or name in ("DATABASE_URL", "REDIS_URL")
    }


def known_variables() -> set[str]:
    """Return every variable that the settings read."""
    return set(variables_read())


def tried(name: str) -> str:
    """Return the commands of the page that stand below `<!-- tried: name -->`."""
    page = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(
        rf"^<!-- tried: {re.escape(name)} -->\n```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL
    )
    assert len(blocks) == 1, name
    return str(blocks[0])
