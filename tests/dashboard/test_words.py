"""How facts read; the browser's modules are held to the same cases."""

from datetime import timedelta
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from dashboard.templatetags import dashboard as words
from dashboard.waiting import waiting_summary


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-5, "0 s"),
        (59.9, "59 s"),
        (61, "1 min 01 s"),
        (3600, "1 h 00 min"),
        (90061, "1 d 1 h"),
    ],
)
def test_a_length_of_time_shows_its_two_largest_units(seconds: float, told: str) -> None:
    assert words.duration(timedelta(seconds=seconds)) == told


@pytest.mark.parametrize(
    ("path", "told"),
    [("/home/ada", "~"), ("/home/ada/x", "~/x"), ("/home/adam", "/home/adam"), ("", "")],
)
def test_only_folders_inside_the_home_are_written_with_a_tilde(
    path: str, told: str, settings: Settings
) -> None:
    settings.HARNESS_HOME = "/home/ada"
    assert words.folder(path) == told


def test_a_home_that_is_everything_is_no_home(settings: Settings) -> None:
    settings.HARNESS_HOME = "/"
    assert words.folder("/etc") == "/etc"


@pytest.mark.parametrize(
    ("event", "line"),
    [
        ({"checkpoint": {"type": "human-verify", "whatBuilt": "A\n  page"}}, "Verify: A page"),
        ({"checkpoint": {"type": "decision", "decision": "Which?"}}, "Decide: Which?"),
        ({"checkpoint": {"type": "human-action", "action": "Log in"}}, "Your turn: Log in"),
        ({"checkpoint": {"type": "completion", "summary": "Green"}}, "Done: Green"),
        ({"checkpoint": {"type": "of-tomorrow"}}, "Waiting"),
        ({"waitType": "permission", "promptContext": "Run?"}, "Asks for permission: Run?"),
        ({"waitType": "menu", "trigger": "1. Yes"}, "Asks to choose: 1. Yes"),
        ({"waitType": "unknown", "promptContext": 7}, "Waits for an answer"),
    ],
)
def test_what_it_waits_for_in_one_line(event: dict[str, Any], line: str) -> None:
    assert waiting_summary(event) == line
