"""Checkpoint boxes, read off rendered lines."""

import textwrap
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.waiting import Checkpoint
from sessions_app.waiting.checkpoint_box import CheckpointBox, boxes

RULE = "═" * 40
VERIFY = f"""\
{RULE}
CHECKPOINT: human-verify
{RULE}

What was built: The sign-in page
How to verify:
  1. Run npm run dev
  2. Open /login and look at
     the button

Type "approved" or say what is wrong
{RULE}""".splitlines()
VERIFIED = {
    "type": "human-verify",
    "whatBuilt": "The sign-in page",
    "howToVerify": ["Run npm run dev", "Open /login and look at the button"],
    "resumeSignal": 'Type "approved" or say what is wrong',
}
DECISION = f"""\
{RULE}
CHECKPOINT: decision
Decision: Which database?
Context: It has to be one
Options:
- option-a: PostgreSQL - Pros: strong, known - Cons: heavy
- option-b: SQLite
  Pros: light
  Cons: one writer
Select: option-a or option-b
{RULE}""".splitlines()
DECIDED = {
    "type": "decision",
    "decision": "Which database?",
    "context": "It has to be one",
    "options": [
        {"id": "option-a", "name": "PostgreSQL", "pros": "strong, known", "cons": "heavy"},
        {"id": "option-b", "name": "SQLite", "pros": "light", "cons": "one writer"},
    ],
    "resumeSignal": "Select: option-a or option-b",
}
ACTION = f"""\
{RULE}
CHECKPOINT: human-action
Action required: Log in
Instructions: Use the browser
YOUR ACTION: Type "done"
{RULE}""".splitlines()
ACTED = {
    "type": "human-action",
    "action": "Log in",
    "instructions": "Use the browser",
    "resumeSignal": 'YOUR ACTION: Type "done"',
}


def checkpoints(lines: list[str]) -> list[dict[str, object]]:
    return [box.checkpoint for box in boxes(lines)]


@pytest.mark.parametrize(
    ("lines", "checkpoint"), [(VERIFY, VERIFIED), (DECISION, DECIDED), (ACTION, ACTED)]
)
def test_a_box_is_read(lines: list[str], checkpoint: dict[str, object]) -> None:
    assert checkpoints(["text before", *lines, "$ "]) == [checkpoint]


@pytest.mark.parametrize("lines", [VERIFY, DECISION, ACTION])
def test_a_box_that_is_still_being_printed_is_not_read(lines: list[str]) -> None:
    for end in range(len(lines)):
        assert checkpoints([*lines[:end], "", ""]) == []


@pytest.mark.parametrize("lines", [VERIFY, DECISION, ACTION])
def test_a_box_whose_heading_has_scrolled_away_is_not_read(lines: list[str]) -> None:
    assert checkpoints(lines[2:]) == []


def test_frames_indentation_and_bullets_are_seen_through() -> None:
    lines = """\
● ╔══════════════════════════════╗
  ║  CHECKPOINT: Action Required ║
  ╚══════════════════════════════╝

  Progress: 5/8 tasks complete
  Task: Log in at the provider

  Instructions:
  1. Open the page
  2. Click

  ──────────────────────────
  → YOUR ACTION: Type "done"
  ──────────────────────────""".splitlines()
    assert checkpoints(lines) == [
        {
            "type": "human-action",
            "action": "Log in at the provider",
            "instructions": "1. Open the page\n2. Click",
            "resumeSignal": 'YOUR ACTION: Type "done"',
        }
    ]


def test_a_framed_box_reads_like_a_plain_one() -> None:
    framed = [f"║ {line.ljust(60)} ║" if "═" not in line else f"╠{line}╣" for line in VERIFY]
    assert checkpoints(framed) == [VERIFIED]


def test_pros_and_cons_that_begin_a_line_with_a_dash_belong_to_their_option() -> None:
    lines = (
        "\n".join(DECISION).replace(" - Pros:", "\n  - Pros:").replace(" - Cons:", "\n  - Cons:")
    )
    assert checkpoints(lines.splitlines()) == [DECIDED]


def test_a_rule_that_wrapped_into_two_lines_is_one_rule() -> None:
    doubled = [line for line in VERIFY for _ in range(2 if line == RULE else 1)]
    assert checkpoints(doubled) == [VERIFIED]


@pytest.mark.parametrize("label", ["What was built:", "How to verify:"])
def test_a_box_without_a_part_that_it_needs_is_not_read(label: str) -> None:
    assert checkpoints([line for line in VERIFY if not line.startswith(label)]) in ([], [VERIFIED])
    assert checkpoints([line.replace(label, "Something:") for line in VERIFY]) == []


@pytest.mark.parametrize("heading", ["CHECKPOINT: other", "We reach CHECKPOINT: decision"])
def test_another_heading_is_no_box(heading: str) -> None:
    assert checkpoints([heading if "CHECKPOINT" in line else line for line in DECISION]) == []


WORDS = st.lists(st.text("abcdefgh", min_size=1, max_size=7), min_size=1, max_size=30).map(" ".join)
VERIFIES = st.fixed_dictionaries(
    {
        "type": st.just("human-verify"),
        "whatBuilt": WORDS,
        "howToVerify": st.lists(WORDS, min_size=1, max_size=4),
        "resumeSignal": WORDS.map('Type "ok" {}'.format),
    }
)
DECISIONS = st.fixed_dictionaries(
    {
        "type": st.just("decision"),
        "decision": WORDS,
        "context": WORDS,
        "options": st.lists(
            st.fixed_dictionaries(
                {"id": st.just("option-a"), "name": WORDS, "pros": WORDS, "cons": WORDS}
            ),
            min_size=1,
            max_size=3,
        ),
        "resumeSignal": WORDS.map("Select: {}".format),
    }
)
ACTIONS = st.fixed_dictionaries(
    {
        "type": st.just("human-action"),
        "action": WORDS,
        "instructions": WORDS,
        "resumeSignal": WORDS.map("YOUR ACTION: {}".format),
    }
)
LABELS = {
    "whatBuilt": "What was built", "decision": "Decision", "context": "Context",
    "action": "Action required", "instructions": "Instructions",
}  # fmt: skip


def rendered(checkpoint: dict[str, Any], width: int) -> list[str]:
    """The box as an agent prints it into a terminal of that width."""
    paragraphs = [f"CHECKPOINT: {checkpoint['type']}"]
    for part, value in checkpoint.items():
        match part:
            case "howToVerify":
                paragraphs += ["How to verify:", *(f"{n}. {s}" for n, s in enumerate(value, 1))]
            case "options":
                described = "- {id}: {name} - Pros: {pros} - Cons: {cons}"
                paragraphs += ["Options:", *(described.format_map(option) for option in value)]
            case "resumeSignal":
                paragraphs.append(value)
            case _ if part in LABELS:
                paragraphs.append(f"{LABELS[part]}: {value}")
    wrapped = [line for p in paragraphs for line in textwrap.wrap(p, width, break_on_hyphens=False)]
    return ["═" * width, *wrapped, "═" * width]


@given(st.one_of(VERIFIES, DECISIONS, ACTIONS), st.sampled_from([30, 47, 80, 200]))
def test_a_rendered_checkpoint_is_read_back(checkpoint: dict[str, Any], width: int) -> None:
    assert checkpoints(rendered(checkpoint, width)) == [checkpoint]


@given(st.lists(st.text("═─║ CHEKPOINT:-decision1.\n", max_size=30), max_size=30))
def test_any_lines_are_taken(lines: list[str]) -> None:
    boxes(lines)


def reported(source: CheckpointBox, lines: list[str]) -> list[dict[str, object]]:
    reports = source.on_screen(lines)
    assert all(isinstance(report, Checkpoint) for report in reports)
    return [report.checkpoint for report in reports if isinstance(report, Checkpoint)]


def test_a_box_is_reported_once_while_it_stands_or_moves_up() -> None:
    source = CheckpointBox()
    assert reported(source, ["", "", *VERIFY]) == [VERIFIED]
    assert reported(source, ["", "", *VERIFY]) == []
    assert reported(source, [*VERIFY, "approved", "working"]) == []


def test_a_box_printed_again_is_reported_again() -> None:
    source = CheckpointBox()
    reported(source, VERIFY)
    assert reported(source, [*VERIFY, "approved", *VERIFY]) == [VERIFIED]
    assert reported(source, ["working"]) == []
    assert reported(source, VERIFY) == [VERIFIED]


def test_the_lowest_box_counts_and_an_old_one_that_is_lowest_again_does_not() -> None:
    source = CheckpointBox()
    assert reported(source, [*VERIFY, *DECISION]) == [DECIDED]
    assert reported(source, VERIFY) == []
