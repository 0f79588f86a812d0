"""`manage.py rebase BASE`: put the images of a base on its new digest, or on another base, here and now."""

import json
import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from builds.models import Rebase, RebaseState
from builds.models.rebases import Fate
from builds.queue import rebases
from builds.queue.requests import StateConflict
from builds.rebase.bases import whole_reference
from builds.rebase.running import run_claimed
from environments.definition.syntax.reference import BadReference
from environments.models import Workspace
from studio.management.base import StudioCommand

FAILED = 1


class Command(StudioCommand):
    """Plan a rebase, and run it unless this is a dry run."""

    help = (
        "Put images on a newer base without building packages. Exit code: 0 done, 1 failed, 2 nothing done."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the bases, and how far to go."""
        parser.add_argument("base", help="the base that images are on, such as python:3.11-slim")
        parser.add_argument("--to", help="another base, such as python:3.11.10-slim (default: its own tag)")
        parser.add_argument("--workspace", help="only the images of this workspace")
        parser.add_argument("--dry-run", action="store_true", help="show what would be done")
        parser.add_argument("--rebuild", action="store_true", help="build the images that can't be rebased")
        parser.add_argument("--json", action="store_true", help="one JSON object on stdout")

    def handle(self, *args: Any, **options: Any) -> None:
        """Plan, run, and write what became of each image."""
        workspace = None
        if options["workspace"]:
            workspace = Workspace.objects.filter(name=options["workspace"]).first()
            if workspace is None:
                raise CommandError(f"There is no workspace {options['workspace']}.")
        try:
            base = whole_reference(options["base"])
            target = whole_reference(options["to"]) if options["to"] else base
        except BadReference as error:
            raise CommandError(f"{error}.") from error
        dry_run: bool = options["dry_run"]
        try:
            rebase = rebases.request_plan(
                workspace, base, target, None, rebuild=options["rebuild"], start=not dry_run
            )
        except StateConflict as conflict:
            raise CommandError(str(conflict)) from conflict
        claimed = rebases.claim_one(rebase.pk)
        if claimed is not None:  # else a worker was faster
            run_claimed(claimed, progress=None if options["json"] else self._progress)
        rebase = _ended(rebase)
        self._write(rebase, as_json=options["json"])
        if rebase.state == RebaseState.FAILED:
            sys.exit(FAILED)

    def _progress(self, done: int) -> None:
        self.stdout.write(f"{done} rebased …")

    def _write(self, rebase: Rebase, *, as_json: bool) -> None:
        images = [
            {
                "workspace": item.workspace.name,
                "hash": item.hash,
                "fate": item.fate,
                "code": item.reason_code,
                "reason": item.reason,
                "digest_before": item.digest_before,
                "digest_after": item.digest_after,
            }
            for item in rebase.images.select_related("workspace")
        ]
        if as_json:
            head = {"state": rebase.state, "base": rebase.base, "target": rebase.target}
            print(json.dumps({**head, "problem": rebase.problem, "images": images}))
            return
        for image in images:
            after = f" → {image['digest_after'][:19]}" if image["digest_after"] else ""
            why = f"  {image['reason']}" if image["reason"] else ""
            name = f"{image['workspace']} {image['hash']} {image['digest_before'][:19]}"
            self.stdout.write(f"{image['fate']:<10} {name}{after}{why}")
        counts = {fate: sum(image["fate"] == fate for image in images) for fate in Fate.values}
        listed = ", ".join(f"{many} {fate}" for fate, many in counts.items() if many)
        self.stdout.write(f"{rebase.base} → {rebase.target}: {listed or 'no image needs it'}.")
        if rebase.problem:
            self.stdout.write(f"Failed: {rebase.problem}")


def _ended(rebase: Rebase) -> Rebase:
    """Wait for the end, if a worker has claimed it first, and return the row."""
    while True:
        rebase.refresh_from_db()
        if not rebase.active:
            return rebase
        time.sleep(0.5)
