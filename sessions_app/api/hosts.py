"""The machines that run sessions: how full they are, what is wrong, and whether they take more."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from sessions_app import audit, hosts
from sessions_app.api.base import ApiView, answers, validated
from sessions_app.api.fields import Flag, WireSerializer
from sessions_app.exceptions import HostNotFound
from sessions_app.host_state import HostState
from sessions_app.rights import Right


class HostSerializer(WireSerializer):
    """A host."""

    name = serializers.CharField()
    state = serializers.ChoiceField(
        ["ready", "draining", "silent", "stopped"],
        help_text="`silent`: not heard of for a while. `stopped`: its manager has said goodbye. "
        "In both cases its programs go on.",
    )
    slots = serializers.IntegerField(min_value=1)
    used = serializers.IntegerField(min_value=0, help_text="Slots that are taken.")
    labels = serializers.ListField(child=serializers.CharField())
    version = serializers.CharField()
    load = serializers.FloatField(help_text="Load average of the last minute, per core.")
    draining = serializers.BooleanField(help_text="Finishes what runs, takes nothing new.")
    problem = serializers.CharField(allow_null=True, help_text="What is wrong on it, if anything.")
    started_at = serializers.DateTimeField(help_text="Its manager's, by the database's clock.")
    last_seen = serializers.DateTimeField(help_text="By the database's clock.")
    silent_seconds = serializers.FloatField(help_text="Since it was last heard of.")


class HostChangeSerializer(WireSerializer):
    """What can be changed."""

    draining = Flag(help_text="`true`: finish what runs, take nothing new.")


class HostsView(ApiView):
    """All hosts."""

    @extend_schema(
        operation_id="hosts_list",
        summary="List hosts by name",
        responses=answers({200: HostSerializer(many=True)}),
    )
    def get(self, request: Request) -> Response:
        """Return all of them."""
        self.require(request, Right.VIEW)
        return Response([host.to_wire() for host in hosts.all_hosts()])


class HostView(ApiView):
    """One host."""

    @extend_schema(
        operation_id="host_get",
        summary="Read a host",
        responses=answers({200: HostSerializer}, 404),
    )
    def get(self, request: Request, name: str) -> Response:
        """Return it."""
        self.require(request, Right.VIEW)
        return Response(_find(name).to_wire())

    @extend_schema(
        operation_id="host_change",
        summary="Drain a host, or let it take sessions again",
        description="For administrators.",
        request=HostChangeSerializer,
        responses=answers({200: HostSerializer}, 404, 413, 415),
    )
    def patch(self, request: Request, name: str) -> Response:
        """Change it and return it."""
        self.require(request, Right.ADMIN)
        wanted = validated(HostChangeSerializer, request.data)["draining"]
        before = _find(name)
        hosts.drain(name, wanted)
        if before.draining != wanted:
            action = audit.Action.HOST_DRAINED if wanted else audit.Action.HOST_OPENED
            audit.note(action, self.who(request), host=name)
        return Response(_find(name).to_wire())


def _find(name: str) -> HostState:
    found: dict[str, Any] = {host.name: host for host in hosts.all_hosts()}
    if name not in found:
        raise HostNotFound(f"There is no host {name}.")
    host: HostState = found[name]
    return host
