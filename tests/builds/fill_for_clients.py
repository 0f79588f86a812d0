"""Fill a studio with images for all kinds of clients: `python -m tests.builds.fill_for_clients FOLDER`.

Everybody may pull from the workspace `square`, its members from `shop`. Both have an environment `image`, one called
`index` with an index of images for two platforms, and `both`, with an index of two compressions. In `shop` are also `later` and `never`,
which have no image yet and get the same layers, and `fails`, whose build fails. `reader` and `builder` are members of
`shop`, `stranger` is not. What was made is printed as JSON.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import django
import zstandard

LAYER_BYTES = 3_000_000  # of noise, so that a download can be cut in the middle


def main() -> None:
    """Make the images, the workspaces and the accounts."""
    django.setup()
    # Models can be imported only now.
    from django.conf import settings
    from django.contrib.auth.models import User

    from builds.imaging.oci.index import listed, put_index
    from builds.imaging.oci.store import BlobStore
    from builds.imaging.workshop import Workshop
    from environments.definition import read
    from environments.models import Member, Role, Scope, Workspace
    from environments.versions.service import save_reading
    from environments.workspaces.tokens import create_token
    from tests.builds.distribution import add_image
    from tests.builds.scenarios import save_text

    folder = Path(sys.argv[1])
    folder.mkdir(parents=True)
    workshop = Workshop(store=BlobStore(settings.STORE), cache=folder / "cache")
    images = {platform: make_image(platform, folder, workshop) for platform in ("amd64", "arm64")}
    both = images["amd64"], with_zstd(images["amd64"], workshop.store)
    manifests = {
        "image": images["amd64"],
        "index": put_index(workshop.store, [listed(workshop.store, image) for image in images.values()]),
        "both": put_index(workshop.store, [listed(workshop.store, image) for image in both]),
    }
    square = Workspace.objects.create(name="square", title="Square", anonymous_pull=True)
    shop = Workspace.objects.create(name="shop", title="Shop")
    repositories = {}
    for name, manifest in manifests.items():
        for workspace in (square, shop):
            version = save_text(f"{name}==1.0\n", name=name, workspace=workspace.name)
            repositories[name] = add_image(workspace, manifest, hash=version.hash).repository
    own = f"localhost:{settings.PORT}/square/{repositories['image']}"
    for name, base in {"later": own, "never": own, "fails": "localhost:9/none:1"}.items():
        text = f"name: {name}\nimage: {base}\n"
        save_reading(shop, name, read(text, f"{name}.yaml"), source=text)
    tokens = {}
    for name, role, scope in (
        ("reader", Role.READER, Scope.PULL),
        ("builder", Role.CONTRIBUTOR, Scope.WRITE),
        ("stranger", None, Scope.PULL),
    ):
        user = User.objects.create_user(name)
        tokens[name] = create_token(user, "pulls", scope)[1]
        if role is not None:
            Member.objects.create(workspace=shop, user=user, role=role)
    filled = {
        "repositories": repositories,
        "digests": {name: manifest.digest for name, manifest in manifests.items()},
        "layers": plain_digests(images["amd64"].digest, workshop.store),
        "tokens": tokens,
    }
    print(json.dumps(filled))


def make_image(platform: str, folder: Path, workshop: Any) -> Any:
    """Return the descriptor of an image that the studio's own code assembles from a wheel, with no base under it."""
    from builds.imaging.assemble import ImageSettings, assemble
    from builds.imaging.reporting import Quiet
    from tests.builds.imaging.making import empty_base, locked, make_wheel

    noise = hashlib.shake_256(platform.encode()).digest(LAYER_BYTES)
    wheel = make_wheel(folder / platform, "shop", files={"shop/__init__.py": "", "shop/noise": noise})
    base = empty_base()
    base = replace(base, probe=base.probe.model_copy(update={"architecture": platform}))
    return assemble(base, *locked(wheel), ImageSettings(), workshop, Quiet()).descriptor


def with_zstd(image: Any, store: Any) -> Any:
    """Return the descriptor of the same image with its layers compressed by zstd."""
    from builds.imaging.oci.manifest import OCI_LAYER_ZSTD, OCI_MANIFEST

    manifest = json.loads(store.read(image.digest))
    plain = [gzip.decompress(store.read(layer["digest"])) for layer in manifest["layers"]]
    layers = [store.put(zstandard.compress(tar), OCI_LAYER_ZSTD).to_json() for tar in plain]
    return store.put(json.dumps({**manifest, "layers": layers}).encode(), OCI_MANIFEST)


def plain_digests(digest: str, store: Any) -> list[str]:
    """Return the digests of an image's layers as plain tars, as its config has them."""
    config = json.loads(store.read(digest))["config"]
    digests: list[str] = json.loads(store.read(config["digest"]))["rootfs"]["diff_ids"]
    return digests


if __name__ == "__main__":
    main()
