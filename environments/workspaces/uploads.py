"""A workspace's policy for uploads: how old packages must be before its builds use them."""

from django.contrib.auth.models import User
from django.db import transaction

from environments.audit.record import record
from environments.definition.model import Cutoff
from environments.definition.packages.cutoffs import (
    ANY,
    MOST_EXCEPTIONS,
    BadCutoff,
    exception_key,
    is_date,
    spelled,
)
from environments.errors import ServiceError
from environments.models import Workspace

MAX_TEXT_LENGTH = 50_000


class UploadsRefused(ServiceError):
    """A policy that cannot be read: the field, and the reason."""

    def __init__(self, field: str, message: str, help: str = "") -> None:
        super().__init__("bad-cutoff", message, help)
        self.field = field


def upload_policy(workspace: Workspace) -> Cutoff:
    """Return a workspace's policy; without one, nothing is limited."""
    return Cutoff.model_validate(workspace.cutoff or {})


def read_exceptions(text: str) -> dict[str, str]:
    """Return the exceptions in a text, one `name: limit` a line. Raises UploadsRefused."""
    exceptions: dict[str, str] = {}
    if len(text) > MAX_TEXT_LENGTH:
        raise UploadsRefused("exceptions", f"The exceptions have up to {MAX_TEXT_LENGTH} characters.")
    for line in filter(None, map(str.strip, text.splitlines())):
        name, colon, limit = line.rpartition(": ")
        if not colon:
            raise UploadsRefused(
                "exceptions",
                f"“{line[:80]}” has no limit.",
                "Write a line such as numpy: any or numpy: 7 days.",
            )
        exceptions[name.strip()] = limit
    return exceptions


def write_exceptions(exceptions: dict[str, str]) -> str:
    """Return the text that `read_exceptions` reads as these."""
    return "\n".join(f"{name}: {limit}" for name, limit in sorted(exceptions.items()))


@transaction.atomic
def set_upload_policy(workspace: Workspace, limit: str, exceptions: dict[str, str], by: User | None) -> bool:
    """Use only what is as old as `limit` (a date or an age; empty for no limit); return whether that is a change.

    `exceptions` have another limit by a package's name, or by the address of an index or channel. Raises
    UploadsRefused. Images that exist stay as they are.
    """
    cutoff = _read(limit, exceptions)
    row = Workspace.objects.select_for_update().get(pk=workspace.pk)
    before = upload_policy(row)
    workspace.cutoff = cutoff.model_dump() if cutoff != Cutoff() else {}
    if before == cutoff:
        return False
    workspace.save(update_fields=["cutoff"])
    old, new = _as_fields(before), _as_fields(cutoff)
    record("workspace.uploads", str(workspace), workspace=workspace, actor=by, before=old, after=new)
    return True


def _read(limit: str, exceptions: dict[str, str]) -> Cutoff:
    text = _spelled("limit", limit) if limit.strip() else ANY
    dated = is_date(text)
    if len(exceptions) > MOST_EXCEPTIONS:
        raise UploadsRefused("exceptions", f"There are up to {MOST_EXCEPTIONS} exceptions.")
    own = {_key(name): _spelled("exceptions", value) for name, value in exceptions.items()}
    return Cutoff(as_of=text if dated else "", newest="" if dated or text == ANY else text, exceptions=own)


def _spelled(field: str, text: str) -> str:
    try:
        return spelled(text)
    except BadCutoff as error:
        raise UploadsRefused(field, f"“{text[:80]}” cannot be a limit: {error}.", error.help) from error


def _key(name: str) -> str:
    try:
        return exception_key(name)
    except BadCutoff as error:
        raise UploadsRefused(
            "exceptions", f"“{name[:80]}” cannot be excepted: {error}.", error.help
        ) from error


def _as_fields(cutoff: Cutoff) -> dict[str, object]:
    return {"limit": cutoff.as_of or cutoff.newest, "exceptions": cutoff.exceptions}
