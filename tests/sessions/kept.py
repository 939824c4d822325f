"""What is kept of a session: its row, when that says that it has ended, and its spool."""

from asgiref.sync import sync_to_async

from sessions_app.event_log import session_folder
from sessions_app.holder.spool import SpoolWriter
from sessions_app.models import Session
from tests.waiting_for import auntil


@sync_to_async
def row(session_id: str) -> Session:
    """The session's row as it is now."""
    return Session.objects.get(pk=session_id)


async def ended(session_id: str, timeout: float = 20.0) -> Session:
    """Wait until the session has ended; its row then. AssertionError after `timeout` seconds."""

    async def has_ended() -> bool:
        return not (await row(session_id)).is_active

    await auntil(has_ended, timeout)
    return await row(session_id)


def spool_of(session: Session, **sizes: int) -> SpoolWriter:
    """A new spool of the session, to be written as its holder would."""
    folder = session_folder(str(session.pk))
    folder.mkdir(parents=True)
    return SpoolWriter(str(folder), **sizes)
