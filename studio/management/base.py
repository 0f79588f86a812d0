"""The base class of the studio's commands."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError

NOTHING_DONE = 2


class StudioCommand(BaseCommand):
    """A command that begins at once, and says in a sentence that the database cannot be used.

    Django's own checks are of the code, not of a studio: they load every page, which takes longer than most
    commands, and `make check` has run them.
    """

    requires_system_checks = []

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Do what Django does; a database that is away, locked or full is nobody's programming error."""
        try:
            return super().execute(*args, **options)
        except (InterfaceError, OperationalError) as error:
            what = str(error).strip().partition("\n")[0].rstrip(".")
            # SQLite says of a full disk that it is full, or that there was an error.
            room = f" Is the disk under {settings.VAR} full?" if "disk" in what else ""
            raise CommandError(
                f"The database cannot be used: {what}.{room} To see what is wrong:  python manage.py doctor",
                returncode=NOTHING_DONE,
            ) from error
