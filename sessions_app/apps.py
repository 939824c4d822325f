"""The Django application that runs, keeps and serves sessions."""

from django.apps import AppConfig


class SessionsConfig(AppConfig):
    """Registers the bridge, so that every process that sends SessionEvents also forwards them."""

    name = "sessions_app"
    verbose_name = "Sessions"

    def ready(self) -> None:
        """Connect the receivers and register the system checks."""
        from django.db.models.signals import post_migrate

        from sessions_app import checks, event_bridge  # noqa: F401
        from sessions_app.rights import make_groups

        post_migrate.connect(make_groups, sender=self)
