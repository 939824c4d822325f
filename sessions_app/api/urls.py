"""The addresses under /api/."""

from django.urls import path, re_path

from sessions_app.api import views
from sessions_app.api.audit import AuditView
from sessions_app.api.base import UnknownView
from sessions_app.api.checkpoints import CheckpointView
from sessions_app.api.directories import DirectoriesView
from sessions_app.api.hosts import HostsView, HostView
from sessions_app.api.output import OutputView
from sessions_app.api.recording import RecordingView
from sessions_app.api.schema import SchemaView
from sessions_app.api.shares import SharesView, ShareView
from sessions_app.api.wait import WaitView

_SESSION = "sessions/<uuid:session_id>"

urlpatterns = [
    path("schema", SchemaView.as_view(), name="api-schema"),
    path("sessions", views.SessionsView.as_view(), name="api-sessions"),
    path(_SESSION, views.SessionView.as_view(), name="api-session"),
    path(f"{_SESSION}/input", views.InputView.as_view(), name="api-input"),
    path(f"{_SESSION}/resize", views.ResizeView.as_view(), name="api-resize"),
    path(f"{_SESSION}/end", views.EndView.as_view(), name="api-end"),
    path(f"{_SESSION}/output", OutputView.as_view(), name="api-output"),
    path(f"{_SESSION}/events", views.EventsView.as_view(), name="api-events"),
    path(f"{_SESSION}/screen", views.ScreenView.as_view(), name="api-screen"),
    path(f"{_SESSION}/checkpoint", CheckpointView.as_view(), name="api-checkpoint"),
    path(f"{_SESSION}/recording", RecordingView.as_view(), name="api-recording"),
    path(f"{_SESSION}/wait", WaitView.as_view(), name="api-wait"),
    path(f"{_SESSION}/shares", SharesView.as_view(), name="api-shares"),
    path(f"{_SESSION}/shares/<int:share_id>", ShareView.as_view(), name="api-share"),
    path("hosts", HostsView.as_view(), name="api-hosts"),
    path("hosts/<str:name>", HostView.as_view(), name="api-host"),
    path("projects", views.ProjectsView.as_view(), name="api-projects"),
    path("audit", AuditView.as_view(), name="api-audit"),
    path("directories", DirectoriesView.as_view(), name="api-directories"),
    re_path(r"", UnknownView.as_view(), name="api-unknown"),
]
