"""What has to be in order before other machines may reach the server.

A server that starts programs on request is remote control by design. Beyond the loopback address it
therefore serves only over TLS (its own, or a declared proxy's), under a name of its own, to users
who all have passwords.
"""

import socket
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.conf import settings
from django.contrib.auth.models import User
from django.core import checks


def is_exposed() -> bool:
    """Tell whether the server listens for other machines."""
    host = settings.HARNESS_HOST.strip("[]")
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return bool(host != "localhost")


def listening_addresses(host: str) -> list[str]:
    """Return where to listen: on both loopback addresses, if that is meant.

    A browser takes `harness.localhost` for either of them (RFC 6761, section 6.3). What listens on
    the one that is left free, perhaps somebody else's program, would be sent the login.
    """
    return [host, "::1"] if host == "127.0.0.1" and _has_ipv6_loopback() else [host]


def _has_ipv6_loopback() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def missing() -> list[str]:
    """Return one sentence for everything that is not in order; nothing if the server may serve."""
    if not is_exposed():
        return []
    return [*_address(), *_encryption(), *_users(), *_deployment()]


def refusal(sentences: list[str]) -> str:
    """Return what is said instead of starting."""
    listed = "\n".join(f"  - {sentence}" for sentence in sentences)
    return (
        f"HARNESS_HOST={settings.HARNESS_HOST} would let other machines in. Missing for that:\n"
        f"{listed}\nOr leave HARNESS_HOST at 127.0.0.1 and forward the port through ssh: "
        f"ssh -L {settings.HARNESS_PORT}:127.0.0.1:{settings.HARNESS_PORT} this-machine"
    )


def _address() -> Iterator[str]:
    if not settings.HARNESS_PUBLIC_URL.startswith("https://"):
        yield (
            "HARNESS_PUBLIC_URL: the address that people type, beginning with https:// "
            f"(it is {settings.HARNESS_PUBLIC_URL})."
        )


def _encryption() -> Iterator[str]:
    """Both files of a certificate, or a proxy that has one."""
    certificate, key = settings.HARNESS_TLS_CERTIFICATE, settings.HARNESS_TLS_KEY
    if certificate and key:
        yield from _certificate(certificate, key)
    elif certificate or key:
        yield "HARNESS_TLS_CERTIFICATE and HARNESS_TLS_KEY: one is of no use without the other."
    elif not settings.HARNESS_TRUSTED_PROXIES:
        yield (
            "TLS: set HARNESS_TLS_CERTIFICATE and HARNESS_TLS_KEY to PEM files, or "
            "HARNESS_TRUSTED_PROXIES to the addresses of the proxy that has the certificate."
        )


def _certificate(certificate: Path, key: Path) -> Iterator[str]:
    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        own = load_pem_private_key(key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        yield f"HARNESS_TLS_CERTIFICATE and HARNESS_TLS_KEY cannot be read: {error}."
        return
    if own.public_key() != found.public_key():
        yield "HARNESS_TLS_KEY is not the key of HARNESS_TLS_CERTIFICATE."
    if found.not_valid_after_utc < datetime.now(UTC):
        yield f"The certificate has expired on {found.not_valid_after_utc:%Y-%m-%d}; renew it."
    if key.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield f"Other users may read the key: chmod 600 {key}"


def _users() -> Iterator[str]:
    users = User.objects.filter(is_active=True).order_by("username")
    without = [user.username for user in users if not user.has_usable_password()]
    # What is deployed has a way of its own to run commands.
    manage = "bin/run manage " if settings.HARNESS_ROLE == "all" else "manage.py "
    if without:
        yield (
            f"A password for every user. {', '.join(without)} has none: "
            f"{manage}changepassword {without[0]}"
        )


def _deployment() -> Iterator[str]:
    """What Django itself would not deploy."""
    if settings.DEBUG:
        yield "HARNESS_DEBUG: it must be 0."
    for message in checks.run_checks(include_deployment_checks=True):
        is_django_s = str(message.id).startswith("security.")
        bad = message.level >= (checks.WARNING if is_django_s else checks.ERROR)
        if bad and not message.is_silenced() and message.id not in _SAID:
            hint = f" {message.hint}" if message.hint else ""
            yield f"{message.msg}{hint} ({message.id})"


# Of these the sentences above say more.
_SAID = {
    "sessions_app.E002",
    "security.W004",
    "security.W008",
    "security.W012",
    "security.W016",
    "security.W018",
}
