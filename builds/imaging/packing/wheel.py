"""What a wheel puts where: the tree that a standard installer gives, read without unpacking anything."""

from __future__ import annotations

import configparser
import csv
import io
import lzma
import mmap
import re
import stat
import struct
import zipfile
import zlib
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesHeaderParser
from hashlib import sha256
from pathlib import Path

from packaging.utils import canonicalize_name

from builds.images.gzipped import Damaged, Stream
from builds.images.report import ImageError

PREFIX = "opt/env"
MOST_FILES = 200_000
MOST_BYTES = 32 * 1024**3
LARGE = 32 * 1024**2  # bigger members are never held in memory whole

# NotImplementedError, for a method that zipfile does not know, is a RuntimeError.
_UNREADABLE = (Damaged, zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError, EOFError, OSError)
_LOCAL_HEADER = struct.Struct("<4s22xHH")
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
    site: str = field(init=False)
    members: list[Member] = field(init=False)

    def __post_init__(self) -> None:
        self.site = f"{PREFIX}/lib/python{self.python[0]}.{self.python[1]}/site-packages"
        try:
            self._archive = zipfile.ZipFile(self.file)
        except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
            raise self.bad(f"it is not a zip file ({error})") from error
        try:
            with self.file.open("rb") as file:
                self._bytes = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            self._dist_info = self._find_dist_info()
            self.members = list(self._placed())
        except BaseException:
            self._archive.close()
            raise

    def __enter__(self) -> Wheel:
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()

    def metadata(self) -> Message:
        """Return the wheel's METADATA."""
        return BytesHeaderParser().parsebytes(self.read(f"{self._dist_info}/METADATA"))

    def read(self, name: str) -> bytes:
        """Return a small member by its name in the wheel."""
        try:
            info = self._archive.getinfo(name)
        except KeyError:
            raise self.bad(f"it has no {name}") from None
        return bytes(self.content(info, self.stream(info)))

    def content(self, info: zipfile.ZipInfo, stream: Stream | None) -> bytes | bytearray:
        """Return a member's content, checked; `stream` is what `stream` gives for it."""
        try:
            if stream is not None:
                return stream.inflated()
            return self._archive.read(info)
        except _UNREADABLE as error:
            raise self.bad(f"“{info.filename}” in it is damaged ({error})") from error

    def pieces(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        """Yield the content of a large member that is not deflated."""
        try:
            with self._archive.open(info) as file:
                while piece := file.read(1 << 20):
                    yield piece
        except _UNREADABLE as error:
            raise self.bad(f"“{info.filename}” in it is damaged ({error})") from error

    def stream(self, info: zipfile.ZipInfo) -> Stream | None:
        """Return a member's own deflate stream; None for one that is stored in another way."""
        if info.compress_type != zipfile.ZIP_DEFLATED:
            return None
        start = info.header_offset
        head = bytes(self._bytes[start : start + _LOCAL_HEADER.size])
        if len(head) < _LOCAL_HEADER.size or not head.startswith(b"PK\3\4"):
            raise self.bad(f"“{info.filename}” in it has no header")
        _, name_size, extra_size = _LOCAL_HEADER.unpack(head)
        start += _LOCAL_HEADER.size + name_size + extra_size
        raw = self._bytes[start : start + info.compress_size]
        if len(raw) != info.compress_size:
            raise self.bad(f"“{info.filename}” in it is cut off")
        return Stream(raw, info.CRC, info.file_size)

    def with_shebang(self, content: bytes) -> bytes:
        """Return a script of the wheel with the image's own Python in its first line."""
        if not content.startswith(b"#!python"):
            return content
        _, newline, rest = content.partition(b"\n")
        return b"#!/" + PREFIX.encode() + b"/bin/python" + newline + rest

    def entry_points(self) -> list[tuple[str, bytes]]:
        """Return path and text of each script that the entry points ask for."""
        name = f"{self._dist_info}/entry_points.txt"
        if name not in self._archive.NameToInfo:
            return []
        parser = configparser.ConfigParser(delimiters=("=",), strict=False, interpolation=None)
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        try:
            parser.read_string(self.read(name).decode())
        except (configparser.Error, UnicodeDecodeError) as error:
            raise self.bad(f"its entry points cannot be read ({error})") from error
        found: dict[str, bytes] = {}
        for section in ("console_scripts", "gui_scripts"):
            for command, target in parser.items(section) if parser.has_section(section) else ():
                if not target:
                    continue
                matched = re.match(r"([\w.]+)\s*:\s*([\w.]+)\s*(?:\[.*\])?\s*$", target)
                if not matched or "/" in command or command in ("", ".", ".."):
                    raise self.bad(f"its entry point “{command} = {target}” is not one")
                module, call = matched.groups()
                python = f"/{PREFIX}/bin/python"
                text = _SCRIPT.format(python=python, module=module, first=call.split(".")[0], call=call)
                found[f"{PREFIX}/bin/{command}"] = text.encode()
        return sorted(found.items())

    def record(self, written: dict[str, tuple[str, int] | None]) -> tuple[str, bytes]:
        """Return path and text of RECORD, given hash and size of each file by its path; None for bytecode."""
        path = f"{self.site}/{self._dist_info}/RECORD"
        rows = [(self._in_record(path), "", "")]
        for file, what in written.items():
            told = ("", "") if what is None else (what[0], str(what[1]))
            rows.append((self._in_record(file), *told))
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows(sorted(rows))
        return path, out.getvalue().encode()

    def recorded(self) -> dict[str, tuple[str, int]]:
        """Return what the wheel's own RECORD says: hash and size by the member's name."""
        found = {}
        for row in self._record_rows():
            if len(row) >= 3 and row[1].startswith("sha256=") and row[2].isdigit():
                found[row[0]] = (row[1], int(row[2]))
        return found

    @property
    def is_record(self) -> frozenset[str]:
        """The names in the wheel that its RECORD goes by; these are written anew or left out."""
        return frozenset(f"{self._dist_info}/RECORD{end}" for end in ("", ".jws", ".p7s"))

    def _record_rows(self) -> Iterator[list[str]]:
        text = self.read(f"{self._dist_info}/RECORD").decode(errors="replace")
        yield from csv.reader(io.StringIO(text, newline=""))

    def _in_record(self, path: str) -> str:
        if path.startswith(f"{self.site}/"):
            return path[len(self.site) + 1 :]
        return "../../../" + path[len(PREFIX) + 1 :]

    def _find_dist_info(self) -> str:
        folders = {name.split("/")[0] for name in self._archive.NameToInfo}
        wanted = canonicalize_name(self.name)
        matching = [
            folder
            for folder in folders
            if folder.endswith(".dist-info") and canonicalize_name(folder.partition("-")[0]) == wanted
        ]
        if not matching:
            # Some build tools left the name's own hyphens in, where the version begins for others. pip looks so too.
            every = [folder for folder in folders if folder.endswith(".dist-info")]
            matching = every if [canonicalize_name(one).startswith(wanted) for one in every] == [True] else []
        if len(matching) != 1:
            raise self.bad(f"it has {len(matching)} .dist-info folders of that name")
        return matching[0]

    def _placed(self) -> Iterator[Member]:
        data = self._dist_info.removesuffix(".dist-info") + ".data/"
        latest: dict[str, Member] = {}
        total = 0
        if len(self._archive.filelist) > MOST_FILES:
            raise self.bad(f"it has more than {MOST_FILES:,} files")
        for info in self._archive.filelist:
            name = info.orig_filename
            if name.endswith("/"):
                continue
            self._refuse_escape(name)
            if info.flag_bits & 1:
                raise self.bad(f"“{name}” in it is encrypted")
            total += info.file_size
            if total > MOST_BYTES:
                raise self.bad(f"it unpacks to more than {MOST_BYTES:,} bytes")
            mode = info.external_attr >> 16
            executable = bool(mode & 0o111) and (stat.S_ISREG(mode) or not stat.S_IFMT(mode))
            path, script = self._destination(name, data)
            member = Member(path, 0o755 if executable else 0o644, info, script)
            # A zip may name a file twice; whoever unpacks one in order ends with the later.
            latest[path] = member
        yield from (latest[path] for path in sorted(latest))

    def _destination(self, name: str, data: str) -> tuple[str, bool]:
        if not name.startswith(data):
            return f"{self.site}/{name}", False
        kind, slash, rest = name[len(data) :].partition("/")
        if not slash or not rest:
            raise self.bad(f"“{name}” in it is not in a folder of its .data")
        major, minor = self.python
        places = {
            "purelib": self.site,
            "platlib": self.site,
            "scripts": f"{PREFIX}/bin",
            "data": PREFIX,
            "headers": f"{PREFIX}/include/site/python{major}.{minor}/{self.name}",
        }
        if kind not in places:
            raise self.bad(f"it has a .data folder “{kind}”, which no installer knows")
        return f"{places[kind]}/{rest}", kind == "scripts"

    def _refuse_escape(self, name: str) -> None:
        parts = name.split("/")
        if name.startswith("/") or "\\" in name or "\0" in name or {"", ".", ".."} & set(parts):
            raise self.bad(f"“{name}” in it would be written elsewhere")

    def bad(self, why: str) -> ImageError:
        """Return the error for a wheel that cannot be used."""
        return ImageError(
            "bad-wheel",
            f"The wheel {self.file.name} of {self.name} cannot be used: {why}.",
            "Pin another version of the package, or tell its maintainers.",
            fault="outside",
        )


def record_hash(content: bytes | bytearray) -> tuple[str, int]:
    """Return the hash and size of a file as RECORD writes them."""
    digest = urlsafe_b64encode(sha256(content).digest()).rstrip(b"=").decode()
    return f"sha256={digest}", len(content)
