"""Fewer bytes on the way: static files are packed when first asked for, pages while they are answered."""

import gzip
import hashlib
import logging
import os
import tempfile
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile

log = logging.getLogger(__name__)

PACKED = (".css", ".js", ".svg", ".txt", ".json", ".html", ".map")
PAGES = {"text/html", "application/json"}
WORTH_IT = 500  # bytes


class PackedFile(StaticFile):  # type: ignore[misc]
    """A static file, sent packed to who takes that."""

    def __init__(self, path: str, headers: Any, stat_cache: Any, folder: Path) -> None:
        super().__init__(path, headers, encodings={"gzip": f"{path}.gz"}, stat_cache=stat_cache)
        self.path = path
        self.told = headers
        self.folder = folder
        self.packed = ""

    def get_path_and_headers(self, request_headers: Any) -> Any:
        """Return the file to send; it is packed now if it was not yet, or is no longer there."""
        if not os.path.exists(self.packed):
            try:
                self.pack()
            except OSError as error:  # a full disk must not take the pages' styles away
                log.warning("%s is sent as it is: it could not be packed: %s", self.path, error)
                self.offer({})
        return super().get_path_and_headers(request_headers)

    def pack(self) -> None:
        """Keep the packed bytes under a name made of the content's: no other start of the studio needs to."""
        content = Path(self.path).read_bytes()
        place = self.folder / f"{hashlib.sha256(content).hexdigest()[:32]}.gz"
        if not place.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            packed = gzip.compress(content, 9, mtime=0)
            with tempfile.TemporaryDirectory(dir=self.folder) as own:
                half = Path(own, "half")
                half.write_bytes(packed)
                half.replace(place)  # two processes may do this at once
        self.packed = str(place)
        self.offer({"gzip": self.packed})

    def offer(self, packed: dict[str, str]) -> None:
        """Send the file as it is, or one of these in its place to who takes that."""
        files = self.get_file_stats(self.path, packed, None)
        self.alternatives = self.get_alternatives(self.get_headers(self.told, files), files)


class StaticFiles(WhiteNoiseMiddleware):  # type: ignore[misc]
    """Answers for static files, packed."""

    def get_static_file(self, path: str, url: str, stat_cache: Any = None) -> StaticFile:
        """Return the file that is sent for an address."""
        file = super().get_static_file(path, url, stat_cache)
        if not path.endswith(PACKED) or os.path.getsize(path) < WORTH_IT:
            return file
        headers = [
            one for one in file.alternatives[-1][2] if one[0] not in {"Content-Length", "Content-Encoding"}
        ]
        return PackedFile(path, headers, stat_cache, Path(settings.PACKED_STATIC))


class PackedPages(GZipMiddleware):
    """Pages and what programs read, packed for who takes that; files and streams go as they are."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Return the answer, packed where it is one of those."""
        kind = response.headers.get("Content-Type", "").partition(";")[0]
        # Engines compare what they pull with its digest.
        if response.streaming or kind not in PAGES or request.path_info.startswith("/v2/"):
            return response
        return super().process_response(request, response)
