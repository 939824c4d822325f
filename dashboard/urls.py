"""The addresses of the pages."""

from django.urls import path

from dashboard import views

urlpatterns = [
    path("", views.home, name="home"),
    path("history", views.history, name="history"),
    path("sessions/<uuid:session_id>", views.session, name="session"),
]
