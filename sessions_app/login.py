"""Logging in: one-time links, names and passwords, both limited in their attempts."""

from http import HTTPStatus
from typing import Any

from django.contrib.auth import login
from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST

from sessions_app.credentials import LoginLink

ATTEMPTS = 20
WINDOW_SECONDS = 60
LINK_COMMAND = "bin/run link"


def may_try(address: str) -> bool:
    """Count an attempt of this address; False once 20 have failed within a minute."""
    key = f"login-attempts:{address}"
    if cache.add(key, 1, WINDOW_SECONDS):
        return True
    try:
        return cache.incr(key) <= ATTEMPTS
    except ValueError:  # it expired in between
        return True


def succeeded(address: str) -> None:
    """Take the attempt back: only those that fail count."""
    try:
        cache.decr(f"login-attempts:{address}")
    except ValueError:  # it expired in between
        return


def _address(request: HttpRequest) -> str:
    return str(request.META.get("REMOTE_ADDR", ""))


class LoginView(auth_views.LoginView):
    """The login page, and the form on it for users who have a password."""

    template_name = "dashboard/login.html"
    redirect_authenticated_user = True
    extra_context = {"link_command": LINK_COMMAND}  # noqa: RUF012  # as the base class has it

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Check name and password, unless this address has tried too often."""
        if may_try(_address(request)):
            return super().post(request, *args, **kwargs)
        return self._refuse()

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Log in."""
        succeeded(_address(self.request))
        return super().form_valid(form)

    def _refuse(self) -> HttpResponse:
        form = self.get_form()
        form.add_error(None, "Too many attempts. Wait a minute, then try again.")
        answer = self.render_to_response(
            self.get_context_data(form=form), status=HTTPStatus.TOO_MANY_REQUESTS
        )
        answer["Retry-After"] = str(WINDOW_SECONDS)
        return answer


@login_not_required
@require_POST
def redeem_link(request: HttpRequest) -> HttpResponseBase:
    """Log the browser in whose page read a one-time link's `token`: 204, 400 or 429."""
    if not may_try(_address(request)):
        body = {"error": "Too many attempts. Wait a minute, then try again.", "code": "too-many"}
        return JsonResponse(body, status=429, headers={"Retry-After": str(WINDOW_SECONDS)})
    user = LoginLink.redeem(request.POST.get("token", ""))
    if user is None:
        sentence = f"This link is used up, too old or unknown. `{LINK_COMMAND}` prints a new one."
        return JsonResponse({"error": sentence, "code": "invalid-link"}, status=400)
    login(request, user)
    succeeded(_address(request))
    return HttpResponse(status=204)


@login_not_required
def admin_login(request: HttpRequest) -> HttpResponseBase:
    """Send visitors of the admin to the one login page; who is logged in may not enter it."""
    if request.user.is_authenticated:
        raise PermissionDenied("This user may not enter the administration.")
    where = request.GET.get("next", reverse("admin:index"))
    return redirect(f"{reverse('login')}?{urlencode({'next': where})}")
