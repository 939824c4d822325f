"""The front door with bounds so small that tests meet them, before an application of few words.

Usage: python -m tests.server.small_door PORT '{"head_seconds": 0.5, …}' [PROXY...]; with
`TLS=CERTIFICATE:KEY` in the environment it speaks TLS.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from sessions_app.front_door.limits import Limits
from sessions_app.front_door.server import Certificate, FrontDoor

LARGE = 2 * 1024 * 1024

calls = 0


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answer the requests at /hold and the streams at /deaf never, the others soon."""
    global calls
    calls += 1
    if scope["type"] == "websocket":
        await converse(scope["path"], receive, send)
    elif scope["path"] == "/hold":
        await hold()
    else:
        await count(receive, send)


async def hold() -> None:
    tell("held")
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        tell("cancelled")
        raise


def tell(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


async def count(receive: Any, send: Any) -> None:
    """Say how long the body is and how often this application has been called."""
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message["body"]), message["more_body"]
    body = json.dumps({"bytes": size, "calls": calls}).encode()
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": body})


async def converse(path: str, receive: Any, send: Any) -> None:
    """Answer each message with its length, one at /large with a long message."""
    await receive()
    await send({"type": "websocket.accept"})
    if path == "/deaf":
        await hold()
    while (message := await receive())["type"] == "websocket.receive":
        text = "x" * LARGE if path == "/large" else str(len(message["text"]))
        await send({"type": "websocket.send", "text": text})


def certificate() -> Certificate | None:
    files = os.environ.get("TLS", "").split(":")
    return Certificate(Path(files[0]), Path(files[1])) if files[0] else None


if __name__ == "__main__":
    limits = Limits(**json.loads(sys.argv[2]))
    proxies = sys.argv[3:]
    FrontDoor(application, ["127.0.0.1"], int(sys.argv[1]), limits, proxies, certificate()).run()
