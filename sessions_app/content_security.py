"""What an answer lets the browser do: the content security policy and its companion headers.

A page may load scripts and style sheets of this server and nothing else, run nothing that is
written into it, be framed by nobody, and turn no string into markup or code (Trusted Types).
Whatever is not a page may do nothing at all.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

PAGE_TYPES = frozenset({"text/html", "application/xhtml+xml"})
NOT_A_PAGE = "default-src 'none'; frame-ancestors 'none'"
# The namespace of pages whose libraries write markup as strings. There the policy `default` stands
# in between, which lets through what they are known to write (see trusted-types.js).
ADMINISTRATION = "admin"

_UNUSED_FEATURES = (
    "accelerometer",
    "autoplay",
    "bluetooth",
    "camera",
    "clipboard-read",
    "display-capture",
    "encrypted-media",
    "fullscreen",
    "geolocation",
    "gyroscope",
    "hid",
    "idle-detection",
    "keyboard-map",
    "local-fonts",
    "magnetometer",
    "microphone",
    "midi",
    "payment",
    "picture-in-picture",
    "publickey-credentials-get",
    "screen-wake-lock",
    "serial",
    "usb",
    "web-share",
    "window-management",
    "xr-spatial-tracking",
)
COMPANIONS = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": ", ".join(
        ["clipboard-write=(self)", *(f"{feature}=()" for feature in _UNUSED_FEATURES)]
    ),
}


class Nonce:
    """A random word for one answer, made when the page first writes it."""

    def __init__(self) -> None:
        self.value = ""

    def __str__(self) -> str:
        self.value = self.value or secrets.token_urlsafe(16)
        return self.value


def page_policy(nonce: str, *, trusted_types: str = "'none'") -> str:
    """Return the policy of a page whose scripts carry `nonce`.

    Without one (error pages, the administration) every script of this server is allowed.
    """
    marked = f"'nonce-{nonce}'"
    return _policy(
        ("default-src", ["'none'"]),
        ("script-src", [marked] if nonce else ["'self'"]),
        # The terminal writes its colours into <style> elements, which it marks with the nonce.
        ("style-src", ["'self'", marked] if nonce else ["'self'"]),
        ("img-src", ["'self'"]),
        ("connect-src", ["'self'"]),
        ("form-action", ["'self'"]),
        ("base-uri", ["'none'"]),
        ("object-src", ["'none'"]),
        ("frame-ancestors", ["'none'"]),
        ("require-trusted-types-for", ["'script'"]),
        ("trusted-types", [trusted_types]),
    )


def _policy(*directives: tuple[str, Iterable[str]]) -> str:
    return "; ".join(" ".join([name, *values]) for name, values in directives)


class ContentSecurityMiddleware(MiddlewareMixin):
    """Gives every answer its headers, and every request the nonce that its page may write."""

    def process_request(self, request: HttpRequest) -> None:
        """Offer templates `request.csp_nonce`."""
        request.csp_nonce = Nonce()  # type: ignore[attr-defined]  # for templates alone

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Set the policy that fits the answer; a header that is there already stays."""
        response.headers.setdefault("Content-Security-Policy", _policy_of(request, response))
        for name, value in COMPANIONS.items():
            response.headers.setdefault(name, value)
        return response


def _policy_of(request: HttpRequest, response: HttpResponseBase) -> str:
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type not in PAGE_TYPES:
        return NOT_A_PAGE
    nonce: Nonce = request.csp_nonce  # type: ignore[attr-defined]  # set above
    match = request.resolver_match
    is_administration = match is not None and match.namespace == ADMINISTRATION
    return page_policy(nonce.value, trusted_types="default" if is_administration else "'none'")
