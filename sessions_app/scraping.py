"""`/metrics`: for a monitoring system that has a token with the scope `metrics`, and nobody else.

A browser's login does not count here: no page of ours asks for this, so none of others should get
it with a cookie.
"""

import threading
import time
from http import HTTPStatus

from django.contrib.auth.decorators import login_not_required
from django.db import Error
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from sessions_app import audit
from sessions_app.authorization import bearer_secret
from sessions_app.callers import Caller, TokenCredential
from sessions_app.credentials import digest
from sessions_app.exposition import registry
from sessions_app.rights import Right

# While the database does not answer, who was let in so many seconds ago is let in again.
REMEMBERED_SECONDS = 600.0
MOST_REMEMBERED = 64


class Readers:
    """Who was let in a moment ago, by the hash of the token.

    What is going on is asked for most when the database is down, which then cannot say who asks.
    """

    def __init__(self) -> None:
        self._seen: dict[str, float] = {}
        self._lock = threading.Lock()

    def let_in(self, secret: str) -> None:
        """Note that the token is good."""
        key = digest(secret)
        with self._lock:
            self._seen.pop(key, None)
            self._seen[key] = time.monotonic()
            if len(self._seen) > MOST_REMEMBERED:
                del self._seen[next(iter(self._seen))]

    def sent_away(self, secret: str) -> None:
        """Note that it is not."""
        with self._lock:
            self._seen.pop(digest(secret), None)

    def were_let_in(self, secret: str) -> bool:
        """Tell whether it was good a moment ago."""
        since = self._seen.get(digest(secret))
        return since is not None and time.monotonic() - since < REMEMBERED_SECONDS


readers = Readers()


@login_not_required
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer with the metrics, in OpenMetrics if that is asked for, else in Prometheus's text."""
    if request.method not in ("GET", "HEAD"):
        refusal = _refused(HTTPStatus.METHOD_NOT_ALLOWED, "Only GET is possible here.")
        refusal["Allow"] = "GET, HEAD"
        return refusal
    refused = _refusal(request)
    if refused is not None:
        return refused
    if "application/openmetrics-text" in request.headers.get("Accept", ""):
        body = openmetrics.generate_latest(registry())  # type: ignore[no-untyped-call]
        return HttpResponse(body, content_type=openmetrics.CONTENT_TYPE_LATEST)
    return HttpResponse(generate_latest(registry()), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def _refusal(request: HttpRequest) -> JsonResponse | None:
    """Return why nothing is told, None to who may read."""
    header = request.headers.get("Authorization", "").encode("latin-1", "replace")
    secret = bearer_secret(header)
    if secret is None:
        return _unknown("This needs an API token: send Authorization: Bearer and the token.")
    try:
        caller = TokenCredential(secret).examine()
    except Error:
        if readers.were_let_in(secret):
            return None
        refusal = _refused(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The database does not answer, so it is not known whose token this is.",
        )
        refusal["Retry-After"] = "5"
        return refusal
    if caller is not None and caller.may(Right.METRICS):
        readers.let_in(secret)
        return None
    readers.sent_away(secret)
    return _not_good(request, caller, secret)


def _not_good(request: HttpRequest, caller: Caller | None, secret: str) -> JsonResponse:
    """Record and answer that a token does not help."""
    address = audit.address_of(request)
    if caller is None:
        audit.note_expired_token(secret, address)
        return _unknown("This token is unknown, too old or was withdrawn. Use another one.")
    audit.repeated(audit.Action.REFUSED, audit.actor_of(caller, address), what="GET /metrics")
    return _refused(
        HTTPStatus.FORBIDDEN,
        "This token may not read metrics. An administrator makes one that may, with the scope "
        "metrics.",
    )


def _unknown(sentence: str) -> JsonResponse:
    refusal = _refused(HTTPStatus.UNAUTHORIZED, sentence)
    refusal["WWW-Authenticate"] = "Bearer"
    return refusal


_CODES = {
    HTTPStatus.UNAUTHORIZED: "not-authenticated",
    HTTPStatus.FORBIDDEN: "not-allowed",
    HTTPStatus.METHOD_NOT_ALLOWED: "method-not-allowed",
    HTTPStatus.SERVICE_UNAVAILABLE: "database",
}


def _refused(status: HTTPStatus, sentence: str) -> JsonResponse:
    return JsonResponse({"error": sentence, "code": _CODES[status]}, status=status)
