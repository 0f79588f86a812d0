"""The interpreters that compile: only one of the image's own minor version makes bytecode that fits it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

# Bytecode that is never checked against its source came with Python 3.7.
_VERSION_SCRIPT = (
    "import importlib.util, platform, sys;"
    "print(sys.implementation.name, platform.python_version(), hasattr(importlib.util, 'source_hash'))"
)

Minor = tuple[int, int]
"""A Python's major and minor version."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python that compiles: its path, its full version, and its provider.

    The version is part of the key of everything that it compiles: patch releases differ in a few modules' bytecode.
    """

    path: str
    version: str
    provider: str

    @property
    def minor(self) -> Minor:
        """Return its major and minor version."""
        major, minor, *_ = self.version.split(".")
        return int(major), int(minor)

    def as_json(self) -> dict[str, str]:
        """Return it as JSON for a confined process."""
        return {"path": self.path, "version": self.version, "provider": self.provider}

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read what `as_json` returned."""
        return cls(value["path"], value["version"], value["provider"])


def running() -> Interpreter:
    """Return the Python that runs this."""
    return Interpreter(sys.executable, platform.python_version(), "machine")


def interpreter_for(python: Minor) -> Interpreter | None:
    """Return a Python of exactly this minor version on this machine."""
    name = f"python{python[0]}.{python[1]}"
    own = [sys.executable] if sys.version_info[:2] == python else []
    paths = (*own, *(shutil.which(name, path=folder) for folder in os.get_exec_path()))
    for path in paths:
        if path and (interpreter := _checked(path)) is not None and interpreter.minor == python:
            return interpreter
    return None


@lru_cache(maxsize=64)
def _checked(path: str) -> Interpreter | None:
    """Return the interpreter if it runs: version managers put shims there that only locate a Python."""
    try:
        answer = subprocess.run(
            [path, "-s", "-S", "-c", _VERSION_SCRIPT], capture_output=True, text=True, timeout=10, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    match answer.split():
        case ["cpython", version, "True"]:
            return Interpreter(str(Path(path)), version, "machine")
    return None
