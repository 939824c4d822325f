"""The Django application with the pages."""

from django.apps import AppConfig


class DashboardConfig(AppConfig):
    """Server-rendered pages that look at sessions and never command them directly."""

    name = "dashboard"
