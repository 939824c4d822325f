"""The header `Authorization: Bearer <secret>`, read by a parser that never raises."""

import re

_BEARER = re.compile(rb"bearer +([\x21-\x7e]{1,512})", re.IGNORECASE)


def is_bearer(header: bytes) -> bool:
    """Tell whether the header means to be of the scheme Bearer, well-formed or not."""
    return header[:6].lower() == b"bearer" and header[6:7] in (b"", b" ")


def bearer_secret(header: bytes) -> str | None:
    """Return the secret that the header carries, None if it is not well-formed."""
    match = _BEARER.fullmatch(header)
    return match[1].decode("ascii") if match else None
