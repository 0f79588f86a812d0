"""`manage.py exposed CVE-…|PACKAGE [--json]`: the images that are exposed, of whom, and since when."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from builds.exposure.base_fixes import rebase_command
from builds.exposure.overview import advisories_in
from builds.exposure.promise import DAYS, promise_and_late
from builds.exposure.search import SHOWN, Answer, answer
from builds.exposure.subjects import subject_of
from environments.models import Workspace
from studio.exposure.plain import plain_affecting, plain_answer, plain_promise
from studio.management.base import StudioCommand

NOT_KNOWN = 1


class Command(StudioCommand):
    """Show what is exposed."""

    help = "Show the images that an advisory affects, or that have a package; without a name, all advisories."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the subject, the workspace, and how to print."""
        parser.add_argument(
            "name", nargs="?", metavar="CVE-…|PACKAGE", help="such as CVE-2024-3772 or 'jinja2<3'"
        )
        parser.add_argument("--workspace", help="only this workspace")
        parser.add_argument(
            "--show", choices=SHOWN, default=SHOWN[0], help="images in use, all current, or past"
        )
        parser.add_argument(
            "--late", action="store_true", help="the images in use with a vulnerability older than 30 days"
        )
        parser.add_argument("--json", action="store_true", help="print everything as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print an answer, all its pages."""
        scope = self._scope(options["workspace"])
        if options["late"]:
            self._late(scope, options["json"])
            return
        if not options["name"]:
            self._list(scope, options["json"])
            return
        subject = subject_of(options["name"])
        if subject is None:
            raise CommandError(
                f"No advisory and no package of an image is called {options['name']}.", returncode=NOT_KNOWN
            )
        pages = [answer(subject, scope=scope, shown=options["show"])]
        while pages[-1].more:
            pages.append(answer(subject, scope=scope, shown=options["show"], page=pages[-1].page + 1))
        if options["json"]:
            self.stdout.write(json.dumps(_joined(pages)))
        else:
            self._show(pages)

    def _scope(self, name: str | None) -> list[int] | None:
        if not name:
            return None
        keys = list(Workspace.objects.filter(name=name).values_list("pk", flat=True))
        if not keys:
            raise CommandError(f"There is no workspace {name}.")
        return keys

    def _late(self, scope: list[int] | None, as_json: bool) -> None:
        figures, late = promise_and_late(scope)
        if as_json:
            self.stdout.write(json.dumps(plain_promise(figures, late)))
            return
        self.stdout.write(
            f"{figures.vulnerable:,} of {figures.used:,} images in use have a vulnerability older than {DAYS} days."
        )
        for row in late:
            self.stdout.write(
                f"  {row.image.workspace}/{row.version}: known since {row.known_since:%Y-%m-%d}"
            )

    def _list(self, scope: list[int] | None, as_json: bool) -> None:
        page, more, rows = 1, True, []
        while more:
            part, more = advisories_in(scope, page=page)
            rows += part
            page += 1
        if as_json:
            self.stdout.write(json.dumps([plain_affecting(row) for row in rows]))
            return
        for row in rows:
            fixes = f", fixed in {', '.join(row.fixed_in)}" if row.fixed_in else ""
            self.stdout.write(
                f"{row.advisory.key:20} {row.advisory.severity:8} {', '.join(row.packages)}{fixes}: "
                f"{'more than 50' if row.more else row.images} images."
            )
        if not rows:
            self.stdout.write("No image is exposed to a known advisory.")

    def _show(self, pages: list[Answer]) -> None:
        first = pages[0]
        for advisory in first.subject.advisories.values():
            self.stdout.write(f"{advisory.key} ({advisory.severity}): {advisory.summary}")
        count = "More than 1,000" if first.more_than_counted else f"{first.count:,}"
        since = f", exposed since {first.since:%Y-%m-%d}" if first.since else ""
        self.stdout.write(f"{count} images{since}.")
        for page in pages:
            for row in page.images:
                self.stdout.write(f"\n{row.image.name}@{row.image.digest[:19]}")
                for package in row.packages:
                    why = "in the base" if package.of_base else "requested" if package.direct else " → ".join(package.path)  # fmt: skip
                    fixes = sorted({fix for _, several in package.advisories for fix in several[:1]})
                    self.stdout.write(
                        f"  {package.name} {package.version} ({why or 'a dependency'})"
                        + (f", fixed in {', '.join(fixes)}" if fixes else ", not fixed yet")
                    )
                base, home = row.image.base, row.image.workspace.name
                command = rebase_command(base, home) if any(p.of_base for p in row.packages) else ""
                if command:
                    self.stdout.write(f"  To rebase it: {command}")
                for version in row.versions:
                    labels = f" [{', '.join(version.labels)}]" if version.labels else ""
                    uses = "".join(f", {use.kind} {use.name} in {use.workspace}" for use in version.uses)
                    self.stdout.write(
                        f"  {version.entry.environment.workspace}/{version.entry.version}{labels}{uses}"
                    )
            for past in page.past:
                self.stdout.write(
                    f"\n{past.workspace}: {past.digest[:19]}, {past.built_at:%Y-%m-%d} to {past.until:%Y-%m-%d}, deleted"
                )


def _joined(pages: list[Answer]) -> dict[str, Any]:
    """Return all pages as one."""
    whole = plain_answer(pages[0])
    for page in pages[1:]:
        plain = plain_answer(page)
        whole["images"] += plain["images"]
        whole["deleted"] += plain["deleted"]
    return {name: value for name, value in whole.items() if name not in ("page", "more")}
