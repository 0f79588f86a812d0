"""The catalogue of causes has every cause that the code raises, and is what docs/causes.md is made from."""

from __future__ import annotations

import re
from pathlib import Path

from builds.causes import CATALOGUE
from builds.causes.documentation import PAGE, causes_page

ROOT = Path(__file__).parents[3]


def test_every_cause_of_the_code_is_in_the_catalogue_and_on_the_page() -> None:
    """The page is made by `python -m builds.causes.documentation`."""
    sources = [path.read_text() for path in (ROOT / "builds").rglob("*.py")]
    raised = {
        code for text in sources for code in re.findall(r'(?:ImageError|LimitExceeded)\(\s*"([a-z-]+)"', text)
    }
    missing = raised - CATALOGUE.keys()
    assert not missing, f"add {sorted(missing)} to builds/causes/catalogue.py, and make docs/causes.md again"
    assert PAGE.read_text(encoding="utf-8") == causes_page()
