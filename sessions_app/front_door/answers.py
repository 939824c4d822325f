"""What is answered before the application is asked, in the shape of docs/api.md."""

import json
from dataclasses import dataclass
from http import HTTPStatus

from sessions_app.front_door.limits import KIB, Limits

RETRY_SECONDS = 5


@dataclass(frozen=True)
class Refusal:
    """A request that is not taken; the connection ends with it."""

    status: HTTPStatus
    code: str
    sentence: str

    def to_bytes(self) -> bytes:
        """Return the whole answer."""
        body = json.dumps({"error": self.sentence, "code": self.code}).encode()
        lines = [
            f"HTTP/1.1 {self.status.value} {self.status.phrase}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            "X-Content-Type-Options: nosniff",
            "Connection: close",
        ]
        if self.status is HTTPStatus.SERVICE_UNAVAILABLE:
            lines.append(f"Retry-After: {RETRY_SECONDS}")
        return "\r\n".join([*lines, "", ""]).encode("ascii") + body


BAD_REQUEST = Refusal(
    HTTPStatus.BAD_REQUEST, "bad-request", "This is not a request in HTTP/1.1 that can be read."
)
HEAD_TOO_LARGE = Refusal(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "head-too-large",
    "The address and the headers of the request are too large. Send fewer or shorter ones.",
)
TOO_MANY_CONNECTIONS = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "too-many-connections",
    "There are too many connections at the moment. Try again in a few seconds.",
)


def too_large(limits: Limits, *, has_credential: bool) -> Refusal:
    """Return the refusal of a body, which says how large one may be."""
    size = limits.body_limit(has_credential=has_credential) // KIB
    sentence = f"At most {size} KiB can be sent at once."
    if not has_credential:
        sentence = f"Log in or send a token first. Without, at most {size} KiB can be sent at once."
    return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", sentence)
