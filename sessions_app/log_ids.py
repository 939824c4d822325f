"""What a line of the log is about: a request that is being answered, a session, or both.

Who begins to work on one says so here, and every line that is written meanwhile names it, in tasks
that are begun for it too. Requests are named where they arrive (`sessions_app.request_ids`),
sessions where they are launched and followed (`sessions_app.session_runs`) or found again
(`sessions_app.recovery`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar
from typing import NamedTuple


class Ids(NamedTuple):
    """The ids, "" for what it is not about."""

    session: str = ""
    request: str = ""


NONE = Ids()
_ids: ContextVar[Ids] = ContextVar("log_ids", default=NONE)


def current() -> Ids:
    """Return what is being worked on."""
    return _ids.get()


@contextmanager
def about(*, session: str = "", request: str = "") -> Iterator[None]:
    """Work on this; what is left out stays as it is."""
    before = current()
    token = _ids.set(Ids(session or before.session, request or before.request))
    try:
        yield
    finally:
        _ids.reset(token)


def fresh_context(ids: Ids) -> Context:
    """Return a context that holds nothing else: one of a request would die with that request."""
    context = Context()
    context.run(_ids.set, ids)
    return context
