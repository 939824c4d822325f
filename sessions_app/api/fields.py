"""Fields that take exactly the JSON type they name, and serializers that speak camelCase."""

import re
from typing import Any

from django.core.validators import ProhibitNullCharactersValidator
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from sessions_app.launch import MAX_COMMAND_BYTES

MAX_WORDS = 10_000

Fields = dict[str, serializers.Field[Any, Any, Any, Any]]


def camel_case(name: str) -> str:
    """Return a snake_case name as the wire spells it."""
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)


class WireSerializer(serializers.Serializer[Any]):
    """Declares its fields in snake_case and reads and documents them in camelCase."""

    def get_fields(self) -> Fields:
        """Return the fields by their names on the wire."""
        fields = super().get_fields()
        for name, field in fields.items():
            if camel_case(name) != name:
                field.source = name
        return {camel_case(name): field for name, field in fields.items()}


class Text(serializers.CharField):
    """A JSON string, taken as it is."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Refuse numbers, which a CharField would take."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Keystrokes(Text):
    """A JSON string that may hold every character, as Ctrl+Space types a NUL."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.validators = [
            validator
            for validator in self.validators
            if not isinstance(validator, ProhibitNullCharactersValidator)
        ]


class WholeNumber(serializers.IntegerField):
    """A JSON integer; neither a string nor a boolean."""

    def to_internal_value(self, data: Any) -> int:
        """Refuse what an IntegerField would convert."""
        if type(data) is not int:
            self.fail("invalid")
        return super().to_internal_value(data)


class Seconds(serializers.FloatField):
    """A JSON number; neither a string nor a boolean."""

    def to_internal_value(self, data: Any) -> float:
        """Refuse what a FloatField would convert."""
        if type(data) not in (int, float):
            self.fail("invalid")
        return super().to_internal_value(data)


class Flag(serializers.BooleanField):
    """`true` or `false`."""

    def to_internal_value(self, data: Any) -> bool:
        """Refuse what a BooleanField would convert."""
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string", "minLength": 1, "example": "bash -l"},
            {
                "type": "array",
                "items": {"type": "string"},
                "minItems": 1,
                "example": ["python3", "-q"],
            },
        ]
    }
)
class Command(serializers.Field[Any, Any, Any, Any]):
    """A command line, split as a shell splits words, or the list of its words."""

    default_error_messages = {  # noqa: RUF012  # as the base class has it
        "invalid": "Send a command line or a list of words.",
        "blank": "Say which command to run, for example: bash",
        "too_long": "The command is too long; put long input into a file or type it in.",
    }

    def to_internal_value(self, data: Any) -> str | list[str]:
        """Return the command as it came."""
        words = [data] if isinstance(data, str) else data
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            self.fail("invalid")
        if not any(words):
            self.fail("blank")
        if len(words) > MAX_WORDS or sum(map(len, words)) > MAX_COMMAND_BYTES:
            self.fail("too_long")
        return data  # type: ignore[no-any-return]  # checked above

    def to_representation(self, value: Any) -> Any:
        """Return the command as it is."""
        return value
