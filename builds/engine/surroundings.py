"""What a container is given to build a wheel: the source, pip, certificates, and a few variables."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from builds.engine.exchange import PIECE
from builds.images.indexes import indexes_of
from builds.images.segment import WheelFile
from builds.images.workshop import Workshop

PLACE = "studio-build"
NOBODY = 65534
_CERTIFICATES = f"/{PLACE}/certificates.pem"
_EPOCH = "315532800"  # 1980, which is as early as a wheel's files can be from
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


def variables(workshop: Workshop) -> dict[str, str]:
    """Return what the build sees of its surroundings: no password is among it, for its code is anybody's."""
    found = {
        "HOME": f"/{PLACE}/home",
        "TMPDIR": f"/{PLACE}/scratch",
        "TERM": "dumb",
        "SOURCE_DATE_EPOCH": _EPOCH,
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PIP_NO_CACHE_DIR": "1",
        "PIP_NO_INPUT": "1",
        "PIP_NO_COLOR": "1",
        "PIP_PROGRESS_BAR": "off",
        "PIP_RETRIES": "2",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    # What builds a package comes from the same index as packages do.
    _, indexes = indexes_of((), workshop.index_url, os.environ)
    parts = urlsplit(indexes.main)
    found["PIP_INDEX_URL"] = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    if _trusted() is not None:
        found |= dict.fromkeys(("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"), _CERTIFICATES)
    proxies = {name: os.environ[name] for name in _PROXIES if os.environ.get(name)}
    return found | {name: value for name, value in proxies.items() if "@" not in value}


def _trusted() -> Path | None:
    """Return the certificates that this machine trusts, where it says so."""
    named = os.environ.get("SSL_CERT_FILE")
    return Path(named) if named and Path(named).is_file() else None


def given(sdist: WheelFile, pip: WheelFile) -> Iterator[bytes]:
    """Yield the archive of what the container is given."""
    for folder in ("", "/home", "/scratch", "/out"):
        entry = tarfile.TarInfo(f"{PLACE}{folder}")
        entry.type, entry.mode = tarfile.DIRTYPE, 0o755
        entry.uid = entry.gid = NOBODY
        yield entry.tobuf(tarfile.GNU_FORMAT)
    files = {f"{PLACE}/{file.path.name}": file.path for file in (sdist, pip)}
    if (trusted := _trusted()) is not None:
        files[_CERTIFICATES.lstrip("/")] = trusted
    for name, path in files.items():
        with path.open("rb") as file:
            entry = tarfile.TarInfo(name)
            entry.size = os.fstat(file.fileno()).st_size
            yield entry.tobuf(tarfile.GNU_FORMAT)
            while piece := file.read(PIECE):
                yield piece
        yield bytes(-entry.size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)
