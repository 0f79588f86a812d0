"""The imports of modules, read from their code in every version of Python that compiles."""

from __future__ import annotations

from pathlib import Path

import pytest

from builds.imaging.bytecode.compile_worker import blocks, compiled, explained, scanned

SOURCE = b"""
import os.path, sys as system
from . import sibling
from .near import thing
from ..far import *
from package import one as two, three
from typing import TYPE_CHECKING
import typing
if TYPE_CHECKING:
    import only_checked
    from only_checked_too import value
if typing.TYPE_CHECKING:
    import checked_again
else:
    import run_time
try:
    import tried
except ImportError:
    import instead
class Class:
    import in_class
    def method(self):
        import in_method
def function():
    import in_function
"""


def test_imports_are_those_that_run_with_the_module() -> None:
    _, imports = compiled(SOURCE, "/a/b.py")

    assert imports == [
        ".",
        "..far",
        "..far.*",
        ".near",
        ".near.thing",
        ".sibling",
        "in_class",
        "instead",
        "os.path",
        "package",
        "package.one",
        "package.three",
        "run_time",
        "sys",
        "tried",
        "typing",
        "typing.TYPE_CHECKING",
    ]


def test_a_module_without_imports_and_text_that_is_no_python_have_none() -> None:
    assert compiled(b"x = 1\n", "/a.py")[1] == []
    assert compiled(b"import (\n", "/a.py") == (None, [])


def test_a_module_that_imports_too_much_or_too_long_names_fills_no_memory() -> None:
    many = "\n".join(f"import m{n}" for n in range(20_000)).encode()
    long = f"import {'m' * 300}, short\n".encode()

    assert compiled(many, "/a.py")[1] == []
    assert compiled(long, "/a.py")[1] == ["short"]


def test_names_with_arguments_of_several_bytes_are_read() -> None:
    many = "\n".join(f"from m{n} import a{n}, b{n}" for n in range(400)).encode()

    imports = set(compiled(many, "/a.py")[1])

    assert imports == {f"m{n}{end}" for n in range(400) for end in ("", f".a{n}", f".b{n}")}


def test_the_fast_way_reads_what_dis_explains() -> None:
    """Over what is installed here: hundreds of modules of people who write Python in many ways."""
    site = Path(pytest.__file__).parents[1]
    paths = sorted(
        path for name in ("rich", "pydantic", "celery", "_pytest") for path in site.glob(f"{name}/**/*.py")
    )
    count = 0
    for path in paths:
        for block in blocks(compile(path.read_bytes(), str(path), "exec", dont_inherit=True)):
            assert list(scanned(block)) == list(explained(block)), path
            count += 1

    assert count > 500
