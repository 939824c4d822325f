"""In which threads HTTP requests are answered: one for each, and the same ones again.

Django by itself starts two threads for a request, opens a connection to the database in one of
them, and goes through the event loop between one middleware and the next. That costs more than
most answers do.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.db import connections

from sessions_app.transport import Application, Receive, Scope, Send

# Threads that wait for the next request, each with a connection. More come and go with the demand.
IDLE_THREADS = 8


class OneThreadHandler(ASGIHandler):
    """Django's, with all middleware and the view in one go in the request's thread."""

    _middleware_chain: Any

    def load_middleware(self, is_async: bool = False) -> None:
        """Build the chain for a thread, and let the event loop wait for its end."""
        super().load_middleware(is_async=False)
        self._middleware_chain = sync_to_async(self._middleware_chain)


class RequestThreads:
    """Lends each request a thread of its own for as long as it takes.

    Who sends a request and goes away may leave work behind that is still being done: a thread is
    lent again, or ended, when it gets to it.
    """

    def __init__(self, idle: int = IDLE_THREADS) -> None:
        self._most = idle
        self._idle: list[ThreadPoolExecutor] = []

    def around(self, application: Any) -> Application:
        """Return the application with a thread lent to each request."""

        async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
            thread = self._idle.pop() if self._idle else _new_thread()
            try:
                async with ThreadSensitiveContext(executor=thread):
                    await application(scope, receive, send)
            finally:
                thread.submit(self._give_back, thread)

        return wrapped

    def _give_back(self, thread: ThreadPoolExecutor) -> None:
        if len(self._idle) < self._most:
            self._idle.append(thread)
        else:
            connections.close_all()
            thread.shutdown(wait=False)


def _new_thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="request")
