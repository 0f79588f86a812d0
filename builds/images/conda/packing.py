"""In the worker: one conda package as a piece of a layer, as it will be at /opt/env."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.metadata
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rattler import RepoDataRecord, install
from rattler.exceptions import InstallerError
from rattler.networking import Client
from rattler.platform.subdir import Subdir

from builds.images import bytecode
from builds.images.bytecode import Compilers
from builds.images.conda.archive import contents, refuse_hostile
from builds.images.gzipped import CODEC, TarGzip
from builds.images.report import ImageError
from builds.images.segment import Packer, WheelFile, _Compiling
from builds.images.store import BlobStore
from builds.images.wheel import LARGE, PREFIX
from builds.images.workshop import Workshop

FORMAT = f"conda-1 rattler-{importlib.metadata.version('py-rattler')}"
_META = "conda-meta"
_LEFT_BEHIND = {"CACHEDIR.TAG", f"{_META}/history"}
_PYC_HEADER = 16
_UNCHECKED_HASH = (1).to_bytes(4, "little")


@dataclass(frozen=True, slots=True)
class CondaFile(WheelFile):
    """A fetched conda package, where the lock says it is from, and for which platform it is."""

    url: str
    channel: str
    subdir: str

    def told(self) -> dict[str, Any]:
        """Return it as JSON for a worker."""
        told = {name: getattr(self, name) for name in ("name", "version", "sha256", "size")}
        told |= {name: getattr(self, name) for name in ("url", "channel", "subdir")}
        return told | {"path": str(self.path.absolute())}


def conda_file(told: dict[str, Any]) -> CondaFile:
    """Return what `told` told."""
    return CondaFile(**{**told, "path": Path(told["path"])})


def answer_packing(asked: dict[str, Any]) -> dict[str, Any]:
    """Pack one package."""
    workshop = Workshop(store=BlobStore(asked["store"]), cache=Path(asked["cache"]), jobs=asked["jobs"])
    python = conda_file(asked["python"]) if asked["python"] else None
    with ExitStack() as stack:
        compilers = None
        if asked["interpreter"]:
            compilers = stack.enter_context(Compilers(asked["interpreter"], asked["jobs"]))
        packer = CondaPacker(
            workshop, python, compilers, platform=asked["platform"], staging=Path(asked["staging"])
        )
        packer.pack(conda_file(asked["file"]), alone=asked["alone"])
    return {}


class CondaPacker(Packer):
    """Packs conda packages for one environment's Python, where it has one."""

    def __init__(
        self,
        workshop: Workshop,
        python: CondaFile | None,
        compilers: Compilers | None,
        *,
        staging: Path | None = None,
        platform: str,
        compiled: bool | None = None,
    ) -> None:
        minor = python_minor(python)
        super().__init__(workshop, minor, compilers, compiled=compiled)
        self._python_package = python
        self._platform = platform
        self._staging = staging
        self._minor = minor

    def _key(self, wheel: WheelFile, *, alone: bool) -> str:
        assert isinstance(wheel, CondaFile)  # noqa: S101
        kind = "layer" if alone else "part"
        parts = [FORMAT, CODEC, PREFIX, kind, wheel.path.name, wheel.sha256, wheel.url]
        if wheel.subdir == "noarch":
            # Where its modules go, and their bytecode, depend on the Python.
            parts += [str(self._minor), bytecode.FORMAT if self._compiled else "no-bytecode"]
        return " ".join(parts)

    def _write(self, file: WheelFile, out: TarGzip, folder: Callable[[str], None]) -> list[str]:
        """Write all that the package installs, bytecode after it, and conda's own record of it last."""
        assert isinstance(file, CondaFile)  # noqa: S101
        refuse_hostile(file)
        about = contents(file)
        if about.scripts:
            raise wants_to_run(file)
        with _staged(file, self._python_package, self._platform, self._staging) as prefix:
            installed = _Installed(prefix, file)
            compiling = _Compiling(self._compilers if about.noarch_python else None, PREFIX)
            for path in installed.paths():
                folder(f"{PREFIX}/{path}")
                content = _add(out, prefix, path, installed)
                if content is not None:
                    compiling.add(f"{PREFIX}/{path}", content)
            taken: dict[str, tuple[str, int] | None] = {
                f"{PREFIX}/{path}": None for path in installed.written
            }
            made = compiling.results(self._minor, taken)
            for path, code in made.items():
                folder(path)
                out.file(path, code)
                installed.note(path.removeprefix(f"{PREFIX}/"), code, kind="pyc_file")
            record, text = installed.record()
            folder(f"{PREFIX}/{record}")
            out.file(f"{PREFIX}/{record}", text)
            return [*(f"{PREFIX}/{path}" for path in installed.written), f"{PREFIX}/{record}"]


def python_minor(python: CondaFile | None) -> tuple[int, int]:
    """Return major and minor version of the environment's Python; zeros where there is none."""
    if python is None:
        return 0, 0
    major, minor, *_ = python.version.split(".")
    return int(major), int(minor)


def wants_to_run(file: WheelFile) -> ImageError:
    """Return the error for a package with a script of its own."""
    return ImageError(
        "post-link-script",
        f"The conda package {file.name} {file.version} has a post-link script, which would have to run"
        " while it is installed. Nothing of a package runs on the studio's machine.",
        "Leave the package out, take it from the package index, or install it in a Dockerfile.",
    )


@contextmanager
def _staged(file: CondaFile, python: CondaFile | None, platform: str, staging: Path | None) -> Iterator[Path]:
    """Install the package alone in a folder of its own, as if that were /opt/env."""
    folder = Path(tempfile.mkdtemp(dir=staging))
    try:
        asyncio.run(_install(file, python, platform, folder))
        yield folder / "env"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _install(file: CondaFile, python: CondaFile | None, platform: str, folder: Path) -> None:
    records = [await RepoDataRecord.from_package_archive(file.path)]
    ignored = set()
    if python is not None and python.name != file.name:
        # The Python is not installed again: rattler asks it where modules belong.
        records.append(await RepoDataRecord.from_package_archive(python.path))
        ignored = {python.name}
    try:
        await install(
            records,
            folder / "env",
            cache_dir=folder / "packages",
            installed_packages=[],
            ignored_packages=ignored,
            platform=Subdir(platform),
            execute_link_scripts=False,
            show_progress=False,
            client=Client(),
            alternative_target_prefix=f"/{PREFIX}",
        )
    except InstallerError as error:
        raise ImageError(
            "bad-package",
            f"The conda package {file.path.name} cannot be installed: {str(error).replace(str(folder), '…')}.",
            "Pin another version or build of it.",
        ) from error


class _Installed:
    """The files of an installed package, and conda's record of them."""

    def __init__(self, prefix: Path, file: CondaFile) -> None:
        self.prefix = prefix
        self.written: list[str] = []
        self._file = file
        (record,) = (prefix / _META).glob("*.json")
        self._name = f"{_META}/{record.name}"
        self._record: dict[str, Any] = json.loads(record.read_bytes())
        self._listed = {entry["_path"]: entry for entry in self._record["paths_data"]["paths"]}
        self._left_out: set[str] = set()

    def paths(self) -> Iterator[str]:
        """Yield the paths of its files and links, in order."""
        found = []
        for folder, folders, names in os.walk(self.prefix):
            links = [name for name in folders if Path(folder, name).is_symlink()]
            found += [str(Path(folder, name).relative_to(self.prefix)) for name in (*names, *links)]
        for path in sorted(found):
            if path not in _LEFT_BEHIND and path != self._name:
                self.written.append(path)
                yield path

    def leave_out(self, path: str) -> None:
        """Take a file out of the record that is not in the layer."""
        self.written.remove(path)
        self._left_out.add(path)

    def note(self, path: str, content: bytes, *, kind: str = "") -> None:
        """Record a file that was made or changed here."""
        digest = hashlib.sha256(content).hexdigest()
        if path in self._listed:
            self._listed[path]["sha256_in_prefix"] = digest
            return
        self.written.append(path)
        self._listed[path] = {
            "_path": path,
            "path_type": kind,
            "sha256": digest,
            "size_in_bytes": len(content),
        }

    def record(self) -> tuple[str, bytes]:
        """Return path and text of conda's record: where the package is from, nothing of this machine."""
        for name in ("extracted_package_dir", "package_tarball_full_path", "link"):
            self._record.pop(name, None)
        listed = [self._listed[path] for path in sorted(self._listed) if path not in self._left_out]
        self._record["url"], self._record["channel"] = self._file.url, self._file.channel
        self._record["files"] = [entry["_path"] for entry in listed]
        self._record["paths_data"]["paths"] = listed
        return self._name, (json.dumps(self._record, indent=2, sort_keys=True) + "\n").encode()


def _add(out: TarGzip, prefix: Path, path: str, installed: _Installed) -> bytes | None:
    """Write one file or link; return its content, unless that is too large to hold."""
    place, target = prefix / path, f"{PREFIX}/{path}"
    if place.is_symlink():
        out.symlink(target, os.readlink(place))
        return None
    status = place.lstat()
    mode = 0o755 if status.st_mode & stat.S_IXUSR else 0o644
    if status.st_size > LARGE:
        out.begin(target, status.st_size, mode)
        with place.open("rb") as file:
            while piece := file.read(1 << 20):
                out.more(piece)
        out.padded(status.st_size)
        return None
    content = place.read_bytes()
    if path.endswith(".pyc"):
        lasting = _without_time(content, _source_size(place))
        if lasting is None:
            installed.leave_out(path)
            return None
        if lasting != content:
            content = lasting
            installed.note(path, content)
    out.file(target, content, mode)
    return content


def _source_size(place: Path) -> int | None:
    source = place.parent.parent / f"{place.name.partition('.')[0]}.py"
    return source.stat().st_size if place.parent.name == "__pycache__" and source.is_file() else None


def _without_time(code: bytes, source_size: int | None) -> bytes | None:
    """Return bytecode that is valid whenever its source was written, as every file of a layer is as old.

    None for bytecode of another source: of the one before its prefix was put in.
    """
    if len(code) < _PYC_HEADER or code[4:8] != bytes(4):
        return code
    if source_size is not None and int.from_bytes(code[12:16], "little") != source_size:
        return None
    return code[:4] + _UNCHECKED_HASH + code[8:]
