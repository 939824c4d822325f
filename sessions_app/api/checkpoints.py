"""Explicit checkpoints: a program, or whoever watches it, says what it waits for."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import (
    OpenApiExample,
    PolymorphicProxySerializer,
    extend_schema,
)
from rest_framework import serializers, status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from sessions_app import audit, session_verbs
from sessions_app.api import serializers as wire
from sessions_app.api.authentication import (
    BearerAuthentication,
    BrowserAuthentication,
    SessionTokenAuthentication,
)
from sessions_app.api.base import ApiView, answers
from sessions_app.api.fields import Fields, Text, WireSerializer
from sessions_app.models import Session
from sessions_app.rights import Right

MAX_ITEMS = 50
MAX_LENGTH = 10_000


class Words(Text):
    """A text that must be given."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=MAX_LENGTH, **kwargs)


class OptionalWords(Words):
    """A text that may be left out."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(default="", allow_blank=True, **kwargs)


class HumanVerifySerializer(WireSerializer):
    """Somebody should look at what was built."""

    type = serializers.ChoiceField(["human-verify"])
    what_built = Words()
    how_to_verify = serializers.ListField(child=Words(), default=list, max_length=MAX_ITEMS)
    resume_signal = OptionalWords()


class OptionSerializer(WireSerializer):
    """One way to decide."""

    id = Words()
    name = Words()
    pros = OptionalWords()
    cons = OptionalWords()


class DecisionSerializer(WireSerializer):
    """Somebody should decide."""

    type = serializers.ChoiceField(["decision"])
    decision = Words()
    options = serializers.ListField(child=OptionSerializer(), min_length=1, max_length=MAX_ITEMS)
    resume_signal = OptionalWords()

    def get_fields(self) -> Fields:
        """Add `context`, which a class attribute cannot be called."""
        return {**super().get_fields(), "context": OptionalWords()}


class HumanActionSerializer(WireSerializer):
    """Somebody should do what the program cannot."""

    type = serializers.ChoiceField(["human-action"])
    action = Words()
    instructions = OptionalWords()
    resume_signal = OptionalWords()


class CompletionSerializer(WireSerializer):
    """A piece of work is done, and somebody should say how to go on."""

    type = serializers.ChoiceField(["completion"])
    workflow = Words()
    status = OptionalWords()
    summary = OptionalWords()
    next_command = OptionalWords()
    resume_signal = OptionalWords()


SHAPES: dict[str, type[WireSerializer]] = {
    "human-verify": HumanVerifySerializer,
    "decision": DecisionSerializer,
    "human-action": HumanActionSerializer,
    "completion": CompletionSerializer,
}


def validated_checkpoint(data: Any) -> dict[str, Any]:
    """Return a checkpoint of one of the four shapes, as the wire contract spells it.

    Unknown fields are dropped; raises ValidationError.
    """
    kind = data.get("type") if isinstance(data, dict) else None
    shape = SHAPES.get(kind) if isinstance(kind, str) else None
    if shape is None:
        raise ValidationError({"type": [f"Say which of {', '.join(SHAPES)} it is."]})
    checked = shape(data=data)
    checked.is_valid(raise_exception=True)
    return dict(checked.data)


class CheckpointView(ApiView):
    """What a session waits for, said outright."""

    authentication_classes = (
        SessionTokenAuthentication,
        BearerAuthentication,
        BrowserAuthentication,
    )

    @extend_schema(
        operation_id="session_checkpoint",
        summary="Say what the session waits for",
        description="The session's status is `waiting_checkpoint` until it is answered. A program "
        "inside a session may do this for its own session with `HARNESS_SESSION_TOKEN`.",
        request=PolymorphicProxySerializer(
            component_name="Checkpoint", serializers={**SHAPES}, resource_type_field_name="type"
        ),
        examples=[
            OpenApiExample(
                "A decision",
                {
                    "type": "decision",
                    "decision": "Which database?",
                    "options": [{"id": "a", "name": "SQLite"}, {"id": "b", "name": "PostgreSQL"}],
                    "resumeSignal": "Select: a or b",
                },
                request_only=True,
            )
        ],
        responses=answers({201: wire.EventSerializer}, 404, 409, 413, 415),
    )
    def post(self, request: Request, session_id: UUID) -> Response:
        """Note the checkpoint and return its event."""
        if self.caller(request).speaks_for != session_id:
            self.session(request, session_id, Right.INPUT)
        checkpoint = validated_checkpoint(request.data)
        event = session_verbs.call_manager(
            lambda manager: manager.report_checkpoint(str(session_id), checkpoint)
        )
        session = Session.objects.filter(pk=session_id).first()
        kind = checkpoint["type"]
        audit.note(audit.Action.CHECKPOINT_DECLARED, self.who(request), session, type=kind)
        return Response(event.to_wire(), status=status.HTTP_201_CREATED)
