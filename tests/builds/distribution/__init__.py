"""Images to pull, and a puller that sees what a client of a registry sees."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass
from typing import Any

from asgiref.sync import async_to_sync
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.test import AsyncClient

from builds.imaging.oci.index import listed, put_index
from builds.imaging.oci.manifest import OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST, Descriptor
from builds.imaging.oci.store import BlobStore
from builds.models import Image
from environments.models import Workspace

HASH = "0123456789abcdef0123456789abcdef"
NAME = f"azureml/azureml_{HASH}"


@dataclass(frozen=True)
class Answer:
    """A response: status, headers and the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The only error that the body names, in the specification's shape."""
        (error,) = self.json["errors"]
        assert error["message"]
        return str(error["code"])


@async_to_sync
async def ask(path: str, method: str = "GET", **headers: str) -> Answer:
    """Send a request to the studio as an ASGI server does; `Range` is `Range=`, `-` is `_`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response: HttpResponseBase = await AsyncClient().generic(method, path, headers=named)
    if isinstance(response, HttpResponse):
        return Answer(response.status_code, response.headers, response.content)
    assert isinstance(response, StreamingHttpResponse)
    assert isinstance(response.streaming_content, AsyncIterable), "it would be read whole into memory"
    body = b"".join([chunk async for chunk in response.streaming_content])
    return Answer(response.status_code, response.headers, body)


def basic(name: str, password: str) -> str:
    """Return the header for a user name and a password."""
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def store_index(store: BlobStore, *layers: bytes, architectures: tuple[str, ...] = ()) -> Descriptor:
    """Put an index into the store, of one image for each layer; return its descriptor."""
    images = [
        store_image(store, layer, architecture=architecture)
        for layer, architecture in zip(layers, architectures or ("amd64",) * len(layers), strict=True)
    ]
    return put_index(store, [listed(store, image) for image in images])


def store_image(
    store: BlobStore, layer: bytes, command: tuple[str, ...] = (), architecture: str = "amd64"
) -> Descriptor:
    """Put an image of one layer, a plain tar, into the store; return the descriptor of its manifest."""
    packed = store.put(gzip.compress(layer, 1, mtime=0), OCI_LAYER_GZIP)
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Cmd": list(command)},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": store.put(json.dumps(config).encode(), OCI_CONFIG).to_json(),
        "layers": [packed.to_json()],
    }
    return store.put(json.dumps(manifest).encode(), OCI_MANIFEST)


def add_image(workspace: Workspace, manifest: Descriptor, *, current: bool = True) -> Image:
    """Say that the workspace has this image."""
    return Image.objects.create(
        workspace=workspace,
        hash=HASH,
        repository=NAME,
        digest=manifest.digest,
        size=1,
        base="host",
        base_digest="sha256:" + "0" * 64,
        current=current,
    )


def layer_of(store: BlobStore, manifest: Descriptor) -> str:
    """Return the digest of an image's first layer."""
    return str(json.loads(store.read(manifest.digest))["layers"][0]["digest"])
