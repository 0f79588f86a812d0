"""The result of a build: saved with the build's end, or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils import timezone

from builds.images.layers import save_layers
from builds.images.packages import save_packages
from builds.images.platforms import save_platforms
from builds.imaging.oci.referrers import Attachment
from builds.models import Build, Image
from builds.provenance.attesting import save_referrers
from builds.queue.claims import Claim, LogLines
from builds.queue.tests import queue_import_test
from environments.models.workspaces import ImportTest
from environments.workspaces.registry import import_test_of


@dataclass(frozen=True)
class BuildResult:
    """A build's result: an existing image, or the fields of a new image's row, in `parts` those of each platform.

    `attachments` are its bills of materials and provenance.
    """

    existing: Image | None = None
    row: dict[str, Any] = field(default_factory=dict)
    attachments: Sequence[Attachment] = ()

    @property
    def reused(self) -> bool:
        """Whether the image existed before."""
        return self.existing is not None

    @transaction.atomic
    def save(self, build: Build, claim: Claim, log: Sequence[LogLines]) -> Image:
        """Make the image the current one, end the build and write its last lines: all or nothing."""
        if self.existing is not None:
            image = self.existing
        else:
            now = timezone.now()
            fields = {name: value for name, value in self.row.items() if name != "parts"}
            images = Image.objects.filter(workspace=build.workspace, hash=build.hash)
            images.filter(current=True).update(current=False)
            # The same bytes again (a rebuild that moved nothing) are the same image.
            image, _ = images.update_or_create(
                workspace=build.workspace,
                hash=build.hash,
                digest=self.row["digest"],
                defaults={**fields, "current": True, "built_at": now, "used_at": now},
            )
            save_platforms(image, self.row.get("parts", []))
            save_packages(image)
            save_layers(image)
            save_referrers(image, self.attachments)
            if import_test_of(build.workspace) == ImportTest.AFTER:
                queue_import_test(image)
        claim.succeed(image, reused=self.reused, log=log)
        return image
