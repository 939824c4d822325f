"""What the documentation says about the environment is what the settings read."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from sessions_app.events import ClientMessage, CloseCode, EventType, ServerMessage, Status

PROJECT = Path(__file__).resolve().parents[1]


@cache
def variables_read() -> dict[str, str | None]:
    """Return each variable that the settings read and its default, None where it is computed."""
    tree = ast.parse((PROJECT / "harness_site/settings.py").read_text(encoding="utf-8"))
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return {
        call.args[0].value: _default(call)
        for call in calls
        if ast.unparse(call.func).startswith("env.")
        and call.args
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    }


def _default(call: ast.Call) -> str | None:
    given = [*call.args[1:2], *(word.value for word in call.keywords if word.arg == "default")]
    if not given or not isinstance(given[0], ast.Constant):
        return None
    value = given[0].value
    return str(int(value)) if isinstance(value, bool) else str(value)


def configuration_rows() -> dict[str, str]:
    """Return the default column of each row of the README's table of variables."""
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", readme, re.MULTILINE))


def test_the_readme_lists_the_variables_that_the_settings_read_and_no_others() -> None:
    assert set(configuration_rows()) == set(variables_read())


@pytest.mark.parametrize("name", sorted(variables_read()))
def test_the_readme_gives_the_default_of(name: str) -> None:
    default = variables_read()[name]

    if default is not None:
        assert configuration_rows()[name] == (f"`{default}`" if default else "none")


def test_every_module_reads_the_environment_through_the_settings() -> None:
    readers = [
        str(path.relative_to(PROJECT))
        for package in ("harness_site", "sessions_app", "dashboard")
        for path in (PROJECT / package).rglob("*.py")
        if re.search(r"\bos\.(environ\b(?!\.setdefault)|getenv)", path.read_text(encoding="utf-8"))
    ]

    # The holder's interpreter gets the loader's path, which is no setting.
    assert set(readers) <= {"harness_site/env.py", "sessions_app/holder_client.py"}


def test_links_between_the_pages_lead_somewhere() -> None:
    pages = [*PROJECT.glob("*.md"), *(PROJECT / "docs").glob("**/*.md")]
    dead = [
        f"{page.relative_to(PROJECT)}: {target}"
        for page in pages
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]

    assert dead == []


@pytest.mark.parametrize("name", sorted([*EventType, *ClientMessage, *ServerMessage, *Status]))
def test_the_api_page_names_every_event_message_and_status(name: str) -> None:
    page = (PROJECT / "docs/api.md").read_text(encoding="utf-8")
    assert re.search(rf"[`\"]{re.escape(name)}[`\"]", page)


@pytest.mark.parametrize(
    "code", [value for name, value in vars(CloseCode).items() if name.isupper()]
)
def test_the_api_page_names_every_close_code(code: int) -> None:
    assert str(code) in (PROJECT / "docs/api.md").read_text(encoding="utf-8")
