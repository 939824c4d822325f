"""The headers of a request as ASGI gives them: pairs of bytes in the order in which they came."""

from collections.abc import Iterable

Headers = Iterable[tuple[bytes, bytes]]


def header_values(headers: Headers, name: bytes) -> list[bytes]:
    """Return every value that the header `name` (in lower case) has."""
    return [value for key, value in headers if key.lower() == name]
