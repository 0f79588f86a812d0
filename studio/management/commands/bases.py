"""`manage.py bases`: the base images in use, and what their registries have by now."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.db.models import QuerySet
from django.utils import timezone

from builds.rebase.bases import BaseInUse, bases_in_use, request_checks
from builds.rebase.checks import check_due
from environments.models import Workspace
from studio.management.base import StudioCommand


class Command(StudioCommand):
    """List the bases of current images."""

    help = "List the base images in use: digest, age, owner, images, and whether there is a newer one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take whether to look them up, and of which workspace."""
        parser.add_argument("--check", action="store_true", help="look them up in their registries first")
        parser.add_argument("--workspace", help="only the bases of this workspace")
        parser.add_argument("--json", action="store_true", help="one JSON array on stdout")

    def handle(self, *args: Any, **options: Any) -> None:
        """Look them up if requested, and list them."""
        workspaces = named(options["workspace"])
        if options["check"]:
            request_checks(workspaces)
            while check_due():
                pass
        bases = bases_in_use(workspaces)
        if options["json"]:
            print(json.dumps([as_json(base) for base in bases]))
            return
        for base in bases:
            self.stdout.write(_line(base))
        if not bases:
            self.stdout.write("No images yet, so no base is in use.")


def named(name: str | None) -> QuerySet[Workspace]:
    """Return the workspace of this name, or all."""
    if name is None:
        return Workspace.objects.all()
    workspaces = Workspace.objects.filter(name=name)
    if not workspaces.exists():
        raise CommandError(f"There is no workspace {name}.")
    return workspaces


def as_json(base: BaseInUse) -> dict[str, Any]:
    """Return a base as the command writes it."""
    check = base.check
    return {
        "workspace": base.workspace,
        "base": base.reference,
        "platforms": base.platforms.split(","),
        "digest": base.digest,
        "owner": base.owner,
        "created_at": base.created_at.isoformat() if base.created_at else None,
        "images": base.images,
        "moved": base.moved,
        "digest_now": check.digest if check else "",
        "newer": base.newer,
        "old": base.old,
        "checked_at": check.checked_at.isoformat() if check and check.checked_at else None,
        "problem": check.problem if check else "",
    }


def _line(base: BaseInUse) -> str:
    age = f"{(timezone.now() - base.created_at).days} days old" if base.created_at else "age unknown"
    notes = [
        age,
        *(["tag moved"] if base.moved else []),
        *([f"newer: {base.newer}"] if base.newer else []),
        *([base.check.problem] if base.check and base.check.problem else []),
    ]
    images = f"{base.images} image{'' if base.images == 1 else 's'}"
    return f"{base.workspace}: {base.reference}@{base.digest[:19]}  {images}  {', '.join(notes)}"
