"""The Django application that runs, keeps and serves sessions."""

from django.apps import AppConfig


class SessionsConfig(AppConfig):
    """What has to be known before the first request."""

    name = "sessions_app"
    verbose_name = "Sessions"

    def ready(self) -> None:
        """Register the system checks and what goes with a change of the database's tables."""
        from django.db.models.signals import post_migrate, pre_migrate

        from sessions_app import checks  # noqa: F401
        from sessions_app.database_locks import with_time_limit, without_time_limit
        from sessions_app.rights import make_groups

        pre_migrate.connect(without_time_limit, sender=self)
        post_migrate.connect(with_time_limit, sender=self)
        post_migrate.connect(make_groups, sender=self)
