"""Logging in: one-time links, names and passwords, both limited in their attempts."""

from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import login, user_logged_out
from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from sessions_app import audit
from sessions_app.audit import Action
from sessions_app.callers import SHARES_KEY
from sessions_app.credentials import LoginLink, ShareLink
from sessions_app.login_attempts import RETRY_SECONDS, LoginAttempt

LINK_COMMAND = "bin/run link"
# Links that one browser is let in by at the same time.
MAX_SHARES = 50
TOO_MANY = "Too many attempts. Wait a minute, then try again."


@receiver(user_logged_out)
def note_logout(request: HttpRequest, user: User | None, **kwargs: Any) -> None:
    """Record who logs out."""
    if user is not None:
        who = audit.Actor(user.pk, user.get_username(), "browser", audit.address_of(request))
        audit.note(Action.LOGOUT, who)


class LoginView(auth_views.LoginView):
    """The login page, and the form on it for users who have a password."""

    template_name = "dashboard/login.html"
    redirect_authenticated_user = True
    attempt: LoginAttempt | None = None

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the command that prints a link, where it is one that people here can run."""
        return super().get_context_data(link_command=_link_command(), **kwargs)

    def get_redirect_url(self, request: HttpRequest | None = None) -> str:
        """Return where to go next; not to this page, which would send them on again."""
        url = super().get_redirect_url()
        return "" if urlsplit(url).path == self.request.path else url

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Check name and password, unless this address has tried too often."""
        self.attempt = LoginAttempt.begin(
            audit.address_of(request), request.POST.get("username", "")
        )
        return super().post(request, *args, **kwargs) if self.attempt else self._refuse()

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Log in."""
        if self.attempt:
            self.attempt.succeeded()
        answer = super().form_valid(form)
        audit.note(Action.LOGIN, audit.visitor(self.request), way="password")
        return answer

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        """Say that it was wrong."""
        audit.note(Action.LOGIN_FAILED, self._claimed(), way="password")
        return super().form_invalid(form)

    def _claimed(self) -> audit.Actor:
        """Return who somebody says to be, if there is such a user.

        What else stands in that field may be a password that slipped into it.
        """
        name = self.request.POST.get("username", "").replace("\0", "")
        known = User.objects.filter(username=name).first()
        user_id, user_name = (known.pk, known.username) if known else (None, "")
        return audit.Actor(user_id, user_name, "browser", audit.address_of(self.request))

    def _refuse(self) -> HttpResponse:
        audit.repeated(Action.LOGIN_REFUSED, self._claimed())
        # A form that was given the password would check it, and the page tell what came of that.
        name = self.request.POST.get("username", "")
        form = self.get_form_class()(self.request, initial={"username": name})
        context = self.get_context_data(form=form, refusal=TOO_MANY)
        answer = self.render_to_response(context, status=HTTPStatus.TOO_MANY_REQUESTS)
        answer["Retry-After"] = str(RETRY_SECONDS)
        return answer


def _too_many(request: HttpRequest) -> JsonResponse:
    audit.repeated(Action.LOGIN_REFUSED, audit.visitor(request))
    body = {"error": TOO_MANY, "code": "too-many"}
    return JsonResponse(body, status=429, headers={"Retry-After": str(RETRY_SECONDS)})


def _invalid_link(request: HttpRequest, way: str, sentence: str) -> JsonResponse:
    audit.note(Action.LOGIN_FAILED, audit.visitor(request), way=way)
    return JsonResponse({"error": sentence, "code": "invalid-link"}, status=400)


def _link_command() -> str | None:
    """Return what prints a link; None of web processes, where most of their users cannot log in."""
    return LINK_COMMAND if settings.HARNESS_ROLE == "all" else None


def _new_link() -> str:
    command = _link_command()
    return f"`{command}` prints a new one." if command else "An administrator makes a new one."


@login_not_required
@require_POST
def redeem_link(request: HttpRequest) -> HttpResponseBase:
    """Log the browser in whose page read a one-time link's `token`: 204, 400 or 429."""
    attempt = LoginAttempt.begin(audit.address_of(request))
    if attempt is None:
        return _too_many(request)
    user = LoginLink.redeem(request.POST.get("token", ""))
    if user is None:
        sentence = f"This link is used up, too old or unknown. {_new_link()}"
        return _invalid_link(request, "link", sentence)
    login(request, user)
    audit.note(Action.LOGIN, audit.visitor(request), way="link")
    attempt.succeeded()
    return HttpResponse(status=204)


@login_not_required
@require_safe
def shared_page(request: HttpRequest) -> HttpResponse:
    """Show the page that reads a link's secret out of its fragment."""
    context = {"link_url": reverse("shared-link"), "is_share": True}
    return render(request, "dashboard/login.html", context)


@login_not_required
@require_POST
def redeem_share(request: HttpRequest) -> HttpResponseBase:
    """Let the browser whose page read a link's `token` see that session: 200, 400 or 429."""
    attempt = LoginAttempt.begin(audit.address_of(request))
    if attempt is None:
        return _too_many(request)
    link = ShareLink.find(request.POST.get("token", ""))
    if link is None:
        sentence = "This link has ended or was withdrawn. Ask whoever sent it for a new one."
        return _invalid_link(request, "share", sentence)
    attempt.succeeded()
    known = request.session.get(SHARES_KEY, [])
    request.session[SHARES_KEY] = sorted({*known[-MAX_SHARES:], link.pk})
    who = audit.visitor(request, f"link {link.pk}")
    audit.note(Action.SHARE_OPENED, who, link.session, share=link.pk)
    return JsonResponse({"next": reverse("session", args=[link.session_id])})


@login_not_required
def admin_login(request: HttpRequest) -> HttpResponseBase:
    """Send visitors of the admin to the one login page; who is logged in may not enter it."""
    if request.user.is_authenticated:
        audit.repeated(Action.REFUSED, audit.visitor(request), what="the administration")
        raise PermissionDenied("This user may not enter the administration.")
    where = request.GET.get("next", reverse("admin:index"))
    return redirect(f"{reverse('login')}?{urlencode({'next': where})}")
