"""`manage.py signing_key`: the keys that proofs of images are signed and verified with."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from builds.models import SigningKey
from builds.provenance.keys import public_keys
from environments.audit.record import record
from studio.management.base import NOTHING_DONE, StudioCommand


class Command(StudioCommand):
    """List the signing keys, or revoke one."""

    help = "List the keys that the studio has signed with, newest first, or revoke one whose private part leaked."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take what to do."""
        parser.add_argument("--revoke", metavar="KEY", help="the id of a key, or its first 12 digits")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Revoke if wanted, and list."""
        if options["revoke"]:
            self.revoke(options["revoke"])
        keys = public_keys(revoked=True)
        if options["json"]:
            rows = [
                {
                    "key_id": key.key_id,
                    "public_pem": key.public_pem,
                    "created_at": key.created_at.isoformat(),
                    "revoked_at": key.revoked_at.isoformat() if key.revoked_at else None,
                }
                for key in keys
            ]
            print(json.dumps({"keys": rows}), flush=True)
            return
        for key in keys:
            state = f"revoked {key.revoked_at:%Y-%m-%d}" if key.revoked_at else "valid"
            self.stdout.write(f"{key.key_id}  first used {key.created_at:%Y-%m-%d}  {state}")
        if not keys:
            self.stdout.write("No key has signed yet. A worker makes one with its first build.")

    def revoke(self, name: str) -> None:
        """Let the signatures of a key count for nothing from now on."""
        keys = [key for key in public_keys(revoked=True) if len(name) >= 12 and key.key_id.startswith(name)]
        if len(keys) != 1:
            raise CommandError(f"There is no key {name}.", returncode=NOTHING_DONE)
        if SigningKey.objects.filter(pk=keys[0].pk, revoked_at=None).update(revoked_at=timezone.now()):
            record("signing-key.revoked", keys[0].key_id[:12], workspace=None)
