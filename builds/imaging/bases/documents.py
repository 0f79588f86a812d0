"""Read manifests and configs of base images: each is what its format says, or refused with the reason."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from builds.imaging.oci.manifest import LAYERS, Descriptor, descriptors_of
from builds.imaging.oci.names import shown as short
from builds.imaging.reporting import ImageError
from environments.bounded_json import read_json

MOST_CONFIG_BYTES = 8 * 1024**2
MOST_MANIFESTS = 1_000
MOST_LAYERS = 127  # engines refuse more

_Token = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.+-]{0,64}$")]
_Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class _Document(BaseModel):
    model_config = ConfigDict(strict=True)


class _Root(_Document):
    diff_ids: list[_Digest] = []


class _Run(_Document):
    Env: list[str] | None = None
    Labels: dict[str, str] | None = None


class _Config(_Document):
    architecture: _Token | None = None
    os: _Token | None = None
    variant: _Token | None = None
    config: _Run | None = None
    rootfs: _Root = Field(default_factory=_Root)
    history: list[dict[str, Any]] | None = None


def offered(shown: str, body: bytes) -> list[Descriptor]:
    """Return the manifests in an index. Raises ImageError."""
    document = _parsed(shown, body, "index")
    entries = document.get("manifests")
    if isinstance(entries, list) and len(entries) > MOST_MANIFESTS:
        raise bad_manifest(shown, f"its index has {len(entries):,} entries; {MOST_MANIFESTS:,} is the most")
    return _descriptors(shown, document)


def blobs_of(shown: str, body: bytes) -> tuple[Descriptor, list[Descriptor]]:
    """Return config and layers that a manifest points to. Raises ImageError."""
    document = _parsed(shown, body, "manifest")
    if isinstance(layers := document.get("layers"), list) and len(layers) > MOST_LAYERS:
        raise ImageError(
            "too-many-layers",
            f"The base image {shown} has {len(layers):,} layers; engines take {MOST_LAYERS}.",
            "Join some of its RUN lines, or flatten it.",
        )
    result = _descriptors(shown, document)
    if not result or "manifests" in document:
        raise bad_manifest(shown, "its manifest names no config and no layers")
    config, *rest = result
    for layer in rest:
        if layer.media_type not in LAYERS:
            raise bad_manifest(
                shown,
                f"a layer is of a kind that the studio does not read, {short(layer.media_type)}",
                "Layers outside of the registry, encrypted layers and other artifacts cannot be a base.",
            )
    if config.size > MOST_CONFIG_BYTES:
        raise bad_manifest(shown, f"its config has {config.size:,} bytes; {MOST_CONFIG_BYTES:,} is the most")
    return config, rest


def config_of(shown: str, body: bytes) -> dict[str, Any]:
    """Return an image's config. Raises ImageError where a field that the studio reads is of another kind."""
    document = _parsed(shown, body, "config")
    try:
        _Config.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(short(str(part)) for part in first["loc"])
        raise bad_manifest(shown, f"{field} in its config: {first['msg']}") from error
    return document


def _parsed(shown: str, body: bytes, what: str) -> dict[str, Any]:
    try:
        document = read_json(body)
        # No database and no terminal takes these.
        text = json.dumps(document, ensure_ascii=False)
        text.encode()
    except (ValueError, RecursionError) as error:
        raise bad_manifest(shown, f"its {what} is no JSON ({str(error)[:200]})") from error
    if not isinstance(document, dict) or "\\u0000" in text:
        raise bad_manifest(shown, f"its {what} is no object, or has NUL in it")
    return document


def _descriptors(shown: str, document: dict[str, Any]) -> list[Descriptor]:
    try:
        return descriptors_of(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(short(str(part)) for part in first["loc"])
        raise bad_manifest(shown, f"{field} in its manifest: {first['msg']}") from error


def bad_manifest(shown: str, why: str, help: str = "") -> ImageError:
    """Return the error for a base image whose documents cannot be used."""
    return ImageError(
        "bad-manifest",
        f"The base image {shown} cannot be used: {why}.",
        help or "Push it again with a current version of Docker or another tool, or take another base image.",
        fault="outside",
    )
