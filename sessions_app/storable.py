"""Text that every database stores."""

from typing import Any


def storable(value: Any) -> Any:
    """Return JSON without what no database stores: NUL, and halves of surrogate pairs.

    Both are written in a way that can be read: `␀` and `\\udc80`. Anything that is no text, list or
    object is returned as it is.
    """
    match value:
        case str():
            shown = value.replace("\0", "\N{SYMBOL FOR NULL}")
            return shown.encode("utf-8", "backslashreplace").decode()
        case dict():
            return {storable(name): storable(inner) for name, inner in value.items()}
        case list() | tuple():
            return [storable(inner) for inner in value]
    return value
