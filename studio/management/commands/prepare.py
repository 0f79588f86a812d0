"""`manage.py prepare`: what has to be there before web and worker processes start, for set-ups without `run`."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from environments.errors import ServiceError
from studio.management.base import StudioCommand
from studio.preparation import login_path, prepare


class Command(StudioCommand):
    """Bring the database up to date; as often as one likes."""

    help = "Bring the database up to date, load the catalogue, and make a first workspace and admin."
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the address that the login link begins with."""
        parser.add_argument("--url", default="", help="the studio's address, for the login link")

    def handle(self, *args: Any, **options: Any) -> None:
        """Prepare, and print the login link."""
        try:
            prepared = prepare()
        except ServiceError as error:
            raise CommandError(f"{error.message} {error.help}") from error
        link = options["url"].rstrip("/") + login_path(prepared.admin)
        self.stdout.write(
            f"The database is ready, with {prepared.curated} curated environments.\n"
            f"Sign in once as {prepared.admin}: {link}"
        )
