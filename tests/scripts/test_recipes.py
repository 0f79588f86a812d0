"""The recipes of CONTRIBUTING.md name every file they need: those that change definitions and causes are followed here."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.scripts.recipes import RECIPES, ROOT, Project, Recipe, recipes

Follow = Callable[[str], Project]
DEFINITION = "environments/definition"

# The text of CONTRIBUTING


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_the_files_and_commands_of_a_recipe_exist(recipe: Recipe) -> None:
    assert [name for name, path in recipe.paths.items() if path is None] == []
    makefile = (ROOT / "Makefile").read_text()
    for text in recipe.quoted:
        if module := re.match(r"python -m ([\w.]+)", text):
            path = ROOT / module[1].replace(".", "/")
            assert path.is_dir() or path.with_suffix(".py").is_file(), text
        if target := re.match(r"make (\w+)", text):
            assert re.search(rf"^{target[1]}:", makefile, re.MULTILINE), text


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_what_a_recipe_says_is_in_a_file_is_in_it(recipe: Recipe) -> None:
    """Such as “`Right` and `MINIMUM_ROLE` in `environments/access.py`”."""
    for names, file in re.findall(r"((?:`\w+`(?:,| and)? )+)(?:in|of) `([^`]+\.py)`", recipe.text):
        text = (ROOT / str(recipe.paths[file])).read_text()
        for name in re.findall(r"\w+", names.replace(" and ", " ")):
            assert re.search(rf"^(?:class |def )?{name}\b", text, re.MULTILINE), f"{name} is not in {file}"


def test_short_paths_are_below_a_path_before_them() -> None:
    text = "\n## Recipes\n\n**Do.** `environments/definition/model.py`; `hash.py`; `reading/`; `no.py`, a\ntest.\n"
    recipe = recipes(text)["Do"]
    assert list(recipe.paths.values()) == [
        f"{DEFINITION}/model.py",
        f"{DEFINITION}/hash.py",
        f"{DEFINITION}/reading/",
        None,
    ]
    named = (f"{DEFINITION}/hash.py", f"{DEFINITION}/reading/new.py", "tests/builds/test_new.py")
    assert all(recipe.names(path) for path in named)
    assert not any(
        recipe.names(path) for path in (f"{DEFINITION}/cli.py", "no.py", "tests/access/expected.py")
    )


def test_a_change_of_a_file_that_the_recipe_does_not_name_fails(follow: Follow) -> None:
    project = follow("Add a file format")
    project.recipe = project.recipe.without("docs/formats.md")
    with pytest.raises(AssertionError, match=r"“Add a file format” .* does not name docs/formats.md"):
        project.edit("docs/formats.md", "# Formats", "# All formats")
    (project.root / "docs/formats.md").write_text("# Formats\n")  # as a command would
    with pytest.raises(AssertionError, match=r"does not name docs/formats.md"):
        project.test()


# The recipes, followed

NEW_FIELD = """\
from environments.definition import diff, read, write
from environments.definition.difference import OtherChange
from environments.definition.model import Definition


def test_the_field_is_read_written_hashed_and_compared() -> None:
    plain = read("image: ubuntu:22.04\\n").definition
    one = read("image: ubuntu:22.04\\nhostname: one\\n")
    assert (one.definition.hostname, one.findings) == ("one", ())
    assert one.definition.hash != plain.hash
    assert read(write(one.definition, "v2-yaml")).definition == one.definition
    assert diff(plain, one.definition).other == (OtherChange("hostname", "hostname changed", "", "one"),)
"""


@pytest.mark.slow
def test_a_field_of_definitions_needs_only_the_files_of_its_recipe(follow: Follow) -> None:
    project = follow("Add a field to definitions")
    project.add(f"{DEFINITION}/model.py", '    hostname: str = ""\n', before='    registry: str = ""\n')
    result = f"{DEFINITION}/findings/result.py"
    project.add(result, '    hostname: str = ""\n', before='    registry: str = ""\n')
    project.add(result, "hostname=self.hostname,\n                ", before="registry=self.registry,\n")
    hashed = '        **({"hostname": {"is": definition.hostname}} if definition.hostname else {}),\n'
    project.add(f"{DEFINITION}/hash.py", hashed, before='        "platform": {"is": definition.platform},\n')
    v2 = f"{DEFINITION}/formats/azure/v2.py"
    project.add(v2, '        "hostname",\n', before='        "platform",\n')
    project.add(
        v2,
        '    draft.hostname = str(text_of(draft, mapping.get("hostname"), "hostname") or "")\n',
        before='    draft.platform = text_of(draft, mapping.get("platform"), "platform") or draft.platform\n',
    )
    written = '    if definition.hostname:\n        text += f"hostname: {scalar(definition.hostname)}\\n"\n'
    project.add(v2, written, before="    text += target.write_yaml(")
    project.add(
        f"{DEFINITION}/difference.py",
        "    if old.hostname != new.hostname:\n"
        '        yield OtherChange("hostname", "hostname changed", old.hostname, new.hostname)\n',
        before="    if old.spark != new.spark:\n",
    )
    project.edit("docs/formats.md", "Spark; platform; the target", "Spark; platform; host name; the target")
    project.write("tests/environments/definition/test_hostname.py", NEW_FIELD)

    tests = ("test_hostname.py", "test_difference.py", "test_cli.py")
    project.test(*(f"tests/environments/definition/{name}" for name in tests), django=False)


NEW_FORMAT = '''\
"""packages.ini: a line `name = version` for each package."""

from __future__ import annotations

from environments.definition.findings.result import Draft
from environments.definition.formats.source import Source
from environments.definition.syntax.text import Placed

FORMAT = "packages-ini"
_HEAD = "[pinned packages]\\n"


def recognised(text: str, filename: str) -> bool:
    """Whether the text begins with the section of pinned packages."""
    return text.startswith(_HEAD)


def read(draft: Draft, text: str, source: Source) -> None:
    """Read each line into a pip requirement."""
    for number, line in enumerate(text.splitlines()[1:], 2):
        name, _, version = line.partition("=")
        draft.pip.append(Placed(f"{name.strip()}=={version.strip()}", number, 1, draft.file))
'''
FORMAT_TEST = """\
import io
import json
from pathlib import Path

from environments.definition import read_path
from environments.definition.cli import main
from environments.definition.formats.packages_ini import FORMAT


def test_a_folder_with_such_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "packages.ini").write_text("[pinned packages]\\nnumpy = 2.1.3\\n")
    (tmp_path / "requirements.txt").write_text("pandas\\n")
    reading = read_path(tmp_path)
    assert (reading.format, reading.definition.python.pip) == (FORMAT, ("numpy==2.1.3",))
    out = io.StringIO()
    assert main(["inspect", "--json", str(tmp_path / "packages.ini")], out) == 0
    assert json.loads(out.getvalue())["format"] == FORMAT
"""


@pytest.mark.slow
def test_a_file_format_needs_only_the_files_of_its_recipe(follow: Follow) -> None:
    project = follow("Add a file format")
    project.write(f"{DEFINITION}/formats/packages_ini.py", NEW_FORMAT)
    recognise = f"{DEFINITION}/reading/recognise.py"
    project.edit(
        recognise,
        "import dockerfile_text, mlflow, pylock, ",
        "import dockerfile_text, mlflow, packages_ini, pylock, ",
    )
    row = "    TextFormat(packages_ini.FORMAT, packages_ini.recognised, packages_ini.read),\n"
    project.add(recognise, row, before="    TextFormat(pylock.FORMAT,")
    project.add(f"{DEFINITION}/reading/choose_file.py", '    "packages.ini",\n', before='    "env.yaml",\n')
    project.add("static/js/languages.js", '    "packages-ini": "toml",\n', before='    pylock: "toml",\n')
    row = "| `packages-ini` | `packages.ini`, a line `name = version` for each package | \N{EN DASH} | yes | own |\n"
    project.add("docs/formats.md", row, before="| `pylock` |")
    project.write("tests/environments/definition/formats/test_packages_ini.py", FORMAT_TEST)

    tests = ("formats/test_packages_ini.py", "formats/test_documentation.py", "test_cli.py")
    project.test(*(f"tests/environments/definition/{name}" for name in tests), django=False)


NEW_FINDING = """\
from environments.definition import read

FILE = "channels: [a, b, c, d, e, {}]\\ndependencies: [python=3.12]\\n"


def test_many_channels_are_reported() -> None:
    (finding,) = (item for item in read(FILE.format("f")).findings if item.code == "channels-many")
    assert (finding.severity, finding.line, finding.message) == ("note", 1, "There are 6 channels.")
    assert "channels-many" not in [item.code for item in read(FILE.format("")).findings]
"""


@pytest.mark.slow
def test_a_finding_needs_only_the_files_of_its_recipe(follow: Follow) -> None:
    project = follow("Add a finding")
    entry = (
        '    Entry("channels-many", "note", _("Many channels"), _("There are {count} channels."),\n'
        '         _("Each channel is searched for each package."), _("Name the channels that are needed.")),\n'
    )
    project.add(f"{DEFINITION}/findings/entries/of_packages.py", entry, before='    Entry("no-channel",')
    project.add(
        f"{DEFINITION}/findings/checks.py",
        "    if len(draft.channels) > 5:\n"
        '        draft.note("channels-many", draft.channels[0], count=len(draft.channels))\n',
        before="    _serving(draft, pip)\n",
    )
    project.write("tests/environments/definition/findings/test_channels_many.py", NEW_FINDING)
    project.command("environments.definition.findings.documentation")

    assert "### channels-many\n" in (project.root / "docs/findings.md").read_text()
    project.test("tests/environments/definition/findings", django=False)


NEW_CAUSE = """\
from builds.causes import clues_in, diagnose
from builds.imaging.reporting import ImageError

LINES = [(1, "Step 2/2 : RUN gem install x"), (2, "ERROR:  Could not find a valid gem 'x' in any repository")]


def test_the_line_of_the_output_is_the_cause() -> None:
    (clue,) = clues_in(LINES)
    assert (clue.code, clue.line, clue.fault) == ("gem-not-found", 2, "author")
    assert clue.help == "Check the spelling of the gem."
    assert diagnose(ImageError("command-failed", "…"), LINES).others == (clue,)
"""


def test_a_cause_of_failure_needs_only_the_files_of_its_recipe(follow: Follow) -> None:
    project = follow("Add a cause of failure")
    entry = (
        '    Entry("gem-not-found", _("Gem not found"), "author", _("RubyGems has no gem of this name."),\n'
        '         _("Check the spelling of the gem."), of_a_tool=True),\n'
    )
    project.add("builds/causes/catalogue.py", entry, before='    Entry("no-matching-distribution",')
    sign = '    _sign("gem-not-found", r"^ERROR: +Could not find a valid gem "),\n'
    project.add("builds/causes/signs.py", sign, before="    # -- compilers -")
    project.write("tests/builds/causes/test_gems.py", NEW_CAUSE)
    project.command("builds.causes.documentation")

    assert "### gem-not-found\n" in (project.root / "docs/causes.md").read_text()
    project.test(
        *(f"tests/builds/causes/{name}" for name in ("test_gems.py", "test_catalogue.py")), django=False
    )
