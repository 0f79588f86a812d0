"""Compiled modules of packages, cached one by one: each is compiled once for all environments and platforms."""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from builds.imaging.bytecode import compilers as bytecode
from builds.imaging.bytecode.compilers import Compilers, cached_path
from builds.imaging.bytecode.compiling import MOST_SOURCE
from builds.imaging.bytecode.interpreters import Interpreter
from builds.imaging.files import WheelFile
from builds.imaging.oci import tar
from builds.imaging.oci.handover import handed_over
from builds.imaging.oci.store import disk_errors
from builds.imaging.packing.segment import short
from builds.imaging.packing.wheel import Member, Wheel, record_hash

if TYPE_CHECKING:  # it loads the HTTP client, which the confined process has no use for
    from builds.imaging.workshop import Workshop

_KIND = "modules"


@dataclass(frozen=True, slots=True)
class Module:
    """A compiled module: the piece of a cached file that is its entry in a tar, and what it imports.

    `length` is that of the piece; 0 for what is no Python. Relative imports begin with dots. `source` is a short hash
    of the source, as `Segment.files` has it.
    """

    file: str
    start: int
    length: int
    imports: tuple[str, ...]
    source: str

    @classmethod
    def from_json(cls, file: str, value: Any) -> Self:
        """Read one module of an index, or of a process's answer. Raises ValueError for anything else."""
        match value:
            case [int(start), int(length), list(imports), str(source)] if (
                start >= 0 and length >= 0 and all(isinstance(name, str) for name in imports)
            ):
                return cls(file, start, length, tuple(imports), source)
        raise ValueError("This describes no compiled module.")


def compile_modules(
    wheel: Wheel, paths: Iterable[str], compilers: Compilers, interpreter: Interpreter, out: Path
) -> list[Any]:
    """Compile modules of a wheel, in the confined process; write each as an entry of a tar. Return what `Module` reads."""
    members = {member.path: member for member in wheel.members}
    sources = [(path, _source(wheel, members[path])) for path in paths]
    made = compilers.compile(sources).result()
    results: list[Any] = []
    with disk_errors(), out.open("xb", buffering=1 << 20) as file:
        start = 0
        for (path, source), (code, imports) in zip(sources, made, strict=True):
            if code is not None:
                file.write(tar.header(cached_path(path, interpreter.minor), len(code), 0o644))
                file.write(code)
                file.write(tar.padding(len(code)))
            end = file.tell()
            results.append([start, end - start, imports, short(record_hash(source)[0])])
            start = end
    return results


def _source(wheel: Wheel, member: Member) -> bytes:
    # The compiler refuses this, as it would have to refuse a file of that size.
    return wheel.content(member.info) if member.info.file_size <= MOST_SOURCE else b"\0"


class Modules:
    """The compiled modules of packages, by one interpreter. Many threads may use it.

    They are kept for each version of a package, by the hashes of their sources: its wheels for several platforms hold
    mostly the same. The process that compiles computes these hashes, so a wheel whose RECORD lies deceives only itself.
    """

    def __init__(self, workshop: Workshop, interpreter: Interpreter) -> None:
        self._workshop = workshop
        self.interpreter = interpreter
        self._lock = threading.Lock()
        self._new: dict[str, dict[str, Module]] = {}

    def known(self, wheel: WheelFile, files: Mapping[str, str]) -> dict[str, Module]:
        """Return the modules among a wheel's `Segment.files` that were compiled before, by the path of their source."""
        index: Any = self._workshop.recall(_KIND, self._key(wheel)) or {}
        modules: dict[str, Module] = {}
        for file, entries in index.items():
            if not self._workshop.used(self._path(file)):
                continue
            # A machine that lost its power may have kept the index, and less of the file.
            size = self._path(file).stat().st_size
            made = {path: Module.from_json(file, entry) for path, entry in entries.items()}
            modules |= {
                path: module
                for path, module in made.items()
                if module.start + module.length <= size and module.source == files.get(path)
            }
        return modules

    def keep(
        self, wheel: WheelFile, paths: Iterable[str], answer: Iterable[Any], out: Path
    ) -> dict[str, Module]:
        """Take over the file that a process wrote the modules to. Raises ValueError for an answer that does not fit."""
        name = secrets.token_hex(16)
        with handed_over(out, self._workshop.folder(_KIND)) as (moved, content):
            size = os.fstat(content.fileno()).st_size
            made = {path: Module.from_json(name, entry) for path, entry in zip(paths, answer, strict=True)}
            if any(module.start + module.length > size for module in made.values()):
                raise ValueError("A module is outside of its file.")
            self._workshop.reserve_disk(size)
            moved.replace(self._path(name))
        with self._lock:
            self._new.setdefault(self._key(wheel), {}).update(made)
        return made

    def save(self) -> None:
        """Let later builds know what was kept. What another build keeps at the same moment may be compiled again."""
        with self._lock:
            new, self._new = self._new, {}
        for key, modules in new.items():
            index: dict[str, dict[str, Any]] = self._workshop.recall(_KIND, key) or {}
            for path, module in modules.items():
                entry = [module.start, module.length, list(module.imports), module.source]
                index.setdefault(module.file, {})[path] = entry
            self._workshop.remember(_KIND, key, index)

    def entries(self, modules: Iterable[Module]) -> Iterator[bytes]:
        """Yield the entries of these modules; their files are opened once each."""
        with ExitStack() as stack:
            files: dict[str, BinaryIO] = {}
            for module in modules:
                if module.file not in files:
                    files[module.file] = stack.enter_context(self._path(module.file).open("rb"))
                files[module.file].seek(module.start)
                yield files[module.file].read(module.length)

    def _path(self, file: str) -> Path:
        return self._workshop.cache / _KIND / file

    def _key(self, wheel: WheelFile) -> str:
        return f"{bytecode.key(self.interpreter)} {wheel.name} {wheel.version}"


def identity(modules: Mapping[str, Module]) -> str:
    """Return a hash of the modules that have bytecode: with the wheel and the interpreter, it tells their bytes."""
    paths = sorted(path for path, module in modules.items() if module.length)
    return hashlib.sha256("\n".join(paths).encode()).hexdigest()
