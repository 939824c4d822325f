"""Cursors of pages that neither skip nor repeat a session while sessions start and end."""

import base64
import binascii
from datetime import UTC, datetime
from uuid import UUID

import orjson
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param

from sessions_app.session_lists import Place


def encode(place: Place) -> str:
    """Return the cursor as clients hand it back."""
    return base64.urlsafe_b64encode(orjson.dumps([*place])).decode().rstrip("=")


def decode(cursor: str) -> Place:
    """Read a cursor; raises ValidationError for anything that is none."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        seen_at, rank, created_at, session_id = orjson.loads(base64.urlsafe_b64decode(padded))
        moments = [datetime.fromisoformat(moment) for moment in (seen_at, created_at)]
        if any(moment.tzinfo is None for moment in moments):
            raise ValueError(cursor)
        seen_at, created_at = (moment.astimezone(UTC) for moment in moments)
        return Place(seen_at, (0, 1).index(rank), created_at, UUID(session_id))
    except (ValueError, TypeError, AttributeError, OverflowError, binascii.Error) as error:
        sentence = "This is no cursor of ours; take the address from the Link header."
        raise ValidationError({"cursor": [sentence]}) from error


def next_link(request: Request, place: Place) -> str:
    """Return the Link header that leads to the next page, everything else kept."""
    here = request.build_absolute_uri()
    return f'<{replace_query_param(here, "cursor", encode(place))}>; rel="next"'
