"""Links that show one session to whoever has them."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.http import Http404
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from sessions_app import audit
from sessions_app.api.base import ApiView, answers, validated
from sessions_app.api.fields import WholeNumber, WireSerializer
from sessions_app.credentials import ShareLink
from sessions_app.events import iso
from sessions_app.rights import Right

MAX_HOURS = 30 * 24


class NewShareSerializer(WireSerializer):
    """For how long the link is good."""

    hours = WholeNumber(default=24, min_value=1, max_value=MAX_HOURS)


class ShareSerializer(WireSerializer):
    """A link that is good."""

    id = serializers.IntegerField()
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)


class IssuedShareSerializer(ShareSerializer):
    """A new link, and its address, which is told this once."""

    url = serializers.CharField()


class SharesView(ApiView):
    """The links of a session."""

    @extend_schema(
        operation_id="shares_list",
        summary="List the links that show a session",
        responses=answers({200: ShareSerializer(many=True)}, 404),
    )
    def get(self, request: Request, session_id: UUID) -> Response:
        """Return those that are good."""
        self.session(request, session_id, Right.START)
        links = ShareLink.good().filter(session_id=session_id).select_related("created_by")
        return Response([_to_wire(link) for link in links.order_by("created_at")])

    @extend_schema(
        operation_id="share_issue",
        summary="Make a link that shows a session to whoever has it",
        description="Nobody can type by it. It ends after `hours`, or when it is withdrawn.",
        request=NewShareSerializer,
        responses=answers({201: IssuedShareSerializer}, 404, 413, 415),
    )
    def post(self, request: Request, session_id: UUID) -> Response:
        """Make one."""
        session = self.session(request, session_id, Right.START)
        hours = validated(NewShareSerializer, request.data)["hours"]
        assert request.user.pk is not None  # noqa: S101  # who controls a session is a user
        link, secret = ShareLink.issue(session.pk, request.user.pk, timedelta(hours=hours))
        audit.note(audit.Action.SHARE_MADE, self.who(request), session, share=link.pk, hours=hours)
        page = request.build_absolute_uri(reverse("shared"))
        body = {**_to_wire(link), "url": f"{page}#token={secret}"}
        return Response(body, status.HTTP_201_CREATED)


class ShareView(ApiView):
    """One link of a session."""

    @extend_schema(
        operation_id="share_withdraw",
        summary="Withdraw a link",
        responses=answers({204: None}, 404),
    )
    def delete(self, request: Request, session_id: UUID, share_id: int) -> Response:
        """Withdraw it: who watches by it is cut off within seconds."""
        session = self.session(request, session_id, Right.START)
        if not ShareLink.objects.filter(session_id=session_id, pk=share_id).delete()[0]:
            raise Http404
        audit.note(audit.Action.SHARE_WITHDRAWN, self.who(request), session, share=share_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _to_wire(link: ShareLink) -> dict[str, Any]:
    return {
        "id": link.pk,
        "createdBy": link.created_by.get_username(),
        "createdAt": iso(link.created_at),
        "expiresAt": iso(link.expires_at),
        "lastUsedAt": iso(link.last_used_at) if link.last_used_at else None,
    }
