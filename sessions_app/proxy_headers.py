"""What a proxy says about a request, believed only if the proxy is one that was configured.

Anybody can send such headers. They are taken away whether they were believed or not, so nothing
behind the gate can trust them by mistake.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address

from sessions_app.origins import Networks, parse_host
from sessions_app.request_headers import Header, Headers, header_values, without_headers
from sessions_app.transport import Scope

_NEVER_PASSED_ON = frozenset({b"daphne-root-path", b"forwarded", b"x-request-id"})
_SECURE = {"http": "https", "websocket": "wss"}
_PLAIN = {"http": "http", "websocket": "ws"}
_SCHEMES = {b"https": _SECURE, b"wss": _SECURE, b"http": _PLAIN, b"ws": _PLAIN}


def as_trusted_proxies_say(scope: Scope, proxies: Networks) -> Scope:
    """Return the scope with client, scheme and `Host` as a trusted proxy tells them.

    `root_path` is always empty: Daphne takes it from the header `Daphne-Root-Path`, which anybody
    can send. Headers with `_` in their names are removed because WSGI-like names cannot tell them
    from those with `-`.
    """
    headers = list(scope.get("headers") or ())
    changed: Scope = {**scope, "headers": _cleaned(headers), "root_path": ""}
    peer = _peer(scope)
    if peer is not None and _is_trusted(peer, proxies):
        changed["client"] = [str(_client(peer, headers, proxies)), 0]
        changed["scheme"] = _scheme(headers, scope)
        changed["headers"] = _with_host(headers, changed["headers"])
    return changed


def comes_from_proxy(scope: Scope, proxies: Networks) -> bool:
    """Tell whether a trusted proxy sends this; asked of the scope as the server made it."""
    peer = _peer(scope)
    return peer is not None and _is_trusted(peer, proxies)


def _peer(scope: Scope) -> IPv4Address | IPv6Address | None:
    return _address_of((scope.get("client") or ("",))[0])


def _cleaned(headers: Headers) -> list[Header]:
    return [
        (name, value)
        for name, value in without_headers(headers, _NEVER_PASSED_ON)
        if b"_" not in name and not name.lower().startswith(b"x-forwarded-")
    ]


def _is_trusted(address: IPv4Address | IPv6Address, proxies: Networks) -> bool:
    return any(address in network for network in proxies)


def _address_of(text: object) -> IPv4Address | IPv6Address | None:
    """Read an address, perhaps with a port; what is mapped into IPv6 is the IPv4 one."""
    text = str(text)
    host = parse_host(text.encode("latin-1", "replace"))
    try:
        address = ip_address(host.name.strip("[]") if host else text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _client(
    peer: IPv4Address | IPv6Address, headers: Headers, proxies: Networks
) -> IPv4Address | IPv6Address:
    """Return the rightmost address that is not a trusted proxy's: what is left of it is hearsay."""
    client = peer
    for part in reversed(_parts(headers, b"x-forwarded-for")):
        address = _address_of(part.decode("latin-1"))
        if address is None:
            return client
        client = address
        if not _is_trusted(address, proxies):
            break
    return client


def _scheme(headers: Headers, scope: Scope) -> str:
    told = _parts(headers, b"x-forwarded-proto")[-1:]
    known = _SCHEMES.get(told[0].lower()) if told else None
    return str((known or {}).get(scope["type"], scope.get("scheme") or _PLAIN[scope["type"]]))


def _with_host(headers: Headers, cleaned: list[Header]) -> list[Header]:
    """Put what the nearest proxy says in the place of `Host`."""
    told = _parts(headers, b"x-forwarded-host")[-1:]
    return [*without_headers(cleaned, {b"host"}), (b"host", told[0])] if told else cleaned


def _parts(headers: Headers, name: bytes) -> list[bytes]:
    return [part.strip() for part in b",".join(header_values(headers, name)).split(b",") if part]
