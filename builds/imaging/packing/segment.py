"""A wheel as a piece of a layer: packed into a file, with the same bytes on every machine."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

from builds.imaging.bytecode.interpreters import Minor
from builds.imaging.files import WheelFile
from builds.imaging.oci.codecs import CODECS
from builds.imaging.oci.gzipped import Damaged, Stream
from builds.imaging.oci.layer import Layer, LayerStream
from builds.imaging.oci.packed_tar import PackedTar
from builds.imaging.oci.store import disk_errors
from builds.imaging.packing.wheel import LARGE, OWN_SHEBANG, Member, Wheel, command_of, record_hash

FORMAT = "segment-6"
# A smaller file is compressed again together with its neighbours: that is faster, and packs better.
SMALL = 8 * 1024
_KEPT_OPEN = 32

_DIFF_ID = re.compile(r"(?:sha256:[0-9a-f]{64})?")

Recorded = dict[str, tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Segment:
    """A packed wheel: members of a codec in a file of their own, or a whole layer already in the store.

    `files` is a short hash of each file's content by its path; `commands` are the modules that its commands import.
    """

    key: str
    name: str
    version: str
    files: Mapping[str, str]
    file: Path | None
    layer: Layer | None
    commands: tuple[str, ...] = ()

    @property
    def stored(self) -> int:
        """The size in bytes in the store or the cache."""
        if self.layer is not None:
            return self.layer.descriptor.size
        return self.file.stat().st_size if self.file is not None else 0


@dataclass(frozen=True, slots=True)
class Packed:
    """The description of a packed package by the process that packed it: `diff_id` and bytes unpacked of a whole layer."""

    files: Mapping[str, str]
    diff_id: str = ""
    unpacked: int = 0
    commands: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read what a process answers. Raises ValueError for anything else."""
        match value:
            case {
                "files": dict(files),
                "diff_id": str(diff_id),
                "unpacked": int(unpacked),
                "commands": list(commands),
            } if all(isinstance(text, str) for text in (*files.values(), *commands)) and _DIFF_ID.fullmatch(
                diff_id
            ):
                return cls(files, diff_id, unpacked, tuple(commands))
        raise ValueError("This describes no packed package.")


class Packer:
    """Packs wheels for one Python into files; many threads may call it."""

    def __init__(self, python: Minor, compression: str = "gzip") -> None:
        self._python = python
        self._codec = CODECS[compression]
        # Checking the members of a wheel takes as long as packing it, and modules are compiled in several batches.
        self.opened = lru_cache(maxsize=_KEPT_OPEN)(self._open)

    def _open(self, wheel: WheelFile) -> Wheel:
        return Wheel(wheel.path, wheel.name, self._python, wheel.version)

    def pack(self, wheel: WheelFile, out: Path, *, alone: bool) -> Packed:
        """Pack a wheel into a new file, as a whole layer if `alone`."""
        with disk_errors(), out.open("xb", buffering=1 << 20) as file:
            if alone:
                layer = LayerStream(file.write, self._codec)
                files, commands = self._write(wheel, layer.tar, layer.tree)
                return Packed(files, *layer.end(), commands)
            writing = PackedTar(file.write, codec=self._codec)
            files, commands = self._write(wheel, writing, lambda path: None)
            writing.flush()
            return Packed(files, commands=commands)

    def _write(
        self, file: WheelFile, out: PackedTar, folder: Callable[[str], None]
    ) -> tuple[dict[str, str], tuple[str, ...]]:
        """Write all that the wheel installs: its files, its scripts, and RECORD. Return `Segment.files` and `commands`."""
        with self.opened(file) as wheel:
            recorded, known = Recorded(), wheel.recorded()
            scripts = dict(wheel.entry_points())
            unwanted = wheel.is_record | scripts.keys()
            for member in wheel.members:
                if member.path in unwanted or (member.script and command_of(member.path) in scripts):
                    continue
                folder(member.path)
                content = _add(out, wheel, member)
                digest_and_size = known.get(member.info.filename)
                if digest_and_size is None or member.script:
                    digest_and_size = record_hash(wheel.pieces(member.info) if content is None else content)
                recorded[member.path] = digest_and_size
            for path, text in scripts.items():
                folder(path)
                out.file(path, text, 0o755)
                recorded[path] = record_hash(text)
            path, text = wheel.record(recorded)
            folder(path)
            out.file(path, text)
            return {name: short(what[0]) for name, what in recorded.items()} | {path: ""}, wheel.commands()


def short(digest: str) -> str:
    """Return enough of a file's hash (`sha256=…`, as RECORD writes it) to see that two files differ."""
    return digest[7:19]


def _add(out: PackedTar, wheel: Wheel, member: Member) -> bytes | None:
    """Write one file of the wheel; return its content, unless that is too large to hold."""
    info = member.info
    stream = wheel.stream(info)
    if info.file_size > LARGE:
        if member.script and next(iter(wheel.pieces(info)), b"").startswith(OWN_SHEBANG):
            raise wheel.bad(f"“{info.filename}” in it is too large for a script")
        _add_large(out, wheel, member, stream)
        return None
    content = wheel.content(info)
    if member.script:
        content = wheel.with_shebang(content)
    if stream is None or member.script or stream.size < SMALL:
        out.file(member.path, content, member.mode)
    else:
        out.deflated(member.path, stream, content, member.mode)
    return content


def _add_large(out: PackedTar, wheel: Wheel, member: Member, stream: Stream | None) -> None:
    if stream is not None:
        try:
            out.deflated(member.path, stream, None, member.mode)
        except Damaged as error:
            raise wheel.damaged(member.info, error) from error
        return
    out.begin(member.path, member.info.file_size, member.mode)
    for piece in wheel.pieces(member.info):
        out.more(piece)
    out.padded(member.info.file_size)
