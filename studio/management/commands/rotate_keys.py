"""`manage.py rotate_keys`: encrypt what is kept for connections with the newest key."""

from typing import Any

from django.core.management.base import CommandError

from environments.connections.service import rotate_keys
from environments.encryption import DecryptionError
from studio.management.base import StudioCommand


class Command(StudioCommand):
    """Encrypt the passwords of connections and the secrets of webhooks with the first of STUDIO_ENCRYPTION_KEYS."""

    help = "Encrypts the passwords of connections and the secrets of webhooks with the first of STUDIO_ENCRYPTION_KEYS."

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it for all of them, or for none."""
        try:
            count = rotate_keys()
        except DecryptionError as error:
            raise CommandError(
                "A connection or a webhook is encrypted with a key that is not among STUDIO_ENCRYPTION_KEYS; nothing was changed. "
                "Add the key that was used before behind the new one, separated by a comma."
            ) from error
        self.stdout.write(
            f"{count} connections and webhooks are encrypted with the first key; older keys are not needed."
        )
