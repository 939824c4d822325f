"""The headers of a request as ASGI gives them: pairs of bytes in the order in which they came."""

from collections.abc import Container, Iterable

Header = tuple[bytes, bytes]
Headers = Iterable[Header]


def header_values(headers: Headers, name: bytes) -> list[bytes]:
    """Return every value that the header `name` (in lower case) has."""
    return [value for key, value in headers if key.lower() == name]


def the_only_value(headers: Headers, name: bytes) -> bytes | None:
    """Return the value of a header that is there exactly once, else None."""
    values = header_values(headers, name)
    return values[0] if len(values) == 1 else None


def without_headers(headers: Headers, names: Container[bytes]) -> list[Header]:
    """Return the headers but those with one of these names (in lower case)."""
    return [(key, value) for key, value in headers if key.lower() not in names]
