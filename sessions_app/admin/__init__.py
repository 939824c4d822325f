"""The administration: everything can be looked at, nothing that is in the log can be changed."""

from django.contrib import admin

from sessions_app.admin import access, audit, hosts, log, sessions, tokens, users

__all__ = ["access", "audit", "hosts", "log", "sessions", "tokens", "users"]

admin.site.site_header = "Session harness"
admin.site.site_title = "Session harness"
admin.site.index_title = "Administration"
