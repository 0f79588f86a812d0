"""`manage.py heal ID…`: the smallest change of every environment that an advisory affects; with --yes, it is made."""

import json
import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from builds.healing.lookup import advisories_named
from builds.healing.runs import cancel_run, start_run
from builds.healing.summary import as_json, sentence_of
from builds.models import BuildState
from builds.models.healing import HealItem, HealRun, HealState
from builds.worker import runner
from builds.worker.healing.planning import run_waiting_items
from builds.worker.trial import run_waiting_trials
from environments.errors import ServiceError
from environments.models import Workspace
from studio.management.base import NOTHING_DONE, StudioCommand
from studio.preparation import prepare

HEALED, PARTLY = 0, 1
WAIT_SECONDS = 0.5  # between two looks at what other processes do
GOOD = {HealState.HEALED, HealState.PROPOSED, HealState.PLANNED, HealState.CURRENT}


class Command(StudioCommand):
    """Plan and make the changes in the foreground; running workers take part."""

    help = (
        "Heal the environments that advisories affect. Without --yes, nothing is built or saved."
        " Exit code: 0 all are healed, 1 some are not, 2 nothing was done."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the advisories, and which environments to heal how."""
        parser.add_argument("advisories", nargs="+", metavar="ID", help="CVE-2024-22195, GHSA-… or PYSEC-…")
        parser.add_argument(
            "--workspace", action="append", default=[], help="only in this workspace; repeatable"
        )
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--dry-run", action="store_true", help="show what would change (the default)")
        what.add_argument("--yes", action="store_true", help="build, test and save the changes")
        parser.add_argument("--report", action="store_true", help="build and test, but save nothing")
        parser.add_argument("--untested", action="store_true", help="save also what no engine could test")
        parser.add_argument(
            "--propose-from", metavar="WORKSPACE", help="the workspace that curated changes are built in"
        )
        parser.add_argument("--json", action="store_true", help="print the outcome as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Start a run, work on it to its end, print each outcome, and exit with the worst."""
        prepare()
        try:
            run = start_run(
                advisories_named(options["advisories"]),
                _workspaces(options["workspace"]),
                None,
                dry_run=not options["yes"],
                report_only=options["report"],
                untested=options["untested"],
                workspace=_workspace(options["propose_from"]) if options["propose_from"] else None,
            )
        except ServiceError as error:
            raise CommandError(f"{error.message} {error.help}".strip(), returncode=NOTHING_DONE) from error
        try:
            self.work(run, quiet=options["json"])
        except KeyboardInterrupt:
            cancel_run(run, None)
        items = list(_items(run))
        if options["json"]:
            self.stdout.write(json.dumps(as_json(run, items), ensure_ascii=False))
        elif run.dry_run:
            self.stdout.write("Nothing was built or saved. Run it with --yes to do that.")
        sys.exit(HEALED if all(item.state in GOOD for item in items) else PARTLY)

    def work(self, run: HealRun, *, quiet: bool) -> None:
        """Do what a worker does for this run until it has ended, and print each item as it ends."""
        shown: set[int] = set()
        while True:
            run_waiting_items()
            worked = _build_next(run)
            run_waiting_trials()
            for item in _items(run):
                if not item.open and item.pk not in shown:
                    shown.add(item.pk)
                    if not quiet:
                        self.stdout.write(sentence_of(item))
                        self.stdout.flush()
            run.refresh_from_db()
            if run.ended_at is not None:
                return
            if not worked:
                time.sleep(WAIT_SECONDS)  # a worker has what is left


def _items(run: HealRun) -> list[HealItem]:
    return list(run.items.select_related("version__environment__workspace", "published", "proposal"))


def _build_next(run: HealRun) -> bool:
    """Run a queued build of the run in this process; return whether there was one."""
    queued = run.items.filter(state=HealState.BUILDING, build__state=BuildState.QUEUED)
    build = queued.values_list("build", flat=True).first()
    if build is not None:
        runner.run_build(build, runner.worker_name())
    return build is not None


def _workspaces(names: list[str]) -> Any:
    if not names:
        return Workspace.objects.all()
    for name in names:
        _workspace(name)
    return Workspace.objects.filter(name__in=names)


def _workspace(name: str) -> Workspace:
    workspace = Workspace.objects.filter(name=name).first()
    if workspace is None:
        raise ServiceError("workspace-not-found", f"There is no workspace {name}.", "Check its name.")
    return workspace
