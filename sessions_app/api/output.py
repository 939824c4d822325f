"""The output of a session: its last lines as text, or its raw bytes with ranges."""

import re
from collections.abc import Iterator
from uuid import UUID

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from sessions_app import audit, event_log
from sessions_app.api import serializers as wire
from sessions_app.api.base import ApiView, answers, validated
from sessions_app.api.rendering import FastJSONRenderer
from sessions_app.api.streaming import StreamRenderer, streamed
from sessions_app.holder.spool import OutputGone

PIECE = 256 * 1024
TAIL = 8 * 1024 * 1024
# RFC 9110, section 14.1.2; 18 digits are more than any offset has.
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


class RawRenderer(StreamRenderer):
    """Raw bytes."""

    media_type = "application/octet-stream"
    format = "raw"


class RangeNotSatisfiableError(Exception):
    """The output has nothing within the range that was asked for."""


def requested_range(header: str, base: int, head: int) -> tuple[int, int] | None:
    """Return the offsets at which the range begins and ends, None where all is meant.

    Positions are offsets of the log, which begins at `base` once older output is gone.
    Anything but one well-formed range is ignored, as RFC 9110 allows.
    Raises RangeNotSatisfiableError.
    """
    match = _RANGE.fullmatch(header.strip())
    if match is None or not any(match.groups()):
        return None
    first, last = match.groups()
    if not first:
        begin, end = max(base, head - int(last)), head
    else:
        begin, end = max(base, int(first)), min(head, int(last) + 1) if last else head
    if first and last and int(last) < int(first):
        return None
    if begin >= end:
        raise RangeNotSatisfiableError
    return begin, end


def pieces(session_id: str, begin: int, end: int) -> Iterator[bytes]:
    """Read the output between two offsets, piece by piece, until some of it is gone."""
    while begin < end:
        size = min(PIECE, end - begin)
        # Twice: what was still in the spool may be in the archive a moment later.
        piece = event_log.read_output(session_id, begin, size) or event_log.read_output(
            session_id, begin, size
        )
        if not piece:
            return
        begin += len(piece)
        yield piece


def every_piece(session_id: str, begin: int, end: int) -> Iterator[bytes]:
    """Read the output between two offsets; raises OutputGone where some of it is gone."""
    for piece in pieces(session_id, begin, end):
        begin += len(piece)
        yield piece
    if begin < end:
        raise OutputGone(event_log.output_range(session_id)[0])


def last_lines(session_id: str, wanted: int) -> tuple[int, int, list[str]]:
    """Return where the output begins, how many lines it has, and the last ones of them.

    They come out of the last 8 MiB; of a longer line its end.
    """
    base, head = event_log.output_range(session_id)
    middle = max(base, head - TAIL)
    total = sum(piece.count(b"\n") for piece in pieces(session_id, base, middle))
    lines = b"".join(pieces(session_id, middle, head)).split(b"\n")
    if not lines[-1]:
        lines.pop()
    texts = [line.removesuffix(b"\r").decode("utf-8", "replace") for line in lines[-wanted:]]
    return base, total + len(lines), texts


class OutputView(ApiView):
    """The output of a session."""

    renderer_classes = (FastJSONRenderer, RawRenderer)

    @extend_schema(
        operation_id="session_output",
        summary="Read the last lines, or download the raw output",
        description="With `Accept: application/octet-stream` or `?format=raw` every byte of the "
        "output as it was written, streamed. `Range` takes offsets of the output. Where the oldest "
        "output is gone, a whole download begins with what is left, a range is cut to that, and "
        "`X-Output-Offset` (in JSON `outputOffset`) says where it begins; a range that is gone "
        "entirely is 416.",
        parameters=[
            wire.OutputQuery,
            OpenApiParameter("format", str, enum=["json", "raw"]),
            OpenApiParameter("Range", str, OpenApiParameter.HEADER),
        ],
        responses=answers(
            {
                (200, "application/json"): wire.OutputSerializer,
                (200, "application/octet-stream"): OpenApiTypes.BINARY,
                (206, "application/octet-stream"): OpenApiResponse(
                    OpenApiTypes.BINARY, "The range that was asked for."
                ),
            },
            404,
            416,
        ),
    )
    def get(self, request: Request, session_id: UUID) -> HttpResponseBase:
        """Return text or bytes, whichever was asked for."""
        session = self.session(request, session_id)
        self.up_to_date(session)
        if request.accepted_renderer.format == RawRenderer.format:
            if request.method != "HEAD":
                audit.repeated(audit.Action.OUTPUT_DOWNLOADED, self.who(request), session)
            return _download(request, str(session_id))
        wanted = validated(wire.OutputQuery, request.query_params)["lines"]
        base, total, lines = last_lines(str(session_id), wanted)
        return Response(
            {
                "sessionId": str(session_id),
                "totalLines": total,
                "requestedLines": wanted,
                "outputOffset": base,
                "output": "\n".join(lines),
            }
        )


def _download(request: Request, session_id: str) -> HttpResponseBase:
    base, head = event_log.output_range(session_id)
    try:
        chosen = requested_range(request.headers.get("Range", ""), base, head)
    except RangeNotSatisfiableError:
        return _unsatisfiable(base, head)
    begin, end = chosen or (base, head)
    code = status.HTTP_206_PARTIAL_CONTENT if chosen else status.HTTP_200_OK
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Length": str(end - begin),
        "Content-Disposition": f'attachment; filename="session-{session_id}.log"',
        "X-Content-Type-Options": "nosniff",
        "X-Output-Offset": str(begin),
    }
    if chosen:
        headers["Content-Range"] = f"bytes {begin}-{end - 1}/{head}"
    if request.method == "HEAD":
        return HttpResponse(status=code, headers=headers, content_type=RawRenderer.media_type)
    body = streamed(request, every_piece(session_id, begin, end))
    return StreamingHttpResponse(
        body, status=code, headers=headers, content_type=RawRenderer.media_type
    )


def _unsatisfiable(base: int, head: int) -> Response:
    sentence = f"There is output from offset {base} up to {head}; ask for a part of that."
    response = Response(
        {"error": sentence, "code": "range-not-satisfiable"},
        status=status.HTTP_416_REQUESTED_RANGE_NOT_SATISFIABLE,
        headers={
            "Content-Range": f"bytes */{head}",
            "Accept-Ranges": "bytes",
            "X-Output-Offset": str(base),
        },
    )
    response.exception = True
    return response
