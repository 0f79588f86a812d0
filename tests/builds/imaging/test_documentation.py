"""The table of modules in docs/images.md."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
IMAGING = ROOT / "builds" / "imaging"


def purpose(path: Path) -> str:
    """Return the first line of a module's docstring."""
    return (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]


def test_the_table_lists_every_module_with_its_docstring() -> None:
    document = (ROOT / "docs" / "images.md").read_text()
    listed = re.findall(r"^\| `([\w/]+\.py)` \| (.+) \|$", document, re.MULTILINE)
    modules = [path for path in IMAGING.rglob("*.py") if path.name != "__init__.py"]

    assert dict(listed) == {path.relative_to(IMAGING).as_posix(): purpose(path) for path in modules}
    assert len(listed) == len(modules)
