"""Every address of the server but the live stream (see sessions_app.routing)."""

from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import include, path

from sessions_app.health import health
from sessions_app.login import LoginView, admin_login, redeem_link, redeem_share, shared_page
from sessions_app.scraping import metrics

urlpatterns = [
    path("health", health, name="health"),
    path("metrics", metrics, name="metrics"),
    path("api/", include("sessions_app.api.urls")),
    path("login", LoginView.as_view(), name="login"),
    path("login/link", redeem_link, name="login-link"),
    path("shared", shared_page, name="shared"),
    path("shared/link", redeem_share, name="shared-link"),
    path("logout", LogoutView.as_view(), name="logout"),
    path("admin/login/", admin_login),
    path("admin/", admin.site.urls),
    path("", include("dashboard.urls")),
]

handler400 = "sessions_app.api.errors.bad_request"
handler404 = "sessions_app.api.errors.page_not_found"
handler500 = "sessions_app.api.errors.server_error"
