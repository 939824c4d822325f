"""A session as a recording that asciinema's tools play."""

import re
from uuid import UUID

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from sessions_app import audit, event_log
from sessions_app.api.base import ApiView, answers
from sessions_app.api.streaming import StreamRenderer, streamed
from sessions_app.models import Session
from sessions_app.recording import recording

MAX_FILE_NAME = 100


class AsciicastRenderer(StreamRenderer):
    """A recording, as asciinema names its media type."""

    media_type = "application/x-asciicast"
    format = "cast"


def file_name(session: Session) -> str:
    """Return a name that every file system takes."""
    stem = re.sub(r"[^\w.-]+", "-", session.name)[:MAX_FILE_NAME].strip("-.")
    return f"{stem or f'session-{session.pk}'}.cast"


class RecordingView(ApiView):
    """The recording of a session."""

    renderer_classes = (AsciicastRenderer,)

    @extend_schema(
        operation_id="session_recording",
        summary="Download a recording in asciicast v2",
        description="Everything that the log has by now, streamed, of a session that runs as well. "
        "Changes of size are `r` events at the very place in the output where they happened; "
        "where the session waited, and how it ended, are markers (`m`). Where the oldest output "
        "is gone, the recording begins with what is left, and `X-Output-Offset` says where.",
        responses=answers({(200, AsciicastRenderer.media_type): OpenApiTypes.BINARY}, 404),
    )
    def get(self, request: Request, session_id: UUID) -> HttpResponseBase:
        """Return the recording."""
        session = self.session(request, session_id)
        self.up_to_date(session)
        base, head = event_log.output_range(str(session_id))
        headers = {
            "Content-Disposition": content_disposition_header(True, file_name(session)) or "",
            "X-Content-Type-Options": "nosniff",
            "X-Output-Offset": str(base),
        }
        media_type = AsciicastRenderer.media_type
        if request.method == "HEAD":
            return HttpResponse(headers=headers, content_type=media_type)
        audit.repeated(audit.Action.RECORDING_DOWNLOADED, self.who(request), session)
        body = streamed(request, recording(session, base, head))
        return StreamingHttpResponse(body, headers=headers, content_type=media_type)
