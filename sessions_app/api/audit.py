"""The audit log, page by page."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from sessions_app.api.base import ApiView, answers, validated
from sessions_app.api.fields import Text, WireSerializer
from sessions_app.api.serializers import MAX_NUMBER, MAX_PAGE
from sessions_app.audit import Action, AuditRecord
from sessions_app.rights import Right


class AuditQuery(WireSerializer):
    """Which records."""

    since = serializers.DateTimeField(required=False, help_text="Those of this moment and later.")
    until = serializers.DateTimeField(required=False, help_text="Those before this moment.")
    session = serializers.UUIDField(required=False, help_text="Of this session, gone or not.")
    action = serializers.ChoiceField(list(Action), required=False)
    actor = Text(required=False, max_length=150, help_text="By the user who had this name.")
    limit = serializers.IntegerField(default=100, min_value=1, max_value=MAX_PAGE)
    cursor = serializers.IntegerField(
        required=False, min_value=1, max_value=MAX_NUMBER, help_text="From the Link header."
    )


class AuditRecordSerializer(WireSerializer):
    """One action, or a burst of it."""

    id = serializers.IntegerField()
    at = serializers.DateTimeField(help_text="Of a burst, its beginning.")
    actor = serializers.CharField(allow_null=True, help_text="The user's name then.")
    via = serializers.CharField(help_text="By which proof.")
    address = serializers.CharField(allow_null=True)
    action = serializers.ChoiceField(list(Action))
    session = serializers.UUIDField(allow_null=True)
    session_name = serializers.CharField(allow_null=True, help_text="Its name or command then.")
    details = serializers.DictField()


class AuditView(ApiView):
    """The audit log."""

    @extend_schema(
        operation_id="audit_list",
        summary="Read who did what, the newest first",
        description="For administrators. Further pages are at the address in the `Link` header.",
        parameters=[AuditQuery],
        responses=answers({200: AuditRecordSerializer(many=True)}),
    )
    def get(self, request: Request) -> Response:
        """Return one page of records."""
        self.require(request, Right.ADMIN)
        query = validated(AuditQuery, request.query_params)
        found = _page(query)
        headers = {}
        if len(found) > query["limit"]:
            found.pop()
            address = request.build_absolute_uri()
            following = replace_query_param(address, "cursor", str(found[-1].pk))
            headers["Link"] = f'<{following}>; rel="next"'
        return Response([record.to_wire() for record in found], headers=headers)


def _page(query: dict[str, Any]) -> list[AuditRecord]:
    """Return the records of one page, and one more if there is another page."""
    records = AuditRecord.objects.narrowed(
        since=query.get("since"),
        until=query.get("until"),
        session=str(query.get("session", "")),
        action=query.get("action", ""),
        actor=query.get("actor", ""),
    ).order_by("-id")
    if "cursor" in query:
        records = records.filter(pk__lt=query["cursor"])
    return list(records[: query["limit"] + 1])
