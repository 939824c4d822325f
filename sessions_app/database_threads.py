"""Threads that own database connections, for code that lives in the event loop.

The log has one writer thread, so that its transactions never wait for each other, and its readers
do not stand in line behind the threads of REST requests.
"""

import asyncio
import select
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import Error, connection

from sessions_app.database_locks import waiting_at_most

BACKGROUND_PATIENCE_SECONDS = 0.25

P = ParamSpec("P")
T = TypeVar("T")


class DatabaseThreads:
    """A small pool of named threads, each with its own lasting connection."""

    def __init__(self, name: str, threads: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._threads = threads

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run the call in one of the threads and return what it returns."""

        def guarded() -> T:
            if _is_addressed() and not connection.is_usable():
                connection.close()
            try:
                return call(*args, **kwargs)
            except Error:
                # One that the database has dropped is of no use, nor one that an error left undone.
                connection.close()
                raise

        return await asyncio.get_running_loop().run_in_executor(self._executor, guarded)

    async def run_in_background(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do the same for work that is tried again: while the database is locked it fails soon.

        So it does not keep those from the thread whom somebody waits for.
        """

        def impatient() -> T:
            with waiting_at_most(BACKGROUND_PATIENCE_SECONDS):
                return call(*args, **kwargs)

        return await self.run(impatient)

    def close(self) -> None:
        """Close the connections and end the threads, once what was begun is done."""
        together = threading.Barrier(self._threads)
        for _ in range(self._threads):
            self._executor.submit(_close_connection, together)
        self._executor.shutdown(wait=True)


def _is_addressed() -> bool:
    """Tell whether PostgreSQL has said something unasked on this thread's connection.

    Mostly that it ends it. That costs no question, so it is looked for before every use.
    """
    if connection.vendor != "postgresql" or connection.connection is None:
        return False
    if connection.connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.connection.pgconn.socket, select.POLLIN)
    return bool(poll.poll(0))


def _close_connection(together: threading.Barrier) -> None:
    """Close this thread's connection; each thread waits for the others, so none does it twice."""
    together.wait()
    connection.close()
