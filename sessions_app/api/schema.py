"""How the OpenAPI document is made: who may call, and where it is read."""

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.views import SpectacularAPIView

from sessions_app.api.authentication import IsCaller
from sessions_app.api.base import ApiView


class SchemaView(ApiView, SpectacularAPIView):
    """The OpenAPI document."""

    permission_classes = (IsCaller,)


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # untyped base
    """How the OpenAPI document names API tokens."""

    target_class = "sessions_app.api.authentication.BearerAuthentication"
    name = "apiToken"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        """Return the security scheme."""
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A user's token, such as the one in `<HARNESS_STATE_DIR>/api-token`.",
        }


class SessionTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # untyped base
    """How the OpenAPI document names the tokens of sessions."""

    target_class = "sessions_app.api.authentication.SessionTokenAuthentication"
    name = "sessionToken"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        """Return the security scheme."""
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "`HARNESS_SESSION_TOKEN` of a session: for its own checkpoints only.",
        }


class BrowserScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # untyped base
    """How the OpenAPI document names the login of a browser."""

    target_class = "sessions_app.api.authentication.BrowserAuthentication"
    name = "browserLogin"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        """Return the security scheme."""
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "With CSRF protection: changing requests need `X-CSRFToken`.",
        }
