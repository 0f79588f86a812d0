"""Scripts with a header (PEP 723), and setup.cfg."""

from __future__ import annotations

from pathlib import Path

import pytest

from environments.definition import read, read_path
from environments.definition.model import Selection

SCRIPT = """\
#!/usr/bin/env -S uv run --script
\"\"\"Page = 1 | with --- dashes\"\"\"
# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "requests<3",  # a comment
#     "rich",
# ]
#
# [tool.uv]
# exclude-newer = "2026-01-01"
# ///

import requests
print("# /// script")
"""


@pytest.mark.parametrize("name", ["", "tool.py", "tool", "notebooks/tool.PY"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_the_header_of_a_script_is_read_and_nothing_else_of_it(name: str, ends: str) -> None:
    reading = read(SCRIPT.replace("\n", ends), name)
    assert reading.format == "pep723-script"
    assert reading.definition is not None, reading.errors
    assert reading.definition.python.pip == ("requests<3", "rich")
    assert reading.definition.python.requires_python == ">=3.11"
    assert reading.definition.cutoff.as_of == "2026-01-01"
    lines = {finding.code: finding.line for finding in reading.findings}
    assert (lines["project-python"], lines["unpinned-package"]) == (4, 7)


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        (SCRIPT + SCRIPT, "script-header", 18),
        ("# /// script\n# dependencies = []\nimport os\n", "script-header", 1),
        ("# /// script\n#dependencies = []\n# ///\n", "script-header", 2),
        ("import os\n# /// script\n# dependencies = [\n# ///\n", "bad-toml", 3),
        ("# /// script\n# dependencies = []\n# ///\n", "project-empty", 1),
        ("# /// script\n# ///\n", "project-empty", 1),
        ("# /// script\n# dependencies = [3]\n# ///\n", "wrong-shape", 2),
    ],
)
def test_a_broken_header_is_refused_with_its_line(text: str, code: str, line: int) -> None:
    assert (code, line) in [(error.code, error.line) for error in read(text, "tool.py").errors]


def test_a_block_ends_at_the_last_line_that_can_end_it() -> None:
    text = '# /// script\n# dependencies = ["a"]\n# text = """\n# ///\n# """\n# ///\n'
    reading = read(text, "tool.py")
    assert reading.definition is not None, reading.errors
    assert reading.definition.python.pip == ("a",)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("README.md", "# Scripts\n\n" + SCRIPT),
        ("requirements.txt", SCRIPT.partition("\nimport")[0]),
        ("tool.py", "# /// other\n# a = 1\n# ///\nprint()\n"),
    ],
)
def test_other_texts_are_no_scripts(name: str, text: str) -> None:
    assert read(text, name).format != "pep723-script"


def test_a_script_takes_no_extras() -> None:
    reading = read(SCRIPT, "tool.py", selection=Selection(extras=("x",)))
    assert [error.code for error in reading.errors] == ["selection-unknown"]


def test_the_lock_beside_a_script_is_mentioned(tmp_path: Path) -> None:
    (tmp_path / "tool.py").write_text(SCRIPT)
    (tmp_path / "tool.py.lock").write_text("version = 1\n")
    assert "lock-unread" in [finding.code for finding in read_path(tmp_path / "tool.py").findings]


SETUP = """\
[metadata]
name = lab
[options]
python_requires = >=3.10
install_requires =
    numpy>=1.26
    # a comment
    pandas ; python_version < "3.13"  # another
[options.extras_require]
plot = matplotlib
all =
    %(x)s
    lab[plot]
"""


def test_a_setup_cfg_is_read_with_its_extras() -> None:
    reading = read(SETUP, "setup.cfg")
    assert reading.format == "setup-cfg"
    assert reading.definition is not None, reading.errors
    assert reading.definition.python.pip == ("numpy>=1.26", 'pandas ; python_version < "3.13"')
    assert reading.definition.python.requires_python == ">=3.10"
    assert reading.offers.extras == ("plot", "all")
    chosen = read(SETUP, "setup.cfg", selection=Selection(extras=("plot",)))
    assert chosen.definition is not None
    assert chosen.definition.python.pip[2:] == ("matplotlib",)
    numbers = [finding.line for finding in reading.findings if finding.code == "unpinned-package"]
    assert numbers == [6, 8]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[options]\ninstall_requires = file: requirements.txt\n", "project-dynamic"),
        ("[options]\npackages = find:\n", "project-empty"),
        ("install_requires = numpy\n", "wrong-shape"),
        ("[options\n", "wrong-shape"),
    ],
)
def test_a_setup_cfg_that_lists_nothing_is_refused(text: str, code: str) -> None:
    assert [error.code for error in read(text, "setup.cfg").errors] == [code]
