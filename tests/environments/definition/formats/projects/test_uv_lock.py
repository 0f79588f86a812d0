"""uv.lock: what its lines become, and what is wrong with it; `test_uv_lock_as_uv` compares it with uv."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.definition import Reading, read, read_path
from environments.definition.model import Selection

A, B, C = ("a" * 64, "b" * 64, "c" * 64)
HEAD = 'version = 1\nrevision = 3\nrequires-python = ">=3.11"\n'
ROOT = '[[package]]\nname = "lab"\nversion = "0.1"\nsource = { virtual = "." }\n'
PYPI = 'source = { registry = "https://pypi.org/simple" }\n'
NUMPY = (
    f'[[package]]\nname = "numpy"\nversion = "2.0"\n{PYPI}'
    f'sdist = {{ url = "https://files.example/numpy-2.0.tar.gz", hash = "sha256:{A}", size = 5 }}\n'
    "wheels = [\n"
    f'    {{ url = "https://files.example/numpy-2.0-cp311-cp311-win_amd64.whl", hash = "sha256:{B}" }},\n'
    f'    {{ url = "https://files.example/numpy-2.0-cp311-cp311-manylinux_2_28_x86_64.whl", hash = "sha256:{C}" }},\n'
    "]\n"
)


def lock(dependencies: str, *packages: str, more: str = "", head: str = HEAD) -> str:
    return f"{head}{ROOT}dependencies = [{dependencies}]\n{more}{''.join(packages)}"


def package(name: str, version: str = "1.0", source: str = PYPI, more: str = "") -> str:
    return f'[[package]]\nname = "{name}"\nversion = "{version}"\n{source}{more}'


def lines(text: str, selection: Selection | None = None) -> list[str]:
    reading = read(text, "uv.lock", selection=selection)
    assert reading.definition is not None, reading.errors
    return list(reading.definition.python.pip)


def errors(reading: Reading) -> list[tuple[str, int | None]]:
    return [(error.code, error.line) for error in reading.errors]


def test_a_package_is_held_to_its_version_and_to_its_files_for_linux() -> None:
    reading = read(lock('{ name = "numpy" }', NUMPY))
    assert reading.format == "uv-lock"
    assert reading.definition is not None, reading.errors
    assert reading.definition.python.pip == (f"numpy==2.0 --hash=sha256:{C} --hash=sha256:{A}",)
    assert reading.definition.python.requires_python == ">=3.11"
    (numpy,) = reading.packages
    assert numpy.requested
    assert [file.name for file in numpy.files] == [
        "numpy-2.0-cp311-cp311-manylinux_2_28_x86_64.whl",
        "numpy-2.0.tar.gz",
    ]
    assert [finding.line for finding in reading.findings if finding.code == "project-left-out"] == [4]


@pytest.mark.parametrize(
    ("source", "more", "expected"),
    [
        (
            'source = { git = "https://example.org/x.git?rev=v1#abc123" }\n',
            "",
            ["x @ git+https://example.org/x.git@abc123"],
        ),
        (
            'source = { git = "ssh://git@example.org/x?subdirectory=py%2Fx&branch=main#abc" }\n',
            "",
            ["x @ git+ssh://git@example.org/x@abc#subdirectory=py/x"],
        ),
        (
            'source = { url = "https://example.org/x-1.0-py3-none-any.whl" }\n',
            f'wheels = [{{ url = "https://example.org/x-1.0-py3-none-any.whl", hash = "sha256:{A}" }}]\n',
            [f"x @ https://example.org/x-1.0-py3-none-any.whl#sha256={A}"],
        ),
        ('source = { path = "wheels/x-1.0-py3-none-any.whl" }\n', "", []),
        ('source = { editable = "libs/x" }\n', "", []),
        ('source = { directory = "libs/x" }\n', "", []),
        (
            'source = { registry = "https://example.org/simple/" }\n',
            "",
            ["--extra-index-url https://example.org/simple", "x==1.0"],
        ),
        ('source = { registry = "wheels" }\n', "", ["--find-links wheels", "x==1.0"]),
    ],
)
def test_each_kind_of_source_has_its_line(source: str, more: str, expected: list[str]) -> None:
    text = lock('{ name = "x" }, { name = "y" }', package("x", source=source, more=more), package("y"))
    assert lines(text) == [*expected, "y==1.0"]


def test_an_index_holds_what_has_no_hashes() -> None:
    reading = read(
        lock('{ name = "x" }', package("x", source='source = { registry = "https://example.org/cpu" }\n'))
    )
    assert reading.definition is not None
    assert reading.definition.python.package_indexes == {"x": "https://example.org/cpu"}


def test_forks_keep_their_markers_only_where_pythons_differ() -> None:
    text = lock(
        '{ name = "x", version = "1.0", source = { registry = "https://pypi.org/simple" }, marker = "python_full_version < \'3.12\'" }, '
        '{ name = "x", version = "2.0", source = { registry = "https://pypi.org/simple" }, marker = "python_full_version >= \'3.12\'" }, '
        '{ name = "y", marker = "sys_platform == \'linux\'" }, { name = "z", marker = "sys_platform == \'win32\'" }',
        package("x", "1.0"),
        package("x", "2.0"),
        package("y"),
        package("z"),
    )
    assert lines(text) == ['x==1.0 ; python_version < "3.12"', 'x==2.0 ; python_version >= "3.12"', "y==1.0"]


PARTS = (
    '[package.optional-dependencies]\ncpu = [{ name = "x" }]\ngpu = [{ name = "y" }]\n'
    '[package.dev-dependencies]\ndev = [{ name = "z" }]\n'
    '[package.metadata]\nprovides-extras = ["cpu", "gpu"]\n[package.metadata.requires-dev]\ndev = [{ name = "z" }]\n'
)
CONFLICTS = 'conflicts = [[{ package = "lab", extra = "cpu" }, { package = "lab", extra = "gpu" }]]\n'


def test_extras_and_groups_of_a_lock_without_its_manifest_are_offered() -> None:
    text = lock('{ name = "numpy" }', NUMPY, package("x"), package("y"), package("z"), more=PARTS)
    reading = read(text)
    assert (reading.offers.extras, reading.offers.groups) == (("cpu", "gpu"), ("dev",))
    assert len(lines(text)) == 1
    assert lines(text, Selection(extras=("CPU",), groups=("dev",)))[1:] == ["x==1.0", "z==1.0"]


def test_parts_that_exclude_one_another_are_refused_together() -> None:
    text = lock(
        '{ name = "numpy" }',
        NUMPY,
        package("x"),
        package("y"),
        package("z"),
        more=PARTS,
        head=HEAD + CONFLICTS,
    )
    reading = read(text, selection=Selection(extras=("cpu", "gpu")))
    assert errors(reading) == [("selection-conflict", None)]
    assert "cpu and gpu" in reading.errors[0].message


def test_markers_between_conflicting_extras_are_decided_by_the_choice() -> None:
    either = "python_version < '3.13' and extra == 'extra-3-lab-cpu'"
    text = lock(
        f'{{ name = "numpy" }}, {{ name = "x", marker = "({either}) or extra == \'extra-3-lab-gpu\'" }}, '
        "{ name = \"y\", marker = \"extra != 'extra-3-lab-cpu' and extra != 'extra-3-lab-gpu'\" }, "
        "{ name = \"z\", marker = \"python_version >= '3.12' and (extra == 'extra-3-lab-gpu' or os_name == 'nt')\" }",
        NUMPY,
        package("x"),
        package("y"),
        package("z"),
        more='[package.metadata]\nprovides-extras = ["cpu", "gpu"]\n',
        head=HEAD + CONFLICTS,
    )
    assert lines(text)[1:] == ["y==1.0"]
    assert lines(text, Selection(extras=("cpu",)))[1:] == ['x==1.0 ; python_version < "3.13"']
    assert lines(text, Selection(extras=("gpu",)))[1:] == ["x==1.0", 'z==1.0 ; python_version >= "3.12"']


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HEAD, ("empty-lock", 1)),
        ("version = 2\n" + ROOT, ("not-a-definition", 1)),
        (lock(""), ("project-empty", 1)),
        (HEAD + "[[package]]\nversion = '1'\n", ("missing-key", 4)),
        (HEAD + "[[package]]\nname = '--index-url x'\n", ("missing-key", 4)),
        (lock('{ name = "x" }', "[[package]]\nname = 'x'\n" + PYPI), ("missing-key", 9)),
        (lock('{ name = "x" }', package("x", "1 --pre")), ("missing-key", 9)),
        (lock('{ name = "x", marker = "nonsense" }', package("x")), ("wrong-shape", 1)),
        (
            lock(
                '{ name = "x" }',
                package("x"),
                head=HEAD + "supported-markers = [\"sys_platform == 'win32'\"]\n",
            ),
            ("lock-uncovered", 1),
        ),
        (
            lock(
                '{ name = "x" }',
                package(
                    "x", more='wheels = [{ url = "https://files.example/x-1.0-py3-none-win_amd64.whl" }]\n'
                ),
            ),
            ("lock-uncovered", 9),
        ),
        ("[[package]\n", ("bad-toml", 1)),
    ],
)
def test_what_cannot_be_installed_is_refused_with_its_line(text: str, expected: tuple[str, int]) -> None:
    assert errors(read(text, "uv.lock")) == [expected]


def test_a_lock_that_names_another_project_or_other_requirements_is_outdated(tmp_path: Path) -> None:
    metadata = '[package.metadata]\nrequires-dist = [{ name = "numpy", specifier = ">=1" }]\n'
    (tmp_path / "uv.lock").write_text(lock('{ name = "numpy" }', NUMPY, more=metadata))
    manifest = tmp_path / "pyproject.toml"
    manifest.write_text('[project]\nname = "lab"\nrequires-python = ">=3.11"\ndependencies = ["numpy>=1"]\n')
    assert read_path(tmp_path).accepted
    manifest.write_text(
        '[project]\nname = "lab"\nrequires-python = ">=3.11"\ndependencies = ["numpy>=3", "scipy"]\n'
    )
    (error,) = read_path(tmp_path).errors
    assert (error.code, error.file, error.line) == ("lock-stale", "pyproject.toml", 4)
    assert "it requests numpy>=3, the lock is for numpy>=1" in error.message
    assert "it requests scipy, the lock is for no scipy" in error.message
    assert "`uv lock`" in error.help
    manifest.write_text('[project]\nname = "other"\ndependencies = ["numpy>=1"]\n')
    assert errors(read_path(tmp_path)) == [("lock-stale", 2)]
    manifest.write_text("[project\n")
    assert errors(read_path(tmp_path)) == [("bad-toml", 1)]


@pytest.mark.parametrize(
    ("python", "code"),
    [
        (">=3.11", None),
        (">=3.12,<3.14", "lock-pythons"),
        (">=3.9", "lock-pythons"),
        ("<3.11", "lock-uncovered"),
    ],
)
def test_a_lock_holds_for_the_pythons_that_the_project_is_for_too(
    tmp_path: Path, python: str, code: str | None
) -> None:
    (tmp_path / "uv.lock").write_text(lock('{ name = "numpy" }', NUMPY))
    text = f'[project]\nname = "lab"\nrequires-python = "{python}"\ndependencies = ["numpy"]\n'
    (tmp_path / "pyproject.toml").write_text(text)
    reading = read_path(tmp_path)
    assert [finding.code for finding in reading.findings if finding.code.startswith("lock-")] == [
        code
    ] * bool(code)
    if code == "lock-pythons":
        assert reading.definition is not None
        assert reading.definition.python.requires_python == f">=3.11, {python}"


def test_the_lock_of_a_script_is_read(tmp_path: Path) -> None:
    text = f'{HEAD}[manifest]\nrequirements = [{{ name = "numpy", specifier = ">=1" }}]\n{NUMPY}{package("unused")}'
    (tmp_path / "tool.py.lock").write_text(text)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "other"\n')
    reading = read_path(tmp_path / "tool.py.lock")
    assert reading.definition is not None, reading.errors
    assert [package.name for package in reading.packages] == ["numpy"]


def test_many_markers_end_as_a_refusal() -> None:
    markers = [f"python_full_version != '3.{n % 16}.{n}' and os_name != '{'x' * 900}{n}'" for n in range(400)]
    entries = ",\n".join(f'{{ name = "x", marker = "{marker}" }}' for marker in markers)
    assert errors(read(lock(entries, package("x")), "uv.lock")) == [("wrong-shape", 1)]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (lock('{ name = "x" }', *(package("x", f"1.{n}") for n in range(101))), "too-large"),
        (
            lock(",\n".join(['{ name = "x" }'] * 20_000), *(package("x", f"1.{n}") for n in range(60))),
            "wrong-shape",
        ),
        (
            lock(
                '{ name = "x" }',
                package("x", more="wheels = [\n" + '{ url = "https://x/y.whl" },\n' * 1001 + "]\n"),
            ),
            "too-large",
        ),
    ],
)
def test_more_than_any_lock_holds_is_refused(text: str, code: str) -> None:
    assert [error[0] for error in errors(read(text, "uv.lock"))] == [code]


PIECES = st.sampled_from(
    [
        HEAD, ROOT, NUMPY, PYPI, PARTS, CONFLICTS, package("x"), package("x", "2.0"), 'dependencies = [{ name = "x" }]\n',
        "dependencies = [{ name = 'numpy', extra = [1, 'x'], marker = \"extra == 'a'\" }]\n", "dependencies = 3\n",
        "[manifest]\nmembers = ['lab', 3]\n", "[package.metadata]\nrequires-dist = [{}, 3, { name = 'x', marker = 'y' }]\n",
        "[package.optional-dependencies]\nx = 3\ny = [3]\n", "resolution-markers = [3, \"os_name == 'nt'\"]\n", "source = 3\n",
        "wheels = [3, { hash = 3 }, { url = 'https://x/y-1-py3-none-any.whl', hash = 'md5:1', size = 'x' }]\n", "sdist = 3\n",
        "supported-markers = ['x']\n", "conflicts = [3, [3], [{ package = 'lab', extra = 3 }]]\n", "[[package]]\n", "name = 'lab'\n",
        "requires-python = '!'\n",
    ]
)  # fmt: skip


@given(
    st.lists(PIECES, max_size=9),
    st.sampled_from([Selection(), Selection(extras=("cpu",)), Selection(groups=("dev",))]),
)
@settings(max_examples=200)
def test_no_lock_breaks_the_reader(pieces: list[str], selection: Selection) -> None:
    reading = read("".join(pieces), "uv.lock", selection=selection)
    assert reading.accepted != bool(reading.errors)
