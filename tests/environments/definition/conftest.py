"""The tests of real files are collected only where these are at hand; the project's own files need none."""

from __future__ import annotations

import os
from pathlib import Path

_SHARED = Path(__file__).parents[4] / "shared"
CORPUS = Path(os.environ.get("STUDIO_CORPUS") or _SHARED / "corpus")
PROJECTS = Path(os.environ.get("STUDIO_PROJECTS") or _SHARED / "corpus-2")
_NEEDED = {"test_corpus.py": CORPUS, "test_project_files.py": PROJECTS}

collect_ignore = [name for name, folder in _NEEDED.items() if not (folder / "index.csv").is_file()]
