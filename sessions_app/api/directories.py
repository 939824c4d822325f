"""Completion of folders' paths."""

import heapq
import os
from collections.abc import Iterator

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from sessions_app.api import serializers as wire
from sessions_app.api.base import ApiView, answers, validated
from sessions_app.rights import Right

MOST = 50


def directories_under(prefix: str) -> list[str]:
    """Return at most 50 absolute paths of folders that begin with `prefix`, in order.

    Hidden ones only if the last part begins with a dot; what cannot be read has none.
    """
    path = os.path.expanduser(prefix)
    parent, start = os.path.split(path)
    if not os.path.isabs(parent):
        return []
    try:
        with os.scandir(parent) as entries:
            return heapq.nsmallest(MOST, _matching(entries, start))
    except (OSError, ValueError):
        return []


def _matching(entries: Iterator[os.DirEntry[str]], start: str) -> Iterator[str]:
    for entry in entries:
        hidden = entry.name.startswith(".") and not start.startswith(".")
        if entry.name.startswith(start) and not hidden and _is_folder(entry):
            yield entry.path


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Tell whether it is a folder, whose name can be written as text."""
    try:
        entry.name.encode()
        return entry.is_dir()
    except (OSError, UnicodeEncodeError):
        return False


class DirectoriesView(ApiView):
    """Folders of this machine."""

    @extend_schema(
        operation_id="directories_list",
        summary="Complete the path of a folder",
        parameters=[wire.DirectoriesQuery],
        responses=answers({200: wire.DirectoriesSerializer}),
    )
    def get(self, request: Request) -> Response:
        """Return the folders whose paths begin with what was typed."""
        self.require(request, Right.START)
        path = validated(wire.DirectoriesQuery, request.query_params)["path"]
        return Response({"path": path, "directories": directories_under(path)})
