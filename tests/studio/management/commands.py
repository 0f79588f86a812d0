"""`manage.py` as a user runs it: its exit code, what it prints, and the JSON it ends with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.services.studio import PRIVATE, ROOT, copy_stock


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def result(self) -> dict[str, Any]:
        """The JSON object of its last line."""
        found: dict[str, Any] = json.loads(self.stdout.splitlines()[-1])
        return found


@dataclass(frozen=True)
class Desk:
    """Where commands are run: a data folder and settings of their own."""

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

    def manage(self, *words: str | Path, **settings: str) -> Done:
        """Run `manage.py` with these words."""
        inherited = {name: value for name, value in os.environ.items() if name not in PRIVATE}
        environment = {**inherited, "STUDIO_VAR": str(self.var), **self.settings, **settings}
        argv = [sys.executable, "manage.py", *map(str, words)]
        done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        return Done(done.returncode, done.stdout, done.stderr)

    def build(self, text: str, *words: str, name: str = "requirements.txt", **settings: str) -> Done:
        """Build a definition with this text."""
        file = self.folder / name
        file.write_text(text)
        return self.manage("build", file, "--json", *words, **settings)
