"""Names of servers and pages: `Host` and `Origin` read by total parsers, and which ones count.

Both parsers take any bytes and never raise. What they return is canonical, so that equal places
compare as equal: lower case, IPv6 as RFC 5952 writes it and in brackets, the port as a number.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Self

Networks = tuple[IPv4Network | IPv6Network, ...]

DEFAULT_PORTS = {"http": 80, "https": 443}
LONGEST_NAME = 253  # RFC 1035 section 2.3.4, without the root's dot
LOOPBACK_NAMES = ("127.0.0.1", "[::1]", "localhost")
EVERY_ADDRESS = frozenset({"0.0.0.0", "[::]"})  # noqa: S104  # compared, not bound

_PORT = r"(?::(?P<port>[1-9][0-9]{0,4}))?"
_HOST = re.compile(rf"(?P<name>\[[0-9a-f:.]{{2,45}}\]|[a-z0-9.-]+){_PORT}", re.IGNORECASE)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


@dataclass(frozen=True)
class Host:
    """What a `Host` header says; `port` is None where it says none."""

    name: str
    port: int | None

    def at(self, scheme: str) -> "Origin":
        """Return the place that this is for a client that speaks `scheme`."""
        return Origin(scheme, self.name, self.port or DEFAULT_PORTS[scheme])


@dataclass(frozen=True)
class Origin:
    """Scheme, name and port of a page; a default port is spelled out as a number."""

    scheme: str
    name: str
    port: int

    def __str__(self) -> str:
        """Write it as browsers do, without a default port."""
        port = "" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{self.name}{port}"


def parse_host(value: bytes) -> Host | None:
    """Read `name`, `name:port`, `1.2.3.4:port` or `[v6]:port`; None for anything else.

    A last dot, an empty port, a port above 65535, user names, percent signs, zone identifiers and
    whatever is not ASCII are refused, and so is a name that ends in a number without being an
    IPv4 address of four parts: browsers read such names as addresses (WHATWG URL, "ends in a
    number").
    """
    match = _HOST.fullmatch(value.decode("latin-1"))
    if match is None:
        return None
    name, port = _name(match["name"].lower()), int(match["port"] or 0)
    return Host(name, port or None) if name and port <= 65535 else None


def parse_origin(value: bytes) -> Origin | None:
    """Read `http(s)://host`, with or without a port; None for `null` and anything else."""
    scheme, separator, rest = value.partition(b"://")
    name = scheme.decode("latin-1")
    host = parse_host(rest) if separator and name in DEFAULT_PORTS else None
    return host.at(name) if host else None


def _name(name: str) -> str | None:
    if name.startswith("["):
        return _bracketed(name[1:-1])
    labels = name.split(".")
    if len(name) > LONGEST_NAME or not all(map(_LABEL.fullmatch, labels)):
        return None
    if _NUMBER.fullmatch(labels[-1]):
        return name if _is_address(name) else None
    return name


def _bracketed(address: str) -> str | None:
    try:
        return f"[{IPv6Address(address)}]"
    except ValueError:
        return None


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def listening_name(text: str) -> str | None:
    """Return the canonical name by which an address to listen on can be reached.

    None for what stands for every address (`0.0.0.0`, `::`) and for what is no name at all.
    """
    bare = text.strip("[]")
    host = parse_host(f"[{bare}]".encode() if ":" in bare else bare.encode())
    if host is None or host.port is not None or host.name in EVERY_ADDRESS:
        return None
    return host.name


def local_url(listening: str, port: int) -> str:
    """Return where programs of this machine reach a server that listens there."""
    return f"http://{listening_name(listening) or LOOPBACK_NAMES[0]}:{port}"


def own_names(public_url: str, listening: str) -> set[str]:
    """Return every name by which this server may be called, without ports."""
    public = parse_origin(public_url.encode())
    found = {public.name if public else None, listening_name(listening)}
    return {*LOOPBACK_NAMES, *(name for name in found if name)}


def port_of(url: str) -> int:
    """Return the port of a URL that `parse_origin` takes; raises ValueError for any other."""
    origin = parse_origin(url.encode())
    if origin is None:
        raise ValueError(url)
    return origin.port


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where this server may be reached, and which pages may use it.

    `public` is where the pages live, the only place where a cookie counts. `others` are further
    places, which serve bearer clients. `cors` are pages of others that may call with a token.
    """

    public: Origin
    others: frozenset[Host] = frozenset()
    cors: frozenset[Origin] = frozenset()

    @classmethod
    def of(cls, public: Origin, listening: str, port: int, cors: Iterable[Origin] = ()) -> Self:
        """Return the places of a server that listens there.

        The others need the port that it listens on; without one a `Host` means its scheme's. So
        behind a proxy on 80 or 443 a `Host` without a port is the public place, if the proxy passes
        it on or is a trusted one that sends `X-Forwarded-Host`. Other names under `localhost` are
        not ours: programs of this machine serve pages there.
        """
        names = {*LOOPBACK_NAMES, listening_name(listening) or LOOPBACK_NAMES[0]}
        others = frozenset(Host(name, port) for name in names)
        return cls(public=public, others=others, cors=frozenset(cors))

    def is_public(self, host: Host) -> bool:
        """Tell whether the host is the pages' own; a missing port is the public scheme's."""
        return host.at(self.public.scheme) == self.public

    def is_other(self, host: Host, scheme: str) -> bool:
        """Tell whether the host is one that serves bearer clients, which speak `scheme` to it."""
        return Host(host.name, host.at(scheme).port) in self.others
