"""The verbs on sessions. Every command goes through the session manager."""

from typing import Any
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from sessions_app import audit, event_log, session_lists, session_verbs
from sessions_app.api import serializers as wire
from sessions_app.api.base import ApiView, answers, validated
from sessions_app.api.pagination import decode, next_link
from sessions_app.events import Status
from sessions_app.exceptions import InvalidRequest
from sessions_app.launch import LaunchRequest, parse_command
from sessions_app.models import Session, SessionQuerySet
from sessions_app.rights import Right

PROJECT_SESSIONS = 1000
# A program that does not read its input keeps nobody waiting: what was typed is queued for it.
PATIENCE_SECONDS = 2.0

IDEMPOTENCY_KEY = "Idempotency-Key"
MAX_KEY = 255

_START_EXAMPLES = [
    OpenApiExample("A shell", {"command": "bash -l", "workingDir": "~"}, request_only=True),
    OpenApiExample(
        "An agent, as soon as a slot is free",
        {"command": ["claude", "--continue"], "workingDir": "/home/u/project", "queue": True},
        request_only=True,
    ),
]
_INPUT_EXAMPLES = [
    OpenApiExample("Ctrl+C", {"data": "\x03"}, request_only=True),
    OpenApiExample("A line", {"text": "make test", "submit": True}, request_only=True),
]


class SessionsView(ApiView):
    """All sessions."""

    @extend_schema(
        operation_id="sessions_list",
        summary="List sessions, active ones first, then the newest",
        description='Further pages are at the address in the `Link` header (`rel="next"`).',
        parameters=[wire.ListQuery],
        responses=answers({200: wire.SessionSerializer(many=True)}),
    )
    def get(self, request: Request) -> Response:
        """Return one page of sessions."""
        query = validated(wire.ListQuery, request.query_params)
        found, after = session_lists.page(
            self.caller(request),
            query["limit"],
            decode(query["cursor"]) if "cursor" in query else None,
            query.get("status", list(Status)),
            lambda sessions: _narrowed(sessions, query),
        )
        headers = {"Link": next_link(request, after)} if after else None
        return Response([self.wire(request, session) for session in found], headers=headers)

    @extend_schema(
        operation_id="sessions_start",
        summary="Start a session",
        description="Without a free slot 409 `no-free-slot`, or with `queue` status `idle`. "
        "A repeat with the same `Idempotency-Key` starts nothing and answers with that session.",
        request=wire.StartSerializer,
        parameters=[OpenApiParameter(IDEMPOTENCY_KEY, str, OpenApiParameter.HEADER)],
        examples=_START_EXAMPLES,
        responses=answers({201: wire.SessionSerializer}, 409, 413, 415, 429),
    )
    def post(self, request: Request) -> Response:
        """Start a program, or queue it."""
        self.require(request, Right.START)
        wanted = validated(wire.StartSerializer, request.data)
        launch = LaunchRequest(
            argv=parse_command(wanted["command"]),
            working_dir=wanted["working_dir"],
            name=wanted["name"] or "",
            cols=wanted["cols"],
            rows=wanted["rows"],
            environment=wanted["env"],
            queue=wanted["queue"],
            host=wanted["host"] or "",
            labels=wanted["labels"],
            priority=wanted["priority"],
            team=wanted["team"],
            owner_id=request.user.pk,
            idempotency_key=idempotency_key(request),
            asked_by=self.who(request),
        )
        session_id = session_verbs.call_manager(lambda manager: manager.create(launch))
        session = self.session(request, UUID(session_id))
        where = reverse("api-session", args=[session.pk])
        return Response(
            self.wire(request, session),
            status.HTTP_201_CREATED,
            headers={"Location": where},
        )


def idempotency_key(request: Request) -> str | None:
    """Return the request's key, None if it has none; raises InvalidRequest."""
    key: str | None = request.headers.get(IDEMPOTENCY_KEY)
    if key is not None and not (0 < len(key) <= MAX_KEY and key.isascii() and key.isprintable()):
        sentence = f"The {IDEMPOTENCY_KEY} must be 1 to {MAX_KEY} printable ASCII characters."
        raise InvalidRequest(sentence)
    return key


def _narrowed(sessions: SessionQuerySet, query: dict[str, Any]) -> SessionQuerySet:
    exact = {name: query[name] for name in ("working_dir", "host") if name in query}
    narrowed = sessions.filter(**exact)
    return narrowed.search(query["search"]) if "search" in query else narrowed


class SessionView(ApiView):
    """One session."""

    @extend_schema(
        operation_id="session_get",
        summary="Read a session",
        responses=answers({200: wire.SessionSerializer}, 404),
    )
    def get(self, request: Request, session_id: UUID) -> Response:
        """Return the session."""
        return Response(self.describe(request, session_id))

    @extend_schema(
        operation_id="session_change",
        summary="Rename a session, or show it to the team",
        request=wire.ChangeSerializer,
        responses=answers({200: wire.SessionSerializer}, 404, 413, 415),
    )
    def patch(self, request: Request, session_id: UUID) -> Response:
        """Change what was sent and return the session."""
        session = self.session(request, session_id, Right.START)
        changes = validated(wire.ChangeSerializer, request.data)
        if "name" in changes:
            changes["name"] = changes["name"] or ""
        session_verbs.call_manager(lambda manager: manager.change(str(session_id), **changes))
        _record_changes(self.who(request), session, changes)
        return Response(self.describe(request, session_id))

    @extend_schema(
        operation_id="session_forget",
        summary="Forget an ended session and its log",
        responses=answers({204: None}, 404, 409),
    )
    def delete(self, request: Request, session_id: UUID) -> Response:
        """Delete it, if it has ended."""
        session = self.session(request, session_id, Right.START)
        session_verbs.call_manager(lambda manager: manager.forget(str(session_id)))
        audit.note(audit.Action.SESSION_FORGOTTEN, self.who(request), session)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _record_changes(who: audit.Actor, session: Session, changes: dict[str, Any]) -> None:
    """Record what differs from how the session was."""
    if changes.get("name", session.name) != session.name:
        audit.note(audit.Action.SESSION_RENAMED, who, session, name=changes["name"])
    if changes.get("team", session.team) != session.team:
        shown = changes["team"]
        audit.note(
            audit.Action.SESSION_SHOWN if shown else audit.Action.SESSION_HIDDEN, who, session
        )


class InputView(ApiView):
    """The keyboard of a session."""

    @extend_schema(
        operation_id="session_input",
        summary="Type into a session",
        request=wire.InputSerializer,
        examples=_INPUT_EXAMPLES,
        responses=answers({202: wire.DoneSerializer}, 404, 409, 413, 415, 429),
    )
    def post(self, request: Request, session_id: UUID) -> Response:
        """Type keys or a text."""
        session = self.session(request, session_id, Right.INPUT)
        typed = validated(wire.InputSerializer, request.data)
        key = str(session_id)
        data = (typed["data"] if "data" in typed else typed["text"]).encode()
        if "data" in typed:
            session_verbs.call_manager(
                lambda manager: manager.write(key, data, patience=PATIENCE_SECONDS)
            )
        else:
            text, submit = typed["text"], typed["submit"]
            session_verbs.call_manager(
                lambda manager: manager.type_text(
                    key, text, submit=submit, patience=PATIENCE_SECONDS
                )
            )
        audit.typed(self.who(request), session, data)
        return _done(key, status.HTTP_202_ACCEPTED)


class ResizeView(ApiView):
    """The size of a session's terminal."""

    @extend_schema(
        operation_id="session_resize",
        summary="Give the terminal another size",
        request=wire.ResizeSerializer,
        responses=answers({200: wire.ResizedSerializer}, 404, 409, 413, 415),
    )
    def post(self, request: Request, session_id: UUID) -> Response:
        """Resize it and answer with the new size."""
        session = self.session(request, session_id, Right.INPUT)
        size = validated(wire.ResizeSerializer, request.data)
        key, cols, rows = str(session_id), size["cols"], size["rows"]
        session_verbs.call_manager(lambda manager: manager.resize(key, cols, rows))
        audit.resized(self.who(request), session, cols, rows)
        return _done(key, status.HTTP_200_OK, cols=cols, rows=rows)


class EndView(ApiView):
    """The end of a session."""

    @extend_schema(
        operation_id="session_end",
        summary="End a session",
        description="The whole process tree is asked to end, then killed after `grace` seconds. "
        "A queued session is taken out of the queue.",
        request=wire.EndSerializer,
        responses=answers({202: wire.DoneSerializer}, 404, 409, 413, 415),
    )
    def post(self, request: Request, session_id: UUID) -> Response:
        """Ask it to end; its last event says how it did."""
        session = self.session(request, session_id, Right.START)
        key, by = str(session_id), request.user.get_username()
        grace = validated(wire.EndSerializer, request.data)["grace"]
        session_verbs.call_manager(lambda manager: manager.end(key, grace=grace, by=by))
        audit.note(audit.Action.SESSION_ENDED, self.who(request), session, grace=grace)
        return _done(key, status.HTTP_202_ACCEPTED)


def _done(session_id: str, code: int, **more: int) -> Response:
    return Response({"success": True, "sessionId": session_id, **more}, status=code)


class EventsView(ApiView):
    """The events of a session."""

    @extend_schema(
        operation_id="session_events",
        summary="Read events but output, in order",
        parameters=[wire.EventsQuery],
        responses=answers({200: wire.EventSerializer(many=True)}, 404),
    )
    def get(self, request: Request, session_id: UUID) -> Response:
        """Return the events after the one that is known."""
        self.session(request, session_id)
        query = validated(wire.EventsQuery, request.query_params)
        events = event_log.read_events(str(session_id), after=query["after"], limit=query["limit"])
        return Response([event.to_wire() for event in events])


class ScreenView(ApiView):
    """The screen of a session."""

    @extend_schema(
        operation_id="session_screen",
        summary="Read the screen as it stands now, or as it stood at the end",
        responses=answers({200: wire.ScreenSerializer}, 404),
    )
    def get(self, request: Request, session_id: UUID) -> Response:
        """Return its text and what draws it."""
        self.session(request, session_id)
        screen = session_verbs.call_manager(lambda manager: manager.screen(str(session_id)))
        return Response(
            {
                "cols": screen.cols,
                "rows": screen.rows,
                "cursor": {"x": screen.cursor_x, "y": screen.cursor_y},
                "lines": screen.lines,
                "ansi": screen.ansi.decode("utf-8", "replace"),
                "offset": screen.offset,
            }
        )


class ProjectsView(ApiView):
    """Folders in which sessions ran."""

    @extend_schema(
        operation_id="projects_list",
        summary="List folders with their sessions, the one used last first",
        description=f"Of the {PROJECT_SESSIONS} newest sessions.",
        responses=answers({200: wire.ProjectSerializer(many=True)}),
    )
    def get(self, request: Request) -> Response:
        """Return the newest sessions, grouped by folder."""
        projects: dict[str, list[dict[str, Any]]] = {}
        for session in session_lists.newest(self.caller(request), PROJECT_SESSIONS):
            projects.setdefault(session.working_dir, []).append(self.wire(request, session))
        return Response(
            [{"workingDir": folder, "sessions": found} for folder, found in projects.items()]
        )
