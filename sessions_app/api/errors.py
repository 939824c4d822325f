"""Every error as `{"error": sentence, "code": slug}`, with `fields` where fields are at fault."""

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.template.loader import render_to_string
from django.views import defaults
from rest_framework import status, views
from rest_framework.exceptions import UnsupportedMediaType, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from sessions_app import audit, database_errors
from sessions_app import exceptions as domain
from sessions_app.callers import Caller
from sessions_app.models import Session

_STATUSES: Mapping[type[domain.SessionError], int] = {
    domain.InvalidRequest: status.HTTP_400_BAD_REQUEST,
    domain.NotAllowed: status.HTTP_403_FORBIDDEN,
    domain.SessionNotFound: status.HTTP_404_NOT_FOUND,
    domain.SessionNotRunning: status.HTTP_409_CONFLICT,
    domain.SessionStillActive: status.HTTP_409_CONFLICT,
    domain.InvalidTransition: status.HTTP_409_CONFLICT,
    domain.NoFreeSlot: status.HTTP_409_CONFLICT,
    domain.HostDraining: status.HTTP_409_CONFLICT,
    domain.HostNotFound: status.HTTP_404_NOT_FOUND,
    domain.TooManySessions: status.HTTP_409_CONFLICT,
    domain.TooManyStarts: status.HTTP_429_TOO_MANY_REQUESTS,
    domain.InputQueueFull: status.HTTP_429_TOO_MANY_REQUESTS,
    domain.ManagerUnavailable: status.HTTP_503_SERVICE_UNAVAILABLE,
}
_CODES = {
    "authentication_failed": "not-authenticated",
    "permission_denied": "not-allowed",
    "parse_error": "malformed",
    "throttled": "too-many",
}
_RETRY = {
    status.HTTP_429_TOO_MANY_REQUESTS: {"Retry-After": "1"},
    status.HTTP_503_SERVICE_UNAVAILABLE: {"Retry-After": "5"},
}
_ALL_FIELDS = "non_field_errors"
_UNAVAILABLE = "The database does not answer. Try again shortly."
_UNSTORABLE = "The request holds a character or a number that no database stores."


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Translate an exception of a view into the stated form; None if it is a fault of ours."""
    match exc:
        case domain.SessionError():
            _record_refusal(exc, context)
            return _domain_error(exc)
        case ValidationError():
            return _field_errors(exc)
        case RequestDataTooBig():
            return _answer(413, "The body is too large; send less at once.", "too-large")
        case database_errors.Unstorable():
            return _answer(400, _UNSTORABLE, "malformed")
        case SuspiciousOperation() | UnreadablePostError():
            return _answer(400, "The request cannot be read.", "malformed")
    if isinstance(exc, database_errors.Unavailable):
        return _answer(503, _UNAVAILABLE, "database")
    return _framework_error(exc, context)


def _answer(
    code: int,
    sentence: str,
    slug: str,
    *,
    fields: Mapping[str, list[str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    body: dict[str, Any] = {"error": sentence, "code": slug}
    if fields:
        body["fields"] = fields
    return Response(body, status=code, headers={**_RETRY.get(code, {}), **(headers or {})})


def _record_refusal(exc: domain.SessionError, context: dict[str, Any]) -> None:
    request: Request = context["request"]
    if isinstance(exc, domain.NotAllowed) and isinstance(request.auth, Caller):
        who = audit.actor_of(request.auth, audit.address_of(request))
        session = Session.objects.filter(pk=context["kwargs"].get("session_id")).first()
        what = f"{request.method} {request.path}"
        audit.repeated(audit.Action.REFUSED, who, session, what=what)


def _domain_error(exc: domain.SessionError) -> Response:
    code = _STATUSES.get(type(exc), status.HTTP_503_SERVICE_UNAVAILABLE)
    fields = exc.fields if isinstance(exc, domain.InvalidRequest) else None
    wait = {"Retry-After": str(exc.retry_after)} if isinstance(exc, domain.TooManyStarts) else None
    return _answer(code, str(exc), exc.code, fields=fields, headers=wait)


def _field_errors(exc: ValidationError) -> Response:
    fields: dict[str, list[str]] = {}
    for name, sentence in _leaves(exc.detail):
        fields.setdefault(name, []).append(sentence)
    name, sentences = next(iter(fields.items()))
    general = fields.pop(_ALL_FIELDS, None)
    sentence = general[0] if general else f"{name}: {sentences[0]}"
    return _answer(400, sentence, domain.InvalidRequest.code, fields=fields)


def _leaves(detail: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Flatten the nested details of a ValidationError into `options.0.id` and its sentences."""
    if isinstance(detail, Mapping):
        for key, inner in detail.items():
            yield from _leaves(inner, f"{path}.{key}".removeprefix("."))
    elif isinstance(detail, list) and any(isinstance(item, dict) for item in detail):
        for index, inner in enumerate(detail):
            yield from _leaves(inner, f"{path}.{index}".removeprefix("."))
    elif isinstance(detail, list):
        for inner in detail:
            yield from _leaves(inner, path)
    else:
        yield path.removesuffix(f".{_ALL_FIELDS}") or _ALL_FIELDS, str(detail)


def _framework_error(exc: Exception, context: dict[str, Any]) -> Response | None:
    response = views.exception_handler(exc, context)
    if response is None:
        return None
    detail = response.data["detail"]
    sentence, slug = str(detail), _CODES.get(detail.code, detail.code.replace("_", "-"))
    if response.status_code == status.HTTP_404_NOT_FOUND:
        sentence = "There is nothing at this address; see /api/schema."
    if isinstance(exc, UnsupportedMediaType):
        sentence = "Send JSON, with the header Content-Type: application/json."
    headers = {name: response[name] for name in ("WWW-Authenticate",) if name in response}
    return _answer(response.status_code, sentence, slug, headers=headers)


# Django's own errors, raised before a view is found or by a fault in one


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def _plain(code: int, sentence: str, slug: str) -> JsonResponse:
    body = {"error": sentence, "code": slug}
    return JsonResponse(body, status=code, headers=_RETRY.get(code))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what Django refuses to read, for example an unknown Host."""
    if _is_api(request):
        return _plain(400, "The request cannot be read.", "malformed")
    return defaults.bad_request(request, exception)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an unknown address."""
    if _is_api(request):
        return _plain(404, "There is nothing at this address; see /api/schema.", "not-found")
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer a fault of ours, or of the database; Django calls this while it handles the error."""
    error = sys.exception()
    if isinstance(error, database_errors.Unstorable):
        return bad_request(request, error)
    if isinstance(error, database_errors.Unavailable):
        return _unavailable(request)
    if _is_api(request):
        return _plain(500, "The server made a mistake; its log says which.", "server-error")
    return defaults.server_error(request)


def _unavailable(request: HttpRequest) -> HttpResponse:
    if _is_api(request):
        return _plain(503, _UNAVAILABLE, "database")
    page = render_to_string("503.html")
    return HttpResponse(page, status=503, headers=_RETRY[503])
