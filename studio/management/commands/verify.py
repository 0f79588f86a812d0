"""`manage.py verify IMAGE`: whether an image is what the studio built, and whether it can be built again."""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from securesystemslib.signer import SSlibKey

from builds.imaging.oci.store import BlobStore
from builds.imaging.reporting import ImageError, Quiet, Reporter
from builds.models import Image
from builds.provenance.envelope import NotVerified
from builds.provenance.keys import key_from_pem
from builds.provenance.naming import image_named
from builds.provenance.verifying import Check, failed, passed, statement_of, verify
from builds.worker.proving.reproduce import NotReproducible, reproduce
from environments.encryption import DecryptionError
from studio.management.base import NOTHING_DONE, StudioCommand

HOLDS, FAILED = 0, 1
MARKS = {"passed": "ok", "failed": "FAILED", "skipped": "skipped"}


class Command(StudioCommand):
    """Verify an image."""

    help = (
        "Verify an image: its bytes, its signed provenance, and that lock and content agree."
        " Exit code: 0 all hold, 1 one failed, 2 there is no such image or key."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the image, and what to verify."""
        parser.add_argument(
            "image", metavar="IMAGE", help="workspace/environment:version, or a digest sha256:…"
        )
        parser.add_argument(
            "--rebuild", action="store_true", help="also build it again from its lock, with an empty cache"
        )
        parser.add_argument("--key", type=Path, help="a public key in PEM, in place of the studio's own")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the result of each check, and exit with what they amount to."""
        image = image_named(options["image"])
        if image is None:
            raise CommandError(f"There is no image {options['image']}.", returncode=NOTHING_DONE)
        keys = [self.key(options["key"])] if options["key"] else []
        reporter = Quiet()
        checks = []
        for check in self.checks(image, keys, reporter, rebuild=options["rebuild"]):
            checks.append(check)
            if not options["json"]:
                self.stdout.write(f"{MARKS[check.result]:<8} {check.name:<12} {check.message}")
        holds = all(check.result != "failed" for check in checks)
        if options["json"]:
            result = {
                "image": image.name,
                "digest": image.digest,
                "verified": holds,
                "checks": [check.to_json() for check in checks],
            }
            print(json.dumps(result), flush=True)
        sys.exit(HOLDS if holds else FAILED)

    def key(self, file: Path) -> SSlibKey:
        """Return the key in a file."""
        try:
            return key_from_pem(file.read_bytes())
        except (OSError, ValueError) as error:
            raise CommandError(f"{file} is no public key in PEM: {error}", returncode=NOTHING_DONE) from error

    def checks(
        self, image: Image, keys: list[SSlibKey], reporter: Reporter, *, rebuild: bool
    ) -> Iterator[Check]:
        """Yield the result of each check."""
        store = BlobStore(settings.STORE)
        yield from verify(image, store, reporter, keys)
        if rebuild:
            yield rebuilt(image, store, keys, reporter)


def rebuilt(image: Image, store: BlobStore, keys: list[SSlibKey], reporter: Reporter) -> Check:
    """Return whether the image has the same digest when it is built again."""
    try:
        statement = statement_of(image, store, keys)
    except (NotVerified, ValueError, KeyError, TypeError, IndexError):
        statement = None
    try:
        again = reproduce(image, statement, reporter)
    except NotReproducible as reason:
        return Check("rebuild", "skipped", str(reason))
    except ImageError as error:
        return failed("rebuild", f"It cannot be built again. {error.message}")
    except DecryptionError:
        return failed("rebuild", "The workspace's connections are encrypted with a key that is not here.")
    except OSError as error:
        return failed("rebuild", f"It cannot be built again: {error}.")
    if again.digest == image.digest:
        return passed("rebuild", f"Built again with an empty cache: {again.digest}.")
    return failed("rebuild", f"Built again, it is {again.digest}. {' '.join(again.differences)}")
