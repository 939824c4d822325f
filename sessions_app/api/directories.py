"""Completion of folders' paths, on the machine where a program is to run."""

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from sessions_app import program, session_verbs
from sessions_app.api import serializers as wire
from sessions_app.api.base import ApiView, answers, validated
from sessions_app.folders import directories_under
from sessions_app.rights import Right


class DirectoriesView(ApiView):
    """Folders of a machine."""

    @extend_schema(
        operation_id="directories_list",
        summary="Complete the path of a folder",
        parameters=[wire.DirectoriesQuery],
        responses=answers({200: wire.DirectoriesSerializer}),
    )
    def get(self, request: Request) -> Response:
        """Return the folders whose paths begin with what was typed."""
        self.require(request, Right.START)
        query = validated(wire.DirectoriesQuery, request.query_params)
        path = query["path"]
        return Response({"path": path, "directories": _found(path, query["host"])})


def _found(path: str, host: str) -> list[str]:
    if settings.HARNESS_ROLE != "web" and host in ("", settings.HARNESS_HOST_NAME):
        return directories_under(path, program.launch_rules())
    return session_verbs.call_manager(lambda verbs: verbs.folders(path, host))
