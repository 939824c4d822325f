"""Every address of the server but the live stream (see sessions_app.routing)."""

from django.contrib import admin
from django.urls import path

urlpatterns = [
    path("admin/", admin.site.urls),
]
