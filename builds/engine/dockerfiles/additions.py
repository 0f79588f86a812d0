"""Fetch what ADD names by its URL, as the studio and within the address policy, into an image to copy from.

An engine would follow redirects and resolve names by itself, to any address of its network.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing

import httpx

from builds.engine.dockerfiles.named import Addition
from builds.engine.dockerfiles.sources import file_name
from builds.imaging import egress
from builds.imaging.answers import PLAIN, answer
from builds.imaging.bases.model import Base, base_of_layer
from builds.imaging.bases.probe import Probe
from builds.imaging.interruptible import interruptible
from builds.imaging.oci.layer import LayerWriter
from builds.imaging.reporting import ImageError, Reporter
from builds.imaging.workshop import Workshop
from environments.network.masking import masked

MOST_BYTES = 256 * 1024**2
_TIMEOUT = httpx.Timeout(20.0)
_MODE = 0o600  # as Docker gives to what ADD fetches
_PIECE = 1024**2


def fetched(addition: Addition, platform: str, workshop: Workshop, reporter: Reporter) -> Base:
    """Return an image with nothing but the files of an ADD. Raises ImageError."""
    files: dict[str, bytes] = {}
    for url in addition.urls:
        name = file_name(url, addition.line)
        if name in files:
            raise ImageError(
                "dockerfile-invalid",
                f"Line {addition.line} of the Dockerfile adds two files of the name {name}.",
                "Write an ADD for each of them.",
            )
        files[name] = _fetched(url, addition, workshop, reporter)
        reporter.line(f"Fetched {masked(url)} for ADD: {len(files[name]) / 1e6:.1f} MB")
    return _image_of(files, platform, workshop)


def _fetched(url: str, addition: Addition, workshop: Workshop, reporter: Reporter) -> bytes:
    content = bytearray()
    with closing(egress.client(workshop.reach, timeout=_TIMEOUT)) as client:
        pieces = _pieces(client, url, addition)
        while piece := interruptible(lambda: next(pieces, b""), reporter):
            content += piece
            if len(content) > MOST_BYTES:
                raise _failed(addition, url, f"it is larger than {MOST_BYTES // 1024**2} MB")
    algorithm, _, digest = addition.checksum.partition(":")
    if addition.checksum and (algorithm != "sha256" or hashlib.sha256(content).hexdigest() != digest.lower()):
        raise _failed(addition, url, f"its checksum is not {addition.checksum[:100]}")
    return bytes(content)


def _pieces(client: httpx.Client, url: str, addition: Addition) -> Iterator[bytes]:
    try:
        with answer(client, client.build_request("GET", url, headers=PLAIN)) as response:
            if response.status_code != 200:
                raise _failed(addition, url, f"its server answers with {response.status_code}")
            yield from response.iter_raw(_PIECE)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise _failed(addition, url, str(error) or type(error).__name__) from error


def _failed(addition: Addition, url: str, why: str) -> ImageError:
    return ImageError(
        "add-failed",
        f"Line {addition.line} of the Dockerfile adds {masked(url)[:200]}, which cannot be fetched: {why}.",
        "Correct the address, put the file into the build context, or fetch it in a RUN.",
    )


def _image_of(files: dict[str, bytes], platform: str, workshop: Workshop) -> Base:
    with workshop.store.writer() as blob:
        writer = LayerWriter(blob)
        for name, content in sorted(files.items()):
            writer.file(name, content, _MODE)
        layer = writer.commit("Files of an ADD")
    system, _, machine = platform.partition("/")
    architecture, _, variant = machine.partition("/")
    config = {
        "created": "1970-01-01T00:00:00Z",
        "architecture": architecture,
        "os": system,
        **({"variant": variant} if variant else {}),
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]},
    }
    return base_of_layer("ADD", layer, config, Probe(), workshop.store, cached=False)
