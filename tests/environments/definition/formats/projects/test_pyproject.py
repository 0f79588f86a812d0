"""pyproject.toml: what a project requests, from where, and what of it has no counterpart."""

from __future__ import annotations

from pathlib import Path

import pytest

from environments.definition import Reading, read, read_path
from environments.definition.model import Cutoff, Selection

HEAD = '[project]\nname = "lab"\nversion = "1.0"\nrequires-python = ">=3.11"\n'
ALL_PARTS = (
    HEAD
    + 'dependencies = ["numpy>=1.26", "pandas"]\n'
    + "[project.optional-dependencies]\n"
    + 'plot = ["matplotlib"]\n'
    + "fast = [\"numba; python_version < '3.14'\"]\n"
    + 'all = ["Lab[plot]", "lab[fast]; sys_platform == \'linux\'"]\n'
    + "[dependency-groups]\n"
    + 'docs = ["sphinx"]\n'
    + 'Test = ["pytest", { include-group = "docs" }]\n'
    + 'dev = ["ruff", { include-group = "test" }]\n'
)


def lines(text: str, selection: Selection | None = None) -> list[str]:
    """The lines of pip's that a pyproject.toml is read as."""
    return list(accepted(text, selection).definition.python.pip)  # type: ignore[union-attr]


def accepted(text: str, selection: Selection | None = None) -> Reading:
    reading = read(text, "pyproject.toml", selection=selection)
    assert reading.definition is not None, reading.errors
    return reading


def codes(reading: Reading) -> list[tuple[str, int | None]]:
    quiet = ("base-assumed", "unpinned-package", "project-python", "project-parts")
    return [(finding.code, finding.line) for finding in reading.findings if finding.code not in quiet]


def test_the_requirements_of_the_project_are_read_and_its_other_parts_are_offered() -> None:
    reading = accepted(ALL_PARTS)
    assert reading.definition is not None
    assert reading.definition.python.pip == ("numpy>=1.26", "pandas")
    assert reading.definition.python.requires_python == ">=3.11"
    assert reading.definition.selection == Selection()
    assert (reading.name, reading.version) == ("lab", "1.0")
    assert reading.offers.extras == ("plot", "fast", "all")
    assert reading.offers.groups == ("docs", "Test", "dev")
    (note,) = [finding for finding in reading.findings if finding.code == "project-parts"]
    assert "the extras plot, fast and all and the groups docs, Test and dev" in note.message


@pytest.mark.parametrize(
    ("selection", "more"),
    [
        (Selection(extras=("plot",)), ["matplotlib"]),
        (
            Selection(extras=("ALL",)),
            ["matplotlib", 'numba ; python_version < "3.14" and sys_platform == "linux"'],
        ),
        (
            Selection(extras=("plot", "all", "plot")),
            ["matplotlib", 'numba ; python_version < "3.14" and sys_platform == "linux"'],
        ),
        (Selection(groups=("test",)), ["pytest", "sphinx"]),
        (Selection(groups=("dev", "docs")), ["sphinx", "ruff", "pytest"]),
    ],
)
def test_extras_and_groups_are_read_with_what_they_refer_to(selection: Selection, more: list[str]) -> None:
    assert lines(ALL_PARTS, selection) == ["numpy>=1.26", "pandas", *more]


def test_what_was_read_is_recorded_by_the_names_of_the_file() -> None:
    reading = accepted(ALL_PARTS, Selection(extras=("PLOT",), groups=("test",)))
    assert reading.definition is not None
    assert reading.definition.selection == Selection(extras=("plot",), groups=("Test",))
    again = accepted(ALL_PARTS, reading.definition.selection)
    assert again.definition == reading.definition


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (Selection(extras=("gpu",)), "no extra named “gpu”"),
        (Selection(groups=("gpu",)), "no group named “gpu”"),
        (Selection(environment="gpu"), "no environment named “gpu”"),
    ],
)
def test_a_part_that_the_project_lacks_is_refused_with_those_that_it_has(
    selection: Selection, message: str
) -> None:
    reading = read(ALL_PARTS, "pyproject.toml", selection=selection)
    (error,) = reading.errors
    assert error.code == "selection-unknown"
    assert message in error.message
    assert reading.offers.extras == ("plot", "fast", "all")


def test_default_groups_other_than_dev_are_read_without_a_selection() -> None:
    assert lines(ALL_PARTS + '[tool.uv]\ndefault-groups = ["docs", "dev"]\n')[2:] == ["sphinx"]
    reading = accepted(ALL_PARTS + '[tool.uv]\ndefault-groups = "all"\n')
    assert reading.definition is not None
    assert reading.definition.selection.groups == ("docs", "Test")
    assert reading.offers.default.groups == ("docs", "Test")


@pytest.mark.parametrize(
    ("selection", "groups", "no_groups"),
    [
        (Selection(no_groups=("DOCS",)), ("Test",), ("docs",)),
        (Selection(no_default_groups=True), (), ("docs", "Test")),
        (Selection(groups=("docs", "dev"), no_default_groups=True), ("docs", "dev"), ("Test",)),
        (Selection(groups=("docs",), no_groups=("docs", "test")), (), ("docs", "Test")),
    ],
)
def test_default_groups_can_be_left_out_as_by_uv(
    selection: Selection, groups: tuple[str, ...], no_groups: tuple[str, ...]
) -> None:
    text = ALL_PARTS + '[tool.uv]\ndefault-groups = "all"\n'
    reading = read(text, "pyproject.toml", selection=selection)
    assert reading.definition is not None
    chosen = reading.definition.selection
    assert (set(chosen.groups), chosen.no_groups) == (set(groups), no_groups)
    again = read(text, "pyproject.toml", selection=chosen)
    assert again.definition == reading.definition
    assert "group-absent" not in {finding.code for finding in reading.findings}


@pytest.mark.parametrize(
    "text", [ALL_PARTS, '[project]\nname = "a"\nversion = "1"\ndependencies = ["six"]\n']
)
def test_a_group_that_cannot_be_left_out_is_named_and_not_recorded(text: str) -> None:
    reading = read(text, "pyproject.toml", selection=Selection(no_groups=("tset",)))
    assert reading.definition is not None
    assert reading.definition.selection.no_groups == ()
    (warning,) = [finding for finding in reading.findings if finding.code == "group-absent"]
    assert "no group named “tset”" in warning.message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HEAD, ("project-empty", 1)),
        (HEAD + "dependencies = []\n", ("project-empty", 5)),
        ("[build-system]\nrequires = ['setuptools']\n", ("project-empty", 1)),
        ("[tool.ruff]\nline-length = 100\n", ("project-empty", 1)),
        (HEAD + 'dynamic = ["version", "dependencies"]\n', ("project-dynamic", 5)),
        (
            HEAD + 'dependencies = ["tools"]\n[tool.uv.sources]\ntools = { path = "../tools" }\n',
            ("project-empty", 5),
        ),
        (HEAD + 'dependencies = "numpy"\n', ("wrong-shape", 5)),
        (HEAD + 'dependencies = ["numpy",\n 3]\n', ("wrong-shape", 6)),
        (HEAD + 'dependencies = ["numpy"]\n[dependency-groups\n', ("bad-toml", 6)),
        (HEAD + 'dependencies = ["numpy>>1"]\n', ("bad-requirement", 5)),
        (
            HEAD + 'dependencies = ["numpy"]\n[tool.uv.sources]\nnumpy = { index = "lab" }\n',
            ("index-unknown", 7),
        ),
        (HEAD + 'dependencies = ["numpy"]\n[tool.uv]\nexclude-newer = "soon"\n', ("bad-cutoff", 7)),
        (HEAD.replace(">=3.11", "3.11 or so") + 'dependencies = ["numpy"]\n', ("wrong-shape", 4)),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(text: str, expected: tuple[str, int]) -> None:
    assert expected in [(error.code, error.line) for error in read(text, "pyproject.toml").errors]


def test_the_file_that_setuptools_reads_dynamic_requirements_from_is_named() -> None:
    text = (
        HEAD
        + 'dynamic = ["dependencies"]\n[tool.setuptools.dynamic]\ndependencies = { file = ["requirements.in"] }\n'
    )
    (error,) = read(text, "pyproject.toml").errors
    assert "requirements.in" in error.help


def test_groups_that_include_one_another_are_refused() -> None:
    text = (
        HEAD
        + 'dependencies = ["a"]\n[dependency-groups]\na = [{ include-group = "b" }]\nb = [{ include-group = "a" }]\n'
    )
    reading = read(text, "pyproject.toml", selection=Selection(groups=("a",)))
    assert [(error.code, error.line) for error in reading.errors] == [("include-loop", 8)]
    assert accepted(text).definition is not None


def test_extras_that_refer_to_one_another_end() -> None:
    extras = "".join(f'e{n} = ["lab[e{n + 1}]", "lab[e{n + 1}]", "lab[e0]", "p{n}"]\n' for n in range(60))
    text = (
        f'{HEAD}dependencies = []\n[project.optional-dependencies]\n{extras}e60 = ["end", "lab[nothing]"]\n'
    )
    reading = accepted(text, Selection(extras=("e0",)))
    assert reading.definition is not None
    assert sorted(reading.definition.python.pip) == sorted([*(f"p{n}" for n in range(60)), "end"])
    assert "extra-unknown" in [code for code, _ in codes(reading)]


def test_markers_on_the_way_cannot_multiply_without_end() -> None:
    extras = "".join(
        f"e{n} = [\"lab[e{n + 1}]; python_version != '3.{n}'\", \"lab[e{n + 1}]; os_name != 'n{n}'\"]\n"
        for n in range(40)
    )
    text = f'{HEAD}dependencies = []\n[project.optional-dependencies]\n{extras}e40 = ["end"]\n'
    reading = read(text, "pyproject.toml", selection=Selection(extras=("e0",)))
    assert [error.code for error in reading.errors] == ["too-large"]


def test_more_sources_and_overrides_of_a_package_than_anyone_writes_are_refused() -> None:
    sources = '{ git = "https://example.org/x" },\n' * 101
    for tool in (
        f"[tool.uv.sources]\nx = [\n{sources}]\n",
        "[tool.uv]\noverride-dependencies = [\n" + '"x<2",\n' * 101 + "]\n",
    ):
        assert [error.code for error in read(with_uv(tool, "x"), "pyproject.toml").errors] == ["too-large"]
    long = read(with_uv("", "x" * 20_000), "pyproject.toml")
    assert "bad-requirement" in [error.code for error in long.errors]


def with_uv(tool: str, *requirements: str) -> str:
    return f"{HEAD}dependencies = {list(requirements)!r}\n{tool}"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('{ git = "https://example.org/x.git" }', ["x[a] @ git+https://example.org/x.git"]),
        ('{ git = "https://example.org/x", tag = "v1" }', ["x[a] @ git+https://example.org/x@v1"]),
        (
            '{ git = "ssh://git@example.org/x", rev = "ab12", subdirectory = "py" }',
            ["x[a] @ git+ssh://git@example.org/x@ab12#subdirectory=py"],
        ),
        (
            '{ url = "https://example.org/x-1-py3-none-any.whl" }',
            ["x[a] @ https://example.org/x-1-py3-none-any.whl"],
        ),
        ("{ workspace = true }", []),
        ('{ path = "../x", editable = true }', []),
        ('{ git = "https://example.org/x", marker = "sys_platform == \'darwin\'" }', ["x[a]>=1"]),
        (
            '[{ git = "https://example.org/x", marker = "python_version < \'3.12\'" }, { path = "x", marker = "sys_platform == \'win32\'" }]',
            [
                'x[a] @ git+https://example.org/x ; python_version < "3.12"',
                'x[a]>=1 ; python_version >= "3.12"',
            ],
        ),
        ('{ git = "https://example.org/x", extra = "gpu" }', ["x[a]>=1"]),
        (
            '{ git = "https://example.org/x", marker = "platform_machine == \'x86_64\'" }',
            ["x[a] @ git+https://example.org/x"],
        ),
    ],
)
def test_a_source_decides_where_a_package_comes_from(source: str, expected: list[str]) -> None:
    text = with_uv(f"[tool.uv.sources]\nX = {source}\n", "x[a]>=1", "other")
    assert lines(text) == [*expected, "other"]
    left_out = "project-left-out" in [code for code, _ in codes(accepted(text))]
    assert left_out == (not expected)


def test_an_index_of_a_source_is_the_only_index_of_its_package() -> None:
    text = with_uv(
        '[[tool.uv.index]]\nname = "cpu"\nurl = "https://example.org/cpu/"\nexplicit = true\n'
        '[[tool.uv.index]]\nname = "gpu"\nurl = "https://example.org/gpu"\nexplicit = true\n'
        '[[tool.uv.index]]\nname = "team"\nurl = "https://example.org/team"\n'
        '[[tool.uv.index]]\nurl = "https://example.org/main"\ndefault = true\n'
        '[[tool.uv.index]]\nname = "pypi"\nurl = "https://pypi.org/simple"\n'
        '[[tool.uv.index]]\nname = "files"\nurl = "https://example.org/files.html"\nformat = "flat"\n'
        "[tool.uv.sources]\n"
        'Torch = [{ index = "gpu", marker = "sys_platform == \'win32\'" }, { index = "cpu" }]\n'
        'unrequested = { index = "cpu" }\n',
        "torch>=2",
        "numpy",
    )
    definition = accepted(text).definition
    assert definition is not None
    assert definition.python.package_indexes == {"torch": "https://example.org/cpu"}
    assert definition.python.pip == (
        "--index-url https://example.org/main",
        "--extra-index-url https://example.org/team",
        "--find-links https://example.org/files.html",
        "torch>=2",
        "numpy",
    )


def test_a_secret_in_the_index_of_a_source_is_refused_and_not_shown() -> None:
    text = with_uv(
        '[[tool.uv.index]]\nname = "a"\nurl = "https://me:hunter2@example.org/x"\nexplicit = true\n'
        '[tool.uv.sources]\nnumpy = { index = "a" }\n',
        "numpy",
    )
    reading = read(text, "pyproject.toml")
    assert [error.code for error in reading.errors] == ["secret-in-definition"]
    assert "hunter2" not in str(reading.findings)


def test_options_constraints_and_overrides_become_lines_of_pip() -> None:
    text = with_uv(
        '[tool.uv]\nprerelease = "allow"\nno-build = true\nno-binary-package = ["y"]\n'
        'constraint-dependencies = ["urllib3<2"]\n'
        'override-dependencies = ["numpy==1.26.4", "grpcio>=1.75", "dropped; sys_platform == \'never\'"]\n',
        "numpy[all]>=2; python_version < '3.13'",
        "y",
    )
    assert lines(text) == [
        "--pre",
        "--no-binary y",
        "--only-binary :all:",
        'numpy[all]==1.26.4 ; python_version < "3.13"',
        "y",
        "--constraint urllib3<2",
        "--constraint grpcio>=1.75",
    ]
    assert codes(accepted(text)) == [("setting-unread", 11), ("override-as-constraint", 11)]


@pytest.mark.parametrize(
    ("written", "cutoff"),
    [
        ('"2026-06-01"', Cutoff(as_of="2026-06-01")),
        ('"2026-06-01T00:00:00Z"', Cutoff(as_of="2026-06-01T00:00:00Z")),
        ("2026-06-01", Cutoff(as_of="2026-06-01")),
        ("2026-06-01T00:00:00Z", Cutoff(as_of="2026-06-01T00:00:00Z")),
        ('"14 days"', Cutoff(newest="14 days")),
        ('"1 week"', Cutoff(newest="7 days")),
        ('"P1D"', Cutoff(newest="1 day")),
        ('"PT36H"', Cutoff(newest="36 hours")),
        ('"1 day 30 minutes"', Cutoff(newest="1470 minutes")),
    ],
)
def test_what_uv_excludes_as_too_new_is_the_cutoff(written: str, cutoff: Cutoff) -> None:
    text = with_uv(f"[tool.uv]\nexclude-newer = {written}\n", "numpy")
    definition = accepted(text).definition
    assert definition is not None
    assert definition.cutoff == cutoff
    text += "exclude-newer-package = { Own_Lib = false, numpy = '2026-07-01' }\n"
    definition = accepted(text).definition
    assert definition is not None
    assert definition.cutoff.exceptions == {"own-lib": "any", "numpy": "2026-07-01"}


def test_a_project_of_other_platforms_is_read_with_a_warning() -> None:
    text = with_uv("[tool.uv]\nenvironments = [\"sys_platform == 'darwin'\"]\n", "numpy")
    assert codes(accepted(text)) == [("project-platform", 7)]
    assert codes(accepted(text.replace("darwin", "linux"))) == []


def test_what_pdm_adds_is_read() -> None:
    text = with_uv(
        '[[tool.pdm.source]]\nname = "pypi"\nurl = "https://example.org/simple"\n'
        '[[tool.pdm.source]]\nname = "team"\nurl = "https://example.org/team"\ninclude_packages = ["Lab_Tools", "x-*"]\n'
        '[tool.pdm.resolution.overrides]\nurllib3 = ">=2"\n'
        '[tool.pdm.dev-dependencies]\ntest = ["pytest"]\n',
        "lab-tools",
    )
    reading = accepted(text)
    assert reading.definition is not None
    assert reading.definition.python.pip == (
        "--index-url https://example.org/simple",
        "lab-tools",
        "--constraint urllib3>=2",
    )
    assert reading.definition.python.package_indexes == {"lab-tools": "https://example.org/team"}
    assert reading.offers.groups == ("test",)


def test_a_pasted_pyproject_is_recognised_by_its_tables() -> None:
    assert read(with_uv("", "numpy")).format == "pyproject"
    assert read('[dependency-groups]\ntest = ["pytest"]\n').format == "pyproject"


def test_the_lock_of_a_folder_is_read_unless_it_is_to_be_ignored(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(with_uv("", "numpy"))
    assert read_path(tmp_path).format == "pyproject"
    (tmp_path / "uv.lock").write_text(
        'version = 1\nrequires-python = ">=3.11"\n[[package]]\nname = "lab"\nversion = "1"\nsource = { virtual = "." }\n'
        'dependencies = [{ name = "numpy" }]\n[[package]]\nname = "numpy"\nversion = "2.0"\n'
        'source = { registry = "https://pypi.org/simple" }\n'
    )
    reading = read_path(tmp_path)
    assert reading.format == "uv-lock"
    assert reading.definition is not None
    assert reading.definition.python.pip == ("numpy==2.0",)
    reading = read_path(tmp_path, selection=Selection(ignore_lock=True))
    assert reading.definition is not None
    assert reading.definition.python.pip == ("numpy",)
    assert ("lock-unread", 5) in codes(read_path(tmp_path / "pyproject.toml"))
