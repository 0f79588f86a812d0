"""Compress pages, the API's answers and static files that were not compressed beforehand."""

import os
from wsgiref.headers import Headers

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from whitenoise.middleware import WhiteNoiseMiddleware

PAGES = {"text/html", "application/json"}
STATIC = {"text/css", "text/javascript", "image/svg+xml", "text/plain", "application/json"}


class Compression(GZipMiddleware):
    """Compress pages and static files with gzip; downloads, streams and the registry's answers stay as they are."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Return the response, compressed if its kind allows it and the client accepts gzip."""
        kind = response.headers.get("Content-Type", "").partition(";")[0]
        if request.path_info.startswith(settings.STATIC_URL):
            compressible = kind in STATIC and response.status_code == 200  # not a range of a file
        else:
            # Engines compare what they pull with its digest.
            compressible = (
                kind in PAGES and not response.streaming and not request.path_info.startswith("/v2/")
            )
        return super().process_response(request, response) if compressible else response


class StaticFiles(WhiteNoiseMiddleware):  # type: ignore[misc]
    """Serve static files with ETags that compression leaves unchanged, so that revalidation succeeds."""

    def add_cache_headers(self, headers: Headers, path: str, url: str) -> None:
        """Add a weak ETag to what WhiteNoise adds; gzip would make a strong one weak."""
        super().add_cache_headers(headers, path, url)
        file = os.stat(path)
        headers["ETag"] = f'W/"{file.st_mtime_ns:x}-{file.st_size:x}"'
