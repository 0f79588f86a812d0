"""In the worker: one conda package as a piece of a layer, as it will be at /opt/env."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from builds.images import bytecode
from builds.images.bytecode import Compilers
from builds.images.conda.archive import contents, refuse_hostile
from builds.images.conda.files import CondaFile, conda_file, python_minor, wants_to_run
from builds.images.conda.installed import Installed, add
from builds.images.conda.staging import Place, staged
from builds.images.gzipped import CODEC, TarGzip
from builds.images.segment import Compiling, Packer, WheelFile
from builds.images.store import BlobStore
from builds.images.wheel import PREFIX
from builds.images.workshop import Workshop

FORMAT = f"conda-1 rattler-{importlib.metadata.version('py-rattler')}"


class Packing:
    """What a worker keeps from one package to the next: its compilers. Use as a context manager."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._compilers: dict[str, Compilers] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Pack one package."""
        workshop = Workshop(store=BlobStore(asked["store"]), cache=Path(asked["cache"]))
        python = conda_file(asked["python"]) if asked["python"] else None
        compilers = self._compilers_of(asked["interpreter"]) if asked["interpreter"] else None
        place = Place(python, asked["platform"], Path(asked["staging"]))
        CondaPacker(workshop, place, compilers).pack(conda_file(asked["file"]), alone=asked["alone"])
        return {}

    def _compilers_of(self, interpreter: str) -> Compilers:
        if interpreter not in self._compilers:
            # One, as there is a worker for every core.
            self._compilers[interpreter] = self._open.enter_context(Compilers(interpreter, 1))
        return self._compilers[interpreter]


class CondaPacker(Packer):
    """Packs conda packages for one environment's Python, where it has one."""

    def __init__(
        self,
        workshop: Workshop,
        place: Place,
        compilers: Compilers | None,
        *,
        compiled: bool | None = None,
    ) -> None:
        self._minor = python_minor(place.python)
        super().__init__(workshop, self._minor, compilers, compiled=compiled)
        self._place = place

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
        if about.pre_link:
            raise wants_to_run(file)
        with staged(file, self._place) as prefix:
            installed = Installed(prefix, file)
            compiling = Compiling(self._compilers if about.noarch_python else None, PREFIX)
            for path in installed.paths():
                folder(f"{PREFIX}/{path}")
                content = add(out, prefix, path, installed)
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
