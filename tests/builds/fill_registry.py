"""Fill a studio's own database and store with images to pull: `python -m tests.builds.fill_registry ROOTFS.tar`.

It has a workspace that everybody may pull from, one for its members, and an account for a member.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import django
from django.core.management import call_command

USER = "ada"
PASSWORD = "a long enough password"


def main() -> None:
    """Fill both, and print the repository's name and the digests of manifest and layer."""
    django.setup()
    # Models can be imported only now.
    from django.conf import settings
    from django.contrib.auth.models import User

    from builds.imaging.oci.store import BlobStore
    from environments.models import Member, Workspace
    from tests.builds.distribution import NAME, add_image, store_image

    call_command("migrate", verbosity=0)
    store = BlobStore(settings.STORE)
    manifest = store_image(store, Path(sys.argv[1]).read_bytes(), ("/bin/sh", "-c", "echo it runs"))
    square = Workspace.objects.create(name="square", title="Square", anonymous_pull=True)
    shop = Workspace.objects.create(name="shop", title="Shop")
    Member.objects.create(workspace=shop, user=User.objects.create_user(USER, password=PASSWORD))
    add_image(square, manifest)
    add_image(shop, manifest)
    layer = json.loads(store.read(manifest.digest))["layers"][0]
    filled = {
        "repository": NAME,
        "manifest": manifest.digest,
        "layer": layer["digest"],
        "size": layer["size"],
    }
    print(json.dumps(filled))


if __name__ == "__main__":
    main()
