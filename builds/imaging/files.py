"""A fetched wheel, as it is passed between modules."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class WheelFile:
    """A fetched wheel, and what it will be part of."""

    name: str
    version: str
    path: Path
    sha256: str
    size: int

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON for a worker."""
        known = {"name": self.name, "version": self.version, "sha256": self.sha256, "size": self.size}
        return {**known, "path": str(self.path.absolute())}

    @classmethod
    def from_json(cls, payload: dict[str, Any]) -> Self:
        """Return the file that `as_json` described."""
        return cls(**{**payload, "path": Path(payload["path"])})
