"""The addresses of the pages."""

from django.urls import path

from dashboard import account, views

urlpatterns = [
    path("", views.home, name="home"),
    path("history", views.history, name="history"),
    path("hosts", views.hosts, name="hosts"),
    path("sessions/<uuid:session_id>", views.session, name="session"),
    path("settings", account.settings_page, name="settings"),
    path("settings/tokens", account.make_token, name="token-make"),
    path("settings/tokens/<int:token_id>/revoke", account.revoke_token, name="token-revoke"),
    path("settings/links/<int:link_id>/withdraw", account.withdraw_link, name="link-withdraw"),
    path("settings/password", account.change_password, name="password"),
    path("settings/logout-elsewhere", account.log_out_elsewhere, name="logout-elsewhere"),
]
