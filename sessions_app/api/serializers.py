"""The shapes of section 5 of the wire contract: what verbs take, and what they answer.

The classes of answers serve the OpenAPI document; the answers themselves are what
`Session.to_wire()` and `LifecycleEvent.to_wire()` return.
"""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from sessions_app.api.fields import Command, Fields, Flag, Keystrokes, Seconds, Text, WholeNumber
from sessions_app.api.fields import WireSerializer as Wire
from sessions_app.events import MAX_SIZE, MIN_SIZE, EventType, Status
from sessions_app.launch import DEFAULT_COLS, DEFAULT_ROWS, MAX_NAME
from sessions_app.session_manager import MAX_GRACE_SECONDS

MAX_PATH = 4096
MAX_INPUT = 1024 * 1024
MAX_PAGE = 1000
MAX_LINES = 10_000
MAX_LABEL, MAX_LABELS = 64, 16
MAX_PRIORITY = 100
# Offsets and numbers of events fit into a signed 64-bit column.
MAX_NUMBER = 2**63 - 1


class Size(WholeNumber):
    """Columns or rows of a terminal."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=MIN_SIZE, max_value=MAX_SIZE, **kwargs)


# What verbs take


class StartSerializer(Wire):
    """What to run, where and how large."""

    command = Command()
    working_dir = Text(
        default="",
        max_length=MAX_PATH,
        help_text="An absolute path; `~` is the home that programs have. Without one it is the "
        "home, or the first of the folders that programs may work in.",
    )
    name = Text(default="", allow_blank=True, allow_null=True, max_length=MAX_NAME)
    cols = Size(default=DEFAULT_COLS)
    rows = Size(default=DEFAULT_ROWS)
    env = serializers.DictField(
        child=Text(allow_blank=True),
        default=dict,
        help_text="Variables on top of the ones that every program gets.",
    )
    queue = Flag(default=False, help_text="Wait for a free slot instead of answering 409.")
    host = Text(
        default="",
        allow_blank=True,
        allow_null=True,
        max_length=255,
        help_text="The host to run on. Without one it is the emptiest that has the labels.",
    )
    labels = serializers.ListField(
        child=Text(max_length=MAX_LABEL),
        default=list,
        max_length=MAX_LABELS,
        help_text="What the host has to have, all of them.",
    )
    priority = WholeNumber(
        default=0,
        min_value=-MAX_PRIORITY,
        max_value=MAX_PRIORITY,
        help_text="In the queue the higher go first, and of equal ones who came first.",
    )
    team = Flag(default=False, help_text="Show it to every user.")


class ChangeSerializer(Wire):
    """What to change: the empty name, or null, takes the name away."""

    name = Text(required=False, allow_blank=True, allow_null=True, max_length=MAX_NAME)
    team = Flag(required=False, help_text="Whether every user may see it.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a request that changes nothing."""
        if not attrs:
            raise ValidationError("Send name or team.")
        return attrs


class InputSerializer(Wire):
    """Either `data`, or `text` and whether to press Enter after it."""

    text = Keystrokes(
        required=False,
        allow_blank=True,
        max_length=MAX_INPUT,
        help_text="Typed as a person would: as one paste where the program asked for that.",
    )
    submit = Flag(default=True, help_text="Press Enter after `text`.")

    def get_fields(self) -> Fields:
        """Add `data`, which a class attribute cannot be called."""
        data = Keystrokes(
            required=False, max_length=MAX_INPUT, help_text="Raw keys, typed as they are."
        )
        return {"data": data, **super().get_fields()}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse both at once and neither."""
        if ("data" in attrs) == ("text" in attrs):
            sentence = "Send either data or text."
            raise ValidationError({"data": [sentence], "text": [sentence]})
        return attrs


class ResizeSerializer(Wire):
    """The new size."""

    cols = Size()
    rows = Size()


class EndSerializer(Wire):
    """How long the program may take to end by itself."""

    grace = Seconds(default=5.0, min_value=0, max_value=MAX_GRACE_SECONDS, help_text="In seconds.")


# What addresses take behind the `?`


class ListQuery(Wire):
    """Which sessions, and where the page begins."""

    status = Text(required=False, help_text="One of the five statuses, or several with commas.")
    search = Text(
        required=False, max_length=500, help_text="A part of the name, command or folder."
    )
    working_dir = Text(required=False, max_length=MAX_PATH, help_text="Exactly this folder.")
    host = Text(required=False, max_length=255, help_text="Exactly this machine.")
    limit = serializers.IntegerField(default=100, min_value=1, max_value=MAX_PAGE)
    cursor = Text(required=False, max_length=500, help_text="From the Link header; opaque.")

    def validate_status(self, value: str) -> list[str]:
        """Split at commas and refuse unknown words."""
        words = value.split(",")
        if unknown := [word for word in words if word not in set(Status)]:
            raise ValidationError(f"{unknown[0]!r} is none of {', '.join(Status)}.")
        return words


class EventsQuery(Wire):
    """Which events."""

    after = serializers.IntegerField(
        default=0, min_value=0, max_value=MAX_NUMBER, help_text="The last `seq` known."
    )
    limit = serializers.IntegerField(default=MAX_PAGE, min_value=1, max_value=MAX_PAGE)


class OutputQuery(Wire):
    """How much text."""

    lines = serializers.IntegerField(default=100, min_value=1, max_value=MAX_LINES)


class DirectoriesQuery(Wire):
    """What was typed of a folder's path so far."""

    path = Text(
        default="~/",
        max_length=MAX_PATH,
        help_text="The beginning of an absolute path; `~` is the home that programs have.",
    )
    host = Text(
        default="",
        allow_blank=True,
        max_length=255,
        help_text="On which host; without one this server's, or one with room.",
    )


# What verbs answer


class ErrorSerializer(Wire):
    """Every error."""

    error = serializers.CharField(help_text="A sentence that says what to do.")
    code = serializers.SlugField(help_text="For programs.")
    fields_at_fault = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()),
        required=False,
        help_text="For each field at fault what is wrong with it.",
    )

    def get_fields(self) -> Fields:
        """Name the last one `fields`, which a class attribute cannot be called."""
        fields = super().get_fields()
        fields["fields"] = fields.pop("fieldsAtFault")
        return fields


class EventSerializer(Wire):
    """One fact but output; each type adds its own fields."""

    type = serializers.ChoiceField(sorted(set(EventType) - {EventType.OUTPUT}))
    timestamp = serializers.DateTimeField()
    session_id = serializers.UUIDField()
    seq = serializers.IntegerField(min_value=1)
    offset = serializers.IntegerField(min_value=0)


@extend_schema_field({"type": "object", "additionalProperties": True, "nullable": True})
class Waiting(serializers.JSONField):
    """The event that says what the session waits for."""


class SessionSerializer(Wire):
    """A session."""

    id = serializers.UUIDField()
    name = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(list(Status))
    slot = serializers.IntegerField(allow_null=True)
    host = serializers.CharField(
        allow_null=True, help_text="Null while it waits for a slot of any host."
    )
    labels = serializers.ListField(
        child=serializers.CharField(), help_text="What its host has to have."
    )
    priority = serializers.IntegerField()
    owner = serializers.CharField(allow_null=True)
    team = serializers.BooleanField(help_text="Whether every user may see it.")
    access = serializers.ChoiceField(
        ["view", "control"], help_text="What the caller may do: look, or type into it as well."
    )
    working_dir = serializers.CharField()
    current_command = serializers.CharField()
    pid = serializers.IntegerField(allow_null=True)
    cols = serializers.IntegerField()
    rows = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    exit_code = serializers.IntegerField(allow_null=True)
    error = serializers.CharField(allow_null=True)
    waiting = Waiting(help_text="What it waits for, while it waits.")
    stalled = serializers.CharField(
        allow_null=True,
        help_text="Why its output stands still, while it does: the disk is full.",
    )
    last_seq = serializers.IntegerField()
    output_bytes = serializers.IntegerField()
    epoch = serializers.CharField()
    last_activity_at = serializers.DateTimeField()


class ProjectSerializer(Wire):
    """The sessions of one folder, newest first."""

    working_dir = serializers.CharField()
    sessions = SessionSerializer(many=True)


class DoneSerializer(Wire):
    """What was asked for is being done."""

    success = serializers.BooleanField()
    session_id = serializers.UUIDField()


class ResizedSerializer(DoneSerializer):
    """The new size."""

    cols = serializers.IntegerField()
    rows = serializers.IntegerField()


class OutputSerializer(Wire):
    """The last lines of the output."""

    session_id = serializers.UUIDField()
    total_lines = serializers.IntegerField(
        help_text="How many lines the output has by now, without those that are gone."
    )
    requested_lines = serializers.IntegerField()
    output_offset = serializers.IntegerField(
        help_text="Where the output begins: above 0 once the oldest of it is gone."
    )
    output = serializers.CharField(
        help_text="The last lines as the program wrote them, escape sequences included, "
        "joined by line feeds. Bytes that are not UTF-8 read as U+FFFD."
    )


class CursorSerializer(Wire):
    """Where the cursor is, counted from 0."""

    x = serializers.IntegerField()
    y = serializers.IntegerField()


class ScreenSerializer(Wire):
    """The screen as it stands now."""

    cols = serializers.IntegerField()
    rows = serializers.IntegerField()
    cursor = CursorSerializer()
    lines = serializers.ListField(child=serializers.CharField(allow_blank=True))
    ansi = serializers.CharField(help_text="Draws the screen in a terminal of this size.")
    offset = serializers.IntegerField(help_text="The output offset that the screen includes.")


class DirectoriesSerializer(Wire):
    """Folders whose paths begin with what was typed."""

    path = serializers.CharField()
    directories = serializers.ListField(child=serializers.CharField())
