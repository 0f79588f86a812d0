"""`manage.py limits WORKSPACE [--at-once N] …`: what a workspace may have, shown and set."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from builds.imaging.sizes import size_text
from builds.queue.limits import MAXIMA, limits_of, set_limits
from environments.models import Workspace
from studio.management.base import StudioCommand

DEFAULT = "default"
WHAT = {
    "at_once": "concurrent builds",
    "queued": "builds in the queue",
    "seconds": "seconds that a build may take",
    "disk": "bytes that a build may add to the disk",
}


class Command(StudioCommand):
    """Show or set a workspace's limits."""

    help = "Show or set what a workspace may have. `default` takes the limit of the settings again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the workspace and its new limits."""
        parser.add_argument("workspace", help="the workspace's name")
        for name in MAXIMA:
            parser.add_argument(f"--{name.replace('_', '-')}", metavar="N", help=WHAT[name])

    def handle(self, *args: Any, **options: Any) -> None:
        """Set what was given, and say what counts now."""
        workspace = Workspace.objects.filter(name=options["workspace"]).first()
        if workspace is None:
            names = ", ".join(Workspace.objects.values_list("name", flat=True))
            raise CommandError(f"There is no workspace {options['workspace']}. There are: {names}.")
        given = {name: number(name, options[name]) for name in MAXIMA if options.get(name) is not None}
        try:
            now = set_limits(workspace, **given) if given else limits_of(workspace)
        except ValueError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{workspace}: {now.at_once} builds at once, {now.queued} in the queue, "
            f"{now.seconds} seconds and {size_text(now.disk)} a build."
        )


def number(name: str, text: str) -> int | None:
    """Return the limit that was typed; None for `default`."""
    if text == DEFAULT:
        return None
    try:
        return int(text)
    except ValueError:
        raise CommandError(
            f"--{name.replace('_', '-')} {text} is not a number. Give one, or `{DEFAULT}`."
        ) from None
