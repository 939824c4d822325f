"""How facts about sessions read on the pages; the browser's `format.js` writes them alike."""

from datetime import datetime, timedelta
from typing import Any

from django import template
from django.conf import settings
from django.http import HttpRequest
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from dashboard.forms import scope_words
from dashboard.history import STATUS_LABELS
from dashboard.waiting import waiting_summary
from sessions_app.callers import Caller, caller_of
from sessions_app.events import Status, iso
from sessions_app.host_state import HostState
from sessions_app.hosts import all_hosts
from sessions_app.models import ApiToken, Session
from sessions_app.plain_text import plain
from sessions_app.rights import Right, Role

register = template.Library()

REMEMBERED_SESSIONS = 100
SUGGESTIONS = 8
ROLE_NAMES: dict[str, str] = {
    Role.VIEWER: "Viewer",
    Role.OPERATOR: "Operator",
    Role.ADMIN: "Administrator",
}

register.filter("plain", plain)


@register.filter
def status_label(status: str) -> str:
    """Return the word for a status."""
    return STATUS_LABELS.get(Status(status), status)


@register.filter
def folder(path: object) -> str:
    """Write a folder with `~` for the home that programs have."""
    text, home = plain(path), settings.HARNESS_HOME
    inside = text == home or text.startswith(home.rstrip("/") + "/")
    return "~" + text[len(home) :] if inside and home != "/" else text


@register.filter
def duration(length: timedelta | None) -> str:
    """Write a length of time in its two largest units, `1 h 05 min`."""
    seconds = max(0, int(length.total_seconds())) if length is not None else 0
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02} s"
    if seconds < 86400:
        return f"{seconds // 3600} h {seconds % 3600 // 60:02} min"
    return f"{seconds // 86400} d {seconds % 86400 // 3600} h"


@register.filter
def run_time(session: Session) -> str:
    """Write how long a session has run; empty if it never did."""
    if session.started_at is None:
        return ""
    return duration((session.ended_at or timezone.now()) - session.started_at)


@register.filter
def moment(value: datetime | None) -> str:
    """Write a moment for the `datetime` attribute, empty if there is none."""
    return iso(value) if value else ""


@register.filter
def waits_for(session: Session) -> str:
    """Return in one line what a session waits for; empty while it does not."""
    return plain(waiting_summary(session.waiting)) if session.waiting else ""


@register.filter
def outcome(session: Session) -> str:
    """Return the sentence about how a session ended."""
    if session.error:
        return plain(session.error)
    return f"Exit code {session.exit_code}" if session.exit_code is not None else ""


@register.simple_tag
def icon(name: str) -> SafeString:
    """Draw an icon of the sprite; it says nothing to a screen reader."""
    sprite = static("dashboard/img/icons.svg")
    return format_html(
        '<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>', sprite, name
    )


@register.simple_tag
def waiting_count(request: HttpRequest) -> int:
    """Return how many sessions wait for an answer."""
    visible = Session.objects.visible_to(caller_of(request))
    return visible.filter(status=Status.WAITING_CHECKPOINT).count()


@register.filter
def other_owner(session: Session | None, caller: Caller) -> str:
    """Return the owner's name if that is somebody else."""
    owner = session.owner if session else None
    return plain(owner.get_username()) if owner and owner.pk != caller.user.pk else ""


@register.filter
def managed_by(session: Session | None, caller: Caller) -> bool:
    """Tell whether the caller may end, rename and share the session."""
    return session is not None and caller.controls(session.owner_id, Right.START)


@register.filter
def scopes(token: ApiToken, caller: Caller) -> str:
    """Write in plain words what a token of the caller may do."""
    return scope_words(token, caller)


@register.filter
def is_over(moment: datetime | None) -> bool:
    """Tell whether the moment, if there is one, has passed."""
    return moment is not None and moment <= timezone.now()


@register.simple_tag
def page_facts(request: HttpRequest) -> dict[str, Any]:
    """Return what every page needs to know about the server and about who looks at it."""
    caller = caller_of(request)
    # A server that only serves pages has no slots, and no session is its own.
    is_host = settings.HARNESS_ROLE != "web"
    return {
        "slots": settings.HARNESS_SLOTS if is_host else 0,
        "host": settings.HARNESS_HOST_NAME if is_host else "",
        "has_hosts": bool(settings.REDIS_URL) and caller.may(Right.VIEW),
        # Where things lie on the server is nothing for guests.
        "home": settings.HARNESS_HOME if is_host and caller.user.is_authenticated else "",
        "version": settings.VERSION,
        "caller": caller,
        "role_name": ROLE_NAMES.get(caller.role, "No role"),
        "may_start": caller.may(Right.START),
    }


@register.filter
def host_state(state: str) -> str:
    """Return the word for a host's state."""
    return state.capitalize()


@register.simple_tag
def hosts_to_choose() -> list[HostState]:
    """Return the hosts that may take a session now, by name."""
    return [host for host in all_hosts() if host.state == "ready"]


@register.simple_tag
def recent_launches(request: HttpRequest) -> dict[str, list[str]]:
    """Return the commands and folders of the latest sessions, newest first, each once."""
    sessions = Session.objects.visible_to(caller_of(request)).order_by("-created_at")
    latest = sessions.values_list("command_line", "working_dir")[:REMEMBERED_SESSIONS]
    commands = list(dict.fromkeys(command for command, _ in latest))
    folders = list(dict.fromkeys(working_dir for _, working_dir in latest))
    return {"commands": commands[:SUGGESTIONS], "folders": folders[:SUGGESTIONS]}
