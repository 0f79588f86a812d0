"""`manage.py attest [IMAGE …]`: bills of materials and signed provenance for images that have none."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from builds.imaging.oci.store import BlobStore
from builds.models import Image
from builds.provenance.attesting import attest_image
from builds.provenance.keys import NoKey, signer
from builds.provenance.naming import image_named
from studio.management.base import NOTHING_DONE, StudioCommand


class Command(StudioCommand):
    """Attach proof to images that were made before."""

    help = (
        "Attach bills of materials and signed provenance to images: those named, or all that have none."
        " Exit code: 0 done, 1 an image's files are gone, 2 there is no such image or no key."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the images."""
        parser.add_argument(
            "images", metavar="IMAGE", nargs="*", help="such as workspace/environment:version"
        )
        parser.add_argument(
            "--again", action="store_true", help="also those that have it: sign with the current key"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Attach, and print how many images it was."""
        try:
            key = signer().public_key.keyid
        except NoKey as problem:
            raise CommandError(str(problem), returncode=NOTHING_DONE) from problem
        images = [self.named(name) for name in options["images"]]
        if not images:
            rows = Image.objects.select_related("workspace").order_by("pk")
            images = list(rows if options["again"] else rows.filter(referrers=None))
        store, gone = BlobStore(settings.STORE), []
        for image in images:
            try:
                attest_image(image, store)
            except FileNotFoundError:
                gone.append(image)
        done = len(images) - len(gone)
        if options["json"]:
            names = [f"{image.name}@{image.digest}" for image in gone]
            print(json.dumps({"attested": done, "gone": names, "key": key}), flush=True)
        else:
            for image in gone:
                self.stdout.write(f"{image.name}@{image.digest} is no longer in the store.")
            self.stdout.write(f"{done} images attested with the key {key[:12]}.")
        sys.exit(1 if gone else 0)

    def named(self, name: str) -> Image:
        """Return the image of a name."""
        image = image_named(name)
        if image is None:
            raise CommandError(f"There is no image {name}.", returncode=NOTHING_DONE)
        return image
