"""A server of terminals with terminado: `terminado_server.py PORT`.

POST /terminals {command} starts a program; /terminals/last is the socket that shows it.
"""

from __future__ import annotations

import asyncio
import json
import sys

from terminado import NamedTermManager, TermSocket
from tornado.web import Application, RequestHandler


class Start(RequestHandler):
    """Starts programs."""

    def initialize(self, term_manager: NamedTermManager) -> None:
        """Keep the manager."""
        self.term_manager = term_manager

    def post(self) -> None:
        """Start one."""
        command = json.loads(self.request.body)["command"]
        self.term_manager.new_named_terminal(name="last", shell_command=command)
        self.set_status(201)


class Health(RequestHandler):
    """Answers."""

    def get(self) -> None:
        """Say that there is a server."""


async def main(port: int) -> None:
    """Serve until the process is ended."""
    manager = NamedTermManager(shell_command=["cat"], max_terminals=1000)
    options = {"term_manager": manager}
    handlers = [
        (r"/health", Health),
        (r"/terminals", Start, options),
        (r"/terminals/(\w+)", TermSocket, options),
    ]
    Application(handlers).listen(port, "127.0.0.1")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
