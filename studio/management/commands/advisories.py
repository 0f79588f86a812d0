"""`manage.py advisories import FILE|FOLDER|URL`: import advisories in OSV's format, and show what is known."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from builds.advisories.fetching import URL, import_url
from builds.advisories.importing import CannotImport, Imported, import_advisories
from builds.models import Advisory, AdvisorySource, PackageAdvisory
from studio.management.base import StudioCommand


class Command(StudioCommand):
    """Import advisories, or show their sources."""

    help = (
        "Import advisories in OSV's format: a JSON file, a folder, an ecosystem's all.zip, or a URL of these."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take what to do, and from which source."""
        actions = parser.add_subparsers(dest="action", required=True)
        action = actions.add_parser("import", help="import what is new, changed or withdrawn")
        action.add_argument("source", metavar="FILE|FOLDER|URL")
        action.add_argument("--json", action="store_true", help="print the outcome as JSON")
        action.add_argument(
            "--replace", action="store_true", help="also if a URL no longer has most of its records"
        )
        status = actions.add_parser("status", help="show the sources and what is known")
        status.add_argument("--json", action="store_true", help="print it as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Import or show."""
        if options["action"] == "status":
            self._show_status(options["json"])
            return
        source: str = options["source"]
        try:
            if URL.match(source):
                imported = import_url(source, replace=options["replace"])
            else:
                imported = import_advisories(Path(source))
        except CannotImport as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(asdict(imported) if imported else {"unchanged": True}))
        elif imported is None:
            self.stdout.write("Nothing has changed since the last import.")
        else:
            self._show(imported)

    def _show(self, imported: Imported) -> None:
        self.stdout.write(
            f"Read {imported.records:,} records: {imported.added:,} new, {imported.changed:,} changed, "
            f"{imported.removed:,} removed. {imported.advisories:,} advisories are known."
        )
        if imported.skipped:
            self.stdout.write(f"Skipped {imported.skipped:,} files:")
        for reason in imported.reasons:
            self.stdout.write(f"  {reason['name']}: {reason['reason']}.")

    def _show_status(self, as_json: bool) -> None:
        sources = list(AdvisorySource.objects.order_by("url"))
        known, hits = Advisory.objects.count(), PackageAdvisory.objects.values("advisory").distinct().count()
        if as_json:
            rows = [
                {
                    "url": source.url,
                    "checked_at": source.checked_at.isoformat() if source.checked_at else None,
                    "imported_at": source.imported_at.isoformat() if source.imported_at else None,
                    "records": source.records,
                    "problem": source.problem,
                }
                for source in sources
            ]
            self.stdout.write(json.dumps({"advisories": known, "affecting": hits, "sources": rows}))
            return
        self.stdout.write(f"{known:,} advisories, {hits:,} of them about packages of images.")
        for source in sources:
            at = f"{source.imported_at:%Y-%m-%d %H:%M}" if source.imported_at else "never"
            self.stdout.write(f"  {source.url or 'by hand'}: {source.records:,} records, imported {at}.")
            if source.problem:
                self.stdout.write(f"    {source.problem}")
