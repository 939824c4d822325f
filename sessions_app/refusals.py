"""How a client is answered before it reaches any view or consumer."""

import json
from dataclasses import dataclass

from sessions_app.request_headers import Header
from sessions_app.transport import Receive, Send

# No page, and no part of anybody's.
_ERROR_HEADERS = (
    (b"content-type", b"application/json"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
)


@dataclass(frozen=True)
class Answer:
    """A whole HTTP answer, which nobody is to keep."""

    status: int
    headers: tuple[Header, ...] = ()
    body: bytes = b""

    async def send(self, send: Send) -> None:
        """Send it."""
        length = str(len(self.body)).encode()
        headers = [*self.headers, (b"content-length", length), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


def error_answer(status: int, code: str, sentence: str) -> Answer:
    """Return an error as the API words its own: a sentence, and a slug for programs."""
    body = json.dumps({"error": sentence, "code": code}).encode()
    return Answer(status, _ERROR_HEADERS, body)


async def refuse_socket(receive: Receive, send: Send, code: int) -> None:
    """Accept the connection and close it with this code: a browser learns a code only then."""
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": code})
