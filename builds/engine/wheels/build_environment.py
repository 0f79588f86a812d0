"""Prepare the container that builds a wheel: the source, pip, certificates, a few variables, and logins."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from builds.engine.exchange import PIECE
from builds.imaging.cutoffs.limits import NO_LIMITS, Limits
from builds.imaging.files import WheelFile
from builds.imaging.pip.indexes import indexes_of
from builds.imaging.pip.lines.pip_options import options_of
from builds.imaging.pip.lines.requirement import checked
from builds.imaging.pip.listings import ListedFile, Listings
from builds.imaging.reporting import Reporter
from builds.imaging.workshop import Workshop
from environments.network.credentials import host_of, without_login

FOLDER = "studio-build"
NOBODY = 65534
_CERTIFICATES = f"/{FOLDER}/certificates.pem"
_EPOCH = "315532800"  # 1980, which is as early as a wheel's files can be from
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


class BuildEnvironment:
    """The environment in which a wheel is built: indexes of its build requirements, and their logins.

    Its code is anybody's. So no password of the studio is among it, and of the workspace only what the very
    indexes want that the definition names: in a file of the container, which is in no layer and goes with it.
    """

    def __init__(self, lines: Sequence[str], workshop: Workshop, limits: Limits = NO_LIMITS) -> None:
        self._limits = limits
        plain, options = options_of(checked(lines))
        rest, self._indexes = indexes_of(plain, workshop.index_url, os.environ)
        self._pages = [line.partition(" ")[2] for line in rest if line.startswith("--find-links ")]
        self._settings = options.settings
        self._workshop = workshop
        _, usual = indexes_of((), workshop.index_url, os.environ)
        self._logins = workshop.logins
        private = workshop.private("index", self._indexes.urls)
        named = [without_login(url) for url in self._indexes.urls]
        self.mark = () if self._indexes == usual and not private else (*named, private)

    @property
    def urls(self) -> tuple[str, ...]:
        """Return the indexes, without logins."""
        return tuple(map(without_login, self._indexes.urls))

    def settings(self, name: str) -> list[str]:
        """Return pip's options for the settings that a definition gives the build of a package."""
        return [word for setting in self._settings.get(name, ()) for word in ("--config-settings", setting)]

    def listed(self, name: str, reporter: Reporter) -> tuple[ListedFile, ...]:
        """Return all files that the indexes have of a package."""
        return Listings(self._indexes, self._pages, self._workshop, reporter).of(name)

    def variables(self) -> dict[str, str]:
        """Return the environment of the build."""
        result = {
            "HOME": f"/{FOLDER}/home",
            "TMPDIR": f"/{FOLDER}/scratch",
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
            # Build requirements come from the same indexes as packages do.
            "PIP_INDEX_URL": without_login(self._indexes.main),
        }
        # pip from 26 on obeys it, and wants upload times of every index; it knows no exceptions.
        limit = self._limits.of()
        if limit is not None and all(self._limits.of(url=url) == limit for url in self.urls):
            result["PIP_UPLOADED_PRIOR_TO"] = limit.before.isoformat()
        # The solver asked them over plain HTTP too, where the definition or the studio says so.
        plain = [host_of(url) for url in self._indexes.urls if url.startswith("http://")]
        if plain:
            result["PIP_TRUSTED_HOST"] = " ".join(plain)
        if self._indexes.extra:
            result["PIP_EXTRA_INDEX_URL"] = " ".join(map(without_login, self._indexes.extra))
        if _trusted() is not None:
            result |= dict.fromkeys(("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"), _CERTIFICATES)
        proxies = {name: os.environ[name] for name in _PROXIES if os.environ.get(name)}
        return result | {name: value for name, value in proxies.items() if "@" not in value}

    def given(self, sdist: WheelFile, pip: WheelFile) -> Iterator[bytes]:
        """Yield the archive of what the container is given."""
        for folder in ("", "/home", "/scratch", "/out"):
            entry = tarfile.TarInfo(f"{FOLDER}{folder}")
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            entry.uid = entry.gid = NOBODY
            yield entry.tobuf(tarfile.GNU_FORMAT)
        secret = self._netrc().encode()
        if secret:
            entry = tarfile.TarInfo(f"{FOLDER}/home/.netrc")
            entry.mode, entry.size = 0o600, len(secret)
            entry.uid = entry.gid = NOBODY
            yield entry.tobuf(tarfile.GNU_FORMAT) + secret + bytes(-len(secret) % tarfile.BLOCKSIZE)
        files = {f"{FOLDER}/{file.path.name}": file.path for file in (sdist, pip)}
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

    def _netrc(self) -> str:
        """Return the file in which pip looks for passwords: one a host, that of the index asked first."""
        lines: dict[str, str] = {}
        for url in (self._indexes.main, *self._indexes.extra):
            login, host = self._logins.find("index", url), urlsplit(url).hostname
            if login is not None and host:
                lines.setdefault(
                    host, f"machine {host} login {_quoted(login.user)} password {_quoted(login.password)}\n"
                )
        return "".join(lines.values())


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _trusted() -> Path | None:
    """Return the certificates that this machine trusts, where it says so."""
    named = os.environ.get("SSL_CERT_FILE")
    return Path(named) if named and Path(named).is_file() else None
