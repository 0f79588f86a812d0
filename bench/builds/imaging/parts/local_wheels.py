"""A package index of the wheels in a folder, offered to every way alike."""

from __future__ import annotations

import html
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import file_digest
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote
from zipfile import ZipFile

from packaging.utils import parse_wheel_filename


@contextmanager
def index_of(wheels: Path | None, folder: Path) -> Iterator[list[str]]:
    """Serve a simple index of the wheels; give the requirement lines that name it, none without wheels."""
    if wheels is None:
        yield []
        return
    for wheel in sorted(wheels.glob("*.whl")):
        _add(wheel, folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield [f"--extra-index-url http://127.0.0.1:{server.server_port}/simple"]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def has(wheels: Path | None, name: str) -> bool:
    """Return whether a wheel of that package is among them."""
    return wheels is not None and any(
        parse_wheel_filename(wheel.name)[0] == name for wheel in wheels.glob("*.whl")
    )


def _add(wheel: Path, folder: Path) -> None:
    name = parse_wheel_filename(wheel.name)[0]
    path = folder / "simple" / name
    path.mkdir(parents=True, exist_ok=True)
    copy = path / wheel.name
    if not copy.exists():
        shutil.copyfile(wheel, copy)
    with ZipFile(wheel) as archive:
        about = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA") and n.count("/") == 1)
        (path / f"{wheel.name}.metadata").write_bytes(archive.read(about))
    links = []
    for file in sorted(path.glob("*.whl")):
        with file.open("rb") as opened:
            digest = file_digest(opened, "sha256").hexdigest()
        address = f"{quote(file.name)}#sha256={digest}"
        links.append(f'<a href="{address}" data-core-metadata="true">{html.escape(file.name)}</a>')
    (path / "index.html").write_text(f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>")


class _Quiet(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""
