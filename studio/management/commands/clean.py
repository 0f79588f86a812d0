"""`manage.py clean`: what can go from the stores, the cache and the Docker Engine; with --yes, it goes."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from builds.images.disk_cleanup import clean
from builds.imaging.oci.store import GRACE_SECONDS
from studio.management.base import StudioCommand


class Command(StudioCommand):
    """Show what nobody needs any more and how much it frees, and delete it if asked to."""

    help = "Show files that nothing needs; with --yes, delete them. Builds can continue meanwhile."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take whether to delete, and how old things have to be."""
        parser.add_argument("--yes", action="store_true", help="delete what is shown")
        parser.add_argument(
            "--days", type=float, default=7, help="base images in the engine unused for so many days (7)"
        )
        parser.add_argument(
            "--cache-days",
            type=float,
            default=settings.CACHE_DAYS,
            help=f"files of the cache that no build used for so many days ({settings.CACHE_DAYS:g}); 0 leaves them",
        )
        parser.add_argument(
            "--hours",
            type=float,
            default=GRACE_SECONDS / 3600,
            help="files of images and build contexts untouched for so many hours (24); running builds need theirs",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Say what goes, one line for each kind."""
        done: bool = options["yes"]
        if not options["cache_days"] >= 0:
            raise CommandError("--cache-days takes days, such as 30; 0 keeps the cache.")
        report = clean(
            dry_run=not done,
            days=options["days"],
            cache_days=options["cache_days"],
            grace_seconds=options["hours"] * 3600,
        )
        self.stdout.write(f"Store: {len(report.store.blobs)} blobs, {report.store.freed / 1e6:.1f} MB.")
        for name in report.store.names:
            self.stdout.write(f"  {name} is no longer the name of an image.")
        contexts = report.contexts
        self.stdout.write(f"Build contexts: {contexts.files} files, {contexts.size / 1e6:.1f} MB.")
        self.stdout.write(f"Cache: {report.cache.files} files, {report.cache.size / 1e6:.1f} MB.")
        if report.engine:
            self.stdout.write(f"Docker Engine: {report.engine}")
        else:
            size = sum(base.size for base in report.bases)
            self.stdout.write(f"Docker Engine: {len(report.bases)} base images, up to {size / 1e6:.1f} MB.")
            for base in report.bases:
                self.stdout.write(f"  {base.name}: {base.size / 1e6:.1f} MB")
        self.stdout.write("Deleted." if done else "Nothing was deleted. Run it with --yes to delete this.")
