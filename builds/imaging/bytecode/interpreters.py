"""The interpreters that compile: only one of the image's own minor version makes bytecode that fits it."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

Minor = tuple[int, int]
"""A Python's major and minor version."""

Provider = Literal["machine", "uv", "base"]
"""Where an interpreter is from: this machine, a download by uv, or the base image, in a container of it."""

OLDEST: Minor = (3, 7)
"""The first Python with bytecode that is never checked against its source."""

NEWEST: Minor = (3, 15)

# The magic number of each minor version's releases: they read no bytecode with another number.
_MAGIC = {
    (3, 7): 3394,
    (3, 8): 3413,
    (3, 9): 3425,
    (3, 10): 3439,
    (3, 11): 3495,
    (3, 12): 3531,
    (3, 13): 3571,
    (3, 14): 3627,
}
_ORIGINS = {
    "machine": "of this machine",
    "uv": "installed by uv",
    "base": "of the base image, in a container",
}
_VERSION = re.compile(r"\d{1,2}\.\d{1,3}\.\d{1,3}(?:(?:a|b|rc)\d{1,3})?")
_ANSWER_SECONDS = 5.0

# Debug and free-threaded builds tell themselves by their flags.
FACTS_SCRIPT = """
import importlib.util as u, json, sys
v = sys.version_info
level = {"alpha": "a", "beta": "b", "candidate": "rc"}.get(v.releaselevel)
print(json.dumps({
    "implementation": sys.implementation.name,
    "version": "%d.%d.%d" % v[:3] + (level + str(v.serial) if level else ""),
    "magic": int.from_bytes(u.MAGIC_NUMBER[:2], "little"),
    "flags": sys.abiflags,
    "hashes": hasattr(u, "source_hash"),
    "path": sys.executable,
}))
"""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python that compiles: its path, its full version, its provider, and for `base` the digest of that image."""

    path: str
    version: str
    provider: Provider
    base: str = ""

    @property
    def minor(self) -> Minor:
        """Return its major and minor version."""
        return minor_of(self.version)

    @property
    def identity(self) -> str:
        """Return what is part of the key of everything that it compiles.

        Patch releases differ in a few modules' bytecode. An image's Python is anybody's: what it made is for images
        on this very base.
        """
        return f"{self.version} {self.base}" if self.base else self.version

    @property
    def reads(self) -> tuple[Path, ...]:
        """Return what a confined process has to read to start it, which those that start it need too."""
        return () if self.provider == "base" else (Path(self.path).resolve().parents[1],)

    def __str__(self) -> str:
        return f"CPython {self.version} {_ORIGINS[self.provider]}"

    def as_json(self) -> dict[str, str]:
        """Return it as JSON for a confined process."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read what `as_json` returned."""
        return cls(value["path"], value["version"], value["provider"], value["base"])


@dataclass(frozen=True, slots=True)
class Facts:
    """The answers of an interpreter about itself."""

    implementation: str
    version: str
    magic: int
    flags: str
    hashes: bool
    path: str

    def compiles(self, python: Minor) -> bool:
        """Return whether it is a CPython of this minor version, free of debugging and with a global lock."""
        usable = self.implementation == "cpython" and not set("dt") & set(self.flags) and self.hashes
        return usable and minor_of(self.version) == python

    def fits(self, python: Minor) -> bool:
        """Return whether it makes the bytecode that releases of this minor version read.

        Pre-releases have magic numbers of their own. The image of one is left to its own Python.
        """
        final = self.version.replace(".", "").isdecimal()
        return self.compiles(python) and final and self.magic == _MAGIC.get(python, self.magic)


def minor_of(version: str) -> Minor:
    """Return major and minor version of a full one."""
    major, minor, *_ = version.split(".")
    return int(major), int(minor)


def absence(version: str) -> str:
    """Return the warning about an image whose Python of this minor version nobody could compile with."""
    return f"No bytecode, as no Python {version} is here to make it: imports will take longer"


def facts_of(path: Path) -> Facts | None:
    """Return what a Python answers about itself, or None if it does not run: version managers put shims on PATH."""
    try:
        answer = subprocess.run(
            [path, "-s", "-S", "-c", FACTS_SCRIPT],
            capture_output=True,
            text=True,
            timeout=_ANSWER_SECONDS,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return read_facts(answer)


def read_facts(text: str | bytes) -> Facts | None:
    """Return the facts that `FACTS_SCRIPT` has written, or None if it has not."""
    try:
        answer = json.loads(text)
        return Facts(
            implementation=str(answer["implementation"]),
            version=_VERSION.fullmatch(answer["version"])[0],  # type: ignore[index]
            magic=int(answer["magic"]),
            flags=str(answer["flags"]),
            hashes=bool(answer["hashes"]),
            path=str(answer["path"]),
        )
    except (KeyError, TypeError, ValueError, RecursionError):
        return None


def running() -> Interpreter:
    """Return the Python that runs this."""
    return Interpreter(str(Path(sys.executable).resolve()), platform.python_version(), "machine")
