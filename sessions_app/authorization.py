"""The header `Authorization: Bearer <secret>`, read by a parser that never raises."""

import re

from sessions_app.request_headers import Headers, header_values

_BEARER = re.compile(rb"bearer +([\x21-\x7e]{1,512})", re.IGNORECASE)


def is_bearer(header: bytes) -> bool:
    """Tell whether the header means to be of the scheme Bearer, well-formed or not."""
    return header[:6].lower() == b"bearer" and header[6:7] in (b"", b" ")


def bearer_secret(header: bytes) -> str | None:
    """Return the secret that the header carries, None if it is not well-formed."""
    match = _BEARER.fullmatch(header)
    return match[1].decode("ascii") if match else None


def bearer_header(headers: Headers) -> bytes | None:
    """Return the header `Authorization` if it is meant as a token; the last one counts."""
    bearers = [value for value in header_values(headers, b"authorization") if is_bearer(value)]
    return bearers[-1] if bearers else None
