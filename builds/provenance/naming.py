"""The image that a name means on the command line: by version or label, by hash, or by digest."""

from __future__ import annotations

import re

from builds.images.repositories import environment_in, image_of_version, version_tagged
from builds.models import Image
from environments.models import Workspace

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
LATEST = "latest"


def image_named(name: str) -> Image | None:
    """Return the image of `sha256:…`, `workspace/environment:version` or `workspace/azureml/azureml_hash@sha256:…`.

    A host before the workspace is passed over; a name without a tag means `latest`.
    """
    images = Image.objects.select_related("workspace").order_by("-current", "-built_at")
    if _DIGEST.fullmatch(name):
        return images.filter(digest=name).first()
    repository, _, digest = name.partition("@")
    parts = repository.split("/")
    if len(parts) > 2 and ("." in parts[0] or ":" in parts[0] or parts[0] == "localhost"):
        parts = parts[1:]
    workspace = Workspace.objects.filter(name=parts[0]).first()
    last, _, tag = parts[-1].partition(":")
    path = "/".join([*parts[1:-1], last])
    if workspace is None or not path:
        return None
    environment = environment_in(workspace, path) if "/" not in path else None
    if environment is None:
        own = images.filter(workspace=workspace, repository=path)
        return own.filter(digest=digest).first() if digest else own.filter(current=True).first()
    if digest:
        hashes = environment.versions.values("hash")
        return images.filter(workspace=workspace, hash__in=hashes, digest=digest).first()
    version = version_tagged(environment, tag or LATEST)
    image = image_of_version(version, catalogue=True) if version is not None else None
    return images.filter(pk=image.pk).first() if image is not None else None
