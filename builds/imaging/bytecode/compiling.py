"""Compile a package's modules while the rest of it is written."""

from __future__ import annotations

from collections.abc import Container
from concurrent.futures import Future

from builds.imaging.bytecode.compilers import Compiled, Compilers, Source, cached_path, worth_compiling
from builds.imaging.bytecode.interpreters import Minor

BATCH_BYTES = 512 * 1024
# Compiling takes a hundred times the memory of the source.
MOST_SOURCE = 4 * 1024**2


class Compiling:
    """Sources on their way to the compilers while the rest of the package is written."""

    def __init__(self, compilers: Compilers | None, site: str) -> None:
        self._compilers = compilers
        self._site = site
        self._batch: list[Source] = []
        self._size = 0
        self._under_way: list[tuple[list[str], Future[list[Compiled]]]] = []

    def add(self, path: str, content: bytes | bytearray) -> None:
        if len(content) > MOST_SOURCE:
            return
        if self._compilers is None or not path.startswith(self._site) or not worth_compiling(path):
            return
        self._batch.append((path, bytes(content)))
        self._size += len(content)
        if self._size >= BATCH_BYTES:
            self._send()

    def results(self, python: Minor, taken: Container[str]) -> dict[str, bytes]:
        """Return the bytecode by its path, in order; without what the wheel brings itself."""
        self._send()
        made = {}
        for paths, future in self._under_way:
            for path, (code, _) in zip(paths, future.result(), strict=True):
                cached = cached_path(path, python)
                if code is not None and cached not in taken:
                    made[cached] = code
        return made

    def _send(self) -> None:
        if self._compilers is not None and self._batch:
            paths = [path for path, _ in self._batch]
            self._under_way.append((paths, self._compilers.compile(self._batch)))
            self._batch, self._size = [], 0
