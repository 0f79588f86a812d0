"""Follow the recipes of CONTRIBUTING.md in a copy of the project, where only the files that they name may change."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]
COPIED = (
    *("builds", "docs", "environments", "locale", "scripts", "static", "studio", "templates", "tests"),
    *(".gitignore", "CONTRIBUTING.md", "Makefile", "manage.py", "pyproject.toml", "uv.lock"),
)
# A file or folder, complete or without its first folders, such as `hash.py`
_PATH = re.compile(r"[\w.*-]+(?:/[\w.*-]*)*")
_ENDS = (".py", ".md", ".js", ".html", ".po", ".toml", ".json", ".lock", "/")


@dataclass(frozen=True)
class Recipe:
    """A paragraph of CONTRIBUTING: its title, and its text on one line."""

    title: str
    text: str

    @cached_property
    def quoted(self) -> list[str]:
        """The texts that it writes as code."""
        return re.findall(r"`([^`]+)`", self.text)

    @cached_property
    def paths(self) -> dict[str, str | None]:
        """The files and folders that it names, each with its path in the project; None if there is no such file."""
        paths: dict[str, str | None] = {}
        for name in self.quoted:
            partial = name.startswith("_")  # `_name.html`: a kind of template
            if _PATH.fullmatch(name) and not partial and ("/" in name or name.endswith(_ENDS)):
                paths[name] = _resolve(name, [path for path in paths.values() if path])
        return paths

    def names(self, path: str) -> bool:
        """Return whether the recipe names a file, or a folder that it is in. “A test” is any file of tests."""
        if re.fullmatch(r"tests/.*/test_\w+\.py", path) and re.search(r"\ba test\b", self.text):
            return True
        folders = {str(parent) for parent in PurePosixPath(path).parents} - {"."}
        return any(named and named.rstrip("/") in {path, *folders} for named in self.paths.values())

    def without(self, name: str) -> Recipe:
        """Return the recipe as if it did not name this."""
        return Recipe(self.title, self.text.replace(f"`{name}`", "…"))


def recipes(text: str) -> dict[str, Recipe]:
    """Return every recipe in the text of CONTRIBUTING, by its title."""
    section = text.partition("\n## Recipes\n")[2].partition("\n## ")[0]
    paragraphs = re.findall(r"^\*\*(.+?)\.\*\* (.+?)(?:\n\n|\Z)", section, re.MULTILINE | re.DOTALL)
    return {title: Recipe(title, " ".join(body.split())) for title, body in paragraphs}


RECIPES = recipes((ROOT / "CONTRIBUTING.md").read_text())


def _resolve(name: str, before: list[str]) -> str | None:
    """Return the path of a name. A short name is below a folder of a path before it: the first that has it."""
    bases = [""]
    for path in before:
        bases += [f"{parent}/" for parent in (PurePosixPath(path), *PurePosixPath(path).parents)]
    for base in bases:
        if any(ROOT.glob((base.removeprefix("./") + name).rstrip("/"))):
            return base.removeprefix("./") + name
    return None


class Project:
    """A copy of the project. While it follows a recipe, a change of any file that the recipe does not name fails."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.recipe = Recipe("", "")
        for name in COPIED:
            if (ROOT / name).is_dir():
                # With bytecode: compiling again takes seconds. Other tests may be writing theirs.
                shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("*.pyc.*"))
            else:
                shutil.copy2(ROOT / name, root / name)
        self._git("init", "--quiet")
        self._git("config", "core.looseCompression", "0")
        self._git("add", "--all")

    def write(self, path: str, text: str) -> None:
        """Add a file."""
        self._must_be_named(path)
        assert not (self.root / path).exists(), f"{path} exists"
        (self.root / path).write_text(text)

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace a text of a file, which it has once."""
        self._must_be_named(path)
        text = (self.root / path).read_text()
        assert text.count(old) == 1, f"{path} has {text.count(old)} times {old!r}"
        (self.root / path).write_text(text.replace(old, new))

    def add(self, path: str, text: str, *, before: str) -> None:
        """Insert a text into a file, before another, which it has once."""
        self.edit(path, before, text + before)

    def run(self, *arguments: str) -> str:
        """Run Python in the copy and return its output. Raises AssertionError if it fails."""
        others = ("PYTEST_", "GIT_", "PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "DATABASE_URL")
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(others)},
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # most plugins take seconds
            "STUDIO_VAR": str(self.root / "var"),
        }
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(arguments)}\n{done.stdout}"
        return done.stdout

    def command(self, module: str) -> None:
        """Run a command that the recipe names: `python -m …`."""
        assert f"python -m {module}" in self.recipe.quoted, f"“{self.recipe.title}” does not name {module}"
        self.run("-m", module)

    def test(self, *nodes: str, django: bool = True, tables: Path | None = None) -> None:
        """Check that only files changed that the recipe names, that the layout holds, and that these tests pass.

        They run without what costs seconds and is not needed: the services of other tests, migrations, and Django
        for what is plain Python. With `tables`, new migrations run: on this file that has the others, if there is one.
        """
        for path in self.changed():
            self._must_be_named(path)
        self.run("-m", "scripts.structure")
        options = ["-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", ".", "--noconftest"]
        if django:
            options += ["-p", "pytest_django.plugin"]
            options += self._on(tables) if tables else ["--no-migrations"]
        self.run("-m", "pytest", *options, *nodes)

    def _on(self, tables: Path) -> list[str]:
        """Return the options of pytest that have tests use a copy of a database file."""
        if not tables.exists():  # the tests of the project run on PostgreSQL
            return []
        var = self.root / "var"
        var.mkdir(exist_ok=True)
        test = {"NAME": str(shutil.copy(tables, var))}
        text = f'from tests.settings import *\nDATABASES["default"]["TEST"] = {test}\n'
        (var / "settings_with_tables.py").write_text(text)
        return ["--reuse-db", "--ds", "var.settings_with_tables"]

    def changed(self) -> list[str]:
        """Return the files that are not as in the project."""
        files = self._git("diff", "--name-only") + self._git("ls-files", "--others", "--exclude-standard")
        return files.splitlines()

    def restore(self) -> None:
        """Undo every change."""
        self._git("checkout", "--quiet", "--", ".")
        self._git("clean", "-d", "--force", "--quiet")

    def _git(self, *arguments: str) -> str:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        argv = ["git", *arguments]
        done = subprocess.run(
            argv, cwd=self.root, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    def _must_be_named(self, path: str) -> None:
        assert self.recipe.names(path), f"“{self.recipe.title}” in CONTRIBUTING.md does not name {path}"
