"""The settings page: what a user holds to get in, and what others hold by that user's leave.

Everything here asks for a login in a browser, so no token can make a token.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import PasswordChangeForm, SetPasswordForm
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from dashboard.forms import TokenForm
from sessions_app import audit
from sessions_app.audit import Action
from sessions_app.callers import caller_of
from sessions_app.credentials import ApiToken, ShareLink
from sessions_app.login import TOO_MANY
from sessions_app.login_attempts import LoginAttempt
from sessions_app.logins import end_logins
from sessions_app.rights import Right


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # noqa: S101  # every page here asks for a login
    return request.user


def _password_form(user: User, data: Any = None) -> SetPasswordForm[User]:
    """Return the form; who has no password yet is not asked for the old one."""
    form = PasswordChangeForm if user.has_usable_password() else SetPasswordForm
    return form(user, data)


def _page(request: HttpRequest, status: int = 200, **more: Any) -> HttpResponse:
    user, caller = _user(request), caller_of(request)
    links = ShareLink.good().filter(created_by=user).order_by("expires_at")
    context = {
        "tokens": ApiToken.objects.filter(user=user).order_by("-created_at"),
        "links": links.select_related("session"),
        "may_look": caller.may(Right.VIEW),
        "token_form": TokenForm(user, caller),
        "password_form": _password_form(user),
        **more,
    }
    return render(request, "dashboard/settings.html", context, status=status)


def _done(request: HttpRequest, sentence: str) -> HttpResponseRedirect:
    messages.success(request, sentence)
    return redirect("settings")


@never_cache
@require_safe
def settings_page(request: HttpRequest) -> HttpResponse:
    """Show tokens, links and the password form."""
    return _page(request)


@never_cache
@require_POST
def make_token(request: HttpRequest) -> HttpResponse:
    """Make an API token; its secret is in this answer and nowhere else."""
    form = TokenForm(_user(request), caller_of(request), request.POST)
    if not form.is_valid():
        return _page(request, 400, token_form=form)
    # Not sent through a redirect: what is to be shown there would have to be stored meanwhile.
    secret = form.issue()
    name, scopes = form.cleaned_data["name"], form.cleaned_data["scopes"]
    audit.note(Action.TOKEN_MADE, audit.visitor(request), name=name, scopes=scopes)
    return _page(request, secret=secret, secret_name=form.cleaned_data["name"])


@require_POST
def revoke_token(request: HttpRequest, token_id: int) -> HttpResponse:
    """Withdraw one of the user's tokens."""
    token = get_object_or_404(ApiToken, pk=token_id, user=_user(request))
    token.delete()
    audit.note(Action.TOKEN_REVOKED, audit.visitor(request), name=token.name)
    return _done(request, f"The token “{token.name}” is revoked.")


@require_POST
def withdraw_link(request: HttpRequest, link_id: int) -> HttpResponse:
    """Withdraw a link that the user has made."""
    link = get_object_or_404(ShareLink, pk=link_id, created_by=_user(request))
    link.delete()
    who = audit.visitor(request)
    audit.note(Action.SHARE_WITHDRAWN, who, link.session, share=link_id)
    return _done(request, "The link is withdrawn. Who watches by it is cut off within seconds.")


@never_cache
@sensitive_post_parameters()
@require_POST
def change_password(request: HttpRequest) -> HttpResponse:
    """Give the user another password; every other browser is logged out by that."""
    user = _user(request)
    attempt = LoginAttempt.begin(request.META.get("REMOTE_ADDR", ""), user.get_username())
    if attempt is None:  # nor is the password looked at: the page would tell what came of that
        return _page(request, 429, password_refusal=TOO_MANY)
    form = _password_form(user, request.POST)
    if not form.is_valid():
        return _page(request, 400, password_form=form)
    attempt.succeeded()
    update_session_auth_hash(request, form.save())
    audit.note(Action.PASSWORD_CHANGED, audit.visitor(request))
    return _done(request, "The password is changed. Other browsers have to log in again.")


@require_POST
def log_out_elsewhere(request: HttpRequest) -> HttpResponse:
    """End every login of the user but this one."""
    ended = end_logins(_user(request), but=request.session.session_key)
    audit.note(Action.LOGOUT, audit.visitor(request), elsewhere=ended)
    browsers = "1 other browser is" if ended == 1 else f"{ended} other browsers are"
    return _done(request, f"{browsers} logged out.")
