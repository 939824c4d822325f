"""The Django application that runs, keeps and serves sessions."""

from django.apps import AppConfig


class SessionsConfig(AppConfig):
    """What has to be known before the first request."""

    name = "sessions_app"
    verbose_name = "Sessions"

    def ready(self) -> None:
        """Register the system checks, and make the groups of the roles with the database."""
        from django.db.models.signals import post_migrate

        from sessions_app import checks  # noqa: F401
        from sessions_app.rights import make_groups

        post_migrate.connect(make_groups, sender=self)
