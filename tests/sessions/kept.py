"""What the database says of a session, and when it says that it has ended."""

from asgiref.sync import sync_to_async

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
