"""Read the file tree that a standard installer creates from a wheel, without unpacking anything."""

from __future__ import annotations

import configparser
import csv
import io
import re
import stat
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesHeaderParser
from hashlib import sha256
from pathlib import Path

from builds.imaging.oci.gzipped import Stream
from builds.imaging.oci.names import shown, why_unusable
from builds.imaging.packing.archive import Archive
from builds.imaging.packing.identity import dist_info_folders, is_dist_info, why_another
from builds.imaging.reporting import ImageError

PREFIX = "opt/env"
DATA = ".data"
LARGE = 32 * 1024**2  # bigger members are never held in memory whole
OWN_SHEBANG = b"#!python"  # an installer writes its own Python there
MOST_METADATA = 2 * 1024**2  # parsed, it takes up to sixty times that
MOST_REQUIREMENTS = 10_000
MOST_SCRIPTS = 10_000

_LONGEST_TARGET = 1000
_TARGET = re.compile(r"([\w.]++)\s*+:\s*+([\w.]++)\s*+(?:\[.*\])?\s*$")
_SHA256 = re.compile(r"sha256=[A-Za-z0-9_-]{43}=?")
_SIZE = re.compile(r"[0-9]{1,15}")
_HEADERS_END = re.compile(rb"(?<=\n)\r?\n")
# In words of Python 3.6, as bases may be that old.
_SCRIPT = """#!{python}
import sys

from {module} import {first}

if __name__ == "__main__":
    if sys.argv[0].endswith("-script.pyw"):
        sys.argv[0] = sys.argv[0][:-11]
    elif sys.argv[0].endswith(".exe"):
        sys.argv[0] = sys.argv[0][:-4]
    sys.exit({call}())
"""


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a wheel, and where it goes. `path` is relative to the image's root."""

    path: str
    mode: int
    info: zipfile.ZipInfo
    script: bool = False


@dataclass
class Wheel:
    """An open wheel. Use as a context manager."""

    file: Path
    name: str
    python: tuple[int, int]
    version: str = ""
    site: str = field(init=False)
    members: list[Member] = field(init=False)

    def __post_init__(self) -> None:
        self.site = site_of(self.python).rstrip("/")
        self._archive = Archive(self.file, self.bad)
        self._refuse_names()
        self._by_name = {info.filename: info for info in self._archive.members}
        self._dist_info = self._find_dist_info()
        self.members = list(self._placed())
        if why := why_another(self.file.name, self._dist_info, self.metadata(), self.name, self.version):
            raise self.bad(why)

    def __enter__(self) -> Wheel:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the file to be closed with the last use of its bytes."""

    def metadata(self) -> Message:
        """Return the wheel's METADATA."""
        text = self.read(f"{self._dist_info}/METADATA", MOST_METADATA)
        # Behind the first empty line is the description, often hundreds of lines that no header is in.
        return BytesHeaderParser().parsebytes(_HEADERS_END.split(text, 1)[0])

    def requirements(self) -> list[str]:
        """Return what the wheel's METADATA requires, as it is written there."""
        needs = [str(need) for need in self.metadata().get_all("Requires-Dist") or []]
        if len(needs) > MOST_REQUIREMENTS:
            raise self.bad(f"it needs more than {MOST_REQUIREMENTS:,} packages")
        return needs

    def requires_python(self) -> str:
        """Return the Pythons that the wheel's METADATA is for, as they are written there; empty for any."""
        return str(self.metadata().get("Requires-Python") or "").strip()[:200]

    def read(self, name: str, most: int) -> bytes:
        """Return a small member by its name in the wheel; refuse more than `most` bytes."""
        if name not in self._by_name:
            raise self.bad(f"it has no {name}")
        return self._archive.content(self._by_name[name], most)

    def content(self, info: zipfile.ZipInfo, most: int = LARGE) -> bytes:
        """Return a member's content, checked."""
        return self._archive.content(info, most)

    def pieces(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        """Yield the content of a large member, checked."""
        return self._archive.pieces(info)

    def stream(self, info: zipfile.ZipInfo) -> Stream | None:
        """Return a member's own deflate stream; None for one that is stored in another way."""
        return self._archive.stream(info)

    def damaged(self, info: zipfile.ZipInfo, error: Exception) -> ImageError:
        """Return the error for a member that does not hold what it claims."""
        return self._archive.damaged(info, error)

    def with_shebang(self, content: bytes) -> bytes:
        """Return a script of the wheel with the image's own Python in its first line."""
        if not content.startswith(OWN_SHEBANG):
            return content
        _, newline, rest = content.partition(b"\n")
        return b"#!/" + PREFIX.encode() + b"/bin/python" + newline + rest

    def entry_points(self) -> list[tuple[str, bytes]]:
        """Return path and text of each script that the entry points ask for."""
        result = {
            f"{PREFIX}/bin/{command}": self._script(command, target)
            for command, target in self._targets().items()
        }
        return sorted(result.items())

    def commands(self) -> tuple[str, ...]:
        """Return the modules that the commands of the entry points import."""
        return tuple(sorted({target.partition(":")[0].strip() for target in self._targets().values()}))

    def _targets(self) -> dict[str, str]:
        """Return the target of each command by its name."""
        name = f"{self._dist_info}/entry_points.txt"
        if name not in self._by_name:
            return {}
        parser = configparser.ConfigParser(delimiters=("=",), strict=False, interpolation=None)
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        raw = self.read(name, MOST_METADATA)
        if len(raw.splitlines()) > MOST_SCRIPTS:
            raise self.bad(f"it has more than {MOST_SCRIPTS:,} entry points")
        try:
            parser.read_string(raw.decode())
        except (configparser.Error, UnicodeDecodeError, AttributeError) as error:
            # AttributeError: a line that goes on after an option without a value.
            raise self.bad(f"its entry points cannot be read ({str(error)[:200]})") from error
        result: dict[str, str] = {}
        for section in ("console_scripts", "gui_scripts"):
            targets = dict(parser.items(section)) if parser.has_section(section) else {}
            named = self._with_versions(targets) if section[0] == "c" else targets
            result |= {command: target for command, target in named.items() if target}
        return result

    def _with_versions(self, targets: dict[str, str]) -> dict[str, str]:
        """Return the commands with those that pip gives the version of the Python it installs for: itself, for one."""
        major, minor = self.python
        for command, versioned in (
            ("pip", (f"pip{major}", f"pip{major}.{minor}")),
            ("easy_install", (f"easy_install-{major}.{minor}",)),
        ):
            if target := targets.get(command):
                own = re.compile(rf"{command}-?\d{{1,3}}(\.\d{{1,3}})?")
                targets = {name: value for name, value in targets.items() if not own.fullmatch(name)}
                targets |= dict.fromkeys(versioned, target)
        return targets

    def _script(self, command: str, target: str) -> bytes:
        why = why_unusable(f"{PREFIX}/bin/{command}")
        matched = _TARGET.match(target) if len(target) <= _LONGEST_TARGET else None
        if not matched or "/" in command or "\\" in command or why:
            written = f"{shown(command)} = {shown(target)}"
            raise self.bad(f"its entry point “{written}” is not one" + (f": {why}" if why else ""))
        module, call = matched.groups()
        python = f"/{PREFIX}/bin/python"
        return _SCRIPT.format(python=python, module=module, first=call.split(".")[0], call=call).encode()

    def record(self, written: dict[str, tuple[str, int]]) -> tuple[str, bytes]:
        """Return path and text of RECORD, given hash and size of each file by its path."""
        path = f"{self.site}/{self._dist_info}/RECORD"
        rows = [(self._in_record(path), "", "")]
        rows += [(self._in_record(file), digest, str(size)) for file, (digest, size) in written.items()]
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows(sorted(rows))
        return path, out.getvalue().encode()

    def recorded(self) -> dict[str, tuple[str, int]]:
        """Return what the wheel's own RECORD says: hash and size by the member's name."""
        text = self.read(f"{self._dist_info}/RECORD", LARGE).decode(errors="replace")
        result = {}
        try:
            for row in csv.reader(io.StringIO(text, newline="")):
                if len(row) >= 3 and _SHA256.fullmatch(row[1]) and _SIZE.fullmatch(row[2]):
                    result[plain(row[0])] = (row[1], int(row[2]))
        except csv.Error as error:
            raise self.bad(f"its RECORD cannot be read ({error})") from error
        return result

    @property
    def is_record(self) -> frozenset[str]:
        """The paths that the wheel's RECORD goes by; these are rewritten or left out."""
        return frozenset(f"{self.site}/{self._dist_info}/RECORD{end}" for end in ("", ".jws", ".p7s"))

    def _in_record(self, path: str) -> str:
        if path.startswith(f"{self.site}/"):
            return path[len(self.site) + 1 :]
        return "../../../" + path[len(PREFIX) + 1 :]

    def _refuse_names(self) -> None:
        """Refuse members whose names cannot be used; give the others the name that they are unpacked by."""
        for info in self._archive.members:
            name = info.orig_filename
            if name != info.filename or "\\" in name:
                raise self.bad(f"“{shown(name)}” in it would be written elsewhere")
            info.filename = plain(name)
            if why := why_unusable(info.filename):
                raise self.bad(f"“{shown(name)}” in it cannot be used: {why}")
            if info.flag_bits & 1:
                raise self.bad(f"“{shown(name)}” in it is encrypted")

    def _find_dist_info(self) -> str:
        folders = dist_info_folders({name.split("/")[0] for name in self._by_name})
        if len(folders) != 1:
            named = ", ".join(shown(folder) for folder in folders[:5])
            raise self.bad(
                f"it has {len(folders)} .dist-info folders, not one" + (f": {named}" if named else "")
            )
        return folders[0]

    def _placed(self) -> Iterator[Member]:
        placed: dict[str, Member] = {}
        for info in self._archive.members:
            if info.filename.endswith("/"):
                continue
            mode = info.external_attr >> 16
            executable = bool(mode & 0o111) and (stat.S_ISREG(mode) or not stat.S_IFMT(mode))
            path, script = self._destination(info.filename)
            self._refuse_destination(path)
            first = placed.setdefault(path, Member(path, 0o755 if executable else 0o644, info, script)).info
            if (first.CRC, first.file_size) != (info.CRC, info.file_size):
                raise self.bad(f"it has two files for {shown(path.removeprefix(PREFIX + '/'))}, which differ")
        yield from (placed[path] for path in sorted(placed))

    def _refuse_destination(self, path: str) -> None:
        """Refuse what .data would put where it harms: metadata of other packages, names nobody can unpack."""
        if why := why_unusable(path):
            raise self.bad(f"“{shown(path)}” in it cannot be used: {why}")
        folder = path.removeprefix(f"{self.site}/").split("/")[0]
        if folder != self._dist_info and path.startswith(f"{self.site}/") and is_dist_info(folder):
            raise self.bad(f"it brings metadata of another package: {shown(folder)}")

    def _destination(self, name: str) -> tuple[str, bool]:
        top, _, below = name.partition("/")
        if not top.endswith(DATA):  # however the name before it is spelled
            return f"{self.site}/{name}", False
        kind, slash, rest = below.partition("/")
        if not slash or not rest:
            raise self.bad(f"“{name}” in it is not in a folder of its .data")
        major, minor = self.python
        paths = {
            "purelib": self.site,
            "platlib": self.site,
            "scripts": f"{PREFIX}/bin",
            "data": PREFIX,
            "headers": f"{PREFIX}/include/site/python{major}.{minor}/{self.name}",
        }
        if kind not in paths:
            raise self.bad(f"it has a .data folder “{kind}”, which no installer knows")
        if kind == "data" and rest.startswith("lib64/"):  # a link to lib, in a virtual environment
            rest = rest.replace("lib64", "lib", 1)
        return f"{paths[kind]}/{rest}", kind == "scripts"

    def bad(self, why: str) -> ImageError:
        """Return the error for a wheel that cannot be used."""
        return ImageError(
            "bad-wheel",
            f"The wheel {self.file.name} of {self.name} cannot be used: {why}.",
            "Pin another version of the package, or tell its maintainers.",
            fault="outside",
        )


def site_of(python: tuple[int, int]) -> str:
    """Return the folder that packages are imported from, with its slash."""
    return f"{PREFIX}/lib/python{python[0]}.{python[1]}/site-packages/"


def plain(name: str) -> str:
    """Return the name that a member is unpacked by: `.` and nothing between slashes lead nowhere."""
    if name.startswith("/") or ("./" not in name and "//" not in name):
        return name
    parts = [part for part in name.split("/") if part not in ("", ".")]
    return "/".join(parts) + ("/" if name.endswith("/") else "")


def command_of(script: str) -> str:
    """Return the path of the command that a script of the wheel is, or that it starts in the way of old setuptools."""
    for end in (".exe", "-script.py", ".pya"):
        if script.lower().endswith(end):
            return script[: -len(end)]
    return script


def record_hash(content: bytes | Iterable[bytes]) -> tuple[str, int]:
    """Return the hash and size of a file as RECORD writes them."""
    digest, size = sha256(), 0
    for piece in (content,) if isinstance(content, bytes) else content:
        digest.update(piece)
        size += len(piece)
    return f"sha256={urlsafe_b64encode(digest.digest()).rstrip(b'=').decode()}", size
