"""What is known of a host at one moment, and which host a session fits on. No framework here."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sessions_app.events import iso
from sessions_app.exceptions import HostDraining, HostSilent, InvalidRequest, OutcomeUnknown

BEAT_SECONDS = 2.0
# A host that has not been heard of for this long is not given anything to do.
SILENT_SECONDS = 8.0


@dataclass(frozen=True, kw_only=True)
class HostState:
    """A host as the database knows it.

    `used` are the slots that are taken, `load` is the machine's load average of the last minute per
    core, `silent_seconds` is the time since its manager was last heard of, by the clock of the
    database. `stopped`: its manager has said that it leaves. `incarnation` names the manager's
    process.
    """

    name: str
    slots: int
    used: int
    last_seen: datetime
    started_at: datetime
    silent_seconds: float = 0.0
    labels: frozenset[str] = frozenset()
    version: str = ""
    load: float = 0.0
    draining: bool = False
    stopped: bool = False
    problem: str = ""
    incarnation: str = ""
    stats: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_silent(self) -> bool:
        """Tell whether nothing can be expected of it."""
        return self.stopped or self.silent_seconds >= SILENT_SECONDS

    @property
    def free(self) -> int:
        """Return how many slots are free."""
        return max(0, self.slots - self.used)

    @property
    def labels_shown(self) -> str:
        """Return the labels in order, as people read them."""
        return ", ".join(sorted(self.labels))

    @property
    def state(self) -> str:
        """Return one word: `stopped`, `silent`, `draining` or `ready`."""
        if self.stopped:
            return "stopped"
        if self.is_silent:
            return "silent"
        return "draining" if self.draining else "ready"

    def to_wire(self) -> dict[str, Any]:
        """Return the host as clients read it."""
        return {
            "name": self.name,
            "state": self.state,
            "slots": self.slots,
            "used": self.used,
            "labels": sorted(self.labels),
            "version": self.version,
            "load": round(self.load, 2),
            "draining": self.draining,
            "problem": self.problem or None,
            "startedAt": iso(self.started_at),
            "lastSeen": iso(self.last_seen),
            "silentSeconds": round(self.silent_seconds, 1),
        }


def silent(host: HostState) -> HostSilent:
    """Return the error that says which host does not answer, and since when."""
    return HostSilent(f"{_since_when(host)} Its programs go on; try again when it is back.")


def silent_amid(host: HostState) -> OutcomeUnknown:
    """Return the error that says so of a host that may have done what it was asked to do."""
    return OutcomeUnknown(
        f"{_since_when(host)} It may have done this all the same: look before you try again."
    )


def _since_when(host: HostState) -> str:
    what = "has been stopped" if host.stopped else "does not answer"
    return (
        f"The host {host.name} {what}; it was last heard of {host.silent_seconds:.0f} seconds ago, "
        f"at {iso(host.last_seen)}."
    )


def candidates(
    hosts: Iterable[HostState], name: str = "", labels: Collection[str] = ()
) -> Sequence[HostState]:
    """Return the hosts that a new session may run on, the emptiest first; at least one.

    `name` is the one that was asked for, if any; `labels` are what it has to have. Raises
    InvalidRequest for what no host of all is or has, else HostDraining or HostSilent.
    """
    wanted = frozenset(labels)
    named = [host for host in hosts if name in ("", host.name)]
    if not named:
        raise _refusal("host", f"There is no host {name}." if name else "There is no host yet.")
    fitting = [host for host in named if wanted <= host.labels]
    if not fitting:
        raise _refusal("labels", _lacking(named, name, wanted))
    answering = [host for host in fitting if not host.is_silent]
    if not answering:
        raise silent(min(fitting, key=lambda host: host.silent_seconds))
    ready = [host for host in answering if not host.draining]
    if not ready:
        raise draining(answering[0].name)
    return sorted(ready, key=_fullness)


def draining(name: str) -> HostDraining:
    """Return the error that says that this host takes nothing new."""
    return HostDraining(
        f"The host {name} takes nothing new: it finishes what runs there. Choose another one."
    )


def _fullness(host: HostState) -> tuple[float, float, str]:
    return host.used / host.slots, host.load, host.name


def _lacking(hosts: Sequence[HostState], name: str, wanted: frozenset[str]) -> str:
    words = ", ".join(sorted(wanted))
    if name:
        lacks = ", ".join(sorted(wanted - hosts[0].labels))
        return f"The host {name} does not have {lacks}."
    known = ", ".join(sorted(frozenset().union(*(host.labels for host in hosts))))
    return f"No host has {words}. " + (f"There are {known}." if known else "No host has labels.")


def _refusal(field_name: str, sentence: str) -> InvalidRequest:
    return InvalidRequest(sentence, {field_name: [sentence]})
