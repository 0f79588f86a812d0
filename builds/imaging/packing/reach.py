"""The modules that imports reach: those worth compiling before anybody imports them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from builds.imaging.bytecode.compilers import worth_compiling
from builds.imaging.files import WheelFile
from builds.imaging.packing.modules import Module
from builds.imaging.packing.segment import Segment

# A batch is compiled at once. Small enough that what it imports is known soon, and cores are busy till the end.
BATCH = 32
# Names that nobody needs are no reason to fill the memory.
_MOST_NAMES = 1_000_000

Batch = tuple[WheelFile, list[str]]
"""A wheel, and paths of modules in it."""


class Reach:
    """Follows imports from the requested packages through all packages, as their modules are compiled.

    The start is each requested package, its public modules of the first level (people import `matplotlib.pyplot`,
    and matplotlib itself does not), `__main__`, and what its commands import. With `everything`, it is every module.
    Many threads may use it.
    """

    def __init__(
        self,
        requested: Collection[str],
        site: str,
        known: Callable[[WheelFile, Mapping[str, str]], Mapping[str, Module]],
        *,
        everything: bool = False,
    ) -> None:
        self._requested = frozenset(requested)
        self._site = site
        self._known = known
        self._everything = everything
        self._lock = threading.Lock()
        self._follows = False
        self._first: list[str] = []
        self._names: set[str] = set()
        self._modules: dict[str, tuple[WheelFile, str]] = {}
        self._compiled: dict[str, dict[str, Module]] = {}
        self._waiting: dict[str, Batch] = {}

    def add(self, wheel: WheelFile, segment: Segment) -> None:
        """Let the wheel's modules be reached. Of two with the same path, that of the wheel added last is taken."""
        modules = dict(self._named(segment.files))
        first: Iterable[str] = ()
        if self._everything:
            first = modules
        elif wheel.name in self._requested:
            first = (*_start(modules), *segment.commands)
        known = dict(self._known(wheel, segment.files))
        with self._lock:
            self._compiled[wheel.name] = known
            self._modules |= {name: (wheel, path) for name, path in modules.items()}
            self._first += first
            if self._follows:
                imports = [name for module in modules.keys() & self._names for name in self._imports(module)]
                self._follow([*first, *imports])

    def start(self) -> None:
        """Follow imports from now on. What is reached depends on nothing else if all wheels were added before."""
        with self._lock:
            self._follows = True
            self._follow(self._first)

    def take(self) -> Batch | None:
        """Return modules that are to be compiled, of the wheel that has most of them; None if there are none now."""
        with self._lock:
            if not self._waiting:
                return None
            name = max(self._waiting, key=lambda name: (len(self._waiting[name][1]), name))
            wheel, paths = self._waiting[name]
            if len(paths) > BATCH:
                self._waiting[name] = wheel, paths[BATCH:]
            else:
                del self._waiting[name]
            return wheel, paths[:BATCH]

    def done(self, wheel: WheelFile, modules: Mapping[str, Module]) -> None:
        """Go on from modules that were compiled."""
        with self._lock:
            self._compiled[wheel.name].update(modules)
            for path, module in modules.items():
                self._follow(_absolute(module.imports, path, self._site))

    def reached(self) -> dict[str, dict[str, Module]]:
        """Return the reached modules that are compiled, by wheel and by the path of their source."""
        result: dict[str, dict[str, Module]] = {}
        with self._lock:
            for name in self._names & self._modules.keys():
                wheel, path = self._modules[name]
                if (module := self._compiled[wheel.name].get(path)) is not None:
                    result.setdefault(wheel.name, {})[path] = module
        return result

    def _named(self, files: Iterable[str]) -> Iterator[tuple[str, str]]:
        for path in files:
            if path.startswith(self._site) and worth_compiling(path):
                yield module_name(path, self._site), path

    def _follow(self, names: Iterable[str]) -> None:
        """Reach these modules, the packages around them, and what they import."""
        ahead = list(names)
        while ahead:
            name = ahead.pop()
            if name in self._names or len(self._names) >= _MOST_NAMES:
                continue
            self._names.add(name)
            if parent := name.rpartition(".")[0]:
                ahead.append(parent)
            if name in self._modules:
                ahead += self._imports(name)

    def _imports(self, name: str) -> list[str]:
        """Return what a module imports; if it is not compiled yet, let it be compiled."""
        wheel, path = self._modules[name]
        module = self._compiled[wheel.name].get(path)
        if module is None:
            self._waiting.setdefault(wheel.name, (wheel, []))[1].append(path)
            return []
        return _absolute(module.imports, path, self._site)


def module_name(path: str, site: str) -> str:
    """Return the name that a source is imported by."""
    return path[len(site) : -len(".py")].replace("/", ".").removesuffix(".__init__")


def _absolute(imports: Iterable[str], path: str, site: str) -> list[str]:
    """Return the absolute names of what a module imports."""
    package = path[len(site) :].split("/")[:-1]
    result = []
    for name in imports:
        bare = name.lstrip(".")
        level = len(name) - len(bare)
        if not level:
            result.append(name)
        elif level <= len(package):
            result.append(".".join([*package[: len(package) - level + 1], *([bare] if bare else [])]))
    return result


def _start(modules: Collection[str]) -> list[str]:
    """Return a package's own modules: those at its top, which may be deep in a namespace, and the public ones in them."""
    top = {name for name in modules if name.rpartition(".")[0] not in modules}
    inside = (name for name in modules if name.rpartition(".")[0] in top)
    return [*top, *(name for name in inside if _is_public(name.rpartition(".")[2]))]


def _is_public(name: str) -> bool:
    return name == "__main__" or not (name.startswith("_") or name == "conftest")
