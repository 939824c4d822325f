"""What all views of the API share: strict JSON in, errors as JSON, nothing kept by caches."""

from collections.abc import Mapping
from contextlib import suppress
from typing import IO, Any, TypeVar
from uuid import UUID

import orjson
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from drf_spectacular.utils import OpenApiResponse
from rest_framework.exceptions import NotFound, ParseError
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from sessions_app import audit, session_verbs
from sessions_app.api.fields import WireSerializer
from sessions_app.api.rendering import FastJSONRenderer
from sessions_app.api.serializers import ErrorSerializer
from sessions_app.callers import Caller
from sessions_app.exceptions import ManagerUnavailable, NotAllowed, SessionNotFound
from sessions_app.models import Session, SessionQuerySet
from sessions_app.rights import Right
from sessions_app.session_row import SessionRow

S = TypeVar("S", bound=WireSerializer)

_REFUSALS = {
    Right.VIEW: "Your role or token does not allow to look at sessions.",
    Right.INPUT: "You may look at this session, but not type into it.",
    Right.START: "Your role or token does not allow that, or the session is somebody else's.",
    Right.ADMIN: "Only an administrator may do that.",
}
_MEANINGS = {
    400: "The input cannot be used; `fields` says why.",
    401: "No login.",
    403: "Not allowed.",
    404: "There is no such session, or the caller may not see it.",
    406: "The answer cannot have the media type asked for.",
    409: "Its state does not allow that.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    416: "The output has no such range.",
    429: "Too much at once; `Retry-After` says when to try again.",
    503: "The manager or the database does not answer; `Retry-After` says when to try again.",
}


def answers(success: dict[Any, Any], *errors: int) -> dict[Any, Any]:
    """Return the documented answers of a verb: its own, these errors, and those of every verb."""
    codes = sorted({400, 401, 403, 406, 503, *errors})
    described = {code: OpenApiResponse(ErrorSerializer, _MEANINGS[code]) for code in codes}
    return {**success, **described}


class StrictJSONParser(BaseParser):
    """JSON as RFC 8259 has it: UTF-8, no NaN, no lone surrogates, bounded depth and size."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the parsed body; ParseError says where it is wrong."""
        most: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        # A body that is sent in chunks announces no length, so what counts is what comes.
        body = stream.read(most + 1)
        if len(body) > most:
            raise RequestDataTooBig
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise ParseError(f"The body is not valid JSON: {error}.") from error


class ApiView(APIView):
    """The base of every view of the API."""

    parser_classes = (StrictJSONParser,)

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """Let a body be read whose length was not announced."""
        if request.headers.get("Transfer-Encoding") and not request.META.get("CONTENT_LENGTH"):
            request.META["CONTENT_LENGTH"] = str(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        return super().initialize_request(request, *args, **kwargs)

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        """Write errors as JSON whatever was asked for, and keep caches out."""
        if getattr(response, "exception", False):
            request.accepted_renderer = FastJSONRenderer()
            request.accepted_media_type = FastJSONRenderer.media_type
        response.headers.setdefault("Cache-Control", "no-store")
        return super().finalize_response(request, response, *args, **kwargs)

    def session(self, request: Request, session_id: UUID, right: Right | None = None) -> Session:
        """Return the session, if the caller may see it and, with `right`, do that with it."""
        visible = self.visible(request).filter(pk=session_id)
        session = visible.first()
        if session is None:
            raise SessionNotFound("There is no such session, or you may not see it.")
        if right and not self.caller(request).controls(session.owner_id, right):
            raise NotAllowed(_REFUSALS[right])
        return session

    def up_to_date(self, session: Session) -> None:
        """Have in the log what a program of another host has printed so far."""
        if session.is_alive and settings.REDIS_URL:
            key = str(session.pk)
            with suppress(ManagerUnavailable):  # what the log has by now can be read all the same
                session_verbs.call_manager(lambda verbs: verbs.bring_up_to_date(key))

    def describe(self, request: Request, session_id: UUID) -> dict[str, Any]:
        """Return the session as this caller reads it."""
        return self.wire(request, self.session(request, session_id))

    def wire(self, request: Request, session: Session | SessionRow) -> dict[str, Any]:
        """Return this session so."""
        return session_verbs.to_wire(session, self.caller(request))

    def visible(self, request: Request) -> SessionQuerySet:
        """Return the sessions that the caller may see, owners fetched along."""
        return Session.objects.visible_to(self.caller(request)).select_related("owner")

    def caller(self, request: Request) -> Caller:
        """Return who asks."""
        assert isinstance(request.auth, Caller)  # noqa: S101  # IsCaller has seen to it
        return request.auth

    def who(self, request: Request) -> audit.Actor:
        """Return who asks, for the record."""
        return audit.actor_of(self.caller(request), audit.address_of(request))

    def require(self, request: Request, right: Right) -> None:
        """Refuse who has not this right at all."""
        if not self.caller(request).may(right):
            raise NotAllowed(_REFUSALS[right])


def validated(serializer: type[WireSerializer], data: Any) -> dict[str, Any]:
    """Return the data that the serializer has checked, or raise ValidationError."""
    checked = serializer(data=data)
    checked.is_valid(raise_exception=True)
    result: dict[str, Any] = checked.validated_data
    return result


class UnknownView(ApiView):
    """Every address under /api/ that is none."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse any method, after the login has been checked."""
        super().initial(request, *args, **kwargs)
        raise NotFound
