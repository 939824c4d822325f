"""Lists of sessions that cost the same however many are stored.

Active ones come first, then the newest. Few sessions are active, and an index finds them all; the
others are read in the order of an index, as many as are wanted. No index has the order of both, nor
that of everything that somebody may see, so the lists are put together of several queries.
"""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from sessions_app.callers import Caller
from sessions_app.events import ACTIVE, ENDED, Status
from sessions_app.models import Session, SessionQuerySet
from sessions_app.session_row import COLUMNS, SessionRow

Narrowing = Callable[[SessionQuerySet], SessionQuerySet]


class Place(NamedTuple):
    """The place right after one session, in the order as it was at the moment `seen_at`.

    `rank` is 0 for those that were active then, 1 for those that had ended.
    """

    seen_at: datetime
    rank: int
    created_at: datetime
    session_id: UUID


@cache
def _shown() -> SessionQuerySet:
    """Return what lists are narrowed from; naming the columns takes long, so it is done once."""
    return Session.objects.values_list(*COLUMNS)  # type: ignore[return-value]  # so are its rows


def _rows(sessions: SessionQuerySet, most: int | None = None) -> list[SessionRow]:
    newest_first: Any = sessions.order_by("-created_at", "-id")[:most]
    return [SessionRow._make(values) for values in newest_first]


def page(
    caller: Caller,
    limit: int,
    place: Place | None = None,
    statuses: Collection[str] = frozenset(Status),
    narrowed: Narrowing = lambda sessions: sessions,
) -> tuple[list[SessionRow], Place | None]:
    """Return one page of what the caller may see, and where the next one begins.

    Every page is ordered by what was active when the first one was read, so a session that
    ends meanwhile keeps its place.
    """
    seen_at = place.seen_at if place else timezone.now()
    ranks = [[_active_at(seen_at, _shown().visible_to(caller))], []]
    if not ENDED.isdisjoint(statuses):
        ranks[1] = [_ended_at(seen_at, part) for part in _shown().visible_parts(caller)]
    found: list[tuple[int, SessionRow]] = []
    for rank in range(place.rank if place else 0, len(ranks)):
        wanted = [_of_status(statuses, narrowed(sessions)) for sessions in ranks[rank]]
        if place and place.rank == rank:
            wanted = [_after(place, sessions) for sessions in wanted]
        found += [(rank, row) for row in _newest(wanted, limit + 1 - len(found))]
    rows = [row for _, row in found[:limit]]
    if len(found) <= limit:
        return rows, None
    rank, last = found[limit - 1]
    return rows, Place(seen_at, rank, last.created_at, last.id)


def newest(caller: Caller, most: int) -> list[SessionRow]:
    """Return the newest sessions that the caller may see."""
    return _newest(_shown().visible_parts(caller), most)


def active_and_recent(caller: Caller, ended: int) -> list[SessionRow]:
    """Return all active sessions that the caller may see, then so many of the others."""
    active = _shown().visible_to(caller).active()
    parts = _shown().visible_parts(caller)
    return _rows(active) + _newest([part.ended() for part in parts], ended)


def _newest(parts: Iterable[SessionQuerySet], most: int) -> list[SessionRow]:
    """Return the newest sessions of all parts, each once."""
    found = [_rows(part, most) for part in parts if most]
    if len(found) == 1:
        return found[0]
    each_once = {row.id: row for rows in found for row in rows}
    return sorted(each_once.values(), key=_age, reverse=True)[:most]


def _age(row: SessionRow) -> tuple[datetime, UUID]:
    return row.created_at, row.id


def _active_at(moment: datetime, sessions: SessionQuerySet) -> SessionQuerySet:
    every = Session.objects.order_by()
    active = every.active().values("pk")
    ended_since = every.filter(ended_at__gt=moment).values("pk")
    return sessions.filter(pk__in=active.union(ended_since, all=True))


def _ended_at(moment: datetime, sessions: SessionQuerySet) -> SessionQuerySet:
    """Keep the others, said so that no index serves it; see SessionQuerySet.ended."""
    return sessions.exclude(Q(status__in=sorted(ACTIVE)) | Q(ended_at__gt=moment))


def _of_status(statuses: Collection[str], sessions: SessionQuerySet) -> SessionQuerySet:
    """Keep those with one of these statuses, said so as well."""
    others = sorted(set(Status).difference(statuses))
    return sessions.exclude(status__in=others) if others else sessions


def _after(place: Place, sessions: SessionQuerySet) -> SessionQuerySet:
    older = Q(created_at__lt=place.created_at) | Q(id__lt=place.session_id)
    # Said apart from the rest, as an index serves only this.
    return sessions.filter(created_at__lte=place.created_at).filter(older)
