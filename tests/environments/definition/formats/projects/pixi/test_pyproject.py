"""pyproject.toml with pixi's tables: the standard tables count as pixi takes them."""

from __future__ import annotations

from tests.environments.definition.formats.projects.pixi.test_manifest import definition

PYPROJECT = """[project]
name = "My_Lab"
requires-python = ">=3.11, ==3.*"
dependencies = ["numpy>=1", "rich", "pandas[excel]>=2"]
[project.optional-dependencies]
test = ["pytest"]
all = ["my-lab[test]", "httpx"]
[dependency-groups]
docs = ["sphinx", { include-group = "more" }]
more = ["furo", { include-group = "docs" }]
[tool.pixi.workspace]
channels = ["conda-forge"]
platforms = ["linux-64"]
[tool.pixi.dependencies]
numpy = "*"
[tool.pixi.pypi-dependencies]
my_lab = { path = ".", editable = true }
rich = ">=13"
[tool.pixi.environments]
full = ["all"]
docs = { features = ["docs"] }
only = { features = ["docs"], no-default-feature = true }
"""


def test_a_pyproject_has_its_requirements_and_its_python_besides_pixis_tables() -> None:
    read_as = definition(PYPROJECT, "pyproject.toml")
    assert read_as.python.conda == ("python >=3.11,3.*", "numpy")
    # numpy is conda's, and pixi's own table decides about rich.
    assert read_as.python.pip == ("rich>=13", "pandas[excel]>=2")


def test_extras_and_groups_of_a_pyproject_are_features() -> None:
    assert definition(PYPROJECT, "pyproject.toml", environment="full").python.pip[2:] == ("pytest", "httpx")
    assert definition(PYPROJECT, "pyproject.toml", environment="docs").python.pip[2:] == ("sphinx", "furo")
    assert definition(PYPROJECT, "pyproject.toml", environment="only").python.pip == ("sphinx", "furo")
    assert definition(PYPROJECT, "pyproject.toml", environment="only").python.conda == ()


def test_extras_of_the_project_itself_are_requested_where_it_installs_itself_with_them() -> None:
    text = PYPROJECT.replace('path = ".", editable', 'path = ".", extras = ["test"], editable')
    assert "pytest" in definition(text, "pyproject.toml").python.pip


def test_old_names_and_dotted_tables_are_read() -> None:
    text = PYPROJECT.replace("tool.pixi.workspace", "tool.pixi.project").replace(
        "[tool.pixi.pypi-dependencies]",
        "[tool.pixi]\npypi-dependencies.boltons = '*'\n[tool.pixi.feature.x.pypi-dependencies]",
    )
    assert "boltons" in definition(text, "pyproject.toml").python.pip
