"""Pages of sessions that neither skip nor repeat one while sessions start and end."""

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db.models import Case, IntegerField, Q, Value, When
from django.utils import timezone
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param

from sessions_app.events import ENDED
from sessions_app.models import Session, SessionQuerySet


@dataclass(frozen=True)
class Cursor:
    """The place right after one session, in the order as it was at the moment `seen_at`.

    `rank` is 0 for those that were active then, 1 for those that had ended.
    """

    seen_at: datetime
    rank: int
    created_at: datetime
    session_id: UUID

    def encode(self) -> str:
        """Return the cursor as clients hand it back."""
        raw = orjson.dumps([self.seen_at, self.rank, self.created_at, self.session_id])
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> "Cursor":
        """Read a cursor; raises ValidationError for anything that is none."""
        try:
            padded = text + "=" * (-len(text) % 4)
            seen_at, rank, created_at, session_id = orjson.loads(base64.urlsafe_b64decode(padded))
            moments = [datetime.fromisoformat(moment) for moment in (seen_at, created_at)]
            if rank not in (0, 1) or any(moment.tzinfo is None for moment in moments):
                raise ValueError(text)
            return cls(moments[0], rank, moments[1], UUID(session_id))
        except (ValueError, TypeError, AttributeError, OverflowError, binascii.Error) as error:
            sentence = "This is no cursor of ours; take the address from the Link header."
            raise ValidationError({"cursor": [sentence]}) from error


def page(
    sessions: SessionQuerySet, limit: int, cursor: Cursor | None
) -> tuple[list[Session], Cursor | None]:
    """Return one page, active ones first, then the newest, and the cursor of the next page.

    Every page is ordered by what was active when the first one was read, so a session that
    ends meanwhile keeps its place.
    """
    seen_at = cursor.seen_at if cursor else timezone.now()
    ended = Q(status__in=ENDED) & (Q(ended_at=None) | Q(ended_at__lte=seen_at))
    rank = Case(When(ended, then=Value(1)), default=Value(0), output_field=IntegerField())
    ordered = sessions.annotate(rank=rank).order_by("rank", "-created_at", "-id")
    if cursor is not None:
        ordered = ordered.filter(_after(cursor))
    found = list(ordered[: limit + 1])
    if len(found) <= limit:
        return found, None
    last: Any = found[limit - 1]
    return found[:limit], Cursor(seen_at, last.rank, last.created_at, last.pk)


def next_link(request: Request, cursor: Cursor) -> str:
    """Return the Link header that leads to the next page, everything else kept."""
    here = request.build_absolute_uri()
    return f'<{replace_query_param(here, "cursor", cursor.encode())}>; rel="next"'


def _after(cursor: Cursor) -> Q:
    older = Q(created_at__lt=cursor.created_at)
    same_moment = Q(created_at=cursor.created_at, id__lt=cursor.session_id)
    return Q(rank__gt=cursor.rank) | Q(rank=cursor.rank) & (older | same_moment)
