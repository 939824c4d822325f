"""What is news, and what ends a waiting."""

from typing import Any, Literal, NamedTuple

import pytest

from sessions_app.waiting import Checkpoint, Report, Resumed, Wait, Waiting, WaitingTracker
from tests.waiting.test_checkpoint_box import DECISION, VERIFIED, VERIFY


class Signal(NamedTuple):
    code: int | Literal["BEL"]
    body: bytes = b""


BLOCKED = Signal(7501, b"state=blocked:kind=permission")
WORKING = Signal(7501, b"state=working")
COMPLETION: dict[str, object] = {"type": "completion", "summary": "all done"}


def types(reports: list[Report]) -> list[str]:
    return [type(report).__name__ for report in reports]


def test_each_source_is_heard() -> None:
    assert types(WaitingTracker().signals([BLOCKED])) == ["Waiting"]
    assert types(WaitingTracker().screen(VERIFY)) == ["Checkpoint"]
    assert types(WaitingTracker().explicit(COMPLETION)) == ["Checkpoint"]


def test_the_current_report_is_the_last_news() -> None:
    tracker = WaitingTracker()
    assert tracker.current is None
    [report] = tracker.screen(VERIFY)
    assert tracker.current == report
    tracker.typed(b"approved\r")
    assert tracker.current is None


@pytest.mark.parametrize("raised", ["signals", "screen", "explicit"])
def test_typed_input_resumes_once_whatever_the_source(raised: str) -> None:
    tracker = WaitingTracker()
    evidence: dict[str, Any] = {"signals": [BLOCKED], "screen": VERIFY, "explicit": COMPLETION}
    getattr(tracker, raised)(evidence[raised])
    assert types(tracker.typed(b"y")) == ["Resumed"]
    assert tracker.typed(b"y") == []


@pytest.mark.parametrize(
    "report",
    [b"", b"\x1b[I", b"\x1b[O", b"\x1b[<35;10;20M", b"\x1b[<0;1;1m", b"\x1b[M !!", b"\x1b[24;80R",
     b"\x1b[?1;1R", b"\x1b[?1;2c", b"\x1b[>0;276;0c", b"\x1b[0n", b"\x1b[?2026;2$y",
     b"\x1b]11;rgb:1e1e/1e1e/1e1e\x1b\\", b"\x1bP>|xterm.js(6.0.0)\x1b\\",
     b"\x1b]7501;?\x07", b"\x1b[I\x1b[<35;10;20M"],
)  # fmt: skip
def test_what_a_terminal_says_by_itself_is_not_typed(report: bytes) -> None:
    tracker = WaitingTracker()
    tracker.screen(VERIFY)
    assert tracker.typed(report) == []
    assert types(tracker.typed(report + b"y")) == ["Resumed"]


@pytest.mark.parametrize("keys", [b"\x1b[A", b"\x1b", b"\r", b"\x1b[200~hi\x1b[201~", b"\x1bOP"])
def test_keys_that_send_sequences_are_typed(keys: bytes) -> None:
    tracker = WaitingTracker()
    tracker.screen(VERIFY)
    assert types(tracker.typed(keys)) == ["Resumed"]


def test_an_answered_box_that_still_stands_is_not_raised_again() -> None:
    tracker = WaitingTracker()
    tracker.screen(["", *VERIFY])
    tracker.typed(b"approved\r")
    assert tracker.screen(["", *VERIFY]) == []
    assert tracker.screen([*VERIFY, "approved"]) == []


def test_an_answered_box_that_is_printed_again_is_raised() -> None:
    tracker = WaitingTracker()
    tracker.screen(VERIFY)
    tracker.typed(b"approved\r")
    assert types(tracker.screen([*VERIFY, *VERIFY])) == ["Checkpoint"]


def test_a_box_printed_again_without_an_answer_is_no_news() -> None:
    tracker = WaitingTracker()
    tracker.screen(VERIFY)
    assert tracker.screen([*VERIFY, *VERIFY]) == []


def test_a_source_resumes_only_what_it_raised() -> None:
    tracker = WaitingTracker()
    tracker.signals([BLOCKED])
    tracker.explicit(COMPLETION)
    assert tracker.signals([WORKING]) == []
    assert tracker.current == Checkpoint(checkpoint=COMPLETION, source="explicit", confidence=1.0)

    tracker = WaitingTracker()
    tracker.signals([BLOCKED])
    assert types(tracker.signals([WORKING])) == ["Resumed"]
    assert tracker.current is None


def test_a_less_sure_source_does_not_replace_a_surer_one() -> None:
    tracker = WaitingTracker()
    tracker.explicit(COMPLETION)
    assert tracker.signals([BLOCKED]) == []
    assert tracker.screen(VERIFY) == []

    tracker = WaitingTracker()
    tracker.screen(VERIFY)
    assert types(tracker.signals([BLOCKED])) == ["Waiting"]
    assert types(tracker.explicit(COMPLETION)) == ["Checkpoint"]


def test_the_same_report_again_is_no_news_and_an_equally_sure_other_one_is() -> None:
    tracker = WaitingTracker()
    tracker.explicit(COMPLETION)
    assert tracker.explicit(dict(COMPLETION)) == []
    assert types(tracker.explicit({"type": "decision"})) == ["Checkpoint"]


def test_what_is_on_the_screen_already_is_old() -> None:
    tracker = WaitingTracker()
    tracker.prime(VERIFY)
    assert tracker.current is None
    assert tracker.screen(VERIFY) == []
    assert types(tracker.screen(DECISION)) == ["Checkpoint"]


def test_after_a_restart_the_waiting_goes_on() -> None:
    before = WaitingTracker()
    before.screen(VERIFY)
    after = WaitingTracker()
    after.restore(before.current)
    after.prime(VERIFY)
    assert after.screen(VERIFY) == []
    assert types(after.typed(b"approved\r")) == ["Resumed"]


def test_further_sources_can_be_given() -> None:
    class Bell:
        name = "bell"

        def on_signals(self, signals: object) -> list[Report]:
            return [Waiting(wait_type="unknown", trigger="bell", source="bell", confidence=0.2)]

        def on_screen(self, lines: object) -> list[Report]:
            return []

    tracker = WaitingTracker([Bell()])
    assert types(tracker.signals([Signal("BEL")])) == ["Waiting"]
    assert tracker.screen(VERIFY) == []


WAITS: list[Wait] = [
    Checkpoint(checkpoint=dict(VERIFIED), source="checkpoint-box", confidence=0.7),
    Waiting(wait_type="prompt", trigger="t", source="s", confidence=0.5),
    Waiting(
        wait_type="menu", trigger="t", menu_options=["a", "b"], prompt_intent="i",
        prompt_context="c", source="s", confidence=0.5,
    ),
]  # fmt: skip


@pytest.mark.parametrize("report", [*WAITS, Resumed(source="input")])
def test_reports_survive_the_way_through_their_payload(report: Report) -> None:
    assert type(report).from_payload(report.to_payload()) == report


def test_payloads_have_the_fields_of_the_wire() -> None:
    waiting = Waiting(wait_type="prompt", trigger="t", source="s", confidence=0.5)
    assert waiting.to_payload() == {
        "waitType": "prompt", "trigger": "t", "menuOptions": None, "promptIntent": None,
        "promptContext": None, "source": "s", "confidence": 0.5,
    }  # fmt: skip
