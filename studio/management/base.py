"""What the studio's own commands have in common."""

from django.core.management.base import BaseCommand


class StudioCommand(BaseCommand):
    """A command that begins at once.

    Django's own checks are of the code, not of a studio: they load every page, which takes longer than most
    commands, and `make check` has run them.
    """

    requires_system_checks = []
