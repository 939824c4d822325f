"""The records that are stored."""

from sessions_app.audit import Action, AuditRecord


def records(*without: Action) -> list[AuditRecord]:
    """Return them, oldest first, but for these actions."""
    return list(AuditRecord.objects.exclude(action__in=without).order_by("id"))


def the_record() -> AuditRecord:
    """Return the only one."""
    (record,) = records()
    return record
