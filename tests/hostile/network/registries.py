"""A registry that answers as it likes, and an image of which anything may be wrong."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from builds.imaging.oci.manifest import OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST, Descriptor
from tests.builds.imaging.bases.test_bases import DEBIAN, tarred
from tests.services.servers.threads import serving

PIECE = bytes(1 << 16)


class Registry:
    """Answers each path by a function, which writes what it likes; counts the bytes that were taken."""

    def __init__(self, answer: Callable[[BaseHTTPRequestHandler], None]) -> None:
        class Answers(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.close_connection = True
                with suppress(OSError):  # the studio has hung up
                    answer(self)

            do_HEAD = do_GET

            def log_message(self, *_: object) -> None:
                """Stay silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_port}"

    @contextmanager
    def running(self) -> Iterator[Registry]:
        with serving(self._server):
            yield self


def head(to: BaseHTTPRequestHandler, status: int, **headers: str) -> None:
    to.send_response(status)
    for name, value in headers.items():
        to.send_header(name.replace("_", "-"), value)
    to.end_headers()


def endless(to: BaseHTTPRequestHandler) -> None:
    while True:
        to.wfile.write(PIECE)


class Image:
    """A base image of one layer; `change` what of it is wrong."""

    def __init__(self) -> None:
        layer = gzip.compress(tarred(DEBIAN), mtime=0)
        diff_id = "sha256:" + hashlib.sha256(tarred(DEBIAN)).hexdigest()
        self.layer = layer
        self.config: Any = {"architecture": "amd64", "os": "linux", "rootfs": {"diff_ids": [diff_id]}}
        self.manifest: Any = None
        self.blobs: dict[str, bytes] = {}

    def put(self, body: bytes, media_type: str) -> dict[str, Any]:
        digest = "sha256:" + hashlib.sha256(body).hexdigest()
        self.blobs[digest] = body
        return Descriptor(media_type=media_type, digest=digest, size=len(body)).to_json()

    def written(self) -> Any:
        config = self.config if isinstance(self.config, bytes) else json.dumps(self.config).encode()
        return {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": self.put(config, OCI_CONFIG),
            "layers": [self.put(self.layer, OCI_LAYER_GZIP)],
        }

    def answer(self, to: BaseHTTPRequestHandler) -> None:
        manifest = self.written() if self.manifest is None else self.manifest
        body = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
        name = to.path.rpartition("/")[2]
        body = self.blobs.get(name, body)
        kind = json_type(body)
        head(to, 200, Content_Length=str(len(body)), Content_Type=kind)
        to.wfile.write(body)


def json_type(body: bytes) -> str:
    try:
        return str(json.loads(body)["mediaType"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return OCI_MANIFEST
