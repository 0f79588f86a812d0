"""The contents of an image's layers: the history in the configs of its manifests, read from the store."""

import json
from typing import Any

from django.conf import settings

from builds.imaging.oci.index import image_of, manifests_of
from builds.imaging.oci.store import BlobStore
from builds.models import Image

MAX_DOCUMENT = 4 * 1024 * 1024
MAX_MANIFESTS = 20
MAX_CHARACTERS = 400

_SHELL = "/bin/sh -c "


def contents_of(image: Image) -> dict[str, str]:
    """Return what is in each layer, by its digest; layers without a history, or not in this store, are left out.

    The publisher of a base image writes its history: text of any kind.
    """
    store = BlobStore(settings.STORE)
    contents: dict[str, str] = {}
    try:
        for descriptor in manifests_of(store, image_of(store, image.digest))[:MAX_MANIFESTS]:
            manifest = _document(store, descriptor.digest)
            config = _document(store, manifest["config"]["digest"])
            layers = [layer["digest"] for layer in manifest["layers"]]
            history = [entry for entry in config.get("history") or [] if not entry.get("empty_layer")]
            if len(history) == len(layers):
                contents |= {digest: _text(entry) for digest, entry in zip(layers, history, strict=True)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return contents  # an image that is elsewhere by now, or a base with a history of its own form
    return contents


def _document(store: BlobStore, digest: str) -> Any:
    if store.size(digest) > MAX_DOCUMENT:
        raise ValueError(f"{digest} is too large for a manifest or a config.")
    return json.loads(store.read(digest))


def _text(entry: dict[str, Any]) -> str:
    created_by = str(entry.get("created_by") or "")
    comment = str(entry.get("comment") or "")
    text = comment if created_by == "environment-studio" or not created_by else created_by
    text = _instruction(" ".join(text.split()).replace("\0", ""))
    return text if len(text) <= MAX_CHARACTERS else f"{text[: MAX_CHARACTERS - 1]}…"


def _instruction(text: str) -> str:
    """Return the instruction without what a builder records around it: build arguments and the shell."""
    if text.startswith("|"):
        text = text.partition(f" {_SHELL}")[2] or text
    return text.removeprefix(_SHELL).removeprefix("#(nop) ").removesuffix(" # buildkit")
