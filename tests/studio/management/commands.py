"""`manage.py` as a user runs it: its exit code, what it prints, and the JSON it ends with."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.services.servers.preloaded import run_preloaded
from tests.services.studio import PRIVATE, copy_stock


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def result(self) -> dict[str, Any]:
        """The JSON object of its last line."""
        result: dict[str, Any] = json.loads(self.stdout.splitlines()[-1])
        return result


@dataclass(frozen=True)
class Desk:
    """A folder with its own data and settings to run commands in."""

    folder: Path
    settings: Mapping[str, str]

    @classmethod
    def stocked(cls, stock: Path, folder: Path, settings: Mapping[str, str] | None = None) -> Desk:
        """Return one with a copy of the data in `stock`."""
        desk = cls(folder, settings or {})
        copy_stock(stock, desk.var)
        return desk

    @property
    def var(self) -> Path:
        """The studio's data."""
        return self.folder / "var"

    def manage(self, *arguments: str | Path, **settings: str) -> Done:
        """Run `manage.py` with these arguments."""
        inherited = {name: value for name, value in os.environ.items() if name not in PRIVATE}
        environment = {**inherited, "STUDIO_VAR": str(self.var), **self.settings, **settings}
        done = run_preloaded(["manage.py", *arguments], env=environment)
        return Done(done.returncode, done.stdout, done.stderr)

    def build(self, text: str, *argv: str, name: str = "requirements.txt", **settings: str) -> Done:
        """Build a definition with this text."""
        file = self.folder / name
        file.write_text(text)
        return self.manage("build", file, "--json", *argv, **settings)
