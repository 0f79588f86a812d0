"""`manage.py registry WORKSPACE [ADDRESS]`: where a workspace's images are pushed to as well."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from builds.imaging.reporting import ImageError, Quiet
from builds.imaging.workshop import Workshop
from builds.models import Image
from builds.queue import registry_tags
from builds.worker.publish import push_existing_image, push_tag
from builds.worker.steps import make_workshop
from environments.connections.service import workspace_logins
from environments.encryption import DecryptionError
from environments.models import Workspace
from environments.workspaces.registry import RegistryRefused, set_registry
from studio.management.base import StudioCommand


class Command(StudioCommand):
    """Show or set a workspace's registry, and push what was made before."""

    help = "Show, set or (with --none) remove the registry that a workspace pushes its images to."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the workspace, and what to do with its registry."""
        parser.add_argument("workspace", help="the workspace's name")
        parser.add_argument("address", nargs="?", help="such as registry.example.com/ml")
        parser.add_argument("--none", action="store_true", help="stop pushing to a registry")
        parser.add_argument(
            "--push", action="store_true", help="push the current images and names that are not there"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Set it if asked to, say what it is, and push if asked to."""
        workspace = Workspace.objects.filter(name=options["workspace"]).first()
        if workspace is None:
            names = ", ".join(Workspace.objects.values_list("name", flat=True))
            raise CommandError(f"There is no workspace {options['workspace']}. There are: {names}.")
        if options["address"] or options["none"]:
            self.set(workspace, "" if options["none"] else options["address"])
        where = workspace.registry or "no registry; they are pulled from this studio"
        self.stdout.write(f"Images of {workspace} are pushed to {where}.")
        if options["push"] and workspace.registry:
            self.push(workspace)

    def set(self, workspace: Workspace, address: str) -> None:
        """Keep the address, if it is one."""
        try:
            set_registry(workspace, address, by=None)
        except RegistryRefused as error:
            raise CommandError(f"{address}: {error} {error.help}".rstrip()) from error

    def push(self, workspace: Workspace) -> None:
        """Push every current image, and say what was sent."""
        try:
            shop = make_workshop(logins=workspace_logins(workspace))
        except DecryptionError as error:
            raise CommandError(
                f"The connections of {workspace} are encrypted with a key that this studio does not have. "
                "Add the key that was used before to STUDIO_ENCRYPTION_KEYS."
            ) from error
        for image in Image.objects.filter(workspace=workspace, current=True).select_related("workspace"):
            try:
                sent = push_existing_image(image, shop, _Lines(self))
            except ImageError as error:
                raise CommandError(str(error)) from error
            if not sent:
                self.stdout.write(f"{image.pushed_to} is there already.")
        self.push_tags(workspace, shop)

    def push_tags(self, workspace: Workspace, shop: Workshop) -> None:
        """Give the images that are there the names of their versions."""
        while tags := registry_tags.missing_tags(workspace, at_once=True):
            for tag in tags:
                row = registry_tags.claim(tag, at_once=True)
                assert row is not None  # noqa: S101 (at once, it is never another's)
                try:
                    push_tag(tag, shop, _Lines(self))
                except (ImageError, OSError) as error:
                    registry_tags.record_failed(row, str(error))
                    raise CommandError(str(error)) from error
                registry_tags.record_pushed(row, tag)
        for environment in registry_tags.clashing(workspace):
            self.stdout.write(
                f"{environment} has no name there: another workspace pushes to {workspace.registry}/"
                f"{environment.repository}. Its images have their hash names."
            )


class _Lines(Quiet):
    """Writes the lines of the push to the terminal."""

    def __init__(self, command: StudioCommand) -> None:
        self._command = command

    def line(self, text: str) -> None:
        self._command.stdout.write(text)
