"""Whether the server can do its work, for monitors and for scripts that wait for it."""

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import Error, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache

from sessions_app import session_verbs
from sessions_app.database_errors import told
from sessions_app.exceptions import ManagerUnavailable


@login_not_required
@never_cache
def health(request: HttpRequest) -> JsonResponse:
    """Answer 200 with the version, or 503 with the reason; nothing that needs a login."""
    if request.method not in ("GET", "HEAD"):
        body = {"error": "Only GET is possible here.", "code": "method-not-allowed"}
        return JsonResponse(body, status=405, headers={"Allow": "GET, HEAD"})
    try:
        facts = _facts()
    except ManagerUnavailable as error:
        return _down(str(error))
    except Error as error:
        return _down(f"The database does not answer: {told(error)}.")
    if facts["archive"]:
        return _down(f"The log cannot be written: {facts['archive']}.")
    if facts["stalled"]:
        reasons = ", ".join(sorted(set(facts["stalled"].values())))
        count = len(facts["stalled"])
        return _down(f"The output of {count} sessions cannot be stored, so they wait: {reasons}.")
    return JsonResponse(
        {
            "status": "ok",
            "version": settings.VERSION,
            "started": facts["started"],
            "recovery": _counted(facts["recovery"]),
        }
    )


def _facts() -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM sessions_app_session LIMIT 1")
    return session_verbs.get_manager().health()


def _counted(recovery: dict[str, Any]) -> dict[str, Any]:
    """Put numbers in the place of lists: whose sessions they were is nobody's business."""
    return {
        name: len(value) if isinstance(value, list) else value for name, value in recovery.items()
    }


def _down(reason: str) -> JsonResponse:
    body = {"status": "error", "version": settings.VERSION, "reason": reason}
    return JsonResponse(body, status=503, headers={"Retry-After": "5"})
