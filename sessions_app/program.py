"""How a session's program is started: its environment, and what its holder is told."""

from django.conf import settings

from sessions_app.credentials import session_token
from sessions_app.holder_client import HolderSpec
from sessions_app.launch import LaunchRules
from sessions_app.models import Session
from sessions_app.program_environment import child_environment


def base_environment() -> dict[str, str]:
    """Return what every program of this machine gets."""
    return child_environment(
        settings.HARNESS_INHERITED_ENV, settings.HARNESS_PASS_ENV, settings.HARNESS_RUN_AS
    )


def launch_rules() -> LaunchRules:
    """Return what may be started on this machine."""
    return LaunchRules(
        environment=base_environment(),
        roots=settings.HARNESS_ROOTS,
        run_as=settings.HARNESS_RUN_AS,
    )


def environment_of(session: Session) -> dict[str, str]:
    """Return the program's whole environment, with what it needs to speak for its session."""
    session_id = str(session.pk)
    return {
        **base_environment(),
        **session.environment,
        "HARNESS_URL": settings.HARNESS_LOCAL_URL,
        "HARNESS_SESSION_ID": session_id,
        "HARNESS_SESSION_TOKEN": session_token(session_id, session.epoch),
    }


def holder_spec(session: Session) -> HolderSpec:
    """Return what the holder runs."""
    return HolderSpec(
        session_id=str(session.pk),
        argv=session.command,
        cwd=session.working_dir,
        cols=session.cols,
        rows=session.rows,
        epoch=session.epoch,
        quota=settings.HARNESS_OUTPUT_QUOTA,
        roots=settings.HARNESS_ROOTS,
        run_as=settings.HARNESS_RUN_AS,
    )
