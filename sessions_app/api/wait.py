"""GET wait: one request that is answered when something happens."""

from collections.abc import Callable
from inspect import isawaitable
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import connections
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from sessions_app import long_poll
from sessions_app.api import serializers as wire
from sessions_app.api.base import ApiView, answers, validated
from sessions_app.api.fields import Fields, Text, WireSerializer
from sessions_app.fanout import get_fan_out
from sessions_app.long_poll import Happened, Reason, Wanted

MAX_SECONDS = 60


class WaitQuery(WireSerializer):
    """What to wait for, after what, and for how long."""

    after = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=wire.MAX_NUMBER,
        help_text="The last `seq` known. An event after it that has happened already answers at "
        "once. Without it the session's state counts, and what happens from now on.",
    )
    offset = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=wire.MAX_NUMBER,
        help_text="For `output`: where the output known ends. Without it: where it ends now.",
    )
    timeout = serializers.FloatField(
        default=30, min_value=0, max_value=MAX_SECONDS, help_text="In seconds; 0 only looks."
    )
    reasons = Text(
        default="ended,waiting",
        help_text="One of `ended`, `waiting` and `output`, or several with commas.",
    )

    def get_fields(self) -> Fields:
        """Name the last one `for`, which a class attribute cannot be called."""
        fields = super().get_fields()
        fields["for"] = fields.pop("reasons")
        fields["for"].source = "reasons"
        return fields

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Split `for` at commas and refuse unknown words."""
        words = attrs["reasons"].split(",")
        if unknown := [word for word in words if word not in set(Reason)]:
            sentence = f"{unknown[0]!r} is none of {', '.join(Reason)}."
            raise ValidationError({"for": [sentence]})
        return {**attrs, "reasons": frozenset(map(Reason, words))}


class WaitSerializer(WireSerializer):
    """What happened."""

    reason = serializers.ChoiceField(list(Reason))
    session = wire.SessionSerializer(help_text="As it is now.")
    event = wire.EventSerializer(allow_null=True, help_text="Null for output.")
    offset = serializers.IntegerField(min_value=0, help_text="How far the output reaches now.")


class WaitView(ApiView):
    """The next thing that happens in a session."""

    @extend_schema(
        operation_id="session_wait",
        summary="Wait until something happens",
        description="An event goes before output. A session that has ended answers every wait, "
        "whatever was asked for: nothing more will come.",
        parameters=[WaitQuery],
        responses=answers(
            {200: WaitSerializer, 204: OpenApiResponse(description="Nothing happened in time.")},
            404,
        ),
    )
    async def get(self, request: Request, session_id: UUID) -> Response:
        """Return what happened, or nothing at the time-out."""
        wanted, seconds, happened = await sync_to_async(self._look)(request, session_id)
        if happened is None and seconds:
            fan_out = get_fan_out()
            # Who waits keeps no connection to the database.
            await sync_to_async(connections.close_all)()
            happened = await long_poll.wait(fan_out, wanted, seconds)
        if happened is None:
            return Response(status=status.HTTP_204_NO_CONTENT)
        return Response(await sync_to_async(self._describe)(request, session_id, happened))

    def _look(self, request: Request, session_id: UUID) -> tuple[Wanted, float, Happened | None]:
        session = self.session(request, session_id)
        self.up_to_date(session)
        query = validated(WaitQuery, request.query_params)
        wanted = long_poll.from_now_on(
            session, query["reasons"], query.get("after"), query.get("offset")
        )
        return wanted, query["timeout"], long_poll.look(wanted)

    def _describe(self, request: Request, session_id: UUID, happened: Happened) -> dict[str, Any]:
        return {
            "reason": happened.reason,
            "session": self.describe(request, session_id),
            "event": happened.event.to_wire() if happened.event else None,
            "offset": happened.offset,
        }

    async def dispatch(  # type: ignore[override]  # as the base class does, without a thread
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        """Let the caller in in a thread, then wait in the event loop."""
        self.args, self.kwargs, self.headers = args, kwargs, self.default_response_headers
        self.request = asked = self.initialize_request(request, *args, **kwargs)
        try:
            await sync_to_async(self.initial)(asked, *args, **kwargs)
            answer = self._handler(asked)(asked, *args, **kwargs)
            response = await answer if isawaitable(answer) else answer
        except Exception as error:
            response = self.handle_exception(error)
        self.response = self.finalize_response(asked, response, *args, **kwargs)
        return self.response

    def _handler(self, request: Request) -> Callable[..., Any]:
        name = (request.method or "").lower()
        known = name in self.http_method_names and hasattr(self, name)
        return getattr(self, name) if known else self.http_method_not_allowed
