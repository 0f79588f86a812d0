"""In the worker: pack a conda package as a piece of a layer, as it will be at /opt/env."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from builds.imaging.bytecode import compilers as bytecode
from builds.imaging.bytecode.compilers import Compilers
from builds.imaging.bytecode.compiling import Compiling
from builds.imaging.bytecode.interpreters import Interpreter
from builds.imaging.conda.archive import contents_of
from builds.imaging.conda.files import CondaFile, python_minor, wants_to_run
from builds.imaging.conda.installed import Installed, add
from builds.imaging.conda.package.beneath import Beneath
from builds.imaging.conda.package.copying import copied
from builds.imaging.conda.staging import Target, staged
from builds.imaging.files import WheelFile
from builds.imaging.oci.names import shown
from builds.imaging.oci.packed_tar import PackedTar
from builds.imaging.packing.elf import HEAD, machine_of, starts_module
from builds.imaging.packing.segment import Packer
from builds.imaging.packing.segments import Segments
from builds.imaging.packing.wheel import PREFIX
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Workshop

_MACHINES = {"linux-64": "x86_64", "linux-aarch64": "aarch64"}
FORMAT = f"conda-3 rattler-{importlib.metadata.version('py-rattler')}"


class Packing:
    """The state that a worker keeps between packages: its compilers. Use as a context manager."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._compilers: dict[Interpreter, Compilers] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Pack one package into the file that is requested."""
        python = CondaFile.from_json(request["python"]) if request["python"] else None
        compilers = (
            self._compilers_of(Interpreter.from_json(request["interpreter"]))
            if request["interpreter"]
            else None
        )
        target = Target(python, request["platform"], Path(request["staging"]))
        packer = CondaPacker(target, compilers, request["compression"])
        file = CondaFile.from_json(request["file"])
        return asdict(packer.pack(file, Path(request["out"]), alone=request["alone"]))

    def _compilers_of(self, interpreter: Interpreter) -> Compilers:
        if interpreter not in self._compilers:
            # One, as there is a worker for every core.
            self._compilers[interpreter] = self._open.enter_context(Compilers(interpreter, 1))
        return self._compilers[interpreter]


class CondaSegments(Segments):
    """The segments of conda packages for one environment's Python, where it has one."""

    def __init__(self, workshop: Workshop, python: CondaFile | None, interpreter: Interpreter | None) -> None:
        super().__init__(workshop, python_minor(python))
        self._interpreter = interpreter

    def _key(self, wheel: WheelFile, *, alone: bool) -> str:
        assert isinstance(wheel, CondaFile)  # noqa: S101
        kind = "layer" if alone else "part"
        parts = [FORMAT, self._codec.key, PREFIX, kind, wheel.path.name, wheel.sha256, wheel.url]
        if wheel.subdir == "noarch":
            # The path of its modules, and their bytecode, depend on the Python.
            parts += [str(self.python), bytecode.key(self._interpreter)]
        if wheel.aside:
            parts.append(hashlib.sha256("\n".join(wheel.aside).encode()).hexdigest())
        return " ".join(parts)


class CondaPacker(Packer):
    """Packs conda packages for one environment's Python, where it has one."""

    def __init__(self, target: Target, compilers: Compilers | None, compression: str = "gzip") -> None:
        super().__init__(python_minor(target.python), compression)
        self._target = target
        self._compilers = compilers

    def _write(
        self, file: WheelFile, out: PackedTar, folder: Callable[[str], None]
    ) -> tuple[dict[str, str], tuple[str, ...]]:
        """Write all that the package installs, bytecode after it, and conda's own record of it last. Return `Segment.files`, and no commands."""
        assert isinstance(file, CondaFile)  # noqa: S101
        with (
            TemporaryDirectory(dir=self._target.folder) as copies,
            ExitStack() as stack,
        ):
            copy = copied(file, Path(copies), self._python)
            about = contents_of(copy.metadata)
            if about.pre_link:
                raise wants_to_run(file)
            folder_of_it = stack.enter_context(staged(file, copy, self._target))
            installed = Installed(stack.enter_context(Beneath(folder_of_it)), file, copy)
            compiling = Compiling(self._compilers if about.noarch_python else None, PREFIX)
            aside = set(file.aside)
            for path in installed.paths():
                if path in aside:
                    folder(f"{PREFIX}/{installed.put_aside(path)}")
                    add(out, path, installed)
                    continue
                folder(f"{PREFIX}/{path}")
                content = add(out, path, installed)
                if content is not None:
                    self._refuse_foreign(file, path, content)
                    compiling.add(f"{PREFIX}/{path}", content)
            taken = {f"{PREFIX}/{path}" for path in installed.written}
            made = compiling.results(self._python, taken)
            for path, code in made.items():
                folder(path)
                out.file(path, code)
                installed.note(path.removeprefix(f"{PREFIX}/"), code, kind="pyc_file")
            record, text = installed.record()
            folder(f"{PREFIX}/{record}")
            out.file(f"{PREFIX}/{record}", text)
            return installed.files() | {f"{PREFIX}/{record}": ""}, ()

    def _refuse_foreign(self, file: CondaFile, path: str, content: bytes) -> None:
        """Raise ImageError for a module of Python that is made for another machine than the package's platform."""
        wanted = _MACHINES.get(file.subdir)
        machine = machine_of(content[:HEAD])
        if wanted and machine and machine != wanted and starts_module(path, content):
            raise ImageError(
                "bad-package",
                f"{file.path.name} is for {file.subdir}, and {shown(path)} in it is for {machine}.",
                "Pin another version or build of the package, or tell its maintainers.",
                fault="outside",
            )
