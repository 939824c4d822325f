"""The pages, rendered from what is stored; the browser keeps them up to date from the live stream.

Pages only look: whatever is done on them goes through the REST interface or the live stream.
"""

import uuid
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.core.paginator import Page, Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from dashboard.history import HistoryFilter
from sessions_app.callers import caller_of
from sessions_app.hosts import all_hosts
from sessions_app.models import Session, SessionQuerySet
from sessions_app.rights import Right

RECENTLY_ENDED = 8
ROWS_PER_PAGE = 50
# For how many hours a link may be made on the page, and how that reads.
LINK_LIVES = {1: "1 hour", 24: "1 day", 7 * 24: "7 days", 30 * 24: "30 days"}


def _visible(request: HttpRequest) -> SessionQuerySet:
    """Return the sessions that this user may see, owners fetched along."""
    return Session.objects.visible_to(caller_of(request)).select_related("owner")


def _slots(alive: list[Session]) -> list[dict[str, Any]]:
    """Return this machine's slots in order, each with the session in it or None."""
    if settings.HARNESS_ROLE == "web":
        return []
    taken = {item.slot: item for item in alive if item.host == settings.HARNESS_HOST_NAME}
    numbers = range(1, max(settings.HARNESS_SLOTS, *(slot or 0 for slot in taken), 0) + 1)
    return [{"number": number, "session": taken.get(number)} for number in numbers]


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Show the slots, the queue and what ended lately."""
    visible = _visible(request)
    alive = list(visible.holding_a_slot().order_by("host", "slot"))
    slots = _slots(alive)
    shown = {slot["session"].pk for slot in slots if slot["session"]}
    context = {
        "slots": slots,
        "elsewhere": [item for item in alive if item.pk not in shown],
        "queued": visible.queued(),
        "ended": visible.ended().order_by("-ended_at", "-created_at")[:RECENTLY_ENDED],
    }
    return render(request, "dashboard/home.html", context)


@require_safe
def history(request: HttpRequest) -> HttpResponse:
    """Show every session, newest first, narrowed by the words in the address."""
    chosen = HistoryFilter.from_query(request.GET)
    paginator = Paginator(chosen.apply(_visible(request)), ROWS_PER_PAGE)
    page: Page[Session] = paginator.get_page(request.GET.get("page"))
    context = {
        "chosen": chosen,
        "page": page,
        "pages": paginator.get_elided_page_range(page.number),
    }
    return render(request, "dashboard/history.html", context)


@require_safe
def hosts(request: HttpRequest) -> HttpResponse:
    """Show the machines that run sessions, how full they are, and what is wrong with them."""
    caller = caller_of(request)
    if not caller.may(Right.VIEW):
        raise PermissionDenied
    found = all_hosts()
    context = {
        "hosts": found,
        "slots": sum(host.slots for host in found if not host.is_silent),
        "used": sum(host.used for host in found),
        "queued": Session.objects.queued().count(),
        "may_drain": caller.may(Right.ADMIN),
    }
    return render(request, "dashboard/hosts.html", context)


@login_not_required
@require_safe
def session(request: HttpRequest, session_id: uuid.UUID) -> HttpResponse:
    """Show one session: its terminal while it runs, its last screen afterwards.

    Who is not logged in may see what a link shows. What the caller may not do has no controls on
    the page.
    """
    caller = caller_of(request)
    if not caller.is_known:
        return redirect_to_login(request.get_full_path())
    found = get_object_or_404(_visible(request), pk=session_id)
    context = {
        "session": found,
        "may_type": caller.controls(found.owner_id, Right.INPUT),
        "may_manage": caller.controls(found.owner_id, Right.START),
        "link_lives": LINK_LIVES,
    }
    return render(request, "dashboard/session.html", context)
