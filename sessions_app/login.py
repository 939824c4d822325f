"""Logging in: one-time links, names and passwords, both limited in their attempts."""

from http import HTTPStatus
from typing import Any

from django.contrib.auth import login
from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from sessions_app.callers import SHARES_KEY
from sessions_app.credentials import LoginLink, ShareLink
from sessions_app.login_attempts import RETRY_SECONDS, LoginAttempt

LINK_COMMAND = "bin/run link"
# Links that one browser is let in by at the same time.
MAX_SHARES = 50
TOO_MANY = "Too many attempts. Wait a minute, then try again."


def _address(request: HttpRequest) -> str:
    return str(request.META.get("REMOTE_ADDR", ""))


class LoginView(auth_views.LoginView):
    """The login page, and the form on it for users who have a password."""

    template_name = "dashboard/login.html"
    redirect_authenticated_user = True
    extra_context = {"link_command": LINK_COMMAND}  # noqa: RUF012  # as the base class has it
    attempt: LoginAttempt | None = None

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Check name and password, unless this address has tried too often."""
        self.attempt = LoginAttempt.begin(_address(request), request.POST.get("username", ""))
        return super().post(request, *args, **kwargs) if self.attempt else self._refuse()

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Log in."""
        if self.attempt:
            self.attempt.succeeded()
        return super().form_valid(form)

    def _refuse(self) -> HttpResponse:
        form = self.get_form()
        form.add_error(None, TOO_MANY)
        answer = self.render_to_response(
            self.get_context_data(form=form), status=HTTPStatus.TOO_MANY_REQUESTS
        )
        answer["Retry-After"] = str(RETRY_SECONDS)
        return answer


@login_not_required
@require_POST
def redeem_link(request: HttpRequest) -> HttpResponseBase:
    """Log the browser in whose page read a one-time link's `token`: 204, 400 or 429."""
    attempt = LoginAttempt.begin(_address(request))
    if attempt is None:
        body = {"error": TOO_MANY, "code": "too-many"}
        return JsonResponse(body, status=429, headers={"Retry-After": str(RETRY_SECONDS)})
    user = LoginLink.redeem(request.POST.get("token", ""))
    if user is None:
        sentence = f"This link is used up, too old or unknown. `{LINK_COMMAND}` prints a new one."
        return JsonResponse({"error": sentence, "code": "invalid-link"}, status=400)
    login(request, user)
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
    attempt = LoginAttempt.begin(_address(request))
    if attempt is None:
        body = {"error": TOO_MANY, "code": "too-many"}
        return JsonResponse(body, status=429, headers={"Retry-After": str(RETRY_SECONDS)})
    link = ShareLink.find(request.POST.get("token", ""))
    if link is None:
        sentence = "This link has ended or was withdrawn. Ask whoever sent it for a new one."
        return JsonResponse({"error": sentence, "code": "invalid-link"}, status=400)
    attempt.succeeded()
    known = request.session.get(SHARES_KEY, [])
    request.session[SHARES_KEY] = sorted({*known[-MAX_SHARES:], link.pk})
    return JsonResponse({"next": reverse("session", args=[link.session_id])})


@login_not_required
def admin_login(request: HttpRequest) -> HttpResponseBase:
    """Send visitors of the admin to the one login page; who is logged in may not enter it."""
    if request.user.is_authenticated:
        raise PermissionDenied("This user may not enter the administration.")
    where = request.GET.get("next", reverse("admin:index"))
    return redirect(f"{reverse('login')}?{urlencode({'next': where})}")
